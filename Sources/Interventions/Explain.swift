// The explanation itself: five evaluations of the logit difference, and the gradient along the way between two streams.
// See Explanation.swift for what the parts mean.

import Basics
import CLIP
import Glibc
import Kernels
import SAE

extension UpperTower {
    /// Why this view takes an image for something else than another view does; self is the adapted view.
    ///
    /// - Parameters:
    ///   - base: the other view, of the same SAE and hook.
    ///   - metric: nil: this view's answer against the base's (see `LogitDifference`).
    ///   - term: `dropped`: the streams are reconstructions of what is stored; `kept`: the streams themselves, where both
    ///     images have their activations.
    ///   - nodes: at most so many places for the gradient; doubled from 4 until the remainder is small.
    ///   - remainderMax: as a share of `magnitude`.
    /// - Throws: `shape`, `classes`, `noActivations`, `sae`, `model`; `classes` where the streams differ and this view's
    ///   text features depend on the image (`Adapter.conditionalHead` gives those of one image).
    public func explain(
        _ image: StoredImage, from base: UpperTower, _ baseImage: StoredImage, metric: LogitDifference? = nil,
        error term: ErrorTerm = .dropped, nodes nodesMax: Int = 32, remainderMax: Double = 0.005
    ) throws(InterventionError) -> Explanation {
        try check(image, term)
        try base.check(baseImage, term)
        try check(sameStreamAs: base)
        let own = try answer(image.embedding), theirs = try base.answer(baseImage.embedding)
        let metric = try agreed(metric, own, theirs)

        // [the adapted view's, the same with the base's class and patch tokens], and the base's.
        let x = FloatBuffer(count: 2 * streamCount), baseX = FloatBuffer(count: base.streamCount)
        let mixed = x.pointer + streamCount
        try start(image, term, into: x.pointer)
        try base.start(baseImage, term, into: baseX.pointer)
        let shared = (1 + vision.layout.patches) * width
        mixed.update(from: x.pointer, count: streamCount)
        mixed.update(from: baseX.pointer, count: shared)

        let ends = try answers(toStreams: x.pointer, count: 2).map(metric.of)
        let below = metric.of(try answer(base.embeddings(baseX.pointer, count: 1)))
        let stored = metric.of(try answer(baseImage.embedding))
        let text = stored - metric.of(theirs), above = ends[1] - below

        let changes = LatentChanges(from: image.latents, to: baseImage.latents, tokens: 0..<1 + vision.layout.patches).negated
        let isSame = (0..<shared).allSatisfy { x.pointer[$0] == mixed[$0] }
        let none = Explanation.Entries(indptr: [Int](repeating: 0, count: changes.rows + 1), indices: [], values: [])
        var found = Integrated(contributions: none, error: 0, nodes: 0)
        if !isSame {
            let head = try headForGradients()
            found = try integrate(
                changes, from: mixed, to: x.pointer, metric: metric, head: head, change: ends[0] - ends[1], term, nodesMax, remainderMax)
        }
        let latents = found.contributions.values.reduce(0) { $0 + Double($1) }
        let total = metric.of(own) - metric.of(theirs)
        // The rest is split exactly: what integration leaves of the change between the streams is its remainder.
        let remainder: Double, error: Double
        if term == .kept {
            error = found.error
            remainder = total - text - above - latents - error
        } else {
            remainder = ends[0] - ends[1] - latents
            error = total - text - above - latents - remainder
        }
        return Explanation(
            metric: metric, base: metric.of(theirs), adapted: metric.of(own),
            parts: Explanation.Parts(text: text, above: above, latents: latents, remainder: remainder, error: error), nodes: found.nodes,
            magnitude: found.contributions.values.reduce(0) { $0 + abs(Double($1)) },
            layout: TokenLayout(rows: vision.layout.rows, columns: vision.layout.columns),
            contributions: found.contributions, image: image.latents, base: baseImage.latents)
    }

    private func check(sameStreamAs base: UpperTower) throws(InterventionError) {
        guard base.hook == hook, base.width == width, base.vision.layout.rows == vision.layout.rows,
            base.vision.layout.columns == vision.layout.columns, base.sae.config.latents == sae.config.latents
        else { throw .shape(problem: "the base's stream is another: \(base.hook), \(base.vision.layout)") }
    }

    /// The difference that was asked for, or that the answers suggest; of classes that both views have.
    private func agreed(_ metric: LogitDifference?, _ own: ClassAnswer, _ theirs: ClassAnswer) throws(InterventionError) -> LogitDifference {
        guard let metric else { return try LogitDifference(adapted: own, base: theirs) }
        let count = own.logits.count
        guard count == theirs.logits.count, max(metric.class, metric.against) < count, min(metric.class, metric.against) >= 0 else {
            throw .classes(
                problem: "classes \(metric.class) and \(metric.against) of \(count) in one view and \(theirs.logits.count) in the other")
        }
        return metric
    }

    // MARK: Integrated gradients

    private struct Integrated {
        var contributions: Explanation.Entries
        /// Of the part that the SAE leaves out.
        var error: Double
        var nodes: Int
    }

    /// - Parameters:
    ///   - from, to: `[tokens, width]`, that differ on class and patch tokens.
    ///   - change: of the metric between them.
    private func integrate(
        _ changes: LatentChanges, from: UnsafePointer<Float>, to: UnsafePointer<Float>, metric: LogitDifference, head: ZeroShotHead,
        change: Double, _ term: ErrorTerm, _ nodesMax: Int, _ remainderMax: Double
    ) throws(InterventionError) -> Integrated {
        var nodes = min(4, max(1, nodesMax))
        while true {
            if Cancellation.isRequested { throw .cancelled }
            let gradient = FloatBuffer(count: streamCount)
            averageGradient(from: from, to: to, metric, head, nodes: nodes, into: gradient.pointer)
            let contributions = try decoding { () throws(SAEError) in
                Explanation.Entries(
                    indptr: changes.indptr, indices: changes.indices, values: try sae.along(changes, gradient.pointer))
            }
            var explained = 0.0, magnitude = 0.0, whole = 0.0
            for value in contributions.values {
                explained += Double(value)
                magnitude += abs(Double(value))
            }
            for i in 0..<(changes.rows * width) { whole += Double(gradient.pointer[i]) * (Double(to[i]) - Double(from[i])) }
            // What the latents do not write of the way is the error's, where it is kept, and rounding, where it is not.
            let error = term == .kept ? whole - explained : 0
            if abs(change - explained - error) <= remainderMax * magnitude || 2 * nodes > nodesMax {
                return Integrated(contributions: contributions, error: error, nodes: nodes)
            }
            nodes *= 2
        }
    }

    /// The metric's gradient averaged over Gauss and Legendre's places between two streams.
    private func averageGradient(
        from: UnsafePointer<Float>, to: UnsafePointer<Float>, _ metric: LogitDifference, _ head: ZeroShotHead, nodes: Int,
        into average: UnsafeMutablePointer<Float>
    ) {
        let rule = gaussLegendre(nodes), values = streamCount, atOnce = max(1, min(nodes, 1600 / tokens))
        average.update(repeating: 0, count: values)
        let direction = metric.direction(head)
        for first in stride(from: 0, to: nodes, by: atOnce) {
            let part = rule[first..<min(nodes, first + atOnce)]
            withScratch(2 * part.count * values + part.count * vision.tower.projection) { x in
                let gradients = x + part.count * values, embeddings = gradients + part.count * values
                Team.parallelRows(values, block: 1 << 13) { block in
                    for (place, node) in zip(0..., part) {
                        let own = x + place * values, share = Float(node.place)
                        for i in block { own[i] = from[i] + share * (to[i] - from[i]) }
                    }
                }
                vision.gradients(x, batch: part.count, from: hook, into: gradients, embeddings: embeddings) { images, e, d in
                    for image in 0..<images.count { cosineGradient(e + image * direction.count, direction, into: d + image * direction.count) }
                }
                Team.parallelRows(values, block: 1 << 13) { block in
                    for (place, node) in zip(0..., part) {
                        let own = gradients + place * values, weight = Float(node.weight)
                        for i in block { average[i] += weight * own[i] }
                    }
                }
            }
        }
    }
}

extension LogitDifference {
    /// The direction of embedding space along which it grows: `logitScale (t_class - t_against)`.
    func direction(_ head: ZeroShotHead) -> [Double] {
        let p = head.projection, scale = Double(head.logitScale)
        return (0..<p).map { scale * (Double(head.features[`class` * p + $0]) - Double(head.features[against * p + $0])) }
    }
}

/// The gradient of `w . v / |v|` at v: `(w - u (w . u)) / |v|`, u the unit vector along v.
private func cosineGradient(_ v: UnsafePointer<Float>, _ w: [Double], into d: UnsafeMutablePointer<Float>) {
    var square = 0.0, along = 0.0
    for i in w.indices {
        square += Double(v[i]) * Double(v[i])
        along += Double(v[i]) * w[i]
    }
    let length = square.squareRoot()
    for i in w.indices { d[i] = square > 0 ? Float((w[i] - Double(v[i]) * along / square) / length) : 0 }
}

/// Places between 0 and 1 and weights that add up to 1: exact for polynomials up to degree 2 n - 1.
func gaussLegendre(_ n: Int) -> [(place: Double, weight: Double)] {
    (0..<n).map { index in
        // Newton's steps from Chebyshev's places to the roots of Legendre's polynomial, by its recurrence.
        var z = cos(Double.pi * (Double(index) + 0.75) / (Double(n) + 0.5)), slope = 1.0
        for _ in 0..<100 {
            var p = 1.0, before = 0.0
            for k in 1...n { (p, before) = (((2 * Double(k) - 1) * z * p - (Double(k) - 1) * before) / Double(k), p) }
            slope = Double(n) * (z * p - before) / (z * z - 1)
            let step = p / slope
            z -= step
            if abs(step) < 1e-15 { break }
        }
        return ((1 - z) / 2, 1 / ((1 - z * z) * slope * slope))
    }
}

extension Explanation {
    init(
        metric: LogitDifference, base: Double, adapted: Double, parts: Parts, nodes: Int, magnitude: Double, layout: TokenLayout,
        contributions: Entries, image: SparseRows, base baseLatents: SparseRows
    ) {
        (self.metric, self.base, self.adapted, self.parts, self.nodes) = (metric, base, adapted, parts, nodes)
        (self.magnitude, self.layout, self.contributions) = (magnitude, layout, contributions)
        // Dense: tens of thousands of entries fall on some thousands of latents.
        var classTokens = [Double](repeating: 0, count: image.width), patches = classTokens
        var isChanged = [Bool](repeating: false, count: image.width)
        for token in 0..<1 + layout.patches {
            for entry in contributions.range(of: token) {
                let latent = Int(contributions.indices[entry]), value = Double(contributions.values[entry])
                isChanged[latent] = true
                if token == 0 { classTokens[latent] += value } else { patches[latent] += value }
            }
        }
        let theirs = patchMeans(baseLatents, layout), own = patchMeans(image, layout)
        latents = isChanged.indices.filter { isChanged[$0] }.map { latent in
            LatentContribution(
                latent: UInt32(latent), classToken: classTokens[latent], patches: patches[latent],
                baseClass: baseLatents.value(row: 0, column: UInt32(latent)), adaptedClass: image.value(row: 0, column: UInt32(latent)),
                baseMean: theirs[latent], adaptedMean: own[latent])
        }.sorted { (abs($1.total), $0.latent) < (abs($0.total), $1.latent) }
    }
}

/// Means over all patches, one a latent.
private func patchMeans(_ latents: SparseRows, _ layout: TokenLayout) -> [Float] {
    var sums = [Double](repeating: 0, count: latents.width)
    let entries = latents.indptr[1]..<latents.indptr[1 + layout.patches]
    for entry in entries { sums[Int(latents.indices[entry])] += Double(latents.values[entry]) }
    return sums.map { Float($0 / Double(layout.patches)) }
}
