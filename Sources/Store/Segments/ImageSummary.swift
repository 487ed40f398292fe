// What the index keeps of one image: for each latent that is active somewhere in it, one posting.
//
// Definitions (P patches; values as stored, so f16-rounded unless the snapshot is wide):
//   patch mean   sum over patches / P, the sum in f64, the mean rounded to f32
//   peak         the largest patch value; ties go to the lowest patch
//   over tau     tokens with value > 0.2
// Aggregates are folds over these postings, so an open segment, its index and a rebuild agree to the bit.

import Basics

/// One latent in one image.
public struct LatentPosting: Sendable, Equatable {
    public var latent: UInt32
    /// Mean over all patches, zeros included.
    public var patchMean: Float
    /// Largest patch value, 0 where no patch is active.
    public var peak: Float
    /// Row-major patch of the peak; meaningless where `activePatches` is 0.
    public var peakPatch: UInt16
    public var activePatches: UInt16
    public var patchesOverTau: UInt16
    public var classValue: Float
    public var promptSum: Float
    public var promptPeak: Float
    public var activePrompts: UInt16
    public var promptsOverTau: UInt16
}

/// All postings of one image, ascending by latent, in columns.
package final class ImageSummary: Sendable {
    let latents: [UInt32]
    let patchMean: [Float]
    let peak: [Float]
    let peakPatch: [UInt16]
    let activePatches: [UInt16]
    let patchesOverTau: [UInt16]
    let classValue: [Float]
    /// Empty where the layout has no prompts.
    let promptSum: [Float]
    let promptPeak: [Float]
    let activePrompts: [UInt16]
    let promptsOverTau: [UInt16]

    package var count: Int { latents.count }
    var byteCount: Int { count * (promptSum.isEmpty ? 22 : 34) }

    package init(_ postings: some Collection<LatentPosting>, hasPrompts: Bool) {
        latents = postings.map(\.latent)
        patchMean = postings.map(\.patchMean)
        peak = postings.map(\.peak)
        peakPatch = postings.map(\.peakPatch)
        activePatches = postings.map(\.activePatches)
        patchesOverTau = postings.map(\.patchesOverTau)
        classValue = postings.map(\.classValue)
        promptSum = hasPrompts ? postings.map(\.promptSum) : []
        promptPeak = hasPrompts ? postings.map(\.promptPeak) : []
        activePrompts = hasPrompts ? postings.map(\.activePrompts) : []
        promptsOverTau = hasPrompts ? postings.map(\.promptsOverTau) : []
    }

    package subscript(position: Int) -> LatentPosting {
        let prompts = !promptSum.isEmpty
        return LatentPosting(
            latent: latents[position], patchMean: patchMean[position], peak: peak[position], peakPatch: peakPatch[position],
            activePatches: activePatches[position], patchesOverTau: patchesOverTau[position],
            classValue: classValue[position], promptSum: prompts ? promptSum[position] : 0,
            promptPeak: prompts ? promptPeak[position] : 0, activePrompts: prompts ? activePrompts[position] : 0,
            promptsOverTau: prompts ? promptsOverTau[position] : 0)
    }

    /// Where a latent stands, or nil.
    func position(of latent: UInt32) -> Int? {
        var low = 0, high = latents.count
        while low < high {
            let middle = (low + high) / 2
            if latents[middle] < latent { low = middle + 1 } else { high = middle }
        }
        return low < latents.count && latents[low] == latent ? low : nil
    }
}

/// Makes summaries; keeps a table of one cell a latent between images. Not thread-safe.
package final class Summarizer {
    private struct Cell {
        var sum: Double = 0
        var peak: Float = 0
        var classValue: Float = 0
        var promptSum: Float = 0
        var promptPeak: Float = 0
        var peakPatch: UInt16 = 0
        var active: UInt16 = 0
        var over: UInt16 = 0
        var activePrompts: UInt16 = 0
        var promptsOver: UInt16 = 0
    }

    private let layout: TokenLayout
    private let latents: Int
    // Owned, of `latents` and `words` elements, all zero between calls. Pointers, because 30,000 checked
    // accesses to an array in a class cost as much as the rest.
    private let cells: UnsafeMutablePointer<Cell>
    /// One bit a latent that this image touched: walking it yields them in order.
    private let touched: UnsafeMutablePointer<UInt64>
    private let words: Int

    package init(layout: TokenLayout, latents: Int) {
        self.layout = layout
        self.latents = latents
        words = (latents + 63) / 64
        cells = .allocate(capacity: latents)
        cells.initialize(repeating: Cell(), count: latents)
        touched = .allocate(capacity: words)
        touched.initialize(repeating: 0, count: words)
    }

    deinit {
        cells.deallocate()
        touched.deallocate()
    }

    /// - Parameter wide: values are taken as they are; otherwise they are rounded to f16 first.
    package func postings(_ rows: SparseRows, wide: Bool) -> [LatentPosting] {
        precondition(rows.rows == layout.count && rows.width == latents)
        accumulate(rows, wide: wide)
        let cells = self.cells, touched = self.touched, patches = Double(layout.patches)
        let count = (0..<words).reduce(0) { $0 + touched[$1].nonzeroBitCount }
        var postings: [LatentPosting] = []
        postings.reserveCapacity(count)
        for word in 0..<words where touched[word] != 0 {
            var bits = touched[word]
            touched[word] = 0
            while bits != 0 {
                let latent = word * 64 + bits.trailingZeroBitCount
                bits &= bits - 1
                let cell = cells[latent]
                cells[latent] = Cell()
                postings.append(
                    LatentPosting(
                        latent: UInt32(latent), patchMean: Float(cell.sum / patches), peak: cell.peak,
                        peakPatch: cell.peakPatch, activePatches: cell.active, patchesOverTau: cell.over,
                        classValue: cell.classValue, promptSum: cell.promptSum, promptPeak: cell.promptPeak,
                        activePrompts: cell.activePrompts, promptsOverTau: cell.promptsOver))
            }
        }
        return postings
    }

    package func summary(_ rows: SparseRows, wide: Bool) -> ImageSummary {
        ImageSummary(postings(rows, wide: wide), hasPrompts: layout.prompts > 0)
    }

    private func accumulate(_ rows: SparseRows, wide: Bool) {
        let patchesEnd = layout.tokens(of: .patch).upperBound
        let cells = self.cells, touched = self.touched
        rows.indices.withUnsafeBufferPointer { indices in
            rows.values.withUnsafeBufferPointer { values in
                for token in 0..<rows.rows {
                    for k in rows.range(of: token) {
                        let latent = Int(indices[k])
                        precondition(latent < latents, "latent \(latent) of \(latents)")
                        let value = wide ? values[k] : Half.rounded(values[k])
                        let over: UInt16 = value > Store.tau ? 1 : 0
                        let cell = cells + latent
                        touched[latent >> 6] |= 1 << UInt64(latent & 63)
                        if token == 0 {
                            cell.pointee.classValue = value
                        } else if token < patchesEnd {
                            cell.pointee.sum += Double(value)
                            cell.pointee.active += 1
                            cell.pointee.over += over
                            if value > cell.pointee.peak {
                                cell.pointee.peak = value
                                cell.pointee.peakPatch = UInt16(token - 1)
                            }
                        } else {
                            cell.pointee.promptSum += value
                            cell.pointee.promptPeak = max(cell.pointee.promptPeak, value)
                            cell.pointee.activePrompts += 1
                            cell.pointee.promptsOver += over
                        }
                    }
                }
            }
        }
    }
}
