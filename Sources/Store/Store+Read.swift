// Reading snapshots back, and making postings from them where they are not in memory.

import Basics
import Foundation
import GRDB

extension Store {
    /// One image's snapshot, or nil where the view has none.
    ///
    /// - Parameter activations: also read kept activations; they are the larger part of a snapshot.
    /// - Throws: `damaged` (and the snapshot is listed in `damaged`), `needsEncoder`, `encoderFailed`.
    public func snapshot(
        of image: ImageRecord.ID, in id: ViewRecord.ID, activations: Bool = false
    ) throws(StoreError) -> Snapshot? {
        let view = try self.view(id)
        guard let record = try record(of: image, in: id) else { return nil }
        do {
            return try read(record, view: view, activations: activations).snapshot
        } catch StoreError.io {
            // `purge` may have moved it between the two steps.
            guard let moved = try self.record(of: image, in: id) else { return nil }
            return try read(moved, view: view, activations: activations).snapshot
        }
    }

    /// Whether an image has a snapshot in a view.
    public func hasSnapshot(of image: ImageRecord.ID, in view: ViewRecord.ID) throws(StoreError) -> Bool {
        try record(of: image, in: view) != nil
    }

    /// An image's postings, ascending by latent: what `show` lists. Nil where the view has no snapshot of it.
    public func postings(of image: ImageRecord.ID, in id: ViewRecord.ID) throws(StoreError) -> (snapshot: Snapshot, postings: [LatentPosting])? {
        let view = try self.view(id)
        guard let record = try record(of: image, in: id) else { return nil }
        let read = try read(record, view: view, activations: false)
        return (read.snapshot, view.summarizers.with { $0.postings(read.snapshot.latents, wide: record.wide) })
    }

    func record(of image: ImageRecord.ID, in view: ViewRecord.ID) throws(StoreError) -> SnapshotRecord? {
        try catalog.read { db in
            try SnapshotRecord.fetchOne(db, sql: "SELECT * FROM snapshots WHERE view = ? AND image = ?", arguments: [view, image])
        }
    }

    /// Reads the frames of one snapshot. Damage is noted and thrown.
    func read(_ record: SnapshotRecord, view: ViewStore, activations: Bool) throws(StoreError) -> (snapshot: Snapshot, dense: Bool) {
        do throws(StoreError) {
            return try decode(record, view: view, activations: activations)
        } catch {
            if case .damaged = error { report(damaged: DamagedSnapshot(view: record.view, image: record.image)) }
            throw error
        }
    }

    private func decode(_ record: SnapshotRecord, view: ViewStore, activations: Bool) throws(StoreError) -> (snapshot: Snapshot, dense: Bool) {
        let file = try reader(view.path(record.segment, "seg"))
        let coder = SnapshotCoder(shape: view.shape, level: options.compressionLevel, keepActivations: false)
        let wholeLength = record.dense || activations ? record.length : record.headLength
        let bytes = try file.read(at: record.offset, count: wholeLength)
        let head: SnapshotCoder.Head, kept: [Float]?
        do throws(MalformedBytes) {
            (head, kept) = try zstd.with { (codec) throws(MalformedBytes) in
                try bytes.withRaw { (raw) throws(MalformedBytes) in
                    let (payload, length) = try Frame.decode(raw, expecting: .latents, codec: codec)
                    let head = try coder.decodeHead(payload)
                    guard head.activationsFollow, length < raw.count else { return (head, nil) }
                    let rest = UnsafeRawBufferPointer(rebasing: raw[length...])
                    let body = try Frame.decode(rest, expecting: .activations, codec: codec).payload
                    return (head, try coder.decodeActivations(body))
                }
            }
        } catch {
            throw .damaged(file: file.path, offset: record.offset + error.offset, reason: error.reason)
        }
        let stored = head.latents
        guard let latents = stored != nil ? stored : try encodeAgain(kept, wide: head.wide, view: view) else {
            throw .damaged(file: file.path, offset: record.offset, reason: "neither latents nor activations")
        }
        let snapshot = Snapshot(
            image: head.image, layout: view.shape.layout, latents: latents, embedding: head.embedding,
            activations: activations ? kept : nil)
        return (snapshot, head.dense)
    }

    /// Latents of kept activations, rounded as they would have been stored.
    private func encodeAgain(_ activations: [Float]?, wide: Bool, view: ViewStore) throws(StoreError) -> SparseRows? {
        guard let activations else { return nil }
        guard let encoder = view.encoder else { throw .needsEncoder(view: view.record.name) }
        var latents: SparseRows
        do {
            latents = try activations.withUnsafeBufferPointer { try encoder($0.baseAddress!, view.shape.layout.count) }
        } catch {
            throw .encoderFailed(view: view.record.name, reason: "\(error)")
        }
        guard latents.rows == view.shape.layout.count, latents.width == view.shape.latents else {
            throw .encoderFailed(view: view.record.name, reason: "it gave \(latents.rows) x \(latents.width) latents")
        }
        if !wide { for k in latents.values.indices { latents.values[k] = Half.rounded(latents.values[k]) } }
        return latents
    }

    // MARK: Postings of open segments

    /// The view's segments with the postings of open ones in memory: after a start or `trim` they are made.
    func readySegments(of view: ViewStore) throws(StoreError) -> [Segment] {
        var segments = view.segments
        // Once is enough unless `trim` comes in between.
        while segments.contains(where: \.lacksSummaries) {
            try makeSummaries(of: view)
            segments = view.segments
        }
        return segments
    }

    private func makeSummaries(of view: ViewStore) throws(StoreError) {
        view.rebuilding.lock()
        defer { view.rebuilding.unlock() }
        for segment in view.segments where segment.lacksSummaries {
            let made = try summaries(of: segment, view: view)
            view.update(segment.id) { current in
                guard !current.sealed else { return }
                for (slot, summary) in made.enumerated() where current.summaries[slot] == nil {
                    if let summary {
                        current.summaries[slot] = summary
                        current.summaryBytes += summary.byteCount
                    } else {
                        current.images[slot] = Segment.hole
                    }
                }
            }
        }
    }

    /// A segment's postings from its side file and its frames; nil for holes and damaged snapshots.
    func summaries(of segment: Segment, view: ViewStore) throws(StoreError) -> [ImageSummary?] {
        let records = try catalog.read { db in
            try SnapshotRecord.fetchAll(db, sql: "SELECT * FROM snapshots WHERE segment = ? ORDER BY slot", arguments: [segment.id])
        }
        let kept = records.contains(where: \.dense) ? keptSummaries(segment: segment.id, view: view) : [:]
        var made = segment.summaries.isEmpty ? [ImageSummary?](repeating: nil, count: segment.images.count) : segment.summaries
        for record in records where record.slot < made.count && made[record.slot] == nil {
            if let summary = kept[record.slot] {
                made[record.slot] = summary
                continue
            }
            do throws(StoreError) {
                let latents = try read(record, view: view, activations: false).snapshot.latents
                made[record.slot] = view.summarizers.with { $0.summary(latents, wide: record.wide) }
            } catch {
                // A damaged snapshot is noted and left out; one that needs an SAE stops the query with that advice.
                guard case .damaged = error else { throw error }
            }
        }
        return made
    }
}
