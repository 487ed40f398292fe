// The postings of one latent in one sealed segment, as bytes (protocol/STORE.md, "Posting block").
//
// Columns in slot order. What follows from another column is left out: with one active patch the mean is
// peak / P, and the count over tau is peak > tau. A block is read straight from the mapped file.
//
//   u8 flags   u8 zero   u16 c postings   u16 m of them with >= 2 active patches   u16 k with a class value
//   slot u16[c] · active u8|u16[c] · then of those with active > 0: peak f16|f32, peak patch u8|u16
//   · of those with active > 1: mean f32, over tau u8|u16 · class: (position u16[k] unless all) value f16|f32[k]
//   · with prompts: sum f32[c], peak f32[c], active u16[c], over tau u16[c]

import Basics

/// A posting and the slot (image of the segment) it belongs to.
struct SlotPosting {
    var slot: UInt16
    var posting: LatentPosting
}

/// A posting's patches: mean over all, and of the active ones their number and the largest.
struct PatchPosting {
    var slot: Int
    var mean: Float
    var peak: Float
    var peakPatch: Int
    var active: Int
}

struct PostingBlock {
    static let wideValues: UInt8 = 1
    static let widePatches: UInt8 = 2
    static let classPositions: UInt8 = 4
    static let hasPrompts: UInt8 = 8
    static let headerBytes = 8

    let patches: Int

    func encode(_ postings: [SlotPosting], into writer: inout ByteWriter) {
        let patched = postings.filter { $0.posting.activePatches > 0 }
        let many = postings.filter { $0.posting.activePatches > 1 }
        let classes = postings.indices.filter { postings[$0].posting.classValue > 0 }
        let wideValues = postings.contains { !Half.isExact($0.posting.peak) || !Half.isExact($0.posting.classValue) }
        let widePatches = patches > 255
        let prompts = postings.contains { $0.posting.activePrompts > 0 }
        let positions = !classes.isEmpty && classes.count < postings.count
        var flags: UInt8 = wideValues ? PostingBlock.wideValues : 0
        flags |= widePatches ? PostingBlock.widePatches : 0
        flags |= positions ? PostingBlock.classPositions : 0
        flags |= prompts ? PostingBlock.hasPrompts : 0
        func put(count: UInt16) { widePatches ? writer.put(count) : writer.put(UInt8(count)) }
        func put(value: Float) { wideValues ? writer.put(value) : writer.put(value == 0 ? 0 : Half.bits(value)) }

        writer.put(flags)
        writer.put(UInt8(0))
        writer.put(UInt16(postings.count))
        writer.put(UInt16(many.count))
        writer.put(UInt16(classes.count))
        for entry in postings { writer.put(entry.slot) }
        for entry in postings { put(count: entry.posting.activePatches) }
        for entry in patched { put(value: entry.posting.peak) }
        for entry in patched { put(count: entry.posting.peakPatch) }
        for entry in many { writer.put(entry.posting.patchMean) }
        for entry in many { put(count: entry.posting.patchesOverTau) }
        if positions { for position in classes { writer.put(UInt16(position)) } }
        for position in classes { put(value: postings[position].posting.classValue) }
        guard prompts else { return }
        for entry in postings { writer.put(entry.posting.promptSum) }
        for entry in postings { writer.put(entry.posting.promptPeak) }
        for entry in postings { writer.put(entry.posting.activePrompts) }
        for entry in postings { writer.put(entry.posting.promptsOverTau) }
    }

    /// A block's columns, checked.
    private struct Columns {
        let count: Int
        let classCount: Int
        let hasPrompts: Bool
        let valueBytes: Int
        let patchBytes: Int
        let slots: UnsafeRawBufferPointer
        let active: UnsafeRawBufferPointer
        let peaks: UnsafeRawBufferPointer
        let peakPatches: UnsafeRawBufferPointer
        let means: UnsafeRawBufferPointer
        let overs: UnsafeRawBufferPointer
        let classPositions: UnsafeRawBufferPointer
        let classValues: UnsafeRawBufferPointer
        let prompts: UnsafeRawBufferPointer

        /// - Parameter data: not empty.
        init(_ data: UnsafeRawBufferPointer, slots slotCount: Int) throws(MalformedBytes) {
            var reader = ByteReader(data)
            let flags = try reader.get(UInt8.self, "posting block")
            _ = try reader.get(UInt8.self, "posting block")
            count = Int(try reader.get(UInt16.self, "posting block"))
            let manyCount = Int(try reader.get(UInt16.self, "posting block"))
            classCount = Int(try reader.get(UInt16.self, "posting block"))
            valueBytes = flags & PostingBlock.wideValues != 0 ? 4 : 2
            patchBytes = flags & PostingBlock.widePatches != 0 ? 2 : 1
            slots = try reader.take(count * 2, "slots")
            active = try reader.take(count * patchBytes, "active patches")
            var patched = 0, many = 0
            for i in 0..<count {
                let active = PostingBlock.count(active, i, patchBytes)
                patched += active > 0 ? 1 : 0
                many += active > 1 ? 1 : 0
                let slot = PostingBlock.count(slots, i, 2)
                guard slot < slotCount else { throw MalformedBytes(reason: "slot \(slot) of \(slotCount)", offset: 8 + 2 * i) }
            }
            guard many == manyCount, classCount <= count else {
                throw MalformedBytes(reason: "a posting block contradicts itself", offset: 4)
            }
            peaks = try reader.take(patched * valueBytes, "peaks")
            peakPatches = try reader.take(patched * patchBytes, "peak patches")
            means = try reader.take(many * 4, "means")
            overs = try reader.take(many * patchBytes, "counts over tau")
            classPositions = try reader.take(flags & PostingBlock.classPositions != 0 ? classCount * 2 : 0, "class positions")
            classValues = try reader.take(classCount * valueBytes, "class values")
            hasPrompts = flags & PostingBlock.hasPrompts != 0
            prompts = try reader.take(hasPrompts ? count * 12 : 0, "prompts")
        }
    }

    /// Hands every posting to `body`, in slot order. All checks come before the first call.
    func decode(
        _ data: UnsafeRawBufferPointer, latent: UInt32, slots: Int, _ body: (SlotPosting) -> Void
    ) throws(MalformedBytes) {
        guard data.count > 0 else { return }
        let columns = try Columns(data, slots: slots)
        let valueBytes = columns.valueBytes, patchBytes = columns.patchBytes, count = columns.count
        var atPatched = 0, atMany = 0, atClass = 0
        for i in 0..<count {
            var posting = LatentPosting(
                latent: latent, patchMean: 0, peak: 0, peakPatch: 0,
                activePatches: PostingBlock.count(columns.active, i, patchBytes), patchesOverTau: 0, classValue: 0,
                promptSum: 0, promptPeak: 0, activePrompts: 0, promptsOverTau: 0)
            if posting.activePatches > 0 {
                posting.peak = PostingBlock.value(columns.peaks, atPatched, valueBytes)
                posting.peakPatch = PostingBlock.count(columns.peakPatches, atPatched, patchBytes)
                atPatched += 1
                if posting.activePatches == 1 {
                    posting.patchMean = Float(Double(posting.peak) / Double(patches))
                    posting.patchesOverTau = posting.peak > Store.tau ? 1 : 0
                } else {
                    posting.patchMean = PostingBlock.value(columns.means, atMany, 4)
                    posting.patchesOverTau = PostingBlock.count(columns.overs, atMany, patchBytes)
                    atMany += 1
                }
            }
            if atClass < columns.classCount {
                let position = columns.classPositions.isEmpty ? i : Int(PostingBlock.count(columns.classPositions, atClass, 2))
                if position == i {
                    posting.classValue = PostingBlock.value(columns.classValues, atClass, valueBytes)
                    atClass += 1
                }
            }
            if columns.hasPrompts {
                posting.promptSum = PostingBlock.value(columns.prompts, i, 4)
                posting.promptPeak = PostingBlock.value(columns.prompts, count + i, 4)
                posting.activePrompts = PostingBlock.count(columns.prompts, 4 * count + i, 2)
                posting.promptsOverTau = PostingBlock.count(columns.prompts, 5 * count + i, 2)
            }
            body(SlotPosting(slot: PostingBlock.count(columns.slots, i, 2), posting: posting))
        }
    }

    /// Hands what `decode` tells of patches to `body`, for every posting that has an active one.
    @inline(__always)
    func decodePatches(_ data: UnsafeRawBufferPointer, slots: Int, _ body: (PatchPosting) -> Void) throws(MalformedBytes) {
        guard data.count > 0 else { return }
        let columns = try Columns(data, slots: slots)
        let valueBytes = columns.valueBytes, patchBytes = columns.patchBytes
        var atPatched = 0, atMany = 0
        for i in 0..<columns.count {
            let active = Int(PostingBlock.count(columns.active, i, patchBytes))
            if active == 0 { continue }
            let peak = PostingBlock.value(columns.peaks, atPatched, valueBytes)
            var mean = Float(Double(peak) / Double(patches))
            if active > 1 {
                mean = PostingBlock.value(columns.means, atMany, 4)
                atMany += 1
            }
            body(
                PatchPosting(
                    slot: Int(PostingBlock.count(columns.slots, i, 2)), mean: mean, peak: peak,
                    peakPatch: Int(PostingBlock.count(columns.peakPatches, atPatched, patchBytes)), active: active))
            atPatched += 1
        }
    }

    @inline(__always)
    private static func count(_ column: UnsafeRawBufferPointer, _ index: Int, _ width: Int) -> UInt16 {
        width == 1
            ? UInt16(column[index])
            : UInt16(littleEndian: column.loadUnaligned(fromByteOffset: 2 &* index, as: UInt16.self))
    }

    @inline(__always)
    private static func value(_ column: UnsafeRawBufferPointer, _ index: Int, _ width: Int) -> Float {
        if width == 4 { return column.loadUnaligned(fromByteOffset: 4 &* index, as: Float.self) }
        let bits = UInt16(littleEndian: column.loadUnaligned(fromByteOffset: 2 &* index, as: UInt16.self))
        return bits == 0 ? 0 : Half.float(bits)
    }
}
