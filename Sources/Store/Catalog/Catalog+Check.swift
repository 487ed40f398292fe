// SQLite's own check of the catalog.

import GRDB

extension Catalog {
    /// What is wrong with the catalog's pages, indexes and references, a sentence each; empty where all is well. Reads
    /// the whole file.
    public func problems() throws(StoreError) -> [String] {
        try read { db in
            let pages = try String.fetchAll(db, sql: "PRAGMA integrity_check(20)").filter { $0 != "ok" }
            let references = try Row.fetchAll(db, sql: "PRAGMA foreign_key_check").prefix(20).map { row in
                "a row of '\(row[0] as String? ?? "?")' refers to one of '\(row[2] as String? ?? "?")' that is not there"
            }
            return pages + references
        }
    }
}
