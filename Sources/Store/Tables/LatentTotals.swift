// What a group of images (a label's, or all) sums up to in one latent: the entries of class tables.

import Basics

/// One latent over the tokens of one kind in a group of images.
public struct KindTotals: Sendable, Equatable {
    /// Tokens with value > 0.
    public var active = 0
    /// Tokens with value > tau (0.2).
    public var overTau = 0
    /// Sum of values.
    public var sum: Double = 0

    public init() {}
}

/// One latent over a group of images. Sums as in `LatentAggregate`: a patch sum is the kept f32 mean times P.
public struct LatentTotals: Sendable, Equatable {
    public var classToken = KindTotals()
    public var patch = KindTotals()
    public var prompt = KindTotals()
    /// Images with the latent active on the class token or a patch.
    public var images = 0
    /// Images with the latent active on a token of any kind.
    public var anyImages = 0

    public init() {}

    public subscript(kind: TokenKind) -> KindTotals {
        switch kind {
        case .class: classToken
        case .patch: patch
        case .prompt: prompt
        }
    }

    /// Class and patch tokens over tau: an entry of the published `cls_sae_cnt` of a view without prompts.
    public var count: Int { classToken.overTau + patch.overTau }

    /// Tokens of every kind over tau: as published, prompts included.
    public var publishedCount: Int { count + prompt.overTau }
}

/// A cell while a table is made, and an entry as it is written; signed, because corrections take images out.
struct TotalsCell {
    var classSum: Double = 0
    var patchSum: Double = 0
    var promptSum: Double = 0
    var images: Int32 = 0
    var anyImages: Int32 = 0
    var classActive: Int32 = 0
    var classOver: Int32 = 0
    var patchActive: Int32 = 0
    var patchOver: Int32 = 0
    var promptActive: Int32 = 0
    var promptOver: Int32 = 0
    /// While a table is made: the cell is in use for the latent at hand.
    var isTouched = false

    @inline(__always)
    mutating func add(_ posting: LatentPosting, patches: Double, sign: Int32) {
        let weight = Double(sign)
        if posting.classValue > 0 {
            classActive &+= sign
            classOver &+= posting.classValue > Store.tau ? sign : 0
            classSum += weight * Double(posting.classValue)
        }
        if posting.activePatches > 0 {
            patchActive &+= sign &* Int32(posting.activePatches)
            patchOver &+= sign &* Int32(posting.patchesOverTau)
            patchSum += weight * Double(posting.patchMean) * patches
        }
        if posting.activePrompts > 0 {
            promptActive &+= sign &* Int32(posting.activePrompts)
            promptOver &+= sign &* Int32(posting.promptsOverTau)
            promptSum += weight * Double(posting.promptSum)
        }
        images &+= posting.classValue > 0 || posting.activePatches > 0 ? sign : 0
        anyImages &+= sign
    }

    mutating func merge(_ other: TotalsCell) {
        classSum += other.classSum
        patchSum += other.patchSum
        promptSum += other.promptSum
        images &+= other.images
        anyImages &+= other.anyImages
        classActive &+= other.classActive
        classOver &+= other.classOver
        patchActive &+= other.patchActive
        patchOver &+= other.patchOver
        promptActive &+= other.promptActive
        promptOver &+= other.promptOver
    }

    /// Whether any token is over tau: such entries come first in a group's block.
    var isLoud: Bool { classOver != 0 || patchOver != 0 || promptOver != 0 }
    /// Nothing came in, or as much as went. In a correction counts may cancel where sums do not.
    var isEmpty: Bool {
        anyImages == 0 && images == 0 && !isLoud && classActive == 0 && patchActive == 0 && promptActive == 0
            && classSum == 0 && patchSum == 0 && promptSum == 0
    }
}

extension LatentTotals {
    /// A sum over no active token is zero: what subtraction leaves of it is rounding.
    init(_ cell: TotalsCell) {
        func kind(_ active: Int32, _ over: Int32, _ sum: Double) -> KindTotals {
            var totals = KindTotals()
            totals.active = Int(active)
            totals.overTau = Int(over)
            totals.sum = active == 0 ? 0 : sum
            return totals
        }
        self.init()
        classToken = kind(cell.classActive, cell.classOver, cell.classSum)
        patch = kind(cell.patchActive, cell.patchOver, cell.patchSum)
        prompt = kind(cell.promptActive, cell.promptOver, cell.promptSum)
        images = Int(cell.images)
        anyImages = Int(cell.anyImages)
    }

    /// Takes part of another group's totals in.
    public mutating func merge(_ other: LatentTotals) {
        classToken.merge(other.classToken)
        patch.merge(other.patch)
        prompt.merge(other.prompt)
        images += other.images
        anyImages += other.anyImages
    }
}

extension KindTotals {
    mutating func merge(_ other: KindTotals) {
        active += other.active
        overTau += other.overTau
        sum += other.sum
    }
}
