// What is appended is read back, before and after a restart, sealed or not.

import Basics
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
}
