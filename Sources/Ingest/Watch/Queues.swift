// The small containers of the watcher: a heap of deadlines, a queue that does not shift, and the queue of
// events between the watcher's thread and the consumer's.

import Foundation

/// Records by the time they are due, earliest first. A record that becomes due later keeps its entry (and is
/// put back when that comes up); one that becomes due earlier gets another, and the old one is passed over.
struct DeadlineHeap {
    private var entries: [(due: ContinuousClock.Instant, record: FileRecord)] = []

    var earliest: ContinuousClock.Instant? { entries.first?.due }

    mutating func insert(_ record: FileRecord) {
        let due = record.due
        if let entered = record.entered, entered <= due { return }
        record.entered = due
        entries.append((due, record))
        var i = entries.count - 1
        while i > 0, entries[i].due < entries[(i - 1) / 2].due {
            entries.swapAt(i, (i - 1) / 2)
            i = (i - 1) / 2
        }
    }

    /// Takes the earliest entry; nil where it was passed over or there is none.
    mutating func popFirst() -> FileRecord? {
        guard let first = entries.first else { return nil }
        let last = entries.removeLast()
        if !entries.isEmpty {
            entries[0] = last
            siftDown()
        }
        guard first.record.entered == first.due else { return nil }
        first.record.entered = nil
        return first.record
    }

    private mutating func siftDown() {
        var i = 0
        while true {
            var least = i
            for child in [2 * i + 1, 2 * i + 2] where child < entries.count && entries[child].due < entries[least].due {
                least = child
            }
            if least == i { return }
            entries.swapAt(i, least)
            i = least
        }
    }
}

/// First in, first out, without shifting the rest at each step.
struct Fifo<Element> {
    private var elements: [Element?] = []
    private var head = 0

    var count: Int { elements.count - head }
    var isEmpty: Bool { count == 0 }
    var first: Element? { head < elements.count ? elements[head] : nil }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func popFirst() -> Element? {
        guard head < elements.count else { return nil }
        defer {
            head += 1
            if head == elements.count || head > 1024 && head * 2 > elements.count {
                elements.removeFirst(head)
                head = 0
            }
        }
        let element = elements[head]
        elements[head] = nil
        return element
    }
}

/// Events from the watcher's thread to the consumer's. All state is under the condition's lock.
final class EventQueue: @unchecked Sendable {
    private let condition = NSCondition()
    private var events = Fifo<DropEvent>()
    private var files = 0
    private var inHand = false
    private var taken = 0
    private var isClosed = false
    /// Called, without the lock, when the consumer took something.
    private let wake: @Sendable () -> Void

    init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

    func append(_ event: DropEvent) {
        condition.lock()
        events.append(event)
        if case .file = event { files += 1 }
        condition.signal()
        condition.unlock()
    }

    /// Blocks until there is an event, the queue is closed (nil) or the time is over (nil).
    func next(until deadline: Date?) -> DropEvent? {
        condition.lock()
        inHand = false
        if events.isEmpty {
            // The watcher may wait for just this: a consumer that has applied all it was given.
            condition.unlock()
            wake()
            condition.lock()
        }
        while events.isEmpty, !isClosed {
            if let deadline {
                guard condition.wait(until: deadline) else { break }
            } else {
                condition.wait()
            }
        }
        let event = events.popFirst()
        if let event {
            inHand = true
            taken += 1
            if case .file = event { files -= 1 }
        }
        condition.unlock()
        if event != nil { wake() }
        return event
    }

    func close() {
        condition.lock()
        isClosed = true
        condition.broadcast()
        condition.unlock()
    }

    /// Events not taken yet, and how many of them are files.
    var counts: (events: Int, files: Int) {
        condition.lock()
        defer { condition.unlock() }
        return (events.count, files)
    }

    /// How many events the consumer has taken and come back from.
    var applied: Int {
        condition.lock()
        defer { condition.unlock() }
        return inHand ? taken - 1 : taken
    }

    /// The consumer has taken everything and come back for more: its catalog says what the events said.
    var isApplied: Bool {
        condition.lock()
        defer { condition.unlock() }
        return events.isEmpty && !inHand
    }
}
