// Makes a class table from postings: one walk over the latents, entries gathered by group, then the file.
//
// Postings come latent by latent, a table is read group by group. Each group has a buffer of entries; a full one
// goes to a spill file as a chunk, and at the end each group's chunks are read back in order. Memory is bounded
// by the buffers (`bufferBytesMax`) and one group's entries, whatever the store holds.

import Basics
import Glibc

/// Some images' postings and the groups that each image enters and leaves.
struct TableSource {
    enum Postings {
        /// Of a sealed segment, from its index.
        case sealed(Segment)
        /// In memory: an open segment's, or those of single images.
        case summaries([ImageSummary?])
    }
    var postings: Postings
    /// By slot: the group to add the image to; -1 for none, 0 for the total only.
    var plus: [Int32]
    /// By slot: the group to take it out of, where this is a correction; empty for none.
    var minus: [Int32]
}

struct ClassTableBuilder {
    static let bufferBytesMax = 32 << 20

    let layout: TokenLayout
    let latents: Int
    /// Groups with a name; group 0 is the total.
    let groups: Int
    /// Keep only what ranking needs: counts over tau.
    let countsOnly: Bool

    /// Writes the body of a table from `ClassTable.headerBytes` on.
    ///
    /// - Parameter walk: hands over every posting of a latent in a sealed segment.
    /// - Returns: where each group's block lies, the total first; and the offset behind the last.
    func write(
        _ sources: [TableSource], to file: File, spill path: String,
        walk: (Int, Segment, (SlotPosting) -> Void) throws(StoreError) -> Void
    ) throws(StoreError) -> (blocks: [ClassTable.Block], end: Int) {
        let gather = TableSpill(groups: groups + 1, path: path)
        try fill(gather, from: sources, walk: walk)
        var offset = ClassTable.headerBytes
        var blocks: [ClassTable.Block] = []
        let coder = TableBlockCoder(layout: layout, latents: latents, countsOnly: countsOnly)
        for group in 0...groups {
            var (block, bytes) = coder.encode(try gather.entries(of: group))
            block.offset = offset
            try file.write(bytes, at: offset)
            blocks.append(block)
            offset += bytes.count
        }
        return (blocks, offset)
    }

    private func fill(
        _ gather: TableSpill, from sources: [TableSource], walk: (Int, Segment, (SlotPosting) -> Void) throws(StoreError) -> Void
    ) throws(StoreError) {
        let transposed = sources.map { source -> (Transposed, [ImageSummary?])? in
            guard case let .summaries(summaries) = source.postings else { return nil }
            return (Transposed(summaries, latents: latents), summaries)
        }
        // Pointers: a posting costs some 10 ns, of which checked accesses to captured arrays would be half.
        let cells = UnsafeMutablePointer<TotalsCell>.allocate(capacity: groups + 1)
        let touched = UnsafeMutablePointer<Int32>.allocate(capacity: groups + 1)
        let touchedCount = UnsafeMutablePointer<Int>.allocate(capacity: 1)
        cells.initialize(repeating: TotalsCell(), count: groups + 1)
        touchedCount.initialize(to: 0)
        let slots = sources.map { SlotGroups($0) }
        defer {
            cells.deallocate()
            touched.deallocate()
            touchedCount.deallocate()
            slots.forEach { $0.deallocate() }
        }
        let patches = Double(layout.patches)
        @inline(__always) func enter(_ group: Int32, _ posting: LatentPosting, _ sign: Int32) {
            guard group >= 0 else { return }
            let cell = cells + Int(group)
            if !cell.pointee.isTouched {
                cell.pointee.isTouched = true
                touched[touchedCount.pointee] = group
                touchedCount.pointee += 1
            }
            cell.pointee.add(posting, patches: patches, sign: sign)
        }
        for latent in 0..<latents {
            for (at, source) in sources.enumerated() {
                let groups = slots[at]
                let enterSlot = { (entry: SlotPosting) in
                    enter(groups.plus[Int(entry.slot)], entry.posting, 1)
                    if let minus = groups.minus { enter(minus[Int(entry.slot)], entry.posting, -1) }
                }
                switch source.postings {
                case let .sealed(segment): try walk(latent, segment, enterSlot)
                case .summaries:
                    if let (order, summaries) = transposed[at] { order.postings(of: latent, summaries).forEach(enterSlot) }
                }
            }
            // Cell 0 has the images without a label; with the others it becomes the total.
            var total = TotalsCell()
            for place in 0..<touchedCount.pointee {
                let group = Int(touched[place])
                total.merge(cells[group])
                if group > 0 { try add(latent, cells[group], to: group, gather) }
                cells[group] = TotalsCell()
            }
            if touchedCount.pointee > 0 { try add(latent, total, to: 0, gather) }
            touchedCount.pointee = 0
        }
    }

    /// A source's groups by slot. Every slot of a posting was checked to be one of the segment's.
    private struct SlotGroups {
        let plus: UnsafeMutablePointer<Int32>
        let minus: UnsafeMutablePointer<Int32>?

        init(_ source: TableSource) {
            func copy(_ groups: [Int32]) -> UnsafeMutablePointer<Int32> {
                let copy = UnsafeMutablePointer<Int32>.allocate(capacity: max(1, groups.count))
                copy.initialize(from: groups, count: groups.count)
                return copy
            }
            precondition(source.minus.isEmpty || source.minus.count == source.plus.count)
            plus = copy(source.plus)
            minus = source.minus.isEmpty ? nil : copy(source.minus)
        }

        func deallocate() {
            plus.deallocate()
            minus?.deallocate()
        }
    }

    private func add(_ latent: Int, _ cell: TotalsCell, to group: Int, _ gather: TableSpill) throws(StoreError) {
        if cell.isEmpty || (countsOnly && !cell.isLoud) { return }
        try gather.add(latent, cell, to: group)
    }
}

/// What one latent sums up to in one group.
struct TableEntry {
    var latent: UInt32
    var cell: TotalsCell
}

/// Entries by group, in the order they came in; kinds without a token take no room.
final class TableSpill {
    /// One entry at most: kinds, latent, images, three kinds of 16 bytes, images with any token.
    private static let entryBytesMax = 61

    // Owned: a part of `capacity` bytes a group. Tens of millions of entries come by; an array in an array costs
    // more than what is written into it.
    private let buffers: UnsafeMutableRawPointer
    /// Bytes of each group's part.
    private let filled: UnsafeMutablePointer<Int>
    private var chunks: [[Range<Int>]]
    private let capacity: Int
    private let path: String
    private var file: File?
    private var end = 0

    init(groups: Int, path: String) {
        capacity = max(1024, min(1 << 18, ClassTableBuilder.bufferBytesMax / groups))
        buffers = .allocate(byteCount: groups * capacity, alignment: 16)
        filled = .allocate(capacity: groups)
        filled.initialize(repeating: 0, count: groups)
        chunks = [[Range<Int>]](repeating: [], count: groups)
        self.path = path
    }

    deinit {
        buffers.deallocate()
        filled.deallocate()
    }

    func add(_ latent: Int, _ cell: TotalsCell, to group: Int) throws(StoreError) {
        let start = buffers + group * capacity + filled[group]
        var at = 1
        @inline(__always) func put(_ value: Int32) {
            start.storeBytes(of: value, toByteOffset: at, as: Int32.self)
            at += 4
        }
        @inline(__always) func put(_ active: Int32, _ over: Int32, _ sum: Double) -> Bool {
            guard active != 0 || over != 0 || sum != 0 else { return false }
            put(active)
            put(over)
            start.storeBytes(of: sum, toByteOffset: at, as: Double.self)
            at += 8
            return true
        }
        put(Int32(latent))
        put(cell.images)
        var kinds: UInt8 = put(cell.classActive, cell.classOver, cell.classSum) ? 1 : 0
        kinds |= put(cell.patchActive, cell.patchOver, cell.patchSum) ? 2 : 0
        kinds |= put(cell.promptActive, cell.promptOver, cell.promptSum) ? 4 : 0
        if cell.anyImages != cell.images {
            kinds |= 8
            put(cell.anyImages)
        }
        start.storeBytes(of: kinds, as: UInt8.self)
        filled[group] += at
        if filled[group] + TableSpill.entryBytesMax > capacity { try flush(group) }
    }

    private func flush(_ group: Int) throws(StoreError) {
        let spill: File
        if let file { spill = file } else {
            spill = try File(path: path, flags: O_RDWR | O_CREAT | O_TRUNC)
            // It lives as long as it is open.
            unlink(path)
            file = spill
        }
        try spill.write(bytes(of: group), at: end)
        chunks[group].append(end..<end + filled[group])
        end += filled[group]
        filled[group] = 0
    }

    private func bytes(of group: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: buffers + group * capacity, count: filled[group])
    }

    /// A group's entries.
    func entries(of group: Int) throws(StoreError) -> [TableEntry] {
        var all: [TableEntry] = []
        for chunk in chunks[group] {
            guard let file else { break }
            let bytes = try file.read(at: chunk.lowerBound, count: chunk.count)
            bytes.withUnsafeBytes { TableSpill.unpack($0, into: &all) }
        }
        TableSpill.unpack(bytes(of: group), into: &all)
        return all
    }

    private static func unpack(_ raw: UnsafeRawBufferPointer, into entries: inout [TableEntry]) {
        var at = 0
        func word() -> Int32 {
            defer { at += 4 }
            return raw.loadUnaligned(fromByteOffset: at, as: Int32.self)
        }
        func sum() -> Double {
            defer { at += 8 }
            return raw.loadUnaligned(fromByteOffset: at, as: Double.self)
        }
        while at < raw.count {
            let kinds = raw[at]
            at += 1
            var entry = TableEntry(latent: UInt32(bitPattern: word()), cell: TotalsCell())
            entry.cell.images = word()
            if kinds & 1 != 0 { (entry.cell.classActive, entry.cell.classOver, entry.cell.classSum) = (word(), word(), sum()) }
            if kinds & 2 != 0 { (entry.cell.patchActive, entry.cell.patchOver, entry.cell.patchSum) = (word(), word(), sum()) }
            if kinds & 4 != 0 { (entry.cell.promptActive, entry.cell.promptOver, entry.cell.promptSum) = (word(), word(), sum()) }
            entry.cell.anyImages = kinds & 8 != 0 ? word() : entry.cell.images
            entries.append(entry)
        }
    }
}
