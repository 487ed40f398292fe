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

    private struct Entry {
        var latent: UInt32
        var cell: TotalsCell
    }

    /// Writes the body of a table from `ClassTable.headerBytes` on.
    ///
    /// - Parameter walk: hands over every posting of a latent in a sealed segment.
    /// - Returns: where each group's block lies, the total first; and the offset behind the last.
    func write(
        _ sources: [TableSource], to file: File, spill path: String,
        walk: (Int, Segment, (SlotPosting) -> Void) throws(StoreError) -> Void
    ) throws(StoreError) -> (blocks: [ClassTable.Block], end: Int) {
        let transposed = sources.map { source -> (Transposed, [ImageSummary?])? in
            guard case let .summaries(summaries) = source.postings else { return nil }
            return (Transposed(summaries, latents: latents), summaries)
        }
        var gather = try Gather(groups: groups + 1, spill: path)
        // Pointers: a posting costs some 10 ns, of which checked accesses to captured arrays would be half.
        let cells = UnsafeMutablePointer<TotalsCell>.allocate(capacity: groups + 1)
        let marks = UnsafeMutablePointer<Bool>.allocate(capacity: groups + 1)
        cells.initialize(repeating: TotalsCell(), count: groups + 1)
        marks.initialize(repeating: false, count: groups + 1)
        defer { cells.deallocate(); marks.deallocate() }
        var touched: [Int] = []
        let patches = Double(layout.patches)
        func enter(_ group: Int32, _ posting: LatentPosting, _ sign: Int32) {
            guard group >= 0 else { return }
            let group = Int(group)
            if !marks[group] {
                marks[group] = true
                touched.append(group)
            }
            cells[group].add(posting, patches: patches, sign: sign)
        }
        for latent in 0..<latents {
            for (at, source) in sources.enumerated() {
                let enterSlot = { (entry: SlotPosting) in
                    enter(source.plus[Int(entry.slot)], entry.posting, 1)
                    if !source.minus.isEmpty { enter(source.minus[Int(entry.slot)], entry.posting, -1) }
                }
                switch source.postings {
                case let .sealed(segment): try walk(latent, segment, enterSlot)
                case .summaries:
                    if let (order, summaries) = transposed[at] { order.postings(of: latent, summaries).forEach(enterSlot) }
                }
            }
            // Cell 0 has the images without a label; with the others it becomes the total.
            var total = TotalsCell()
            for group in touched {
                total.merge(cells[group])
                if group > 0 { try add(latent, cells[group], to: group, &gather) }
                cells[group] = TotalsCell()
                marks[group] = false
            }
            if !touched.isEmpty { try add(latent, total, to: 0, &gather) }
            touched.removeAll(keepingCapacity: true)
        }
        var offset = ClassTable.headerBytes
        var blocks: [ClassTable.Block] = []
        for group in 0...groups {
            let bytes = encode(try gather.entries(of: group))
            try file.write(bytes.bytes, at: offset)
            var block = bytes.block
            block.offset = offset
            blocks.append(block)
            offset += bytes.bytes.count
        }
        return (blocks, offset)
    }

    private func add(_ latent: Int, _ cell: TotalsCell, to group: Int, _ gather: inout Gather) throws(StoreError) {
        if cell.isEmpty || (countsOnly && !cell.isLoud) { return }
        try gather.add(Entry(latent: UInt32(latent), cell: cell), to: group)
    }

    /// A group's block: columns of the entries over tau, then everything of all (protocol/STORE.md, "Class table").
    private func encode(_ entries: [Entry]) -> (bytes: [UInt8], block: ClassTable.Block) {
        let loud = entries.filter(\.cell.isLoud), quiet = entries.filter { !$0.cell.isLoud }
        let prompts = layout.prompts > 0
        var counts = ByteWriter(capacity: loud.count * 16 + 8)
        counts.put(array: loud.map(\.latent))
        counts.put(array: loud.map(\.cell.classOver))
        counts.put(array: loud.map(\.cell.patchOver))
        if prompts { counts.put(array: loud.map(\.cell.promptOver)) }
        counts.align(8)
        var details = ByteWriter(capacity: countsOnly ? 0 : entries.count * 48 + 8)
        if !countsOnly {
            let all = loud + quiet
            details.put(array: all.map(\.cell.classSum))
            details.put(array: all.map(\.cell.patchSum))
            if prompts { details.put(array: all.map(\.cell.promptSum)) }
            details.put(array: quiet.map(\.latent))
            details.put(array: all.map(\.cell.images))
            details.put(array: all.map(\.cell.classActive))
            details.put(array: all.map(\.cell.patchActive))
            if prompts {
                details.put(array: all.map(\.cell.promptActive))
                details.put(array: all.map(\.cell.anyImages))
            }
            details.align(8)
        }
        let block = ClassTable.Block(
            offset: 0, loud: loud.count, quiet: countsOnly ? 0 : quiet.count,
            countsChecksum: XXH64.hash(counts.bytes), detailsChecksum: XXH64.hash(details.bytes))
        return (counts.bytes + details.bytes, block)
    }

    /// Entries by group, in the order they came in.
    private struct Gather {
        private var buffers: [[Entry]]
        private var chunks: [[(offset: Int, count: Int)]]
        private let capacity: Int
        private let path: String
        private var file: File?
        private var end = 0

        init(groups: Int, spill path: String) throws(StoreError) {
            buffers = [[Entry]](repeating: [], count: groups)
            chunks = [[(offset: Int, count: Int)]](repeating: [], count: groups)
            capacity = max(16, min(4096, ClassTableBuilder.bufferBytesMax / MemoryLayout<Entry>.stride / groups))
            self.path = path
        }

        mutating func add(_ entry: Entry, to group: Int) throws(StoreError) {
            buffers[group].append(entry)
            if buffers[group].count == capacity { try flush(group) }
        }

        private mutating func flush(_ group: Int) throws(StoreError) {
            let spill: File
            if let file { spill = file } else {
                spill = try File(path: path, flags: O_RDWR | O_CREAT | O_TRUNC)
                // It lives as long as it is open.
                unlink(path)
                file = spill
            }
            let size = buffers[group].count * MemoryLayout<Entry>.stride
            try buffers[group].withUnsafeBufferPointer { (raw) throws(StoreError) in
                try spill.write(UnsafeRawBufferPointer(raw), at: end)
            }
            chunks[group].append((end, buffers[group].count))
            end += size
            buffers[group].removeAll(keepingCapacity: true)
        }

        mutating func entries(of group: Int) throws(StoreError) -> [Entry] {
            var all: [Entry] = []
            for chunk in chunks[group] {
                guard let file else { break }
                let bytes = try file.read(at: chunk.offset, count: chunk.count * MemoryLayout<Entry>.stride)
                bytes.withUnsafeBytes { raw in
                    for i in 0..<chunk.count {
                        all.append(raw.loadUnaligned(fromByteOffset: i * MemoryLayout<Entry>.stride, as: Entry.self))
                    }
                }
            }
            all += buffers[group]
            buffers[group] = []
            return all
        }
    }
}
