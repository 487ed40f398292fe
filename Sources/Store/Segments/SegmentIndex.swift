// The inverted index of a sealed segment (`.idx`): latent to postings, and the segment's aggregates.
// Written once, renamed into place, then only mapped. The layout is protocol/STORE.md's, version 1.
//
//   header (128 bytes, checksummed) · posting blocks · directory u32 offset, u32 checksum [latents + 1]
//   · aggregates frame
//
// A block is checked when it is read, the directory when it is first needed: opening costs no pages.

import Basics
import Synchronization

/// A mapped index. Safe to share; any damage is an error of the read that meets it.
final class SegmentIndex: Sendable {
    static let magic = Array("SAEDIDX\0".utf8)
    static let version = 1
    static let headerBytes = 128

    let layout: TokenLayout
    let latents: Int
    let slots: Int
    private let file: MappedFile
    private let directory: Int
    private let aggregatesRange: Range<Int>
    private let directoryChecksum: UInt64
    private let directoryIsChecked = Mutex(false)

    /// - Throws: `newerVersion`, `notAStoreFile`, `damaged`.
    init(path: String, expecting shape: SegmentHeader) throws(StoreError) {
        let file = try MappedFile(path: path)
        let bytes = file.bytes
        try file.checkHeader(SegmentIndex.magic, version: SegmentIndex.version)
        guard file.word(16) > 0, file.word(20) > 0 else { throw .damaged(file: path, offset: 0, reason: "the header fails its checksum") }
        layout = TokenLayout(rows: file.word(16), columns: file.word(20), prompts: file.word(24))
        latents = file.word(28)
        slots = file.word(32)
        guard layout == shape.layout, latents == shape.latents else {
            throw .damaged(file: path, offset: 16, reason: "its shapes are not the segment's")
        }
        let size = file.long(40), directory = file.long(48), aggregates = file.long(56)
        guard size == UInt64(bytes.count), directory >= UInt64(SegmentIndex.headerBytes), aggregates <= size,
            directory + UInt64(8 * (latents + 1)) <= aggregates
        else {
            throw .damaged(file: path, offset: 40, reason: "\(bytes.count) bytes, the header says \(size)")
        }
        self.file = file
        self.directory = Int(directory)
        aggregatesRange = Int(aggregates)..<bytes.count
        directoryChecksum = file.long(64)
    }

    /// Every posting of a latent, in slot order.
    func postings(of latent: Int, _ body: (SlotPosting) -> Void) throws(StoreError) {
        guard let (offset, block) = try block(of: latent) else { return }
        do {
            try PostingBlock(patches: layout.patches).decode(block, latent: UInt32(latent), slots: slots, body)
        } catch {
            throw .damaged(file: file.path, offset: offset + error.offset, reason: error.reason)
        }
    }

    /// The same of patches alone, where one is active.
    @inline(__always)
    func patchPostings(of latent: Int, _ body: (PatchPosting) -> Void) throws(StoreError) {
        guard let (offset, block) = try block(of: latent) else { return }
        do {
            try PostingBlock(patches: layout.patches).decodePatches(block, slots: slots, body)
        } catch {
            throw .damaged(file: file.path, offset: offset + error.offset, reason: error.reason)
        }
    }

    /// The checked bytes of a latent's postings; nil where it has none.
    private func block(of latent: Int) throws(StoreError) -> (offset: Int, bytes: UnsafeRawBufferPointer)? {
        try checkDirectory()
        let start = entry(latent), end = entry(latent + 1)
        guard start.offset <= end.offset, start.offset >= SegmentIndex.headerBytes, end.offset <= directory else {
            throw .damaged(file: file.path, offset: directory + 8 * latent, reason: "the directory runs backwards")
        }
        guard start.offset < end.offset else { return nil }
        let block = UnsafeRawBufferPointer(rebasing: file.bytes[start.offset..<end.offset])
        guard UInt32(truncatingIfNeeded: XXH64.hash(block)) == start.checksum else {
            throw .damaged(file: file.path, offset: start.offset, reason: "the postings of latent \(latent) fail their checksum")
        }
        return (start.offset, block)
    }

    /// The aggregates over all slots of the segment, absent images included.
    func aggregates(_ zstd: ZstdPool) throws(StoreError) -> Aggregates {
        let raw = UnsafeRawBufferPointer(rebasing: file.bytes[aggregatesRange])
        do {
            let payload = try zstd.with { (codec) throws(MalformedBytes) in
                try Frame.decode(raw, expecting: .aggregates, codec: codec).payload
            }
            return try AggregateCoder(layout: layout, latents: latents).decode(payload)
        } catch {
            throw .damaged(file: file.path, offset: aggregatesRange.lowerBound + error.offset, reason: error.reason)
        }
    }

    /// Gives mapped pages back to the kernel.
    func release() { file.release() }

    private func entry(_ latent: Int) -> (offset: Int, checksum: UInt32) {
        let at = directory + 8 * latent
        return (
            Int(UInt32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))),
            UInt32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self))
        )
    }

    private func checkDirectory() throws(StoreError) {
        let sound = directoryIsChecked.withLock { checked in
            if !checked {
                let raw = UnsafeRawBufferPointer(rebasing: file.bytes[directory..<directory + 8 * (latents + 1)])
                checked = XXH64.hash(raw) == directoryChecksum
            }
            return checked
        }
        if !sound { throw .damaged(file: file.path, offset: directory, reason: "the directory fails its checksum") }
    }

    /// The bytes of an index over the summaries of a segment; a slot without one has no postings.
    static func encode(_ summaries: [ImageSummary?], shape: SegmentHeader, zstd: ZstdCodec) -> [UInt8] {
        let transposed = Transposed(summaries, latents: shape.latents)
        let block = PostingBlock(patches: shape.layout.patches)
        var aggregates = Aggregates(layout: shape.layout, latents: shape.latents)
        aggregates.images = summaries.reduce(0) { $0 + ($1 == nil ? 0 : 1) }
        var writer = ByteWriter(capacity: headerBytes + transposed.count * 10)
        var directory = ByteWriter(capacity: 8 * (shape.latents + 1))
        writer.pad(to: headerBytes)
        for latent in 0..<shape.latents {
            let start = writer.count
            let postings = transposed.postings(of: latent, summaries)
            var checksum: UInt32 = 0
            if !postings.isEmpty {
                for entry in postings { aggregates.latents[latent].add(entry.posting, patches: shape.layout.patches) }
                block.encode(postings, into: &writer)
                checksum = writer.bytes.withUnsafeBytes {
                    UInt32(truncatingIfNeeded: XXH64.hash(UnsafeRawBufferPointer(rebasing: $0[start...])))
                }
            }
            directory.put(UInt32(start))
            directory.put(checksum)
        }
        directory.put(UInt32(writer.count))
        directory.put(UInt32(0))
        let directoryOffset = writer.count
        writer.put(directory.bytes)
        let aggregatesOffset = writer.count
        let payload = AggregateCoder(layout: shape.layout, latents: shape.latents).encode(aggregates)
        writer.put(Frame.encode(.aggregates, payload, codec: zstd, level: 3))

        var header = ByteWriter(capacity: headerBytes)
        header.put(magic)
        header.put(UInt32(version))
        header.put(UInt32(headerBytes))
        header.put(UInt32(shape.layout.rows))
        header.put(UInt32(shape.layout.columns))
        header.put(UInt32(shape.layout.prompts))
        header.put(UInt32(shape.latents))
        header.put(UInt32(summaries.count))
        header.put(Store.tau)
        header.put(UInt64(writer.count))
        header.put(UInt64(directoryOffset))
        header.put(UInt64(aggregatesOffset))
        header.put(XXH64.hash(directory.bytes))
        header.pad(to: headerBytes - 8)
        header.put(XXH64.hash(header.bytes))
        return header.bytes + writer.bytes[headerBytes...]
    }
}

/// From image-major to latent-major by a counting sort: where each latent's postings are.
struct Transposed {
    private var starts: [Int]
    private var slots: [UInt16]
    private var positions: [UInt32]

    var count: Int { slots.count }

    init(_ summaries: [ImageSummary?], latents: Int) {
        starts = [Int](repeating: 0, count: latents + 1)
        for summary in summaries { for latent in summary?.latents ?? [] { starts[Int(latent) + 1] += 1 } }
        for latent in 0..<latents { starts[latent + 1] += starts[latent] }
        slots = [UInt16](repeating: 0, count: starts[latents])
        positions = [UInt32](repeating: 0, count: starts[latents])
        var next = starts
        for (slot, summary) in summaries.enumerated() {
            guard let summary else { continue }
            for (position, latent) in summary.latents.enumerated() {
                let at = next[Int(latent)]
                slots[at] = UInt16(slot)
                positions[at] = UInt32(position)
                next[Int(latent)] += 1
            }
        }
    }

    func postings(of latent: Int, _ summaries: [ImageSummary?]) -> [SlotPosting] {
        (starts[latent]..<starts[latent + 1]).compactMap { at in
            summaries[Int(slots[at])].map { SlotPosting(slot: slots[at], posting: $0[Int(positions[at])]) }
        }
    }
}
