// Random latents, to stand beside a choice of latents: equally many, of those that could have been chosen.

import Basics
import SAE

/// Seeded random choices among the latents that are active in some images.
public enum RandomLatents {
    /// The latents that are active on some token, ascending.
    public static func active(in images: some Sequence<SparseRows>) -> [UInt32] {
        var isActive: [Bool] = []
        for latents in images {
            if isActive.count < latents.width { isActive += [Bool](repeating: false, count: latents.width - isActive.count) }
            for latent in latents.indices { isActive[Int(latent)] = true }
        }
        return isActive.indices.filter { isActive[$0] }.map(UInt32.init)
    }

    /// All of `latents` in random order: its first k are k random ones, nested as k grows. For `AblationMasks`.
    public static func ranking(of latents: [UInt32], seed: UInt64) -> [UInt32] {
        // Fisher and Yates, spelt out: the library's own shuffle may change with its version.
        var random = SplitMix(seed: seed)
        var order = latents
        for end in order.indices.reversed() { order.swapAt(end, random.below(end + 1)) }
        return order
    }

    /// `count` of `latents` that are not in `excluded`, or all of them where there are fewer. For `LatentSets`.
    public static func draw(_ count: Int, of latents: [UInt32], excluding excluded: Set<UInt32> = [], seed: UInt64) -> [UInt32] {
        Array(ranking(of: latents.filter { !excluded.contains($0) }, seed: seed).prefix(count))
    }
}
