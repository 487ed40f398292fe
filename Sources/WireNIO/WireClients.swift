// What each user's clients hold at this moment, and what they may: one account for the server, for `status`, and for
// who changes the limits while the server runs.

import Synchronization
import Wire

/// Counts connections and requests by user against the limits.
///
///     let clients = WireClients(limits)
///     let server = try await WireServer.listen(at: path, name: "saed", clients: clients, handler: answers)
///     clients.limits.userConnections = 8      // holds for connections to come
///
/// Safe to share between threads.
public final class WireClients: Sendable {
    private struct Held {
        var connections = 0
        var requests = 0
    }

    private struct State {
        var limits: WireLimits
        var connections = 0
        /// Users who hold something.
        var users: [UInt32: Held] = [:]
        var refused: [WireLimit: Int] = [:]
    }

    /// What is held, and what was refused since the start.
    public struct Usage: Sendable, Equatable {
        public var connections = 0
        public var users = 0
        public var requests = 0
        /// Connections and requests that a limit turned away or ended.
        public var refused: [WireLimit: Int] = [:]
    }

    private let state: Mutex<State>

    public init(_ limits: WireLimits = WireLimits()) { state = Mutex(State(limits: limits)) }

    /// A connection keeps those that it began with, which its welcome told; what is counted by user follows at once.
    public var limits: WireLimits {
        get { state.withLock { $0.limits } }
        set { state.withLock { $0.limits = newValue } }
    }

    public var usage: Usage {
        state.withLock { state in
            Usage(
                connections: state.connections, users: state.users.count, requests: state.users.values.reduce(0) { $0 + $1.requests },
                refused: state.refused)
        }
    }

    /// Counts a connection in, or says why not.
    func connect(_ user: UInt32) -> LimitReached? {
        state.withLock { state in
            let limits = state.limits, own = state.users[user]?.connections ?? 0, isTrusted = limits.trusted.contains(user)
            if !isTrusted, own >= limits.userConnections {
                return LimitReached(
                    .userConnections, .unavailable, "\(own) connections of user \(user) are open, limits.user_connections allows no more",
                    remedy: "close one")
            }
            guard state.connections < limits.connections + (isTrusted ? limits.connectionsReserved : 0) else {
                return LimitReached(
                    .connections, .unavailable, "\(state.connections) connections are open, limits.connections allows no more",
                    remedy: "close one, or ask again later")
            }
            state.connections += 1
            state.users[user, default: Held()].connections += 1
            return nil
        }
    }

    func disconnect(_ user: UInt32) {
        state.withLock { state in
            state.connections -= 1
            change(&state, user) { $0.connections -= 1 }
        }
    }

    /// Counts a request in, or says why not.
    func begin(_ user: UInt32) -> LimitReached? {
        state.withLock { state in
            let limits = state.limits, own = state.users[user]?.requests ?? 0
            guard own < limits.userRequests || limits.trusted.contains(user) else {
                return LimitReached(
                    .userRequests, .unavailable, "\(own) requests of user \(user) are open, limits.user_requests allows no more",
                    remedy: "wait for one to end")
            }
            state.users[user, default: Held()].requests += 1
            return nil
        }
    }

    func end(_ user: UInt32) { state.withLock { change(&$0, user) { $0.requests -= 1 } } }

    func count(_ limit: WireLimit) { state.withLock { $0.refused[limit, default: 0] += 1 } }

    private func change(_ state: inout State, _ user: UInt32, _ body: (inout Held) -> Void) {
        guard var held = state.users[user] else { return }
        body(&held)
        state.users[user] = held.connections > 0 || held.requests > 0 ? held : nil
    }
}
