// Purging frees what is absent and leaves the rest as it was.

import Basics
import Foundation
import Store
import Testing

@Suite struct PurgeTests {
    @Test func absentSnapshotsAreFreedAndTheOthersKeepTheirAnswers() throws {
        let folder = try TemporaryFolder()
        var options = StoreOptions()
        options.sealImages = 4
        let fixture = try Fixture(folder.path, options: options)
        for n in 0..<10 { try fixture.addImage("n\(n)") }
        try fixture.store.append((0..<10).map { fixture.snapshot("n\($0)") }, to: fixture.view.id)
        for n in [1, 4, 5, 6, 7, 8] { try fixture.store.removePath("images/n\(n).png") }
        let before = try (0..<200).map { try fixture.store.postings(of: $0, in: fixture.view.id).items.sorted { $0.image < $1.image }.map(\.posting) }
        let bytes = try fixture.store.counts(of: fixture.view.id).bytes
        let report = try fixture.store.purge()
        #expect(report.snapshots == 6 && report.images == 6)
        let counts = try fixture.store.counts(of: fixture.view.id)
        #expect(counts.absent == 0 && counts.images == 4 && counts.segments == 2 && counts.bytes == bytes - report.bytes)
        func check(_ store: Store) throws {
            for latent in 0..<200 {
                let after = try store.postings(of: latent, in: fixture.view.id).items.sorted { $0.image < $1.image }.map(\.posting)
                #expect(after == before[latent])
            }
            #expect(try store.verify(fixture.view.id) == VerifyReport(snapshots: 4))
        }
        try check(fixture.store)
        #expect(try fixture.store.purge() == PurgeReport())
        try fixture.store.close()
        let again = try Fixture(folder.path, options: options)
        #expect(again.store.recovery.isClean)
        try check(again.store)
        // What comes back after a purge is new.
        #expect(try again.addImage("n1").kind == .new)
        #expect(try again.store.append([again.snapshot("n1")], to: again.view.id) == 1)
        #expect(try again.store.verify(again.view.id) == VerifyReport(snapshots: 5))
    }

    @Test func aViewThatComesBackAfterItsSnapshotsWereFreedCountsOnlyWhatIsEncodedSince() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path), store = fixture.store
        for n in 0..<3 { try fixture.addImage("n\(n)") }
        try store.append((0..<3).map { fixture.snapshot("n\($0)") }, to: fixture.view.id)
        let before = try store.aggregates(in: fixture.view.id)
        #expect(try store.embeddings(in: fixture.view.id).count == 3)
        try store.catalog.deactivateSAE(fixture.view.sae)
        #expect(try store.purge(inactiveViews: true).snapshots == 3)
        #expect(try Fixture.addView(to: store, shape: fixture.shape).id == fixture.view.id)
        #expect(try store.aggregates(in: fixture.view.id).images == 0 && store.embeddings(in: fixture.view.id).count == 0)
        try store.append((0..<3).map { fixture.snapshot("n\($0)") }, to: fixture.view.id)
        #expect(try store.aggregates(in: fixture.view.id) == before)
    }

    @Test func aPurgeThatFailsChangesNothing() throws {
        let folder = try TemporaryFolder()
        let faults = FaultInjector(code: ENOSPC)
        var options = StoreOptions()
        options.faults = faults
        let fixture = try Fixture(folder.path, options: options)
        for n in 0..<4 { try fixture.addImage("n\(n)") }
        try fixture.store.append((0..<4).map { fixture.snapshot("n\($0)") }, to: fixture.view.id)
        try fixture.store.removePath("images/n2.png")
        faults.fail(afterBytes: 2000)
        #expect(throws: StoreError.self) { try fixture.store.purge() }
        faults.fail(afterBytes: nil)
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 4))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/segments/1") == ["1.seg"])
        #expect(try fixture.store.purge().snapshots == 1)
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 3))
    }
}
