// A sign of life of the pipeline, given by the thread that computes, after each piece of its work and now and then while
// it waits for work. No timer gives it: a compute thread that hangs, or that waits for a writer that hangs, is silent but for
// questions that it answers meanwhile. A writer that waits for a full disk gives it instead.

/// Whom to tell that the pipeline lives.
public struct Pulse: Sendable {
    /// How long the compute thread waits for work before it gives a sign.
    let every: Duration
    let beat: @Sendable () -> Void

    /// - Parameters:
    ///   - every: at most so long apart are the signs of a pipeline that has nothing to do.
    ///   - beat: called often, on threads of the pipeline; it must not wait for anything.
    public init(every: Duration, beat: @escaping @Sendable () -> Void) {
        self.every = every
        self.beat = beat
    }
}
