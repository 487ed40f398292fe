// Queries while a writer appends, deletes, seals and trims: never an error, never a torn answer.

import Basics
import Dispatch
import Foundation
import Store
import Synchronization
import Testing

@Suite struct ConcurrencyTests {
    @Test func queriesDuringWritesSeeWholeCommits() throws {
        let folder = try TemporaryFolder()
        var options = StoreOptions()
        options.sealImages = 8
        let fixture = try Fixture(folder.path, options: options)
        let store = fixture.store, view = fixture.view.id
        let names = (0..<120).map { "n\($0)" }
        for name in names { try fixture.addImage(name) }
        let done = Atomic(false)
        let errors = Mutex<[String]>([])
        let answers = Atomic(0)
        let group = DispatchGroup()
        // Threads of their own: a shared pool may have none left until the writer is done.
        for reader in 0..<3 {
            group.enter()
            Thread.detachNewThread {
                defer { group.leave() }
                var random = Seeded(UInt64(reader))
                while !done.load(ordering: .acquiring) {
                    do {
                        let latent = Int.random(in: 0..<200, using: &random)
                        let postings = try store.postings(of: latent, in: view)
                        // Batches are of four images: an answer never holds part of one.
                        if postings.images % 4 != 0 || Set(postings.items.map(\.image)).count != postings.items.count {
                            errors.withLock { $0.append("\(postings.images) images") }
                        }
                        let aggregates = try store.aggregates(in: view)
                        if aggregates.images % 4 != 0 { errors.withLock { $0.append("\(aggregates.images) in aggregates") } }
                        // A check while others write finds nothing wrong either.
                        if !(try store.verify(view).isSound) { errors.withLock { $0.append("not sound") } }
                        answers.add(1, ordering: .relaxed)
                    } catch {
                        errors.withLock { $0.append("\(error)") }
                    }
                }
            }
        }
        for start in stride(from: 0, to: 120, by: 4) {
            try store.append((start..<start + 4).map { fixture.snapshot(names[$0]) }, to: view)
            if start % 20 == 0 { store.trim() }
            // At half time every reader has begun.
            while start == 60 && answers.load(ordering: .relaxed) < 10 && errors.withLock({ $0.isEmpty }) { Thread.sleep(forTimeInterval: 0.001) }
        }
        done.store(true, ordering: .releasing)
        group.wait()
        #expect(errors.withLock { $0 } == [])
        #expect(answers.load(ordering: .relaxed) >= 10)
        #expect(try store.verify(view) == VerifyReport(snapshots: 120))
    }
}
