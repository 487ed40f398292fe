// Freeing what is absent, and forgetting what is damaged. A segment is rewritten beside itself; the catalog
// row switches over; only then the old file goes.

import Basics
import Foundation
import GRDB

/// What `purge` freed.
public struct PurgeReport: Sendable, Equatable {
    public var snapshots = 0
    public var images = 0
    public var bytes = 0

    public init() {}
}

extension Store {
    /// Removes the snapshots of absent images (in all views), absent images without snapshots, and views that
    /// are inactive with all their snapshots when `inactiveViews` is true.
    ///
    /// A kill in the middle leaves each segment either as it was or rewritten.
    /// - Parameter only: of the absent images these alone; nil: all.
    public func purge(inactiveViews: Bool = false, only: Set<ImageRecord.ID>? = nil) throws(StoreError) -> PurgeReport {
        writer.lock()
        defer { writer.unlock() }
        var report = PurgeReport()
        for record in try catalog.views(includingInactive: true) {
            let view = try self.view(record.id)
            for segment in try readySegments(of: view) {
                let table = images.withLock { $0 }
                let drop = inactiveViews && !record.active
                    ? segment.images : segment.images.filter {
                        $0 != Segment.hole && !table.isPresent($0) && only?.contains(.init(rawValue: $0)) ?? true
                    }
                if !drop.isEmpty {
                    try rewrite(segment, without: Set(drop), view: view, into: &report)
                }
            }
            if view.segments.isEmpty { removeTables(of: view) }
        }
        report.images = try catalog.write { db in
            let unshown = "DELETE FROM images WHERE absent AND NOT EXISTS (SELECT 1 FROM snapshots WHERE image = images.id)"
            guard let only else {
                try db.execute(sql: unshown)
                return db.changesCount
            }
            var count = 0
            for image in only.sorted() {
                try db.execute(sql: unshown + " AND id = ?", arguments: [image])
                count += db.changesCount
            }
            return count
        }
        return report
    }

    /// Removes all snapshots of one view, with its segments, tables and answers; the view's record stays. Images
    /// of an active view then lack a snapshot again; absent ones without any other snapshot go.
    ///
    /// One transaction: a kill in the middle leaves all of it, or files that the next start reports as unnamed.
    public func purge(view id: ViewRecord.ID) throws(StoreError) -> PurgeReport {
        writer.lock()
        defer { writer.unlock() }
        let view = try self.view(id)
        var report = PurgeReport()
        (report.snapshots, report.images) = try catalog.write { db in
            try db.execute(sql: "DELETE FROM snapshots WHERE view = ?", arguments: [id])
            let snapshots = db.changesCount
            try db.execute(sql: "DELETE FROM segments WHERE view = ?", arguments: [id])
            try db.execute(
                sql: "DELETE FROM images WHERE absent AND NOT EXISTS (SELECT 1 FROM snapshots WHERE image = images.id)")
            return (snapshots, db.changesCount)
        }
        let gone = view.contents.withLock { contents in
            defer { contents.segments = []; contents.merged = nil; contents.lostMaxima = [] }
            return contents.segments
        }
        report.bytes = gone.reduce(0) { $0 + $1.length }
        for segment in gone {
            for ending in ["seg", "idx", "sum"] {
                forgetReader(view.path(segment.id, ending))
                unlink(view.path(segment.id, ending))
            }
        }
        removeTables(of: view)
        forget(damaged: Set(damaged.filter { $0.view == id }))
        noteChange()
        return report
    }

    /// All that is derived of a view.
    private func removeTables(of view: ViewStore) {
        view.tables.withLock { $0 = [:] }
        view.answers.withLock { $0 = [:] }
        view.embeddings.withLock { $0 = nil }
        view.strongest.withLock { $0 = nil }
        for name in File.names(in: folder + "/tables") where name.hasPrefix("\(view.record.id).") { unlink("\(folder)/tables/\(name)") }
    }

    /// Copies the frames of the images that stay, as they are, into a new sealed segment.
    private func rewrite(
        _ segment: Segment, without gone: Set<Int64>, view: ViewStore, into report: inout PurgeReport
    ) throws(StoreError) {
        let old = try catalog.read { db in
            try SnapshotRecord.fetchAll(db, sql: "SELECT * FROM snapshots WHERE segment = ? ORDER BY slot", arguments: [segment.id])
        }
        let kept = old.filter { !gone.contains($0.image.rawValue) }
        var fresh: Segment?
        if !kept.isEmpty { fresh = try copy(kept, of: segment, view: view) }
        do throws(StoreError) {
            try catalog.write { db in
                try db.execute(sql: "DELETE FROM snapshots WHERE segment = ?", arguments: [segment.id])
                if let fresh {
                    try db.execute(
                        sql: "UPDATE segments SET length = ?, slots = ?, sealed = 1 WHERE id = ?",
                        arguments: [fresh.length, fresh.images.count, fresh.id])
                    for record in self.moved(kept, to: fresh.id) {
                        try db.execute(
                            sql: "INSERT INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                            arguments: [
                                record.view, record.image, record.segment, record.slot, record.offset,
                                record.headLength, record.length, record.dense, record.wide,
                            ])
                    }
                }
                try db.execute(sql: "DELETE FROM segments WHERE id = ?", arguments: [segment.id])
            }
        } catch {
            if let fresh { discard(fresh.id, view: view) }
            throw error
        }
        // Of a view that is not active what is present goes too, and the view may come back.
        let counted = images.withLock { table in gone.contains { table.isPresent($0) } }
        view.contents.withLock { contents in
            contents.segments.removeAll { $0.id == segment.id }
            if let fresh { contents.segments.append(fresh) }
            if counted { (contents.merged, contents.lostMaxima) = (nil, []) }
        }
        if counted { noteChange() }
        for ending in ["seg", "idx", "sum"] {
            let path = view.path(segment.id, ending)
            forgetReader(path)
            unlink(path)
        }
        report.snapshots += old.count - kept.count
        report.bytes += segment.length - (fresh?.length ?? 0)
    }

    private func moved(_ records: [SnapshotRecord], to segment: SegmentRecord.ID) -> [SnapshotRecord] {
        var offset = SegmentHeader.byteCount
        return records.enumerated().map { slot, record in
            var record = record
            record.segment = segment
            record.slot = slot
            record.offset = offset
            offset += record.length
            return record
        }
    }

    private func copy(_ records: [SnapshotRecord], of segment: Segment, view: ViewStore) throws(StoreError) -> Segment {
        let postings = try summaries(of: segment, view: view)
        let record = try catalog.write { db in
            try SegmentRecord.fetchOne(
                db, sql: "INSERT INTO segments (view, length, slots, sealed) VALUES (?, ?, 0, 0) RETURNING *",
                arguments: [view.record.id, SegmentHeader.byteCount])!  // RETURNING yields the row just made
        }
        do throws(StoreError) {
            let source = try reader(view.path(segment.id, "seg"))
            let path = view.path(record.id, "seg")
            let file = try File(path: path, flags: O_RDWR | O_CREAT | O_EXCL, faults: options.faults)
            try file.write(view.shape.encode(magic: SegmentHeader.segmentMagic), at: 0)
            var offset = SegmentHeader.byteCount
            for old in records {
                try file.write(try source.read(at: old.offset, count: old.length), at: offset)
                offset += old.length
            }
            try file.syncData()
            try File.syncFolder(of: path)
            let index = try writeIndex(records.map { postings[$0.slot] }, segment: record.id, of: view)
            var fresh = Segment(
                id: record.id, length: offset, sealed: true, images: records.map(\.image.rawValue))
            fresh.index = index
            return fresh
        } catch {
            discard(record.id, view: view)
            throw error
        }
    }

    private func discard(_ segment: SegmentRecord.ID, view: ViewStore) {
        for ending in ["seg", "idx"] { unlink(view.path(segment, ending)) }
        // Should this fail, an empty segment stays, which costs a row.
        try? catalog.write { try $0.execute(sql: "DELETE FROM segments WHERE id = ?", arguments: [segment]) }
    }

    /// Forgets damaged snapshots, so that their images lack one again and are encoded anew.
    ///
    /// - Returns: the number forgotten.
    @discardableResult
    public func discardDamaged() throws(StoreError) -> Int {
        // Asked often: nobody waits for a writer where there is nothing to do.
        guard !self.damaged.isEmpty else { return 0 }
        writer.lock()
        defer { writer.unlock() }
        let noted = Set(self.damaged)
        // Whoever met the damage may have been slow, and the image been encoded anew meanwhile.
        var damaged: Set<DamagedSnapshot> = []
        for snapshot in noted {
            guard let record = try record(of: snapshot.image, in: snapshot.view) else { continue }
            do throws(StoreError) {
                _ = try read(record, view: try view(snapshot.view), activations: true)
            } catch {
                if case .damaged = error { damaged.insert(snapshot) }
            }
        }
        guard !damaged.isEmpty else {
            forget(damaged: noted)
            return 0
        }
        try catalog.write { db in
            for snapshot in damaged {
                try db.execute(
                    sql: "DELETE FROM snapshots WHERE view = ? AND image = ?", arguments: [snapshot.view, snapshot.image])
            }
        }
        for view in loadedViews {
            let images = Set(damaged.filter { $0.view == view.record.id }.map(\.image.rawValue))
            guard !images.isEmpty else { continue }
            view.contents.withLock { contents in
                for at in contents.segments.indices {
                    for slot in contents.segments[at].images.indices where images.contains(contents.segments[at].images[slot]) {
                        contents.segments[at].images[slot] = Segment.hole
                        if !contents.segments[at].sealed { contents.segments[at].summaries[slot] = nil }
                    }
                }
                contents.merged = nil
            }
        }
        noteChange()
        forget(damaged: noted)
        return damaged.count
    }
}
