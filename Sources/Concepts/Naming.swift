// Words for latents, from the same model's text tower. Two kinds of evidence, either a correlation:
//
//   c[j, w] = cos(W_dec[j] J, t[w])                      the direction that latent j writes, carried to the embedding (J)
//   r[j, w] = corr over images i of u[i, j] and x[i] . t[w]   u: image means over class token and patches, x: embeddings
//   score = c + r
//
// t[w]: the word's text embedding, centred. r alone is what a random direction has too, since it fires on images that
// are alike; c alone takes a direction for a meaning. A name is sure only where both say so, c more clearly than
// random directions do with any word, and no word of another meaning fits nearly as well. The figures of the embedded
// model, and of a random-direction SAE, are in models/README.md. Related: CLIP-Dissect (Oikarinen and Weng 2023) for r,
// logit lens for c.

import Foundation

public struct WordScore: Sendable, Codable, Equatable {
    public var word: String
    /// -2 to 2.
    public var score: Double

    public init(word: String, score: Double) {
        self.word = word
        self.score = score
    }
}

/// Words for a latent, and whether they can be relied on.
public struct LatentName: Sendable, Codable, Equatable {
    public var latent: Int
    /// Empty: it is active on no image.
    public var word: String
    public var isSure: Bool
    /// `direction + images`.
    public var score: Double
    /// Cosine of its carried direction and the word.
    public var direction: Double
    /// Correlation over the images of its means and the likeness to the word.
    public var images: Double
    /// A clause: why it is not sure. Empty where it is.
    public var reason: String
    /// One word a meaning, the best first; the first is `word`.
    public var candidates: [WordScore]
}

/// Names latents of one view.
///
///     let words = try WordEmbeddings(words: known, tokens: counts, embeddings: head.features, width: head.projection)
///     let gate = Naming.gate(words, randomDirections: matrix.carryRandom(count: Naming.randomDirections, seed: 0))
///     let naming = Naming(words: words, gate: gate, images: ImageMoments(table))
///     naming.name(evidence).word  // "striped"
///
/// A value over its words; safe to share.
public struct Naming: Sendable {
    /// What each word is put into.
    public static let templates = ["a photo of a {}.", "{}"]
    /// Random directions for the gate.
    public static let randomDirections = 4096
    /// Images that a latent must be active on.
    public static let imagesMin = 10
    /// Least correlation over images: a twenty-fifth of the variance.
    public static let correlationMin = 0.2
    /// The same in standard errors of a correlation of nothing, 1 / sqrt(images): with ten thousand latents and a few
    /// thousand words chance goes as far as this.
    public static let errorsMin = 5.0
    /// The best word of another meaning has at most this share of the score.
    public static let runnerUpMax = 0.95
    /// Words whose embeddings are nearer than this mean the same to the model.
    static let sameMeaning: Float = 0.8
    /// Of words that mean the same, one within this share of the best score can be the name.
    static let plainMin = 0.9
    /// Share of the random directions whose best word lies above the gate.
    static let randomAbove = 0.001
    /// Words looked at for one latent, the best.
    private static let wordsMax = 128

    /// What a reader has to know.
    public static let definitions = [
        "score: c + r; c = cosine of the latent's decoder direction, carried through what lies above the hook, and the word's text "
            + "embedding; r = correlation over all images of the latent's mean (class token and patches) and the image's likeness to the word",
        "sure: active on \(imagesMin) images or more; c above the gate, which 1 in 1,000 random directions reaches with its best word; "
            + "r at least \(correlationMin) and \(Int(errorsMin)) standard errors; no word of another meaning above \(Int(runnerUpMax * 100)) % of the score",
        "of words that mean the same to the model, the one with the fewest tokens is taken",
    ]

    public let words: WordEmbeddings
    /// Least cosine of a sure name's direction.
    public let gate: Double
    public let images: ImageMoments
    /// Of the images' likeness to each word.
    private let deviations: [Double]

    public init(words: WordEmbeddings, gate: Double, images: ImageMoments) {
        precondition(images.width == words.width, "image embeddings of \(images.width), text embeddings of \(words.width)")
        (self.words, self.gate, self.images) = (words, gate, images)
        deviations = images.deviations(along: words.rows)
    }

    /// The cosine that one in a thousand random directions reaches with its best word.
    /// - Parameter randomDirections: `[count, width]`, carried as latents' are; thousands.
    public static func gate(_ words: WordEmbeddings, randomDirections: [Float]) -> Double {
        let count = randomDirections.count / words.width
        precondition(count > 0, "a gate of no random directions")
        var best: [Float] = []
        best.reserveCapacity(count)
        for first in stride(from: 0, to: count, by: 1024) {
            let block = first..<min(count, first + 1024)
            let units = block.flatMap { WordEmbeddings.unit(randomDirections[$0 * words.width..<($0 + 1) * words.width]) }
            let cosines = RowProducts.all(units, words.rows, width: words.width)
            for row in 0..<block.count { best.append(cosines[row * words.words.count..<(row + 1) * words.words.count].max() ?? 1) }
        }
        best.sort(by: >)
        return Double(best[min(count - 1, Int(randomAbove * Double(count)))])
    }

    /// Least correlation over images of a sure name.
    var correlationGate: Double { max(Self.correlationMin, Self.errorsMin / Double(max(1, images.images)).squareRoot()) }

    /// A name for a latent.
    /// - Parameter candidates: words listed.
    public func name(_ evidence: LatentEvidence, candidates: Int = 5) -> LatentName { names([evidence], candidates: candidates)[0] }

    /// Names for many: faster than one by one. On both cores; some 2,000 latents at once keep memory small.
    public func names(_ evidence: [LatentEvidence], candidates: Int = 5) -> [LatentName] {
        let width = words.width, count = words.words.count
        let directions = RowProducts.all(evidence.flatMap { unitDirection($0) }, words.rows, width: width)
        let covariances = RowProducts.all(evidence.flatMap(\.covariance), words.rows, width: width)
        return evidence.indices.map { index in
            let item = evidence[index]
            guard item.active > 0 else {
                return LatentName(
                    latent: item.latent, word: "", isSure: false, score: 0, direction: 0, images: 0, reason: "it is active on no image",
                    candidates: [])
            }
            let c = (0..<count).map { Double(directions[index * count + $0]) }
            let r = (0..<count).map { correlation(covariances[index * count + $0], item.deviation, deviations[$0]) }
            return named(item, c, r, candidates: candidates)
        }
    }

    /// The score of any text for each latent.
    /// - Parameter text: `[width]`, of length 1, as the text tower gives it with `templates`.
    public func scores(of text: [Float], _ evidence: [LatentEvidence]) -> [Double] {
        let row = words.centred(text), deviation = images.deviations(along: row)[0]
        let c = RowProducts.all(evidence.flatMap { unitDirection($0) }, row, width: words.width)
        let products = RowProducts.all(evidence.flatMap(\.covariance), row, width: words.width)
        return evidence.indices.map { Double(c[$0]) + correlation(products[$0], evidence[$0].deviation, deviation) }
    }

    // MARK: One latent

    private func unitDirection(_ item: LatentEvidence) -> [Float] {
        precondition(
            item.covariance.count == words.width && (item.direction.isEmpty || item.direction.count == words.width),
            "evidence of \(item.covariance.count) and \(item.direction.count) values, words of \(words.width)")
        return item.direction.isEmpty ? [Float](repeating: 0, count: words.width) : WordEmbeddings.unit(item.direction[...])
    }

    private func correlation(_ product: Float, _ a: Double, _ b: Double) -> Double {
        let scale = a * b
        return scale > 0 ? min(1, max(-1, Double(product) / scale)) : 0
    }

    /// - Parameters: c, r: of each word.
    private func named(_ item: LatentEvidence, _ c: [Double], _ r: [Double], candidates: Int) -> LatentName {
        var best = TopK<Int>(Self.wordsMax)
        for word in c.indices { best.offer(word, score: c[word] + r[word], tie: Int64(word)) }
        let ranked = best.items, top = ranked[0]
        func score(_ word: Int) -> Double { c[word] + r[word] }

        let twins = ranked.filter { isSame($0, top) && score($0) >= Self.plainMin * score(top) }
        let word = twins.min { words.tokens[$0] < words.tokens[$1] } ?? top  // the first of equals: the best of them
        let runnerUp = ranked.first { !isSame($0, top) && !isSame($0, word) }
        var listed = [word]
        for other in ranked where listed.count < max(1, candidates) {
            if !listed.contains(where: { isSame($0, other) }) && !isSame(other, top) { listed.append(other) }
        }
        let reason = doubt(item, word, c[word], r[word], runnerUp.map { ($0, score($0)) })
        return LatentName(
            latent: item.latent, word: words.words[word], isSure: reason == nil, score: score(word), direction: c[word], images: r[word],
            reason: reason ?? "", candidates: listed.map { WordScore(word: words.words[$0], score: score($0)) })
    }

    /// Why a name is not sure, the first reason that holds.
    private func doubt(_ item: LatentEvidence, _ word: Int, _ c: Double, _ r: Double, _ runnerUp: (word: Int, score: Double)?) -> String? {
        let name = "'\(words.words[word])'"
        if item.active < Self.imagesMin {
            return "it is active on \(item.active) image\(item.active == 1 ? "" : "s"), \(Self.imagesMin) are needed"
        }
        if item.direction.isEmpty { return "its direction was not carried through the tower" }
        if c < gate {
            return "its direction has cosine \(Self.short(c)) with \(name), random directions reach \(Self.short(gate)) with some word"
        }
        if r < correlationGate {
            return "its images go with \(name) by a correlation of \(Self.short(r)), \(Self.short(correlationGate)) is needed over \(images.images) images"
        }
        if let runnerUp, runnerUp.score > Self.runnerUpMax * (c + r) {
            return "'\(words.words[runnerUp.word])' fits nearly as well: \(Self.short(runnerUp.score)) against \(Self.short(c + r))"
        }
        return nil
    }

    private static func short(_ value: Double) -> String { String(format: "%.2f", value) }

    /// The two mean the same to the model.
    private func isSame(_ a: Int, _ b: Int) -> Bool {
        let left = a * words.width, right = b * words.width
        var sum: Float = 0
        for k in 0..<words.width { sum += words.rows[left + k] * words.rows[right + k] }
        return sum >= Self.sameMeaning
    }
}
