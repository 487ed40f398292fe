// The blocking client: POSIX calls only, so that a program that asks one question starts in milliseconds.

import Glibc
import SwiftProtobuf

/// Why a client got no answer. What the daemon itself answered with is a `WireFailure`.
public enum WireClientError: Error, Equatable, Sendable, CustomStringConvertible {
    case socket(SocketError)
    /// The daemon closed the connection, or it broke; `errno` is 0 for an orderly end.
    case disconnected(errno: CInt)
    /// Connected, but no welcome within the time.
    case silent(seconds: Int)
    /// What came is no answer of this protocol.
    case malformed(FrameError)
    /// The request is larger than the daemon takes.
    case requestTooLarge(bytes: Int, most: Int)

    public var description: String {
        switch self {
        case let .socket(error): error.description
        case let .disconnected(errno):
            "the daemon ended the connection" + (errno == 0 ? "" : " (\(String(cString: strerror(errno))))") + ": see its log, then ask again"
        case let .silent(seconds): "the daemon took the connection but said nothing for \(seconds) s: see its log"
        case let .malformed(error): "what the daemon sent is no answer: \(error): \(error.remedy)"
        case let .requestTooLarge(bytes, most): "the request has \(bytes) bytes, the daemon takes \(most): ask in smaller pieces"
        }
    }
}

/// Frames over a connected descriptor. Not for several threads at once.
public final class FrameConnection {
    private let fd: CInt
    private var parser: FrameParser
    private var ready: [Frame] = []
    private var next = 0
    /// Thrown once the frames before it were received.
    private var failure: FrameError?
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    /// Takes the descriptor over and closes it at the end.
    public init(fd: CInt, receiver: FrameReceiver = .client) {
        self.fd = fd
        parser = FrameParser(receiver: receiver)
    }

    deinit { close(fd) }

    /// Makes `receive` give up after a silence; 0 waits for ever.
    public func setReceiveTimeout(seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Bytes as they are; for tests of what a peer makes of them.
    public func send(raw bytes: [UInt8]) throws(WireClientError) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.send(fd, $0.baseAddress! + sent, bytes.count - sent, CInt(MSG_NOSIGNAL)) }
            if count > 0 {
                sent += count
            } else if errno != EINTR {
                throw .disconnected(errno: errno)
            }
        }
    }

    public func send(_ frames: [Frame]) throws(WireClientError) {
        try send(raw: frames.flatMap(\.encoded))
    }

    /// The next frame; nil when the other side ended the connection between two frames.
    public func receive() throws(WireClientError) -> Frame? {
        while next == ready.count {
            if let failure { throw .malformed(failure) }
            ready.removeAll(keepingCapacity: true)
            next = 0
            let count = buffer.withUnsafeMutableBytes { recv(fd, $0.baseAddress, $0.count, 0) }
            if count < 0 {
                switch errno {
                case EINTR: continue
                case EAGAIN: throw .silent(seconds: 0)
                default: throw .disconnected(errno: errno)
                }
            }
            do throws(FrameError) {
                if count == 0 {
                    try parser.finish()
                    return nil
                }
                try parser.feed(buffer[..<count]) { (frame) throws(FrameError) in ready.append(frame) }
            } catch {
                failure = error
            }
        }
        next += 1
        return ready[next - 1]
    }
}

/// What comes before a request's end.
public enum ReplyPiece: Sendable {
    case progress(Saed_Progress)
    case part(Saed_Reply)
    /// An array begins.
    case array(Saed_ArrayHeader)
    /// Some bytes of an announced array: whole elements, little-endian, row-major, in order.
    case chunk(Saed_ArrayHeader, ArraySlice<UInt8>)
}

/// A connection to a daemon, one question at a time.
///
///     let client = try WireClient(path: "/run/saed/saed.sock", name: "saectl 0.1.0")
///     let reply = try client.ask(.with { $0.status = .init() })
///     print(reply.status.queued)
///
/// Not for several threads at once. After any `WireClientError` the connection is of no more use; after a
/// `WireFailure` (the daemon's own answer) it is.
public final class WireClient {
    /// Why 10 s: a daemon that reads its catalog at start answers within one; a hung one should be named as such.
    public static let handshakeSeconds = 10

    private let connection: FrameConnection
    private var lastRequest: UInt32 = 0
    private let hello: Frame
    /// What the daemon said of itself; nil before the first answer.
    public private(set) var welcome: Saed_Welcome?

    /// Connects. The handshake travels with the first request, so that it costs no turn of its own.
    public init(path: String, name: String) throws(WireClientError) {
        do throws(SocketError) {
            connection = FrameConnection(fd: try UnixSocket.connect(path: path))
        } catch {
            throw .socket(error)
        }
        var hello = Saed_Hello()
        hello.minor = WireFormat.minor
        hello.client = name
        self.hello = Frame(.hello, payload: WireFormat.bytes(hello))
    }

    /// Sends a request and hands out what comes until it ends.
    ///
    /// An error thrown by `each` leaves the answer unread: close the client then, which cancels the request.
    /// - Throws: `WireFailure` when the daemon answers with an error, `WireClientError` when there is no answer.
    /// - Returns: the shapes of the arrays that came, by number.
    @discardableResult
    public func ask(_ request: Saed_Request, each: (ReplyPiece) throws -> Void) throws -> [UInt32: [Int]] {
        let payload = WireFormat.bytes(request)
        let most = welcome.map { Int($0.requestBytesMax) } ?? FrameLimits.requestBytesMax
        guard payload.count <= most else { throw WireClientError.requestTooLarge(bytes: payload.count, most: most) }
        lastRequest = lastRequest == .max ? 1 : lastRequest + 1
        let frame = Frame(.request, request: lastRequest, payload: payload)
        if welcome == nil {
            connection.setReceiveTimeout(seconds: WireClient.handshakeSeconds)
            try send([hello, frame])
            try receiveWelcome()
            connection.setReceiveTimeout(seconds: 0)
        } else {
            try send([frame])
        }
        return try receiveAnswer(each)
    }

    /// Sends a request whose answer is one message.
    public func ask(_ request: Saed_Request, progress: (Saed_Progress) throws -> Void = { _ in }) throws -> Saed_Reply {
        var reply: Saed_Reply?
        try ask(request) { piece in
            switch piece {
            case let .progress(message): try progress(message)
            case let .part(part):
                guard reply == nil else { throw WireClientError.malformed(.order("two parts where one was expected")) }
                reply = part
            case .array, .chunk: break
            }
        }
        guard let reply else { throw WireClientError.malformed(.order("the answer has no part")) }
        return reply
    }

    /// Sends a request whose answer's parts are to be merged: lists grow, the last of every other field stays.
    public func askMerging(_ request: Saed_Request, progress: (Saed_Progress) throws -> Void = { _ in }) throws -> Saed_Reply {
        var reply: Saed_Reply?
        try ask(request) { piece in
            switch piece {
            case let .progress(message): try progress(message)
            case let .part(part):
                if reply == nil { reply = part } else { try reply?.merge(serializedBytes: WireFormat.bytes(part)) }
            case .array, .chunk: break
            }
        }
        guard let reply else { throw WireClientError.malformed(.order("the answer has no part")) }
        return reply
    }

    /// - Throws: what the daemon said before it closed, where it did: a connection that is one too many is told so and
    ///   closed before this side has sent anything.
    private func send(_ frames: [Frame]) throws {
        do throws(WireClientError) {
            try connection.send(frames)
        } catch {
            connection.setReceiveTimeout(seconds: 1)
            while let frame = try? connection.receive() {
                guard frame.kind == .error, frame.request == 0, let message = try? WireFormat.message(Saed_Error.self, of: frame) else { continue }
                throw WireFailure(message)
            }
            throw error
        }
    }

    private func receive() throws -> Frame {
        do {
            guard let frame = try connection.receive() else { throw WireClientError.disconnected(errno: 0) }
            return frame
        } catch WireClientError.silent(_) {
            throw WireClientError.silent(seconds: WireClient.handshakeSeconds)
        }
    }

    private func receiveWelcome() throws {
        let frame = try receive()
        switch frame.kind {
        case .welcome: welcome = try WireFormat.message(Saed_Welcome.self, of: frame)
        case .error: throw WireFailure(try WireFormat.message(Saed_Error.self, of: frame))
        default: throw WireClientError.malformed(.order("a '\(frame.kind.name)' frame before the welcome"))
        }
    }

    private func receiveAnswer(_ each: (ReplyPiece) throws -> Void) throws -> [UInt32: [Int]] {
        var ledger = ArrayLedger()
        do {
            while true {
                let frame = try receive()
                if frame.kind == .ping {
                    try connection.send([Frame(.pong, payload: frame.payload)])
                    continue
                }
                if frame.kind == .error, frame.request == 0 || frame.request == lastRequest {
                    throw WireFailure(try WireFormat.message(Saed_Error.self, of: frame))
                }
                guard frame.request == lastRequest else {
                    throw FrameError.order("a '\(frame.kind.name)' frame for request \(frame.request), which isn't open")
                }
                switch frame.kind {
                case .progress: try each(.progress(try WireFormat.message(Saed_Progress.self, of: frame)))
                case .part:
                    let reply = try WireFormat.message(Saed_Reply.self, of: frame)
                    if case let .array(header)? = reply.body {
                        try ledger.announce(header)
                        try each(.array(header))
                    } else {
                        try each(.part(reply))
                    }
                case .array:
                    let chunk = try ArrayChunk(payload: frame.payload)
                    try each(.chunk(try ledger.receive(number: chunk.number, byteCount: chunk.bytes.count), chunk.bytes))
                case .end: return try ledger.finish()
                default: throw FrameError.order("a '\(frame.kind.name)' frame inside an answer")
                }
            }
        } catch let error as FrameError {
            throw WireClientError.malformed(error)
        }
    }
}

/// Messages to payloads and back.
public enum WireFormat {
    /// The newest minor version of the protocol that this code knows.
    public static let minor: UInt32 = 2

    public static func bytes(_ message: some Message) -> [UInt8] {
        // Fails only for proto2's required fields; there are none.
        (try? message.serializedBytes() as [UInt8]) ?? []
    }

    public static func message<M: Message>(_ type: M.Type, of frame: Frame) throws(FrameError) -> M {
        do {
            return try M(serializedBytes: frame.payload)
        } catch {
            throw .payload(frame.kind, "no \(M.protoMessageName)")
        }
    }
}
