// One request's answer as its handler sees it.
//
// Invariants: frames leave in the order in which they were sent; a send returns only when the connection has room,
// so that an answer of any size takes the memory of one frame; after the end, or once cancelled, nothing is sent.

import NIOCore
import Synchronization
import Wire

/// Where a handler puts its answer. Every send waits until the client has room for it and throws `CancellationError`
/// once the client has cancelled the request or gone away.
///
///     try await reply.progress(done: 3, total: 10, what: "images")
///     try await reply.part(.with { $0.status = status })
///     let png = try await reply.array("png", .u8, shape: [bytes.count])
///     try await reply.write(png, bytes)
public final class ReplyStream: Sendable {
    /// An array that was announced in this answer.
    public struct ArrayID: Sendable {
        let number: UInt32
        let elementBytes: Int
    }

    private struct State {
        /// Why nothing more is to be sent; nil while it is wanted.
        var cancelled: WireFailure?
        var ended = false
        var ledger = ArrayLedger()
        var arrays: UInt32 = 0
    }

    /// The request's id on its connection.
    public let request: UInt32
    private let connection: Connection
    private let state = Mutex(State())

    init(request: UInt32, connection: Connection) {
        self.request = request
        self.connection = connection
    }

    /// Whether the client has cancelled the request or gone away, or its time is over.
    public var isCancelled: Bool { cancellation != nil }

    /// What the answer of a request that was cancelled ends with.
    var cancellation: WireFailure? { state.withLock { $0.cancelled } }

    public func progress(_ progress: Saed_Progress) async throws {
        try await send(.progress, WireFormat.bytes(progress))
    }

    /// - Parameter perSecond: items a second, 0 where unknown.
    public func progress(done: Int, total: Int, failed: Int = 0, what: String = "", perSecond: Double = 0) async throws {
        var message = Saed_Progress()
        message.done = UInt64(max(0, done))
        message.total = UInt64(max(0, total))
        message.failed = UInt64(max(0, failed))
        message.what = what
        message.itemsPerSecond = perSecond
        try await progress(message)
    }

    /// - Throws: `WireFailure` with `tooLarge` for a part that no frame holds: long lists go in several parts.
    public func part(_ reply: Saed_Reply) async throws {
        let payload = WireFormat.bytes(reply)
        guard payload.count <= FrameLimits.replyBytesMax else {
            throw WireFailure(
                .tooLarge, "one part of the answer has \(payload.count) bytes, at most \(FrameLimits.replyBytesMax) fit",
                remedy: "ask for less at a time (--limit, --top)")
        }
        try await send(.part, payload)
    }

    /// Announces an array.
    /// - Parameter growing: the first dimension isn't known yet; give it as 0.
    public func array(_ name: String, _ dtype: Saed_DType, shape: [Int], growing: Bool = false) async throws -> ArrayID {
        var header = Saed_ArrayHeader()
        header.name = name
        header.dtype = dtype
        header.shape = shape.map { UInt64(max(0, $0)) }
        header.growing = growing
        try state.withLock { state in
            header.number = state.arrays
            try state.ledger.announce(header)
            state.arrays += 1
        }
        var reply = Saed_Reply()
        reply.array = header
        try await part(reply)
        return ArrayID(number: header.number, elementBytes: dtype.elementBytes ?? 1)
    }

    /// Sends the array's next values, in frames of at most `ArrayChunk.bytesMax`.
    ///
    /// `T` must be laid out as the array's type is: `Float` for f32, `Int32` for i32, and so on.
    public func write<T: BitwiseCopyable>(_ array: ArrayID, _ values: [T]) async throws {
        precondition(MemoryLayout<T>.stride == array.elementBytes, "values of \(MemoryLayout<T>.stride) bytes for elements of \(array.elementBytes)")
        #if _endian(big)
            #error("array frames are little-endian")
        #endif
        let step = ArrayChunk.bytesMax / array.elementBytes
        for start in stride(from: 0, to: values.count, by: step) {
            let range = start..<min(values.count, start + step)
            let byteCount = range.count * array.elementBytes
            try state.withLock { _ = try $0.ledger.receive(number: array.number, byteCount: byteCount) }
            var buffer = frame(.array, payloadBytes: ArrayChunk.prefixBytes + byteCount)
            buffer.writeBytes(ArrayChunk.prefix(number: array.number))
            values[range].withUnsafeBytes { _ = buffer.writeBytes($0) }
            try await send(buffer)
        }
    }

    // MARK: for the connection

    /// From now on sends throw. Returns false when the answer had ended before.
    /// - Parameter reason: kept where it is the first.
    func cancel(_ reason: WireFailure) -> Bool {
        state.withLock {
            if $0.cancelled == nil { $0.cancelled = reason }
            return !$0.ended
        }
    }

    /// Ends the answer. Later sends throw; a second end does nothing.
    func end(_ failure: WireFailure?) {
        let (first, incomplete): (Bool, FrameError?) = state.withLock { state in
            guard !state.ended else { return (false, nil) }
            state.ended = true
            do throws(FrameError) {
                _ = try state.ledger.finish()
                return (true, nil)
            } catch {
                return (true, error)
            }
        }
        guard first else { return }
        let failure = failure ?? incomplete.map { WireFailure(.internal, "the answer is incomplete: \($0)", remedy: "see the daemon's log") }
        var buffer: ByteBuffer
        if let failure {
            let payload = WireFormat.bytes(failure.wire)
            buffer = frame(.error, payloadBytes: payload.count)
            buffer.writeBytes(payload)
        } else {
            buffer = frame(.end, payloadBytes: 0)
        }
        connection.finish(self, with: buffer, failure: failure)
    }

    private func send(_ kind: FrameKind, _ payload: [UInt8]) async throws {
        var buffer = frame(kind, payloadBytes: payload.count)
        buffer.writeBytes(payload)
        try await send(buffer)
    }

    private func send(_ buffer: ByteBuffer) async throws {
        guard state.withLock({ $0.cancelled == nil && !$0.ended }) else { throw CancellationError() }
        try await connection.send(buffer, of: self)
    }

    private func frame(_ kind: FrameKind, payloadBytes: Int) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: FrameLimits.headerBytes + payloadBytes)
        buffer.writeBytes(FrameHeader(kind: kind.rawValue, request: request, length: UInt32(payloadBytes)).encoded)
        return buffer
    }
}
