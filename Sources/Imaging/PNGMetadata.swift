// The chunks of a PNG that can say which way up it is.

extension PNG {
    /// EXIF and XMP as Pillow's PngImagePlugin gathers them: eXIf, a text `exif`, a hex dump under ImageMagick's
    /// `Raw profile type exif`, and XMP in its own text.
    struct Metadata {
        private var record: [UInt8]?
        private var hexDump: [UInt8]?
        private(set) var xmp: [UInt8]?

        /// The EXIF record; a hex dump counts only where there is no better.
        var exif: [UInt8]? { record ?? hexDump.flatMap(Self.parse(hexDump:)) }

        /// A zTXt or iTXt larger than this once decompressed is ignored; Pillow refuses it.
        private static let textBytesMax = 1 << 20

        mutating func read(_ chunk: Chunk) {
            switch chunk.name {
            case "eXIf": record = Array(chunk.data)
            case "tEXt":
                guard let (key, value) = Self.splitAtNul(chunk.data[...]) else { return }
                keep(key, Array(value))
            case "zTXt":
                guard let (key, value) = Self.splitAtNul(chunk.data[...]), value.first == 0 else { return }
                keepCompressed(key, value.dropFirst())
            case "iTXt":
                // key, compression flag and method, language, translated key, text
                guard let (key, rest) = Self.splitAtNul(chunk.data[...]), rest.count >= 2 else { return }
                let (flag, method) = (rest[rest.startIndex], rest[rest.startIndex + 1])
                guard let (_, tail) = Self.splitAtNul(rest.dropFirst(2)), let (_, text) = Self.splitAtNul(tail)
                else { return }
                if flag == 0 {
                    keep(key, Array(text))
                } else if method == 0 {
                    keepCompressed(key, text)
                }
            default: break
            }
        }

        private mutating func keepCompressed(_ key: String, _ value: Slice<UnsafeRawBufferPointer>) {
            let wanted = [Self.hexDumpKey, Self.xmpKey].contains(key)
            guard wanted, let text = Inflater.all(Array(value)[...], bytesMax: Self.textBytesMax) else { return }
            keep(key, text)
        }

        private mutating func keep(_ key: String, _ value: [UInt8]) {
            switch key {
            case "exif": record = value
            case Self.hexDumpKey: hexDump = value
            case Self.xmpKey: xmp = value
            default: break
            }
        }

        private static let hexDumpKey = "Raw profile type exif"
        private static let xmpKey = "XML:com.adobe.xmp"

        private static func splitAtNul(
            _ bytes: Slice<UnsafeRawBufferPointer>
        ) -> (key: String, value: Slice<UnsafeRawBufferPointer>)? {
            guard let nul = bytes.firstIndex(of: 0) else { return nil }
            return (String(decoding: bytes[..<nul], as: UTF8.self), bytes[(nul + 1)...])
        }

        /// Three lines (empty, `exif`, the length), then hexadecimal digits with line breaks.
        private static func parse(hexDump: [UInt8]) -> [UInt8]? {
            let lines = hexDump.split(separator: UInt8(ascii: "\n"), maxSplits: 3, omittingEmptySubsequences: false)
            guard lines.count == 4 else { return nil }
            var nibbles: [UInt8] = []
            for byte in lines[3] {
                switch byte {
                case 0x30...0x39: nibbles.append(byte - 0x30)
                case 0x41...0x46: nibbles.append(byte - 0x41 + 10)
                case 0x61...0x66: nibbles.append(byte - 0x61 + 10)
                case 0x09...0x0D, 0x20: continue
                default: return nil
                }
            }
            guard nibbles.count % 2 == 0 else { return nil }
            return stride(from: 0, to: nibbles.count, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }
        }
    }
}
