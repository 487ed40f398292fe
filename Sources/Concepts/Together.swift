// Two things at once: the two views, or a finding and its control.

import Dispatch
import Synchronization

/// Runs both on two threads and waits. An error of the first goes before one of the second.
func together<A: Sendable, B: Sendable, E: Error>(
    _ first: @Sendable () throws(E) -> A, _ second: @Sendable () throws(E) -> B
) throws(E) -> (A, B) {
    let a = Mutex<Result<A, E>?>(nil), b = Mutex<Result<B, E>?>(nil)
    DispatchQueue.concurrentPerform(iterations: 2) { place in
        if place == 0 {
            let result = Result(catching: first)
            a.withLock { $0 = result }
        } else {
            let result = Result(catching: second)
            b.withLock { $0 = result }
        }
    }
    // concurrentPerform returns when both have run.
    guard let a = a.withLock({ $0 }), let b = b.withLock({ $0 }) else { preconditionFailure("a half did not run") }
    return (try a.get(), try b.get())
}
