// Prepared images on their way to the compute thread: two lanes, so that a new image does not stand behind a
// long back-fill, and a bound on each, so that decoding waits for compute and memory stays small.

import Foundation

/// Which lane work travels in.
package enum Lane: Sendable { case fresh, backlog }

/// A bounded queue of two lanes with many producers and one consumer.
///
/// Safe to share: every field is guarded by `condition`.
package final class WorkQueue<Element: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private let capacity: Int
    private var fresh: [Element] = []
    private var backlog: [Element] = []
    private var urgent: [@Sendable () -> Void] = []
    private var closed = false

    /// - Parameter capacity: of each lane.
    package init(capacity: Int) {
        self.capacity = capacity
    }

    /// Waits for room. Returns false, and drops the element, once the queue is closed.
    package func push(_ element: Element, lane: Lane) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        while !closed && (lane == .fresh ? fresh.count : backlog.count) >= capacity { condition.wait() }
        guard !closed else { return false }
        append(element, lane)
        return true
    }

    /// Adds an element if there is room now.
    package func tryPush(_ element: Element, lane: Lane) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard !closed, (lane == .fresh ? fresh.count : backlog.count) < capacity else { return false }
        append(element, lane)
        return true
    }

    private func append(_ element: Element, _ lane: Lane) {
        switch lane {
        case .fresh: fresh.append(element)
        case .backlog: backlog.append(element)
        }
        condition.broadcast()
    }

    /// Work for the consumer's thread that goes before all elements (a query that needs the model).
    /// Returns false once the queue is closed.
    package func pushUrgent(_ work: @escaping @Sendable () -> Void) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard !closed else { return false }
        urgent.append(work)
        condition.broadcast()
        return true
    }

    package enum Work {
        case urgent([@Sendable () -> Void])
        case batch([Element])
        /// Nothing came for the time given.
        case nothing
        case closed
    }

    /// Takes urgent work, or up to `max` elements of one lane, fresh ones first. A batch that is not full waits
    /// up to `linger` for company, one of the backlog, for which nobody waits, eight times as long: decoders are about to
    /// fill it. With nothing at all it waits up to `patience`.
    ///
    /// A fresh batch is not filled up from the backlog: its answer would come later for it.
    package func pop(max: Int, linger: Duration, patience: Duration) -> Work {
        condition.lock()
        defer { condition.unlock() }
        let deadline = Date(timeIntervalSinceNow: patience.seconds)
        while urgent.isEmpty && fresh.isEmpty && backlog.isEmpty {
            if closed { return .closed }
            if !condition.wait(until: deadline) { return .nothing }
        }
        if !urgent.isEmpty { return takeUrgent() }
        var isFresh = !fresh.isEmpty
        var company = Date(timeIntervalSinceNow: linger.seconds * (isFresh ? 1 : 8))
        while !closed, urgent.isEmpty, (isFresh ? fresh.count : backlog.count) < max {
            if !condition.wait(until: company) { break }
            if !isFresh, !fresh.isEmpty {
                isFresh = true
                company = min(company, Date(timeIntervalSinceNow: linger.seconds))
            }
        }
        if !urgent.isEmpty { return takeUrgent() }
        defer { condition.broadcast() }
        if !fresh.isEmpty {
            let count = min(max, fresh.count)
            defer { fresh.removeFirst(count) }
            return .batch(Array(fresh[..<count]))
        }
        let count = min(max, backlog.count)
        defer { backlog.removeFirst(count) }
        return .batch(Array(backlog[..<count]))
    }

    /// Urgent work that waits now, for the consumer to do between two pieces of a long batch.
    package func popUrgent() -> [@Sendable () -> Void] {
        condition.lock()
        defer { condition.unlock() }
        defer { urgent = [] }
        return urgent
    }

    private func takeUrgent() -> Work {
        defer { urgent = [] }
        return .urgent(urgent)
    }

    /// Ends the queue: producers are turned away; the consumer still gets the urgent work and, unless `discard`,
    /// the elements that wait.
    package func close(discard: Bool) {
        condition.lock()
        defer { condition.unlock() }
        closed = true
        if discard {
            fresh = []
            backlog = []
        }
        condition.broadcast()
    }

    package var count: Int {
        condition.lock()
        defer { condition.unlock() }
        return fresh.count + backlog.count
    }
}

extension Duration {
    package var seconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}
