// Paths, labels, absence and what people type.

import Basics
import Store
import Testing

@Suite struct ImagesTests {
    @Test func theFirstPathThatHasALabelLabels() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        #expect(try fixture.addImage("u", path: "images/u.jpg", label: nil).image.label == nil)
        #expect(try fixture.addImage("u", path: "images/owl/u.jpg", label: "owl").image.label == "owl")
        #expect(try fixture.addImage("u", path: "images/bat/u.jpg", label: "bat").image.label == "owl")
    }

    @Test func oneContentMayHaveManyPathsAndTheEarliestLabelsIt() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        let first = try fixture.addImage("x", path: "images/cat/1.jpg", label: "cat")
        #expect(first.kind == .new)
        let second = try fixture.addImage("x", path: "images/dog/2.jpg", label: "dog")
        #expect(second.kind == .another && second.image.id == first.image.id && second.image.label == "cat")
        #expect(try fixture.store.paths(of: first.image.id).map(\.path) == ["images/cat/1.jpg", "images/dog/2.jpg"])
        try fixture.store.removePath("images/cat/1.jpg")
        let image = try #require(try fixture.store.image(first.image.id))
        #expect(image.label == "dog" && image.path == "images/dog/2.jpg" && !image.absent)
        try fixture.store.removePath("images/dog/2.jpg")
        #expect(try fixture.store.image(first.image.id)?.absent == true)
        #expect(fixture.store.imageCount == 0)
        #expect(try fixture.addImage("x", path: "images/eel/3.jpg", label: "eel").kind == .revived)
        #expect(try !fixture.store.removePath("images/none.jpg"))
    }

    @Test func anOverwrittenPathLetsGoOfItsOldContent() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        let old = try fixture.addImage("old", path: "images/a.jpg").image
        let new = try fixture.addImage("new", path: "images/a.jpg").image
        #expect(try fixture.store.image(old.id)?.absent == true)
        #expect(try fixture.store.path("images/a.jpg")?.image == new.id)
    }

    @Test func anAbsentImageLeavesEveryStatisticAndComesBackUncomputed() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        for name in ["a", "b"] {
            try fixture.addImage(name)
            try fixture.store.append([fixture.snapshot(name)], to: fixture.view.id)
        }
        let both = try fixture.store.aggregates(in: fixture.view.id)
        try fixture.store.removePath("images/a.png")
        #expect(try fixture.store.aggregates(in: fixture.view.id).images == 1)
        #expect(try fixture.store.counts(of: fixture.view.id).absent == 1)
        #expect(try fixture.store.images(limit: 10).map(\.hash) == [ContentHash(of: "b")])
        try fixture.addImage("a")
        #expect(try fixture.store.imagesLackingSnapshot(in: fixture.view.id).isEmpty)
        let again = try fixture.store.aggregates(in: fixture.view.id)
        #expect(zip(both.latents, again.latents).allSatisfy { $0.patch.active == $1.patch.active && $0.patch.max == $1.patch.max })
    }

    @Test func renamesAreFollowed() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        let a = try fixture.addImage("a", path: "images/cat/a.jpg", label: "cat").image
        let b = try fixture.addImage("b", path: "images/cat/deep/b.jpg", label: "cat").image
        let other = try fixture.addImage("o", path: "images/cat0/o.jpg", label: "cat0").image
        #expect(try fixture.store.renameFolder("images/cat", to: "images/puma") { _ in "puma" } == 2)
        #expect(try fixture.store.image(a.id)?.path == "images/puma/a.jpg")
        #expect(try fixture.store.image(b.id)?.path == "images/puma/deep/b.jpg")
        #expect(try fixture.store.image(b.id)?.label == "puma")
        #expect(try fixture.store.image(other.id)?.path == "images/cat0/o.jpg")
        // Onto another file: that one is gone.
        #expect(try fixture.store.renamePath("images/puma/a.jpg", to: "images/cat0/o.jpg", label: nil))
        #expect(try fixture.store.image(other.id)?.absent == true)
        #expect(try fixture.store.image(a.id)?.label == nil)
        #expect(try fixture.store.removeFolder("images/puma") == 1)
        #expect(try fixture.store.paths().map(\.path) == ["images/cat0/o.jpg"])
    }

    @Test func anImageIsFoundByPathByNameWhereUniqueAndByIdPrefix() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        let a = try fixture.addImage("a", path: "images/cat/1.jpg").image
        let b = try fixture.addImage("b", path: "images/dog/1.jpg").image
        let c = try fixture.addImage("c", path: "images/dog/cafe").image
        #expect(try fixture.store.findImage("images/dog/1.jpg") == .found(b))
        #expect(try fixture.store.findImage("1.jpg") == .ambiguous([a, b]))
        #expect(try fixture.store.findImage("cafe") == .found(c))
        #expect(try fixture.store.findImage(String(a.hash.hex.prefix(8))) == .found(a))
        #expect(try fixture.store.findImage(a.hash.hex.uppercased()) == .found(a))
        #expect(try fixture.store.findImage(String(a.hash.hex.prefix(3))) == .none)
        #expect(try fixture.store.findImage("2.jpg") == .none)
        // One image with two paths of that name is one image.
        try fixture.addImage("c", path: "images/cafe")
        guard case let .found(image) = try fixture.store.findImage("cafe") else { Issue.record("not found"); return }
        #expect(image.id == c.id)
        try fixture.store.removePath("images/cat/1.jpg")
        #expect(try fixture.store.findImage(a.hash.hex) == .none)
    }

    @Test func pagesCoverEverythingOnce() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        let ids = try (0..<25).map { try fixture.addImage("n\($0)", label: $0 % 2 == 0 ? "even" : nil).image.id }
        var back: [ImageRecord.ID] = [], before: ImageRecord.ID?
        while let page = Optional(try fixture.store.imagesLackingSnapshot(in: fixture.view.id, before: before, limit: 7)), !page.isEmpty {
            back += page.map(\.id)
            before = page.last?.id
        }
        #expect(back == ids.reversed())
        #expect(try fixture.store.lackingCount(in: fixture.view.id) == 25)
        #expect(try fixture.store.images(label: "even", limit: 100).count == 13)
        #expect(try fixture.store.images(after: ids[9], limit: 3).map(\.id) == Array(ids[10..<13]))
        var paths: [String] = [], after = ""
        while let page = Optional(try fixture.store.paths(below: "images", after: after, limit: 4)), !page.isEmpty {
            paths += page.map(\.path)
            after = page[page.count - 1].path
        }
        #expect(paths == (0..<25).map { "images/n\($0).png" }.sorted())
    }
}
