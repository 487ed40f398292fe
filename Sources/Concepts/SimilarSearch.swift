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
    var image: ImageRecord.ID
    var score: Double
    /// Row-major, where a patch was asked about.
    var patch: Int?
    var values: ConceptValues
}

/// Compares images, or the patches of images, with what was asked about.
struct SimilarityScorer: Sendable {
    /// Snapshots read between two looks at whether the next can still belong into the list.
    static let step = 16

    let concepts: Concepts
    let view: ViewRecord
    let scale: ConceptScale
    let own: ConceptValues
    let isPatch: Bool

    /// The best of the candidates.
    ///
    /// - Parameters:
    ///   - sums: by image id, M of the latents that were looked up.
    ///   - missing: what the others carry.
    func search(
        _ sums: [Float], missing: Double, _ query: SimilarQuery
    ) throws(ConceptsError) -> (hits: [SimilarHit], candidates: Int, compared: Int, isComplete: Bool) {
        let top = min(max(0, query.top), SimilarQuery.topMax)
        let limit = max(query.comparedMax, top)
        var candidates = TopK<Int>(limit), count = 0, left = Float(0)
        for (image, sum) in sums.enumerated() where sum > 0 {
            count += 1
            candidates.offer(image, score: Double(sum), tie: Int64(image))
        }
        let ranked = candidates.items
        // The largest M that is not in the list.
        if count > ranked.count {
            let listed = Set(ranked)
            for (image, sum) in sums.enumerated() where sum > left && !listed.contains(image) { left = sum }
        }
        var best = TopK<SimilarHit>(top), compared = 0
        // f32 sums of M may fall short by some 1e-6 of their size.
        func bound(_ sum: Float) -> Double { own.sum > 0 ? (Double(sum) * 1.0001 + missing) / own.sum : 0 }
        while compared < ranked.count {
            if let last = best.threshold, bound(sums[ranked[compared]]) < last { break }
            let part = ranked[compared..<min(compared + SimilarityScorer.step, ranked.count)]
            for hit in try hits(part.map { ImageRecord.ID(rawValue: Int64($0)) }) where hit.score > 0 {
                best.offer(hit, score: hit.score, tie: hit.image.rawValue)
            }
            compared += part.count
        }
        // Images without any of the latents that were looked up have M = 0.
        let next = compared < ranked.count ? sums[ranked[compared]] : left
        let isComplete: Bool
        if let last = best.threshold {
            isComplete = bound(next) < last
        } else {
            isComplete = next == 0 && missing <= 1e-9 * own.sum
        }
        return (best.items, count, compared, isComplete)
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
        do throws(ConceptsError) {
            guard isPatch else {
                return try concepts.conceptValues(of: image, token: nil, in: view, scale).map {
                    SimilarHit(image: image, score: own.score($0), patch: nil, values: $0)
                }
            }
            let snapshot: Snapshot?
            do { snapshot = try concepts.store.snapshot(of: image, in: view.id) } catch { throw .store(error) }
            return snapshot.map { bestPatch(of: $0, image) }
        } catch {
            if case .store(.damaged) = error { return nil }
            throw error
        }
    }

    private func bestPatch(of snapshot: Snapshot, _ image: ImageRecord.ID) -> SimilarHit {
        let first = view.layout.tokens(of: .patch).lowerBound
        var best = SimilarHit(image: image, score: -1, patch: nil, values: own)
        for token in view.layout.tokens(of: .patch) {
            let values = ConceptValues(snapshot.latents, row: token, scale)
            let score = own.score(values)
            if score > best.score { best = SimilarHit(image: image, score: score, patch: token - first, values: values) }
        }
        return best
    }
}
