// After a crash: what the catalog does not name is cut off, what it names and is not there is reported.

import Basics
import Foundation
import GRDB

extension Store {
    static func recover(folder: String, catalog: Catalog) throws(StoreError) -> RecoveryReport {
        let segments = try catalog.read { try SegmentRecord.fetchAll($0, sql: "SELECT * FROM segments") }
        var report = RecoveryReport()
        var named: Set<String> = [], gone: [SegmentRecord.ID] = []
        for segment in segments {
            let name = "\(segment.view)/\(segment.id)"
            let path = "\(folder)/segments/\(name).seg"
            named.formUnion(["seg", "idx", "sum"].map { "\(name).\($0)" })
            guard let size = try File.size(at: path), segment.slots > 0 || size >= segment.length else {
                gone.append(segment.id)
                unlink(path)
                // One without slots was begun in the moment of a crash.
                if segment.slots > 0 { report.short.append(name + ".seg") }
                continue
            }
            if size > segment.length {
                let file = try File(path: path, flags: O_RDWR)
                try file.truncate(to: segment.length)
                try file.syncData()
                report.truncated[name + ".seg"] = size - segment.length
            } else if size < segment.length {
                report.short.append(name + ".seg")
            }
        }
        // Nothing of them can be read: their images lack a snapshot again.
        if !gone.isEmpty {
            try catalog.write { db in
                for segment in gone {
                    try db.execute(sql: "DELETE FROM snapshots WHERE segment = ?", arguments: [segment])
                    try db.execute(sql: "DELETE FROM segments WHERE id = ?", arguments: [segment])
                }
            }
        }
        for file in File.names(in: folder + "/tables") where file.hasSuffix(".tmp") { unlink("\(folder)/tables/\(file)") }
        for view in File.names(in: folder + "/segments") {
            for file in File.names(in: "\(folder)/segments/\(view)") where !named.contains("\(view)/\(file)") {
                if file.hasSuffix(".tmp") {
                    unlink("\(folder)/segments/\(view)/\(file)")
                } else {
                    report.unnamed.append("\(view)/\(file)")
                }
            }
        }
        return report
    }

    /// Refuses a store of a later version before anything is changed. A damaged header is met, and reported, by its readers.
    static func refuseLaterVersion(folder: String) throws(StoreError) {
        try Catalog.refuseForeign(folder + "/catalog.sqlite")
        for view in File.names(in: folder + "/segments") {
            for name in File.names(in: "\(folder)/segments/\(view)") where name.hasSuffix(".seg") {
                let path = "\(folder)/segments/\(view)/\(name)"
                let file = try File(path: path, flags: O_RDONLY)
                guard try file.size() >= SegmentHeader.byteCount else { continue }
                let bytes = try file.read(at: 0, count: SegmentHeader.byteCount)
                do throws(StoreError) {
                    _ = try SegmentHeader(bytes, magic: SegmentHeader.segmentMagic, file: path)
                } catch {
                    if case .newerVersion = error { throw error }
                }
            }
        }
    }

    /// Snapshots that lie, as the catalog has it, behind the end of a segment's file.
    static func missing(from short: [String], folder: String, catalog: Catalog) throws(StoreError) -> [DamagedSnapshot] {
        var missing: [DamagedSnapshot] = []
        for name in short {
            let path = "\(folder)/segments/\(name)"
            let size = try File.size(at: path) ?? 0
            guard let segment = Int64(name.dropLast(".seg".count).split(separator: "/").last ?? "") else { continue }
            missing += try catalog.read { db in
                try SnapshotRecord.fetchAll(
                    db, sql: "SELECT * FROM snapshots WHERE segment = ? AND \"offset\" + length > ?", arguments: [segment, size])
            }.map { DamagedSnapshot(view: $0.view, image: $0.image) }
        }
        return missing
    }
}
