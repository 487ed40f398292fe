// In what order a class's latents are kept or taken away.

import Basics
import Store

/// By what a class's latents are ranked, over the class's images.
public enum ClassOrder: String, Sendable, CaseIterable {
    /// Tokens over tau: class and patches; as published, prompts too.
    case classCount = "class-count"
    /// Mean over the patches.
    case mean
    /// The strongest patch.
    case peak
    /// Patches on which it is active.
    case frequency
    case random
}

/// Latents over the images of one class.
public struct ClassLatents: Sendable {
    private let patches: Int
    private let countsPrompts: Bool
    private var totals: [LatentAggregate]

    /// - Parameter countsPrompts: prompt tokens over tau count too, as published.
    public init(of view: ViewRecord, countsPrompts: Bool) {
        patches = view.layout.patches
        self.countsPrompts = countsPrompts
        totals = [LatentAggregate](repeating: LatentAggregate(), count: view.latents)
    }

    /// - Parameter postings: an image's, as `Store.postings` gives them.
    public mutating func add(_ postings: [LatentPosting]) {
        for posting in postings { totals[Int(posting.latent)].add(posting, patches: patches) }
    }

    private func count(_ latent: Int) -> Int {
        totals[latent].classToken.overTau + totals[latent].patch.overTau + (countsPrompts ? totals[latent].prompt.overTau : 0)
    }

    /// Latents that are counted, or active on some patch; ascending.
    public var active: [UInt32] { totals.indices.filter { count($0) > 0 || totals[$0].patch.active > 0 }.map(UInt32.init) }

    /// The active latents, the most important first; ties by the lower latent.
    /// - Precondition: the order is none of chance.
    public func ranking(_ order: ClassOrder) -> [UInt32] {
        func value(_ latent: Int) -> Double {
            switch order {
            case .classCount: Double(count(latent))
            case .mean: totals[latent].patch.sum
            case .peak: Double(totals[latent].patch.max)
            case .frequency: Double(totals[latent].patch.active)
            case .random: preconditionFailure("a random order needs a seed")
            }
        }
        return active.map { (latent: $0, value: value(Int($0))) }.sorted { ($1.value, $0.latent) < ($0.value, $1.latent) }.map(\.latent)
    }
}
