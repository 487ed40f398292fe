// Work that nobody waits for any more: passed over before its turn, left in its midst.

import Basics
import Dispatch
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct CancellationTests {
    @Test func workOfNobodyInParticularIsNeverGivenUp() throws {
        #expect(Cancellation.current == nil && !Cancellation.isRequested)
        try Cancellation.check()
    }

    @Test func whatIsCancelledBeforeItsTurnDoesNotBegin() {
        let cancellation = Cancellation()
        cancellation.cancel()
        #expect(throws: CancellationError.self) { try cancellation.run { Issue.record("it began") } }
    }

    @Test func aLoopHearsOfItOnItsOwnThread() async {
        let queue = DispatchQueue(label: "work"), began = DispatchSemaphore(value: 0), rounds = Mutex(0)
        let task = Task {
            try await Cancellation.whileWaiting { (cancellation, continuation: CheckedContinuation<Int, any Error>) in
                queue.async {
                    continuation.resume(
                        with: Result {
                            try cancellation.run {
                                began.signal()
                                while true {
                                    try Cancellation.check()
                                    rounds.withLock { $0 += 1 }
                                }
                            }
                        })
                }
            }
        }
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                began.wait()
                continuation.resume()
            }
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { _ = try await task.value }
        #expect(Cancellation.current == nil)
    }

    @Test func whatIsNotCancelledGivesItsValue() async throws {
        let value = try await Cancellation.whileWaiting { cancellation, continuation in
            DispatchQueue.global().async { continuation.resume(with: Result { try cancellation.run { Cancellation.isRequested ? 1 : 2 } }) }
        }
        #expect(value == 2)
    }
}
