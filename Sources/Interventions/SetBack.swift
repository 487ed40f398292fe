// What an explanation claims, tried out: latents set back to the base's values, each alone and the first ones together,
// beside equally many random ones. Exact, no gradient: the stream is changed and what lies above the hook runs on it.

import Basics
import Kernels
import SAE

/// An adapted view's answers with some latents as in the base.
public struct SetBack: Sendable, Equatable {
    /// One latent, set back alone.
    public struct Alone: Sendable, Equatable {
        public let latent: UInt32
        /// The logit difference then, and how much more that is than with nothing set back: about the negative of the
        /// latent's contribution.
        public let metric, change: Double
    }

    /// The first latents of an explanation, set back together.
    public struct Together: Sendable, Equatable {
        /// As many as were asked for, or all that changed.
        public let count: Int
        public let answer: ClassAnswer
        public let metric: Double
        /// As many random ones of those that changed, the first not excluded: one answer a draw.
        public let random: [ClassAnswer]
        /// Mean over the draws.
        public let randomMetric: Double
    }

    /// With nothing set back, by the same path.
    public let before: ClassAnswer
    public let metric: Double
    public let alone: [Alone]
    public let together: [Together]
}

extension UpperTower {
    /// Sets an explanation's latents back to the base's values on the class token and all patches; self is the adapted view.
    ///
    /// - Parameters:
    ///   - base: the image's latents in the base view.
    ///   - alone: so many of the first latents, each by itself.
    ///   - together: how many of the first, for each answer; what exceeds the latents that changed is all of them, and
    ///     no number stands twice.
    ///   - draws: random choices beside each.
    ///   - term: as the explanation's.
    /// - Throws: as `substitute`.
    public func setBack(
        _ explanation: Explanation, _ image: StoredImage, to base: SparseRows, alone: Int = 10, together: [Int] = [1, 5, 10, 20, 50],
        draws: Int = 5, seed: UInt64, error term: ErrorTerm = .dropped
    ) throws(InterventionError) -> SetBack {
        let ranking = explanation.latents.map(\.latent), metric = explanation.metric
        let sizes = Set(together.map { min(max(0, $0), ranking.count) }.filter { $0 > 0 }).sorted()
        let orders = (0..<max(0, draws)).map { RandomLatents.ranking(of: ranking.sorted(), seed: seed &+ UInt64($0)) }
        var chosen: [[UInt32]] = [[]]
        chosen += ranking.prefix(max(0, alone)).map { [$0] }
        for size in sizes { chosen += ([ranking] + orders).map { Array($0.prefix(size)) } }
        var answers: [ClassAnswer] = []
        for first in stride(from: 0, to: chosen.count, by: LatentSets.countMax) {
            if Cancellation.isRequested { throw .cancelled }
            let sets = LatentSets(Array(chosen[first..<min(chosen.count, first + LatentSets.countMax)]), latents: image.latents.width)
            answers += try substitute(sets, of: image, with: base, error: term) { (x, count) throws(InterventionError) in
                try self.answers(toStreams: x, count: count)
            }
        }
        let before = metric.of(answers[0]), singles = min(max(0, alone), ranking.count)
        return SetBack(
            before: answers[0], metric: before,
            alone: (0..<singles).map { place in
                let value = metric.of(answers[1 + place])
                return SetBack.Alone(latent: ranking[place], metric: value, change: value - before)
            },
            together: sizes.enumerated().map { place, size in
                let first = 1 + singles + place * (1 + orders.count), random = Array(answers[first + 1..<first + 1 + orders.count])
                return SetBack.Together(
                    count: size, answer: answers[first], metric: metric.of(answers[first]), random: random,
                    randomMetric: random.isEmpty ? 0 : random.reduce(0) { $0 + metric.of($1) } / Double(random.count))
            })
    }
}
