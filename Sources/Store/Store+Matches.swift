// What images share with a set of latents and values, added up from the inverted index: how candidates for likeness
// are found without reading a snapshot.
//
// An image's mean is in its postings, so its sum is what it says. Of patches the postings tell how many are active, the
// largest value and where it is: no patch can share more than the largest values of all latents (the bound), and a
// guess at the best patch takes each latent to be active on a disc of its size around its largest value. The estimate is
// halfway between the two: on the embedded model's scenes the bound ranks as well, on 100,000 synthetic images the guess
// is much better, and halfway is near the better one on both.

import Basics
import Dispatch
import Synchronization

/// A latent that is looked up.
package struct MatchTerm: Sendable {
    package var latent: Int
    /// What it counts.
    package var weight: Float
    /// Its scaled value in what was asked about.
    package var value: Float
    /// What an image's value is multiplied by before the two are compared.
    package var scale: Float

    package init(latent: Int, weight: Float, value: Float, scale: Float) {
        (self.latent, self.weight, self.value, self.scale) = (latent, weight, value, scale)
    }
}

/// What is compared.
package enum MatchValue: Sendable {
    /// An image's means over patches.
    case mean
    /// The values of one patch.
    case patch
}

/// By image id: sums over the looked-up latents of weight * min(value, scale * the image's value).
package struct Matches: Sendable {
    /// Of images what they share; of patches what no patch of the image exceeds.
    package var bounds: [Float]
    /// Of images the same; of patches an estimate of what the best one shares.
    package var estimates: [Float]
}

extension Store {
    /// By image id: present, with a snapshot in a moment's view.
    package func presentImages(_ moment: ViewMoment) -> [Bool] {
        let table = images.withLock { $0 }
        var mask = [Bool](repeating: false, count: table.entries.count)
        for segment in moment.segments {
            for image in segment.images where image != Segment.hole && table.isPresent(image) { mask[Int(image)] = true }
        }
        return mask
    }

    /// What the images that are true in `mask` share with `terms`; 0 for all others.
    ///
    /// Cost: some nanoseconds a posting and 0.2 us a latent and segment, on two threads; of patches as much again for each
    /// patch of a disc.
    package func matches(
        of terms: [MatchTerm], by kind: MatchValue, _ moment: ViewMoment, mask: [Bool]
    ) throws(StoreError) -> Matches {
        let terms = terms.sorted { $0.latent < $1.latent }
        // An image stands in one segment, so each half has images of its own.
        let middle = moment.segments.count / 2
        let halves = [moment.segments[..<middle], moment.segments[middle...]]
        let results = Mutex<[Result<MatchSums, StoreError>?]>([nil, nil])
        DispatchQueue.concurrentPerform(iterations: 2) { half in
            let result = Result { () throws(StoreError) in
                var sums = MatchSums(kind, mask, moment.view.shape.layout)
                for segment in halves[half] { try self.add(terms, of: segment, moment.view, to: &sums) }
                sums.finish()
                return sums
            }
            results.withLock { $0[half] = result }
        }
        var sum: Matches?
        for case let result? in results.withLock({ $0 }) {
            let part = try result.get().matches
            guard var both = sum else { sum = part; continue }
            for image in part.bounds.indices where part.bounds[image] != 0 {
                (both.bounds[image], both.estimates[image]) = (part.bounds[image], part.estimates[image])
            }
            sum = both
        }
        // Both halves have run.
        return sum ?? Matches(bounds: [], estimates: [])
    }

    private func add(_ terms: [MatchTerm], of segment: Segment, _ view: ViewStore, to sums: inout MatchSums) throws(StoreError) {
        sums.begin(segment)
        defer { sums.end(segment) }
        guard segment.sealed else {
            for term in terms {
                for (slot, summary) in segment.summaries.enumerated() {
                    guard let summary, let position = summary.position(of: UInt32(term.latent)) else { continue }
                    let posting = summary[position]
                    guard posting.activePatches > 0 else { continue }
                    sums.add(
                        term,
                        PatchPosting(
                            slot: slot, mean: posting.patchMean, peak: posting.peak, peakPatch: Int(posting.peakPatch),
                            active: Int(posting.activePatches)), segment)
                }
            }
            return
        }
        var index: SegmentIndex
        do throws(StoreError) { index = try self.index(of: segment, view: view) } catch {
            guard error.isRepairable else { throw error }
            index = try rebuildIndex(of: segment, view: view)
        }
        for term in terms {
            // An index answers whole or not at all, so no posting is added twice.
            do throws(StoreError) {
                try index.patchPostings(of: term.latent) { sums.add(term, $0, segment) }
            } catch {
                guard error.isRepairable else { throw error }
                index = try rebuildIndex(of: segment, view: view)
                try index.patchPostings(of: term.latent) { sums.add(term, $0, segment) }
            }
        }
    }
}

/// The sums of one thread.
private struct MatchSums {
    private(set) var matches: Matches
    private let kind: MatchValue
    private let mask: [Bool]
    private let layout: TokenLayout
    /// Of the segment at hand: estimates by slot and patch, and what is added to all patches of a slot.
    private var cells: [Float] = []
    private var everywhere: [Float] = []
    /// By active patches, then distance in rows: how far a disc of that size reaches in columns.
    private let reach: [[Int]]

    init(_ kind: MatchValue, _ mask: [Bool], _ layout: TokenLayout) {
        (self.kind, self.mask, self.layout) = (kind, mask, layout)
        let zeros = [Float](repeating: 0, count: mask.count)
        matches = Matches(bounds: zeros, estimates: zeros)
        reach = kind == .mean ? [] : (0...layout.patches).map { active in
            // pi r^2 = active
            let square = Double(active) / Double.pi
            return (0...Int(square.squareRoot())).map { Int((square - Double($0 * $0)).squareRoot()) }
        }
    }

    mutating func begin(_ segment: Segment) {
        guard kind == .patch else { return }
        cells = [Float](repeating: 0, count: segment.images.count * layout.patches)
        everywhere = [Float](repeating: 0, count: segment.images.count)
    }

    @inline(__always)
    mutating func add(_ term: MatchTerm, _ posting: PatchPosting, _ segment: Segment) {
        let image = segment.images[posting.slot]
        guard image >= 0, image < mask.count, mask[Int(image)] else { return }
        guard kind == .patch else {
            matches.bounds[Int(image)] += term.weight * min(term.value, term.scale * posting.mean)
            return
        }
        matches.bounds[Int(image)] += term.weight * min(term.value, term.scale * posting.peak)
        let mean = posting.mean * Float(layout.patches) / Float(posting.active)
        let part = term.weight * min(term.value, term.scale * mean)
        // A latent on most patches is as good as everywhere. (No posting of ours has its peak beyond the grid.)
        guard 2 * posting.active <= layout.patches, posting.peakPatch < layout.patches else {
            everywhere[posting.slot] += part
            return
        }
        let row = posting.peakPatch / layout.columns, column = posting.peakPatch % layout.columns
        let reach = reach[posting.active], start = posting.slot * layout.patches
        for r in max(0, row - reach.count + 1)...min(layout.rows - 1, row + reach.count - 1) {
            let width = reach[abs(r - row)], line = start + r * layout.columns
            for c in max(0, column - width)...min(layout.columns - 1, column + width) { cells[line + c] += part }
        }
    }

    mutating func end(_ segment: Segment) {
        guard kind == .patch else { return }
        let patches = layout.patches
        for (slot, image) in segment.images.enumerated() where image >= 0 && image < mask.count && mask[Int(image)] {
            let best = cells[slot * patches..<(slot + 1) * patches].max() ?? 0
            matches.estimates[Int(image)] = (best + everywhere[slot] + matches.bounds[Int(image)]) / 2
        }
    }

    /// Of images, estimates are what the bounds are.
    mutating func finish() { if kind == .mean { matches.estimates = matches.bounds } }
}
