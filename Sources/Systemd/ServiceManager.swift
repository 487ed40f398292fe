// What a service tells its manager over $NOTIFY_SOCKET (sd_notify(3)), and what the manager asks of it ($WATCHDOG_USEC).
//
// Where no manager listens, nothing is sent and nothing fails: a daemon in a terminal makes the same calls.

import CSystemd
import Glibc

/// The service manager that started this process, if one did.
///
///     ServiceManager.notify(.ready, .status("3 views, nothing to do"))
///     ...
///     ServiceManager.notify(.stopping)
///
/// Every call is one datagram: cheap, never waits for the manager, safe on any thread.
public enum ServiceManager {
    /// One thing to tell.
    public enum Notice: Sendable, Equatable {
        /// Started, or done with reloading: requests are answered from now on.
        case ready
        /// The configuration is being read again; `ready` ends it. The manager gets the time, by which it tells this
        /// reload from an older one.
        case reloading
        /// The end has begun.
        case stopping
        /// One line for `systemctl status`. What would end the line becomes a space.
        case status(String)
        /// Alive: the next is due within `watchdogInterval`.
        case alive
        /// Starting, reloading or stopping takes this much longer, from now on.
        case extendTimeout(Duration)
    }

    /// Whether a manager listens.
    public static var isPresent: Bool { getenv("NOTIFY_SOCKET").map { $0.pointee != 0 } ?? false }

    /// Tells all notices at once.
    /// - Returns: whether they were sent; false where no manager listens, or where it can't be reached, which only it
    ///   could mend.
    @discardableResult
    public static func notify(_ notices: Notice...) -> Bool {
        sd_notify(0, message(notices, monotonicMicroseconds: monotonicMicroseconds())) > 0
    }

    /// How often `alive` must be told; nil where no watchdog is set. Tell it at half that time.
    public static var watchdogInterval: Duration? {
        var microseconds: UInt64 = 0
        guard sd_watchdog_enabled(0, &microseconds) > 0 else { return nil }
        return .microseconds(Int64(clamping: microseconds))
    }

    /// One assignment a line, as sd_notify(3) describes.
    package static func message(_ notices: [Notice], monotonicMicroseconds: UInt64) -> String {
        notices.map { notice in
            switch notice {
            case .ready: "READY=1"
            case .reloading: "RELOADING=1\nMONOTONIC_USEC=\(monotonicMicroseconds)"
            case .stopping: "STOPPING=1"
            case let .status(text): "STATUS=" + String(String.UnicodeScalarView(text.unicodeScalars.map { isBreak($0) ? " " : $0 }))
            case .alive: "WATCHDOG=1"
            case let .extendTimeout(time): "EXTEND_TIMEOUT_USEC=\(max(0, time.microseconds))"
            }
        }.joined(separator: "\n")
    }

    /// A file name in a status must not become an assignment of its own. NUL would end the message.
    private static func isBreak(_ scalar: Unicode.Scalar) -> Bool { scalar == "\n" || scalar == "\r" || scalar == "\0" }

    private static func monotonicMicroseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
    }
}

extension Duration {
    /// Whole microseconds; what is longer than 292,000 years is cut there.
    var microseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? (seconds < 0 ? .min : .max) : product.addingReportingOverflow(attoseconds / 1_000_000_000_000).partialValue
    }
}
