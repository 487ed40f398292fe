// The catalog: SQLite through GRDB, the store's commit point.
//
// WAL, so that readers never wait for the writer; synchronous=FULL, because in WAL mode NORMAL loses the last commits at a
// power cut, and clients have been told of them.

import Basics
import Foundation
import GRDB
import GRDBSQLite
import Glibc
import Synchronization

/// Models, adapters, SAEs, views, class lists, failures and settings.
///
///     let model = try store.catalog.addModel(name: "scenes", folder: "...", contentHash: hash, config: "{}")
///     try store.catalog.failures(limit: 20)
///
/// What touches images and paths is on `Store`, which keeps statistics in step. All calls are synchronous
/// and may come from any thread; writers queue, readers see the last commit.
public final class Catalog: Sendable {
    let pool: DatabasePool
    let path: String
    private let syncFailed = Atomic(false)

    init(path: String) throws(StoreError) {
        self.path = path
        var configuration = Configuration()
        configuration.label = "saed catalog"
        configuration.maximumReaderCount = 4
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA cache_size = -4096;")
            // `-wal` and `-shm` stay after the end: on a full disk the next start could not make them, and nobody could ask.
            var isKept: CInt = 1
            sqlite3_file_control(db.sqliteConnection, nil, SQLITE_FCNTL_PERSIST_WAL, &isKept)
        }
        do {
            pool = try DatabasePool(path: path, configuration: configuration)
            // Here, not among what prepares a connection: opening the pool sets NORMAL after that.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            try Schema.migrator.migrate(pool)
        } catch {
            throw Catalog.storeError(error, path)
        }
    }

    /// Refuses a later version and what is no catalog, before anything is changed.
    static func refuseForeign(_ path: String) throws(StoreError) {
        try checkHeader(path)
        guard File.exists(path + "-wal") else { return }
        // A later saed that was killed may have left its version in the WAL alone. Read-only: no checkpoint at the end.
        var configuration = Configuration()
        configuration.readonly = true
        guard let version = try? DatabaseQueue(path: path, configuration: configuration).read({ try Int.fetchOne($0, sql: "PRAGMA user_version") }),
            version > Schema.version
        else { return }
        throw .newerVersion(file: path, found: version, supported: Schema.version)
    }

    private static func checkHeader(_ path: String) throws(StoreError) {
        guard File.exists(path) else { return }
        let file = try File(path: path, flags: O_RDONLY)
        let size = try file.size()
        guard size > 0 else { return }
        guard size >= 100 else { throw .notAStoreFile(file: path, reason: "\(size) bytes are no SQLite database") }
        let header = try file.read(at: 0, count: 100)
        func word(_ offset: Int) -> Int { header[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) } }
        guard Array(header[..<16]) == Array("SQLite format 3\0".utf8) else {
            throw .notAStoreFile(file: path, reason: "it is no SQLite database")
        }
        // Both are zero where a crash came between creating the file and the first migration.
        let version = word(60), application = word(68)
        guard application == Schema.applicationID || (application == 0 && version == 0) else {
            throw .notAStoreFile(file: path, reason: "it is another program's database")
        }
        guard version <= Schema.version else {
            throw .newerVersion(file: path, found: version, supported: Schema.version)
        }
    }

    func read<T>(_ body: (Database) throws -> T) throws(StoreError) -> T {
        do { return try pool.read(body) } catch { throw Catalog.storeError(error, path) }
    }

    /// Durable when it returns.
    func write<T>(_ body: (Database) throws -> T) throws(StoreError) -> T {
        do {
            // After a sync that failed the kernel takes pages for written that are not, those of `note` among them, and what
            // comes after them in the WAL would hang on them: it is brought into the database and begun anew.
            if syncFailed.load(ordering: .relaxed) {
                do {
                    try pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
                } catch let busy as DatabaseError where busy.resultCode == .SQLITE_BUSY {
                    throw StoreError.io(operation: "checkpoint", file: path, errno: EBUSY, message: "a reader holds it")
                }
                syncFailed.store(false, ordering: .relaxed)
            }
            return try pool.write(body)
        } catch {
            let error = Catalog.storeError(error, path)
            if case .io = error { syncFailed.store(true, ordering: .relaxed) }
            throw error
        }
    }

    /// Not synced: for what the drop folder tells again at the next start. A power cut takes it only where no `write` came
    /// after, whose sync is of the whole WAL: a snapshot never outlives its image's row. Three milliseconds less an image.
    func note<T>(_ body: (Database) throws -> T) throws(StoreError) -> T {
        do {
            return try pool.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA synchronous = NORMAL")
                let result = Result {
                    var value: T?
                    try db.inTransaction {
                        value = try body(db)
                        return .commit
                    }
                    return value!  // set where the transaction did not throw
                }
                try db.execute(sql: "PRAGMA synchronous = FULL")
                return try result.get()
            }
        } catch {
            throw Catalog.storeError(error, path)
        }
    }

    static func storeError(_ error: any Error, _ path: String) -> StoreError {
        if let error = error as? StoreError { return error }
        if let error = error as? DatabaseError {
            switch error.resultCode {
            case .SQLITE_FULL: return .diskFull(file: path)
            case .SQLITE_IOERR, .SQLITE_READONLY, .SQLITE_CANTOPEN:
                return .io(operation: "SQLite's access", file: path, errno: EIO, message: error.message ?? "\(error.resultCode)")
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: return .damaged(file: path, offset: 0, reason: "\(error)")
            case .SQLITE_INTERRUPT, .SQLITE_MISUSE: return .closed
            default: break
            }
        }
        return .catalog(message: "\(error)")
    }

    /// Seconds since 1970.
    static var now: Double { Date().timeIntervalSince1970 }

    /// Of the library that runs, as "3.40.1".
    public var sqliteVersion: String { (try? read { try String.fetchOne($0, sql: "SELECT sqlite_version()") }) ?? "unknown" }

    // MARK: Settings

    public func setting(_ key: String) throws(StoreError) -> String? {
        try read { try String.fetchOne($0, sql: "SELECT value FROM settings WHERE key = ?", arguments: [key]) }
    }

    public func set(_ key: String, to value: String?) throws(StoreError) {
        try write { db in
            if let value {
                try db.execute(sql: "INSERT OR REPLACE INTO settings VALUES (?, ?)", arguments: [key, value])
            } else {
                try db.execute(sql: "DELETE FROM settings WHERE key = ?", arguments: [key])
            }
        }
    }

    // MARK: Failures

    @discardableResult
    public func addFailure(path: String, kind: String, reason: String, quarantine: String?) throws(StoreError) -> FailureRecord {
        try write { db in
            try FailureRecord.fetchOne(
                db,
                sql: "INSERT INTO failures (path, kind, reason, time, quarantine) VALUES (?, ?, ?, ?, ?) RETURNING *",
                arguments: [path, kind, reason, Catalog.now, quarantine])!  // RETURNING yields the row just made
        }
    }

    /// Notes where the file of a failure lies now; nil: where it was.
    public func note(quarantine: String?, of failure: FailureRecord.ID) throws(StoreError) {
        try write { try $0.execute(sql: "UPDATE failures SET quarantine = ? WHERE id = ?", arguments: [quarantine, failure]) }
    }

    /// Newest first.
    public func failures(limit: Int = 1000, offset: Int = 0) throws(StoreError) -> [FailureRecord] {
        try read { db in
            try FailureRecord.fetchAll(
                db, sql: "SELECT * FROM failures ORDER BY id DESC LIMIT ? OFFSET ?", arguments: [limit, offset])
        }
    }

    /// The newest failure of a path.
    public func failure(path: String) throws(StoreError) -> FailureRecord? {
        try read { try FailureRecord.fetchOne($0, sql: "SELECT * FROM failures WHERE path = ? ORDER BY id DESC LIMIT 1", arguments: [path]) }
    }

    public func failureCount() throws(StoreError) -> Int {
        try read { try Int.fetchOne($0, sql: "SELECT COUNT(*) FROM failures") ?? 0 }
    }

    /// Forgets failures of a path (it was dropped again and taken), or all of them.
    public func clearFailures(path: String? = nil) throws(StoreError) {
        try write { db in
            if let path {
                try db.execute(sql: "DELETE FROM failures WHERE path = ?", arguments: [path])
            } else {
                try db.execute(sql: "DELETE FROM failures")
            }
        }
    }
}
