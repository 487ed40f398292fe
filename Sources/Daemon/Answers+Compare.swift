// Base and adapted view of the same images: which latents are strong in one, the other, or both.

import Basics
import Concepts
import Foundation
import Ingest
import Store
import Wire

extension Answers {
    static let sampledComparisonsMax = 64
    private static let overlapSizes = [1, 2, 5, 10, 20, 50, 100, 200, 500]

    func compare(_ body: Saed_CompareRequest) throws -> Saed_CompareReply {
        guard body.ks.count <= 64 else { throw WireFailure(.invalidArgument, "\(body.ks.count) values of k", remedy: "ask for at most 64") }
        let (base, adapted) = try views(body.base, body.adapted)
        let (scope, text) = try compareScope(body)
        var query = CompareQuery()
        let ks = body.ks.map(Int.init).filter { $0 > 0 }
        query.ks = ks.isEmpty ? Answers.overlapSizes.filter { $0 <= adapted.record.latents } : Array(Set(ks)).sorted()
        query.k = ks.max() ?? Concepts.firstLatents(of: adapted.record.latents)
        query.top = body.top == 0 ? 10 : Int(body.top)
        query.asPublished = body.asPublished
        let found = try concepts.compare(base: base.record, adapted: adapted.record, over: scope, query)
        let control = try control(of: base, adapted, body, scope)
        let aside = try compareAside(control, base, adapted, scope, query)
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
                    if let aside { $0.control = aside.chance.overlap[i].share }
                    if let same = aside?.same { $0.sameImages = same.overlap[i].share }
                }
            }
            $0.gained = found.gained.map(message)
            $0.lost = found.lost.map(message)
            $0.changed = found.changed.map(message)
            $0.cosine = found.cosine ?? 0
            $0.control = control.message(like: adapted.sae.name)
            if let aside {
                $0.controlCosine = aside.chance.cosine ?? 0
                $0.controlView = $0.control.view
                if let same = aside.same { $0.sameImagesCosine = same.cosine ?? 0 }
            }
            $0.definitions = [
                "ranked by tokens with z > 0.2 (\(body.asPublished ? "class, patches and prompts, as published" : "class and patches")) on the \(found.images == 1 ? "image" : "\(found.images) images") that both views have; gained, lost: in or out of the first \(query.k)",
                body.asPublished
                    ? "sparsity: share of images whose mean over all tokens is above 0; mean activation: sum of those means by such images" : "",
                "changed: the move 1 / log2(1 + rank), in the first \(query.k) of both; frequency: share of tokens with z > 0, mean: over those",
                control.isShown ? "control: the same of an SAE of random directions, each latent active on as many tokens as its counterpart, where their densities were matched" : "",
            ].filter { !$0.isEmpty }
            $0.notes = notes(base, adapted, onlyBase: found.onlyBase, onlyAdapted: found.onlyAdapted)
        }
    }

    private func control(of base: ViewPlan, _ adapted: ViewPlan, _ body: Saed_CompareRequest, _ scope: CompareScope) throws -> FindingControl {
        switch scope {
        case let .image(image): try control(of: base, adapted, image: image)
        case .all: try control(of: base, adapted, named: "")
        case let .label(label): try control(of: base, adapted, named: "", label: label)
        case let .images(images): try control(of: base, adapted, named: "", images: images)
        }
    }

    /// The control's comparison, and, where it stands on other images than the finding, the finding on those.
    private func compareAside(
        _ control: FindingControl, _ base: ViewPlan, _ adapted: ViewPlan, _ scope: CompareScope, _ query: CompareQuery
    ) throws -> (chance: Comparison, same: Comparison?)? {
        guard control.isShown, let pair = control.pair else { return nil }
        var query = query
        query.top = 0
        if case .image = scope {
            return (try concepts.compare(base: pair.base.record, adapted: pair.adapted.record, over: scope, query), nil)
        }
        // All of a full control: its tables know the answer.
        if control.isWhole, !control.isAutomatic {
            return (try concepts.compare(base: pair.base.record, adapted: pair.adapted.record, over: scope, query), nil)
        }
        return (
            try sampled(pair.base, pair.adapted, control.images, query),
            control.isWhole ? nil : try sampled(base, adapted, control.images, query)
        )
    }

    /// A comparison on few images, from their snapshots: kept, since the same images under the same views never change.
    private func sampled(_ base: ViewPlan, _ adapted: ViewPlan, _ images: [ImageRecord.ID], _ query: CompareQuery) throws -> Comparison {
        let key = SampledComparison(base: base.record.id, adapted: adapted.record.id, images: images, ks: query.ks, asPublished: query.asPublished)
        if let known = sampledComparisons.withLock({ $0[key] }) { return known }
        let made = try concepts.compare(base: base.record, adapted: adapted.record, over: .images(Set(images)), query)
        // A purge may have come between.
        guard made.images == images.count else { return made }
        sampledComparisons.withLock {
            if $0.count >= Answers.sampledComparisonsMax { $0 = [:] }
            $0[key] = made
        }
        return made
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

    /// What is to be known where two views share their snapshots; nil where they don't.
    func seeTheSame(_ base: ViewPlan, _ adapted: ViewPlan) -> String? {
        guard base.record.id == adapted.record.id else { return nil }
        return "both views see the same: '\(adapted.adapter.record.name)' changes the text side alone, or is '\(base.adapter.record.name)'"
    }

    func notes(_ base: ViewPlan, _ adapted: ViewPlan, onlyBase: Int, onlyAdapted: Int) -> [String] {
        var notes: [String] = []
        if onlyBase + onlyAdapted > 0 {
            notes.append("\(onlyBase + onlyAdapted) images have a snapshot in one of the views only and are not counted (a back-fill runs: saectl wait)")
        }
        if let same = seeTheSame(base, adapted) { notes.append(same) }
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

/// What a kept comparison is of.
struct SampledComparison: Hashable {
    let base, adapted: ViewRecord.ID
    let images: [ImageRecord.ID]
    let ks: [Int]
    let asPublished: Bool
}
