// Adapters: bound to the model that someone names, or to the only one that their shapes fit. What an adapter does to
// the vision side decides which snapshots are its own: one that leaves it alone (CoOp, CoCoOp) uses the base's, and two
// of the same content use the same.

import Basics
import CLIP
import Foundation
import Store

extension Registry {
    /// Visual prompts of an adapter: attention costs their square.
    private static let promptsMax = 1024

    /// Registers the adapter in a file or folder. The same content under the same name changes nothing but its place;
    /// other content at the same place takes the name over, and what the old one made stays under its own record.
    ///
    /// - Parameter checked: what `checkAdapter` said of the same content, which is then not read again.
    /// - Throws: `ModelError` where the checkpoint can't be used, `IngestError`, `StoreError`.
    @discardableResult
    public func addAdapter(
        name: String, path: String, model modelName: String? = nil, classPosition: ClassPosition = .end, checked: CheckedAdapter? = nil
    ) throws -> AdapterRecord {
        let (record, model, isNew) = try changing.withLock { _ in
            try check(name: name, kind: "adapter")
            guard name != ViewName.baseAdapter else {
                throw IngestError(.invalid, "'base' is the model without an adapter", remedy: "choose another name")
            }
            let stamp = fileStamp(path) ?? ""
            let all = try store.catalog.adapters(includingInactive: true).map(AdapterPlan.init)
            if let known = all.last(where: { $0.record.name == name && $0.facts?.path == path && $0.facts?.stamp == stamp }), let facts = known.facts,
                facts.classPosition == classPosition, known.record.active || !facts.enabled
            {
                let owner = try store.catalog.model(known.record.model)
                if owner.active, modelName == nil || modelName == owner.name {
                    let key = Registry.key(adapterAt: path)
                    guard isUnfinished(key) else { return (known.record, owner, false) }
                    try finish(key) { try refresh() }
                    return (known.record, owner, true)
                }
            }
            let (summary, model) = try checked ?? checkAdapter(path: path, model: modelName, classPosition: classPosition)
            let namesake = all.filter { $0.record.model == model.id && $0.record.name == name }
            if let taken = namesake.first(where: { $0.record.active && $0.record.contentHash != summary.contentHash }) {
                guard taken.facts?.path == path || taken.facts.map({ !$0.isThere }) ?? true else {
                    throw IngestError(
                        .conflict, "model '\(model.name)' has another adapter called '\(name)' already, from '\(taken.facts?.path ?? "")'",
                        remedy: "choose another name, or remove that one: saectl adapter rm \(name)")
                }
                try store.catalog.setAdapter(taken.record.id, active: false, config: taken.record.config)
            }
            // What a person switched off stays off when its file is delivered again.
            let enabled = namesake.first { $0.record.contentHash == summary.contentHash }?.facts?.enabled ?? true
            let facts = AdapterFacts(summary, path: path, classPosition: classPosition, enabled: enabled, stamp: stamp)
            let record = try store.catalog.addAdapter(
                model: model.id, name: name, contentHash: summary.contentHash, config: facts.json, active: enabled)
            try finish(Registry.key(adapterAt: path)) { try refresh() }
            return (record, model, true)
        }
        if isNew { activity.emit(.adapterAdded(name: name, model: model.name)) }
        return record
    }

    /// A checkpoint that can be used, and the model that it is for.
    public typealias CheckedAdapter = (summary: AdapterSummary, model: ModelRecord)

    /// Reads a checkpoint and finds its model. Throws what `addAdapter` would, and changes nothing.
    func checkAdapter(path: String, model name: String?, classPosition: ClassPosition) throws -> CheckedAdapter {
        let summary = try Adapter.inspect(path: path, classPosition: classPosition)
        let model = try chooseModel(for: summary, named: name)
        // All that inspecting can't see: values against the model's own.
        _ = try Adapter.load(path: path, classPosition: classPosition, model: CLIPModel.load(folder: model.folder))
        return (summary, model)
    }

    private func chooseModel(for adapter: AdapterSummary, named name: String?) throws -> ModelRecord {
        let models = try store.catalog.models()
        func misfit(_ model: ModelRecord) throws -> String? {
            let config: CLIPConfig
            do { config = try CLIPConfig(path: model.folder + "/config.json") } catch { return "\(error)" }
            if adapter.visionPrompts > Registry.promptsMax { return "\(adapter.visionPrompts) vision prompts are more than \(Registry.promptsMax)" }
            return Adapter.misfit(adapter, model: model.name, config: config)
        }
        if let name {
            let model = try modelOrOnly(name)
            if let reason = try misfit(model) {
                throw IngestError(.invalid, "this checkpoint does not fit: \(reason)", remedy: "name the model that it was trained on: saectl adapter add FILE --model MODEL --name NAME")
            }
            return model
        }
        guard !models.isEmpty else {
            throw IngestError(.notFound, "there is no model yet that this adapter could belong to", remedy: "add its model: saectl model add DIR --name NAME")
        }
        let reasons = try models.map { (model: $0, reason: try misfit($0)) }
        let fitting = reasons.filter { $0.reason == nil }.map(\.model)
        switch fitting.count {
        case 1: return fitting[0]
        case 0:
            throw IngestError(
                .notFound, "this checkpoint fits no model: " + reasons.compactMap(\.reason).joined(separator: "; "),
                remedy: "add the model that it was trained on: saectl model add DIR --name NAME")
        default:
            throw IngestError(
                .ambiguous, "this checkpoint fits several models: " + fitting.map(\.name).joined(separator: ", "),
                remedy: "name one: saectl adapter add FILE --model NAME --name NAME", candidates: fitting.map(\.name))
        }
    }

    // MARK: One by name

    /// All adapters with a name, `base` first within a model; removed ones have none.
    public func adapters(model: ModelRecord.ID? = nil) throws -> [AdapterPlan] {
        try store.catalog.adapters(includingInactive: true).map(AdapterPlan.init).filter { plan in
            (model == nil || plan.record.model == model) && (plan.isBase ? plan.record.active : plan.facts != nil)
        }
    }

    /// Of several contents that one name had: the active one, else the one whose file is as it was, else the latest.
    private static func current(_ plans: [AdapterPlan]) -> AdapterPlan? {
        plans.first(where: \.record.active) ?? plans.last { $0.facts.map { fileStamp($0.path) == $0.stamp } ?? false } ?? plans.last
    }

    /// One of each name, `base` first, the others by name.
    public func listedAdapters(model: ModelRecord.ID) throws -> [AdapterPlan] {
        Dictionary(grouping: try adapters(model: model)) { $0.record.name }.values.compactMap(Registry.current)
            .sorted { ($0.isBase ? 0 : 1, $0.record.name) < ($1.isBase ? 0 : 1, $1.record.name) }
    }

    /// The adapter of that name, of that model or of the only one that has it; see `current`.
    public func adapter(named name: String, model modelName: String?) throws -> (plan: AdapterPlan, model: ModelRecord) {
        let models = try store.catalog.models(includingInactive: true)
        let chosen = try modelName.map { try modelOrOnly($0).id }
        let all = try adapters(model: chosen).filter { !$0.isBase }
        let named = all.filter { $0.record.name == name }
        let best = Dictionary(grouping: named) { $0.record.model }.values.compactMap(Registry.current)
        guard let plan = best.first else {
            let names = Set(all.map(\.record.name)).sorted()
            throw IngestError(
                .notFound, name == ViewName.baseAdapter ? "'base' is the model without an adapter; it is always there" : "no adapter is called '\(name)'",
                remedy: names.isEmpty ? "add one: saectl adapter add FILE --model MODEL --name NAME" : "there are " + names.joined(separator: ", "),
                candidates: names)
        }
        let candidates = best.compactMap { plan in models.first { $0.id == plan.record.model } }
        guard best.count == 1, let model = candidates.first else {
            throw IngestError(
                .ambiguous, "several models have an adapter called '\(name)'", remedy: "name one with --model", candidates: candidates.map(\.name))
        }
        return (plan, model)
    }

    /// Switches an adapter on or off. What it made stays.
    ///
    /// - Throws: `IngestError` where its file is gone, or another of its name is active.
    public func setAdapter(_ id: AdapterRecord.ID, enabled: Bool) throws {
        let (record, model) = try changing.withLock { _ in
            guard let plan = try adapters().first(where: { $0.record.id == id }), var facts = plan.facts else {
                throw IngestError(.notFound, "the adapter is gone")
            }
            let model = try store.catalog.model(plan.record.model)
            if enabled {
                guard facts.isThere else {
                    throw IngestError(
                        .conflict, "the file of adapter '\(plan.record.name)' is gone from '\(facts.path)'",
                        remedy: "put it back, or add it again: saectl adapter add FILE --model \(model.name) --name \(plan.record.name)")
                }
                guard model.active else {
                    throw IngestError(.conflict, "the model of adapter '\(plan.record.name)' is gone", remedy: "add it again: saectl model add DIR --name \(model.name)")
                }
                guard fileStamp(facts.path) == facts.stamp || (try? Adapter.inspect(path: facts.path, classPosition: facts.classPosition).contentHash) == plan.record.contentHash else {
                    throw IngestError(
                        .conflict, "'\(facts.path)' holds other content than adapter '\(plan.record.name)' had",
                        remedy: "add it again: saectl adapter add FILE --model \(model.name) --name \(plan.record.name)")
                }
            }
            facts.enabled = enabled
            do throws(StoreError) {
                try store.catalog.setAdapter(id, active: enabled, config: facts.json)
            } catch {
                guard case .nameTaken = error else { throw error }
                throw IngestError(
                    .conflict, "another adapter called '\(plan.record.name)' is active", remedy: "deactivate it first: saectl adapter deactivate \(plan.record.name)")
            }
            try refresh()
            return (plan.record, model)
        }
        activity.emit(.adapterChanged(name: record.name, model: model.name, state: enabled ? .active : .deactivated))
    }

    /// Forgets an adapter: its record, and the snapshots that no other adapter uses.
    ///
    /// - Returns: whether snapshots were freed.
    public func forgetAdapter(_ id: AdapterRecord.ID) throws -> Bool {
        let (record, model, orphans) = try changing.withLock { _ in
            let all = try adapters()
            guard let plan = all.first(where: { $0.record.id == id }) else { throw IngestError(.notFound, "the adapter is gone") }
            // What it was before its file was replaced goes with it.
            let gone = all.filter { $0.record.model == plan.record.model && $0.record.name == plan.record.name }
            let rest = all.filter { $0.record.model == plan.record.model && $0.record.name != plan.record.name }
            let before = try store.catalog.views(includingInactive: true)
            for old in gone { try store.catalog.setAdapter(old.record.id, active: false, config: old.record.config) }
            try refresh()
            let inUse = Set(allViews.map(\.record.id))
            let orphans = before.filter { view in
                guard let owner = gone.first(where: { $0.record.id == view.adapter }), !inUse.contains(view.id) else { return false }
                // A twin that is switched off would find its snapshots gone.
                return !rest.contains { $0.vision == owner.vision }
            }
            for old in gone {
                try store.catalog.removeAdapter(old.record.id)
                if let path = old.facts?.path { reservedAdapters.withLock { $0[path] = nil } }
            }
            return (plan.record, try store.catalog.model(plan.record.model), orphans)
        }
        activity.emit(.adapterRemoved(name: record.name, model: model.name))
        for view in orphans { _ = try store.purge(view: view.id) }
        return !orphans.isEmpty
    }

    /// Whether an adapter's checkpoint lies at the path or below it.
    func holdsAdapter(at path: String) -> Bool {
        adapterPaths.withLock { $0.contains { $0 == path || $0.hasPrefix(path + "/") || path.hasPrefix($0 + "/") } }
    }

    /// Makes adapters inactive whose files are gone: what they made stays, and comes back with the file.
    func dropMissingAdapters() throws {
        let gone = try changing.withLock { _ in
            let gone = try store.catalog.adapters().map(AdapterPlan.init).filter { plan in
                plan.facts.map { !$0.isThere } ?? false
            }
            guard !gone.isEmpty || isUnfinished(Registry.goneKey) else { return gone }
            return try finish(Registry.goneKey) {
                for plan in gone { try store.catalog.setAdapter(plan.record.id, active: false, config: plan.record.config) }
                try refresh()
                return gone
            }
        }
        for plan in gone {
            activity.emit(.adapterChanged(name: plan.record.name, model: try store.catalog.model(plan.record.model).name, state: .missing))
        }
    }

    /// Adapters that were there before their model went away come back with it. The caller holds `changing`.
    func reviveAdapters(of model: ModelRecord) throws {
        for plan in try adapters(model: model.id).reversed() where !plan.record.active {
            guard let facts = plan.facts, facts.enabled, fileStamp(facts.path) == facts.stamp else { continue }
            // Another of its name may have taken its place since.
            try? store.catalog.setAdapter(plan.record.id, active: true, config: plan.record.config)
        }
    }

    // MARK: Dropped

    /// Registers a dropped adapter, or lets it wait where its model is not there yet, or a folder holds several.
    /// - Parameter path: a checkpoint, or a folder that has one somewhere.
    /// - Returns: why it waits, nil when it is registered.
    func addDroppedAdapter(name: String, path: String) throws -> String? {
        do {
            var isFolder: ObjCBool = false
            let isThere = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
            let place = isThere && isFolder.boolValue ? try AdapterPlace.find(in: path) : path
            let wanted = try reservedAdapters.withLock { $0[place] } ?? earlier(name, place)
            try addAdapter(name: name, path: place, model: wanted?.model, classPosition: wanted?.classPosition ?? .end)
            settled(path)
            return nil
        } catch let error as IngestError where error.kind == .notFound || error.kind == .ambiguous {
            return wait(.adapter, name, path, error.description)
        }
    }

    /// What an adapter of that name and place was bound to when a person added it.
    private func earlier(_ name: String, _ path: String) throws -> (model: String?, classPosition: ClassPosition)? {
        let models = try store.catalog.models()
        guard let plan = try adapters().last(where: { $0.record.name == name && $0.facts?.path == path }), let facts = plan.facts else { return nil }
        return (models.first { $0.id == plan.record.model }?.name, facts.classPosition)
    }

    /// Says what an adapter that will appear at a path belongs to.
    func reserveAdapter(path: String, model: String?, classPosition: ClassPosition) {
        reservedAdapters.withLock { $0[path] = (model, classPosition) }
    }
}
