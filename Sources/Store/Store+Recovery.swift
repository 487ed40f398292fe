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
            let path = "\(folder)/segments/\(name)"
            named.formUnion(["seg", "idx", "sum"].map { "\(name).\($0)" })
            guard File.exists(path + ".seg") else {
                gone.append(segment.id)
                // One without slots was begun in the moment of a crash.
                if segment.slots > 0 { report.short.append(name + ".seg") }
                continue
            }
            let file = try File(path: path + ".seg", flags: O_RDWR)
            let size = try file.size()
            if size > segment.length {
                try file.truncate(to: segment.length)
                try file.syncData()
                report.truncated[name + ".seg"] = size - segment.length
            } else if size < segment.length {
                report.short.append(name + ".seg")
            }
            if size >= SegmentHeader.byteCount {
                let header = try file.read(at: 0, count: SegmentHeader.byteCount)
                // Only a later version stops the store; a damaged header is met, and reported, by its readers.
                if case .newerVersion? = headerError(header, path + ".seg") {
                    _ = try SegmentHeader(header, magic: SegmentHeader.segmentMagic, file: path + ".seg")
                }
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

    private static func headerError(_ bytes: [UInt8], _ file: String) -> StoreError? {
        do {
            _ = try SegmentHeader(bytes, magic: SegmentHeader.segmentMagic, file: file)
            return nil
        } catch {
            return error
        }
    }
}
