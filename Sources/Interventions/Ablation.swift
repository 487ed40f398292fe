// Ablation: classify images from their first k latents alone (on), or from all others (off), for many k at once.
//
//   x' = x_hat(masked z)                           error dropped, as published
//   x' = x + x_hat(masked z) - x_hat(z)            error kept
//
// Per image: one walk over its latents makes every variant (LatentSets), variants that this image can't tell apart are
// computed once, and what is left runs through the upper tower as one batch.

import Basics
import Kernels
import SAE

/// The first k latents of a ranking, for several k.
///
/// Latents that the ranking does not list come after those that it lists, in order of their index: a k of all latents is
/// always all of them.
public struct AblationMasks: Sendable {
    /// Ascending.
    public let sizes: [Int]
    /// On the first `sizes.count` sets, off the next, everything last.
    let sets: LatentSets

    /// As many as `LatentSets` has room for.
    public static let sizesMax = (LatentSets.countMax - 1) / 2

    /// - Parameters:
    ///   - ranking: latents, the first the most important; no latent twice.
    ///   - sizes: the k, in any order; 0 and above; what exceeds the number of latents is all of them.
    public init(ranking: [UInt32], sizes: [Int], latents: Int) {
        precondition(sizes.count <= AblationMasks.sizesMax, "\(sizes.count) sizes, at most \(AblationMasks.sizesMax)")
        let sizes = sizes.sorted()
        self.sizes = sizes
        var members = [UInt64](repeating: 0, count: latents)
        var rank = 0
        func place(_ latent: Int) {
            var bits: UInt64 = 1 << UInt64(2 * sizes.count)
            for (index, size) in sizes.enumerated() { bits |= 1 << UInt64(rank < size ? index : sizes.count + index) }
            members[latent] = bits
            rank += 1
        }
        for latent in ranking {
            precondition(members[Int(latent)] == 0, "latent \(latent) twice in a ranking")
            place(Int(latent))
        }
        for latent in 0..<latents where members[latent] == 0 { place(latent) }
        sets = LatentSets(count: 2 * sizes.count + 1, members: members)
    }

    func on(_ index: Int) -> Int { index }
    func off(_ index: Int) -> Int { sizes.count + index }
    var all: Int { 2 * sizes.count }
}

/// What one image is taken for.
public struct AblatedImage: Sendable {
    /// From its stored embedding: nothing is changed.
    public let withoutSAE: ClassAnswer
    /// One a size: the first k latents alone, and all but those.
    public let on, off: [ClassAnswer]

    public init(withoutSAE: ClassAnswer, on: [ClassAnswer], off: [ClassAnswer]) {
        self.withoutSAE = withoutSAE
        self.on = on
        self.off = off
    }
}

extension UpperTower {
    /// Classifies one image under every mask.
    ///
    /// - Throws: `noActivations` where the error is to be kept and activations are missing, `shape`, `sae`, `model`.
    public func ablate(_ image: StoredImage, _ masks: AblationMasks, error term: ErrorTerm = .dropped) throws(InterventionError) -> AblatedImage {
        try check(image, term)
        let shared = masks.sets.representatives(among: image.latents.indices)
        var computed: [Int] = []
        for set in shared.dropLast() where !computed.contains(set) { computed.append(set) }
        let asked = computed.count
        // The full reconstruction, which the error is measured against, is among the variants or comes after them.
        let full = computed.firstIndex(of: shared[masks.all]) ?? asked
        if term == .kept, full == asked { computed.append(shared[masks.all]) }
        let x = FloatBuffer(count: computed.count * streamCount)
        try decoding { () throws(SAEError) in try sae.decode(image.latents, from: masks.sets, computed, into: x.pointer) }
        restore(term, image.activations, x.pointer, count: asked, full: full)
        let answers = try answers(toStreams: x.pointer, count: asked)
        func answer(_ set: Int) -> ClassAnswer { answers[computed.firstIndex(of: shared[set]) ?? 0] }
        return AblatedImage(
            withoutSAE: try self.answer(image.embedding), on: masks.sizes.indices.map { answer(masks.on($0)) },
            off: masks.sizes.indices.map { answer(masks.off($0)) })
    }

    /// Adds what the SAE does not explain to `count` streams, where it stays; stream `full` is the full reconstruction.
    private func restore(_ term: ErrorTerm, _ activations: [Float]?, _ x: UnsafeMutablePointer<Float>, count: Int, full: Int) {
        let values = streamCount
        switch term {
        case .dropped: return
        case .droppedAsPublished:
            subtractPublishedBias(x, count: count * values)
        case .kept:
            guard let activations else { return }
            activations.withUnsafeBufferPointer { own in
                Team.parallelRows(values, block: 1 << 12) { block in
                    for i in block {
                        let explained = x[full * values + i]
                        for variant in 0..<count { x[variant * values + i] = own[i] + (x[variant * values + i] - explained) }
                    }
                }
            }
        }
    }
}

func subtractPublishedBias(_ x: UnsafeMutablePointer<Float>, count: Int) {
    Team.parallelRows(count, block: 1 << 14) { block in
        for i in block { x[i] -= ErrorTerm.publishedBias }
    }
}

/// Shares of images taken for their class, gathered image by image.
///
///     var tally = AblationTally(sizes: masks.sizes)
///     for image in images { tally.add(try upper.ablate(image, masks)) { $0 == 3 } }
///     print(tally.share(tally.on[0]))
public struct AblationTally: Sendable, Equatable {
    public let sizes: [Int]
    public private(set) var images = 0
    /// Images that were taken for their class.
    public private(set) var withoutSAE = 0
    /// One a size.
    public private(set) var on, off: [Int]

    public init(sizes: [Int]) {
        self.sizes = sizes
        on = [Int](repeating: 0, count: sizes.count)
        off = on
    }

    /// - Parameter isRight: whether an answer, an index into the classes, is the image's class; two names may mean one.
    public mutating func add(_ image: AblatedImage, isRight: (Int) -> Bool) {
        precondition(image.on.count == sizes.count, "\(image.on.count) masks for \(sizes.count) sizes")
        images += 1
        withoutSAE += isRight(image.withoutSAE.best) ? 1 : 0
        for size in sizes.indices {
            on[size] += isRight(image.on[size].best) ? 1 : 0
            off[size] += isRight(image.off[size].best) ? 1 : 0
        }
    }

    /// Of the images; 0 where there is none.
    public func share(_ count: Int) -> Double { images > 0 ? Double(count) / Double(images) : 0 }
}
