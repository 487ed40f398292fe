// Formats are told by their first bytes; names lie (`.jpg` that is a PNG is common, and harmless).

/// An image format that saed decodes.
public enum ImageFormat: String, Sendable, Hashable, CaseIterable, Codable {
    case jpeg, png, webp

    /// The format that a file starting with `head` claims to be; at least 16 bytes make the answer final.
    ///
    /// Accepts what Pillow's plugins accept: `FF D8 FF`, PNG's 8-byte signature, `RIFF????WEBP` followed by a
    /// `VP8 `, `VP8L` or `VP8X` chunk. `nil` doesn't mean that the file is broken, only that it is none of the three.
    public static func sniff(_ head: UnsafeRawBufferPointer) -> ImageFormat? {
        if head.starts(with: [0xFF, 0xD8, 0xFF]) { return .jpeg }
        if head.starts(with: PNG.signature) { return .png }
        if head.starts(with: "RIFF".utf8), head.dropFirst(8).starts(with: "WEBP".utf8) {
            let chunk = head.dropFirst(12)
            if ["VP8 ", "VP8L", "VP8X"].contains(where: { chunk.starts(with: $0.utf8) }) { return .webp }
        }
        return nil
    }

    /// The format's name as people write it.
    public var displayName: String {
        switch self {
        case .jpeg: "JPEG"
        case .png: "PNG"
        case .webp: "WebP"
        }
    }

    /// What a file that is none of the three most likely is, for its error: `"a GIF image"`.
    static func otherKind(_ head: UnsafeRawBufferPointer) -> String? {
        let kinds: [(offset: Int, magic: [UInt8], kind: String)] = [
            (0, Array("GIF8".utf8), "a GIF image"),
            (0, [0x49, 0x49, 0x2A, 0x00], "a TIFF image"),
            (0, [0x4D, 0x4D, 0x00, 0x2A], "a TIFF image"),
            (0, Array("BM".utf8), "a BMP image"),
            (4, Array("ftypavif".utf8), "an AVIF image"),
            (4, Array("ftypheic".utf8), "a HEIC image"),
            (4, Array("ftypmif1".utf8), "a HEIF image"),
            (4, Array("ftyp".utf8), "a video (MP4)"),
            (0, [0xFF, 0x0A], "a JPEG XL image"),
            (4, Array("JXL ".utf8), "a JPEG XL image"),
            (4, Array("jP  ".utf8), "a JPEG 2000 image"),
            (0, Array("%PDF".utf8), "a PDF document"),
            (0, [0x50, 0x4B, 0x03, 0x04], "a ZIP archive"),
            (0, [0x1F, 0x8B], "a gzip archive"),
            (0, Array("<svg".utf8), "an SVG drawing"),
        ]
        return kinds.first { head.dropFirst($0.offset).starts(with: $0.magic) }?.kind
    }
}
