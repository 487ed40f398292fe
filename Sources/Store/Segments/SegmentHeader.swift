// The first 128 bytes of a segment (`.seg`) and of its side file of postings (`.sum`).

import Basics

/// What a segment says about itself, so that it can be read without the catalog.
struct SegmentHeader: Equatable {
    static let byteCount = 128
    static let version = 1
    static let segmentMagic = Array("SAEDSEG\0".utf8)
    static let summaryMagic = Array("SAEDSUM\0".utf8)

    /// Identity of the view's recipe.
    var recipe: ContentHash
    var layout: TokenLayout
    var latents: Int
    var embeddingWidth: Int
    var activationWidth: Int

    func encode(magic: [UInt8]) -> [UInt8] {
        var writer = ByteWriter(capacity: SegmentHeader.byteCount)
        writer.put(magic)
        writer.put(UInt32(SegmentHeader.version))
        writer.put(UInt32(SegmentHeader.byteCount))
        writer.put(UInt32(latents))
        writer.put(UInt32(layout.rows))
        writer.put(UInt32(layout.columns))
        writer.put(UInt32(layout.prompts))
        writer.put(UInt32(embeddingWidth))
        writer.put(UInt32(activationWidth))
        writer.put(recipe.bytes)
        writer.pad(to: SegmentHeader.byteCount - 8)
        writer.put(XXH64.hash(writer.bytes))
        return writer.bytes
    }

    init(recipe: ContentHash, layout: TokenLayout, latents: Int, embeddingWidth: Int, activationWidth: Int) {
        self.recipe = recipe
        self.layout = layout
        self.latents = latents
        self.embeddingWidth = embeddingWidth
        self.activationWidth = activationWidth
    }

    init(_ bytes: [UInt8], magic: [UInt8], file: String) throws(StoreError) {
        guard bytes.count >= SegmentHeader.byteCount, Array(bytes[..<8]) == magic else {
            throw .notAStoreFile(file: file, reason: "it does not begin with '\(String(decoding: magic.dropLast(), as: UTF8.self))'")
        }
        func word(_ index: Int) -> Int {
            bytes.withUnsafeBytes { Int(UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 8 + 4 * index, as: UInt32.self))) }
        }
        guard word(0) <= SegmentHeader.version else {
            throw .newerVersion(file: file, found: word(0), supported: SegmentHeader.version)
        }
        let body = Array(bytes[..<(SegmentHeader.byteCount - 8)])
        let checksum = bytes.withUnsafeBytes {
            UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: SegmentHeader.byteCount - 8, as: UInt64.self))
        }
        guard checksum == XXH64.hash(body), word(3) > 0, word(4) > 0, let recipe = ContentHash(bytes: Array(bytes[40..<72])) else {
            throw .damaged(file: file, offset: 0, reason: "the header fails its checksum")
        }
        self.init(
            recipe: recipe, layout: TokenLayout(rows: word(3), columns: word(4), prompts: word(5)),
            latents: word(2), embeddingWidth: word(6), activationWidth: word(7))
    }
}
