// Models, SAEs, class lists, views.

import Basics
import CLIP
import Foundation
import Ingest
import Store
import Wire

extension Answers {
    func models() throws -> [Saed_ModelInfo] {
        try registry.models.map { try message($0.record, $0.facts) }
    }

    func modelAdd(_ body: Saed_ModelAddRequest) throws -> Saed_ModelAddReply {
        let record = try ingest.importModel(folder: body.folder, name: body.name)
        return try .with {
            $0.model = try message(record, ModelFacts(json: record.config))
            $0.backfill = UInt64(try backfill { $0.model.id == record.id })
        }
    }

    func saes(model: String) throws -> [Saed_SaeInfo] {
        let chosen = model.isEmpty ? nil : try registry.modelOrOnly(model).id
        return try store.catalog.saes(model: chosen).map(message)
    }

    func saeAdd(_ body: Saed_SaeAddRequest) throws -> Saed_SaeAddReply {
        var hook: HookPoint?
        if !body.hook.isEmpty {
            guard let given = HookPoint(body.hook) else {
                throw WireFailure(.invalidArgument, "'\(body.hook)' is no hook point", remedy: "write blocks.L.resid_post, L counted from 0")
            }
            hook = given
        }
        let record = try ingest.importSAE(path: body.path, model: body.model.isEmpty ? nil : body.model, hook: hook, name: body.name)
        return try .with {
            $0.sae = try message(record)
            $0.views = try registry.views.filter { $0.sae.id == record.id }.map(message)
            $0.backfill = UInt64(try backfill { $0.sae.id == record.id })
        }
    }

    /// Snapshots that chosen views lack.
    func backfill(_ includes: (ViewPlan) -> Bool) throws -> Int {
        try registry.views.filter { $0.ownsSnapshots && includes($0) }.reduce(0) { try $0 + store.lackingCount(in: $1.record.id) }
    }

    func classes(_ body: Saed_ClassesRequest) throws -> Saed_ClassesReply {
        let model = try registry.modelOrOnly(body.model.isEmpty ? nil : body.model)
        let list = try registry.classes(of: model)
        return .with {
            $0.model = model.name
            $0.classes = list?.classes ?? []
            $0.templates = list?.templates ?? []
        }
    }

    func classesSet(_ body: Saed_ClassesSetRequest) async throws -> Saed_ClassesSetReply {
        let templates: [String]
        switch (body.templateSet, body.templates.isEmpty) {
        case ("photo", _), ("", true): templates = TemplateSet.photo.templates
        case ("imagenet", _): templates = TemplateSet.imagenet.templates
        case ("", false): templates = try ClassFile.check(templates: body.templates)
        default:
            throw WireFailure(
                .invalidArgument, "no template set is called '\(body.templateSet)'", remedy: "use photo, imagenet or a file with one template a line")
        }
        let classes = try ClassFile.check(body.classes)
        let (record, model) = try await blocking {
            let model = try self.registry.modelOrOnly(body.model.isEmpty ? nil : body.model)
            return (try self.registry.setClasses(model: model.name, classes: classes, templates: templates), model)
        }
        // Made now, so that a class list that the text tower can't read is told to who set it.
        try await classifier.prepare(model)
        return .with {
            $0.model = model.name
            $0.classes = UInt32(record.classes.count)
            $0.templates = UInt32(record.templates.count)
        }
    }

    func views() throws -> [Saed_ViewInfo] { try registry.views.map(message) }

    // MARK: Messages

    func message(_ record: ModelRecord, _ facts: ModelFacts?) throws -> Saed_ModelInfo {
        let list = try registry.classes(of: record)
        return try .with {
            $0.name = record.name
            $0.folder = record.folder
            $0.contentHash = record.contentHash.hex
            if let facts {
                $0.imageSize = UInt32(facts.imageSize)
                $0.patchSize = UInt32(facts.patchSize)
                $0.width = UInt32(facts.width)
                $0.layers = UInt32(facts.layers)
                $0.heads = UInt32(facts.heads)
                $0.projection = UInt32(facts.projection)
                $0.activation = facts.activation
                $0.vocabulary = UInt32(facts.vocabulary)
                $0.contextLength = UInt32(facts.contextLength)
                $0.layout = message(facts.layout)
                $0.embedded = facts.embedded
            }
            $0.adapters = try registry.listedAdapters(model: record.id).map { try message($0, record) }
            $0.classes = UInt32(list?.classes.count ?? 0)
            $0.templates = UInt32(list?.templates.count ?? 0)
            $0.addedMs = milliseconds(record.added)
        }
    }

    func message(_ record: SAERecord) throws -> Saed_SaeInfo {
        let model = try store.catalog.model(record.model)
        let facts = SAEFacts(json: record.config)
        return try .with {
            $0.name = record.name
            $0.model = model.name
            $0.hook = record.hook
            $0.path = record.path
            $0.contentHash = record.contentHash.hex
            $0.architecture = facts?.architecture ?? ""
            $0.width = UInt32(record.width)
            $0.latents = UInt32(record.latents)
            $0.addedMs = milliseconds(record.added)
            $0.embedded = facts?.embedded ?? false
            $0.controlOf = facts?.controlOf ?? ""
            if record.isAutomatic {
                $0.automatic = true
                let views = registry.automaticViews.filter { $0.sae.id == record.id }.map(\.record), sample = ingest.controls.sampleLately
                $0.controlImages = try views.isEmpty ? 0 : UInt64(concepts.commonImages(of: views, images: Set(sample)).count)
                $0.controlImagesWanted = UInt64(sample.count)
            }
        }
    }

    func message(_ plan: ViewPlan) throws -> Saed_ViewInfo {
        let counts = try store.counts(of: plan.record.id)
        return try .with {
            $0.name = message(plan.name)
            $0.recipe = plan.record.recipe.hex
            $0.hook = plan.hook.description
            $0.precision = "f32"
            $0.layout = message(plan.record.layout)
            $0.width = UInt32(plan.record.activationWidth)
            $0.latents = UInt32(plan.record.latents)
            $0.snapshots = UInt64(counts.images)
            $0.queued = plan.ownsSnapshots ? UInt64(max(0, store.imageCount - counts.images)) : 0
            $0.bytes = UInt64(counts.bytes)
            $0.l0 = try l0(plan, counts)
        }
    }

    /// Mean number of active latents a token, by kind. Empty for the moment after a start in which a large view's
    /// aggregates are merged: a status must not wait for that.
    private func l0(_ plan: ViewPlan, _ counts: ViewCounts) throws -> [Saed_KindL0] {
        guard counts.images > 0 else { return [] }
        let atHand = try store.aggregatesAtHand(in: plan.record.id)
        guard let aggregates = try atHand ?? (counts.segments <= 4 ? store.aggregates(in: plan.record.id) : nil) else { return [] }
        return TokenKind.allCases.compactMap { kind in
            let tokens = aggregates.tokens(of: kind)
            guard tokens > 0 else { return nil }
            let active = aggregates.latents.reduce(0) { $0 + $1[kind].active }
            return .with {
                $0.kind = message(kind)
                $0.l0 = Double(active) / Double(tokens)
            }
        }
    }

    func message(_ name: ViewName) -> Saed_ViewName {
        .with {
            $0.model = name.model
            $0.adapter = name.adapter
            $0.sae = name.sae
        }
    }

    func message(_ layout: TokenLayout) -> Saed_TokenLayout {
        .with {
            $0.rows = UInt32(layout.rows)
            $0.columns = UInt32(layout.columns)
            $0.prompts = UInt32(layout.prompts)
        }
    }

    func milliseconds(_ seconds: Double) -> Int64 { Int64((seconds * 1000).rounded()) }
}
