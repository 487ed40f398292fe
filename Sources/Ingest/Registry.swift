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
    private let changing = Mutex(())
    /// SAEs whose model is not there yet: relative path in the drop folder to the reason they wait.
    private let waiting = Mutex<[String: WaitingSAE]>([:])
    /// Model and hook of SAEs that are being added by hand, for the watcher that may see them first.
    private let reserved = Mutex<[String: (model: String?, hook: HookPoint?)]>([:])
    private let listener = Mutex<(@Sendable () -> Void)?>(nil)

    private struct WaitingSAE {
        let path: String
        let name: String
        let reason: String
    }

    public init(store: Store, activity: Activity) throws {
        self.store = store
        self.activity = activity
        try refresh()
    }

    /// Active views whose model and SAE files are still there, by name.
    public var views: [ViewPlan] { plans.withLock { $0 } }

    /// Reads the plans anew from the catalog.
    private func refresh() throws {
        let catalog = store.catalog
        let models = Dictionary(uniqueKeysWithValues: try catalog.models().map { ($0.id, $0) })
        let saes = Dictionary(uniqueKeysWithValues: try catalog.saes().map { ($0.id, $0) })
        let fresh = try catalog.views().compactMap { record -> ViewPlan? in
            guard let model = models[record.model], let sae = saes[record.sae], let facts = ModelFacts(json: model.config),
                let name = ViewName(record.name), let hook = HookPoint(record.hook)
            else { return nil }
            return ViewPlan(record: record, name: name, model: model, facts: facts, sae: sae, hook: hook)
        }
        plans.withLock { $0 = fresh }
        listener.withLock { $0 }?()
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
                if known.folder == folder, let facts = ModelFacts(json: known.config), facts.stamp == stamp { return (known, false) }
                if known.folder == folder {
                    // Its files were replaced: what the old ones made stays under the old record.
                    let summary = try CLIPModel.inspect(folder: folder)
                    if summary.contentHash != known.contentHash { try store.catalog.deactivateModel(known.id) }
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
            // An SAE that was registered before its model went away comes back with it.
            for sae in try store.catalog.saes(model: record.id, includingInactive: true)
            where !sae.active && FileManager.default.fileExists(atPath: sae.path) {
                try bind(sae: sae.name, path: sae.path, to: record, facts: facts, hook: HookPoint(sae.hook), embedded: SAEFacts(json: sae.config)?.embedded ?? false)
            }
            try refresh()
            return (record, true)
        }
        if isNew {
            activity.emit(.modelAdded(name: name))
            retryWaiting()
        }
        return record
    }

    /// Makes a model whose files are gone inactive; nothing computed is lost.
    public func removeModel(folder: String) throws {
        let gone = try changing.withLock { _ in
            let gone = try store.catalog.models().filter { $0.folder == folder }
            for model in gone { try store.catalog.deactivateModel(model.id) }
            try refresh()
            return gone
        }
        for model in gone { activity.emit(.modelRemoved(name: model.name)) }
    }

    /// Makes what lost its files while nobody watched inactive.
    public func dropMissing() throws {
        for model in try store.catalog.models() where !FileManager.default.fileExists(atPath: model.folder) {
            try removeModel(folder: model.folder)
        }
        for sae in try store.catalog.saes() where !FileManager.default.fileExists(atPath: sae.path) {
            try removeSAE(path: sae.path)
        }
    }

    // MARK: SAEs

    /// Registers an SAE for a model: the one that is named, else the one that the SAE's configuration names,
    /// else the only one that it fits.
    ///
    /// - Throws: `SAEError`, `IngestError`, `StoreError`.
    @discardableResult
    public func addSAE(name: String, path: String, model modelName: String? = nil, hook: HookPoint? = nil, embedded: Bool = false) throws -> SAERecord {
        let (record, isNew) = try changing.withLock { _ in
            try check(name: name, kind: "SAE")
            if let known = try store.catalog.saes().first(where: { $0.path == path && $0.name == name }),
                SAEFacts(json: known.config)?.stamp == fileStamp(path), hook == nil || hook?.description == known.hook
            {
                return (known, false)
            }
            let summary = try SparseAutoencoder.inspect(path: path)
            let model = try chooseModel(for: summary, named: modelName)
            guard let facts = ModelFacts(json: model.config) else {
                throw IngestError(.unavailable, "model '\(model.name)' was registered by another version", remedy: "add it again")
            }
            let record = try bind(sae: name, path: path, to: model, facts: facts, hook: hook, embedded: embedded, summary: summary)
            try refresh()
            return (record, true)
        }
        if isNew { activity.emit(.saeAdded(name: name, model: try store.catalog.model(record.model).name)) }
        return record
    }

    /// Throws what `addSAE` would, and changes nothing.
    func checkSAE(path: String, model name: String?, hook: HookPoint?) throws {
        let summary = try SparseAutoencoder.inspect(path: path)
        let model = try chooseModel(for: summary, named: name)
        guard let facts = ModelFacts(json: model.config) else { return }
        _ = try summary.config.hook(inModel: model.name, width: facts.width, layers: facts.layers, override: hook, path: path)
    }

    /// Says what an SAE that will appear at a path belongs to.
    func reserve(path: String, model: String?, hook: HookPoint?) { reserved.withLock { $0[path] = (model, hook) } }

    /// Writes the catalog's rows: the SAE and its view.
    @discardableResult
    private func bind(
        sae name: String, path: String, to model: ModelRecord, facts: ModelFacts, hook override: HookPoint?, embedded: Bool,
        summary given: SAESummary? = nil
    ) throws -> SAERecord {
        let summary = try given ?? SparseAutoencoder.inspect(path: path)
        let hook = try summary.config.hook(
            inModel: model.name, width: facts.width, layers: facts.layers, override: override, path: path)
        let record: SAERecord
        do throws(StoreError) {
            record = try store.catalog.addSAE(
                model: model.id, name: name, path: path, contentHash: summary.contentHash, hook: hook,
                latents: summary.config.latents, width: summary.config.width,
                config: SAEFacts(architecture: summary.config.architecture, embedded: embedded, stamp: fileStamp(path) ?? "").json)
        } catch {
            if case .nameTaken = error {
                throw IngestError(
                    .conflict, "model '\(model.name)' has another SAE called '\(name)' already", remedy: "choose another name")
            }
            throw error
        }
        let adapter = try store.catalog.baseAdapter(of: model.id)
        _ = try store.catalog.addView(
            name: ViewName(model: model.name, sae: name), model: model.id, adapter: adapter.id, sae: record.id, hook: hook,
            recipe: ViewPlan.recipe(
                model: model.contentHash, adapter: adapter.contentHash, sae: record.contentHash, hook: hook, facts: facts),
            layout: facts.layout, latents: summary.config.latents, embeddingWidth: facts.projection, activationWidth: facts.width)
        return record
    }

    private func chooseModel(for sae: SAESummary, named name: String?) throws -> ModelRecord {
        let models = try store.catalog.models()
        if let name {
            guard let model = models.first(where: { $0.name == name }) else {
                throw IngestError(
                    .notFound, "no model is called '\(name)'",
                    remedy: models.isEmpty ? "add one: saectl model add DIR --name NAME" : "there are " + models.map(\.name).joined(separator: ", "))
            }
            return model
        }
        let fitting = models.filter { ModelFacts(json: $0.config)?.width == sae.config.width }
        if let wanted = sae.config.modelName {
            let last = wanted.split(separator: "/").last.map(String.init) ?? wanted
            if let model = fitting.first(where: { $0.name == wanted || $0.name == last }) { return model }
        }
        switch fitting.count {
        case 1: return fitting[0]
        case 0:
            throw IngestError(
                .notFound, "no model has width \(sae.config.width), which this SAE reads",
                remedy: "add its model: saectl model add DIR --name NAME")
        default:
            throw IngestError(
                .ambiguous, "several models have width \(sae.config.width)",
                remedy: "name one: saectl sae add PATH --model NAME --name NAME", candidates: fitting.map(\.name))
        }
    }

    public func removeSAE(path: String) throws {
        let gone = try changing.withLock { _ in
            let gone = try store.catalog.saes().filter { $0.path == path }
            for sae in gone { try store.catalog.deactivateSAE(sae.id) }
            try refresh()
            return gone
        }
        for sae in gone { activity.emit(.saeRemoved(name: sae.name)) }
    }

    /// Registers a dropped SAE, or lets it wait where its model is not there yet.
    /// - Returns: why it waits, nil when it is registered.
    func addDroppedSAE(name: String, path: String) throws -> String? {
        do {
            let wanted = reserved.withLock { $0[path] }
            try addSAE(name: name, path: path, model: wanted?.model, hook: wanted?.hook)
            waiting.withLock { _ = $0.removeValue(forKey: path) }
            return nil
        } catch let error as IngestError where error.kind == .notFound || error.kind == .ambiguous {
            waiting.withLock { $0[path] = WaitingSAE(path: path, name: name, reason: error.description) }
            return error.description
        }
    }

    /// SAEs that wait for a model, for `status`: path and reason.
    public var waitingSAEs: [(path: String, reason: String)] {
        waiting.withLock { $0.values.map { ($0.path, $0.reason) } }.sorted { $0.path < $1.path }
    }

    private func retryWaiting() {
        for sae in waiting.withLock({ Array($0.values) }) {
            guard FileManager.default.fileExists(atPath: sae.path) else {
                waiting.withLock { _ = $0.removeValue(forKey: sae.path) }
                continue
            }
            do {
                _ = try addDroppedSAE(name: sae.name, path: sae.path)
            } catch {
                activity.emit(.warning("'\(sae.path)' can't be used: \(error)"))
            }
        }
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

    private func check(name: String, kind: String) throws {
        guard ViewName.isValid(part: name) else {
            throw IngestError(
                .invalid, "'\(name)' can't name a \(kind)",
                remedy: "use letters, digits, '.', '_' and '-', at most 64, not starting with '.' or '-'")
        }
    }
}
