// The queue between decoding and compute: lanes, company, urgent work, back pressure, the end.

import Foundation
import Ingest
import Synchronization
import Testing

@Suite struct WorkQueueTests {
    private let short = Duration.milliseconds(1), long = Duration.seconds(30)

    /// The elements of a batch; an issue for anything else.
    private func batch(_ work: WorkQueue<Int>.Work, location: SourceLocation = #_sourceLocation) -> [Int] {
        if case let .batch(elements) = work { return elements }
        Issue.record("no batch", sourceLocation: location)
        return []
    }

    @Test func freshWorkGoesFirstAndABatchIsOfOneLane() {
        let queue = WorkQueue<Int>(capacity: 8)
        for i in 0..<5 { #expect(queue.push(i, lane: .backlog)) }
        for i in 10..<12 { #expect(queue.push(i, lane: .fresh)) }
        #expect(queue.count == 7)
        // Not filled up from the backlog: the fresh ones' answer would come later.
        #expect(batch(queue.pop(max: 4, linger: short, patience: long)) == [10, 11])
        #expect(batch(queue.pop(max: 4, linger: short, patience: long)) == [0, 1, 2, 3])
        #expect(batch(queue.pop(max: 4, linger: short, patience: long)) == [4])
        guard case .nothing = queue.pop(max: 4, linger: short, patience: short) else { return #expect(Bool(false), "something came from nothing") }
    }

    @Test func urgentWorkCanBeTakenInTheMiddleOfABatch() {
        let queue = WorkQueue<Int>(capacity: 8)
        let done = Mutex<[Int]>([])
        #expect(queue.push(1, lane: .fresh))
        for i in 0..<2 { #expect(queue.pushUrgent { done.withLock { $0.append(i) } }) }
        for body in queue.popUrgent() { body() }
        #expect(done.withLock { $0 } == [0, 1])
        #expect(queue.popUrgent().isEmpty)
        #expect(batch(queue.pop(max: 4, linger: short, patience: long)) == [1], "nothing else was taken")
    }

    @Test func aFullBatchWaitsForNoCompany() {
        let queue = WorkQueue<Int>(capacity: 8)
        for i in 0..<4 { #expect(queue.push(i, lane: .fresh)) }
        #expect(batch(queue.pop(max: 4, linger: long, patience: long)) == [0, 1, 2, 3])
    }

    @Test func companyThatComesInTimeIsTakenAlong() {
        let queue = WorkQueue<Int>(capacity: 8)
        #expect(queue.push(1, lane: .fresh))
        Thread.detachNewThread { _ = queue.push(2, lane: .fresh) }
        // Full with the second: a linger without end is not waited for.
        #expect(batch(queue.pop(max: 2, linger: long, patience: long)) == [1, 2])
    }

    @Test func aBatchThatNobodyWaitsForWaitsLongerForCompany() {
        let queue = WorkQueue<Int>(capacity: 8)
        #expect(queue.push(1, lane: .backlog))
        Thread.detachNewThread {
            Thread.sleep(forTimeInterval: 0.4)
            _ = queue.push(2, lane: .backlog)
        }
        #expect(batch(queue.pop(max: 2, linger: .milliseconds(200), patience: long)) == [1, 2])
    }

    @Test func whatIsFreshDoesNotWaitForTheBacklogsCompany() {
        let queue = WorkQueue<Int>(capacity: 8)
        #expect(queue.push(1, lane: .backlog))
        Thread.detachNewThread { _ = queue.push(10, lane: .fresh) }
        let begin = ContinuousClock.now
        #expect(batch(queue.pop(max: 2, linger: .seconds(1), patience: long)) == [10])
        #expect(.now - begin < .seconds(7), "a backlog would have waited for 8 s")
    }

    @Test func urgentWorkGoesBeforeEverything() {
        let queue = WorkQueue<Int>(capacity: 8)
        let done = Mutex<[Int]>([])
        #expect(queue.push(1, lane: .fresh))
        for i in 0..<2 { #expect(queue.pushUrgent { done.withLock { $0.append(i) } }) }
        guard case let .urgent(work) = queue.pop(max: 1, linger: long, patience: long) else { return #expect(Bool(false), "no urgent work") }
        for body in work { body() }
        #expect(done.withLock { $0 } == [0, 1])
        #expect(batch(queue.pop(max: 1, linger: long, patience: long)) == [1])
    }

    @Test func aFullLaneHoldsItsProducersAndNotTheOthers() {
        let queue = WorkQueue<Int>(capacity: 2)
        #expect(queue.tryPush(1, lane: .backlog) && queue.tryPush(2, lane: .backlog))
        #expect(!queue.tryPush(3, lane: .backlog))
        #expect(queue.tryPush(10, lane: .fresh))
        let pushed = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            #expect(queue.push(3, lane: .backlog))
            pushed.signal()
        }
        #expect(pushed.wait(timeout: .now() + .milliseconds(50)) == .timedOut)
        #expect(batch(queue.pop(max: 1, linger: short, patience: long)) == [10])
        #expect(batch(queue.pop(max: 1, linger: short, patience: long)) == [1])
        #expect(pushed.wait(timeout: .now() + .seconds(30)) == .success)
        #expect(queue.count == 2)
    }

    @Test func closingTurnsProducersAwayAndKeepsUrgentWork() {
        let queue = WorkQueue<Int>(capacity: 1)
        #expect(queue.push(1, lane: .backlog))
        #expect(queue.pushUrgent {})
        let ended = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            #expect(!queue.push(2, lane: .backlog), "held by a full lane, let go by the end")
            ended.signal()
        }
        queue.close(discard: true)
        #expect(ended.wait(timeout: .now() + .seconds(30)) == .success)
        #expect(!queue.push(3, lane: .fresh) && !queue.tryPush(3, lane: .fresh) && !queue.pushUrgent {})
        guard case .urgent = queue.pop(max: 1, linger: long, patience: long) else { return #expect(Bool(false), "urgent work was lost") }
        guard case .closed = queue.pop(max: 1, linger: long, patience: long) else { return #expect(Bool(false), "not closed") }
    }

    @Test func whatWaitsIsHandedOutAtTheEndUnlessDiscarded() {
        let queue = WorkQueue<Int>(capacity: 4)
        #expect(queue.push(1, lane: .backlog))
        queue.close(discard: false)
        #expect(batch(queue.pop(max: 4, linger: long, patience: long)) == [1])
        guard case .closed = queue.pop(max: 4, linger: long, patience: long) else { return #expect(Bool(false), "not closed") }
    }

    @Test func manyProducersLoseNothing() {
        let queue = WorkQueue<Int>(capacity: 3)
        let producers = 4, each = 500
        for producer in 0..<producers {
            Thread.detachNewThread {
                for i in 0..<each { _ = queue.push(producer * each + i, lane: i % 3 == 0 ? .fresh : .backlog) }
            }
        }
        var seen: [Int] = []
        while seen.count < producers * each {
            guard case let .batch(elements) = queue.pop(max: 7, linger: .zero, patience: long) else { break }
            #expect(elements.count <= 7)
            seen += elements
        }
        #expect(seen.sorted() == Array(0..<producers * each))
    }
}
