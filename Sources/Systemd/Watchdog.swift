// The manager's watchdog, fed by whoever does the work: a pipeline that has stopped feeds it no more, however well a
// timer beside it would go on.

import Synchronization

/// Passes on signs of life, few enough to cost nothing.
///
///     let watchdog = Watchdog()            // nil where the manager asks for none
///     ... on the thread that works, after each piece of it and while it waits for work:
///     watchdog?.feed()
///
/// `feed` may be called as often as is handy, on any thread: it tells the manager at most every `pause`.
public final class Watchdog: Sendable {
    /// After this time without a sign of life the manager ends the process.
    public let interval: Duration
    /// The longest that a working thread should wait without feeding.
    public let pause: Duration
    /// Nanoseconds after `start`.
    private let last = Atomic<Int64>(.min)
    private let start = ContinuousClock.now
    private let tell: @Sendable () -> Void

    public convenience init?() {
        guard let interval = ServiceManager.watchdogInterval else { return nil }
        self.init(interval: interval) { ServiceManager.notify(.alive) }
    }

    /// - Parameter tell: sends one sign of life.
    package init(interval: Duration, tell: @escaping @Sendable () -> Void) {
        self.interval = interval
        // Half of the interval is what sd_watchdog_enabled(3) advises; a third leaves room for a slow piece of work.
        pause = interval / 3
        self.tell = tell
    }

    public func feed() { feed(at: .now) }

    package func feed(at time: ContinuousClock.Instant) {
        let (seconds, attoseconds) = (time - start).components
        let now = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        let before = last.load(ordering: .relaxed)
        let due = before == .min || .nanoseconds(now - before) >= pause / 2
        // Of several threads that find it due, one tells.
        guard due, last.compareExchange(expected: before, desired: now, ordering: .relaxed).exchanged else { return }
        tell()
    }
}
