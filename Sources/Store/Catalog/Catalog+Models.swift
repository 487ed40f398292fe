// Models, adapters, SAEs, views and class lists. Removing makes inactive: snapshots cost hours, names are cheap.

import Basics
import Foundation
import GRDB

extension Catalog {
    // MARK: Models

    /// Adds a model with its `base` adapter. The same name and content again is the same record, made
    /// active and given the new folder and configuration.
    ///
    /// - Throws: `nameTaken` where an active model of that name has other content.
    public func addModel(name: String, folder: String, contentHash: ContentHash, config: String) throws(StoreError) -> ModelRecord {
        try write { db in
            if let taken = try ModelRecord.fetchOne(db, sql: "SELECT * FROM models WHERE name = ? AND active", arguments: [name]),
                taken.contentHash != contentHash
            {
                throw StoreError.nameTaken(kind: "model", name: name)
            }
            if let old = try ModelRecord.fetchOne(
                db, sql: "SELECT * FROM models WHERE name = ? AND contentHash = ? ORDER BY active DESC, id DESC",
                arguments: [name, contentHash])
            {
                try db.execute(
                    sql: "UPDATE models SET active = 1, folder = ?, config = ? WHERE id = ?", arguments: [folder, config, old.id])
                try db.execute(sql: "UPDATE adapters SET active = 1 WHERE model = ? AND name = 'base'", arguments: [old.id])
                return try ModelRecord.fetchOne(db, sql: "SELECT * FROM models WHERE id = ?", arguments: [old.id])!  // just updated
            }
            let model = try ModelRecord.fetchOne(
                db,
                sql: """
                    INSERT INTO models (name, folder, contentHash, config, active, added) VALUES (?, ?, ?, ?, 1, ?) RETURNING *
                    """,
                arguments: [name, folder, contentHash, config, Catalog.now])!  // RETURNING yields the row just made
            try db.execute(
                sql: "INSERT INTO adapters (model, name, contentHash, config, active, added) VALUES (?, ?, ?, '{}', 1, ?)",
                arguments: [model.id, ViewName.baseAdapter, ContentHash(of: ""), Catalog.now])
            return model
        }
    }

    /// By name.
    public func models(includingInactive: Bool = false) throws(StoreError) -> [ModelRecord] {
        try read { try ModelRecord.fetchAll($0, sql: "SELECT * FROM models WHERE active OR ? ORDER BY name, id", arguments: [includingInactive]) }
    }

    public func model(_ id: ModelRecord.ID) throws(StoreError) -> ModelRecord {
        try fetch("model", id) { try ModelRecord.fetchOne($0, sql: "SELECT * FROM models WHERE id = ?", arguments: [id]) }
    }

    public func model(named name: String) throws(StoreError) -> ModelRecord? {
        try read { try ModelRecord.fetchOne($0, sql: "SELECT * FROM models WHERE active AND name = ?", arguments: [name]) }
    }

    /// Makes a model and all that stands on it inactive. Its class list stays its own, for when it comes back.
    public func deactivateModel(_ id: ModelRecord.ID) throws(StoreError) {
        try write { db in
            for sql in [
                "UPDATE models SET active = 0 WHERE id = ?", "UPDATE adapters SET active = 0 WHERE model = ?",
                "UPDATE saes SET active = 0 WHERE model = ?", "UPDATE views SET active = 0 WHERE model = ?",
            ] { try db.execute(sql: sql, arguments: [id]) }
        }
    }

    public func adapters(of model: ModelRecord.ID) throws(StoreError) -> [AdapterRecord] {
        try read { try AdapterRecord.fetchAll($0, sql: "SELECT * FROM adapters WHERE active AND model = ? ORDER BY id", arguments: [model]) }
    }

    public func baseAdapter(of model: ModelRecord.ID) throws(StoreError) -> AdapterRecord {
        try fetch("adapter", model) {
            try AdapterRecord.fetchOne($0, sql: "SELECT * FROM adapters WHERE model = ? AND name = 'base'", arguments: [model])
        }
    }

    // MARK: SAEs

    /// As `addModel`; the same name, content and hook again is the same record.
    public func addSAE(
        model: ModelRecord.ID, name: String, path: String, contentHash: ContentHash, hook: HookPoint, latents: Int,
        width: Int, config: String
    ) throws(StoreError) -> SAERecord {
        try write { db in
            if let taken = try SAERecord.fetchOne(
                db, sql: "SELECT * FROM saes WHERE model = ? AND name = ? AND active", arguments: [model, name]),
                taken.contentHash != contentHash || taken.hook != hook.description
            {
                throw StoreError.nameTaken(kind: "SAE", name: name)
            }
            if let old = try SAERecord.fetchOne(
                db,
                sql: """
                    SELECT * FROM saes WHERE model = ? AND name = ? AND contentHash = ? AND hook = ? ORDER BY active DESC, id DESC
                    """,
                arguments: [model, name, contentHash, hook.description])
            {
                return try SAERecord.fetchOne(
                    db, sql: "UPDATE saes SET active = 1, path = ?, config = ? WHERE id = ? RETURNING *",
                    arguments: [path, config, old.id])!  // just found
            }
            return try SAERecord.fetchOne(
                db,
                sql: """
                    INSERT INTO saes (model, name, path, contentHash, hook, latents, width, config, active, added)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?) RETURNING *
                    """,
                arguments: [model, name, path, contentHash, hook.description, latents, width, config, Catalog.now])!
        }
    }

    public func saes(model: ModelRecord.ID? = nil, includingInactive: Bool = false) throws(StoreError) -> [SAERecord] {
        try read { db in
            try SAERecord.fetchAll(
                db, sql: "SELECT * FROM saes WHERE (active OR ?) AND (? IS NULL OR model = ?) ORDER BY name, id",
                arguments: [includingInactive, model, model])
        }
    }

    public func sae(_ id: SAERecord.ID) throws(StoreError) -> SAERecord {
        try fetch("SAE", id) { try SAERecord.fetchOne($0, sql: "SELECT * FROM saes WHERE id = ?", arguments: [id]) }
    }

    /// Makes an SAE and its views inactive.
    public func deactivateSAE(_ id: SAERecord.ID) throws(StoreError) {
        try write { db in
            try db.execute(sql: "UPDATE saes SET active = 0 WHERE id = ?", arguments: [id])
            try db.execute(sql: "UPDATE views SET active = 0 WHERE sae = ?", arguments: [id])
        }
    }

    // MARK: Views

    /// Adds a view, or finds the one of that recipe again and makes it active: its snapshots are used as they are.
    public func addView(
        name: ViewName, model: ModelRecord.ID, adapter: AdapterRecord.ID, sae: SAERecord.ID, hook: HookPoint,
        recipe: ContentHash, layout: TokenLayout, latents: Int, embeddingWidth: Int, activationWidth: Int
    ) throws(StoreError) -> ViewRecord {
        let spec = ViewSpec(
            name: name, model: model, adapter: adapter, sae: sae, hook: hook, recipe: recipe, layout: layout, latents: latents,
            embeddingWidth: embeddingWidth, activationWidth: activationWidth)
        try check([spec])
        return try write { db in
            try db.execute(
                sql: "UPDATE views SET active = 0 WHERE name = ? AND recipe != ?", arguments: [name.description, recipe])
            return try upsert(spec, db)
        }
    }

    /// By name.
    public func views(includingInactive: Bool = false) throws(StoreError) -> [ViewRecord] {
        try read { try ViewRecord.fetchAll($0, sql: "SELECT * FROM views WHERE active OR ? ORDER BY name, id", arguments: [includingInactive]) }
    }

    public func view(_ id: ViewRecord.ID) throws(StoreError) -> ViewRecord {
        try fetch("view", id) { try ViewRecord.fetchOne($0, sql: "SELECT * FROM views WHERE id = ?", arguments: [id]) }
    }

    public func view(named name: ViewName) throws(StoreError) -> ViewRecord? {
        try read { try ViewRecord.fetchOne($0, sql: "SELECT * FROM views WHERE active AND name = ?", arguments: [name.description]) }
    }

    // MARK: Class lists

    /// Sets (replaces) a model's class list of that name.
    public func setClasses(model: ModelRecord.ID, name: String, classes: [String], templates: [String]) throws(StoreError) -> ClassListRecord {
        let hash = ContentHash(of: classes.joined(separator: "\n") + "\0" + templates.joined(separator: "\n"))
        return try write { db in
            try db.execute(sql: "UPDATE classLists SET active = 0 WHERE model = ? AND name = ?", arguments: [model, name])
            return try ClassListRecord.fetchOne(
                db,
                sql: """
                    INSERT INTO classLists (model, name, classes, templates, hash, active, added)
                    VALUES (?, ?, ?, ?, ?, 1, ?) RETURNING *
                    """,
                arguments: [model, name, try json(classes), try json(templates), hash, Catalog.now])!
        }
    }

    /// The newest first: the first is a model's current list.
    public func classLists(model: ModelRecord.ID? = nil) throws(StoreError) -> [ClassListRecord] {
        try read { db in
            try ClassListRecord.fetchAll(
                db, sql: "SELECT * FROM classLists WHERE active AND (? IS NULL OR model = ?) ORDER BY id DESC",
                arguments: [model, model])
        }
    }

    public func deactivateClasses(_ id: ClassListRecord.ID) throws(StoreError) {
        try write { try $0.execute(sql: "UPDATE classLists SET active = 0 WHERE id = ?", arguments: [id]) }
    }

    /// Text features `[classes, projection]` of a list under a model, kept so that no text tower is needed.
    public func textFeatures(model: ContentHash, list: ContentHash) throws(StoreError) -> [Float]? {
        let blob = try read { db in
            try Data.fetchOne(db, sql: "SELECT features FROM textFeatures WHERE model = ? AND hash = ?", arguments: [model, list])
        }
        guard let blob, blob.count % 4 == 0 else { return nil }
        return blob.withUnsafeBytes { raw in (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) } }
    }

    public func keepTextFeatures(_ features: [Float], model: ContentHash, list: ContentHash) throws(StoreError) {
        let blob = features.withUnsafeBytes { Data($0) }
        try write { db in
            try db.execute(sql: "INSERT OR REPLACE INTO textFeatures VALUES (?, ?, ?)", arguments: [model, list, blob])
        }
    }

    // MARK: Help

    private func json(_ list: [String]) throws -> String { String(decoding: try JSONEncoder().encode(list), as: UTF8.self) }

    private func fetch<T, R>(_ kind: String, _ id: RecordID<R>, _ body: (Database) throws -> T?) throws(StoreError) -> T {
        guard let record = try read(body) else { throw .notFound(kind: kind, name: "#\(id)") }
        return record
    }
}
