// One image: its strongest latents, those of one of its patches, and a latent's map over it.

import Basics
import Store

/// By what an image's latents are ranked, the largest first.
public enum SpectrumOrder: String, Sendable, Codable, CaseIterable {
    /// Mean over patches.
    case mean
    /// Largest patch value.
    case peak
    /// Sum over class token and patches: the public demo's.
    case sum
    /// Class token and patches with z > 0.2.
    case count
    /// The class token's value.
    case classToken = "class"
}

/// One latent of an image.
public struct ImageLatent: Sendable, Codable, Equatable {
    public var latent: Int
    /// What it is ranked by: the asked-for patch's own value, or the quantity of the query's order.
    public var value: Double
    public var mean: Double
    public var meanWithClass: Double
    public var classValue: Double
    public var peak: Double
    public var peakRow: Int?
    public var peakColumn: Int?
    public var activePatches: Int
    /// Patches with z > 0.2.
    public var patchesOverTau: Int
    public var sum: Double
}

/// Active latents a token.
public struct TokenCounts: Sendable, Codable, Equatable {
    public var classToken: Int
    /// Row-major, rows * columns.
    public var patches: [Int]
    public var prompts: [Int]
    /// Mean of `patches`.
    public var patchMean: Double
}

public struct ImageLatents: Sendable, Codable, Equatable {
    public var view: String
    public var rows: Int
    public var columns: Int
    /// Where one patch was asked for.
    public var patchRow: Int?
    public var patchColumn: Int?
    public var l0: TokenCounts
    /// Latents active anywhere in the image (or on the patch), of which `latents` are the strongest.
    public var active: Int
    /// Latents active on at least one token of each kind.
    public var activeByKind: [TokenKind: Int]
    public var latents: [ImageLatent]
    /// The raw image embedding, for the classifier's answer.
    public var embedding: [Float]
}

/// A latent over one image's patches.
public struct HeatMap: Sendable, Codable, Equatable {
    public var rows: Int
    public var columns: Int
    /// Row-major.
    public var values: [Float]
    public var classValue: Float
}

public struct SpectrumQuery: Sendable {
    public var top = 10
    public var order = SpectrumOrder.mean
    /// Only what this patch (row, column) shows, ranked by its value there.
    public var patch: (row: Int, column: Int)?
    /// Leaves out latents whose mean activation over the data set is above this (the demo's 0.1).
    public var noisyAbove: Double?
    /// Leaves out latents active on the patches of a larger share of images.
    public var maxFrequency: Double?

    public init(top: Int = 10, order: SpectrumOrder = .mean, patch: (row: Int, column: Int)? = nil, noisyAbove: Double? = nil) {
        self.top = top
        self.order = order
        self.patch = patch
        self.noisyAbove = noisyAbove
    }
}

/// A question that has no answer.
public enum ConceptsError: Error, CustomStringConvertible, Sendable, Equatable {
    case noSnapshot(image: String, view: String)
    case noPatch(row: Int, column: Int, rows: Int, columns: Int)
    case noLatent(latent: Int, latents: Int)
    case noLabel(label: String)
    case differentSAEs(base: String, adapted: String)
    case wrongWidth(found: Int, view: String, width: Int)
    case store(StoreError)

    public var description: String {
        switch self {
        case let .noSnapshot(image, view):
            "image '\(image)' has no snapshot in view '\(view)' yet; see 'saectl status', or wait with 'saectl wait'"
        case let .noPatch(row, column, rows, columns):
            "patch \(row),\(column) is outside the grid of \(rows) x \(columns); rows and columns start at 0"
        case let .noLatent(latent, latents):
            "latent \(latent) is not one of the SAE's \(latents); give 0 to \(latents - 1)"
        case let .noLabel(label):
            "no image has the label '\(label)'; labels are the folders below images/, as they are spelt"
        case let .differentSAEs(base, adapted):
            "views '\(base)' and '\(adapted)' have different SAEs, so their latents are not the same; compare views of one SAE"
        case let .wrongWidth(found, view, width):
            "an embedding of \(found) values, those of view '\(view)' have \(width); embed the words with the view's own model"
        case let .store(error): error.description
        }
    }
}

extension Concepts {
    /// The strongest latents of an image, or of one of its patches.
    public func imageLatents(
        of image: ImageRecord, in view: ViewRecord, _ query: SpectrumQuery = SpectrumQuery()
    ) throws(ConceptsError) -> ImageLatents {
        let layout = view.layout
        var token: Int?
        if let patch = query.patch {
            guard let found = layout.token(row: patch.row, column: patch.column) else {
                throw .noPatch(row: patch.row, column: patch.column, rows: layout.rows, columns: layout.columns)
            }
            token = found
        }
        let (snapshot, postings) = try read(image, in: view)
        let left = try latentsLeftOut(of: view, query)
        var best = TopK<ImageLatent>(max(0, query.top))
        var active = 0
        for posting in postings where !left.contains(Int(posting.latent)) {
            let own = token.map { Double(snapshot.latents.value(row: $0, column: posting.latent)) }
            if own == 0 { continue }
            active += 1
            var entry = ImageLatent(posting, layout: layout)
            entry.value = own ?? entry.quantity(query.order, classOverTau: posting.classValue > Store.tau)
            if entry.value > 0 { best.offer(entry, score: entry.value, tie: Int64(entry.latent)) }
        }
        return ImageLatents(
            view: view.name, rows: layout.rows, columns: layout.columns, patchRow: query.patch?.row,
            patchColumn: query.patch?.column, l0: TokenCounts(snapshot), active: active, activeByKind: activeByKind(postings, layout),
            latents: best.items, embedding: snapshot.embedding)
    }

    /// A latent's values over an image's patches.
    public func heatMap(of latent: Int, on image: ImageRecord, in view: ViewRecord) throws(ConceptsError) -> HeatMap {
        guard latent >= 0, latent < view.latents else { throw .noLatent(latent: latent, latents: view.latents) }
        let snapshot = try read(image, in: view).snapshot
        let layout = view.layout
        return HeatMap(
            rows: layout.rows, columns: layout.columns,
            values: layout.tokens(of: .patch).map { snapshot.latents.value(row: $0, column: UInt32(latent)) },
            classValue: snapshot.latents.value(row: 0, column: UInt32(latent)))
    }

    /// Present images in order, those of a label where one is given; `after` is the last of the page before.
    public func listImages(label: String? = nil, after: ImageRecord.ID? = nil, limit: Int) throws(StoreError) -> [ImageRecord] {
        try store.images(label: label, after: after, limit: limit)
    }

    private func read(_ image: ImageRecord, in view: ViewRecord) throws(ConceptsError) -> (snapshot: Snapshot, postings: [LatentPosting]) {
        do {
            guard let read = try store.postings(of: image.id, in: view.id) else {
                throw ConceptsError.noSnapshot(image: image.path ?? image.hash.short, view: view.name)
            }
            return read
        } catch let error as StoreError {
            throw .store(error)
        } catch let error as ConceptsError {
            throw error
        } catch {
            throw .store(.catalog(message: "\(error)"))
        }
    }

    private func activeByKind(_ postings: [LatentPosting], _ layout: TokenLayout) -> [TokenKind: Int] {
        var counts: [TokenKind: Int] = [.class: postings.count { $0.classValue > 0 }, .patch: postings.count { $0.activePatches > 0 }]
        if layout.prompts > 0 { counts[.prompt] = postings.count { $0.activePrompts > 0 } }
        return counts
    }

    private func latentsLeftOut(of view: ViewRecord, _ query: SpectrumQuery) throws(ConceptsError) -> Set<Int> {
        guard query.noisyAbove != nil || query.maxFrequency != nil else { return [] }
        let aggregates: Aggregates
        do { aggregates = try store.aggregates(in: view.id) } catch { throw .store(error) }
        return Set(
            aggregates.latents.indices.filter { latent in
                let total = aggregates.latents[latent]
                guard total.patchImages > 0 else { return false }
                let mean = total.patchMeanSum(view.layout) / Double(total.patchImages)
                let frequency = Double(total.patchImages) / Double(aggregates.images)
                return query.noisyAbove.map { mean > $0 } ?? false || query.maxFrequency.map { frequency > $0 } ?? false
            })
    }
}

extension ImageLatent {
    init(_ posting: LatentPosting, layout: TokenLayout) {
        let hasPeak = posting.activePatches > 0
        self.init(
            latent: Int(posting.latent), value: 0, mean: posting.mean(.patches, patches: layout.patches),
            meanWithClass: posting.mean(.classAndPatches, patches: layout.patches), classValue: Double(posting.classValue),
            peak: Double(posting.peak), peakRow: hasPeak ? Int(posting.peakPatch) / layout.columns : nil,
            peakColumn: hasPeak ? Int(posting.peakPatch) % layout.columns : nil,
            activePatches: Int(posting.activePatches), patchesOverTau: Int(posting.patchesOverTau),
            sum: Double(posting.classValue) + Double(posting.patchMean) * Double(layout.patches))
    }

    func quantity(_ order: SpectrumOrder, classOverTau: Bool) -> Double {
        switch order {
        case .mean: mean
        case .peak: peak
        case .sum: sum
        case .count: Double(patchesOverTau + (classOverTau ? 1 : 0))
        case .classToken: classValue
        }
    }
}

extension TokenCounts {
    init(_ snapshot: Snapshot) {
        let counts = (0..<snapshot.latents.rows).map { snapshot.latents.range(of: $0).count }
        let patches = Array(counts[snapshot.layout.tokens(of: .patch)])
        self.init(
            classToken: counts[0], patches: patches, prompts: Array(counts[snapshot.layout.tokens(of: .prompt)]),
            patchMean: Double(patches.reduce(0, +)) / Double(patches.count))
    }
}
