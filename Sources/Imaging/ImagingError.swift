// What can be wrong with an image file, in words that a person who dropped it can act on. The file's name is added by
// whoever knows it.

/// Why bytes could not be decoded.
public enum ImagingError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// No bytes at all.
    case empty
    /// Neither JPEG nor PNG nor WebP; `kind` names what it is where that can be told.
    case unrecognized(kind: String?)
    /// A valid file of a kind that isn't read.
    case unsupported(ImageFormat, detail: String)
    /// The file ends too early.
    case truncated(ImageFormat, detail: String)
    /// The file contradicts its format.
    case corrupt(ImageFormat, detail: String)
    /// More pixels than `DecodeLimits.pixelsMax`; found in the header, nothing was allocated.
    case tooLarge(width: Int, height: Int, pixelsMax: Int)
    /// More encoded bytes than `DecodeLimits.bytesMax`; nothing was read.
    case tooManyBytes(bytes: Int, bytesMax: Int)
    /// The library could not get the memory it asked for.
    case outOfMemory(ImageFormat, width: Int, height: Int)

    public var description: String {
        switch self {
        case .empty:
            "the file is empty (0 bytes); copy it again"
        case .unrecognized(nil):
            "not an image that saed reads (JPEG, PNG or WebP, told by content, not by name)"
        case let .unrecognized(kind?):
            "this is \(kind); saed reads JPEG, PNG and WebP: convert it"
        case let .unsupported(format, detail):
            "\(format.displayName): \(detail) is not supported; save it again as an ordinary \(format.displayName)"
        case let .truncated(format, detail):
            "\(format.displayName): the file is cut off: \(detail); copy it again from its source"
        case let .corrupt(format, detail):
            "\(format.displayName): the file is damaged: \(detail); copy it again from its source"
        case let .tooLarge(width, height, pixelsMax):
            "\(width) x \(height) pixels are more than the limit of \(pixelsMax); scale it down or raise the limit"
        case let .tooManyBytes(bytes, bytesMax):
            "the file's \(bytes) bytes are more than the limit of \(bytesMax); save it smaller or raise the limit"
        case let .outOfMemory(format, width, height):
            "\(format.displayName): not enough memory for \(width) x \(height) pixels; lower the limit of pixels"
        }
    }
}
