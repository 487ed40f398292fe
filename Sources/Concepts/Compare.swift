// Base and adapted view of the same images: which latents are strong in one, the other, or both.
//
// Counted are tokens over tau (class and patches; as published, prompts too) on the images that have a snapshot in
// both views, so that both sides have the same denominators. Latents are ranked by that count, ties by number.

import Basics
import Store

/// Which images to compare on; of each, those with a snapshot in both views.
public enum CompareScope: Sendable {
    /// All present images.
    case all
    /// Those of a label, as it is spelt.
    case label(String)
    /// Some images, as those of a data set.
    case images(Set<ImageRecord.ID>)
    case image(ImageRecord)
}

extension Concepts {
    /// How many of a view's first latents are told of where nobody says how many: 50, of a small dictionary a quarter.
    /// Two views share nearly all of the first 50 of 60, whatever the adaptation did.
    public static func firstLatents(of latents: Int) -> Int { min(50, max(1, latents / 4)) }
}

public struct CompareQuery: Sendable {
    /// Where the overlap is told.
    public var ks = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    /// A latent is gained or lost by coming into or falling out of the first `k`.
    public var k = 50
    /// Latents listed each as gained, lost and changed.
    public var top = 20
    /// Count tokens of every kind, prompts included, with the layout's own denominators: the paper's definitions.
    public var asPublished = false

    public init() {}
}

/// How much of the strongest latents two views share.
public struct OverlapPoint: Sendable, Codable, Equatable {
    public var k: Int
    /// Latents among the first k of both views.
    public var shared: Int
    /// `shared` / k, or / the longer list's length where fewer latents are counted; 0 where none is.
    public var share: Double
    /// The share to expect were the two lists drawn at random from the latents counted in either view.
    public var expectedByChance: Double
}

/// One latent over the tokens of one kind, in both views.
public struct KindChange: Sendable, Codable, Equatable {
    /// `class`, `patch` or, as published, `prompt`.
    public var kind: String
    /// Tokens with z > 0 / tokens of the kind.
    public var baseFrequency: Double
    public var adaptedFrequency: Double
    /// Sum of z / tokens with z > 0; nil where there are none.
    public var baseMean: Double?
    public var adaptedMean: Double?
}

/// The paper's figures of one latent over the scope's images: means over all tokens of the layout, prompts included.
public struct PublishedChange: Sendable, Codable, Equatable {
    /// Images whose mean is above zero / images ("sparsity").
    public var baseFrequency: Double
    public var adaptedFrequency: Double
    /// Sum of image means / images where it is above zero; nil where there are none (published NaN).
    public var baseMean: Double?
    public var adaptedMean: Double?
}

/// One latent in both views.
public struct LatentChange: Sendable, Codable, Equatable {
    public var latent: Int
    /// From 1; 0: no token over tau there.
    public var baseRank: Int
    public var adaptedRank: Int
    /// Tokens over tau.
    public var baseCount: Int
    public var adaptedCount: Int
    /// Empty where details were not asked for.
    public var kinds: [KindChange]
    /// Where asked for as published.
    public var published: PublishedChange?
}

public struct Comparison: Sendable, Codable, Equatable {
    public var base: String
    public var adapted: String
    public var asPublished: Bool
    /// Images compared: present, in scope, with a snapshot in both views.
    public var images: Int
    /// Images in scope with a snapshot in one view alone: left out.
    public var onlyBase: Int
    public var onlyAdapted: Int
    /// Latents with a token over tau.
    public var baseLatents: Int
    public var adaptedLatents: Int
    public var overlap: [OverlapPoint]
    /// Cosine of the two views' counts over all latents; nil where one has none.
    public var cosine: Double?
    /// In adapted's first k and not in base's, by adapted rank; how many, and the first of them.
    public var gainedCount: Int
    public var gained: [LatentChange]
    /// In base's first k and not in adapted's, by base rank.
    public var lostCount: Int
    public var lost: [LatentChange]
    /// In the first k of both, the largest move first: the change of 1 / log2(1 + rank).
    public var changed: [LatentChange]
}

extension Concepts {
    /// Compares two views of one SAE on the same images.
    ///
    /// From the views' class tables (see `Store.prepareClassTables`) for all images and for a label: well below a
    /// second at 100,000 images. Where the views' images differ much, and for `.images`, postings are walked: seconds.
    ///
    /// - Throws: `differentSAEs`, `noLabel`, `noSnapshot` for an image that one view lacks.
    public func compare(
        base: ViewRecord, adapted: ViewRecord, over scope: CompareScope = .all, _ query: CompareQuery = CompareQuery()
    ) throws(ConceptsError) -> Comparison {
        try checkPair(base, adapted)
        return try withTables { () throws(ConceptsError) in
            let side: Sides
            switch scope {
            case let .image(image): side = try imageSides(image, base, adapted, query.asPublished)
            case .all: side = try tableSides(base, adapted, label: nil, images: nil, query.asPublished)
            case let .images(images): side = try tableSides(base, adapted, label: nil, images: images, query.asPublished)
            case let .label(label):
                guard store.imageCount(label: label) > 0 else { throw .noLabel(label: label) }
                side = try tableSides(base, adapted, label: label, images: nil, query.asPublished)
            }
            return try comparison(base, adapted, side, query)
        }
    }

    /// Both views' profiles of a scope, and where details come from.
    private struct Sides {
        var pair: ProfilePair
        var images: Int
        var onlyBase = 0
        var onlyAdapted = 0
        var baseTotals: ([Int]) throws(StoreError) -> [LatentTotals]
        var adaptedTotals: ([Int]) throws(StoreError) -> [LatentTotals]
    }

    private func tableSides(
        _ base: ViewRecord, _ adapted: ViewRecord, label: String?, images: Set<ImageRecord.ID>?, _ published: Bool
    ) throws(ConceptsError) -> Sides {
        let common = try CommonImages(store, base, adapted, label: label, images: images, byLabel: label != nil)
        let (b, a) = try common.totals(of: common.groups)
        let group = label.map { name in 1 + (b.names.firstIndex(of: name) ?? -1) } ?? 0
        let pair = ProfilePair(base: Profile(latents: base.latents), adapted: Profile(latents: base.latents))
        do {
            try pair.base.load(b, groups: [group], published: published)
            try pair.adapted.load(a, groups: [group], published: published)
        } catch { throw .store(error) }
        return Sides(
            pair: pair, images: b.images[group], onlyBase: common.onlyBase, onlyAdapted: common.onlyAdapted,
            baseTotals: { (latents) throws(StoreError) in try b.totals(of: group, latents: latents) },
            adaptedTotals: { (latents) throws(StoreError) in try a.totals(of: group, latents: latents) })
    }

    private func imageSides(
        _ image: ImageRecord, _ base: ViewRecord, _ adapted: ViewRecord, _ published: Bool
    ) throws(ConceptsError) -> Sides {
        let pair = ProfilePair(base: Profile(latents: base.latents), adapted: Profile(latents: base.latents))
        func totals(_ view: ViewRecord, _ profile: Profile) throws(ConceptsError) -> [Int: LatentTotals] {
            let read: (snapshot: Snapshot, postings: [LatentPosting])?
            do { read = try store.postings(of: image.id, in: view.id) } catch { throw .store(error) }
            guard let read else { throw .noSnapshot(image: image.path ?? image.hash.short, view: view.name) }
            let totals = Dictionary(uniqueKeysWithValues: read.postings.map { (Int($0.latent), LatentTotals($0, layout: view.layout)) })
            profile.load(totals.map { ($0, published ? $1.publishedCount : $1.count) })
            return totals
        }
        let b = try totals(base, pair.base), a = try totals(adapted, pair.adapted)
        return Sides(
            pair: pair, images: 1, baseTotals: { $0.map { b[$0] ?? LatentTotals() } },
            adaptedTotals: { $0.map { a[$0] ?? LatentTotals() } })
    }

    private func comparison(
        _ base: ViewRecord, _ adapted: ViewRecord, _ sides: Sides, _ query: CompareQuery
    ) throws(ConceptsError) -> Comparison {
        let pair = sides.pair, k = max(0, query.k), top = max(0, query.top)
        let gained = pair.adapted.ranked.prefix(k).filter { !pair.base.isIn(Int($0), first: k) }.map(Int.init)
        let lost = pair.base.ranked.prefix(k).filter { !pair.adapted.isIn(Int($0), first: k) }.map(Int.init)
        var changed = TopK<Int>(top)
        for latent in pair.base.ranked.prefix(k) where pair.adapted.isIn(Int(latent), first: k) {
            let move = pair.move(Int(latent))
            if move > 0 { changed.offer(Int(latent), score: move, tie: Int64(latent)) }
        }
        func changes(_ latents: [Int]) throws(ConceptsError) -> [LatentChange] {
            do {
                let b = try sides.baseTotals(latents), a = try sides.adaptedTotals(latents)
                return latents.indices.map {
                    LatentChange(
                        latents[$0], pair, b[$0], a[$0], images: sides.images, layouts: (base.layout, adapted.layout),
                        published: query.asPublished)
                }
            } catch { throw .store(error) }
        }
        return Comparison(
            base: base.name, adapted: adapted.name, asPublished: query.asPublished, images: sides.images,
            onlyBase: sides.onlyBase, onlyAdapted: sides.onlyAdapted, baseLatents: pair.base.counted.count,
            adaptedLatents: pair.adapted.counted.count, overlap: query.ks.filter { $0 > 0 }.map(pair.overlap), cosine: pair.cosine,
            gainedCount: gained.count, gained: try changes(Array(gained.prefix(top))), lostCount: lost.count,
            lost: try changes(Array(lost.prefix(top))), changed: try changes(changed.items))
    }
}

extension LatentTotals {
    /// Of one image.
    init(_ posting: LatentPosting, layout: TokenLayout) {
        self.init()
        classToken.active = posting.classValue > 0 ? 1 : 0
        classToken.overTau = posting.classValue > Store.tau ? 1 : 0
        classToken.sum = Double(posting.classValue)
        patch.active = Int(posting.activePatches)
        patch.overTau = Int(posting.patchesOverTau)
        patch.sum = Double(posting.patchMean) * Double(layout.patches)
        prompt.active = Int(posting.activePrompts)
        prompt.overTau = Int(posting.promptsOverTau)
        prompt.sum = Double(posting.promptSum)
        images = classToken.active + patch.active > 0 ? 1 : 0
        anyImages = 1
    }
}

extension LatentChange {
    init(
        _ latent: Int, _ pair: ProfilePair, _ base: LatentTotals, _ adapted: LatentTotals, images: Int,
        layouts: (TokenLayout, TokenLayout), published: Bool
    ) {
        self.init(
            latent: latent, baseRank: pair.base.rank(of: latent), adaptedRank: pair.adapted.rank(of: latent),
            baseCount: pair.base.count(of: latent), adaptedCount: pair.adapted.count(of: latent), kinds: [])
        addKinds(base, adapted, images: images, layouts: layouts, published: published)
    }

    /// Frequencies and means of each kind, and the paper's where `published`.
    mutating func addKinds(
        _ base: LatentTotals, _ adapted: LatentTotals, images: Int, layouts: (TokenLayout, TokenLayout), published: Bool
    ) {
        let hasPrompts = layouts.0.prompts + layouts.1.prompts > 0
        kinds = [TokenKind.class, .patch, .prompt].filter { $0 != .prompt || (published && hasPrompts) }.map { kind in
            KindChange(
                kind: kind.name, baseFrequency: LatentChange.share(base[kind].active, of: images * layouts.0.tokens(of: kind).count),
                adaptedFrequency: LatentChange.share(adapted[kind].active, of: images * layouts.1.tokens(of: kind).count),
                baseMean: base[kind].meanWhenActive, adaptedMean: adapted[kind].meanWhenActive)
        }
        guard published else { return }
        self.published = PublishedChange(
            baseFrequency: LatentChange.share(base.anyImages, of: images),
            adaptedFrequency: LatentChange.share(adapted.anyImages, of: images),
            baseMean: base.publishedMean(layouts.0), adaptedMean: adapted.publishedMean(layouts.1))
    }

    private static func share(_ part: Int, of whole: Int) -> Double { whole > 0 ? Double(part) / Double(whole) : 0 }
}

extension KindTotals {
    var meanWhenActive: Double? { active > 0 ? sum / Double(active) : nil }
}

extension LatentTotals {
    /// Sum of image means over all tokens / images where above zero.
    func publishedMean(_ layout: TokenLayout) -> Double? {
        anyImages > 0 ? (classToken.sum + patch.sum + prompt.sum) / Double(layout.count) / Double(anyImages) : nil
    }
}
