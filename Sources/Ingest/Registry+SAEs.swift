// SAEs: bound to the model and hook point that someone names, that their configuration names, or that alone fit.

import Basics
import CLIP
import Foundation
import SAE
import Store

extension Registry {
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
                let key = Registry.key(saeAt: path)
                guard isUnfinished(key) else { return (known, false) }
                try finish(key) { try refresh() }
                return (known, true)
            }
            let summary = try SparseAutoencoder.inspect(path: path)
            let model = try chooseModel(for: summary, named: modelName)
            guard let facts = ModelFacts(json: model.config) else {
                throw IngestError(.unavailable, "model '\(model.name)' was registered by another version", remedy: "add it again")
            }
            let record = try bind(sae: name, path: path, to: model, facts: facts, hook: hook, embedded: embedded, summary: summary)
            try finish(Registry.key(saeAt: path)) { try refresh() }
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

    /// Writes the catalog's row; `refresh` makes its views.
    @discardableResult
    func bind(
        sae name: String, path: String, to model: ModelRecord, facts: ModelFacts, hook override: HookPoint?, embedded: Bool,
        summary given: SAESummary? = nil
    ) throws -> SAERecord {
        let summary = try given ?? SparseAutoencoder.inspect(path: path)
        let hook = try summary.config.hook(
            inModel: model.name, width: facts.width, layers: facts.layers, override: override, path: path)
        guard ViewSpec.isStorable(layout: facts.layout, latents: summary.config.latents) else {
            throw IngestError(
                .invalid, "\(summary.config.latents) latents over \(facts.layout) are more than a snapshot holds", remedy: "use an SAE of at most 16,777,216 latents")
        }
        let record: SAERecord
        do throws(StoreError) {
            record = try store.catalog.addSAE(
                model: model.id, name: name, path: path, contentHash: summary.contentHash, hook: hook,
                latents: summary.config.latents, width: summary.config.width,
                config: SAEFacts(
                    architecture: summary.config.architecture, embedded: embedded, controlOf: summary.config.controlOf, stamp: fileStamp(path) ?? ""
                ).json)
        } catch {
            if case .nameTaken = error {
                throw IngestError(
                    .conflict, "model '\(model.name)' has another SAE called '\(name)' already", remedy: "choose another name")
            }
            throw error
        }
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
            if let model = models.first(where: { $0.name == wanted || $0.name == last }), let facts = ModelFacts(json: model.config) {
                throw IngestError(
                    .invalid, "this SAE reads width \(sae.config.width), but its model '\(model.name)' has width \(facts.width)",
                    remedy: "train it on '\(model.name)', or name another model: saectl sae add PATH --model NAME --name NAME")
            }
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
            try finish(Registry.goneKey) {
                let gone = try store.catalog.saes().filter { $0.path == path }
                for sae in gone { try store.catalog.deactivateSAE(sae.id) }
                try refresh()
                return gone
            }
        }
        for sae in gone where !sae.isAutomatic { activity.emit(.saeRemoved(name: sae.name)) }
    }
}
