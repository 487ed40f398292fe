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
/// Event loops (NIO's shared ones) parse and write; handlers run as tasks. A client that misbehaves or hangs up costs
/// its own requests and nothing else.
public final class WireServer: Sendable {
    private let state: ServerState
    private let channel: any Channel
    /// The path and the file's identity, to take away at the end; nil for an inherited socket.
    private let file: SocketFile?

    private init(state: ServerState, channel: any Channel, file: SocketFile?) {
        self.state = state
        self.channel = channel
        self.file = file
    }

    /// Listens at a path. A socket left by a killed process is replaced.
    /// - Parameters:
    ///   - mode: of the socket's file, from its first moment on.
    ///   - clients: the account of what clients hold and may.
    /// - Throws: `SocketError`, also when another process answers there.
    public static func listen(
        at path: String, mode: UInt32 = 0o660, name: String, clients: WireClients = WireClients(), handler: any RequestHandler,
        observe: @escaping @Sendable (WireEvent) -> Void = { _ in }
    ) async throws -> WireServer {
        let fd = try UnixSocket.listen(path: path, mode: mode)
        return try await serve(fd, file: SocketFile(path: path), state: ServerState(name: name, clients: clients, handler: handler, observe: observe))
    }

    /// Listens on a socket that is bound and listening already, as socket activation hands it over. The server
    /// closes it at the end and leaves its file alone.
    public static func listen(
        inherited fd: CInt, name: String, clients: WireClients = WireClients(), handler: any RequestHandler,
        observe: @escaping @Sendable (WireEvent) -> Void = { _ in }
    ) async throws -> WireServer {
        try await serve(fd, file: nil, state: ServerState(name: name, clients: clients, handler: handler, observe: observe))
    }

    private static func serve(_ fd: CInt, file: SocketFile?, state: ServerState) async throws -> WireServer {
        // The shared group never ends: a handler that outlives its connection may still hop to the loop.
        let outboundBytes = state.clients.limits.outboundBytes
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Connection(channel: channel, number: state.nextNumber(), server: state))
                }
            }
            .childChannelOption(.writeBufferWaterMark, value: .init(low: outboundBytes / 2, high: outboundBytes))
            // Small reads at a time: frames are small, and a hostile client shouldn't make the buffer grow.
            .childChannelOption(.recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 4096, maximum: 65_536))
        return WireServer(state: state, channel: try await bootstrap.withBoundSocket(fd).get(), file: file)
    }

    /// Connections at this moment.
    public var connections: Int { state.connections.withLock { $0.count } }

    /// Takes no more connections, cancels what is open with `unavailable`, closes, and removes the socket's file if it
    /// is still the one that this server made. Returns when all of that is done and every handler has returned, so
    /// that what handlers use can be closed then.
    public func stop() async {
        try? await channel.close().get()
        file?.remove()
        let open = state.connections.withLock { Array($0.values) }
        for connection in open { connection.stop(WireFailure(.unavailable, "saed is stopping", remedy: "ask again when it is back")) }
        for connection in open { try? await connection.closed.get() }
        for task in state.tasks.withLock({ Array($0.running.values) }) { await task.value }
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
    let clients: WireClients
    let handler: any RequestHandler
    let observe: @Sendable (WireEvent) -> Void
    let connections = Mutex<[ObjectIdentifier: Connection]>([:])
    /// Handlers that run, by a number of their own.
    let tasks = Mutex<(running: [Int: Task<Void, Never>], last: Int)>(([:], 0))
    private let count = Atomic<Int>(0)

    init(name: String, clients: WireClients, handler: any RequestHandler, observe: @escaping @Sendable (WireEvent) -> Void) {
        self.name = name
        self.clients = clients
        self.handler = handler
        self.observe = observe
    }

    func nextNumber() -> Int { count.wrappingAdd(1, ordering: .relaxed).newValue }

    /// Starts a handler's task and keeps it until it ends.
    func run(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        // Under the lock, so that the task can't take itself out before it is in.
        tasks.withLock { tasks in
            tasks.last += 1
            let number = tasks.last
            let task = Task {
                await body()
                _ = self.tasks.withLock { $0.running.removeValue(forKey: number) }
            }
            tasks.running[number] = task
            return task
        }
    }

    func add(_ connection: Connection) {
        connections.withLock { $0[ObjectIdentifier(connection)] = connection }
    }

    /// Counts what a limit turned away or ended, and tells of it.
    func note(_ peer: Peer, _ reached: LimitReached) {
        clients.count(reached.limit)
        observe(.limited(peer, reached.limit, reached.failure))
    }

    func remove(_ connection: Connection) {
        _ = connections.withLock { $0.removeValue(forKey: ObjectIdentifier(connection)) }
    }
}
