// Which images, or patches, share the most concepts: the weighted Jaccard similarity (Ruzicka 1958) of scaled latents.
//
//   score(a, b) = sum_j w_j min(u_j, v_j) / sum_j w_j max(u_j, v_j), 0 (nothing shared) to 1 (the same)
//
//   images   u_j = mean of latent j over a's patches / that mean where it is above zero, over all images
//            w_j = log(N / n_j), N images, n_j those on whose patches j is active
//   patches  u_j = value of latent j on a's patch / its mean on patches where it is active
//            w_j = log(N P / p_j), p_j patches on which j is active
//
// So no loud latent drowns the others, and one that is active everywhere counts nothing. Candidates come from the
// inverted index: postings of the latents that carry most of w u are added up to M = sum_j w_j min(u_j, v_j). Then
// snapshots are read, the largest M first, and scored exactly. With S = sum_j w_j u_j and R the part of S that was not
// looked up no image scores above (M + R) / S: reading ends where that is below the last hit, or after `comparedMax`
// images. Of an image's patches M is the sum over the largest value of each latent, which no patch exceeds, and the
// images are read in the order of an estimate that tells whether the latents lie near one another (`Store.matches`).

import Basics
import Glibc
import Store

/// What to compare.
public struct SimilarQuery: Sendable {
    /// Images listed, at most 256.
    public var top = 10
    /// Compares this patch (row, column) with the patches of others, of which each image's best is listed.
    public var patch: (row: Int, column: Int)?
    /// Only images of this label are listed.
    public var label: String?
    /// Shared latents listed of each image.
    public var shared = 8
    /// Latents looked up at most, those that carry most first ...
    public var latentsMax = 256
    /// ... as long as their postings are so few together; one that alone would exceed this is left out.
    public var postingsMax = 4_000_000
    /// Images compared exactly at most; nil: all of a store of up to `fewImages`, else 96, or 384 where a patch is asked
    /// about, whose candidates are less certain. Reading ends sooner where the rest can't come in.
    public var comparedMax: Int?
    /// Random images that are compared as well: the control.
    public var randomImages = 32

    public static let topMax = 256
    static let fewImages = 1024

    func compared(of images: Int) -> Int {
        comparedMax ?? (images <= SimilarQuery.fewImages ? images : patch == nil ? 96 : 384)
    }

    public init(top: Int = 10, patch: (row: Int, column: Int)? = nil, label: String? = nil) {
        (self.top, self.patch, self.label) = (top, patch, label)
    }
}

/// A latent that two images, or patches, share.
public struct SharedLatent: Sendable, Codable, Equatable {
    public var latent: Int
    /// Its part of the score: the shares of all shared latents add up to 1.
    public var share: Double
    /// What it counts, `w_j`.
    public var weight: Double
    /// Mean over patches of what was asked about, or its value on the patch.
    public var value: Double
    /// The same of this image or patch.
    public var other: Double
}

/// An image that shares concepts.
public struct SimilarImage: Sendable, Codable, Equatable {
    /// Content hash, hex.
    public var image: String
    public var imageNumber: Int64
    public var path: String?
    public var label: String?
    /// 0 to 1.
    public var score: Double
    /// Where a patch was asked about: the image's most similar one; of equal ones the first.
    public var patchRow: Int?
    public var patchColumn: Int?
    /// Latents that are active in both.
    public var sharedCount: Int
    /// Those that count most.
    public var shared: [SharedLatent]
}

/// What shares concepts with an image or patch, and how thoroughly was looked.
public struct SimilarAnswer: Sendable, Codable, Equatable {
    public var view: String
    public var image: String
    public var patchRow: Int?
    public var patchColumn: Int?
    /// Most similar first; of equal ones the lower image.
    public var images: [SimilarImage]
    /// Latents active on the patches, or the patch, that was asked about.
    public var active: Int
    /// Latents that were looked up in the index.
    public var lookedUp: Int
    /// What these carry of the sum of `w_j u_j`.
    public var coverage: Double
    /// Images that have at least one of them.
    public var candidates: Int
    /// Images that were compared exactly, the control's not counted.
    public var compared: Int
    /// No image that was not compared can belong into the list.
    public var isComplete: Bool
    /// The control: random images, of the same label where one was asked for.
    public var randomImages: Int
    /// Their mean score (of patches: of each one's best); 0 where there are none.
    public var randomScore: Double
    /// Standard deviation of their scores.
    public var randomDeviation: Double
}

extension Concepts {
    /// The images, or patches, of a view that share the most concepts with an image, or one of its patches; the image
    /// itself is left out.
    ///
    /// Cost: some 70 ms of two cores for 100,000 images of 1,600 latents, half of it for the index and half for reading up
    /// to `comparedMax` + `randomImages` snapshots.
    ///
    /// - Throws: `noPatch`, `noSnapshot`, `noLabel`, `store`.
    public func similar(
        to image: ImageRecord, in view: ViewRecord, _ query: SimilarQuery = SimilarQuery()
    ) throws(ConceptsError) -> SimilarAnswer {
        var token: Int?
        if let patch = query.patch {
            guard let found = view.layout.token(row: patch.row, column: patch.column) else {
                throw .noPatch(row: patch.row, column: patch.column, rows: view.layout.rows, columns: view.layout.columns)
            }
            token = found
        }
        let wanted = try query.label.map { (label) throws(ConceptsError) in try images(of: label) }
        return try withTables { () throws(ConceptsError) in
            try similar(to: image, token: token, in: view, query) { $0 != image.id && (wanted?($0) ?? true) }
        }
    }

    private func similar(
        to image: ImageRecord, token: Int?, in view: ViewRecord, _ query: SimilarQuery, where isWanted: (ImageRecord.ID) -> Bool
    ) throws(ConceptsError) -> SimilarAnswer {
        let aggregates: Aggregates, moment: ViewMoment
        do throws(StoreError) {
            aggregates = try store.aggregates(in: view.id)
            moment = try store.moment(of: view.id)
        } catch { throw .store(error) }
        let scale = ConceptScale(aggregates, ofPatches: token != nil)
        guard let own = try conceptValues(of: image.id, token: token, in: view, scale) else {
            throw .noSnapshot(image: image.path ?? image.hash.short, view: view.name)
        }
        var mask = store.presentImages(moment)
        for id in mask.indices where mask[id] && !isWanted(ImageRecord.ID(rawValue: Int64(id))) { mask[id] = false }
        let scorer = SimilarityScorer(self, view, scale, own, isPatch: token != nil)
        let lookUp = LookUp(own, scale, aggregates, query)
        let matches: Matches
        do { matches = try store.matches(of: lookUp.terms, by: token == nil ? .mean : .patch, moment, mask: mask) } catch {
            throw .store(error)
        }
        let search = try scorer.search(matches, missing: own.sum - lookUp.sum, query)
        let random = try scorer.random(mask, seed: UInt64(image.id.rawValue), count: query.randomImages)
        return SimilarAnswer(
            view: view.name, image: image.hash.hex, patchRow: query.patch?.row, patchColumn: query.patch?.column,
            images: try listed(search.hits, own, scale, view, query), active: own.entries.count, lookedUp: lookUp.terms.count,
            coverage: own.sum > 0 ? lookUp.sum / own.sum : 0, candidates: search.candidates, compared: search.compared,
            isComplete: search.isComplete, randomImages: random.count, randomScore: random.mean, randomDeviation: random.deviation)
    }

    private func listed(
        _ hits: [SimilarHit], _ own: ConceptValues, _ scale: ConceptScale, _ view: ViewRecord, _ query: SimilarQuery
    ) throws(ConceptsError) -> [SimilarImage] {
        let records = try records(hits.map(\.image))
        return hits.compactMap { hit in
            guard let record = records[hit.image] else { return nil }
            let shared = own.shared(with: hit.values(scale))
            let total = shared.reduce(0) { $0 + $1.part }
            var best = TopK<SharedLatent>(max(0, query.shared))
            for (a, b, part) in shared where part > 0 {
                let latent = Int(a.latent)
                best.offer(
                    SharedLatent(
                        latent: latent, share: part / total, weight: a.weight, value: a.value / scale.scales[latent],
                        other: b.value / scale.scales[latent]),
                    score: part, tie: Int64(latent))
            }
            return SimilarImage(
                image: record.hash.hex, imageNumber: record.id.rawValue, path: record.path, label: record.label, score: hit.score,
                patchRow: hit.patch.map { $0 / view.layout.columns }, patchColumn: hit.patch.map { $0 % view.layout.columns },
                sharedCount: shared.count, shared: best.items)
        }
    }

    /// The latents of an image, or one of its tokens, as they are compared; nil where it has no snapshot.
    func conceptValues(
        of image: ImageRecord.ID, token: Int?, in view: ViewRecord, _ scale: ConceptScale
    ) throws(ConceptsError) -> ConceptValues? {
        do throws(StoreError) {
            guard let token else {
                return try store.postings(of: image, in: view.id).map { ConceptValues($0.postings, scale) }
            }
            return try store.snapshot(of: image, in: view.id).map { ConceptValues($0.latents, row: token, scale) }
        } catch { throw .store(error) }
    }
}

/// Weights and scales of all latents of a view.
struct ConceptScale: Sendable {
    /// `w_j`, 0 for a latent that is active nowhere (or everywhere).
    let weights: [Double]
    /// What a value is multiplied by.
    let scales: [Double]

    init(_ aggregates: Aggregates, ofPatches: Bool) {
        let layout = aggregates.layout, patches = Double(aggregates.tokens(of: .patch)), images = Double(aggregates.images)
        weights = aggregates.latents.map { total in
            let active = Double(ofPatches ? total.patch.active : total.patchImages)
            return active > 0 ? max(0, log((ofPatches ? patches : images) / active)) : 0
        }
        scales = aggregates.latents.map { total in
            let sum = ofPatches ? total.patch.sum : total.patchMeanSum(layout)
            return sum > 0 ? Double(ofPatches ? total.patch.active : total.patchImages) / sum : 0
        }
    }
}

/// The latents of one image or patch, scaled.
struct ConceptValues: Sendable {
    struct Entry: Sendable {
        var latent: UInt32
        var weight: Double
        /// Scaled.
        var value: Double
    }
    /// Ascending by latent.
    var entries: [Entry] = []
    /// Sum of weight * value.
    private(set) var sum = 0.0

    init(_ postings: [LatentPosting], _ scale: ConceptScale) {
        entries.reserveCapacity(postings.count)
        for posting in postings where posting.activePatches > 0 { add(posting.latent, posting.patchMean, scale) }
    }

    init(_ latents: SparseRows, row: Int, _ scale: ConceptScale) {
        for k in latents.range(of: row) { add(latents.indices[k], latents.values[k], scale) }
    }

    private mutating func add(_ latent: UInt32, _ value: Float, _ scale: ConceptScale) {
        let entry = Entry(latent: latent, weight: scale.weights[Int(latent)], value: Double(value) * scale.scales[Int(latent)])
        entries.append(entry)
        sum += entry.weight * entry.value
    }

    /// The latents of both, and what each adds to the sum of `w_j min(u_j, v_j)`.
    func shared(with other: ConceptValues) -> [(own: Entry, other: Entry, part: Double)] {
        var shared: [(Entry, Entry, Double)] = []
        var a = 0, b = 0
        while a < entries.count, b < other.entries.count {
            let mine = entries[a], theirs = other.entries[b]
            if mine.latent == theirs.latent { shared.append((mine, theirs, mine.weight * min(mine.value, theirs.value))) }
            if mine.latent <= theirs.latent { a += 1 }
            if theirs.latent <= mine.latent { b += 1 }
        }
        return shared
    }
}
