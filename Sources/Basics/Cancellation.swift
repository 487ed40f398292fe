// Giving up: whoever waits for an answer may go away, and work that only he waited for should then stop soon, on
// whichever thread it runs. A task's own cancellation does not reach the threads that compute and read.

import Synchronization

/// Whether the work that runs here is still wanted.
///
///     let cancellation = Cancellation()
///     queue.async { try cancellation.run { for image in images { try Cancellation.check(); ... } } }
///     ...
///     cancellation.cancel()
///
/// Work of no one in particular (new images) has none and is never given up.
public final class Cancellation: Sendable {
    /// That of the work which runs on this thread.
    @TaskLocal public static var current: Cancellation?

    private let cancelled = Atomic<Bool>(false)

    public init() {}

    public func cancel() { cancelled.store(true, ordering: .relaxed) }
    public var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    /// Runs `body` as the work that this one gives up; not at all where it has been already.
    public func run<Value>(_ body: () throws -> Value) throws -> Value {
        if isCancelled { throw CancellationError() }
        return try Cancellation.$current.withValue(self, operation: body)
    }

    /// For loops whose errors are of another type.
    public static var isRequested: Bool { current?.isCancelled ?? false }

    /// Between two pieces of work: a few nanoseconds where a piece takes milliseconds.
    public static func check() throws(CancellationError) {
        if isRequested { throw CancellationError() }
    }

    /// Waits for `start`'s work, which the cancellation of the waiting task gives up.
    public static func whileWaiting<Value: Sendable>(
        _ start: (Cancellation, CheckedContinuation<Value, any Error>) -> Void
    ) async throws -> Value {
        let cancellation = Cancellation()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { start(cancellation, $0) }
        } onCancel: {
            cancellation.cancel()
        }
    }
}
