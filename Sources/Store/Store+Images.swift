// Images and the paths that lead to them. An image without a path is absent: left out of every list and
// statistic, its snapshots kept, so that the same content coming back costs nothing.

import Basics
import Foundation
import GRDB

/// A file's identity on disk, for telling whether it changed.
public struct FileStamp: Sendable, Equatable {
    public var size: Int64
    public var mtimeNanoseconds: Int64
    public var inode: Int64

    public init(size: Int64, mtimeNanoseconds: Int64, inode: Int64) {
        self.size = size
        self.mtimeNanoseconds = mtimeNanoseconds
        self.inode = inode
    }
}

/// What decoding told of an image.
public struct ImageFacts: Sendable, Equatable {
    public var hash: ContentHash
    public var width: Int
    public var height: Int
    public var format: String

    public init(hash: ContentHash, width: Int, height: Int, format: String) {
        self.hash = hash
        self.width = width
        self.height = height
        self.format = format
    }
}

/// A path and the image it leads to.
public struct NewImage: Sendable {
    public var path: String
    public var stamp: FileStamp
    public var facts: ImageFacts
    public var label: String?

    public init(path: String, stamp: FileStamp, facts: ImageFacts, label: String?) {
        self.path = path
        self.stamp = stamp
        self.facts = facts
        self.label = label
    }
}

/// What `upsertPath` did.
public struct PathChange: Sendable, Equatable {
    public enum Kind: String, Sendable, Codable {
        /// Content never seen before.
        case new
        /// Content that was absent is back.
        case revived
        /// One more path to present content.
        case another
        /// The path led there already; size, time and label are up to date.
        case same
    }
    public var image: ImageRecord
    public var kind: Kind
}

/// What a name that a person typed means.
public enum ImageLookup: Sendable, Equatable {
    case found(ImageRecord)
    case none
    /// Several images; up to 10 candidates.
    case ambiguous([ImageRecord])
}

extension Store {
    /// Notes that a path leads to an image, making the image where its content is new. A path that led to
    /// other content lets go of it.
    public func upsertPath(_ path: String, file: FileStamp, image facts: ImageFacts, label: String?) throws(StoreError) -> PathChange {
        try addImages([NewImage(path: path, stamp: file, facts: facts, label: label)])[0]
    }

    /// `upsertPath` of many in one transaction, one sync.
    @discardableResult
    public func addImages(_ new: [NewImage]) throws(StoreError) -> [PathChange] {
        try changeImages { db, affected in
            try new.map { try Store.upsert($0, db, &affected) }
        } then: { db, results in
            try results.map { id, kind in
                // Found or made above, in the same transaction.
                PathChange(image: try ImageRecord.fetchOne(db, sql: "SELECT * FROM images WHERE id = ?", arguments: [id])!, kind: kind)
            }
        }
    }

    private static func upsert(
        _ new: NewImage, _ db: Database, _ affected: inout Set<ImageRecord.ID>
    ) throws -> (ImageRecord.ID, PathChange.Kind) {
        let facts = new.facts
        let known = try ImageRecord.fetchOne(db, sql: "SELECT * FROM images WHERE hash = ?", arguments: [facts.hash])
        let image = try known ?? ImageRecord.fetchOne(
            db,
            sql: """
                INSERT INTO images (hash, width, height, format, firstSeen, absent) VALUES (?, ?, ?, ?, ?, 1) RETURNING *
                """,
            arguments: [facts.hash, facts.width, facts.height, facts.format, Catalog.now])!  // RETURNING yields the new row
        affected.insert(image.id)
        let stamp = new.stamp
        if let old = try PathRecord.fetchOne(db, sql: "SELECT * FROM paths WHERE path = ?", arguments: [new.path]) {
            if old.image == image.id {
                try db.execute(
                    sql: "UPDATE paths SET size = ?, mtimeNanoseconds = ?, inode = ?, label = ? WHERE id = ?",
                    arguments: [stamp.size, stamp.mtimeNanoseconds, stamp.inode, new.label, old.id])
                return (image.id, .same)
            }
            affected.insert(old.image)
            try db.execute(sql: "DELETE FROM paths WHERE id = ?", arguments: [old.id])
        }
        // Two paths of one batch may bring the same content: ask for its paths, not for `absent`.
        let hasPath = try Bool.fetchOne(db, sql: "SELECT EXISTS(SELECT 1 FROM paths WHERE image = ?)", arguments: [image.id]) == true
        try db.execute(
            sql: """
                INSERT INTO paths (path, fileName, image, size, mtimeNanoseconds, inode, label, added)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                new.path, fileName(new.path), image.id, stamp.size, stamp.mtimeNanoseconds, stamp.inode, new.label, Catalog.now,
            ])
        return (image.id, known == nil ? .new : hasPath ? .another : .revived)
    }

    /// Follows a rename; what stood at the new path is replaced. False where the old path is not known.
    @discardableResult
    public func renamePath(_ old: String, to new: String, label: String?) throws(StoreError) -> Bool {
        try renamePaths(matching: "path = ?", [old]) { _ in (new, label) } > 0
    }

    /// Follows a rename of a folder: every path below `old/` is now below `new/`.
    ///
    /// - Parameter label: the label of a new path.
    /// - Returns: the number of paths that moved.
    @discardableResult
    public func renameFolder(_ old: String, to new: String, label: (String) -> String?) throws(StoreError) -> Int {
        // '0' is the byte after '/': the range holds exactly what is below the folder.
        try renamePaths(matching: "path >= ? AND path < ?", [old + "/", old + "0"]) { path in
            let moved = new + path.dropFirst(old.count)
            return (moved, label(moved))
        }
    }

    private func renamePaths(
        matching condition: String, _ arguments: StatementArguments, _ rename: (String) -> (path: String, label: String?)
    ) throws(StoreError) -> Int {
        try changeImages { db, affected in
            let records = try PathRecord.fetchAll(db, sql: "SELECT * FROM paths WHERE \(condition)", arguments: arguments)
            for record in records {
                let (path, label) = rename(record.path)
                affected.insert(record.image)
                if path != record.path,
                    let replaced = try PathRecord.fetchOne(db, sql: "SELECT * FROM paths WHERE path = ?", arguments: [path])
                {
                    affected.insert(replaced.image)
                    try db.execute(sql: "DELETE FROM paths WHERE id = ?", arguments: [replaced.id])
                }
                try db.execute(
                    sql: "UPDATE paths SET path = ?, fileName = ?, label = ? WHERE id = ?",
                    arguments: [path, fileName(path), label, record.id])
            }
            return records.count
        } then: { _, count in count }
    }

    /// A path is gone. False where it was not known.
    @discardableResult
    public func removePath(_ path: String) throws(StoreError) -> Bool {
        try removePaths(matching: "path = ?", [path]) > 0
    }

    /// A folder is gone with all below it.
    /// - Returns: the number of paths that went.
    @discardableResult
    public func removeFolder(_ folder: String) throws(StoreError) -> Int {
        try removePaths(matching: "path >= ? AND path < ?", [folder + "/", folder + "0"])
    }

    private func removePaths(matching condition: String, _ arguments: StatementArguments) throws(StoreError) -> Int {
        try changeImages { db, affected in
            let images = try ImageRecord.ID.fetchAll(
                db, sql: "DELETE FROM paths WHERE \(condition) RETURNING image", arguments: arguments)
            affected.formUnion(images)
            return images.count
        } then: { _, count in count }
    }

    /// Runs a change in one transaction, renews what images derive from their paths, then lets statistics follow.
    private func changeImages<R, T>(
        _ body: (Database, inout Set<ImageRecord.ID>) throws -> R, then answer: (Database, R) throws -> T
    ) throws(StoreError) -> T {
        writer.lock()
        defer { writer.unlock() }
        let (value, changed) = try catalog.note { db in
            var affected: Set<ImageRecord.ID> = []
            let result = try body(db, &affected)
            let changed = try affected.sorted().map { try Store.renew($0, db) }
            return (try answer(db, result), changed)
        }
        let turned = images.withLock { table in
            changed.filter { table.set($0.id.rawValue, label: $0.label, absent: $0.absent) }
        }
        noteImageChange()
        noteChange()
        if !turned.isEmpty { follow(turned.map { ($0.id, !$0.absent) }) }
        return value
    }

    /// An image's path is its earliest one, its label that of the earliest path that has one.
    private static func renew(_ image: ImageRecord.ID, _ db: Database) throws -> ImageRecord {
        try ImageRecord.fetchOne(
            db,
            sql: """
                UPDATE images SET
                    label = (SELECT label FROM paths WHERE image = images.id AND label IS NOT NULL ORDER BY id LIMIT 1),
                    path = (SELECT path FROM paths WHERE image = images.id ORDER BY id LIMIT 1),
                    absent = NOT EXISTS (SELECT 1 FROM paths WHERE image = images.id)
                WHERE id = ? RETURNING *
                """,
            arguments: [image])!  // paths reference images: the row exists
    }
}

private func fileName(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
