// How likeness is looked for: which latents are looked up, which candidates are compared exactly, and the control.

import Basics
import Store

/// The latents whose postings are added up: those that carry most of the sum of `w_j u_j`, within the query's bounds.
struct LookUp {
    private(set) var terms: [MatchTerm] = []
    /// Their part of that sum.
    private(set) var sum = 0.0

    init(_ own: ConceptValues, _ scale: ConceptScale, _ aggregates: Aggregates, _ query: SimilarQuery) {
        let ranked = own.entries.filter { $0.weight * $0.value > 0 }.sorted {
            let a = $0.weight * $0.value, b = $1.weight * $1.value
            return a > b || (a == b && $0.latent < $1.latent)
        }
        var postings = 0
        for entry in ranked where terms.count < query.latentsMax {
            let total = aggregates.latents[Int(entry.latent)]
            guard postings + total.anyImages <= query.postingsMax else { continue }
            postings += total.anyImages
            sum += entry.weight * entry.value
            terms.append(
                MatchTerm(
                    latent: Int(entry.latent), weight: Float(entry.weight), value: Float(entry.value),
                    scale: Float(scale.scales[Int(entry.latent)])))
        }
    }
}

/// An image that was compared.
struct SimilarHit: Sendable {
    /// What was compared of it.
    enum Content: Sendable {
        case image([LatentPosting])
        /// One row.
        case patch(SparseRows)
    }
    var image: ImageRecord.ID
    var score: Double
    /// Row-major, where a patch was asked about.
    var patch: Int?
    var content: Content

    func values(_ scale: ConceptScale) -> ConceptValues {
        switch content {
        case let .image(postings): ConceptValues(postings, scale)
        case let .patch(row): ConceptValues(row, row: 0, scale)
        }
    }
}

/// Compares images, or the patches of images, with what was asked about.
struct SimilarityScorer: Sendable {
    /// Snapshots read between two looks at whether the next can still belong into the list.
    static let step = 16

    /// One latent, side by side, because an image's latents lie all over the arrays.
    private struct Latent {
        var weight: Double
        var scale: Double
        /// Scaled, of what was asked about.
        var own: Double
    }

    let concepts: Concepts
    let view: ViewRecord
    let own: ConceptValues
    let isPatch: Bool
    private let latents: [Latent]

    init(_ concepts: Concepts, _ view: ViewRecord, _ scale: ConceptScale, _ own: ConceptValues, isPatch: Bool) {
        (self.concepts, self.view, self.own, self.isPatch) = (concepts, view, own, isPatch)
        var latents = zip(scale.weights, scale.scales).map { Latent(weight: $0, scale: $1, own: 0) }
        for entry in own.entries { latents[Int(entry.latent)].own = entry.value }
        self.latents = latents
    }

    /// The best of the candidates.
    ///
    /// - Parameters:
    ///   - matches: of the latents that were looked up.
    ///   - missing: what the others carry of `own.sum`.
    func search(
        _ matches: Matches, missing: Double, _ query: SimilarQuery
    ) throws(ConceptsError) -> (hits: [SimilarHit], candidates: Int, compared: Int, isComplete: Bool) {
        let top = min(max(0, query.top), SimilarQuery.topMax)
        var candidates = TopK<Int>(max(query.compared(of: matches.bounds.count), top)), count = 0
        for (image, bound) in matches.bounds.enumerated() where bound > 0 {
            count += 1
            candidates.offer(image, score: Double(matches.estimates[image]), tie: Int64(image))
        }
        let ranked = candidates.items, bounds = boundsAfter(ranked, matches.bounds)
        var best = TopK<SimilarHit>(top), compared = 0
        // f32 sums may fall short by some 1e-6 of their size.
        func isBelow(_ bound: Float, _ score: Double) -> Bool { Double(bound) * 1.0001 + missing < score * own.sum }
        while compared < ranked.count {
            if let last = best.threshold, isBelow(bounds[compared], last) { break }
            let part = ranked[compared..<min(compared + SimilarityScorer.step, ranked.count)]
            for hit in try hits(part.map { ImageRecord.ID(rawValue: Int64($0)) }) where hit.score > 0 {
                best.offer(hit, score: hit.score, tie: hit.image.rawValue)
            }
            compared += part.count
        }
        let isComplete: Bool
        if let last = best.threshold {
            isComplete = isBelow(bounds[compared], last)
        } else {
            isComplete = bounds[compared] == 0 && missing <= 1e-9 * own.sum
        }
        return (best.items, count, compared, isComplete)
    }

    /// By place in a ranking: the largest bound of the images from there on and of those that are not in it. Images
    /// without any of the latents that were looked up have 0.
    private func boundsAfter(_ ranked: [Int], _ bounds: [Float]) -> [Float] {
        let listed = Set(ranked)
        var largest: Float = 0
        for (image, bound) in bounds.enumerated() where bound > largest && !listed.contains(image) { largest = bound }
        var after = [largest]
        for image in ranked.reversed() {
            largest = max(largest, bounds[image])
            after.append(largest)
        }
        return after.reversed()
    }

    /// Scores of random images (true in `mask`, by id), the same for the same seed and images.
    func random(_ mask: [Bool], seed: UInt64, count: Int) throws(ConceptsError) -> Moments {
        var population = mask.indices.filter { mask[$0] }
        var random = SplitMix(seed: seed ^ 0x5341_4544)
        let wanted = min(max(0, count), population.count)
        // The first steps of a Fisher-Yates shuffle.
        for i in 0..<wanted { population.swapAt(i, i + random.below(population.count - i)) }
        var moments = Moments()
        for hit in try hits(population[..<wanted].sorted().map { ImageRecord.ID(rawValue: Int64($0)) }) { moments.add(hit.score) }
        return moments
    }

    /// Compares images, half of them on another thread; in their order. Damaged snapshots, and those that went in the
    /// meantime, are left out.
    private func hits(_ images: [ImageRecord.ID]) throws(ConceptsError) -> [SimilarHit] {
        let middle = images.count / 2
        let (first, second) = try together { () throws(ConceptsError) in
            try hits(images[..<middle])
        } _: { () throws(ConceptsError) in
            try hits(images[middle...])
        }
        return first + second
    }

    private func hits(_ images: ArraySlice<ImageRecord.ID>) throws(ConceptsError) -> [SimilarHit] {
        var hits: [SimilarHit] = []
        for image in images { if let hit = try hit(image) { hits.append(hit) } }
        return hits
    }

    private func hit(_ image: ImageRecord.ID) throws(ConceptsError) -> SimilarHit? {
        do throws(StoreError) {
            if isPatch { return try concepts.store.snapshot(of: image, in: view.id).map { bestPatch(of: $0, image) } }
            guard let postings = try concepts.store.postings(of: image, in: view.id)?.postings else { return nil }
            var sums = Sums()
            for posting in postings where posting.activePatches > 0 { sums.add(latents[Int(posting.latent)], posting.patchMean) }
            return SimilarHit(image: image, score: sums.score(own.sum), patch: nil, content: .image(postings))
        } catch {
            if case .damaged = error { return nil }
            throw .store(error)
        }
    }

    private func bestPatch(of snapshot: Snapshot, _ image: ImageRecord.ID) -> SimilarHit {
        let tokens = view.layout.tokens(of: .patch), rows = snapshot.latents
        var best = -1.0, token = tokens.lowerBound
        for row in tokens {
            var sums = Sums()
            for k in rows.range(of: row) { sums.add(latents[Int(rows.indices[k])], rows.values[k]) }
            let score = sums.score(own.sum)
            if score > best { (best, token) = (score, row) }
        }
        return SimilarHit(
            image: image, score: best, patch: token - tokens.lowerBound, content: .patch(rows.slice(rows: token..<token + 1)))
    }

    /// Of the other image or patch, and of what both share.
    private struct Sums {
        var other = 0.0
        var common = 0.0

        @inline(__always)
        mutating func add(_ latent: Latent, _ value: Float) {
            let value = Double(value) * latent.scale
            other += latent.weight * value
            common += latent.weight * min(latent.own, value)
        }

        /// max is what both have together without what they share.
        func score(_ own: Double) -> Double {
            let together = own + other - common
            return together > 0 ? common / together : 0
        }
    }
}
