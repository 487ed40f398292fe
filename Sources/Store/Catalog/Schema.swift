// The catalog's tables. A change of schema is a new migration here and a new number in protocol/STORE.md.

import GRDB

enum Schema {
    /// `PRAGMA user_version`: bytes 60..<64 of the file's header.
    static let version = 1
    /// `PRAGMA application_id`: bytes 68..<72, "SAED".
    static let applicationID = 0x5341_4544

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { db in
            try db.execute(sql: first)
            try db.execute(sql: "PRAGMA application_id = \(applicationID); PRAGMA user_version = 1;")
        }
        return migrator
    }

    private static let first = """
        CREATE TABLE models (
            id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, folder TEXT NOT NULL, contentHash TEXT NOT NULL,
            config TEXT NOT NULL, active INTEGER NOT NULL, added REAL NOT NULL);
        CREATE UNIQUE INDEX modelNames ON models(name) WHERE active;
        CREATE TABLE adapters (
            id INTEGER PRIMARY KEY AUTOINCREMENT, model INTEGER NOT NULL REFERENCES models(id), name TEXT NOT NULL,
            contentHash TEXT NOT NULL, config TEXT NOT NULL, active INTEGER NOT NULL, added REAL NOT NULL);
        CREATE UNIQUE INDEX adapterNames ON adapters(model, name) WHERE active;
        CREATE TABLE saes (
            id INTEGER PRIMARY KEY AUTOINCREMENT, model INTEGER NOT NULL REFERENCES models(id), name TEXT NOT NULL,
            path TEXT NOT NULL, contentHash TEXT NOT NULL, hook TEXT NOT NULL, latents INTEGER NOT NULL,
            width INTEGER NOT NULL, config TEXT NOT NULL, active INTEGER NOT NULL, added REAL NOT NULL);
        CREATE UNIQUE INDEX saeNames ON saes(model, name) WHERE active;
        CREATE TABLE views (
            id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, model INTEGER NOT NULL REFERENCES models(id),
            adapter INTEGER NOT NULL REFERENCES adapters(id), sae INTEGER NOT NULL REFERENCES saes(id),
            hook TEXT NOT NULL, recipe TEXT NOT NULL UNIQUE, "rows" INTEGER NOT NULL, columns INTEGER NOT NULL,
            prompts INTEGER NOT NULL, latents INTEGER NOT NULL, embeddingWidth INTEGER NOT NULL,
            activationWidth INTEGER NOT NULL, active INTEGER NOT NULL, added REAL NOT NULL);
        CREATE UNIQUE INDEX viewNames ON views(name) WHERE active;
        CREATE TABLE images (
            id INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL UNIQUE, width INTEGER NOT NULL,
            height INTEGER NOT NULL, format TEXT NOT NULL, firstSeen REAL NOT NULL, label TEXT, path TEXT,
            absent INTEGER NOT NULL);
        CREATE TABLE paths (
            id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, fileName TEXT NOT NULL,
            image INTEGER NOT NULL REFERENCES images(id), size INTEGER NOT NULL, mtimeNanoseconds INTEGER NOT NULL,
            inode INTEGER NOT NULL, label TEXT, added REAL NOT NULL);
        CREATE INDEX pathNames ON paths(fileName);
        CREATE INDEX pathImages ON paths(image);
        CREATE TABLE segments (
            id INTEGER PRIMARY KEY AUTOINCREMENT, view INTEGER NOT NULL REFERENCES views(id), length INTEGER NOT NULL,
            slots INTEGER NOT NULL, sealed INTEGER NOT NULL);
        CREATE TABLE snapshots (
            view INTEGER NOT NULL REFERENCES views(id), image INTEGER NOT NULL REFERENCES images(id),
            segment INTEGER NOT NULL REFERENCES segments(id), slot INTEGER NOT NULL, "offset" INTEGER NOT NULL,
            headLength INTEGER NOT NULL, length INTEGER NOT NULL, dense INTEGER NOT NULL, wide INTEGER NOT NULL,
            PRIMARY KEY (view, image)) WITHOUT ROWID;
        CREATE INDEX snapshotSlots ON snapshots(segment, slot);
        CREATE INDEX snapshotImages ON snapshots(image);
        CREATE TABLE failures (
            id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,
            time REAL NOT NULL, quarantine TEXT);
        CREATE TABLE classLists (
            id INTEGER PRIMARY KEY AUTOINCREMENT, model INTEGER NOT NULL REFERENCES models(id), name TEXT NOT NULL,
            classes TEXT NOT NULL, templates TEXT NOT NULL, hash TEXT NOT NULL, active INTEGER NOT NULL,
            added REAL NOT NULL);
        CREATE UNIQUE INDEX classListNames ON classLists(model, name) WHERE active;
        CREATE TABLE textFeatures (
            model TEXT NOT NULL, hash TEXT NOT NULL, features BLOB NOT NULL, PRIMARY KEY (model, hash));
        CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        """
}
