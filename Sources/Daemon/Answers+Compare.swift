// Base and adapted view of the same images: which latents are strong in one, the other, or both.

import Basics
import Concepts
import Foundation
import Ingest
import Store
import Wire

extension Answers {
    private static let overlapSizes = [1, 2, 5, 10, 20, 50, 100, 200, 500]

    func compare(_ body: Saed_CompareRequest) throws -> Saed_CompareReply {
        guard body.ks.count <= 64 else { throw WireFailure(.invalidArgument, "\(body.ks.count) values of k", remedy: "ask for at most 64") }
        let (base, adapted) = try views(body.base, body.adapted)
        let (scope, text) = try compareScope(body)
        var query = CompareQuery()
        let ks = body.ks.map(Int.init).filter { $0 > 0 }
        query.ks = ks.isEmpty ? Answers.overlapSizes.filter { $0 <= adapted.record.latents } : Array(Set(ks)).sorted()
        query.k = ks.max() ?? query.k
        query.top = body.top == 0 ? 10 : Int(body.top)
        query.asPublished = body.asPublished
        let found = try concepts.compare(base: base.record, adapted: adapted.record, over: scope, query)
        var control = try control(of: base, adapted, named: "")
        var chance: Comparison?
        if let pair = control {
            do throws(ConceptsError) {
                let other = try concepts.compare(base: pair.base.record, adapted: pair.adapted.record, over: scope, query)
                if other.images == found.images { chance = other }
            } catch {
                // Its back-fill may not have come to an image yet.
                guard case .noSnapshot = error else { throw error }
            }
            if chance == nil { control = nil }
        }
        return .with {
            $0.base = message(base.name)
            $0.adapted = message(adapted.name)
            $0.scope = text
            $0.k = UInt32(query.k)
            $0.images = UInt64(found.images)
            $0.onlyBase = UInt64(found.onlyBase)
            $0.onlyAdapted = UInt64(found.onlyAdapted)
            $0.overlap = found.overlap.enumerated().map { i, point in
                .with {
                    $0.k = UInt32(point.k)
                    $0.shared = UInt32(point.shared)
                    $0.share = point.share
                    $0.expectedByChance = point.expectedByChance
                    if let chance { $0.control = chance.overlap[i].share }
                }
            }
            $0.gained = found.gained.map(message)
            $0.lost = found.lost.map(message)
            $0.changed = found.changed.map(message)
            $0.cosine = found.cosine ?? 0
            if let chance {
                $0.controlCosine = chance.cosine ?? 0
                $0.controlView = control?.adapted.name.description ?? ""
            }
            $0.definitions = [
                "ranked by tokens with z > 0.2 (\(body.asPublished ? "class, patches and prompts, as published" : "class and patches")) on the \(found.images == 1 ? "image" : "\(found.images) images") that both views have; gained, lost: in or out of the first \(query.k)",
                body.asPublished
                    ? "sparsity: share of images whose mean over all tokens is above 0; mean activation: sum of those means by such images" : "",
                "changed: the move 1 / log2(1 + rank), in the first \(query.k) of both; frequency: share of tokens with z > 0, mean: over those",
            ].filter { !$0.isEmpty }
            $0.notes = notes(base, adapted, onlyBase: found.onlyBase, onlyAdapted: found.onlyAdapted, control: control)
        }
    }

    private func compareScope(_ body: Saed_CompareRequest) throws -> (CompareScope, String) {
        if body.hasImage {
            guard !body.hasLabel, !body.hasDataset else {
                throw WireFailure(.invalidArgument, "an image and a class or data set", remedy: "--image goes alone")
            }
            let image = try image(body.image)
            return (.image(image), "image \(image.path ?? image.hash.short)")
        }
        let scope = try scope(label: body.hasLabel ? body.label : nil, dataset: body.hasDataset ? body.dataset : nil)
        switch (scope.label, scope.images) {
        case (nil, nil): return (.all, scope.text)
        case let (label?, nil): return (.label(label), scope.text)
        case let (label, images?):
            let labels = label == nil ? [:] : store.labels(of: images)
            return (.images(label == nil ? images : images.filter { labels[$0] == label }), scope.text)
        }
    }

    /// The pair of views under an SAE of random directions, where there is one for the views' SAE.
    func control(of base: ViewPlan, _ adapted: ViewPlan, named name: String) throws -> (base: ViewPlan, adapted: ViewPlan)? {
        let plans = registry.views
        func isControl(_ plan: ViewPlan) -> Bool {
            plan.model.id == adapted.model.id && plan.hook == adapted.hook
                && (name.isEmpty ? SAEFacts(json: plan.sae.config)?.controlOf == adapted.sae.name : plan.sae.name == name)
        }
        let found = plans.first { isControl($0) && $0.adapter.record.id == adapted.adapter.record.id }
        if !name.isEmpty, let found, SAEFacts(json: found.sae.config)?.controlOf == nil {
            throw WireFailure(.invalidArgument, "SAE '\(name)' is no control: it was not made of random directions", remedy: "make one: saectl sae random NAME --like \(adapted.sae.name)")
        }
        guard let found, let other = plans.first(where: { $0.sae.id == found.sae.id && $0.adapter.record.id == base.adapter.record.id }) else {
            guard name.isEmpty else {
                throw WireFailure(.notFound, "model '\(adapted.model.name)' has no SAE called '\(name)' at \(adapted.hook)", remedy: "make one: saectl sae random \(name) --like \(adapted.sae.name)")
            }
            return nil
        }
        return (other, found)
    }

    /// What is to be known where two views share their snapshots; nil where they don't.
    func seeTheSame(_ base: ViewPlan, _ adapted: ViewPlan) -> String? {
        guard base.record.id == adapted.record.id else { return nil }
        return "both views see the same: '\(adapted.adapter.record.name)' changes the text side alone, or is '\(base.adapter.record.name)'"
    }

    func notes(_ base: ViewPlan, _ adapted: ViewPlan, onlyBase: Int, onlyAdapted: Int, control: (base: ViewPlan, adapted: ViewPlan)?) -> [String] {
        var notes: [String] = []
        if onlyBase + onlyAdapted > 0 {
            notes.append("\(onlyBase + onlyAdapted) images have a snapshot in one of the views only and are not counted (a back-fill runs: saectl wait)")
        }
        if let same = seeTheSame(base, adapted) { notes.append(same) }
        if control == nil {
            notes.append("no control stands beside this (saectl sae random NAME --like \(adapted.sae.name) makes one of random directions, saectl wait finishes it)")
        }
        return notes
    }

    func message(_ change: LatentChange) -> Saed_LatentChange {
        .with {
            $0.latent = UInt32(change.latent)
            $0.baseRank = UInt32(change.baseRank)
            $0.adaptedRank = UInt32(change.adaptedRank)
            $0.baseCount = UInt64(change.baseCount)
            $0.adaptedCount = UInt64(change.adaptedCount)
            if let published = change.published {
                $0.published.baseSparsity = published.baseFrequency
                $0.published.adaptedSparsity = published.adaptedFrequency
                if let mean = published.baseMean { $0.published.baseMean = mean }
                if let mean = published.adaptedMean { $0.published.adaptedMean = mean }
            }
            $0.kinds = change.kinds.map { kind in
                .with {
                    $0.kind = TokenKind.allCases.first { $0.name == kind.kind }.map(message) ?? .patch
                    $0.baseFrequency = kind.baseFrequency
                    $0.adaptedFrequency = kind.adaptedFrequency
                    if let mean = kind.baseMean { $0.baseMean = mean }
                    if let mean = kind.adaptedMean { $0.adaptedMean = mean }
                }
            }
        }
    }
}
