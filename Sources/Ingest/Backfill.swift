// Makes the snapshots that are missing: what the intake left behind, what a kill interrupted, and every image of
// the store when a model or an SAE arrives. The catalog says what is missing; nothing else has to be remembered.

import Basics
import Foundation
import Imaging
import Store

/// Threads that read, decode and hand over images that lack a snapshot, the newest first.
final class Backfill: @unchecked Sendable {  // `page` and `isStopping` are under `condition`
    private let store: Store
    private let registry: Registry
    private let ledger: Ledger
    private let engine: Engine
    private let preparation: Preparation
    private let dropFolder: String
    private let onBroken: @Sendable (ImageRecord, ImagingError) -> Void
    private let onTrouble: @Sendable (String) -> Void
    private let threads: Int

    private let condition = NSCondition()
    private var page: [WorkItem] = []
    /// Counts what may have made new work, so that none is missed between looking and sleeping.
    private var news = 1
    private var looked = 0
    private var isStopping = false
    private let ended = DispatchGroup()

    /// Images of one look into the catalog: some batches, few enough that the newest are never far.
    private static let pageSize = 64

    /// - Parameter onBroken: an image that can't be decoded, although it is where it was.
    init(
        store: Store, registry: Registry, ledger: Ledger, engine: Engine, preparation: Preparation, dropFolder: String,
        threads: Int, onBroken: @escaping @Sendable (ImageRecord, ImagingError) -> Void,
        onTrouble: @escaping @Sendable (String) -> Void
    ) {
        self.store = store
        self.registry = registry
        self.ledger = ledger
        self.engine = engine
        self.preparation = preparation
        self.dropFolder = dropFolder
        self.threads = threads
        self.onBroken = onBroken
        self.onTrouble = onTrouble
    }

    func start() {
        for number in 0..<threads {
            let thread = Thread { [self] in
                while let item = next() { prepare(item) }
                ended.leave()
            }
            thread.name = "decode-\(number)"
            thread.stackSize = 4 << 20
            ended.enter()
            thread.start()
        }
    }

    /// Ends after the images in hand. The engine's queue must be closed before, else a thread may wait on it.
    func stop() {
        condition.lock()
        isStopping = true
        condition.broadcast()
        condition.unlock()
        ended.wait()
    }

    /// Something may be missing now that was not before.
    func wake() {
        condition.lock()
        news += 1
        condition.broadcast()
        condition.unlock()
    }

    private func next() -> WorkItem? {
        condition.lock()
        defer { condition.unlock() }
        while !isStopping {
            if let item = page.popLast() { return item }
            if looked < news {
                looked = news
                page = missing().reversed()
                // A full page may have more behind it.
                if !page.isEmpty { news += 1 }
            } else {
                condition.wait()
            }
        }
        return nil
    }

    /// One page of work, claimed, the newest image first.
    private func missing() -> [WorkItem] {
        let plans = registry.views
        var items: [WorkItem] = []
        do {
            for plan in plans {
                var last: ImageRecord.ID?
                while items.count < Backfill.pageSize {
                    let images = try store.imagesLackingSnapshot(in: plan.record.id, before: last, limit: Backfill.pageSize)
                    for image in images where items.count < Backfill.pageSize {
                        let lacking = try plans.filter { try $0.record.id == plan.record.id || !store.hasSnapshot(of: image.id, in: $0.record.id) }
                        if ledger.claim(image.id, views: lacking.count) {
                            items.append(WorkItem(image: image, plans: lacking, lane: .backlog))
                        }
                    }
                    guard images.count == Backfill.pageSize, let end = images.last else { break }
                    last = end.id
                }
            }
        } catch {
            onTrouble("what is missing can't be read from the catalog: \(error)")
        }
        return items
    }

    private func prepare(_ item: WorkItem) {
        do throws(ImagingError) {
            guard let path = item.image.path,
                let content = try DroppedContent(path: dropFolder + "/" + path, bytesMax: preparation.limits.bytesMax),
                content.hash == item.image.hash
            else {
                // Gone, unreadable or changed since: the watcher will tell, or has told.
                ledger.skip(item.image.id)
                return
            }
            let (_, crops) = try preparation.prepare(content, for: item.plans)
            if !engine.queue.push(Prepared(item: item, crops: crops), lane: .backlog) { ledger.release(item.image.id) }
        } catch {
            ledger.skip(item.image.id)
            onBroken(item.image, error)
        }
    }
}
