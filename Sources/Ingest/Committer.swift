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
    }

    private let store: Store
    private let activity: Activity
    private let onCommitted: @Sendable (Batch) -> Void
    private let condition = NSCondition()
    private var waiting: Batch?
    private var closed = false
    private let ended = DispatchSemaphore(value: 0)

    init(store: Store, activity: Activity, onCommitted: @escaping @Sendable (Batch) -> Void) {
        self.store = store
        self.activity = activity
        self.onCommitted = onCommitted
    }

    func start() {
        let thread = Thread { [self] in
            run()
            ended.signal()
        }
        thread.name = "commit"
        thread.start()
    }

    /// Waits until the batch before has been taken.
    func push(_ batch: Batch) {
        condition.lock()
        while waiting != nil { condition.wait() }
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
        var pause: TimeInterval = 1
        while true {
            do {
                try store.append(batch.snapshots, to: batch.plan.record.id)
                break
            } catch {
                activity.emit(.warning("\(batch.snapshots.count) snapshots can't be written: \(error); trying again in \(Int(pause)) s"))
                condition.lock()
                let deadline = Date(timeIntervalSinceNow: pause)
                while !closed && condition.wait(until: deadline) {}
                let stop = closed
                condition.unlock()
                if stop { return }
                pause = min(pause * 2, 30)
            }
        }
        for (item, snapshot) in zip(batch.items, batch.snapshots) {
            activity.emit(
                .committed(
                    image: snapshot.image, path: item.image.path, label: item.image.label, view: batch.plan.name,
                    latents: snapshot.latents.count))
        }
        onCommitted(batch)
    }
}
