// What a file is, told by its first bytes; its name is not asked.

import Glibc

/// The kind of a file's content.
public enum FileKind: Sendable, Hashable {
    case jpeg, png, webp
    /// An image in a format that is not decoded; its name, for the message.
    case otherImage(String)
    case safetensors
    /// torch.save since PyTorch 1.6: a zip.
    case torchZip
    /// A bare pickle: torch.save before 1.6.
    case pickle
    case json, text
    case empty, unknown

    /// Bytes that `init(head:size:)` wants to see.
    public static let headBytes = 4096

    /// A file's first bytes; nil where it can't be opened. O_NOFOLLOW and O_NONBLOCK: what was a file when it settled
    /// may be a link or a FIFO by now.
    static func readHead(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return [UInt8](unsafeUninitializedCapacity: headBytes) { buffer, count in
            count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
        }
    }

    /// - Parameters:
    ///   - head: the first `headBytes` bytes, or all there are.
    ///   - size: of the whole file, bytes.
    public init(head: some Collection<UInt8>, size: Int64) {
        let head = Array(head.prefix(FileKind.headBytes))
        self = if head.isEmpty {
            .empty
        } else if let image = FileKind.image(head) {
            image
        } else if FileKind.isSafetensors(head, size: size) {
            .safetensors
        } else if head.starts(with: [0x50, 0x4B, 0x03, 0x04]) {
            .torchZip
        } else if head.count >= 2, head[0] == 0x80, (2...5).contains(head[1]) {
            .pickle
        } else if FileKind.isText(head, isWhole: Int64(head.count) == size) {
            FileKind.firstCharacter(head).map { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "[") } ?? false ? .json : .text
        } else {
            .unknown
        }
    }

    private static func image(_ head: [UInt8]) -> FileKind? {
        func has(_ text: String, at offset: Int) -> Bool { head.dropFirst(offset).starts(with: text.utf8) }
        if head.starts(with: [0xFF, 0xD8, 0xFF]) { return .jpeg }
        if head.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) { return .png }
        if has("RIFF", at: 0), has("WEBP", at: 8) { return .webp }
        if has("GIF87a", at: 0) || has("GIF89a", at: 0) { return .otherImage("GIF") }
        if head.starts(with: [0x49, 0x49, 0x2A, 0x00]) || head.starts(with: [0x4D, 0x4D, 0x00, 0x2A]) { return .otherImage("TIFF") }
        // "BM", then the file's size, four zeros and where the pixels begin.
        if has("BM", at: 0), head.count >= 14, head[6..<10].allSatisfy({ $0 == 0 }) { return .otherImage("BMP") }
        guard has("ftyp", at: 4) else { return nil }
        if has("avif", at: 8) { return .otherImage("AVIF") }
        return ["heic", "heix", "mif1", "msf1", "hevc"].contains { has($0, at: 8) } ? .otherImage("HEIC") : nil
    }

    /// Eight bytes of header length, little-endian, then JSON that begins with '{'; 100 MB is the format's own limit.
    private static func isSafetensors(_ head: [UInt8], size: Int64) -> Bool {
        guard head.count > 8, head[8] == UInt8(ascii: "{") else { return false }
        let length = (0..<8).reduce(UInt64(0)) { $0 | UInt64(head[$1]) << (8 * UInt64($1)) }
        return length >= 2 && length <= 100_000_000 && Int64(length) <= size - 8
    }

    /// UTF-8 without control characters; a character cut by the end of the head is no fault.
    private static func isText(_ head: [UInt8], isWhole: Bool) -> Bool {
        let isPlain = head.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D || $0 == 0x0C }
        guard isPlain else { return false }
        for cut in 0...(isWhole ? 0 : min(3, head.count - 1)) where String(validating: head.dropLast(cut), as: UTF8.self) != nil {
            return true
        }
        return false
    }

    private static func firstCharacter(_ head: [UInt8]) -> UInt8? {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        return (head.starts(with: mark) ? head.dropFirst(3) : head[...]).first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
    }
}
