// Adapters, and the views that models, adapters and SAEs make together. As everywhere in the catalog, removing makes
// inactive.

import Basics
import Foundation
import GRDB

/// A view that there should be: its names, its recipe and the shapes it yields.
public struct ViewSpec: Sendable, Equatable {
    public var name: ViewName
    public var model: ModelRecord.ID
    public var adapter: AdapterRecord.ID
    public var sae: SAERecord.ID
    public var hook: HookPoint
    public var recipe: ContentHash
    public var layout: TokenLayout
    public var latents: Int
    public var embeddingWidth: Int
    public var activationWidth: Int

    public init(
        name: ViewName, model: ModelRecord.ID, adapter: AdapterRecord.ID, sae: SAERecord.ID, hook: HookPoint,
        recipe: ContentHash, layout: TokenLayout, latents: Int, embeddingWidth: Int, activationWidth: Int
    ) {
        self.name = name
        self.model = model
        self.adapter = adapter
        self.sae = sae
        self.hook = hook
        self.recipe = recipe
        self.layout = layout
        self.latents = latents
        self.embeddingWidth = embeddingWidth
        self.activationWidth = activationWidth
    }
}

extension Catalog {
    // MARK: Adapters

    /// Adds an adapter. The same name and content again is the same record, given the new configuration.
    ///
    /// - Throws: `nameTaken` where an active adapter of that model and name has other content.
    public func addAdapter(
        model: ModelRecord.ID, name: String, contentHash: ContentHash, config: String, active: Bool
    ) throws(StoreError) -> AdapterRecord {
        try write { db in
            if let taken = try AdapterRecord.fetchOne(
                db, sql: "SELECT * FROM adapters WHERE model = ? AND name = ? AND active", arguments: [model, name]),
                taken.contentHash != contentHash
            {
                throw StoreError.nameTaken(kind: "adapter", name: name)
            }
            if let old = try AdapterRecord.fetchOne(
                db, sql: "SELECT * FROM adapters WHERE model = ? AND name = ? AND contentHash = ? ORDER BY active DESC, id DESC",
                arguments: [model, name, contentHash])
            {
                return try AdapterRecord.fetchOne(
                    db, sql: "UPDATE adapters SET active = ?, config = ? WHERE id = ? RETURNING *", arguments: [active, config, old.id])!  // just found
            }
            return try AdapterRecord.fetchOne(
                db,
                sql: "INSERT INTO adapters (model, name, contentHash, config, active, added) VALUES (?, ?, ?, ?, ?, ?) RETURNING *",
                arguments: [model, name, contentHash, config, active, Catalog.now])!  // RETURNING yields the row just made
        }
    }

    /// By model and id: `base` is every model's first.
    public func adapters(includingInactive: Bool = false) throws(StoreError) -> [AdapterRecord] {
        try read {
            try AdapterRecord.fetchAll($0, sql: "SELECT * FROM adapters WHERE active OR ? ORDER BY model, id", arguments: [includingInactive])
        }
    }

    /// Makes an adapter active or not, and keeps its configuration.
    ///
    /// - Throws: `nameTaken` where another active adapter of the model has its name.
    public func setAdapter(_ id: AdapterRecord.ID, active: Bool, config: String) throws(StoreError) {
        try write { db in
            if active,
                let taken = try AdapterRecord.fetchOne(
                    db,
                    sql: """
                        SELECT b.* FROM adapters a JOIN adapters b ON b.model = a.model AND b.name = a.name AND b.active AND b.id != a.id
                        WHERE a.id = ?
                        """, arguments: [id])
            {
                throw StoreError.nameTaken(kind: "adapter", name: taken.name)
            }
            try db.execute(sql: "UPDATE adapters SET active = ?, config = ? WHERE id = ?", arguments: [active, config, id])
        }
    }

    /// Forgets an inactive adapter. Rows of views that it made stay while their snapshots do, under the model's `base`.
    public func removeAdapter(_ id: AdapterRecord.ID) throws(StoreError) {
        try write { db in
            try db.execute(
                sql: """
                    UPDATE views SET adapter = (SELECT id FROM adapters WHERE model = views.model AND name = 'base') WHERE adapter = ?
                    """, arguments: [id])
            try db.execute(sql: "DELETE FROM adapters WHERE id = ? AND NOT active AND name != 'base'", arguments: [id])
        }
    }

    // MARK: Views

    /// Makes exactly these views active, at once: adds those that are new, gives known recipes their new names, makes the
    /// others inactive. Recipes must differ. Writes nothing where nothing changes.
    ///
    /// - Returns: the records in the order of `specs`.
    public func setViews(_ specs: [ViewSpec]) throws(StoreError) -> [ViewRecord] {
        try check(specs)
        let known = try views()
        let byRecipe = Dictionary(known.map { ($0.recipe, $0) }, uniquingKeysWith: { first, _ in first })
        let unchanged = known.count == specs.count && specs.allSatisfy { spec in byRecipe[spec.recipe].map { spec.matches($0) } ?? false }
        if unchanged { return specs.compactMap { byRecipe[$0.recipe] } }
        return try write { db in
            // Names are unique among active views: all are taken back before any is given.
            try db.execute(sql: "UPDATE views SET active = 0 WHERE active")
            return try specs.map { try upsert($0, db) }
        }
    }

    func check(_ specs: [ViewSpec]) throws(StoreError) {
        for spec in specs where !ViewSpec.isStorable(layout: spec.layout, latents: spec.latents) {
            throw .invalidSnapshot(image: "-", reason: "\(spec.layout) and \(spec.latents) latents are beyond the store's limits")
        }
    }

    /// Adds a view, or makes the one of that recipe active under the new names: its snapshots are used as they are.
    func upsert(_ spec: ViewSpec, _ db: Database) throws -> ViewRecord {
        try ViewRecord.fetchOne(
            db,
            sql: """
                INSERT INTO views (name, model, adapter, sae, hook, recipe, "rows", columns, prompts, latents,
                    embeddingWidth, activationWidth, active, added)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)
                ON CONFLICT (recipe) DO UPDATE SET active = 1, name = excluded.name, model = excluded.model,
                    adapter = excluded.adapter, sae = excluded.sae RETURNING *
                """,
            arguments: [
                spec.name.description, spec.model, spec.adapter, spec.sae, spec.hook.description, spec.recipe, spec.layout.rows,
                spec.layout.columns, spec.layout.prompts, spec.latents, spec.embeddingWidth, spec.activationWidth, Catalog.now,
            ])!  // RETURNING yields the row just made or changed
    }
}

extension ViewSpec {
    /// Whether snapshots of these shapes fit the store's format.
    public static func isStorable(layout: TokenLayout, latents: Int) -> Bool {
        layout.patches <= Int(UInt16.max) && layout.prompts <= Int(UInt16.max) && latents > 0 && latents <= 1 << 24
    }

    fileprivate func matches(_ record: ViewRecord) -> Bool {
        record.active && record.name == name.description && record.model == model && record.adapter == adapter && record.sae == sae
    }
}
