// A disk that takes nothing: what is to be written waits, is told of once, and is written when it can be.

import Foundation
import Ingest
import Store
import Testing

@Suite struct HindranceTests {
    private func warnings(_ stream: AsyncStream<TimedEvent>) async -> [String] {
        var texts: [String] = []
        for await timed in stream { if case let .warning(text) = timed.event { texts.append(text) } }
        return texts
    }

    @Test func aFullDiskIsToldOfOnceAndOnceWhenItIsOver() async throws {
        let activity = Activity(), events = activity.listen(), hindrance = Hindrance(activity: activity)
        var attempts = 0, pauses = 0
        let isWritten = try hindrance.wait(eachTime: { pauses += 1 }) {
            attempts += 1
            if attempts == 2 { #expect(hindrance.reason?.contains("no space left") == true) }
            if attempts < 3 { throw StoreError.diskFull(file: "a.seg") }
        }
        #expect(isWritten && attempts == 3 && pauses == 2 && hindrance.reason == nil)
        activity.finish()
        #expect(await warnings(events) == [
            "the store can't be written, saed waits and tries again: \(StoreError.diskFull(file: "a.seg"))",
            "the store is written again, after 3 s",
        ])
    }

    @Test func whatNoWaitingMendsIsThrown() throws {
        let hindrance = Hindrance(activity: Activity())
        #expect(throws: StoreError.closed) { try hindrance.wait { throw StoreError.closed } }
        #expect(hindrance.reason == nil)
    }

    @Test func anEndHoldsUpNobody() throws {
        let hindrance = Hindrance(activity: Activity())
        let begun = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            begun.wait()
            hindrance.giveUp()
        }
        // Much sooner than the first pause of a second is over, or the test would take as long.
        let isWritten = try hindrance.wait(eachTime: { begun.signal() }) { throw StoreError.diskFull(file: "a.seg") }
        #expect(!isWritten)
        // Later, one attempt is made and no more.
        #expect(try hindrance.wait {})
        #expect(try !hindrance.wait { throw StoreError.diskFull(file: "a.seg") })
    }
}
