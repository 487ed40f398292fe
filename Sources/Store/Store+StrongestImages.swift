// The strongest images of all latents: found once by a walk over all postings, then kept in step with images that
// come and go. A kept answer knows by image what it has taken in, so that segments may be rewritten beneath it.

import Basics
import Foundation

/// The strongest images in use.
struct KeptStrongest: Sendable {
    var strongest: StrongestImages
    /// By image id: taken in.
    var counted: [Bool]
    /// Good while the store's change count is this.
    var changes: UInt64
    /// Images that came or went since the file was written.
    var unwritten: Int
}

extension Store {
    /// The present images on which each latent of a view is strongest, as of now.
    ///
    /// The first call of all walks every posting, some 10 s for 100,000 images of 1,300 latents; the answer is kept, also
    /// over a restart. Later calls take in what came (about a millisecond an image, or 80 ms a segment), and look the
    /// latents up again whose images went.
    public func strongestImages(in id: ViewRecord.ID) throws(StoreError) -> StrongestImages {
        let view = try self.view(id)
        view.ranking.lock()
        defer { view.ranking.unlock() }
        let changes = changeCount
        let known = view.strongest.withLock { $0 }
        if let known, known.changes == changes { return known.strongest }
        let segments = try readySegments(of: view)
        let table = images.withLock { $0 }
        var present = [Bool](repeating: false, count: table.entries.count)
        for segment in segments {
            for image in segment.images where image != Segment.hole && table.isPresent(image) { present[Int(image)] = true }
        }
        var kept: KeptStrongest
        if let old = known ?? readStrongest(of: view), let followed = try follow(old, to: present, segments, view) {
            kept = followed
        } else {
            kept = KeptStrongest(strongest: StrongestImages(latents: view.shape.latents), counted: [], changes: 0, unwritten: present.count + 1)
            try findStrongest(Array(0..<view.shape.latents), present, segments, view, into: &kept.strongest)
        }
        (kept.counted, kept.changes) = (present, changes)
        if kept.unwritten > max(256, present.count / 16) || kept.unwritten > present.count { write(&kept, of: view) }
        view.strongest.withLock { $0 = kept }
        return kept.strongest
    }

    /// A kept answer brought to a moment's images; nil where finding all anew is cheaper.
    private func follow(
        _ old: KeptStrongest, to present: [Bool], _ segments: [Segment], _ view: ViewStore
    ) throws(StoreError) -> KeptStrongest? {
        func isCounted(_ image: Int64) -> Bool { image < old.counted.count && old.counted[Int(image)] }
        let gone = old.counted.indices.count { old.counted[$0] && !($0 < present.count && present[$0]) }
        let lost = gone > 0 ? old.strongest.latents(losing: present) : []
        guard lost.count <= options.lostLatentsMax ?? (old.strongest.latents / 4) else { return nil }
        var kept = old, fresh = 0
        let patches = view.shape.layout.patches
        for segment in segments {
            let slots = segment.images.indices.filter {
                let image = segment.images[$0]
                return image != Segment.hole && present[Int(image)] && !isCounted(image)
            }
            fresh += slots.count
            guard !slots.isEmpty else { continue }
            if !segment.sealed {
                for slot in slots { kept.strongest.take(segment.summaries[slot], of: segment.images[slot], patches: patches) }
            } else if let single = single(slots, of: segment, view) {
                for (slot, postings) in zip(slots, single) {
                    for posting in postings {
                        let mean = posting.overallMean(patches: patches)
                        if mean > 0 { kept.strongest.offer(Int(posting.latent), image: segment.images[slot], mean: mean) }
                    }
                }
            } else {
                var isFresh = [Bool](repeating: false, count: present.count)
                for slot in slots { isFresh[Int(segment.images[slot])] = true }
                try findStrongest(Array(0..<view.shape.latents), isFresh, [segment], view, into: &kept.strongest)
            }
        }
        for latent in lost { kept.strongest.clear(latent) }
        try findStrongest(lost, present, segments, view, into: &kept.strongest)
        kept.unwritten += fresh + gone
        return kept
    }

    /// Some slots' postings from their snapshots; nil where there are too many, or one cannot be read.
    private func single(_ slots: [Int], of segment: Segment, _ view: ViewStore) -> [[LatentPosting]]? {
        guard slots.count <= options.singleImagesMax else { return nil }
        var all: [[LatentPosting]] = []
        for slot in slots {
            guard let read = try? postings(of: ImageRecord.ID(rawValue: segment.images[slot]), in: view.record.id) else { return nil }
            all.append(read.postings)
        }
        return all
    }

    /// Offers the postings of some latents in some images (true in `mask`, by image id).
    private func findStrongest(
        _ latents: [Int], _ mask: [Bool], _ segments: [Segment], _ view: ViewStore, into strongest: inout StrongestImages
    ) throws(StoreError) {
        let patches = view.shape.layout.patches
        var walk = SealedWalk(store: self, view: view)
        for latent in latents {
            for segment in segments {
                func take(_ entry: SlotPosting) {
                    let image = segment.images[Int(entry.slot)]
                    guard image != Segment.hole, image < mask.count, mask[Int(image)] else { return }
                    let mean = entry.posting.overallMean(patches: patches)
                    if mean > 0 { strongest.offer(latent, image: image, mean: mean) }
                }
                if segment.sealed {
                    try walk.postings(of: latent, segment, take)
                } else {
                    try forEachPosting(of: latent, segment: segment, view: view, take)
                }
            }
        }
        if latents.count > 1024 { walk.release() }
    }

    // MARK: File

    private func strongestPath(_ view: ViewStore) -> String { "\(folder)/tables/\(view.record.id).top" }

    private func readStrongest(of view: ViewStore) -> KeptStrongest? {
        guard let file = try? File(path: strongestPath(view), flags: O_RDONLY), let size = try? file.size(),
            let bytes = try? file.read(at: 0, count: size), let (strongest, counted) = StrongestFile.decode(bytes, shape: view.shape)
        else { return nil }
        return KeptStrongest(strongest: strongest, counted: counted, changes: 0, unwritten: 0)
    }

    /// Failing costs only time later.
    private func write(_ kept: inout KeptStrongest, of view: ViewStore) {
        kept.unwritten = 0
        try? File.makeFolder(folder + "/tables")
        try? File.writeAtomically(
            strongestPath(view), StrongestFile.encode(kept.strongest, counted: kept.counted, shape: view.shape), faults: options.faults)
    }
}

extension StrongestImages {
    fileprivate mutating func take(_ summary: ImageSummary?, of image: Int64, patches: Int) {
        guard let summary else { return }
        for position in 0..<summary.count {
            let posting = summary[position], mean = posting.overallMean(patches: patches)
            if mean > 0 { offer(Int(posting.latent), image: image, mean: mean) }
        }
    }
}
