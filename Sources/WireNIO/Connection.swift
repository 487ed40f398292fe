// One client's connection: handshake, open requests, back pressure, and what happens to one that misbehaves.
//
// Invariants: everything stored is touched on the channel's event loop only; answers enter the channel only while it
// is writable (else they wait in `parked`, one frame for every sender that waits); a request leaves `open` only when
// its end frame was handed to the channel, so that `open` bounds what parked ends can hold.

import Glibc
import NIOCore
import NIOPosix
import SwiftProtobuf
import Wire

/// `@unchecked Sendable`: other threads call only `send` and `finish`, which hop to the event loop.
final class Connection: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case awaitingHello(timeout: Scheduled<Void>)
        case open
        /// An error frame is on its way out; what still comes in is dropped.
        case closing
    }

    private struct OpenRequest {
        let name: String
        let stream: ReplyStream
        let task: Task<Void, Never>
        /// Its deadline, where it has one.
        let timeout: Scheduled<Void>?
    }

    private struct Parked {
        let request: UInt32
        let frame: ByteBuffer
        /// nil for the request's end.
        let accepted: EventLoopPromise<Void>?
    }

    private let server: ServerState
    private let channel: any Channel
    /// Those of its beginning, which the welcome told.
    private let limits: WireLimits
    private var phase = Phase.closing
    private var parser: FrameParser
    /// While the parser hands out frames.
    private var isParsing = false
    private var peer: Peer
    private var open: [UInt32: OpenRequest] = [:]
    private var parked: CircularBuffer<Parked> = []
    /// Whether the user's account has this connection.
    private var isCounted = false
    /// Bytes that went into the channel so far.
    private var handed = 0
    /// While answers wait: what had left for the client at the last look, and how many looks ago that was.
    private var slowness: (left: Int, looks: Int)?
    /// When something was last asked or ended.
    private var lastUse = NIODeadline.now()

    init(channel: any Channel, number: Int, server: ServerState) {
        self.channel = channel
        self.server = server
        limits = server.clients.limits
        parser = FrameParser(receiver: .daemon, requestBytesMax: limits.requestBytes)
        peer = Peer(connection: number, pid: 0, uid: .max, gid: .max, client: "")
    }

    // MARK: the channel's events

    func channelActive(context: ChannelHandlerContext) {
        identifyPeer()
        let timeout = channel.eventLoop.scheduleTask(in: .seconds(Int64(limits.handshakeSeconds))) { [weak self] in
            guard let self else { return }
            let waited = self.limits.handshakeSeconds
            self.giveUp(WireFailure(.deadline, "no hello frame within \(waited) s", remedy: "send hello first"))
        }
        phase = .awaitingHello(timeout: timeout)
        server.observe(.connected(peer))
        server.add(self)
        if let refusal = server.clients.connect(peer.uid) { giveUp(refusal) } else { isCounted = true }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if case .closing = phase { return }
        isParsing = true
        let result = bytes.withUnsafeReadableBytes { buffer -> Result<Void, FrameError> in
            do throws(FrameError) {
                try parser.feed(buffer) { (frame) throws(FrameError) in try self.receive(frame) }
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        isParsing = false
        guard case let .failure(error) = result else { return }
        if case let .tooLarge(kind, length, most) = error, kind == FrameKind.request.name {
            giveUp(
                LimitReached(
                    .requestBytes, .tooLarge, "a request of \(length) bytes, limits.request_bytes allows \(most)",
                    remedy: "ask for less at a time: split it into pieces"))
        } else {
            giveUp(WireFailure(error))
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        drain()
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case let .awaitingHello(timeout) = phase { timeout.cancel() }
        // An answer to a client that has hung up fails at once, in the middle of parsing: the parser is in use then.
        if case .closing = phase {} else if !isParsing { noteTruncation() }
        phase = .closing
        cancelAll()
        // Ends that wait for a reader who is gone.
        parked.forEach { $0.accepted?.fail(CancellationError()) }
        parked.removeAll()
        open.removeAll()
        if isCounted { server.clients.disconnect(peer.uid) }
        server.remove(self)
        server.observe(.disconnected(peer))
        context.fireChannelInactive()
    }

    /// A client that hangs up inside a frame gets no answer any more, but the log says so.
    private func noteTruncation() {
        do throws(FrameError) { try parser.finish() } catch { server.observe(.refused(peer, WireFailure(error))) }
    }

    // MARK: frames

    private func receive(_ frame: Frame) throws(FrameError) {
        switch (phase, frame.kind) {
        case (.closing, _): return
        case let (.awaitingHello(timeout), .hello):
            timeout.cancel()
            phase = .open  // before the answer, which may find the connection closed
            try welcome(WireFormat.message(Saed_Hello.self, of: frame))
        case (.awaitingHello, _): throw .order("a '\(frame.kind.name)' frame before hello")
        case (.open, .hello): throw .order("a second hello")
        case (.open, .request): try start(frame)
        case (.open, .cancel): cancel(frame.request)
        case (.open, .ping):
            lastUse = .now()
            answerUngated(Frame(.pong, payload: frame.payload))
        case (.open, _): return  // a pong; the parser refuses what only a daemon sends
        }
    }

    private func welcome(_ hello: Saed_Hello) throws(FrameError) {
        guard hello.client.utf8.count <= 128 else { throw .payload(.hello, "the client's name has more than 128 bytes") }
        peer.client = hello.client
        var welcome = Saed_Welcome()
        welcome.minor = min(hello.minor, WireFormat.minor)
        welcome.server = server.name
        welcome.requestBytesMax = UInt32(limits.requestBytes)
        welcome.requestsOpenMax = UInt32(limits.requestsOpen)
        answerUngated(Frame(.welcome, payload: WireFormat.bytes(welcome)))
        closeWhenIdle()
    }

    private func start(_ frame: Frame) throws(FrameError) {
        let id = frame.request
        guard open[id] == nil else { throw .order("request id \(id) is still open") }
        lastUse = .now()
        if let refusal = refusal(of: frame) { return refuse(id, refusal) }
        guard let request = try? Saed_Request(serializedBytes: frame.payload) else {
            return refuse(id, "unread", WireFailure(.invalidArgument, "the payload is no Request message", remedy: "mend the client: see protocol/saed.proto"))
        }
        guard request.body != nil else {
            return refuse(id, request.title, WireFailure(.unsupported, "this daemon doesn't know that request", remedy: "use client and daemon of the same release"))
        }
        let user = peer.uid
        if let refusal = server.clients.begin(user) { return refuse(id, refusal) }
        let stream = ReplyStream(request: id, connection: self)
        let (handler, peer, clients) = (server.handler, peer, server.clients)
        let task = server.run {
            var failure: WireFailure?
            do {
                try await handler.handle(request, from: peer, into: stream)
            } catch {
                failure = WireFailure(any: error)
            }
            // Before its end is told: who has read the end may ask again at once.
            clients.end(user)
            stream.end(stream.cancellation ?? failure)
        }
        let name = request.title
        let timeout = limits.time(for: request.pace).map { limit, time in
            channel.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(time)) { self.endLate(id, name, limit, time) }
        }
        open[id] = OpenRequest(name: name, stream: stream, task: task, timeout: timeout)
    }

    /// What of this connection's own limits a further request would exceed.
    private func refusal(of frame: Frame) -> LimitReached? {
        guard open.count < limits.requestsOpen else {
            return LimitReached(
                .requests, .unavailable, "\(open.count) requests are open on this connection, limits.requests allows no more",
                remedy: "wait for one to end")
        }
        let waiting = waitingBytes
        guard waiting <= limits.unreadBytesMax else {
            return LimitReached(
                .unreadBytes, .unavailable, "\(waiting) bytes of answers wait unread on this connection, limits.unread_bytes allows \(limits.unreadBytesMax)",
                remedy: "read them first")
        }
        return nil
    }

    private func refuse(_ id: UInt32, _ refusal: LimitReached) {
        server.note(peer, refusal)
        answerUngated(Frame(.error, request: id, payload: WireFormat.bytes(refusal.failure.wire)))
    }

    /// The time for a request is over. Its end is told now; its handler stops as soon as it can.
    private func endLate(_ id: UInt32, _ name: String, _ limit: WireLimit, _ time: Duration) {
        let reached = LimitReached(
            limit, .deadline, "'\(name)' took longer than the \(time.brief) that \(limit.key) allows", remedy: "ask for less at a time, or ask when saed has less to do")
        // An answer that has ended and waits for its reader is not late.
        guard let stream = open[id]?.stream, cancel(id, reached.failure) else { return }
        server.note(peer, reached)
        stream.end(stream.cancellation)
    }

    private func cancelAll() {
        for id in open.keys { cancel(id) }
        open.values.forEach { $0.timeout?.cancel() }
    }

    /// - Returns: false where it had ended before.
    @discardableResult
    private func cancel(_ id: UInt32, _ reason: WireFailure = .cancelled) -> Bool {
        guard let request = open[id], request.stream.cancel(reason) else { return false }
        request.task.cancel()
        parked.filter { $0.request == id }.forEach { $0.accepted?.fail(CancellationError()) }
        parked.removeAll { $0.request == id && $0.accepted != nil }
        return true
    }

    // MARK: answers

    /// Hands an answer's frame to the channel; returns when it had room for it.
    ///
    /// By the stream, not its id: where an answer's time was over its id may be another request's by now.
    func send(_ frame: ByteBuffer, of stream: ReplyStream) async throws {
        let loop = channel.eventLoop
        try await loop.flatSubmit { () -> EventLoopFuture<Void> in
            guard self.open[stream.request]?.stream === stream, !stream.isCancelled else { return loop.makeFailedFuture(CancellationError()) }
            let accepted = loop.makePromise(of: Void.self)
            self.parked.append(Parked(request: stream.request, frame: frame, accepted: accepted))
            self.drain()
            return accepted.futureResult
        }.get()
    }

    /// Sends a request's end.
    func finish(_ stream: ReplyStream, with frame: ByteBuffer, failure: WireFailure?) {
        channel.eventLoop.execute {
            guard let open = self.open[stream.request], open.stream === stream else { return }
            if let failure { self.server.observe(.requestFailed(self.peer, request: open.name, failure)) }
            self.parked.append(Parked(request: stream.request, frame: frame, accepted: nil))
            self.drain()
        }
    }

    private func drain() {
        if case .closing = phase { return }  // nothing follows the connection's own error frame
        var wrote = false
        while channel.isWritable, let next = parked.popFirst() {
            handed += next.frame.readableBytes
            channel.write(next.frame, promise: nil)
            wrote = true
            if let accepted = next.accepted {
                accepted.succeed()
            } else {
                open.removeValue(forKey: next.request)?.timeout?.cancel()
                lastUse = .now()
            }
        }
        if wrote { channel.flush() }
        watchReader()
    }

    private func refuse(_ id: UInt32, _ name: String, _ failure: WireFailure) {
        server.observe(.requestFailed(peer, request: name, failure))
        answerUngated(Frame(.error, request: id, payload: WireFormat.bytes(failure.wire)))
    }

    /// For small frames that no handler waits with: pongs, refusals, the welcome.
    private func answerUngated(_ frame: Frame) {
        let bytes = ByteBuffer(bytes: frame.encoded)
        handed += bytes.readableBytes
        channel.writeAndFlush(bytes, promise: nil)
        let waiting = bufferedBytes
        if waiting > limits.unreadBytesMax {
            server.note(
                peer,
                LimitReached(
                    .unreadBytes, .tooLarge, "\(waiting) bytes of answers wait unread, limits.unread_bytes allows \(limits.unreadBytesMax)",
                    remedy: "read what you ask for"))
            phase = .closing
            channel.close(promise: nil)
        } else {
            watchReader()
        }
    }

    // MARK: time

    /// Bytes in the channel that the kernel has not taken.
    private var bufferedBytes: Int { (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }
    private var waitingBytes: Int { bufferedBytes + parked.reduce(0) { $0 + $1.frame.readableBytes } }

    /// Why four looks: a client is given up within a quarter more than its time. The kernel tells of reading in steps of
    /// most of a socket's buffer, some 200 KB: who reads less in all that time counts as one who doesn't.
    private static let looks = 4

    /// Begins to look whether a client reads, where something waits for it.
    private func watchReader() {
        guard slowness == nil, limits.unreadTime > .zero else { return }
        let buffered = bufferedBytes
        guard buffered > 0 || !parked.isEmpty else { return }
        slowness = (handed - buffered, 0)
        lookAgain()
    }

    private func lookAgain() {
        let pause = TimeAmount(limits.unreadTime / Connection.looks)
        channel.eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self] in self?.lookAtReader() }
    }

    private func lookAtReader() {
        guard let last = slowness else { return }
        slowness = nil
        if case .closing = phase { return }
        let buffered = bufferedBytes
        if buffered == 0, parked.isEmpty { return }
        let left = handed - buffered, looks = left == last.left ? last.looks + 1 : 0
        guard looks < Connection.looks else {
            return giveUp(
                LimitReached(
                    .unreadTime, .deadline, "\(waitingBytes) bytes of answers lay unread for the \(limits.unreadTime.brief) that limits.unread_time allows",
                    remedy: "read what you ask for"))
        }
        slowness = (left, looks)
        lookAgain()
    }

    private func closeWhenIdle() {
        guard limits.idleTime > .zero else { return }
        let time = TimeAmount(limits.idleTime)
        channel.eventLoop.assumeIsolated().scheduleTask(deadline: lastUse + time) { [weak self] in
            guard let self else { return }
            guard case .open = phase else { return }
            if !open.isEmpty { lastUse = .now() }
            guard lastUse + time <= .now() else { return closeWhenIdle() }
            giveUp(
                LimitReached(
                    .idleTime, .deadline, "nothing was asked for the \(limits.idleTime.brief) that limits.idle_time allows",
                    remedy: "connect again when there is something to ask"))
        }
    }

    // MARK: the end

    // One error frame for the whole connection, then its end. Its requests are cancelled.

    private func giveUp(_ reached: LimitReached) {
        if case .closing = phase { return }
        server.note(peer, reached)
        close(with: reached.failure)
    }

    func giveUp(_ failure: WireFailure) {
        if case .closing = phase { return }
        server.observe(.refused(peer, failure))
        close(with: failure)
    }

    private func close(with failure: WireFailure) {
        if case let .awaitingHello(timeout) = phase { timeout.cancel() }
        phase = .closing
        cancelAll()
        let frame = Frame(.error, payload: WireFormat.bytes(failure.wire))
        channel.writeAndFlush(ByteBuffer(bytes: frame.encoded)).assumeIsolated().whenComplete { _ in self.channel.close(promise: nil) }
        // A client that never reads must not keep the connection: what isn't written by then is lost to it.
        channel.eventLoop.assumeIsolated().scheduleTask(in: .seconds(2)) { self.channel.close(promise: nil) }
    }

    /// The same, from another thread.
    func stop(_ failure: WireFailure) {
        channel.eventLoop.execute { self.giveUp(failure) }
    }

    var closed: EventLoopFuture<Void> { channel.closeFuture }

    private func identifyPeer() {
        // NIO's own accessor of socket options is asynchronous; the credentials never change, so ask at once.
        guard let pipe = channel as? any SocketOptionProvider else { return }
        let credentials: EventLoopFuture<PeerCredentials> = pipe.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        // On the event loop this future is complete at once.
        credentials.assumeIsolated().whenSuccess { credentials in
            self.peer.pid = credentials.pid
            self.peer.uid = credentials.uid
            self.peer.gid = credentials.gid
        }
    }
}

/// `struct ucred`, which glibc shows only to GNU sources.
private struct PeerCredentials: Sendable {
    var pid: Int32 = 0
    var uid: UInt32 = 0
    var gid: UInt32 = 0
}

extension TimeAmount {
    fileprivate init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        // Nanoseconds of a century fit; nobody waits longer.
        self = .nanoseconds(min(seconds, 3_000_000_000) * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}

extension WireFailure {
    static let cancelled = WireFailure(.cancelled, "cancelled by the client")

    /// What a handler threw.
    init(any error: any Error) {
        switch error {
        case let failure as WireFailure: self = failure
        case is CancellationError: self = .cancelled
        case let error as FrameError: self.init(.internal, "the answer is wrong: \(error)", remedy: "see the daemon's log")
        default: self.init(.internal, "\(error)", remedy: "see the daemon's log")
        }
    }
}
