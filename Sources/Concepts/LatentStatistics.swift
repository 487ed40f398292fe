// One latent over all images of a view.

import Basics
import Store

/// One latent over the tokens of one kind.
public struct KindStatistics: Sendable, Codable, Equatable {
    public var kind: String
    /// Tokens of the kind over all images: the denominator.
    public var tokens: Int
    /// Tokens with z > 0.
    public var active: Int
    /// `active / tokens`; 0 where there are none.
    public var frequency: Double
    /// Tokens with z > 0.2.
    public var overTau: Int
    /// Sum of z / `active`; nil for a dead latent.
    public var meanWhenActive: Double?
    /// Largest z; nil for a dead latent.
    public var max: Double?
}

/// One latent over images, by image means of one scope.
public struct MeanStatistics: Sendable, Codable, Equatable {
    public var scope: MeanScope
    /// Images whose mean is above zero.
    public var images: Int
    /// `images` / all images of the view: the published "sparsity" in scope `classAndPatches`.
    public var share: Double
    /// Sum of image means / `images`: the published "mean activation"; nil for a dead latent (published NaN).
    public var meanActivation: Double?
}

/// One of a latent's images.
public struct LatentImage: Sendable, Codable, Equatable {
    /// Content hash, hex.
    public var image: String
    public var imageNumber: Int64
    public var path: String?
    public var label: String?
    /// Mean in the query's scope.
    public var mean: Double
    public var classValue: Double
    /// Largest patch value; 0 where no patch is active, and then there is no place.
    public var peak: Double
    public var peakRow: Int?
    public var peakColumn: Int?
    public var activePatches: Int
    public var patchesOverTau: Int
}

/// What is known of one latent.
public struct LatentStatistics: Sendable, Codable, Equatable {
    public var view: String
    public var latent: Int
    /// Present images with a snapshot in the view.
    public var images: Int
    /// Class, patch and, where the layout has them, prompt tokens.
    public var kinds: [KindStatistics]
    /// Over patches, and over class and patches.
    public var means: [MeanStatistics]
    /// Label spread over the `entropyTop` images with the largest mean.
    public var topLabels: LabelStatistics
    /// Label spread over all images.
    public var allLabels: LabelStatistics
    /// Scope of `topImages`' means, and of the label spreads.
    public var scope: MeanScope
    public var order: ImageOrder
    public var topImages: [LatentImage]
}

/// What to ask of a latent.
public struct LatentQuery: Sendable {
    /// Images listed, at most 256.
    public var top = 16
    public var order = ImageOrder.mean
    public var scope = MeanScope.patches
    /// Only images of this label are listed (statistics stay over all).
    public var label: String?
    /// Images that the "top" label spread is over; published: 10.
    public var entropyTop = 16
    /// Labels listed in each spread.
    public var labelsListed = 10

    public static let topMax = 256

    public init(top: Int = 16, order: ImageOrder = .mean, scope: MeanScope = .patches, label: String? = nil) {
        self.top = top
        self.order = order
        self.scope = scope
        self.label = label
    }
}

extension Concepts {
    /// Statistics and top images of a latent. One pass over its postings.
    ///
    /// - Throws: `StoreError.notFound` for a latent beyond the SAE's width.
    public func latentStatistics(
        _ latent: Int, in view: ViewRecord, _ query: LatentQuery = LatentQuery()
    ) throws(StoreError) -> LatentStatistics {
        let postings = try store.postings(of: latent, in: view.id)
        let layout = view.layout
        var totals = LatentAggregate()
        var all = LabelAccumulator(labels: postings.labelNames.count)
        var strongest = TopK<ImagePosting>(max(LabelStatistics.imagesMin, query.entropyTop))
        for item in postings.items {
            totals.add(item.posting, patches: layout.patches)
            let mean = item.posting.mean(query.scope, patches: layout.patches)
            all.add(
                label: item.label, mean: mean,
                overTau: Int(item.posting.patchesOverTau) + (item.posting.classValue > Store.tau ? 1 : 0))
            guard mean > 0 else { continue }
            strongest.offer(item, score: mean, tie: item.image.rawValue)
        }
        var top = LabelAccumulator(labels: postings.labelNames.count)
        for item in strongest.items { top.add(label: item.label, mean: item.posting.mean(query.scope, patches: layout.patches)) }
        return LatentStatistics(
            view: view.name, latent: latent, images: postings.images,
            kinds: TokenKind.allCases.filter { $0 != .prompt || layout.prompts > 0 }.map {
                KindStatistics($0, totals[$0], tokens: postings.images * layout.tokens(of: $0).count)
            },
            means: MeanScope.allCases.map { MeanStatistics($0, totals, layout: layout, images: postings.images) },
            topLabels: top.statistics(postings, top: query.labelsListed),
            allLabels: all.statistics(postings, top: query.labelsListed),
            scope: query.scope, order: query.order, topImages: try images(of: postings, layout: layout, query))
    }

    /// Images of a latent, strongest first: those with a mean (or peak) above zero.
    public func imagesByLatent(
        _ latent: Int, in view: ViewRecord, _ query: LatentQuery = LatentQuery()
    ) throws(StoreError) -> [LatentImage] {
        try images(of: try store.postings(of: latent, in: view.id), layout: view.layout, query)
    }

    /// Images on whose patches a latent is active, all or those of a label.
    public func imageCount(ofLatent latent: Int, in view: ViewRecord, label: String? = nil) throws(StoreError) -> Int {
        let postings = try store.postings(of: latent, in: view.id)
        let wanted = number(of: label, postings)
        return postings.items.count { $0.posting.activePatches > 0 && (wanted == nil || $0.label == wanted) }
    }

    /// nil for no label; a number that no image has for one that is not in use.
    private func number(of label: String?, _ postings: LatentPostings) -> Int32? {
        label.map { name in Int32(1 + (postings.labelNames.firstIndex(of: name) ?? -2)) }
    }

    private func images(of postings: LatentPostings, layout: TokenLayout, _ query: LatentQuery) throws(StoreError) -> [LatentImage] {
        var best = TopK<ImagePosting>(min(max(0, query.top), LatentQuery.topMax))
        let label = number(of: query.label, postings)
        for item in postings.items where label == nil || item.label == label {
            let mean = item.posting.mean(query.scope, patches: layout.patches)
            let score = query.order == .mean ? mean : Double(item.posting.peak)
            if score > 0 { best.offer(item, score: score, tie: item.image.rawValue) }
        }
        let records = try store.images(best.items.map(\.image))
        let byID = Dictionary(uniqueKeysWithValues: records.map { ($0.id, $0) })
        return best.items.compactMap { item in
            byID[item.image].map { LatentImage($0, item.posting, layout: layout, scope: query.scope) }
        }
    }
}

extension KindStatistics {
    init(_ kind: TokenKind, _ total: KindAggregate, tokens: Int) {
        self.init(
            kind: kind.name, tokens: tokens, active: total.active,
            frequency: tokens > 0 ? Double(total.active) / Double(tokens) : 0, overTau: total.overTau,
            meanWhenActive: total.active > 0 ? total.sum / Double(total.active) : nil,
            max: total.active > 0 ? Double(total.max) : nil)
    }
}

extension MeanStatistics {
    init(_ scope: MeanScope, _ total: LatentAggregate, layout: TokenLayout, images: Int) {
        let positive = scope == .patches ? total.patchImages : total.anyImages
        let sum = scope == .patches ? total.patchMeanSum(layout) : total.anyMeanSum(layout)
        self.init(
            scope: scope, images: positive, share: images > 0 ? Double(positive) / Double(images) : 0,
            meanActivation: positive > 0 ? sum / Double(positive) : nil)
    }
}

extension LatentImage {
    init(_ record: ImageRecord, _ posting: LatentPosting, layout: TokenLayout, scope: MeanScope) {
        let hasPeak = posting.activePatches > 0
        self.init(
            image: record.hash.hex, imageNumber: record.id.rawValue, path: record.path, label: record.label,
            mean: posting.mean(scope, patches: layout.patches), classValue: Double(posting.classValue),
            peak: Double(posting.peak), peakRow: hasPeak ? Int(posting.peakPatch) / layout.columns : nil,
            peakColumn: hasPeak ? Int(posting.peakPatch) % layout.columns : nil,
            activePatches: Int(posting.activePatches), patchesOverTau: Int(posting.patchesOverTau))
    }
}
