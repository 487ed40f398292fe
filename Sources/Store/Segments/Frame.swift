// Frames: everything in a segment after its header. The layout is protocol/STORE.md's, version 1.
//
//   0  u32 magic "SFRM"    4  u8 kind    5  u8 codec    6  u16 zero
//   8  u32 stored bytes   12  u32 raw bytes
//  16  u64 XXH64 of the stored bytes   24  u64 XXH64 of bytes 0..<24

/// A checksummed piece of a file.
enum Frame {
    enum Kind: UInt8 {
        /// One image's latents, or the head of one that keeps activations instead.
        case latents = 1
        /// One image's activations; follows its `latents` frame.
        case activations = 2
        /// One image's postings, in a side file, where making them anew needs an SAE.
        case summary = 3
        /// A segment's aggregates, in its index.
        case aggregates = 4
    }

    static let magic: UInt32 = 0x4D52_4653  // "SFRM"
    static let headerBytes = 32
    /// No frame of ours comes near; a length above it is damage, and nothing is allocated for it.
    static let rawBytesMax = 1 << 30

    struct Header: Equatable {
        var kind: Kind
        var stored: Int
        var raw: Int
        var checksum: UInt64
        /// Bytes of the whole frame.
        var length: Int { Frame.headerBytes + stored }
    }

    /// Header and compressed payload (or the payload as it is, where zstd would enlarge it).
    static func encode(_ kind: Kind, _ payload: [UInt8], codec zstd: ZstdCodec, level: Int32) -> [UInt8] {
        let packed = payload.withUnsafeBytes { zstd.compress($0, level: level) }
        let compressed = packed.count < payload.count
        let stored = compressed ? packed : payload
        var writer = ByteWriter(capacity: headerBytes + stored.count)
        writer.put(magic)
        writer.put(kind.rawValue)
        writer.put(UInt8(compressed ? 1 : 0))
        writer.put(UInt16(0))
        writer.put(UInt32(stored.count))
        writer.put(UInt32(payload.count))
        writer.put(XXH64.hash(stored))
        writer.put(XXH64.hash(writer.bytes))
        writer.put(stored)
        return writer.bytes
    }

    /// Checks the 32 bytes of a header.
    static func header(_ data: UnsafeRawBufferPointer) throws(MalformedBytes) -> (header: Header, compressed: Bool) {
        var reader = ByteReader(data)
        let magic = try reader.get(UInt32.self, "frame header")
        let kind = try reader.get(UInt8.self, "frame header")
        let codec = try reader.get(UInt8.self, "frame header")
        _ = try reader.get(UInt16.self, "frame header")
        let stored = try reader.get(UInt32.self, "frame header")
        let raw = try reader.get(UInt32.self, "frame header")
        let checksum = try reader.get(UInt64.self, "frame header")
        let own = try reader.get(UInt64.self, "frame header")
        guard magic == Frame.magic else { throw MalformedBytes(reason: "no frame begins here", offset: 0) }
        guard own == XXH64.hash(UnsafeRawBufferPointer(rebasing: data[..<24])) else {
            throw MalformedBytes(reason: "the frame's header fails its checksum", offset: 24)
        }
        guard let kind = Kind(rawValue: kind), codec <= 1, Int(raw) <= rawBytesMax, codec == 1 || raw == stored else {
            throw MalformedBytes(reason: "the frame's header contradicts itself", offset: 4)
        }
        return (Header(kind: kind, stored: Int(stored), raw: Int(raw), checksum: checksum), codec == 1)
    }

    /// The payload of the frame at the start of `data`, and the frame's length.
    static func decode(
        _ data: UnsafeRawBufferPointer, expecting kind: Kind, codec zstd: ZstdCodec
    ) throws(MalformedBytes) -> (payload: [UInt8], length: Int) {
        guard data.count >= headerBytes else {
            throw MalformedBytes(reason: "\(data.count) bytes are too few for a frame", offset: 0)
        }
        let (header, compressed) = try header(data)
        guard header.kind == kind else {
            throw MalformedBytes(reason: "a frame of kind \(header.kind), \(kind) expected", offset: 4)
        }
        guard header.length <= data.count else {
            throw MalformedBytes(reason: "the frame has \(header.length) bytes, \(data.count) are left", offset: 8)
        }
        let stored = UnsafeRawBufferPointer(rebasing: data[headerBytes..<header.length])
        guard XXH64.hash(stored) == header.checksum else {
            throw MalformedBytes(reason: "the frame's content fails its checksum", offset: headerBytes)
        }
        let payload = compressed ? try zstd.decompress(stored, size: header.raw) : [UInt8](stored)
        return (payload, header.length)
    }
}
