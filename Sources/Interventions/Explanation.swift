// What makes two views of one image answer differently, in parts that add up.
//
// Legend: a the adapted view, b the base; m a difference of two logits; H_a, H_b the views' text sides; T_a, T_b what
// lies above the hook; e the stored embedding; x the stream at the hook, or x_hat, its reconstruction from the stored
// latents z; x_b' the adapted stream with the base's class and patch tokens, prompts its own.
//
//   total    = m(e_a; H_a) - m(e_b; H_b)
//   text     = m(e_b; H_a) - m(e_b; H_b)
//   above    = m(T_a(x_b'); H_a) - m(T_b(x_b); H_a)                  prompts, and weights above the hook
//   latents  = sum over class and patch tokens t and latents j of (z_a[t, j] - z_b[t, j]) W_dec[j] . g[t]
//   error    = what the SAE leaves out: [m(e_a) - m(T_a(x_hat_a))] - [m(e_b) - m(T_b(x_hat_b))], by H_a;
//              where the streams are kept, the sum over t of (err_a[t] - err_b[t]) . g[t]
//   remainder: what is left; the gradient is averaged over finitely many places
//
// g is the gradient of m at the stream averaged along the straight way from x_b' to x_a: integrated gradients
// (Sundararajan, Taly, Yan 2017), whose sum is the change of m itself.

import Basics

/// A difference of two classes' logits: how much more the classifier takes an image for one than for the other.
public struct LogitDifference: Sendable, Hashable {
    /// Places in the head's list.
    public let `class`, against: Int

    /// - Precondition: they differ.
    public init(class: Int, against: Int) {
        precondition(`class` != against, "a class against itself")
        (self.class, self.against) = (`class`, against)
    }

    /// Those that a person chose, or else the adapted view's answer against the base's; where that is the same class,
    /// against the base's strongest other class.
    /// - Throws: `classes` where there is only one, the two are the same or one does not exist.
    public init(class chosen: Int? = nil, against other: Int? = nil, adapted: ClassAnswer, base: ClassAnswer) throws(InterventionError) {
        let count = base.logits.count
        guard count > 1 else { throw .classes(problem: "the view has one class only; a difference of logits needs two") }
        guard adapted.logits.count == count else {
            throw .classes(problem: "the views have \(adapted.logits.count) and \(count) classes; their answers can't be compared")
        }
        for place in [chosen, other].compactMap({ $0 }) where !(0..<count).contains(place) {
            throw .classes(problem: "class \(place) of \(count)")
        }
        if let chosen, chosen == other { throw .classes(problem: "a class against itself; give another class to set against it") }
        func strongest(_ answer: ClassAnswer, but place: Int) -> Int {
            answer.logits.indices.filter { $0 != place }.max { (answer.logits[$0], $1) < (answer.logits[$1], $0) } ?? 0
        }
        switch (chosen, other) {
        case let (chosen?, other?): self.init(class: chosen, against: other)
        case let (chosen?, nil): self.init(class: chosen, against: base.best != chosen ? base.best : strongest(base, but: chosen))
        case let (nil, other?): self.init(class: adapted.best != other ? adapted.best : strongest(adapted, but: other), against: other)
        case (nil, nil):
            let best = adapted.best
            self.init(class: best, against: base.best != best ? base.best : strongest(base, but: best))
        }
    }

    public func of(_ answer: ClassAnswer) -> Double { Double(answer.logits[`class`]) - Double(answer.logits[against]) }
}

/// What one latent contributes to the change of a logit difference.
public struct LatentContribution: Sendable, Hashable {
    public let latent: UInt32
    /// Of the class token, and summed over the patches.
    public let classToken, patches: Double
    /// The latent's value on the class token.
    public let baseClass, adaptedClass: Float
    /// Means over all patches of the grid.
    public let baseMean, adaptedMean: Float

    public var total: Double { classToken + patches }
}

/// Why an answer changed from one view to another: the change of a logit difference in parts that add up to it.
///
///     let explanation = try adapted.explain(image, from: base, baseImage, metric: metric)
///     print(explanation.total, explanation.parts)
///     for latent in explanation.latents.prefix(10) { print(latent.latent, latent.total, explanation.patchMap(of: latent.latent)) }
public struct Explanation: Sendable, Equatable {
    public struct Parts: Sendable, Equatable {
        /// Other class directions: what the adapter changes on the text side.
        public let text: Double
        /// Prompt tokens, and other weights above the hook.
        public let above: Double
        /// Latents that changed on class and patch tokens.
        public let latents: Double
        /// The numerical integration's, and the rounding of what is stored.
        public let remainder: Double
        /// The part of the stream that the SAE does not explain.
        public let error: Double

        public var total: Double { text + above + latents + remainder + error }

        public init(text: Double, above: Double, latents: Double, remainder: Double, error: Double) {
            (self.text, self.above, self.latents, self.remainder, self.error) = (text, above, latents, remainder, error)
        }
    }

    /// Row `t` is token `t`, the class token first: the contribution `values[k]` of latent `indices[k]`, ascending, for
    /// `k` in `indptr[t]..<indptr[t + 1]`.
    public struct Entries: Sendable, Equatable {
        public let indptr: [Int]
        public let indices: [UInt32]
        public let values: [Float]

        public func range(of token: Int) -> Range<Int> { indptr[token]..<indptr[token + 1] }
    }

    public let metric: LogitDifference
    /// The logit difference in each view, from the stored embedding.
    public let base, adapted: Double
    public let parts: Parts
    /// Places along the way at which the gradient was taken; 0 where nothing changed between the streams.
    public let nodes: Int
    /// Sum of |contribution| over tokens and latents: what the remainder is small against.
    public let magnitude: Double
    /// Of class and patch tokens.
    public let layout: TokenLayout
    /// The largest |total| first, of equals the lower latent: all that changed anywhere.
    public let latents: [LatentContribution]
    /// Of every latent on every token where it changed.
    public let contributions: Entries

    /// What is explained.
    public var total: Double { adapted - base }

    /// A latent's contributions `[patches]`, row by row.
    public func patchMap(of latent: UInt32) -> [Float] {
        layout.tokens(of: .patch).map { token in
            let range = contributions.range(of: token)
            var low = range.lowerBound, high = range.upperBound
            while low < high {
                let middle = (low + high) / 2
                if contributions.indices[middle] < latent { low = middle + 1 } else { high = middle }
            }
            return low < range.upperBound && contributions.indices[low] == latent ? contributions.values[low] : 0
        }
    }

    /// All latents' contributions `[patches]`, row by row.
    public var patchTotals: [Float] { layout.tokens(of: .patch).map(total(ofToken:)) }
    /// All latents' contribution on the class token.
    public var classTotal: Float { total(ofToken: 0) }

    private func total(ofToken token: Int) -> Float {
        Float(contributions.range(of: token).reduce(0) { $0 + Double(contributions.values[$1]) })
    }
}
