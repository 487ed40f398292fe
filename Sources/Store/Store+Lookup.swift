// Finding images and paths.

import Basics
import GRDB

extension Store {
    public func image(_ id: ImageRecord.ID) throws(StoreError) -> ImageRecord? {
        try catalog.read { try ImageRecord.fetchOne($0, sql: "SELECT * FROM images WHERE id = ?", arguments: [id]) }
    }

    public func image(hash: ContentHash) throws(StoreError) -> ImageRecord? {
        try catalog.read { try ImageRecord.fetchOne($0, sql: "SELECT * FROM images WHERE hash = ?", arguments: [hash]) }
    }

    /// Some images, in the order asked for; unknown ids are left out.
    public func images(_ ids: [ImageRecord.ID]) throws(StoreError) -> [ImageRecord] {
        try catalog.read { db in
            let statement = try db.cachedStatement(sql: "SELECT * FROM images WHERE id = ?")
            return try ids.compactMap { try ImageRecord.fetchOne(statement, arguments: [$0]) }
        }
    }

    public func path(_ path: String) throws(StoreError) -> PathRecord? {
        try catalog.read { try PathRecord.fetchOne($0, sql: "SELECT * FROM paths WHERE path = ?", arguments: [path]) }
    }

    /// All paths of an image, earliest first.
    public func paths(of image: ImageRecord.ID) throws(StoreError) -> [PathRecord] {
        try catalog.read { try PathRecord.fetchAll($0, sql: "SELECT * FROM paths WHERE image = ? ORDER BY id", arguments: [image]) }
    }

    /// All paths below a folder (everything for ""), in path order, a page at a time: for a rescan.
    public func paths(below folder: String = "", after: String = "", limit: Int = 1000) throws(StoreError) -> [PathRecord] {
        try catalog.read { db in
            if folder.isEmpty {
                return try PathRecord.fetchAll(
                    db, sql: "SELECT * FROM paths WHERE path > ? ORDER BY path LIMIT ?", arguments: [after, limit])
            }
            return try PathRecord.fetchAll(
                db, sql: "SELECT * FROM paths WHERE path >= ? AND path < ? AND path > ? ORDER BY path LIMIT ?",
                arguments: [folder + "/", folder + "0", after, limit])
        }
    }

    /// What a person means: a path in the drop folder, else a file name where unique, else the first
    /// digits (four at least) of an image id.
    public func findImage(_ text: String) throws(StoreError) -> ImageLookup {
        try catalog.read { db in
            // The end of a path too, as answers print it: 'red_star/scene_0003.jpg'.
            let fileName = String(text.split(separator: "/").last ?? ""), ending = "/" + text
            for (sql, arguments): (String, StatementArguments) in [
                ("id IN (SELECT image FROM paths WHERE path = ?)", [text]),
                ("id IN (SELECT image FROM paths WHERE fileName = ?)", [text]),
                ("id IN (SELECT image FROM paths WHERE fileName = ? AND substr(path, -length(?)) = ?)", [fileName, ending, ending]),
            ] {
                let images = try ImageRecord.fetchAll(
                    db, sql: "SELECT * FROM images WHERE NOT absent AND \(sql) ORDER BY id LIMIT 10", arguments: arguments)
                if images.count == 1 { return .found(images[0]) }
                if images.count > 1 { return .ambiguous(images) }
            }
            let digits = text.lowercased()
            guard digits.utf8.count >= 4, digits.utf8.count <= 64, digits.allSatisfy(\.isHexDigit) else { return .none }
            // 'g' comes after every hex digit.
            let images = try ImageRecord.fetchAll(
                db, sql: "SELECT * FROM images WHERE NOT absent AND hash >= ? AND hash < ? ORDER BY id LIMIT 10",
                arguments: [digits, digits + "g"])
            return images.isEmpty ? .none : images.count == 1 ? .found(images[0]) : .ambiguous(images)
        }
    }

    /// Present images in order, a page at a time: the first has `after` nil.
    ///
    /// - Parameter skipped: left out at the beginning of the page; costs what reading an index over them does.
    public func images(label: String? = nil, after: ImageRecord.ID? = nil, skipping skipped: Int = 0, limit: Int) throws(StoreError) -> [ImageRecord] {
        try catalog.read { db in
            try ImageRecord.fetchAll(
                db,
                sql: """
                    SELECT * FROM images WHERE NOT absent AND id > ? AND (? IS NULL OR label = ?) ORDER BY id LIMIT ? OFFSET ?
                    """,
                arguments: [after?.rawValue ?? 0, label, label, limit, skipped])
        }
    }

    /// Present images that a view has no snapshot of, newest first: what a back-fill works through, a page
    /// at a time (`before` is the last of the page before).
    public func imagesLackingSnapshot(
        in view: ViewRecord.ID, before: ImageRecord.ID? = nil, limit: Int = 256
    ) throws(StoreError) -> [ImageRecord] {
        try catalog.read { db in
            try ImageRecord.fetchAll(
                db,
                sql: """
                    SELECT * FROM images WHERE NOT absent AND id < ? AND NOT EXISTS (
                        SELECT 1 FROM snapshots WHERE snapshots.view = ? AND snapshots.image = images.id)
                    ORDER BY id DESC LIMIT ?
                    """,
                arguments: [before?.rawValue ?? Int64.max, view, limit])
        }
    }

    /// Present images that a view has no snapshot of.
    public func lackingCount(in view: ViewRecord.ID) throws(StoreError) -> Int {
        max(0, imageCount - (try counts(of: view).images))
    }

    /// The data sets of images that lie in one: the folder in `datasets/` of the earliest such path.
    package func datasets() throws(StoreError) -> [ImageRecord.ID: String] {
        try catalog.read { db in
            var sets: [ImageRecord.ID: String] = [:]
            // '0' is the byte after '/'; what comes after "datasets/" begins at 10.
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT image, substr(path, 10, instr(substr(path, 10), '/') - 1) FROM paths
                    WHERE path >= 'datasets/' AND path < 'datasets0' ORDER BY id DESC
                    """)
            while let row = try rows.next() { sets[row[0]] = row[1] as String }
            return sets
        }
    }

    public func pathCount() throws(StoreError) -> Int {
        try catalog.read { try Int.fetchOne($0, sql: "SELECT COUNT(*) FROM paths") ?? 0 }
    }

    /// Present images of a label, or all of them for nil.
    public func imageCount(label: String?) -> Int {
        guard let label else { return imageCount }
        return images.withLock { $0.count(of: label) }
    }

    /// Labels of present images, of all or of some; images without one are left out.
    public func labels(of some: Set<ImageRecord.ID>? = nil) -> [ImageRecord.ID: String] {
        let table = images.withLock { $0 }
        var labels: [ImageRecord.ID: String] = [:]
        for (image, entry) in table.entries.enumerated() {
            let id = ImageRecord.ID(rawValue: Int64(image))
            if let name = table.name(of: entry), some?.contains(id) ?? true { labels[id] = name }
        }
        return labels
    }

    /// Labels that a present image has, sorted.
    public var labelNames: [String] {
        let table = images.withLock { $0 }
        return zip(table.labels, table.labelCounts).filter { $0.1 > 0 }.map(\.0).sorted()
    }

    /// Present images.
    public var imageCount: Int { images.withLock { $0.present } }
}
