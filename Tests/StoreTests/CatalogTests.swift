// Models, SAEs, views, class lists, failures and settings.

import Basics
import Store
import Testing

@Suite struct CatalogTests {
    @Test func removingMakesInactiveAndAddingTheSameAgainBringsItsViewBack() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        let catalog = fixture.store.catalog
        try fixture.addImage("a")
        try fixture.store.append([fixture.snapshot("a")], to: fixture.view.id)
        let model = try #require(try catalog.model(named: "m"))
        try catalog.deactivateModel(model.id)
        #expect(try catalog.models().isEmpty && catalog.saes().isEmpty && catalog.views().isEmpty)
        #expect(try catalog.models(includingInactive: true).count == 1)
        let again = try Fixture.addView(to: fixture.store, shape: fixture.shape)
        #expect(again.id == fixture.view.id)
        #expect(try fixture.store.counts(of: again.id).images == 1)
        #expect(try catalog.view(named: ViewName(model: "m", sae: "s"))?.id == again.id)
    }

    @Test func aNameWithOtherContentIsRefused() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        #expect(throws: StoreError.nameTaken(kind: "model", name: "m")) {
            try fixture.store.catalog.addModel(name: "m", folder: "/x", contentHash: ContentHash(of: "other"), config: "{}")
        }
        let model = try #require(try fixture.store.catalog.model(named: "m"))
        #expect(throws: StoreError.nameTaken(kind: "SAE", name: "s")) {
            try fixture.store.catalog.addSAE(
                model: model.id, name: "s", path: "", contentHash: ContentHash(of: "s"), hook: HookPoint(block: 1), latents: 1,
                width: 1, config: "")
        }
        #expect(try fixture.store.catalog.addModel(name: "m", folder: "/moved", contentHash: ContentHash(of: "m"), config: "{}").folder == "/moved")
        #expect(try fixture.store.catalog.models().count == 1)
        #expect(try fixture.store.catalog.baseAdapter(of: model.id).name == "base")
    }

    @Test func anotherRecipeUnderTheSameNameIsAnotherView() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        try fixture.addImage("a")
        try fixture.store.append([fixture.snapshot("a")], to: fixture.view.id)
        let other = try Fixture.addView(to: fixture.store, shape: fixture.shape, recipe: "bf16")
        #expect(other.id != fixture.view.id)
        #expect(try fixture.store.catalog.views().map(\.id) == [other.id])
        #expect(try fixture.store.imagesLackingSnapshot(in: other.id).count == 1)
        try fixture.store.append([fixture.snapshot("a", seed: 5)], to: other.id)
        #expect(try fixture.store.counts(of: other.id).images == 1 && fixture.store.counts(of: fixture.view.id).images == 1)
        let report = try fixture.store.purge(inactiveViews: true)
        #expect(report.snapshots == 1 && report.images == 0)
        #expect(try fixture.store.counts(of: fixture.view.id).images == 0)
        #expect(try fixture.store.verify(other.id) == VerifyReport(snapshots: 1))
    }

    @Test func classListsAreReplacedAndTextFeaturesKept() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        let catalog = fixture.store.catalog
        let model = try #require(try catalog.model(named: "m"))
        try _ = catalog.setClasses(model: model.id, name: "animals", classes: ["cat"], templates: ["a {}."])
        let list = try catalog.setClasses(model: model.id, name: "animals", classes: ["cat", "red \"dog\""], templates: ["a {}.", "the {}."])
        #expect(try catalog.classLists(model: model.id) == [list])
        #expect(list.classes == ["cat", "red \"dog\""] && list.templates == ["a {}.", "the {}."])
        #expect(try catalog.textFeatures(model: model.contentHash, list: list.hash) == nil)
        try catalog.keepTextFeatures([0.5, -1, 3e-9], model: model.contentHash, list: list.hash)
        #expect(try catalog.textFeatures(model: model.contentHash, list: list.hash) == [0.5, -1, 3e-9])
        try catalog.deactivateClasses(list.id)
        #expect(try catalog.classLists().isEmpty)
    }

    @Test func failuresAndSettingsOutliveTheStore() throws {
        let folder = try TemporaryFolder()
        do {
            let store = try Store.open(folder: folder.path)
            try store.catalog.addFailure(path: "images/a.jpg", kind: "truncated", reason: "it ends early", quarantine: "quarantine/1")
            try store.catalog.addFailure(path: "images/b.jpg", kind: "bomb", reason: "too large", quarantine: nil)
            try store.catalog.set("scan", to: "7")
            try store.close()
        }
        let store = try Store.open(folder: folder.path)
        #expect(try store.catalog.failures().map(\.path) == ["images/b.jpg", "images/a.jpg"])
        #expect(try store.catalog.failures(limit: 1, offset: 1).first?.quarantine == "quarantine/1")
        try store.catalog.clearFailures(path: "images/a.jpg")
        #expect(try store.catalog.failureCount() == 1)
        #expect(try store.catalog.setting("scan") == "7")
        try store.catalog.set("scan", to: nil)
        #expect(try store.catalog.setting("scan") == nil)
    }

    @Test func unknownIdsAreNamed() throws {
        let folder = try TemporaryFolder()
        let store = try Store.open(folder: folder.path)
        #expect(throws: StoreError.notFound(kind: "view", name: "#9")) { try store.counts(of: .init(rawValue: 9)) }
        #expect(throws: StoreError.notFound(kind: "model", name: "#9")) { try store.catalog.model(.init(rawValue: 9)) }
    }
}
