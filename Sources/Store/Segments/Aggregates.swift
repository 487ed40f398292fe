// Per latent and token kind: what every statistic over many images is merged from.

import Basics

/// One latent over the tokens of one kind.
public struct KindAggregate: Sendable, Equatable {
    /// Tokens with value > 0.
    public var active = 0
    /// Tokens with value > tau (0.2).
    public var overTau = 0
    /// Sum of values.
    public var sum: Double = 0
    public var max: Float = 0
}

/// One latent over the images of a view that are not absent.
public struct LatentAggregate: Sendable, Equatable {
    public var classToken = KindAggregate()
    public var patch = KindAggregate()
    public var prompt = KindAggregate()
    /// Images whose mean over patches is above zero.
    public var patchImages = 0
    /// Images whose mean over class and patches is above zero.
    public var anyImages = 0

    public init() {}

    public subscript(kind: TokenKind) -> KindAggregate {
        switch kind {
        case .class: classToken
        case .patch: patch
        case .prompt: prompt
        }
    }

    /// Sum over images of the mean over patches.
    public func patchMeanSum(_ layout: TokenLayout) -> Double { patch.sum / Double(layout.patches) }

    /// Sum over images of the mean over class and patches.
    public func anyMeanSum(_ layout: TokenLayout) -> Double {
        (classToken.sum + patch.sum) / Double(1 + layout.patches)
    }

    package mutating func add(_ posting: LatentPosting, patches: Int) {
        if posting.classValue > 0 {
            classToken.active += 1
            classToken.overTau += posting.classValue > Store.tau ? 1 : 0
            classToken.sum += Double(posting.classValue)
            classToken.max = Swift.max(classToken.max, posting.classValue)
        }
        if posting.activePatches > 0 {
            patch.active += Int(posting.activePatches)
            patch.overTau += Int(posting.patchesOverTau)
            patch.sum += Double(posting.patchMean) * Double(patches)
            patch.max = Swift.max(patch.max, posting.peak)
            patchImages += 1
        }
        if posting.activePrompts > 0 {
            prompt.active += Int(posting.activePrompts)
            prompt.overTau += Int(posting.promptsOverTau)
            prompt.sum += Double(posting.promptSum)
            prompt.max = Swift.max(prompt.max, posting.promptPeak)
        }
        if posting.classValue > 0 || posting.activePatches > 0 { anyImages += 1 }
    }

    /// Takes an image out again.
    /// - Returns: whether a maximum was this image's own, so that it must be found anew among the others.
    mutating func remove(_ posting: LatentPosting, patches: Int) -> Bool {
        var lostMaximum = false
        if posting.classValue > 0 {
            classToken.active -= 1
            classToken.overTau -= posting.classValue > Store.tau ? 1 : 0
            classToken.sum = classToken.active == 0 ? 0 : classToken.sum - Double(posting.classValue)
            lostMaximum = lostMaximum || posting.classValue >= classToken.max
        }
        if posting.activePatches > 0 {
            patch.active -= Int(posting.activePatches)
            patch.overTau -= Int(posting.patchesOverTau)
            patch.sum = patch.active == 0 ? 0 : patch.sum - Double(posting.patchMean) * Double(patches)
            lostMaximum = lostMaximum || posting.peak >= patch.max
            patchImages -= 1
        }
        if posting.activePrompts > 0 {
            prompt.active -= Int(posting.activePrompts)
            prompt.overTau -= Int(posting.promptsOverTau)
            prompt.sum = prompt.active == 0 ? 0 : prompt.sum - Double(posting.promptSum)
            lostMaximum = lostMaximum || posting.promptPeak >= prompt.max
        }
        if posting.classValue > 0 || posting.activePatches > 0 { anyImages -= 1 }
        return lostMaximum
    }

    mutating func merge(_ other: LatentAggregate) {
        classToken.merge(other.classToken)
        patch.merge(other.patch)
        prompt.merge(other.prompt)
        patchImages += other.patchImages
        anyImages += other.anyImages
    }
}

extension KindAggregate {
    mutating func merge(_ other: KindAggregate) {
        active += other.active
        overTau += other.overTau
        sum += other.sum
        max = Swift.max(max, other.max)
    }
}

/// Every latent of a view over some images.
public struct Aggregates: Sendable, Equatable {
    public let layout: TokenLayout
    /// Images counted, the denominator of image shares; times `layout.tokens(of:)` that of token shares.
    public internal(set) var images = 0
    public internal(set) var latents: [LatentAggregate]

    package init(layout: TokenLayout, latents: Int) {
        self.layout = layout
        self.latents = [LatentAggregate](repeating: LatentAggregate(), count: latents)
    }

    public func tokens(of kind: TokenKind) -> Int { images * layout.tokens(of: kind).count }

    mutating func add(_ summary: ImageSummary) {
        images += 1
        for position in 0..<summary.count {
            latents[Int(summary.latents[position])].add(summary[position], patches: layout.patches)
        }
    }

    /// - Returns: latents whose maximum must be found anew.
    mutating func remove(_ summary: ImageSummary) -> [UInt32] {
        images -= 1
        var lost: [UInt32] = []
        for position in 0..<summary.count {
            let latent = summary.latents[position]
            if latents[Int(latent)].remove(summary[position], patches: layout.patches) { lost.append(latent) }
        }
        return lost
    }

    mutating func merge(_ other: Aggregates) {
        precondition(other.latents.count == latents.count)
        images += other.images
        for latent in latents.indices { latents[latent].merge(other.latents[latent]) }
    }
}
