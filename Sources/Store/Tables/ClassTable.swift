// A class table: latent totals of every group of images of one view, in one mapped file (protocol/STORE.md).
// Derived from the postings; damaged or gone, it is made again.
//
//   header (128 bytes, checksummed) · a block a group, the total first · directory
//
// A block's counts and details have a checksum each, checked when first touched.

import Basics
import Foundation
import Synchronization

/// A mapped class table. Safe to share.
final class ClassTable: Sendable {
    static let magic = Array("SAEDTAB\0".utf8)
    static let version = 1
    static let headerBytes = 128

    /// One group's place in the file.
    struct Block: Equatable, Sendable {
        var offset: Int
        /// Latents over tau on some token: they stand first.
        var loud: Int
        /// Latents that are active and nowhere over tau.
        var quiet: Int
        var countsChecksum: UInt64
        var detailsChecksum: UInt64
    }

    /// A segment that the table covers, and each slot's group when it was made: -1, 0, or 1 + place in `names`.
    struct Cover: Equatable, Sendable {
        var segment: Int64
        var entries: [Int32]
    }

    let layout: TokenLayout
    let latents: Int
    let names: [String]
    let blocks: [Block]
    let covers: [Cover]
    let countsOnly: Bool
    let seed: UInt64
    let path: String
    private let file: MappedFile
    private struct Checked { var counts: [Bool]; var details: [Bool] }
    private let checked: Mutex<Checked>

    var images: Int { covers.reduce(0) { $0 + $1.entries.count } }
    var byteCount: Int { file.bytes.count }

    /// - Throws: `newerVersion`, `notAStoreFile`, `damaged`, `io`.
    init(path: String, expecting shape: SegmentHeader) throws(StoreError) {
        let file = try MappedFile(path: path)
        let bytes = file.bytes
        guard bytes.count >= ClassTable.headerBytes, Array(bytes[..<8]) == ClassTable.magic else {
            throw .notAStoreFile(file: path, reason: "it does not begin with 'SAEDTAB'")
        }
        func word(_ offset: Int) -> Int { Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))) }
        func long(_ offset: Int) -> UInt64 { UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
        guard word(8) <= ClassTable.version else {
            throw .newerVersion(file: path, found: word(8), supported: ClassTable.version)
        }
        guard XXH64.hash(UnsafeRawBufferPointer(rebasing: bytes[..<120])) == long(120), word(20) > 0, word(24) > 0 else {
            throw .damaged(file: path, offset: 0, reason: "the header fails its checksum")
        }
        latents = word(16)
        layout = TokenLayout(rows: word(20), columns: word(24), prompts: word(28))
        countsOnly = word(32) & 1 == 1
        seed = long(40)
        guard layout == shape.layout, latents == shape.latents, ContentHash(bytes: Array(bytes[80..<112])) == shape.recipe else {
            throw .damaged(file: path, offset: 16, reason: "it is another view's")
        }
        let size = long(48), directory = long(56)
        guard size == UInt64(bytes.count), directory >= UInt64(ClassTable.headerBytes), directory <= size else {
            throw .damaged(file: path, offset: 48, reason: "\(bytes.count) bytes, the header says \(size)")
        }
        let raw = UnsafeRawBufferPointer(rebasing: bytes[Int(directory)...])
        guard XXH64.hash(raw) == long(64) else {
            throw .damaged(file: path, offset: Int(directory), reason: "the directory fails its checksum")
        }
        do throws(MalformedBytes) {
            (names, blocks, covers) = try ClassTable.decode(raw)
        } catch {
            throw .damaged(file: path, offset: Int(directory) + error.offset, reason: error.reason)
        }
        self.path = path
        self.file = file
        checked = Mutex(Checked(counts: blocks.map { _ in false }, details: blocks.map { _ in false }))
        for block in blocks where block.offset < ClassTable.headerBytes || block.offset + counts(block) + details(block) > Int(directory) {
            throw .damaged(file: path, offset: Int(directory), reason: "a block lies outside the file")
        }
    }

    // MARK: Reading

    /// Columns of a group's latents over tau, ascending by latent. `prompt` is empty without prompts.
    struct Counts {
        var latents, classOver, patchOver, promptOver: UnsafeBufferPointer<Int32>
    }

    func counts(of group: Int) throws(StoreError) -> Counts {
        let block = blocks[group]
        try check(group, \.counts, block.offset..<block.offset + counts(block), block.countsChecksum)
        func column(_ place: Int, _ count: Int) -> UnsafeBufferPointer<Int32> {
            self.column(block.offset + 4 * block.loud * place, count)
        }
        return Counts(
            latents: column(0, block.loud), classOver: column(1, block.loud), patchOver: column(2, block.loud),
            promptOver: column(3, layout.prompts > 0 ? block.loud : 0))
    }

    /// Everything of some latents of a group, in the order asked for.
    func totals(of group: Int, latents wanted: some Collection<Int>) throws(StoreError) -> [TotalsCell] {
        precondition(!countsOnly, "a table of counts has no totals")
        let block = blocks[group]
        let counts = try counts(of: group)
        let start = block.offset + self.counts(block)
        try check(group, \.details, start..<start + details(block), block.detailsChecksum)
        let all = block.loud + block.quiet, prompts = layout.prompts > 0
        let sums = UnsafeBufferPointer(
            start: (file.bytes.baseAddress! + start).assumingMemoryBound(to: Double.self), count: all * (prompts ? 3 : 2))
        let quietStart = start + sums.count * 8
        let quiet: UnsafeBufferPointer<Int32> = column(quietStart, block.quiet)
        func number(_ place: Int, _ i: Int) -> Int32 { column(quietStart + 4 * (block.quiet + all * place), all)[i] }
        return wanted.map { latent in
            var cell = TotalsCell()
            let loud = ClassTable.place(of: latent, in: counts.latents)
            guard let at = loud ?? ClassTable.place(of: latent, in: quiet).map({ $0 + block.loud }) else { return cell }
            cell.classSum = sums[at]
            cell.patchSum = sums[all + at]
            cell.images = number(0, at)
            cell.classActive = number(1, at)
            cell.patchActive = number(2, at)
            cell.anyImages = cell.images
            if prompts {
                cell.promptSum = sums[2 * all + at]
                cell.promptActive = number(3, at)
                cell.anyImages = number(4, at)
            }
            if let loud {
                cell.classOver = counts.classOver[loud]
                cell.patchOver = counts.patchOver[loud]
                if prompts { cell.promptOver = counts.promptOver[loud] }
            }
            return cell
        }
    }

    /// Gives mapped pages back to the kernel.
    func release() { file.release() }

    private static func place(of latent: Int, in column: UnsafeBufferPointer<Int32>) -> Int? {
        var low = 0, high = column.count
        while low < high {
            let middle = (low + high) / 2
            if Int(column[middle]) < latent { low = middle + 1 } else { high = middle }
        }
        return low < column.count && Int(column[low]) == latent ? low : nil
    }

    private func column(_ offset: Int, _ count: Int) -> UnsafeBufferPointer<Int32> {
        UnsafeBufferPointer(start: (file.bytes.baseAddress! + offset).assumingMemoryBound(to: Int32.self), count: count)
    }

    /// Bytes of a block's counts, padded.
    private func counts(_ block: Block) -> Int { (block.loud * (layout.prompts > 0 ? 16 : 12) + 7) / 8 * 8 }

    private func details(_ block: Block) -> Int {
        guard !countsOnly else { return 0 }
        let prompts = layout.prompts > 0
        return ((block.loud + block.quiet) * (prompts ? 44 : 28) + 4 * block.quiet + 7) / 8 * 8
    }

    private func check(
        _ group: Int, _ part: WritableKeyPath<Checked, [Bool]>, _ range: Range<Int>, _ checksum: UInt64
    ) throws(StoreError) {
        if checked.withLock({ $0[keyPath: part][group] }) { return }
        let raw = UnsafeRawBufferPointer(rebasing: file.bytes[range])
        guard XXH64.hash(raw) == checksum else {
            throw .damaged(file: path, offset: range.lowerBound, reason: "a group's totals fail their checksum")
        }
        // Every index in it is used unchecked from here on.
        let latents = column(blocks[group].offset, blocks[group].loud)
        guard latents.allSatisfy({ $0 >= 0 && Int($0) < self.latents }) else {
            throw .damaged(file: path, offset: range.lowerBound, reason: "a latent beyond \(self.latents)")
        }
        checked.withLock { $0[keyPath: part][group] = true }
    }

    // MARK: Header and directory

    static func header(
        shape: SegmentHeader, countsOnly: Bool, seed: UInt64, size: Int, directory: Int, checksum: UInt64
    ) -> [UInt8] {
        var header = ByteWriter(capacity: headerBytes)
        header.put(magic)
        header.put(UInt32(version))
        header.put(UInt32(headerBytes))
        header.put(UInt32(shape.latents))
        header.put(UInt32(shape.layout.rows))
        header.put(UInt32(shape.layout.columns))
        header.put(UInt32(shape.layout.prompts))
        header.put(UInt32(countsOnly ? 1 : 0))
        header.put(Store.tau)
        header.put(seed)
        header.put(UInt64(size))
        header.put(UInt64(directory))
        header.put(checksum)
        header.pad(to: 80)
        header.put(shape.recipe.bytes)
        header.pad(to: headerBytes - 8)
        header.put(XXH64.hash(header.bytes))
        return header.bytes
    }

    static func directory(names: [String], blocks: [Block], covers: [Cover]) -> [UInt8] {
        var writer = ByteWriter()
        writer.put(UInt32(names.count))
        writer.put(UInt32(covers.count))
        for block in blocks {
            writer.put(UInt64(block.offset))
            writer.put(UInt32(block.loud))
            writer.put(UInt32(block.quiet))
            writer.put(block.countsChecksum)
            writer.put(block.detailsChecksum)
        }
        for name in names {
            let text = Array(name.utf8)
            writer.put(UInt32(text.count))
            writer.put(text)
        }
        for cover in covers {
            writer.put(UInt64(cover.segment))
            writer.put(UInt32(cover.entries.count))
            writer.put(array: cover.entries)
        }
        return writer.bytes
    }

    private static func decode(_ raw: UnsafeRawBufferPointer) throws(MalformedBytes) -> ([String], [Block], [Cover]) {
        var reader = ByteReader(raw)
        let groups = Int(try reader.get(UInt32.self, "groups")), segments = Int(try reader.get(UInt32.self, "segments"))
        guard groups < raw.count, segments < raw.count else { throw MalformedBytes(reason: "\(groups) groups", offset: 0) }
        var blocks: [Block] = []
        for _ in 0...groups {
            let offset = try reader.get(UInt64.self, "block"), loud = try reader.get(UInt32.self, "block")
            guard offset < 1 << 56 else { throw MalformedBytes(reason: "a block at \(offset)", offset: reader.offset) }
            blocks.append(
                Block(
                    offset: Int(offset), loud: Int(loud), quiet: Int(try reader.get(UInt32.self, "block")),
                    countsChecksum: try reader.get(UInt64.self, "block"), detailsChecksum: try reader.get(UInt64.self, "block")))
            guard offset % 8 == 0 else { throw MalformedBytes(reason: "a block at \(offset)", offset: reader.offset) }
        }
        var names: [String] = []
        for _ in 0..<groups {
            let count = Int(try reader.get(UInt32.self, "name"))
            names.append(String(decoding: try reader.take(count, "name"), as: UTF8.self))
        }
        var covers: [Cover] = []
        for _ in 0..<segments {
            let id = Int64(bitPattern: try reader.get(UInt64.self, "segment"))
            let slots = Int(try reader.get(UInt32.self, "segment"))
            let entries = try reader.array(Int32.self, count: slots, "slots")
            guard entries.allSatisfy({ $0 >= -1 && Int($0) <= groups }) else {
                throw MalformedBytes(reason: "a slot in no group", offset: reader.offset)
            }
            covers.append(Cover(segment: id, entries: entries))
        }
        return (names, blocks, covers)
    }
}
