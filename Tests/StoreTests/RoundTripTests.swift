// What is appended is read back: every form, before and after a restart, sealed or not.

import Basics
import Foundation
import Store
import Testing

@Suite struct RoundTripTests {
    @Test func aSnapshotIsReadBackWithF16ValuesAndF32Embedding() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        let image = try fixture.addImage("a").image
        var snapshot = fixture.snapshot("a")
        #expect(try fixture.store.append([snapshot], to: fixture.view.id) == 1)
        let read = try #require(try fixture.store.snapshot(of: image.id, in: fixture.view.id))
        snapshot.latents = asStored(snapshot.latents)
        #expect(read == snapshot)
        #expect(read.latents.values.contains { $0 != fixture.snapshot("a").latents.values[0] })
    }

    @Test func promptTokensAndWideLatentIndicesAreReadBack() throws {
        let folder = try TemporaryFolder()
        let shape = Shape(layout: TokenLayout(rows: 2, columns: 2, prompts: 3), latents: 70_000)
        let fixture = try Fixture(folder.path, shape: shape)
        let image = try fixture.addImage("a").image
        var snapshot = fixture.snapshot("a", density: 0.0005)
        // The first and the last latent, alone on the last token: the largest gap.
        let last = snapshot.latents.indptr[shape.layout.count - 1]
        snapshot.latents.indices[last...] = [0, 69_999]
        snapshot.latents.values[last...] = [1, 2]
        snapshot.latents.indptr[shape.layout.count] = last + 2
        try fixture.store.append([snapshot], to: fixture.view.id)
        let read = try #require(try fixture.store.snapshot(of: image.id, in: fixture.view.id))
        #expect(read.latents == asStored(snapshot.latents))
        let item = try #require(try fixture.store.postings(of: 69_999, in: fixture.view.id).items.first)
        #expect(item.posting.activePrompts == 1 && item.posting.promptPeak == 2)
    }

    @Test func tinyValuesStayActiveAndHugeOnesStayExact() throws {
        let folder = try TemporaryFolder()
        let shape = Shape(layout: TokenLayout(rows: 1, columns: 1), latents: 10)
        let fixture = try Fixture(folder.path, shape: shape)
        for (name, values, kept) in [
            ("tiny", [1e-12, 3, 65_504] as [Float], [0x1p-24, 3, 65_504] as [Float]),
            ("huge", [1e-12, 3.1415927, 1e9], [1e-12, 3.1415927, 1e9]),
        ] {
            let image = try fixture.addImage(name).image
            let rows = SparseRows(width: 10, indptr: [0, 0, 3], indices: [1, 4, 9], values: values)
            let snapshot = Snapshot(
                image: image.hash, layout: shape.layout, latents: rows, embedding: [Float](repeating: 0.1, count: 8))
            try fixture.store.append([snapshot], to: fixture.view.id)
            #expect(try fixture.store.snapshot(of: image.id, in: fixture.view.id)?.latents.values == kept)
        }
        try fixture.store.sealOpenSegments(of: fixture.view.id)
        #expect(try fixture.store.postings(of: 9, in: fixture.view.id).items.map(\.posting.peak) == [65_504, 1e9])
    }

    @Test func anInvalidSnapshotIsRefusedByName() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        try fixture.addImage("a")
        let good = fixture.snapshot("a")
        func refuses(_ reason: String, _ change: (inout Snapshot) -> Void) {
            var bad = good
            change(&bad)
            #expect(throws: StoreError.invalidSnapshot(image: good.image.short, reason: reason)) {
                try fixture.store.append([good, bad], to: fixture.view.id)
            }
        }
        refuses("its layout is 1 class + 4 x 3 patches, the view's is 1 class + 3 x 4 patches") {
            $0.layout = TokenLayout(rows: 4, columns: 3)
        }
        refuses("the embedding has 7 values, the view's 8") { $0.embedding.removeLast() }
        refuses("the embedding is not finite") { $0.embedding[2] = .nan }
        let first = good.latents.indices[0], second = good.latents.indices[1]
        refuses("token 0, latent \(first): value nan") { $0.latents.values[0] = .nan }
        refuses("token 0, latent \(first): value 0.0") { $0.latents.values[0] = 0 }
        refuses("token 0: latent \(first) after \(second) of 200") { $0.latents.indices.swapAt(0, 1) }
        refuses("5 activations, 13 x 6 expected") { $0.activations = [1, 2, 3, 4, 5] }
        #expect(try fixture.store.counts(of: fixture.view.id).images == 0)
    }

    @Test(arguments: [false, true]) func restartKeepsEverything(sealed: Bool) throws {
        let folder = try TemporaryFolder()
        var options = StoreOptions()
        if sealed { options.sealImages = 4 }
        let names = (0..<10).map { "image\($0)" }
        var before: [LatentPostings] = []
        do {
            let fixture = try Fixture(folder.path, options: options)
            for name in names { try fixture.addImage(name, label: "l\(name.last!)") }
            for pair in 0..<5 {
                try fixture.store.append(names[2 * pair..<2 * pair + 2].map { fixture.snapshot($0) }, to: fixture.view.id)
            }
            before = try (0..<200).map { try fixture.store.postings(of: $0, in: fixture.view.id) }
            #expect(try fixture.store.counts(of: fixture.view.id).segments == (sealed ? 3 : 1))
            try fixture.store.close()
        }
        let fixture = try Fixture(folder.path, options: options)
        #expect(fixture.store.recovery.isClean)
        for name in names {
            let image = try #require(try fixture.store.image(hash: ContentHash(of: name)))
            let read = try #require(try fixture.store.snapshot(of: image.id, in: fixture.view.id))
            #expect(read.latents == asStored(fixture.snapshot(name).latents))
        }
        for latent in 0..<200 {
            let after = try fixture.store.postings(of: latent, in: fixture.view.id)
            #expect(after.items.map(\.posting) == before[latent].items.map(\.posting), "latent \(latent)")
            #expect(after.items.map(\.image) == before[latent].items.map(\.image))
            #expect(after.images == 10)
        }
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 10))
    }

    @Test func aBatchMayBeRepeatedAndMayHoldAnImageTwice() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path)
        for name in ["a", "b"] { try fixture.addImage(name) }
        let a = fixture.snapshot("a"), b = fixture.snapshot("b")
        #expect(try fixture.store.append([a, a], to: fixture.view.id) == 1)
        #expect(try fixture.store.append([a, b], to: fixture.view.id) == 1)
        #expect(try fixture.store.append([a, b], to: fixture.view.id) == 0)
        #expect(try fixture.store.counts(of: fixture.view.id).images == 2)
        #expect(throws: StoreError.notFound(kind: "image", name: ContentHash(of: "c").short)) {
            try fixture.store.append([fixture.snapshot("c")], to: fixture.view.id)
        }
    }

    @Test func aSegmentNeverExceedsItsImages() throws {
        let folder = try TemporaryFolder()
        var options = StoreOptions()
        options.sealImages = 3
        let fixture = try Fixture(folder.path, options: options)
        let names = (0..<8).map { "n\($0)" }
        for name in names { try fixture.addImage(name) }
        try fixture.store.append(names.map { fixture.snapshot($0) }, to: fixture.view.id)
        #expect(try fixture.store.counts(of: fixture.view.id).segments == 3)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/segments/1").sorted() == ["1.idx", "1.seg", "2.idx", "2.seg", "3.seg"])
        #expect(try fixture.store.verify(fixture.view.id).isSound)
    }

    @Test func trimLosesNothing() throws {
        let folder = try TemporaryFolder()
        var options = StoreOptions()
        options.sealImages = 5
        let fixture = try Fixture(folder.path, options: options)
        let names = (0..<8).map { "n\($0)" }
        for name in names { try fixture.addImage(name) }
        try fixture.store.append(names.map { fixture.snapshot($0) }, to: fixture.view.id)
        let before = try fixture.store.postings(of: 7, in: fixture.view.id).items.map(\.posting)
        fixture.store.trim()
        #expect(try fixture.store.postings(of: 7, in: fixture.view.id).items.map(\.posting) == before)
        fixture.store.trim()
        try fixture.addImage("n8")
        try fixture.addImage("n9")
        try fixture.store.append([fixture.snapshot("n8"), fixture.snapshot("n9")], to: fixture.view.id)  // seals what was trimmed
        #expect(try fixture.store.counts(of: fixture.view.id).segments == 2)
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 10))
    }
}
