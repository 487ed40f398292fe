// The frame header: 16 bytes, little-endian, and what a receiver refuses (protocol/SPEC.md, section 2).
//
//   0  4  magic     53 41 45 44, "SAED"
//   4  1  version   1
//   5  1  kind      FrameKind
//   6  2  flags     bits 0-7 must be understood, bits 8-15 may be ignored; this version knows none
//   8  4  request   the client's choice, 0 for what concerns the whole connection
//  12  4  length    payload bytes

/// Which end of a connection reads; each refuses what only it may send.
public enum FrameReceiver: Sendable {
    case daemon, client
}

/// What a frame carries. Raw values are the wire's.
public enum FrameKind: UInt8, CaseIterable, Sendable {
    case hello = 1
    case welcome = 2
    case request = 3
    case cancel = 4
    case part = 5
    case progress = 6
    case array = 7
    case end = 8
    case error = 9
    case ping = 10
    case pong = 11

    public var name: String {
        switch self {
        case .hello: "hello"
        case .welcome: "welcome"
        case .request: "request"
        case .cancel: "cancel"
        case .part: "part"
        case .progress: "progress"
        case .array: "array"
        case .end: "end"
        case .error: "error"
        case .ping: "ping"
        case .pong: "pong"
        }
    }

    func mayReach(_ receiver: FrameReceiver) -> Bool {
        switch self {
        case .hello, .request, .cancel: receiver == .daemon
        case .welcome, .part, .progress, .array, .end, .error: receiver == .client
        case .ping, .pong: true
        }
    }

    /// Whether the request field names a request (never 0), names none (always 0), or either.
    func accepts(request: UInt32) -> Bool {
        switch self {
        case .hello, .welcome, .ping, .pong: request == 0
        case .request, .cancel, .part, .progress, .array, .end: request != 0
        case .error: true
        }
    }
}

/// Sizes of the protocol, the same for everyone who speaks version 1.
public enum FrameLimits {
    public static let headerBytes = 16
    /// Request payloads. Why 1 MiB: 5,000 paths of 200 bytes fit; what a hostile client can make the daemon hold is
    /// this times its open requests.
    public static let requestBytesMax = 1 << 20
    /// Part, progress, array and error payloads. Why 4 MiB: the dense activations of one image at width 1,024 with
    /// 577 tokens fit in one array frame.
    public static let replyBytesMax = 4 << 20
    public static let helloBytesMax = 4096
    public static let pingBytesMax = 64

    public static func payloadBytesMax(_ kind: FrameKind) -> Int {
        switch kind {
        case .hello, .welcome: helloBytesMax
        case .request: requestBytesMax
        case .cancel, .end: 0
        case .part, .progress, .array, .error: replyBytesMax
        case .ping, .pong: pingBytesMax
        }
    }

    /// The most that a frame of a kind that the receiver doesn't know but may skip can have.
    public static func skippedBytesMax(_ receiver: FrameReceiver) -> Int {
        receiver == .daemon ? requestBytesMax : replyBytesMax
    }
}

/// One frame, whole.
public struct Frame: Sendable, Equatable {
    public var kind: FrameKind
    public var request: UInt32
    public var payload: [UInt8]

    public init(_ kind: FrameKind, request: UInt32 = 0, payload: [UInt8] = []) {
        self.kind = kind
        self.request = request
        self.payload = payload
    }

    /// Header and payload as they travel.
    public var encoded: [UInt8] {
        FrameHeader(kind: kind.rawValue, request: request, length: UInt32(payload.count)).encoded + payload
    }
}

/// A header as it stands in the bytes: fields may hold anything.
public struct FrameHeader: Sendable, Equatable {
    public static let magic: [UInt8] = Array("SAED".utf8)
    public static let version: UInt8 = 1
    /// Kinds from here on may be skipped by a receiver that doesn't know them.
    public static let firstSkippableKind: UInt8 = 0x80

    public var version: UInt8
    public var kind: UInt8
    public var flags: UInt16
    public var request: UInt32
    public var length: UInt32

    public init(version: UInt8 = FrameHeader.version, kind: UInt8, flags: UInt16 = 0, request: UInt32, length: UInt32) {
        self.version = version
        self.kind = kind
        self.flags = flags
        self.request = request
        self.length = length
    }

    public var encoded: [UInt8] {
        var bytes = FrameHeader.magic
        bytes.reserveCapacity(FrameLimits.headerBytes)
        bytes += [version, kind, UInt8(truncatingIfNeeded: flags), UInt8(truncatingIfNeeded: flags >> 8)]
        for field in [request, length] {
            for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: field >> UInt32(shift))) }
        }
        return bytes
    }

    /// Reads the fields after a magic that was checked before; `bytes` holds `FrameLimits.headerBytes`.
    init(_ bytes: [UInt8]) {
        func u32(_ at: Int) -> UInt32 {
            UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2]) << 16 | UInt32(bytes[at + 3]) << 24
        }
        version = bytes[4]
        kind = bytes[5]
        flags = UInt16(bytes[6]) | UInt16(bytes[7]) << 8
        request = u32(8)
        length = u32(12)
    }

    /// The kind, or nil for a frame to be skipped, after every check that the header alone allows: version, flags,
    /// kind, direction, length, request, in this order.
    func check(for receiver: FrameReceiver) throws(FrameError) -> FrameKind? {
        guard version == FrameHeader.version else { throw .version(version) }
        guard flags & 0x00FF == 0 else { throw .flags(flags) }
        guard let known = FrameKind(rawValue: kind) else {
            guard kind >= FrameHeader.firstSkippableKind else { throw .kind(kind) }
            let most = FrameLimits.skippedBytesMax(receiver)
            guard Int(length) <= most else { throw .tooLarge(kind: "unknown", length: Int(length), most: most) }
            return nil
        }
        guard known.mayReach(receiver) else { throw .direction(known) }
        let most = FrameLimits.payloadBytesMax(known)
        guard Int(length) <= most else { throw .tooLarge(kind: known.name, length: Int(length), most: most) }
        guard known.accepts(request: request) else { throw .request(known, request) }
        return known
    }
}
