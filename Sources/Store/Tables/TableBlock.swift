// One group's block of a class table as bytes (protocol/STORE.md, "Class table").
//
// Each kind of token has a list of the latents that it is active in, those over tau first, each part ascending:
// most latents of a group are never active on the class token, and its columns would be zeros. Counts are i16
// where a list's fit, latents u16 where the SAE has at most 65,536; both signed parts serve corrections too.
//
//   counts, kind after kind:  latent[loud]  over tau[loud]
//   details, kind after kind: sum f64[all], then latent[quiet]  active[all]  images[all]

import Basics

/// Where the columns of one kind lie.
struct TableList: Equatable, Sendable {
    /// Latents with a token over tau.
    var loud = 0
    /// Latents without one.
    var quiet = 0
    /// Counts are i16, else i32.
    var isNarrow = true

    var all: Int { loud + quiet }
    var valueBytes: Int { isNarrow ? 2 : 4 }
}

struct TableBlockCoder {
    let layout: TokenLayout
    let latents: Int
    let countsOnly: Bool

    var kinds: Int { layout.prompts > 0 ? 3 : 2 }
    var latentBytes: Int { latents <= 1 << 16 ? 2 : 4 }

    /// One latent in one kind.
    private struct Row {
        var latent: UInt32
        var over: Int32
        var active: Int32
        var images: Int32
        var sum: Double
    }

    /// - Parameter entries: ascending by latent.
    func encode(_ entries: [TableEntry]) -> (block: ClassTable.Block, bytes: [UInt8]) {
        let lists = (0..<kinds).map { kind -> (loud: [Row], quiet: [Row]) in
            var loud: [Row] = [], quiet: [Row] = []
            for entry in entries {
                guard let row = row(entry, kind) else { continue }
                if row.over != 0 { loud.append(row) } else if !countsOnly { quiet.append(row) }
            }
            return (loud, quiet)
        }
        var block = ClassTable.Block()
        block.lists = lists.map { loud, quiet in
            let narrow = Int32(Int16.min)...Int32(Int16.max)
            return TableList(
                loud: loud.count, quiet: quiet.count,
                isNarrow: (loud + quiet).allSatisfy { narrow ~= $0.over && narrow ~= $0.active && narrow ~= $0.images })
        }
        var counts = ByteWriter(capacity: lists.reduce(8) { $0 + $1.loud.count * 8 })
        for (list, rows) in zip(block.lists, lists) {
            put(rows.loud.map(\.latent), into: &counts)
            put(rows.loud.map(\.over), list, into: &counts)
        }
        counts.align(8)
        var details = ByteWriter(capacity: countsOnly ? 8 : entries.count * 20)
        if !countsOnly {
            for rows in lists { details.put(array: (rows.loud + rows.quiet).map(\.sum)) }
            for (list, rows) in zip(block.lists, lists) {
                put(rows.quiet.map(\.latent), into: &details)
                put((rows.loud + rows.quiet).map(\.active), list, into: &details)
                put((rows.loud + rows.quiet).map(\.images), list, into: &details)
            }
            details.align(8)
        }
        block.countsBytes = counts.count
        block.detailsBytes = details.count
        block.countsChecksum = XXH64.hash(counts.bytes)
        block.detailsChecksum = XXH64.hash(details.bytes)
        return (block, counts.bytes + details.bytes)
    }

    /// A latent's row in a kind's list, or nil where it has no place there. `images` stands in every list, and at
    /// least in one where it is not zero; in the prompts' it counts images with a token of any kind.
    private func row(_ entry: TableEntry, _ kind: Int) -> Row? {
        let cell = entry.cell
        let isInClass = cell.classActive != 0 || cell.classOver != 0 || cell.classSum != 0
        switch kind {
        case 0:
            return isInClass
                ? Row(latent: entry.latent, over: cell.classOver, active: cell.classActive, images: cell.images, sum: cell.classSum) : nil
        case 1:
            let isInPatch = cell.patchActive != 0 || cell.patchOver != 0 || cell.patchSum != 0
            return isInPatch || (!isInClass && cell.images != 0)
                ? Row(latent: entry.latent, over: cell.patchOver, active: cell.patchActive, images: cell.images, sum: cell.patchSum) : nil
        default:
            let isInPrompt = cell.promptActive != 0 || cell.promptOver != 0 || cell.promptSum != 0
            return isInPrompt || cell.anyImages != cell.images
                ? Row(latent: entry.latent, over: cell.promptOver, active: cell.promptActive, images: cell.anyImages, sum: cell.promptSum)
                : nil
        }
    }

    private func put(_ column: [UInt32], into writer: inout ByteWriter) {
        if latentBytes == 2 { writer.put(array: column.map { UInt16(truncatingIfNeeded: $0) }) } else { writer.put(array: column) }
    }

    private func put(_ column: [Int32], _ list: TableList, into writer: inout ByteWriter) {
        if list.isNarrow { writer.put(array: column.map { Int16(truncatingIfNeeded: $0) }) } else { writer.put(array: column) }
    }
}

/// A column of latents or counts of either width, in mapped bytes that its owner keeps.
struct TableColumn {
    let bytes: UnsafeRawPointer
    let count: Int
    let width: Int
    let isSigned: Bool

    subscript(i: Int) -> Int {
        switch (width, isSigned) {
        case (2, false): Int(bytes.loadUnaligned(fromByteOffset: 2 &* i, as: UInt16.self))
        case (2, true): Int(bytes.loadUnaligned(fromByteOffset: 2 &* i, as: Int16.self))
        default: Int(bytes.loadUnaligned(fromByteOffset: 4 &* i, as: Int32.self))
        }
    }

    /// A value's place in an ascending column.
    func place(of value: Int) -> Int? {
        var low = 0, high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low] == value ? low : nil
    }
}
