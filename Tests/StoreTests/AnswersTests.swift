// Zero-shot answers are asked for once an image and head, whatever is restarted, purged or damaged.

import Basics
import Foundation
import Store
import Testing

/// Counts what it is asked; answers by the embedding's first value.
private final class Head {
    var asked = 0

    func classify(_ embeddings: [[Float]]) -> [(index: Int32, probability: Float)] {
        asked += embeddings.count
        return embeddings.map { (index: Int32($0[0] * 100), probability: abs($0[1])) }
    }
}

@Suite struct AnswersTests {
    private let head = ContentHash(of: "head")

    private func filled(_ folder: String) throws -> Fixture {
        var options = StoreOptions()
        options.sealImages = 4
        let fixture = try Fixture(folder, options: options)
        for n in 0..<10 { try fixture.addImage("n\(n)") }
        try fixture.store.append((0..<10).map { fixture.snapshot("n\($0)") }, to: fixture.view.id)
        return fixture
    }

    private func expected(_ fixture: Fixture, _ names: [String]) throws -> [ImageRecord.ID: Answer] {
        var answers: [ImageRecord.ID: Answer] = [:]
        for name in names {
            let image = try #require(try fixture.store.image(hash: ContentHash(of: name)))
            let embedding = fixture.snapshot(name).embedding
            answers[image.id] = Answer(index: Int32(embedding[0] * 100), probability: abs(embedding[1]))
        }
        return answers
    }

    @Test func aSecondQuestionAsksOnlyAboutWhatIsNew() throws {
        let folder = try TemporaryFolder()
        var fixture = try filled(folder.path)
        let head = Head(), all = (0..<10).map { "n\($0)" }
        #expect(try fixture.store.answers(in: fixture.view.id, head: self.head, classify: head.classify) == expected(fixture, all))
        #expect(head.asked == 10)
        #expect(try fixture.store.answers(in: fixture.view.id, head: self.head, classify: head.classify) == expected(fixture, all))
        try fixture.store.close()
        fixture = try Fixture(folder.path)
        try fixture.addImage("new")
        try fixture.store.append([fixture.snapshot("new")], to: fixture.view.id)
        try fixture.store.removePath("images/n2.png")
        let left = all.filter { $0 != "n2" } + ["new"]
        #expect(try fixture.store.answers(in: fixture.view.id, head: self.head, classify: head.classify) == expected(fixture, left))
        #expect(head.asked == 11)
        // Purging moves the others' snapshots; their answers stay.
        _ = try fixture.store.purge()
        #expect(try fixture.store.answers(in: fixture.view.id, head: self.head, classify: head.classify) == expected(fixture, left))
        #expect(head.asked == 11)
        // Another head has answers of its own.
        _ = try fixture.store.answers(in: fixture.view.id, head: ContentHash(of: "other"), classify: head.classify)
        #expect(head.asked == 21)
    }

    @Test func damagedAnswersAreAskedForAgainAndDamagedSnapshotsLeftOut() throws {
        let folder = try TemporaryFolder()
        var fixture = try filled(folder.path)
        let head = Head()
        _ = try fixture.store.answers(in: fixture.view.id, head: self.head, classify: head.classify)
        try fixture.store.close()
        let file = folder.path + "/tables/1.\(self.head.short).ans"
        try Damage.flip(file, at: 100)
        try Damage.flip(folder.path + "/segments/1/1.seg", at: 128 + 40)
        fixture = try Fixture(folder.path)
        let answers = try fixture.store.answers(in: fixture.view.id, head: self.head, classify: head.classify)
        #expect(try answers == expected(fixture, (1..<10).map { "n\($0)" }) && head.asked == 19)
        #expect(fixture.store.damaged.map(\.image.rawValue) == [1])
    }

    @Test func aClassifierThatFailsIsNamedAndWhatWasAnsweredIsKept() throws {
        let folder = try TemporaryFolder()
        let fixture = try filled(folder.path)
        struct Broken: Error, CustomStringConvertible { var description: String { "no text tower" } }
        let error = #expect(throws: StoreError.self) {
            try fixture.store.answers(in: fixture.view.id, head: head) { _ in throw Broken() }
        }
        #expect(error?.description == "view 'm/base/s': classifying stored embeddings failed: no text tower")
        #expect(throws: StoreError.classifierFailed(view: "m/base/s", reason: "1 answers to 10 embeddings")) {
            try fixture.store.answers(in: fixture.view.id, head: head) { _ in [(0, 1)] }
        }
    }

    @Test func aQuestionThatWasStoppedGoesOnFromThere() throws {
        let folder = try TemporaryFolder()
        let fixture = try filled(folder.path)
        let head = Head()
        _ = try fixture.store.answers(in: fixture.view.id, head: self.head, classify: head.classify)
        for n in 0..<300 { try fixture.addImage("more\(n)") }
        try fixture.store.append((0..<300).map { fixture.snapshot("more\($0)") }, to: fixture.view.id)
        var parts = 0
        #expect(throws: StoreError.self) {
            try fixture.store.answers(in: fixture.view.id, head: self.head) { embeddings in
                parts += 1
                if parts == 2 { throw CancellationError() }
                return head.classify(embeddings)
            }
        }
        #expect(head.asked == 10 + 256)
        #expect(try fixture.store.answers(in: fixture.view.id, head: self.head, classify: head.classify).count == 310)
        #expect(head.asked == 310)
    }

    @Test func onlyTheLastHeadsKeepTheirFiles() throws {
        let folder = try TemporaryFolder()
        let fixture = try filled(folder.path)
        let head = Head()
        for n in 0..<12 { _ = try fixture.store.answers(in: fixture.view.id, head: ContentHash(of: "\(n)"), classify: head.classify) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/tables").count == 8)
    }

    @Test func purgingAViewTakesItsSnapshotsTablesAndAnswersAndNothingElse() throws {
        let folder = try TemporaryFolder()
        let fixture = try filled(folder.path)
        let other = try Fixture.addView(to: fixture.store, shape: fixture.shape, recipe: "other")
        try fixture.store.append((0..<6).map { fixture.snapshot("n\($0)", seed: 9) }, to: other.id)
        let head = Head()
        for view in [fixture.view.id, other.id] {
            _ = try fixture.store.answers(in: view, head: self.head, classify: head.classify)
            try fixture.store.prepareClassTables(of: view, seed: 1)
        }
        let bytes = try fixture.store.counts(of: other.id).bytes
        let report = try fixture.store.purge(view: other.id)
        #expect(report.snapshots == 6 && report.images == 0 && report.bytes == bytes)
        let left = try fixture.store.counts(of: other.id)
        #expect(left.images == 0 && left.absent == 0 && left.segments == 0 && left.bytes == 0)
        #expect(try fixture.store.imagesLackingSnapshot(in: other.id).count == 10)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/segments/\(other.id)").isEmpty)
        let tables = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/tables")
        #expect(tables.count == 3 && tables.allSatisfy { $0.hasPrefix("\(fixture.view.id).") })
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 10))
        // The view goes on: what comes again is kept again.
        #expect(try fixture.store.append([fixture.snapshot("n1", seed: 9)], to: other.id) == 1)
        #expect(try fixture.store.purge(view: other.id).snapshots == 1)
        try fixture.store.close()
        let again = try Fixture(folder.path)
        #expect(again.store.recovery.isClean)
    }
}
