// Where an SAE is dense the store keeps activations, and every answer stays what it was.

import Basics
import Store
import Testing

/// A toy SAE: latent j is active where x[j % width] * (j + 1) > 0.
@Sendable private func encode(_ x: UnsafePointer<Float>, _ rows: Int) -> SparseRows {
    var latents = SparseRows(width: 200)
    for row in 0..<rows {
        for latent in 0..<200 {
            let value = x[6 * row + latent % 6] * Float(latent + 1) / 100
            if value > 0 {
                latents.indices.append(UInt32(latent))
                latents.values.append(value)
            }
        }
        latents.indptr.append(latents.indices.count)
    }
    return latents
}

@Suite struct DenseFormTests {
    private func snapshot(_ fixture: Fixture, _ name: String) -> Snapshot {
        var random = Seeded(UInt64(bitPattern: Int64(name.hashValue64)))
        let activations = (0..<fixture.shape.layout.count * 6).map { _ in Float.random(in: -1...1, using: &random) }
        var snapshot = fixture.snapshot(name)
        snapshot.latents = encode(activations, fixture.shape.layout.count)
        snapshot.activations = activations
        return snapshot
    }

    @Test func denseLatentsAreEncodedOnDemandWithTheSameAnswers() throws {
        let dense = try TemporaryFolder(), sparse = try TemporaryFolder()
        let first = try Fixture(dense.path), second = try Fixture(sparse.path)
        let names = (0..<6).map { "n\($0)" }
        for name in names {
            try first.addImage(name)
            try second.addImage(name)
            let whole = snapshot(first, name)
            var bare = whole
            bare.activations = nil
            try first.store.append([whole], to: first.view.id)
            try second.store.append([bare], to: second.view.id)
        }
        #expect(try first.store.counts(of: first.view.id).bytes < second.store.counts(of: second.view.id).bytes)
        let id = try #require(try first.store.image(hash: ContentHash(of: "n3"))).id
        #expect(throws: StoreError.needsEncoder(view: "m/base/s")) { try first.store.snapshot(of: id, in: first.view.id) }
        // Statistics need no SAE, not even after a restart in the middle of a segment.
        try first.store.close()
        let again = try Fixture(dense.path)
        for latent in 0..<200 {
            #expect(
                try again.store.postings(of: latent, in: again.view.id).items.map(\.posting)
                    == second.store.postings(of: latent, in: second.view.id).items.map(\.posting))
        }
        var unasked = VerifyReport(snapshots: 6)
        unasked.comparesAggregates = false
        #expect(try again.store.verify(again.view.id) == unasked, "checksums are checked without the SAE")
        try again.store.setEncoder(encode, for: again.view.id)
        for name in names {
            let image = try #require(try again.store.image(hash: ContentHash(of: name)))
            let read = try #require(try again.store.snapshot(of: image.id, in: again.view.id, activations: true))
            #expect(read.activations == snapshot(again, name).activations)
            #expect(read.latents == asStored(snapshot(again, name).latents))
        }
        try again.store.sealOpenSegments(of: again.view.id)
        #expect(try again.store.verify(again.view.id) == VerifyReport(snapshots: 6))
    }

    @Test func withoutSideFilePostingsAreEncodedAgain() throws {
        let folder = try TemporaryFolder()
        var expected: [LatentPosting] = []
        do {
            let fixture = try Fixture(folder.path)
            try fixture.addImage("a")
            try fixture.store.append([snapshot(fixture, "a")], to: fixture.view.id)
            expected = try fixture.store.postings(of: 9, in: fixture.view.id).items.map(\.posting)
            try fixture.store.close()
        }
        #expect(!expected.isEmpty)
        try Damage.truncate(folder.path + "/segments/1/1.sum", to: 140)
        let fixture = try Fixture(folder.path)
        #expect(throws: StoreError.needsEncoder(view: "m/base/s")) { try fixture.store.postings(of: 9, in: fixture.view.id) }
        try fixture.store.setEncoder(encode, for: fixture.view.id)
        #expect(try fixture.store.postings(of: 9, in: fixture.view.id).items.map(\.posting) == expected)
    }

    @Test func activationsAreKeptBesideSparseLatentsWhenAskedFor() throws {
        let folder = try TemporaryFolder()
        var options = StoreOptions()
        options.keepActivations = true
        let fixture = try Fixture(folder.path, options: options)
        let id = try fixture.addImage("a").image.id
        var snapshot = fixture.snapshot("a", density: 0.01)
        snapshot.activations = (0..<78).map { Float($0) * 0.37 }
        try fixture.store.append([snapshot], to: fixture.view.id)
        #expect(try fixture.store.snapshot(of: id, in: fixture.view.id)?.activations == nil)
        let read = try fixture.store.snapshot(of: id, in: fixture.view.id, activations: true)
        #expect(read?.activations == snapshot.activations)
        #expect(read?.latents == asStored(snapshot.latents))
    }
}
