// What images share with a set of latents and values, added up from the inverted index: how candidates for likeness
// are found without reading a snapshot.

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

/// Which value of an image is compared.
package enum MatchValue: Sendable {
    /// Mean over patches.
    case mean
    /// Largest patch value: what no patch exceeds.
    case peak
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

    /// By image id: the sum over `terms` of weight * min(value, scale * the image's value); 0 where nothing is shared,
    /// for images that are false in `mask`, and beyond it.
    ///
    /// Cost: some nanoseconds a posting and 0.2 us a latent and segment, on two threads.
    package func matches(
        of terms: [MatchTerm], by kind: MatchValue, _ moment: ViewMoment, mask: [Bool]
    ) throws(StoreError) -> [Float] {
        let terms = terms.sorted { $0.latent < $1.latent }
        // An image stands in one segment, so each half has images of its own.
        let middle = moment.segments.count / 2
        let halves = [moment.segments[..<middle], moment.segments[middle...]]
        let results = Mutex<[Result<[Float], StoreError>?]>([nil, nil])
        DispatchQueue.concurrentPerform(iterations: 2) { half in
            let result = Result { () throws(StoreError) in
                var sums = [Float](repeating: 0, count: mask.count)
                for segment in halves[half] { try self.add(terms, kind, of: segment, moment.view, mask, to: &sums) }
                return sums
            }
            results.withLock { $0[half] = result }
        }
        var sums: [Float] = []
        for case let result? in results.withLock({ $0 }) {
            let part = try result.get()
            if sums.isEmpty { sums = part } else { for image in sums.indices where part[image] != 0 { sums[image] = part[image] } }
        }
        return sums
    }

    private func add(
        _ terms: [MatchTerm], _ kind: MatchValue, of segment: Segment, _ view: ViewStore, _ mask: [Bool], to sums: inout [Float]
    ) throws(StoreError) {
        guard segment.sealed else {
            for term in terms {
                for (slot, summary) in segment.summaries.enumerated() {
                    guard let summary, let position = summary.position(of: UInt32(term.latent)) else { continue }
                    let posting = summary[position]
                    guard posting.activePatches > 0 else { continue }
                    add(term, kind == .mean ? posting.patchMean : posting.peak, segment.images[slot], mask, to: &sums)
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
                try index.values(of: term.latent, kind) { add(term, $1, segment.images[$0], mask, to: &sums) }
            } catch {
                guard error.isRepairable else { throw error }
                index = try rebuildIndex(of: segment, view: view)
                try index.values(of: term.latent, kind) { add(term, $1, segment.images[$0], mask, to: &sums) }
            }
        }
    }

    @inline(__always)
    private func add(_ term: MatchTerm, _ value: Float, _ image: Int64, _ mask: [Bool], to sums: inout [Float]) {
        guard image >= 0, image < mask.count, mask[Int(image)] else { return }
        sums[Int(image)] += term.weight * min(term.value, term.scale * value)
    }
}
