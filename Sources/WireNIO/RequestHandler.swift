// What the daemon implements to answer requests, and what it is told about the connections.

import Wire

/// Who asks.
public struct Peer: Sendable, Equatable, CustomStringConvertible {
    /// Counts connections from 1.
    public var connection: Int
    /// As the kernel vouches for them (SO_PEERCRED); of the moment of the connection.
    public var pid: Int32
    public var uid: UInt32
    public var gid: UInt32
    /// What the client calls itself, at most 128 characters; empty before its hello.
    public var client: String

    public var description: String {
        "connection \(connection) (\(client.isEmpty ? "no hello yet" : client), pid \(pid), uid \(uid))"
    }
}

/// Answers requests. Called in a task of its own for every request; several run at once.
///
/// A handler sends progress, parts and arrays into `reply` and returns: that ends the answer. What it throws becomes
/// the error frame: a `WireFailure` as it is, a `CancellationError` as `cancelled`, anything else as `internal` with
/// its description. When the client cancels or goes away, or the time for it is over, the task is cancelled and every send throws
/// `CancellationError`; work that the client waited for alone should then stop.
///
/// The task runs in Swift's cooperative pool: compute and blocking reads belong elsewhere.
public protocol RequestHandler: Sendable {
    func handle(_ request: Saed_Request, from peer: Peer, into reply: ReplyStream) async throws
}

/// What a server tells its owner, for the log. Calls come on the server's event loop and must not block.
public enum WireEvent: Sendable {
    case connected(Peer)
    /// A connection ended, whoever ended it.
    case disconnected(Peer)
    /// A connection was given up: garbage, an oversized frame, no hello.
    case refused(Peer, WireFailure)
    /// A limit turned a connection or a request away, or ended it.
    case limited(Peer, WireLimit, WireFailure)
    /// A request ended with an error; `cancelled` ones included.
    case requestFailed(Peer, request: String, WireFailure)
}
