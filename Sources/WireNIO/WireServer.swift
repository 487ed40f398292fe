// The listening side: a Unix socket (by path, or inherited from a supervisor) served by SwiftNIO.

import Glibc
import NIOCore
import NIOPosix
import Synchronization
import Wire

/// Serves requests on a Unix socket.
///
///     let server = try await WireServer.listen(at: "/run/saed/saed.sock", name: "saed 0.1.0", handler: answers)
///     ...
///     await server.stop()
///
/// One event-loop thread parses and writes; handlers run as tasks. A client that misbehaves or hangs up costs its own
/// requests and nothing else.
public final class WireServer: Sendable {
    private let state: ServerState
    private let group: MultiThreadedEventLoopGroup
    private let channel: any Channel
    /// The path and the file's identity, to take away at the end; nil for an inherited socket.
    private let file: SocketFile?

    private init(state: ServerState, group: MultiThreadedEventLoopGroup, channel: any Channel, file: SocketFile?) {
        self.state = state
        self.group = group
        self.channel = channel
        self.file = file
    }

    /// Listens at a path. A socket left by a killed process is replaced.
    /// - Parameter mode: of the socket's file, from its first moment on.
    /// - Throws: `SocketError`, also when another process answers there.
    public static func listen(
        at path: String, mode: UInt32 = 0o660, name: String, limits: WireLimits = WireLimits(), handler: any RequestHandler,
        observe: @escaping @Sendable (WireEvent) -> Void = { _ in }
    ) async throws -> WireServer {
        let fd = try UnixSocket.listen(path: path, mode: mode)
        return try await serve(fd, file: SocketFile(path: path), state: ServerState(name: name, limits: limits, handler: handler, observe: observe))
    }

    /// Listens on a socket that is bound and listening already, as socket activation hands it over. The server
    /// closes it at the end and leaves its file alone.
    public static func listen(
        inherited fd: CInt, name: String, limits: WireLimits = WireLimits(), handler: any RequestHandler,
        observe: @escaping @Sendable (WireEvent) -> Void = { _ in }
    ) async throws -> WireServer {
        try await serve(fd, file: nil, state: ServerState(name: name, limits: limits, handler: handler, observe: observe))
    }

    private static func serve(_ fd: CInt, file: SocketFile?, state: ServerState) async throws -> WireServer {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let bootstrap = ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Connection(channel: channel, number: state.nextNumber(), server: state))
                }
            }
            .childChannelOption(.writeBufferWaterMark, value: .init(low: state.limits.outboundBytes / 2, high: state.limits.outboundBytes))
            // Small reads at a time: frames are small, and a hostile client shouldn't make the buffer grow.
            .childChannelOption(.recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 4096, maximum: 65_536))
        do {
            let channel = try await bootstrap.withBoundSocket(fd).get()
            return WireServer(state: state, group: group, channel: channel, file: file)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
    }

    /// Connections at this moment.
    public var connections: Int { state.connections.withLock { $0.count } }

    /// Takes no more connections, cancels what is open with `unavailable`, closes, and removes the socket's file if it
    /// is still the one that this server made. Returns when all of that is done.
    public func stop() async {
        try? await channel.close().get()
        file?.remove()
        let open = state.connections.withLock { Array($0.values) }
        for connection in open { connection.stop(WireFailure(.unavailable, "saed is stopping", remedy: "ask again when it is back")) }
        for connection in open { try? await connection.closed.get() }
        try? await group.shutdownGracefully()
    }
}

/// The identity of a socket's file: a path may meanwhile belong to another daemon's.
private struct SocketFile: Sendable {
    let path: String
    private let device: dev_t
    private let inode: ino_t

    init?(path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        self.path = path
        device = status.st_dev
        inode = status.st_ino
    }

    func remove() {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode else { return }
        unlink(path)
    }
}

/// What the connections of one server share.
final class ServerState: Sendable {
    let name: String
    let limits: WireLimits
    let handler: any RequestHandler
    let observe: @Sendable (WireEvent) -> Void
    let connections = Mutex<[ObjectIdentifier: Connection]>([:])
    private let count = Atomic<Int>(0)

    init(name: String, limits: WireLimits, handler: any RequestHandler, observe: @escaping @Sendable (WireEvent) -> Void) {
        self.name = name
        self.limits = limits
        self.handler = handler
        self.observe = observe
    }

    func nextNumber() -> Int { count.wrappingAdd(1, ordering: .relaxed).newValue }

    /// Counts a connection in; the reason when it is one too many (it is counted then too, until it is closed).
    func admit(_ connection: Connection) -> WireFailure? {
        let open = connections.withLock { connections in
            connections[ObjectIdentifier(connection)] = connection
            return connections.count
        }
        guard open > limits.connections else { return nil }
        return WireFailure(.unavailable, "\(limits.connections) connections are open, no more are taken", remedy: "close one, or ask again later")
    }

    func remove(_ connection: Connection) {
        _ = connections.withLock { $0.removeValue(forKey: ObjectIdentifier(connection)) }
    }
}
