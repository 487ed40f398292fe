// Models, SAEs, views and class lists: registered from folders and files, kept in the catalog, handed out as
// plans. Changing anything is serialised by `changing`; reading the plans takes only a short lock.

import Basics
import CLIP
import Foundation
import SAE
import Store
import Synchronization

/// What the daemon can encode with.
public final class Registry: Sendable {
    let store: Store
    let activity: Activity
    private let plans = Mutex<[ViewPlan]>([])
    let changing = Mutex(())
    /// Views that the compute thread can't use, and why. They keep their snapshots and answer; no image waits for
    /// them. Any change of models and SAEs lets them be tried again.
    private let suspended = Mutex<[ViewRecord.ID: String]>([:])
    /// Dropped SAEs and class lists whose model is not there yet, by path.
    let waiting = Mutex<[String: Waiting]>([:])
    /// Model and hook of SAEs that are being added by hand, for the watcher that may see them first.
    let reserved = Mutex<[String: (model: String?, hook: HookPoint?)]>([:])
    /// The same for adapters.
    let reservedAdapters = Mutex<[String: (model: String?, classPosition: ClassPosition)]>([:])
    /// What was written to the catalog while the rest of its registration failed (a full disk), each with a key of its own:
    /// who asks for the same again gets the rest done.
    private let unfinished = Mutex<Set<String>>([])
    /// Where active adapters lie, for every path that goes away.
    let adapterPaths = Mutex<[String]>([])
    private let listener = Mutex<(@Sendable () -> Void)?>(nil)
    let retried = Mutex<(@Sendable (String, (any Error)?) -> Void)?>(nil)

    struct Waiting {
        enum Kind { case sae, adapter, classes }
        let kind: Kind
        let path: String
        let name: String
        let reason: String
    }

    public init(store: Store, activity: Activity) throws {
        self.store = store
        self.activity = activity
        try refresh()
    }

    /// Active views whose model and SAE files are still there, by name. Those of automatic controls are none of them: no
    /// question chooses one, and no image waits for one.
    public var views: [ViewPlan] { plans.withLock { $0.filter { !$0.isAutomatic } } }

    /// The views of automatic controls, which have snapshots of a sample of the images.
    public var automaticViews: [ViewPlan] { plans.withLock { $0.filter(\.isAutomatic) } }

    var allViews: [ViewPlan] { plans.withLock { $0 } }

    /// As `workingViews`, of automatic controls.
    var workingAutomaticViews: [ViewPlan] {
        let broken = suspended.withLock { $0 }
        return automaticViews.filter { $0.ownsSnapshots && broken[$0.record.id] == nil }
    }

    /// Why a view makes no snapshots, nil where it does.
    public func suspension(of view: ViewRecord.ID) -> String? { suspended.withLock { $0[view] } }

    /// Views that snapshots are made for: of those that share snapshots, one.
    public var workingViews: [ViewPlan] {
        let broken = suspended.withLock { $0 }
        return views.filter { $0.ownsSnapshots && broken[$0.record.id] == nil }
    }

    /// Views whose model or SAE failed when it was needed, for `status`.
    public var suspendedViews: [(view: ViewName, reason: String)] {
        let broken = suspended.withLock { $0 }
        return views.compactMap { plan in broken[plan.record.id].map { (plan.name, $0) } }
    }

    /// Takes views out of work.
    func suspend(_ plans: [ViewPlan], reason: String) {
        // A plan that was replaced since, or whose view another adapter has taken over, says nothing of what is there now.
        let current = allViews
        for plan in plans where current.contains(where: { $0.record.id == plan.record.id && $0.adapter.record.id == plan.adapter.record.id }) {
            guard suspended.withLock({ $0.updateValue(reason, forKey: plan.record.id) }) == nil else { continue }
            activity.emit(.warning("view '\(plan.name)' makes no snapshots: \(reason)"))
        }
    }

    /// Works out the views anew from the models, adapters and SAEs of the catalog.
    func refresh() throws {
        let catalog = store.catalog
        let saes = Dictionary(grouping: try catalog.saes(), by: \.model)
        let adapters = Dictionary(grouping: try catalog.adapters().map(AdapterPlan.init), by: \.record.model)
        var parts: [(name: ViewName, model: ModelRecord, facts: ModelFacts, adapter: AdapterPlan, sae: SAERecord, hook: HookPoint, recipe: ContentHash)] = []
        for model in try catalog.models() {
            guard let facts = ModelFacts(json: model.config) else { continue }
            // In the order in which they came, `base` with the model: who made the snapshots keeps giving them their name.
            for adapter in adapters[model.id] ?? [] {
                // One that another version registered can't be used until it is added again.
                guard adapter.isBase || adapter.facts != nil else { continue }
                for sae in saes[model.id] ?? [] where sae.isAutomatic ? sae.isControl(ofOneIn: saes[model.id] ?? []) : true {
                    // Beyond the store's limits there is no view; whoever added it was told.
                    guard let hook = HookPoint(sae.hook), ViewSpec.isStorable(layout: facts.layout, latents: sae.latents) else { continue }
                    parts.append(
                        (
                            ViewName(model: model.name, adapter: adapter.record.name, sae: sae.name), model, facts, adapter, sae, hook,
                            ViewPlan.recipe(model: model.contentHash, adapter: adapter.vision, sae: sae.contentHash, hook: hook, facts: facts)
                        ))
                }
            }
        }
        // The first of those that see the same gives the catalog's view its name.
        var specs: [ViewSpec] = []
        var seen: Set<ContentHash> = []
        for part in parts where seen.insert(part.recipe).inserted {
            let layout = part.facts.layout
            specs.append(
                ViewSpec(
                    name: part.name, model: part.model.id, adapter: part.adapter.record.id, sae: part.sae.id, hook: part.hook, recipe: part.recipe,
                    layout: TokenLayout(rows: layout.rows, columns: layout.columns, prompts: part.adapter.facts?.visionPrompts ?? 0),
                    latents: part.sae.latents, embeddingWidth: part.facts.projection, activationWidth: part.facts.width))
        }
        let records = Dictionary(uniqueKeysWithValues: try catalog.setViews(specs).map { ($0.recipe, $0) })
        let fresh = parts.compactMap { part in
            records[part.recipe].map { record in
                ViewPlan(
                    record: record, name: part.name, model: part.model, facts: part.facts, adapter: part.adapter, sae: part.sae, hook: part.hook)
            }
        }
        let listed = fresh.sorted {
            ($0.name.model, $0.adapter.isBase ? "" : $0.name.adapter, $0.name.sae) < ($1.name.model, $1.adapter.isBase ? "" : $1.name.adapter, $1.name.sae)
        }
        plans.withLock { $0 = listed }
        adapterPaths.withLock { $0 = adapters.values.joined().compactMap(\.facts?.path) }
        suspended.withLock { $0 = [:] }
        listener.withLock { $0 }?()
    }

    // MARK: Registrations in several steps

    /// Keys of `unfinished`.
    static let goneKey = "what is gone", waitingKey = "what waits"
    static func key(_ model: ModelRecord) -> String { "model \(model.id)" }
    static func key(saeAt path: String) -> String { "sae \(path)" }
    static func key(adapterAt path: String) -> String { "adapter \(path)" }

    func isUnfinished(_ key: String) -> Bool { unfinished.withLock { $0.contains(key) } }

    /// Steps that may be done again; where one fails, the key stays unfinished.
    func finish<Value>(_ key: String, _ steps: () throws -> Value) rethrows -> Value {
        unfinished.withLock { _ = $0.insert(key) }
        let value = try steps()
        unfinished.withLock { _ = $0.remove(key) }
        return value
    }

    /// Called after each change of the plans.
    func onChange(_ body: @escaping @Sendable () -> Void) { listener.withLock { $0 = body } }

    /// Lets the store encode activations that it keeps in place of latents (dense SAEs) again.
    func prepareStore(for plan: ViewPlan, library: ModelLibrary) throws {
        try store.setEncoder({ x, rows in try library.sae(plan).encode(x, rows: rows) }, for: plan.record.id)
    }

    // MARK: Models

    /// Active models by name. Facts are nil for a model that another version registered.
    public var models: [(record: ModelRecord, facts: ModelFacts?)] {
        get throws { try store.catalog.models().map { ($0, ModelFacts(json: $0.config)) } }
    }

    /// Registers the model in a folder; the same content under the same name changes nothing.
    ///
    /// - Throws: `ModelError` where the folder is no usable model, `IngestError`, `StoreError`.
    @discardableResult
    public func addModel(name: String, folder: String, embedded: Bool = false) throws -> ModelRecord {
        let (record, isNew) = try changing.withLock { _ in
            try check(name: name, kind: "model")
            let stamp = fileStamp(folder) ?? ""
            if let known = try store.catalog.model(named: name) {
                if known.folder == folder, let facts = ModelFacts(json: known.config), facts.stamp == stamp {
                    guard isUnfinished(Registry.key(known)) else { return (known, false) }
                    try finish(known, facts)
                    return (known, true)
                }
                if known.folder == folder {
                    // Its files were replaced: what the old ones made stays under the old record.
                    let summary = try CLIPModel.inspect(folder: folder)
                    if summary.contentHash != known.contentHash { try deactivate(known) }
                }
            }
            let summary = try CLIPModel.inspect(folder: folder)
            let facts = ModelFacts(summary, embedded: embedded, stamp: stamp)
            let record: ModelRecord
            do throws(StoreError) {
                record = try store.catalog.addModel(name: name, folder: folder, contentHash: summary.contentHash, config: facts.json)
            } catch {
                if case .nameTaken = error {
                    throw IngestError(.conflict, "another model is called '\(name)' already", remedy: "choose another name")
                }
                throw error
            }
            try finish(record, facts)
            return (record, true)
        }
        if isNew { activity.emit(.modelAdded(name: name)) }
        if isNew || isUnfinished(Registry.waitingKey) { try retryWaiting() }
        return record
    }

    /// What comes with a model's row: classes, SAEs, adapters, views. The caller holds `changing`.
    private func finish(_ record: ModelRecord, _ facts: ModelFacts) throws {
        try finish(Registry.key(record)) {
            // Other weights under the same name, but the same classes.
            if try classes(of: record) == nil,
                let last = try store.catalog.models(includingInactive: true).filter({ $0.name == record.name && $0.id != record.id })
                    .compactMap({ try classes(of: $0) }).max(by: { $0.id.rawValue < $1.id.rawValue })
            {
                _ = try store.catalog.setClasses(model: record.id, name: last.name, classes: last.classes, templates: last.templates)
            }
            // An SAE that was registered before its model went away comes back with it.
            for sae in try store.catalog.saes(model: record.id, includingInactive: true)
            where !sae.active && !sae.isAutomatic && FileManager.default.fileExists(atPath: sae.path) {
                try bind(sae: sae.name, path: sae.path, to: record, facts: facts, hook: HookPoint(sae.hook), embedded: SAEFacts(json: sae.config)?.embedded ?? false)
            }
            try reviveAdapters(of: record)
            try refresh()
        }
    }

    /// Whether something of a model that is registered already is still to be done by `addModel`.
    func isUnfinished(_ model: ModelRecord) -> Bool { isUnfinished(Registry.key(model)) || isUnfinished(Registry.waitingKey) }

    /// Makes a model whose files are gone inactive; nothing computed is lost.
    public func removeModel(folder: String) throws {
        let gone = try changing.withLock { _ in
            try finish(Registry.goneKey) {
                let gone = try store.catalog.models().filter { $0.folder == folder }
                for model in gone { try deactivate(model) }
                try refresh()
                return gone
            }
        }
        for model in gone { activity.emit(.modelRemoved(name: model.name)) }
    }

    /// Its SAEs that are still there wait for a model of that name.
    private func deactivate(_ model: ModelRecord) throws {
        for sae in try store.catalog.saes(model: model.id)
        where SAEFacts(json: sae.config)?.embedded != true && !sae.isAutomatic && FileManager.default.fileExists(atPath: sae.path) {
            reserve(path: sae.path, model: model.name, hook: HookPoint(sae.hook))
            _ = wait(.sae, sae.name, sae.path, "its model '\(model.name)' is gone; put it back, or add another: saectl model add DIR --name \(model.name)")
        }
        for plan in try adapters(model: model.id) where plan.record.active {
            guard let facts = plan.facts, facts.isThere else { continue }
            reserveAdapter(path: facts.path, model: model.name, classPosition: facts.classPosition)
            _ = wait(.adapter, plan.record.name, facts.path, "its model '\(model.name)' is gone; put it back, or add another: saectl model add DIR --name \(model.name)")
        }
        try store.catalog.deactivateModel(model.id)
    }

    /// Makes what lost its files while nobody watched inactive.
    public func dropMissing() throws {
        if isUnfinished(Registry.goneKey) { try changing.withLock { _ in try finish(Registry.goneKey) { try refresh() } } }
        for model in try store.catalog.models() where !FileManager.default.fileExists(atPath: model.folder) {
            try removeModel(folder: model.folder)
        }
        for sae in try store.catalog.saes() where !FileManager.default.fileExists(atPath: sae.path) {
            try removeSAE(path: sae.path)
        }
        try dropMissingAdapters()
    }

    // MARK: Class lists

    /// Sets a model's class names and templates.
    public func setClasses(model name: String?, classes: [String], templates: [String]) throws -> ClassListRecord {
        let model = try modelOrOnly(name)
        let record = try store.catalog.setClasses(model: model.id, name: "default", classes: classes, templates: templates)
        activity.emit(.classesSet(model: model.name, count: classes.count))
        return record
    }

    /// A model's current class list.
    public func classes(of model: ModelRecord) throws -> ClassListRecord? {
        try store.catalog.classLists(model: model.id).first
    }

    /// The model of that name, or the only one.
    public func modelOrOnly(_ name: String?) throws -> ModelRecord {
        let models = try store.catalog.models()
        if let name {
            if let model = models.first(where: { $0.name == name }) { return model }
            throw IngestError(.notFound, "no model is called '\(name)'", remedy: "see saectl models", candidates: models.map(\.name))
        }
        switch models.count {
        case 1: return models[0]
        case 0: throw IngestError(.conflict, "there is no model yet", remedy: "add one: saectl model add DIR --name NAME")
        default: throw IngestError(.ambiguous, "there are several models", remedy: "name one with --model", candidates: models.map(\.name))
        }
    }

    /// - Throws: `IngestError` where the name can't stand in a view.
    public func check(name: String, kind: String) throws {
        guard ViewName.isValid(part: name) else {
            throw IngestError(
                .invalid, "'\(name)' can't name a \(kind)",
                remedy: "use letters, digits, '.', '_' and '-', at most 64, not starting with '.' or '-'")
        }
    }
}
