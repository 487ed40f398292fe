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
        var offset = 0
        var countsBytes = 0
        var detailsBytes = 0
        var countsChecksum: UInt64 = 0
        var detailsChecksum: UInt64 = 0
        /// Class, patch and, where the layout has them, prompt tokens.
        var lists: [TableList] = []
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
    private let coder: TableBlockCoder
    private struct Checked { var counts: [Bool]; var details: [Bool] }
    private let checked: Mutex<Checked>

    var images: Int { covers.reduce(0) { $0 + $1.entries.count } }
    var byteCount: Int { file.bytes.count }

    /// - Throws: `newerVersion`, `notAStoreFile`, `damaged`, `io`.
    init(path: String, expecting shape: SegmentHeader) throws(StoreError) {
        let file = try MappedFile(path: path)
        let bytes = file.bytes
        try file.checkHeader(ClassTable.magic, version: ClassTable.version)
        guard file.word(20) > 0, file.word(24) > 0 else { throw .damaged(file: path, offset: 0, reason: "the header fails its checksum") }
        latents = file.word(16)
        layout = TokenLayout(rows: file.word(20), columns: file.word(24), prompts: file.word(28))
        countsOnly = file.word(32) & 1 == 1
        seed = file.long(40)
        guard layout == shape.layout, latents == shape.latents, ContentHash(bytes: Array(bytes[80..<112])) == shape.recipe else {
            throw .damaged(file: path, offset: 16, reason: "it is another view's")
        }
        let size = file.long(48), directory = file.long(56)
        guard size == UInt64(bytes.count), directory >= UInt64(ClassTable.headerBytes), directory <= size else {
            throw .damaged(file: path, offset: 48, reason: "\(bytes.count) bytes, the header says \(size)")
        }
        let raw = UnsafeRawBufferPointer(rebasing: bytes[Int(directory)...])
        guard XXH64.hash(raw) == file.long(64) else {
            throw .damaged(file: path, offset: Int(directory), reason: "the directory fails its checksum")
        }
        let coder = TableBlockCoder(layout: layout, latents: latents, countsOnly: countsOnly)
        do throws(MalformedBytes) {
            (names, blocks, covers) = try ClassTable.decode(raw, coder, end: Int(directory))
        } catch {
            throw .damaged(file: path, offset: Int(directory) + error.offset, reason: error.reason)
        }
        self.path = path
        self.file = file
        self.coder = coder
        checked = Mutex(Checked(counts: blocks.map { _ in false }, details: blocks.map { _ in false }))
    }

    // MARK: Reading

    /// Adds a group's counts over tau to `counts` (by latent) and marks the latents, a bit each.
    ///
    /// - Parameter kinds: 2 for class and patch tokens, 3 for prompts too.
    func addCounts(
        of group: Int, kinds: Int, to counts: UnsafeMutablePointer<Int32>, marks: UnsafeMutablePointer<UInt64>
    ) throws(StoreError) {
        try checkCounts(group)
        forEachCountColumn(of: group, kinds: kinds) { latent, over in
            switch (latent.width, over.width) {
            case (2, 2): ClassTable.add(latent, over, UInt16.self, Int16.self, counts, marks)
            case (2, _): ClassTable.add(latent, over, UInt16.self, Int32.self, counts, marks)
            case (_, 2): ClassTable.add(latent, over, UInt32.self, Int16.self, counts, marks)
            default: ClassTable.add(latent, over, UInt32.self, Int32.self, counts, marks)
            }
        }
    }

    @inline(__always)
    private static func add<L: FixedWidthInteger & BitwiseCopyable, V: FixedWidthInteger & BitwiseCopyable>(
        _ latents: TableColumn, _ values: TableColumn, _: L.Type, _: V.Type,
        _ counts: UnsafeMutablePointer<Int32>, _ marks: UnsafeMutablePointer<UInt64>
    ) {
        for i in 0..<latents.count {
            let latent = Int(latents.bytes.loadUnaligned(fromByteOffset: i &* MemoryLayout<L>.size, as: L.self))
            counts[latent] &+= Int32(values.bytes.loadUnaligned(fromByteOffset: i &* MemoryLayout<V>.size, as: V.self))
            marks[latent >> 6] |= 1 << UInt64(latent & 63)
        }
    }

    /// Latents over tau and how many tokens are, kind after kind.
    private func forEachCountColumn(of group: Int, kinds: Int, _ body: (TableColumn, TableColumn) -> Void) {
        var at = blocks[group].offset
        for list in blocks[group].lists.prefix(kinds) {
            let latent = column(&at, list.loud, coder.latentBytes, isSigned: false)
            body(latent, column(&at, list.loud, list.valueBytes, isSigned: true))
        }
    }

    /// Everything of some latents of a group, in the order asked for.
    func totals(of group: Int, latents wanted: some Collection<Int>) throws(StoreError) -> [TotalsCell] {
        precondition(!countsOnly, "a table of counts has no totals")
        try checkCounts(group)
        let block = blocks[group]
        var at = block.offset + block.countsBytes
        try check(group, \.details, at..<at + block.detailsBytes, block.detailsChecksum)
        var loud: [(latent: TableColumn, over: TableColumn)] = []
        forEachCountColumn(of: group, kinds: block.lists.count) { loud.append(($0, $1)) }
        let sums = block.lists.map { list in
            defer { at += 8 * list.all }
            return file.bytes.baseAddress! + at
        }
        let rest = block.lists.map { list in
            (
                latent: column(&at, list.quiet, coder.latentBytes, isSigned: false),
                active: column(&at, list.all, list.valueBytes, isSigned: true),
                images: column(&at, list.all, list.valueBytes, isSigned: true)
            )
        }
        return wanted.map { latent in
            var cell = TotalsCell()
            for kind in block.lists.indices {
                let first = loud[kind].latent.place(of: latent)
                guard let place = first ?? rest[kind].latent.place(of: latent).map({ $0 + block.lists[kind].loud }) else { continue }
                let over = first.map { Int32(loud[kind].over[$0]) } ?? 0, active = Int32(rest[kind].active[place])
                let images = Int32(rest[kind].images[place])
                let sum = sums[kind].loadUnaligned(fromByteOffset: 8 * place, as: Double.self)
                switch kind {
                case 0: (cell.classActive, cell.classOver, cell.classSum) = (active, over, sum)
                case 1: (cell.patchActive, cell.patchOver, cell.patchSum) = (active, over, sum)
                default: (cell.promptActive, cell.promptOver, cell.promptSum) = (active, over, sum)
                }
                if kind < 2 { cell.images = images }
                cell.anyImages = images
            }
            return cell
        }
    }

    /// Gives mapped pages back to the kernel.
    func release() { file.release() }

    private func column(_ offset: inout Int, _ count: Int, _ width: Int, isSigned: Bool) -> TableColumn {
        defer { offset += count * width }
        return TableColumn(bytes: file.bytes.baseAddress! + offset, count: count, width: width, isSigned: isSigned)
    }

    private func checkCounts(_ group: Int) throws(StoreError) {
        let block = blocks[group]
        try check(group, \.counts, block.offset..<block.offset + block.countsBytes, block.countsChecksum)
    }

    private func check(
        _ group: Int, _ part: WritableKeyPath<Checked, [Bool]>, _ range: Range<Int>, _ checksum: UInt64
    ) throws(StoreError) {
        if checked.withLock({ $0[keyPath: part][group] }) { return }
        let raw = UnsafeRawBufferPointer(rebasing: file.bytes[range])
        guard XXH64.hash(raw) == checksum else {
            throw .damaged(file: path, offset: range.lowerBound, reason: "a group's totals fail their checksum")
        }
        // Every latent in it is used unchecked from here on.
        var isSound = true
        forEachCountColumn(of: group, kinds: coder.kinds) { latent, _ in
            isSound = isSound && (0..<latent.count).allSatisfy { latent[$0] >= 0 && latent[$0] < latents }
        }
        guard isSound else { throw .damaged(file: path, offset: range.lowerBound, reason: "a latent beyond \(latents)") }
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
            writer.put(UInt64(block.countsBytes))
            writer.put(UInt64(block.detailsBytes))
            writer.put(block.countsChecksum)
            writer.put(block.detailsChecksum)
            for list in block.lists {
                writer.put(UInt32(list.loud))
                writer.put(UInt32(list.quiet))
                writer.put(UInt32(list.isNarrow ? 2 : 4))
            }
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

    private static func decode(
        _ raw: UnsafeRawBufferPointer, _ coder: TableBlockCoder, end: Int
    ) throws(MalformedBytes) -> ([String], [Block], [Cover]) {
        var reader = ByteReader(raw)
        let groups = Int(try reader.get(UInt32.self, "groups")), segments = Int(try reader.get(UInt32.self, "segments"))
        guard groups < raw.count, segments < raw.count else { throw MalformedBytes(reason: "\(groups) groups", offset: 0) }
        var blocks: [Block] = []
        for _ in 0...groups { blocks.append(try block(&reader, coder, end: end)) }
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

    /// A block that lies within the file and has room for its lists.
    private static func block(_ reader: inout ByteReader, _ coder: TableBlockCoder, end: Int) throws(MalformedBytes) -> Block {
        func size() throws(MalformedBytes) -> Int {
            let value = try reader.get(UInt64.self, "block")
            guard value <= UInt64(end) else { throw MalformedBytes(reason: "a block of \(value) bytes", offset: reader.offset) }
            return Int(value)
        }
        var block = Block(offset: try size(), countsBytes: try size(), detailsBytes: try size())
        block.countsChecksum = try reader.get(UInt64.self, "block")
        block.detailsChecksum = try reader.get(UInt64.self, "block")
        var counts = 0, details = 0
        for _ in 0..<coder.kinds {
            let loud = Int(try reader.get(UInt32.self, "list")), quiet = Int(try reader.get(UInt32.self, "list"))
            let list = TableList(loud: loud, quiet: quiet, isNarrow: try reader.get(UInt32.self, "list") == 2)
            counts += loud * (coder.latentBytes + list.valueBytes)
            details += quiet * coder.latentBytes + list.all * (8 + 2 * list.valueBytes)
            block.lists.append(list)
        }
        guard block.offset >= headerBytes, block.offset + block.countsBytes + block.detailsBytes <= end, counts <= block.countsBytes,
            coder.countsOnly || details <= block.detailsBytes
        else { throw MalformedBytes(reason: "a block outside the file", offset: reader.offset) }
        return block
    }
}
