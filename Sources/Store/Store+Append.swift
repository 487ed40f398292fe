// Writing: frames, fdatasync, catalog row. A failure at any of the three leaves the store as it was.

import Basics
import Foundation
import GRDB

extension Store {
    /// Commits a batch: durable when this returns, one commit for each segment that it reaches into. An image
    /// that has a snapshot in this view already, or comes twice, is skipped, so that a batch may be repeated.
    ///
    /// Cost: about 1.5 ms an image of 29,300 latents, two syncs a batch; sealing a full segment follows at once.
    ///
    /// - Returns: the number of snapshots written.
    /// - Throws: `invalidSnapshot` (nothing is written), `notFound` for an image without `upsertPath`,
    ///   `diskFull`, `io`, `catalog` (what was written is taken back; the store stays usable).
    @discardableResult
    public func append(_ batch: [Snapshot], to id: ViewRecord.ID) throws(StoreError) -> Int {
        let view = try self.view(id)
        let coder = SnapshotCoder(shape: view.shape, level: options.compressionLevel, keepActivations: options.keepActivations)
        // Encoding needs no lock: other threads may do it at the same time.
        let encoded = try batch.map { (snapshot) throws(StoreError) in
            let frames = try zstd.with { (codec) throws(StoreError) in try coder.encode(snapshot, zstd: codec) }
            let summary = view.summarizers.with { $0.summary(snapshot.latents, wide: frames.wide) }
            return Pending(hash: snapshot.image, frames: frames, summary: summary, embedding: snapshot.embedding)
        }
        writer.lock()
        defer { writer.unlock() }
        let fresh = try select(encoded, view: id)
        var rest = fresh[...]
        while !rest.isEmpty {
            let segment = try openSegment(of: view)
            let part = rest.prefix(options.sealImages - segment.images.count)
            try write(Array(part), to: view, segment: segment)
            noteChange()
            rest = rest.dropFirst(part.count)
            // This much is committed: a seal that fails now (disk full) is tried again at the next append.
            if let full = view.segments.last(where: { !$0.sealed && !$0.frozen }), isFull(full) { try? seal(full.id, of: view) }
        }
        return fresh.count
    }

    private struct Pending {
        var hash: ContentHash
        var frames: SnapshotCoder.Encoded
        var summary: ImageSummary
        var embedding: [Float]
        var image: ImageRecord.ID = .init(rawValue: Segment.hole)
    }

    private func isFull(_ segment: Segment) -> Bool {
        segment.images.count >= options.sealImages || segment.length >= options.sealBytes
            || segment.summaryBytes >= options.sealPostingBytes
    }

    /// What is not there yet, with image ids.
    private func select(_ batch: [Pending], view: ViewRecord.ID) throws(StoreError) -> [Pending] {
        try catalog.read { db in
            var seen: Set<ContentHash> = []
            return try batch.compactMap { pending in
                guard seen.insert(pending.hash).inserted else { return nil }
                guard let image = try ImageRecord.ID.fetchOne(
                    db, sql: "SELECT id FROM images WHERE hash = ?", arguments: [pending.hash])
                else { throw StoreError.notFound(kind: "image", name: pending.hash.short) }
                let known = try Bool.fetchOne(
                    db, sql: "SELECT EXISTS(SELECT 1 FROM snapshots WHERE view = ? AND image = ?)", arguments: [view, image])
                if known == true { return nil }
                var pending = pending
                pending.image = image
                return pending
            }
        }
    }

    private func write(_ batch: [Pending], to view: ViewStore, segment: Segment) throws(StoreError) {
        let path = view.path(segment.id, "seg")
        var offset = segment.length
        var bytes: [UInt8] = []
        var records: [SnapshotRecord] = []
        for pending in batch {
            records.append(
                SnapshotRecord(
                    view: view.record.id, image: pending.image, segment: segment.id, slot: segment.images.count + records.count,
                    offset: offset, headLength: pending.frames.headLength, length: pending.frames.bytes.count,
                    dense: pending.frames.dense, wide: pending.frames.wide))
            bytes.append(contentsOf: pending.frames.bytes)
            offset += pending.frames.bytes.count
        }
        let file = try File(path: path, flags: O_RDWR, faults: options.faults)
        do throws(StoreError) {
            try file.write(bytes, at: segment.length)
            try file.syncData()
            try commit(records, segment: segment, length: offset)
        } catch {
            // Should this fail as well, recovery does it at the next start, and the next append overwrites.
            try? file.truncate(to: segment.length)
            throw error
        }
        keepSummaries(of: batch, view: view, segment: segment) { ($0.frames.dense, $0.summary) }
        keepEmbeddings(of: batch.map { ($0.image.rawValue, $0.embedding) }, view: view)
        let present = images.withLock { table in batch.map { table.isPresent($0.image.rawValue) } }
        view.contents.withLock { contents in
            guard let at = contents.segments.firstIndex(where: { $0.id == segment.id }) else { return }
            contents.segments[at].length = offset
            for (pending, isPresent) in zip(batch, present) {
                contents.segments[at].images.append(pending.image.rawValue)
                contents.segments[at].summaries.append(pending.summary)
                contents.segments[at].summaryBytes += pending.summary.byteCount
                if isPresent { contents.merged?.add(pending.summary) }
            }
        }
    }

    private func commit(_ records: [SnapshotRecord], segment: Segment, length: Int) throws(StoreError) {
        try catalog.write { db in
            let insert = try db.cachedStatement(sql: "INSERT INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
            for r in records {
                try insert.execute(arguments: [
                    r.view, r.image, r.segment, r.slot, r.offset, r.headLength, r.length, r.dense, r.wide,
                ])
            }
            try db.execute(
                sql: "UPDATE segments SET length = ?, slots = ? WHERE id = ?",
                arguments: [length, segment.images.count + records.count, segment.id])
        }
    }

    /// The segment that takes the next frames. The catalog names a segment before its file exists, so that
    /// a crash leaves no file without a name.
    private func openSegment(of view: ViewStore) throws(StoreError) -> Segment {
        if let open = view.segments.last(where: { !$0.sealed && !$0.frozen }) {
            if !isFull(open) { return open }
            do throws(StoreError) {
                try seal(open.id, of: view)
            } catch {
                // Without its SAE a dense segment's lost postings cannot be made: it stays unsealed, the next takes over.
                guard error.asksForEncoder else { throw error }
            }
        }
        let record = try catalog.write { db in
            try SegmentRecord.fetchOne(
                db, sql: "INSERT INTO segments (view, length, slots, sealed) VALUES (?, ?, 0, 0) RETURNING *",
                arguments: [view.record.id, SegmentHeader.byteCount])!  // RETURNING yields the row just made
        }
        let path = view.path(record.id, "seg")
        do throws(StoreError) {
            try File.makeFolder(view.folder)
            let file = try File(path: path, flags: O_RDWR | O_CREAT | O_EXCL, faults: options.faults)
            try file.write(view.shape.encode(magic: SegmentHeader.segmentMagic), at: 0)
            try file.syncData()
            try File.syncFolder(of: path)
        } catch {
            unlink(path)
            try? catalog.write { try $0.execute(sql: "DELETE FROM segments WHERE id = ?", arguments: [record.id]) }
            throw error
        }
        let segment = Segment(id: record.id, length: record.length, sealed: false, images: [])
        view.contents.withLock { $0.segments.append(segment) }
        return segment
    }

    // MARK: Sealing

    /// Writes a segment's index and closes it. The caller holds `writer`.
    func seal(_ id: SegmentRecord.ID, of view: ViewStore) throws(StoreError) {
        guard let segment = try readySegments(of: view).first(where: { $0.id == id }), !segment.sealed else { return }
        let index = try writeIndex(segment.summaries, segment: id, of: view)
        try catalog.write { try $0.execute(sql: "UPDATE segments SET sealed = 1 WHERE id = ?", arguments: [id]) }
        view.update(id) { segment in
            segment.sealed = true
            segment.summaries = []
            segment.summaryBytes = 0
            segment.index = index
        }
        unlink(view.path(id, "sum"))
    }

    func writeIndex(_ summaries: [ImageSummary?], segment: SegmentRecord.ID, of view: ViewStore) throws(StoreError) -> SegmentIndex {
        let path = view.path(segment, "idx")
        let bytes = zstd.with { SegmentIndex.encode(summaries, shape: view.shape, zstd: $0) }
        try File.writeAtomically(path, bytes, faults: options.faults)
        return try SegmentIndex(path: path, expecting: view.shape)
    }
}
