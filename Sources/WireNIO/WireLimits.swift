// What clients can make grow, and how far: numbers and times, each with the reason for its default.

import Glibc
import Wire

/// What clients can make grow, and how far. Counted for each user by the uid that the kernel vouches for.
public struct WireLimits: Sendable, Equatable {
    /// Of all users. Why 128: every `saectl wait` and `watch` holds one; a descriptor and some kilobytes each.
    public var connections = 128
    /// Of one user, whatever programs they run: half of all, so that one runaway script leaves room for the others.
    public var userConnections = 64
    /// Beyond `connections`, for `trusted` users: who looks after the daemon always gets in.
    public var connectionsReserved = 8
    /// On one connection. More are answered `unavailable`.
    public var requestsOpen = 16
    /// Of one user, on all connections. A request counts until its handler has returned, also when the client has
    /// hung up meanwhile: asking and hanging up in a loop piles nothing up.
    public var userRequests = 64
    /// A request's payload, at most `FrameLimits.requestBytesMax`.
    public var requestBytes = FrameLimits.requestBytesMax
    /// Bytes that wait for a slow reader before its requests are held back.
    public var outboundBytes = 1 << 20
    /// Answers that wait unread. For what isn't held back (pongs, refusals): a client that lets more pile up is given
    /// up; and while so much waits, no new request of that connection is taken.
    public var unreadBytesMax = 8 << 20
    /// From connecting to hello.
    public var handshakeSeconds = 10
    /// From a request to its end, by `RequestPace`. Nothing that answers in one piece takes minutes, unless it waits
    /// for the compute thread.
    public var requestTime = Duration.seconds(600)
    /// Why 12 h: an ablation of a million images is a night's work.
    public var longRequestTime = Duration.seconds(12 * 3600)
    /// A client whose answers wait, and that has read nothing for this long, is given up; zero: never.
    public var unreadTime = Duration.seconds(300)
    /// A connection on which nothing is open is closed after this time; zero: never.
    public var idleTime = Duration.zero
    /// For these users, only `connections` counts: they could stop the daemon as well.
    public var trusted: Set<UInt32> = [0, geteuid()]

    public init() {}

    /// How long a request of this pace may take; nil: for ever.
    func time(for pace: RequestPace) -> (limit: WireLimit, time: Duration)? {
        let (limit, time): (WireLimit, Duration)
        switch pace {
        case .short: (limit, time) = (.requestTime, requestTime)
        case .long: (limit, time) = (.longRequestTime, longRequestTime)
        case .lasting: return nil
        }
        return time > .zero ? (limit, time) : nil
    }
}

/// A limit by the name that it has in the daemon's configuration.
public enum WireLimit: String, CaseIterable, Sendable {
    case connections
    case userConnections = "user_connections"
    case requests
    case userRequests = "user_requests"
    case requestBytes = "request_bytes"
    case unreadBytes = "unread_bytes"
    case requestTime = "request_time"
    case longRequestTime = "long_request_time"
    case unreadTime = "unread_time"
    case idleTime = "idle_time"

    public var key: String { "limits.\(rawValue)" }
}

/// A client's request or connection that is one too many, and which limit says so.
struct LimitReached {
    let limit: WireLimit
    let failure: WireFailure

    init(_ limit: WireLimit, _ code: Saed_ErrorCode, _ message: String, remedy: String) {
        self.limit = limit
        failure = WireFailure(code, message, remedy: remedy)
    }
}

/// How long a request may take.
public enum RequestPace: Sendable {
    /// Answered in one piece.
    case short
    /// Goes through many images, telling of its progress.
    case long
    /// Ends when something else does: no deadline.
    case lasting
}

extension Saed_Request {
    public var pace: RequestPace {
        switch body {
        case .watch, .wait, .follow: .lasting
        // All but the first kind go through the images of a view, or through files that may be large.
        case .export, .ablate, .remap, .report, .atlas, .name, .verify, .classify, .disagree, .compare, .saeRandom, .steer, .find, .collect, .imageRemove,
            .modelAdd, .saeAdd, .adapterAdd, .adapterExport, .classesSet:
            .long
        default: .short
        }
    }
}

extension Duration {
    /// As the configuration writes it: 90s, 10m, 12h.
    var brief: String {
        let (seconds, attoseconds) = components
        if seconds == 0 || attoseconds != 0 { return "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)ms" }
        if seconds % 3600 == 0 { return "\(seconds / 3600)h" }
        return seconds % 60 == 0 ? "\(seconds / 60)m" : "\(seconds)s"
    }
}
