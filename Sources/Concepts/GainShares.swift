// How much of a gain of accuracy goes when some latents are set back, from right and wrong answers image by image.

import Basics

/// One image: whether it is answered right in each case.
public struct GainOutcome: Sendable {
    public var base: Bool
    public var adapted: Bool
    /// The adapted view's answer with each group set back.
    public var without: [Bool]

    public init(base: Bool, adapted: Bool, without: [Bool]) {
        self.base = base
        self.adapted = adapted
        self.without = without
    }
}

/// One group's part in the gain.
public struct GainShare: Sendable, Equatable {
    /// Of the adapted view with the group set back.
    public var accuracyWithout: Double
    /// `(adapted - accuracyWithout) / (adapted - base)`; nil where there is no gain to be shared.
    public var share: Double?
    /// Bootstrap over images, percentiles 2.5 and 97.5; nil where the gain vanishes in more than one round of twenty.
    public var interval: Interval?
}

extension Concepts {
    /// The groups' shares, in the order of `GainOutcome.without`; empty without images.
    public static func gainShares(_ outcomes: [GainOutcome], rounds: Int, seed: UInt64) -> [GainShare] {
        guard let groups = outcomes.first?.without.indices else { return [] }
        let all = Array(outcomes.indices)
        return groups.map { group in
            func share(_ images: [Int]) -> Double? {
                var gain = 0, loss = 0
                for image in images {
                    let outcome = outcomes[image]
                    gain += (outcome.adapted ? 1 : 0) - (outcome.base ? 1 : 0)
                    loss += (outcome.adapted ? 1 : 0) - (outcome.without[group] ? 1 : 0)
                }
                return gain > 0 ? Double(loss) / Double(gain) : nil
            }
            let whole = share(all)
            return GainShare(
                accuracyWithout: Double(outcomes.count { $0.without[group] }) / Double(outcomes.count), share: whole,
                interval: whole == nil ? nil : Bootstrap.interval(count: outcomes.count, rounds: rounds, seed: seed, valuesMin: 0.95, share))
        }
    }
}
