// The thread that writes: one batch is on its way to the disk while the next one computes. Never more than one
// waits, so that a kill repeats at most that.

import Foundation
import Store
import Synchronization

/// Appends snapshots to the store, in order, and tells what was committed.
final class Committer: @unchecked Sendable {  // guarded by `condition`; `thread` is set before it starts
    struct Batch: Sendable {
        let plan: ViewPlan
        let items: [WorkItem]
        let snapshots: [Snapshot]
        let began: ContinuousClock.Instant
    }

    private let store: Store
    private let activity: Activity
    private let hindrance: Hindrance
    private let pulse: Pulse?
    private let onCommitted: @Sendable (Batch) -> Void
    private let onRefused: @Sendable (WorkItem) -> Void
    private let condition = NSCondition()
    private var waiting: Batch?
    private var closed = false
    private let ended = DispatchSemaphore(value: 0)

    /// Seconds between two looks at other work: what a question waits at most while the disk is full.
    private static let patience = 0.05

    /// - Parameter onRefused: told of an item whose snapshot the store will never take.
    init(
        store: Store, activity: Activity, hindrance: Hindrance, pulse: Pulse? = nil, onCommitted: @escaping @Sendable (Batch) -> Void,
        onRefused: @escaping @Sendable (WorkItem) -> Void
    ) {
        self.store = store
        self.activity = activity
        self.hindrance = hindrance
        self.pulse = pulse
        self.onCommitted = onCommitted
        self.onRefused = onRefused
    }

    func start() {
        let thread = Thread { [self] in
            Thread.current.name = "commit"
            run()
            ended.signal()
        }
        thread.start()
    }

    /// Waits until the batch before has been taken: on a full disk, until there is space.
    /// - Parameter meanwhile: other work of the one thread that pushes, called now and then while it waits.
    func push(_ batch: Batch, meanwhile: () -> Void) {
        condition.lock()
        while waiting != nil {
            if condition.wait(until: Date(timeIntervalSinceNow: Committer.patience)) { continue }
            condition.unlock()
            meanwhile()
            condition.lock()
        }
        waiting = batch
        condition.broadcast()
        condition.unlock()
    }

    /// Commits what waits, then ends.
    func stop() {
        condition.lock()
        closed = true
        condition.broadcast()
        condition.unlock()
        ended.wait()
    }

    private func run() {
        while true {
            condition.lock()
            while waiting == nil && !closed { condition.wait() }
            guard let batch = waiting else {
                condition.unlock()
                return
            }
            waiting = nil
            condition.broadcast()
            condition.unlock()
            commit(batch)
        }
    }

    /// Tries until it is written: a full disk is an operator's to mend, and nothing is lost meanwhile. When
    /// saed stops first, the images still lack their snapshots and are made again at the next start.
    private func commit(_ batch: Batch) {
        do {
            // A full disk is no hang: the compute thread may wait for this one meanwhile.
            let isWritten = try hindrance.wait(for: { !isFinal($0) }, eachTime: { pulse?.beat() }) {
                try store.append(batch.snapshots, to: batch.plan.record.id)
            }
            guard isWritten else { return }
        } catch {
            return commitEach(batch, error)
        }
        // Of a control that nobody asked for nobody is told.
        if !batch.plan.isAutomatic {
            for (item, snapshot) in zip(batch.items, batch.snapshots) { emit(item, snapshot, batch) }
        }
        onCommitted(batch)
    }

    private func emit(_ item: WorkItem, _ snapshot: Snapshot, _ batch: Batch) {
        activity.emit(
            .committed(
                image: snapshot.image, path: item.image.path, label: item.image.label, view: batch.plan.name,
                latents: snapshot.latents.count, took: .now - batch.began))
    }

    /// Errors that trying again can't mend: they are of one snapshot, not of the disk.
    private func isFinal(_ error: StoreError) -> Bool {
        switch error {
        case .invalidSnapshot, .notFound: true
        default: false
        }
    }

    /// One snapshot that the store refuses takes nothing from the others of its batch.
    private func commitEach(_ batch: Batch, _ error: any Error) {
        guard batch.items.count == 1 else {
            for (item, snapshot) in zip(batch.items, batch.snapshots) {
                commit(Batch(plan: batch.plan, items: [item], snapshots: [snapshot], began: batch.began))
            }
            return
        }
        activity.emit(.warning("'\(batch.items[0].image.path ?? batch.items[0].image.hash.short)' has no snapshot in '\(batch.plan.name)': \(error)"))
        onRefused(batch.items[0])
    }
}
