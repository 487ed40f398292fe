// Queries over many images: the postings of a latent, and the merged aggregates of all latents.

import Basics
import Foundation

/// One latent in one present image.
public struct ImagePosting: Sendable {
    public var image: ImageRecord.ID
    /// The image's entry in `LatentPostings.labelNames`, 1-based; 0 without a label.
    public var label: Int32
    public var posting: LatentPosting
}

/// A latent's postings over the present images of a view, as of one moment.
public struct LatentPostings: Sendable {
    /// In segment and slot order: that of committing.
    public var items: [ImagePosting]
    /// Name of label number i + 1.
    public var labelNames: [String]
    /// Place of label number i + 1 among the labels in use, sorted by name; -1 where not in use.
    public var labelRanks: [Int32]
    /// Present images of label number i + 1.
    public var labelImages: [Int]
    /// Present images with a snapshot in the view: the denominator of shares.
    public var images: Int
}

/// How many images a view holds.
public struct ViewCounts: Sendable, Codable, Equatable {
    /// Present images with a snapshot.
    public var images: Int
    /// Snapshots of images that are absent.
    public var absent: Int
    public var segments: Int
    /// Committed bytes of snapshots.
    public var bytes: Int
}

extension Store {
    /// All postings of a latent: a merge of sealed indexes and open segments, without absent images.
    ///
    /// - Throws: `notFound` where the view has no such latent.
    public func postings(of latent: Int, in id: ViewRecord.ID) throws(StoreError) -> LatentPostings {
        var answer: LatentPostings?
        try forEachLatent(CollectionOfOne(latent), in: id) { answer = $1 }
        guard let answer else { throw .notFound(kind: "latent", name: "\(latent)") }
        return answer
    }

    /// The postings of several latents, one after the other, as of one moment. `body` ends the walk by throwing.
    public func forEachLatent(
        _ latents: some Sequence<Int>, in id: ViewRecord.ID, _ body: (Int, LatentPostings) throws(StoreError) -> Void
    ) throws(StoreError) {
        let view = try self.view(id)
        let segments = try readySegments(of: view)
        let (table, ranks) = images.withLock { ($0, $0.labelRanks()) }
        let present = segments.reduce(0) { $0 + $1.images.count { table.isPresent($0) } }
        for latent in latents {
            guard latent >= 0, latent < view.shape.latents else { throw .notFound(kind: "latent", name: "\(latent)") }
            var items: [ImagePosting] = []
            for segment in segments {
                try forEachPosting(of: latent, segment: segment, view: view) { entry in
                    let image = segment.images[Int(entry.slot)]
                    let label = table.entry(of: image)
                    if label != ImageTable.absent {
                        items.append(ImagePosting(image: .init(rawValue: image), label: label, posting: entry.posting))
                    }
                }
            }
            try body(latent, LatentPostings(
                    items: items, labelNames: table.labels, labelRanks: ranks, labelImages: table.labelCounts, images: present))
        }
    }

    /// Every posting of a segment's latent, absent images included.
    func forEachPosting(
        of latent: Int, segment: Segment, view: ViewStore, _ body: (SlotPosting) -> Void
    ) throws(StoreError) {
        if segment.sealed {
            // An index answers whole or not at all, so `body` sees no posting twice.
            do throws(StoreError) {
                try index(of: segment, view: view).postings(of: latent, body)
            } catch {
                guard error.isRepairable else { throw error }
                try rebuildIndex(of: segment, view: view).postings(of: latent, body)
            }
        } else {
            for (slot, summary) in segment.summaries.enumerated() {
                if let summary, let position = summary.position(of: UInt32(latent)) {
                    body(SlotPosting(slot: UInt16(slot), posting: summary[position]))
                }
            }
        }
    }

    /// A sealed segment's index, mapped at its first use.
    func index(of segment: Segment, view: ViewStore) throws(StoreError) -> SegmentIndex {
        if let index = segment.index { return index }
        let index = try SegmentIndex(path: view.path(segment.id, "idx"), expecting: view.shape)
        guard index.slots == segment.images.count else {
            throw .damaged(file: view.path(segment.id, "idx"), offset: 32, reason: "\(index.slots) slots, \(segment.images.count) expected")
        }
        view.update(segment.id) { $0.index = $0.index ?? index }
        return index
    }

    /// An index is derived: where it is damaged or gone it is made again from the frames.
    func rebuildIndex(of segment: Segment, view: ViewStore) throws(StoreError) -> SegmentIndex {
        view.rebuilding.lock()
        defer { view.rebuilding.unlock() }
        guard view.segments.contains(where: { $0.id == segment.id }) else {
            // Purged since the question began: its snapshots are in another segment now, or gone.
            throw .system("open", view.path(segment.id, "idx"), ENOENT)
        }
        let index = try writeIndex(try summaries(of: segment, view: view), segment: segment.id, of: view)
        view.update(segment.id) { $0.index = index }
        return index
    }

    // MARK: Aggregates

    /// The merged aggregates where they are at hand: never reads or waits.
    public func aggregatesAtHand(in id: ViewRecord.ID) throws(StoreError) -> Aggregates? {
        try view(id).contents.withLock { $0.lostMaxima.isEmpty ? $0.merged : nil }
    }

    /// Aggregates of all latents over the present images. The first call after a start merges the segments'
    /// own (a few ms each); then they are kept and updated by every append, deletion and revival.
    public func aggregates(in id: ViewRecord.ID) throws(StoreError) -> Aggregates {
        let view = try self.view(id)
        if let merged = view.contents.withLock({ $0.lostMaxima.isEmpty ? $0.merged : nil }) { return merged }
        writer.lock()
        defer { writer.unlock() }
        return try mergedAggregates(of: view)
    }

    /// As of the last commit. The caller holds `writer`.
    func mergedAggregates(of view: ViewStore) throws(StoreError) -> Aggregates {
        if view.contents.withLock({ $0.merged == nil }) {
            let merged = try mergeSegments(of: view)
            view.contents.withLock { contents in
                contents.merged = merged
                contents.lostMaxima = []
            }
        }
        try findLostMaxima(of: view)
        return view.contents.withLock { $0.merged } ?? Aggregates(layout: view.shape.layout, latents: view.shape.latents)
    }

    private func mergeSegments(of view: ViewStore) throws(StoreError) -> Aggregates {
        let table = images.withLock { $0 }
        var merged = Aggregates(layout: view.shape.layout, latents: view.shape.latents)
        for segment in try readySegments(of: view) {
            let present = segment.images.map { table.isPresent($0) }
            if !segment.sealed {
                for (slot, summary) in segment.summaries.enumerated() where present[slot] {
                    if let summary { merged.add(summary) }
                }
            } else if present.allSatisfy({ $0 }) {
                merged.merge(try sealedAggregates(of: segment, view: view))
            } else {
                for latent in 0..<view.shape.latents {
                    try forEachPosting(of: latent, segment: segment, view: view) { entry in
                        if present[Int(entry.slot)] {
                            merged.latents[latent].add(entry.posting, patches: merged.layout.patches)
                        }
                    }
                }
                merged.images += present.count { $0 }
            }
        }
        return merged
    }

    private func sealedAggregates(of segment: Segment, view: ViewStore) throws(StoreError) -> Aggregates {
        do throws(StoreError) {
            return try index(of: segment, view: view).aggregates(zstd)
        } catch {
            guard error.isRepairable else { throw error }
            return try rebuildIndex(of: segment, view: view).aggregates(zstd)
        }
    }

    /// Where an image that held a maximum went, the largest of the others is looked up in the postings.
    private func findLostMaxima(of view: ViewStore) throws(StoreError) {
        let lost = view.contents.withLock { $0.lostMaxima }
        guard !lost.isEmpty else { return }
        let table = images.withLock { $0 }
        let segments = try readySegments(of: view)
        for latent in lost {
            var fresh = LatentAggregate()
            for segment in segments {
                try forEachPosting(of: Int(latent), segment: segment, view: view) { entry in
                    if table.isPresent(segment.images[Int(entry.slot)]) {
                        fresh.add(entry.posting, patches: view.shape.layout.patches)
                    }
                }
            }
            view.contents.withLock { $0.merged?.latents[Int(latent)] = fresh }
        }
        view.contents.withLock { $0.lostMaxima.subtract(lost) }
    }

    /// Keeps merged aggregates in step with images that came or went. The caller holds `writer`.
    func follow(_ changes: [(image: ImageRecord.ID, present: Bool)]) {
        for view in loadedViews where view.contents.withLock({ $0.merged != nil }) {
            // Beyond some images merging anew is cheaper than decoding each one's snapshot.
            guard changes.count <= 256 else {
                view.contents.withLock { $0.merged = nil }
                continue
            }
            for change in changes {
                do {
                    guard let read = try postings(of: change.image, in: view.record.id) else { continue }
                    let summary = ImageSummary(read.postings, hasPrompts: view.shape.layout.prompts > 0)
                    view.contents.withLock { contents in
                        if change.present {
                            contents.merged?.add(summary)
                        } else if let lost = contents.merged?.remove(summary) {
                            contents.lostMaxima.formUnion(lost)
                        }
                    }
                } catch {
                    // A snapshot that cannot be read now: merge anew when someone asks.
                    view.contents.withLock { $0.merged = nil }
                }
            }
        }
    }

    /// Counts for `status`: from memory, microseconds once the view is loaded.
    public func counts(of id: ViewRecord.ID) throws(StoreError) -> ViewCounts {
        let segments = try view(id).segments
        let table = images.withLock { $0 }
        var counts = ViewCounts(images: 0, absent: 0, segments: segments.count, bytes: 0)
        for segment in segments {
            counts.bytes += segment.length
            for image in segment.images where image != Segment.hole {
                if table.isPresent(image) { counts.images += 1 } else { counts.absent += 1 }
            }
        }
        return counts
    }
}

extension StoreError {
    /// Whether a derived file can be made again.
    var isRepairable: Bool {
        switch self {
        case .damaged, .notAStoreFile: true
        case let .io(_, _, code, _): code == ENOENT
        default: false
        }
    }

    /// Whether an encoder would help.
    var asksForEncoder: Bool {
        switch self {
        case .needsEncoder, .encoderFailed: true
        default: false
        }
    }
}
