// All latents of a view, sorted and filtered: from the merged aggregates.

import Basics
import Store

/// By what latents are sorted; the largest first, except `entropy` and `id`, where the smallest is.
public enum LatentOrder: String, Sendable, Codable, CaseIterable {
    /// Share of tokens of the kind.
    case frequency
    /// Images whose mean over patches is above zero.
    case images
    /// Mean when active.
    case mean
    case max
    /// Sum of image means over patches / images where above zero.
    case activation
    /// Label entropy over all images: the most specific first. Latents without one (fewer than 10 labelled
    /// images) come last.
    case entropy
    case id
}

/// What to list.
public struct LatentTableQuery: Sendable {
    public var sort = LatentOrder.frequency
    /// Frequency is the share of images with a patch mean above zero, in place of the share of `kind`'s tokens.
    public var overImages = false
    /// Turns the order round.
    public var reversed = false
    /// Of the tokens of `kind`.
    public var kind = TokenKind.patch
    /// Bounds of `frequency`, both included.
    public var minFrequency: Double?
    public var maxFrequency: Double?
    public var limit = 50
    public var offset = 0
    /// Give each listed latent its label entropy, also where it is not sorted by: reads its postings.
    public var withEntropy = false

    public init(sort: LatentOrder = .frequency, kind: TokenKind = .patch, minFrequency: Double? = nil, maxFrequency: Double? = nil) {
        self.sort = sort
        self.kind = kind
        self.minFrequency = minFrequency
        self.maxFrequency = maxFrequency
    }
}

/// One latent of a table.
public struct LatentRow: Sendable, Codable, Equatable {
    public var latent: Int
    public var tokens: KindStatistics
    /// Over patches.
    public var images: MeanStatistics
    /// Over all images, natural log; nil where unasked for or undefined.
    public var labelEntropy: Double?
}

public struct LatentTable: Sendable, Codable, Equatable {
    public var view: String
    /// The SAE's width.
    public var latents: Int
    /// Latents active on at least one token of any kind.
    public var alive: Int
    /// Latents within the frequency bounds.
    public var matching: Int
    public var images: Int
    public var rows: [LatentRow]
}

extension Concepts {
    /// Sorts and filters all latents; milliseconds at 49,152 once the view's aggregates are merged (the first
    /// call after a start reads each segment's). Sorting by entropy reads all postings of the matching
    /// latents, and keeps the result until the store changes.
    public func latentTable(in view: ViewRecord, _ query: LatentTableQuery = LatentTableQuery()) throws(StoreError) -> LatentTable {
        let aggregates = try store.aggregates(in: view.id)
        let tokens = aggregates.tokens(of: query.kind)
        var matching: [Int] = []
        var alive = 0
        let low = query.minFrequency ?? 0, high = query.maxFrequency ?? .infinity
        for (latent, total) in aggregates.latents.enumerated() {
            alive += total.anyImages > 0 || total.prompt.active > 0 ? 1 : 0
            let (part, whole) = query.overImages ? (total.patchImages, aggregates.images) : (total[query.kind].active, tokens)
            let frequency = whole > 0 ? Double(part) / Double(whole) : 0
            if frequency >= low && frequency <= high { matching.append(latent) }
        }
        let entropies = query.sort == .entropy ? try allEntropies(view, aggregates) : [:]
        var best = TopK<Int>(max(0, query.offset) + max(0, query.limit))
        for latent in matching {
            let score = score(latent, aggregates, query, entropies)
            best.offer(latent, score: query.reversed ? -score : score, tie: Int64(latent))
        }
        var listed = best.items.dropFirst(max(0, query.offset)).map { row($0, aggregates, query) }
        for at in listed.indices where query.sort == .entropy || query.withEntropy {
            listed[at].labelEntropy =
                query.sort == .entropy ? entropies[listed[at].latent] : try entropy(of: [listed[at].latent], view)[listed[at].latent]
        }
        return LatentTable(
            view: view.name, latents: view.latents, alive: alive, matching: matching.count, images: aggregates.images, rows: listed)
    }

    private func row(_ latent: Int, _ aggregates: Aggregates, _ query: LatentTableQuery) -> LatentRow {
        let total = aggregates.latents[latent]
        return LatentRow(
            latent: latent, tokens: KindStatistics(query.kind, total[query.kind], tokens: aggregates.tokens(of: query.kind)),
            images: MeanStatistics(.patches, total, layout: aggregates.layout, images: aggregates.images))
    }

    private func score(_ latent: Int, _ aggregates: Aggregates, _ query: LatentTableQuery, _ entropies: [Int: Double]) -> Double {
        let total = aggregates.latents[latent]
        let kind = total[query.kind]
        return switch query.sort {
        case .frequency: Double(query.overImages ? total.patchImages : kind.active)
        case .images: Double(total.patchImages)
        case .mean: kind.active > 0 ? kind.sum / Double(kind.active) : -1
        case .max: kind.active > 0 ? Double(kind.max) : -1
        case .activation: total.patchImages > 0 ? total.patch.sum / Double(total.patchImages) : -1
        case .entropy: entropies[latent].map { -$0 } ?? -.infinity
        case .id: -Double(latent)
        }
    }

    /// Over all latents that can have one, from the cache where nothing changed.
    private func allEntropies(_ view: ViewRecord, _ aggregates: Aggregates) throws(StoreError) -> [Int: Double] {
        let changes = store.changeCount
        if let cached = entropies.withLock({ $0[view.id] }), cached.changes == changes { return cached.values }
        let candidates = aggregates.latents.indices.filter { aggregates.latents[$0].patchImages >= LabelStatistics.imagesMin }
        let values = try entropy(of: candidates, view)
        entropies.withLock { $0[view.id] = (changes, values) }
        return values
    }

    private func entropy(of latents: [Int], _ view: ViewRecord) throws(StoreError) -> [Int: Double] {
        var values: [Int: Double] = [:]
        try store.forEachLatent(latents, in: view.id) { (latent, postings) throws(StoreError) in
            var labels = LabelAccumulator(labels: postings.labelNames.count)
            for item in postings.items { labels.add(label: item.label, mean: item.posting.mean(.patches, patches: view.layout.patches)) }
            values[latent] = labels.entropy()
        }
        return values
    }
}
