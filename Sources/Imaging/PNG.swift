// PNG over zlib, read the way Pillow's PngImagePlugin and ZipDecode.c read it (Pillow doesn't use libpng either).
//
// Chunks before the image data are checked by their CRC; IDAT's are not (zlib's own checksum covers them), nor is
// anything after the last row. Ancillary chunks other than eXIf and the texts that can carry an orientation are
// skipped: gamma and colour profiles change no pixel here. The first frame of an APNG is its IDAT image.

import CZlib

enum PNG {
    static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    static func size(
        _ bytes: UnsafeRawBufferPointer, _ limits: DecodeLimits
    ) throws(ImagingError) -> (width: Int, height: Int) {
        var chunks = ChunkReader(bytes)
        let header = try Header(chunks.next())
        try limits.check(width: header.width, height: header.height)
        return (header.width, header.height)
    }

    static func decode(
        _ bytes: UnsafeRawBufferPointer, _ limits: DecodeLimits
    ) throws(ImagingError) -> (image: RGBImage, orientation: Int) {
        var chunks = ChunkReader(bytes)
        let first = try chunks.next()
        let header = try Header(first)
        try chunks.checkCRC(first)
        try limits.check(width: header.width, height: header.height)

        var metadata = Metadata()
        var palette = [UInt8](repeating: 0, count: 3 * 256)  // indices beyond PLTE are black
        while chunks.peek()?.name != "IDAT" {
            let chunk = try chunks.next()
            guard chunk.name != "IEND" else { throw .corrupt(.png, detail: "it has no image data") }
            try chunks.checkCRC(chunk)
            if chunk.name == "PLTE" {
                guard chunk.data.count <= palette.count else {
                    throw .corrupt(.png, detail: "its palette has \(chunk.data.count / 3) colours")
                }
                let whole = chunk.data.count / 3 * 3
                palette = Array(chunk.data.prefix(whole)) + palette.dropFirst(whole)
            } else {
                metadata.read(chunk)
            }
        }

        let image = try RGBImage(width: header.width, height: header.height) { rgb throws(ImagingError) in
            var source = try ImageDataReader(chunks, header)
            let convert = PNGRowConverter(header, palette: palette)
            if header.interlaced {
                try readInterlaced(header, &source, convert, rgb)
            } else {
                try readPlain(header, &source, convert, rgb)
            }
            chunks = source.chunks
        }
        try chunks.readTrailer(into: &metadata)
        return (image, Orientation.value(exif: metadata.exif, xmp: metadata.xmp))
    }

    private static func readPlain(
        _ header: Header, _ source: inout ImageDataReader, _ convert: PNGRowConverter,
        _ rgb: UnsafeMutablePointer<UInt8>
    ) throws(ImagingError) {
        var rows = RowBuffers(rowBytes: header.rowBytes(width: header.width), bytesPerPixel: header.bytesPerPixel)
        for y in 0..<header.height {
            let row = try rows.next(&source, y: y)
            convert.row(row, width: header.width, into: rgb + y * header.width * 3, step: 1)
        }
    }

    /// Adam7: seven images, each a coarser grid of the whole.
    private static func readInterlaced(
        _ header: Header, _ source: inout ImageDataReader, _ convert: PNGRowConverter,
        _ rgb: UnsafeMutablePointer<UInt8>
    ) throws(ImagingError) {
        let passes: [(x: Int, y: Int, stepX: Int, stepY: Int)] = [
            (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
        ]
        for pass in passes where pass.x < header.width && pass.y < header.height {
            let width = (header.width - pass.x + pass.stepX - 1) / pass.stepX
            var rows = RowBuffers(rowBytes: header.rowBytes(width: width), bytesPerPixel: header.bytesPerPixel)
            for y in stride(from: pass.y, to: header.height, by: pass.stepY) {
                let row = try rows.next(&source, y: y)
                convert.row(row, width: width, into: rgb + (y * header.width + pass.x) * 3, step: pass.stepX)
            }
        }
    }
}

extension PNG {
    enum Colour: UInt8 {
        case grey = 0
        case rgb = 2
        case palette = 3
        case greyAlpha = 4
        case rgba = 6

        var channels: Int {
            switch self {
            case .grey, .palette: 1
            case .greyAlpha: 2
            case .rgb: 3
            case .rgba: 4
            }
        }
    }

    /// IHDR: sides 1 to 2^31 - 1, a depth that its colour type allows.
    struct Header {
        let width, height: Int
        let depth: Int
        let colour: Colour
        let interlaced: Bool

        var bitsPerPixel: Int { depth * colour.channels }
        var bytesPerPixel: Int { (bitsPerPixel + 7) / 8 }
        func rowBytes(width: Int) -> Int { (width * bitsPerPixel + 7) / 8 }

        init(_ chunk: Chunk) throws(ImagingError) {
            guard chunk.name == "IHDR", chunk.data.count >= 13 else {
                throw .corrupt(.png, detail: "it doesn't begin with a header")
            }
            let data = UnsafeRawBufferPointer(rebasing: chunk.data)
            width = Int(bigEndian32(data, 0))
            height = Int(bigEndian32(data, 4))
            guard width > 0, height > 0, width < 1 << 31, height < 1 << 31 else {
                throw .corrupt(.png, detail: "its size is \(width) x \(height)")
            }
            depth = Int(data[8])
            let depths: [UInt8: [Int]] = [
                0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16],
            ]
            guard let colour = Colour(rawValue: data[9]), depths[data[9], default: []].contains(depth) else {
                throw .corrupt(.png, detail: "no such kind of pixel (depth \(data[8]), colour type \(data[9]))")
            }
            self.colour = colour
            guard data[11] == 0 else { throw .unsupported(.png, detail: "filter method \(data[11])") }
            interlaced = data[12] != 0
        }
    }

    struct Chunk {
        let name: String
        /// Where the chunk's name begins in the file.
        let nameOffset: Int
        let data: Slice<UnsafeRawBufferPointer>
    }

    static func bigEndian32(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt32 {
        UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// Walks the chunks after the signature; every length is checked against the file before use.
    struct ChunkReader {
        private let bytes: UnsafeRawBufferPointer
        private var at = PNG.signature.count

        init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

        /// The next chunk whole.
        mutating func next() throws(ImagingError) -> Chunk {
            guard let chunk = peek() else {
                throw at + 8 > bytes.count
                    ? .truncated(.png, detail: "it has no end")
                    : .corrupt(.png, detail: "byte \(at) should begin a chunk")
            }
            guard chunk.data.count == declaredLength else {
                throw .truncated(.png, detail: "its chunk '\(chunk.name)' at byte \(at) is incomplete")
            }
            skip(chunk)
            return chunk
        }

        /// The next chunk, its data cut off where the file ends; `nil` where no chunk begins.
        func peek() -> Chunk? {
            guard at + 8 <= bytes.count else { return nil }
            let name = bytes[(at + 4)..<(at + 8)]
            guard name.allSatisfy({ isWordCharacter($0) }) else { return nil }
            let end = min(at + 8 + declaredLength, bytes.count)
            return Chunk(
                name: String(decoding: name, as: Unicode.ASCII.self), nameOffset: at + 4,
                data: bytes[(at + 8)..<end])
        }

        /// Moves behind `chunk`, which `peek` gave, and its CRC.
        mutating func skip(_ chunk: Chunk) { at = chunk.data.endIndex + 4 }

        private var declaredLength: Int { Int(bigEndian32(bytes, at)) }

        func checkCRC(_ chunk: Chunk) throws(ImagingError) {
            guard chunk.data.endIndex + 4 <= bytes.count else {
                throw .truncated(.png, detail: "its chunk '\(chunk.name)' is incomplete")
            }
            let covered = UnsafeRawBufferPointer(rebasing: bytes[chunk.nameOffset..<chunk.data.endIndex])
            // In one call: a chunk is shorter than 2^31 + 4, crc32_z takes a size_t.
            let crc = crc32_z(0, covered.baseAddress?.assumingMemoryBound(to: UInt8.self), covered.count)
            guard UInt32(truncatingIfNeeded: crc) == bigEndian32(bytes, chunk.data.endIndex) else {
                throw .corrupt(.png, detail: "the checksum of its chunk '\(chunk.name)' is wrong")
            }
        }

        /// EXIF and texts may follow the image data, up to an animation's second frame. A missing end is forgiven, half
        /// a chunk isn't: Pillow's rule.
        mutating func readTrailer(into metadata: inout Metadata) throws(ImagingError) {
            while let chunk = peek(), chunk.name != "IEND", chunk.name != "fcTL" {
                metadata.read(try next())
            }
        }

        private func isWordCharacter(_ byte: UInt8) -> Bool {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
            default: false
            }
        }
    }

    /// The image data: consecutive IDAT chunks as one zlib stream.
    struct ImageDataReader: ~Copyable {
        private(set) var chunks: ChunkReader
        private let inflater: Inflater
        private let header: Header

        /// `chunks` is about to read the first IDAT chunk.
        init(_ chunks: ChunkReader, _ header: Header) throws(ImagingError) {
            guard let inflater = Inflater() else {
                throw .outOfMemory(.png, width: header.width, height: header.height)
            }
            self.inflater = inflater
            self.chunks = chunks
            self.header = header
        }

        /// The next `count` bytes, which belong to image row `y`.
        mutating func read(into output: UnsafeMutablePointer<UInt8>, count: Int, y: Int) throws(ImagingError) {
            var done = 0
            while true {
                let (written, outcome) = inflater.inflate(into: output + done, count: count - done)
                done += written
                switch outcome {
                // The checksum behind the last row is seen together with that row, or not at all.
                case .damaged:
                    throw .corrupt(
                        .png, detail: "its image data can't be decompressed in row \(y) of \(header.height)")
                case .outOfMemory: throw .outOfMemory(.png, width: header.width, height: header.height)
                case _ where done == count: return
                case .filled: continue
                case .needsInput:
                    guard let chunk = chunks.peek(), chunk.name == "IDAT" else {
                        throw .truncated(.png, detail: "it ends in row \(y) of \(header.height)")
                    }
                    chunks.skip(chunk)
                    inflater.setInput(UnsafeRawBufferPointer(rebasing: chunk.data))
                case .ended: throw .corrupt(.png, detail: "its image data ends in row \(y) of \(header.height)")
                }
            }
        }
    }
}
