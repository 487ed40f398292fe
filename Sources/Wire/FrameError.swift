// What makes bytes no frames of this protocol. After one of these the connection can't go on: where the next
// frame begins is not known, or not to be trusted.

/// Why a receiver gives a connection up.
public enum FrameError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The bytes where a frame should begin.
    case magic([UInt8])
    case version(UInt8)
    case flags(UInt16)
    case kind(UInt8)
    /// A kind that only the other side may send.
    case direction(FrameKind)
    case tooLarge(kind: String, length: Int, most: Int)
    case request(FrameKind, UInt32)
    /// The connection ended inside a frame.
    case truncated(have: Int)
    /// Right as a frame, but not at this time: a request before hello, a second hello, an id that is still open.
    case order(String)
    /// The payload of a hello, welcome, progress, part or error frame is not the message it should be.
    case payload(FrameKind, String)

    public var description: String {
        switch self {
        case let .magic(bytes):
            "a frame begins with 53 41 45 44 ('SAED'), not with \(bytes.map(hex).joined(separator: " "))"
        case let .version(version):
            "frame version \(version); this side speaks version \(FrameHeader.version)"
        case let .flags(flags):
            "flags 0x\(String(flags, radix: 16)): a flag that must be understood is not"
        case let .kind(kind):
            "frame kind \(kind) is not known"
        case let .direction(kind):
            "a '\(kind.name)' frame was sent by the wrong side"
        case let .tooLarge(kind, length, most):
            "a '\(kind)' frame of \(length) bytes; at most \(most) are allowed"
        case let .request(kind, request):
            request == 0 ? "a '\(kind.name)' frame without a request id" : "a '\(kind.name)' frame with request id \(request); it has none"
        case let .truncated(have):
            "the connection ended inside a frame, after \(have) of its bytes"
        case let .order(what):
            what
        case let .payload(kind, why):
            "the payload of a '\(kind.name)' frame can't be read: \(why)"
        }
    }

    /// The code for the error frame that answers it.
    public var code: Saed_ErrorCode {
        switch self {
        case .version, .flags, .kind: .unsupported
        case .tooLarge: .tooLarge
        case .magic, .direction, .request, .truncated, .order, .payload: .invalidArgument
        }
    }

    public var remedy: String {
        switch self {
        case .magic: "speak the protocol of protocol/SPEC.md on this socket"
        case .version, .flags, .kind: "use client and daemon of the same release"
        case let .tooLarge(_, _, most): "ask for less at a time: split the request into pieces below \(most) bytes"
        case .direction, .request, .truncated, .order, .payload: "mend the client: see protocol/SPEC.md"
        }
    }
}

private func hex(_ byte: UInt8) -> String {
    let text = String(byte, radix: 16)
    return text.utf8.count == 1 ? "0" + text : text
}

/// A request's failure as it travels in an error frame: what handlers throw and clients catch.
public struct WireFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public var code: Saed_ErrorCode
    /// What failed and where, names in 'single quotes'.
    public var message: String
    /// What to do about it; may be empty.
    public var remedy: String
    /// With `.ambiguous`: what the name could mean.
    public var candidates: [String]

    public init(_ code: Saed_ErrorCode, _ message: String, remedy: String = "", candidates: [String] = []) {
        self.code = code
        self.message = message
        self.remedy = remedy
        self.candidates = candidates
    }

    public init(_ error: FrameError) {
        self.init(error.code, error.description, remedy: error.remedy)
    }

    public init(_ message: Saed_Error) {
        self.init(message.code, message.message, remedy: message.remedy, candidates: message.candidates)
    }

    /// The payload of its error frame, shortened where it would not fit.
    public var wire: Saed_Error {
        var error = Saed_Error()
        error.code = code
        error.message = String(message.prefix(16_384))
        error.remedy = String(remedy.prefix(16_384))
        error.candidates = candidates.prefix(20).map { String($0.prefix(4096)) }
        return error
    }

    public var description: String {
        remedy.isEmpty ? message : "\(message): \(remedy)"
    }
}
