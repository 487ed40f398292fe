// How a latent's activation spreads over labels: one label (entropy 0) or all of them (ln of their number).

import Foundation
import Store

/// A label's part in a latent's activation.
public struct LabelShare: Sendable, Codable, Equatable {
    public var label: String
    /// Images of the label with a mean above zero.
    public var images: Int
    /// The label's part of the summed image means of all labelled images, 0...1.
    public var share: Double
    /// Images of the label, active or not.
    public var imagesOfLabel: Int
    /// Class and patch tokens with z > 0.2 on images of the label: an entry of the published `cls_sae_cnt`.
    public var tokensOverTau: Int
}

/// p(label) is proportional to the summed image means of the label's images; images without a label take no part.
public struct LabelStatistics: Sendable, Codable, Equatable {
    /// Labelled images with a mean above zero.
    public var images: Int
    /// `-sum p ln p`; nil below 10 images (published as -1).
    public var entropy: Double?
    /// Standard deviation of the label's index under p, the labels in use numbered in name order; nil
    /// below 10 images.
    public var standardDeviation: Double?
    /// The strongest labels first, ties by name; at most as many as asked for.
    public var labels: [LabelShare]

    /// Below this number of images a spread says nothing.
    public static let imagesMin = 10
}

/// Sums over labels as postings come by.
struct LabelAccumulator {
    private var sums: [Double]
    private var counts: [Int]
    private var overTau: [Int]
    private var images = 0

    init(labels: Int) {
        sums = [Double](repeating: 0, count: labels)
        counts = [Int](repeating: 0, count: labels)
        overTau = counts
    }

    /// - Parameter overTau: class and patch tokens above the threshold in this image.
    mutating func add(label: Int32, mean: Double, overTau: Int = 0) {
        guard label > 0 else { return }
        self.overTau[Int(label) - 1] += overTau
        // On the class token alone a latent has no mean over patches.
        guard mean > 0 else { return }
        sums[Int(label) - 1] += mean
        counts[Int(label) - 1] += 1
        images += 1
    }

    /// nil below 10 images.
    func entropy() -> Double? {
        guard images >= LabelStatistics.imagesMin else { return nil }
        let total = sums.reduce(0, +)
        // -0 would print as "-0".
        return max(0, -sums.reduce(0) { $1 > 0 ? $0 + $1 / total * log($1 / total) : $0 })
    }

    func statistics(_ postings: LatentPostings, top: Int) -> LabelStatistics {
        let total = sums.reduce(0, +)
        let active = counts.indices.filter { counts[$0] > 0 }
        var deviation: Double?
        if images >= LabelStatistics.imagesMin {
            let ranks = active.map { (Double(postings.labelRanks[$0]), sums[$0] / total) }
            let mean = ranks.reduce(0) { $0 + $1.0 * $1.1 }
            deviation = ranks.reduce(0) { $0 + $1.1 * ($1.0 - mean) * ($1.0 - mean) }.squareRoot()
        }
        let strongest = active.sorted {
            sums[$0] != sums[$1] ? sums[$0] > sums[$1] : postings.labelNames[$0] < postings.labelNames[$1]
        }
        return LabelStatistics(
            images: images, entropy: entropy(), standardDeviation: deviation,
            labels: strongest.prefix(top).map {
                LabelShare(
                    label: postings.labelNames[$0], images: counts[$0], share: total > 0 ? sums[$0] / total : 0,
                    imagesOfLabel: postings.labelImages[$0], tokensOverTau: overTau[$0])
            })
    }
}
