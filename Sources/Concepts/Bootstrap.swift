// Intervals: bootstrap percentiles with a seed, and Wilson's for a share.

import Basics
import Foundation
import Store

/// A 95 % interval.
public struct Interval: Sendable, Codable, Equatable {
    public var low: Double
    public var high: Double

    public init(low: Double, high: Double) {
        self.low = low
        self.high = high
    }

    /// Wilson's score interval of `part` out of `whole`, z = 1.959964; nil out of nothing.
    ///
    ///     centre = (p + z^2 / 2n) / (1 + z^2 / n)
    ///     half = z / (1 + z^2 / n) * sqrt(p (1 - p) / n + z^2 / 4n^2)
    public init?(wilson part: Int, of whole: Int) {
        guard whole > 0 else { return nil }
        let z = 1.959963984540054, n = Double(whole), p = Double(part) / n
        let scale = 1 + z * z / n
        let centre = (p + z * z / (2 * n)) / scale
        let half = z / scale * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
        self.init(low: max(0, centre - half), high: min(1, centre + half))
    }

    /// The 2.5th and 97.5th percentiles of bootstrap rounds, with linear interpolation between order statistics
    /// (numpy's default); nil without rounds.
    init?(percentilesOf rounds: [Double]) {
        guard !rounds.isEmpty else { return nil }
        let sorted = rounds.sorted()
        func percentile(_ share: Double) -> Double {
            let place = share * Double(sorted.count - 1), below = Int(place)
            guard below + 1 < sorted.count else { return sorted[sorted.count - 1] }
            return sorted[below] + (place - Double(below)) * (sorted[below + 1] - sorted[below])
        }
        self.init(low: percentile(0.025), high: percentile(0.975))
    }
}

enum Bootstrap {
    /// Sums of `draws` resampled images of which `gains` count +1, `losses` -1 and the others 0: what pairs of
    /// right and wrong answers amount to, whichever images they are.
    static func pairedSum(_ draws: Int, gains: Int, losses: Int, _ random: inout SplitMix) -> Int {
        guard gains + losses > 0 else { return 0 }
        var sum = 0, left = draws
        // Two draws a word: each half times n, shifted, is uniform below n up to n / 2^32.
        let n = UInt64(draws), up = UInt64(gains), down = UInt64(gains + losses)
        while left > 0 {
            let word = random.next()
            let first = ((word >> 32) &* n) >> 32
            sum &+= first < up ? 1 : first < down ? -1 : 0
            if left > 1 {
                let second = ((word & 0xFFFF_FFFF) &* n) >> 32
                sum &+= second < up ? 1 : second < down ? -1 : 0
            }
            left -= 2
        }
        return sum
    }

    /// Bootstrap over cases: `statistic` of `count` indices drawn with replacement, `rounds` times; rounds without a
    /// value are left out.
    ///
    /// - Parameter valuesMin: the least share of rounds that must have a value.
    static func interval(
        count: Int, rounds: Int, seed: UInt64, valuesMin: Double = 0, _ statistic: ([Int]) -> Double?
    ) -> Interval? {
        guard count > 0 else { return nil }
        var random = SplitMix(seed: seed)
        var drawn = [Int](repeating: 0, count: count)
        let values = (0..<rounds).compactMap { _ -> Double? in
            for i in drawn.indices { drawn[i] = random.below(count) }
            return statistic(drawn)
        }
        return Double(values.count) >= valuesMin * Double(rounds) ? Interval(percentilesOf: values) : nil
    }

    /// Pearson's correlation over the given cases; nil where one side does not vary or there are fewer than 3 cases.
    static func correlation(_ x: [Double], _ y: [Double], over cases: some Collection<Int>) -> Double? {
        let n = Double(cases.count)
        guard cases.count >= 3 else { return nil }
        var sx = 0.0, sy = 0.0
        for i in cases {
            sx += x[i]
            sy += y[i]
        }
        let mx = sx / n, my = sy / n
        var xx = 0.0, yy = 0.0, xy = 0.0
        for i in cases {
            xx += (x[i] - mx) * (x[i] - mx)
            yy += (y[i] - my) * (y[i] - my)
            xy += (x[i] - mx) * (y[i] - my)
        }
        guard xx > 1e-12, yy > 1e-12 else { return nil }
        return xy / (xx * yy).squareRoot()
    }
}
