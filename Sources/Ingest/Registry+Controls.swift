// Automatic controls in the catalog: SAEs of random directions that were made by themselves. Their rows are like those of
// other SAEs, under a name that nobody can give, and `SAEFacts.automaticFor` says for which content they were made: with
// that SAE they come and go.

import Basics
import Foundation
import SAE
import Store

extension SAERecord {
    /// What an automatic control's name ends in. '~' can stand in no name that is given (`ViewName.isValid`).
    static let automaticEnding = "~random"

    /// Whether this is a control that was made by itself.
    public var isAutomatic: Bool { name.hasSuffix(SAERecord.automaticEnding) }

    /// Whether one of some SAEs is the one that this automatic control was made like.
    func isControl(ofOneIn saes: [SAERecord]) -> Bool { saes.contains(where: isControl) }

    func isControl(of sae: SAERecord) -> Bool {
        guard sae.model == model, sae.hook == hook, !sae.isAutomatic, let facts = SAEFacts(json: config) else { return false }
        return name == sae.name + SAERecord.automaticEnding && facts.automaticFor == sae.contentHash.hex
    }
}

extension ViewPlan {
    /// Whether this is a view of the automatic control of another one's SAE.
    public func isControl(of other: ViewPlan) -> Bool { sae.isControl(of: other.sae) }
}

extension Registry {
    /// SAEs beside whose findings an automatic control belongs, each with its base view: they have views that differ in what
    /// they see, and nobody made a control by hand.
    var saesInNeedOfControl: [ViewPlan] {
        let all = views
        return all.filter { plan in
            guard plan.adapter.isBase, SAEFacts(json: plan.sae.config)?.controlOf == nil else { return false }
            let isAdapted = all.contains { $0.sae.id == plan.sae.id && $0.record.id != plan.record.id }
            return isAdapted && !all.contains { $0.model.id == plan.model.id && $0.hook == plan.hook && SAEFacts(json: $0.sae.config)?.controlOf == plan.sae.name }
        }
    }

    /// The automatic control of an SAE, where it is made.
    func automaticControl(of sae: SAERecord) throws -> SAERecord? {
        try store.catalog.saes(model: sae.model).first { $0.isControl(of: sae) }
    }

    /// Registers a folder as the control of an SAE.
    ///
    /// - Throws: `IngestError` where the SAE is gone meanwhile, `SAEError`, `StoreError`.
    func addControl(of sae: SAERecord, folder: String) throws {
        try changing.withLock { _ in
            guard try store.catalog.saes(model: sae.model).contains(where: { $0.id == sae.id && $0.contentHash == sae.contentHash }) else {
                throw IngestError(.notFound, "SAE '\(sae.name)' is gone")
            }
            let summary = try SparseAutoencoder.inspect(path: folder)
            guard let hook = HookPoint(sae.hook) else { throw IngestError(.invalid, "'\(sae.hook)' is no hook point") }
            _ = try store.catalog.addSAE(
                model: sae.model, name: sae.name + SAERecord.automaticEnding, path: folder, contentHash: summary.contentHash, hook: hook,
                latents: summary.config.latents, width: summary.config.width,
                config: SAEFacts(
                    architecture: summary.config.architecture, embedded: false, controlOf: sae.name, automaticFor: sae.contentHash.hex,
                    stamp: fileStamp(folder) ?? ""
                ).json)
            try refresh()
        }
    }

    /// Takes automatic controls out of use that no SAE of `wanted` needs.
    /// - Returns: those that have something left to be freed: views with snapshots, files.
    func retireControls(except wanted: [SAERecord]) throws -> [SAERecord] {
        try changing.withLock { _ in
            let all = try store.catalog.saes(includingInactive: true).filter(\.isAutomatic)
            let retired = all.filter { control in !control.active || !wanted.contains(where: control.isControl) }
            let active = retired.filter(\.active)
            for control in active { try store.catalog.deactivateSAE(control.id) }
            if !active.isEmpty { try refresh() }
            return retired
        }
    }

    /// Snapshots of views of retired controls go; those of a view that is in use again stay.
    func freeSnapshots(of controls: [SAERecord]) throws {
        guard !controls.isEmpty else { return }
        let ids = Set(controls.map(\.id)), inUse = Set(allViews.map(\.record.id))
        for view in try store.catalog.views(includingInactive: true) where ids.contains(view.sae) && !inUse.contains(view.id) {
            if try store.counts(of: view.id).segments > 0 { _ = try store.purge(view: view.id) }
        }
    }
}
