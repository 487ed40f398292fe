// Bytes as they come, in pieces of any size, to whole frames.
//
// Invariants: what it holds is at most one header or the bytes of one payload that have arrived (a length alone
// allocates nothing); the same bytes give the same frames and the same error however they are split; after an
// error it accepts nothing more.

/// A parser for one direction of one connection.
///
///     var parser = FrameParser(receiver: .daemon)
///     try parser.feed(bytes) { frame in ... }
///     try parser.finish()
public struct FrameParser: Sendable {
    private enum State: Sendable {
        /// Collecting the header.
        case header([UInt8])
        /// Collecting the payload of a frame whose header was checked; `missing` is above 0.
        case payload(FrameKind, request: UInt32, [UInt8], missing: Int)
        /// Passing over the payload of a frame of a kind that may be ignored.
        case skipping(missing: Int)
        case failed(FrameError)
    }

    private let receiver: FrameReceiver
    private let requestBytesMax: Int
    private var state = State.header([])

    /// - Parameter requestBytesMax: a daemon may take less than the protocol allows.
    public init(receiver: FrameReceiver, requestBytesMax: Int = FrameLimits.requestBytesMax) {
        self.receiver = receiver
        self.requestBytesMax = min(requestBytesMax, FrameLimits.requestBytesMax)
    }

    /// Takes bytes and calls `each` for every frame that they complete.
    /// - Throws: the first `FrameError`; frames completed before it were delivered.
    public mutating func feed(_ bytes: UnsafeRawBufferPointer, _ each: (Frame) throws(FrameError) -> Void) throws(FrameError) {
        do {
            var rest = bytes[...]
            while !rest.isEmpty {
                if let frame = try step(&rest) { try each(frame) }
            }
        } catch {
            state = .failed(error)
            throw error
        }
    }

    public mutating func feed(_ bytes: ArraySlice<UInt8>, _ each: (Frame) throws(FrameError) -> Void) throws(FrameError) {
        // `ArraySlice.withUnsafeBytes` can't rethrow a typed error.
        let result = bytes.withUnsafeBytes { buffer -> Result<Void, FrameError> in
            do throws(FrameError) { return .success(try feed(buffer, each)) } catch { return .failure(error) }
        }
        try result.get()
    }

    /// The connection ended: was it between two frames?
    public func finish() throws(FrameError) {
        switch state {
        case let .header(bytes) where bytes.isEmpty: return
        case let .header(bytes): throw .truncated(have: bytes.count)
        case let .payload(_, _, bytes, _): throw .truncated(have: FrameLimits.headerBytes + bytes.count)
        case .skipping: throw .truncated(have: FrameLimits.headerBytes)
        case let .failed(error): throw error
        }
    }

    /// Uses up some bytes of `rest` (at least one); a frame when they complete it.
    private mutating func step(_ rest: inout Slice<UnsafeRawBufferPointer>) throws(FrameError) -> Frame? {
        switch state {
        case let .failed(error):
            throw error
        case var .header(bytes):
            state = .header([])  // or the array below would be copied
            let take = min(rest.count, FrameLimits.headerBytes - bytes.count)
            bytes.append(contentsOf: rest.prefix(take))
            rest = rest.dropFirst(take)
            return try header(bytes)
        case .payload(let kind, let request, var bytes, let missing):
            state = .header([])
            let take = min(rest.count, missing)
            bytes.append(contentsOf: rest.prefix(take))
            rest = rest.dropFirst(take)
            guard take == missing else {
                state = .payload(kind, request: request, bytes, missing: missing - take)
                return nil
            }
            return Frame(kind, request: request, payload: bytes)
        case let .skipping(missing):
            let take = min(rest.count, missing)
            rest = rest.dropFirst(take)
            state = take == missing ? .header([]) : .skipping(missing: missing - take)
            return nil
        }
    }

    /// The header's bytes so far: a wrong magic is refused at its first wrong byte, the rest when it is whole.
    private mutating func header(_ bytes: [UInt8]) throws(FrameError) -> Frame? {
        for (place, byte) in bytes.prefix(FrameHeader.magic.count).enumerated() where byte != FrameHeader.magic[place] {
            throw .magic(Array(bytes.prefix(place + 1)))
        }
        guard bytes.count == FrameLimits.headerBytes else {
            state = .header(bytes)
            return nil
        }
        let header = FrameHeader(bytes)
        let kind = try header.check(for: receiver)
        let length = Int(header.length)
        if kind == .request, length > requestBytesMax {
            throw .tooLarge(kind: FrameKind.request.name, length: length, most: requestBytesMax)
        }
        switch (kind, length) {
        case (nil, 0): state = .header([])
        case (nil, _): state = .skipping(missing: length)
        case let (kind?, 0):
            state = .header([])
            return Frame(kind, request: header.request)
        case let (kind?, _): state = .payload(kind, request: header.request, [], missing: length)
        }
        return nil
    }
}
