// Makes the snapshots that are missing: what the intake left behind, what a kill interrupted, and every image of
// the store when a model or an SAE arrives. The catalog says what is missing; nothing else has to be remembered.

import Basics
import Decoding
import Foundation
import Imaging
import Store

/// Threads that read, decode and hand over images that lack a snapshot, the newest first.
final class Backfill: @unchecked Sendable {  // what changes is under `condition`
    private let store: Store
    private let registry: Registry
    private let ledger: Ledger
    private let engine: Engine
    private let originals: Originals
    private let onBroken: @Sendable (ImageRecord, DecodeFailure) -> Void
    private let onTrouble: @Sendable (String) -> Void
    private let threads: Int

    private let condition = NSCondition()
    private var page: [WorkItem] = []
    /// Fresh images that found no room in the pipeline, the newest last. By their numbers alone they would stand
    /// behind all that a scan notes after them.
    private var preferred: [ImageRecord] = []
    /// What the intake decoded of images that found no room: 400 at 224 px.
    private var shelf = CropShelf(bytesMax: 64 << 20)
    /// Where a sweep through the catalog, from the newest image down, has come to. Without it each page would pass
    /// over all that the sweep has made.
    private var reached: [ViewRecord.ID: ImageRecord.ID] = [:]
    /// Counts what may have made new work, so that none is missed between looking and sleeping.
    private var news = 1
    private var looked = 0
    private var isStopping = false
    private let ended = DispatchGroup()

    /// Images of one look into the catalog: few enough that the newest are never far.
    private static let pageSize = 16
    private static let preferredMax = 4096
    /// After a decoder could not be started.
    private static let restSeconds = 2.0

    /// - Parameter onBroken: an image that can't be decoded, although it is where it was.
    init(
        store: Store, registry: Registry, ledger: Ledger, engine: Engine, originals: Originals,
        threads: Int, onBroken: @escaping @Sendable (ImageRecord, DecodeFailure) -> Void,
        onTrouble: @escaping @Sendable (String) -> Void
    ) {
        self.store = store
        self.registry = registry
        self.ledger = ledger
        self.engine = engine
        self.originals = originals
        self.threads = threads
        self.onBroken = onBroken
        self.onTrouble = onTrouble
    }

    func start() {
        for number in 0..<threads {
            let thread = Thread { [self] in
                Thread.current.name = "decode-\(number)"
                while let item = next() { prepare(item) }
                ended.leave()
            }
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
        reached = [:]
        condition.broadcast()
        condition.unlock()
    }

    /// Takes over an image that found no room in the pipeline. A fresh one goes before all others that are missing.
    func leave(_ prepared: Prepared) {
        condition.lock()
        shelf.put(prepared.crops, of: prepared.item.image.hash)
        condition.unlock()
        ledger.release(prepared.item.image.id)
        if prepared.item.lane == .fresh { prefer(prepared.item.image) } else { wake() }
    }

    private func prefer(_ image: ImageRecord) {
        condition.lock()
        // Beyond it the oldest is in the catalog like the rest.
        if preferred.count >= Backfill.preferredMax { preferred.removeFirst(Backfill.preferredMax / 2) }
        preferred.append(image)
        condition.unlock()
        wake()
    }

    /// Waits a moment; not while stopping.
    private func rest() {
        condition.lock()
        defer { condition.unlock() }
        let end = Date(timeIntervalSinceNow: Backfill.restSeconds)
        while !isStopping, condition.wait(until: end) {}
    }

    private func next() -> WorkItem? {
        condition.lock()
        defer { condition.unlock() }
        while !isStopping {
            if let image = preferred.popLast() {
                do {
                    if let item = try claim(image, registry.workingViews, .fresh) { return item }
                } catch {
                    onTrouble("what is missing can't be read from the catalog: \(error)")
                }
                continue
            }
            if let item = page.popLast() { return item }
            if looked < news {
                looked = news
                page = missing().reversed()
                // A full page may have more behind it.
                if !page.isEmpty { news += 1 }
            } else {
                // Nothing is missing: what lies on the shelf is of images that are gone.
                shelf.clear()
                condition.wait()
            }
        }
        return nil
    }

    /// One page of work, claimed, the newest image first. Called with the lock.
    private func missing() -> [WorkItem] {
        let plans = registry.workingViews
        var items: [WorkItem] = []
        do {
            for plan in plans {
                while items.count < Backfill.pageSize {
                    let images = try store.imagesLackingSnapshot(
                        in: plan.record.id, before: reached[plan.record.id], limit: Backfill.pageSize - items.count)
                    guard let last = images.last else { break }
                    for image in images { if let item = try claim(image, plans, .backlog) { items.append(item) } }
                    reached[plan.record.id] = last.id
                }
            }
        } catch {
            onTrouble("what is missing can't be read from the catalog: \(error)")
        }
        return items
    }

    /// Nil where the image is in work or done already.
    private func claim(_ image: ImageRecord, _ plans: [ViewPlan], _ lane: Lane) throws -> WorkItem? {
        // Claimed first: what was committed between the page and here is seen by the look that follows.
        guard !plans.isEmpty, ledger.claim(image.id, views: plans.count) else { return nil }
        var lacking: [ViewPlan] = []
        do {
            lacking = try plans.filter { try !store.hasSnapshot(of: image.id, in: $0.record.id) }
        } catch {
            ledger.release(image.id)
            throw error
        }
        for _ in lacking.count..<plans.count { ledger.finished(image.id) }
        return lacking.isEmpty ? nil : WorkItem(image: image, plans: lacking, lane: lane)
    }

    private func prepare(_ item: WorkItem) {
        do throws(DecodeFailure) {
            guard let crops = try crops(for: item) else {
                // Gone, unreadable or changed since: the watcher will tell, or has told.
                ledger.skip(item.image.id)
                return
            }
            if !engine.queue.push(Prepared(item: item, crops: crops), lane: item.lane) { ledger.release(item.image.id) }
        } catch {
            if error.isOfTheFile {
                ledger.skip(item.image.id)
                return onBroken(item.image, error)
            }
            // Nothing is wrong with the image: it is asked for again.
            onTrouble("'\(item.image.path ?? item.image.hash.short)': \(error); trying again")
            ledger.release(item.image.id)
            rest()
            wake()
        }
    }

    /// From the shelf, or decoded. nil where none of the image's files has its content.
    private func crops(for item: WorkItem) throws(DecodeFailure) -> [PreprocessConfig: RGBImage]? {
        let configs = Set(item.plans.map(\.facts.preprocess))
        condition.lock()
        let shelved = shelf.take(item.image.hash, for: configs)
        condition.unlock()
        if let shelved { return shelved }
        return try originals.crops(of: item.image, for: configs)
    }
}
