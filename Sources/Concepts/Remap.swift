// What an adaptation changed, class by class: types. How they are computed is in Remap+Run and RemapAnalysis.
//
// Counted are class and patch tokens over tau 0.2 (as published: prompts too) on the images that both views have a
// snapshot of and whose label is a class of the head. A latent "serves" a class where it is among the class's first
// k by that count.

import Basics
import Store

public struct RemapQuery: Sendable {
    /// A latent serves a class by being among its first k.
    public var k = 50
    /// The four groups are taken from the union of both views' first `high` and first `low` latents of a class.
    public var high = 50
    public var low = 100
    /// Moved latents listed for each class, and latents listed by classes left and joined.
    public var top = 20
    /// Of the latter; nil: `top`.
    public var latentsListed: Int?
    /// Of bootstrap rounds and of the shuffled labels.
    public var seed: UInt64 = 42
    /// Bootstrap rounds; 0 for no intervals.
    public var rounds = 1000
    /// Only these images, as a data set's; the postings are then walked, which takes seconds.
    public var images: Set<ImageRecord.ID>?
    /// Only this class (by name) is listed, its moved latents with frequencies and means. Everything else stays over
    /// all classes.
    public var label: String?
    /// Count tokens of every kind, prompts included.
    public var asPublished = false
    /// Also compute `shuffled`.
    public var withControl = true

    public init() {}
}

/// Sizes of a class's four groups.
///
/// With x the count of a latent divided by the class's largest count in the same view; H the mean of x over both
/// views and the union of their first `high` latents, L the same over the first `low`; a latent of that larger
/// union stays high where x >= H in both views, stays low where x < L in both, rises from x < L to x >= H, and
/// falls from x >= H to x < L. What lies between L and H is in no group.
public struct GroupSizes: Sendable, Codable, Equatable {
    public var staysHigh = 0
    public var staysLow = 0
    public var rises = 0
    public var falls = 0

    public init() {}
}

/// One class.
public struct ClassRemap: Sendable, Codable, Equatable {
    /// The class's name in the head's list.
    public var label: String
    /// Images counted, those of the class that both views have.
    public var images: Int
    /// Of them answered under both heads: the denominator of the accuracies.
    public var answered: Int
    /// nil where none is answered.
    public var baseAccuracy: Double?
    public var adaptedAccuracy: Double?
    /// `adaptedAccuracy - baseAccuracy`.
    public var change: Double?
    /// Bootstrap over the class's images, paired: an image is drawn with both its answers. Percentiles 2.5 and 97.5.
    public var changeInterval: Interval?
    /// Share of the first k that both views have (see `OverlapPoint`).
    public var overlap: Double
    /// Cosine of the class's counts over all latents between views; nil where a view counts nothing.
    public var cosine: Double?
    public var groups: GroupSizes
    /// Of the first k of either view, the largest change of 1 / log2(1 + rank) first.
    public var moves: [LatentChange]
    /// In the first k of both views.
    public var kept: [Int]
    /// In adapted's first k, not in base's, but in base's first k of another class.
    public var reassigned: [Int]
    /// In adapted's first k, and in base's first k of no class.
    public var newlyUsed: [Int]
    /// In base's first k, not in adapted's.
    public var left: [Int]
}

/// One latent.
public struct LatentRemap: Sendable, Codable, Equatable {
    public var latent: Int
    /// Classes that it served in base and does not in adapted.
    public var left: [String]
    /// Classes that it serves in adapted and did not in base.
    public var joined: [String]
    public var classesBefore: Int
    public var classesAfter: Int
    /// Cosine of its counts over all classes between views; nil where a view counts nothing.
    public var cosine: Double?
}

/// One of the four groups over all classes.
public struct GroupFigures: Sendable, Codable, Equatable {
    /// `stays high`, `stays low`, `rises`, `falls`.
    public var group: String
    /// Mean of the classes' group sizes.
    public var meanSize: Double
    /// Pearson's, between classes' group sizes and changes of accuracy; nil below 3 classes or where one does not vary.
    public var correlation: Double?
    /// Bootstrap over classes, percentiles 2.5 and 97.5.
    public var correlationInterval: Interval?
}

/// The finding, or the same over shuffled labels. Means are over classes, each counting the same.
public struct RemapFigures: Sendable, Codable, Equatable {
    /// Classes with images.
    public var classes: Int
    public var images: Int
    public var overlap: Double
    /// Bootstrap over classes, percentiles 2.5 and 97.5.
    public var overlapInterval: Interval?
    /// Over classes that have one.
    public var cosine: Double?
    public var kept: Double
    public var reassigned: Double
    public var newlyUsed: Double
    public var left: Double
    public var groups: [GroupFigures]
}

public struct Remapping: Sendable, Codable, Equatable {
    public var base: String
    public var adapted: String
    public var k: Int
    public var seed: UInt64
    public var rounds: Int
    public var asPublished: Bool
    /// Images of the classes that both views have a snapshot of.
    public var images: Int
    /// Images in scope, in both views, without a label that is a class.
    public var leftOut: Int
    /// Images in scope with a snapshot in one view alone.
    public var onlyBase: Int
    public var onlyAdapted: Int
    /// Of `images`, those with an answer under both heads: the denominator of the accuracies.
    public var answered: Int
    public var baseAccuracy: Double?
    public var adaptedAccuracy: Double?
    /// Wilson, 95 %.
    public var baseInterval: Interval?
    public var adaptedInterval: Interval?
    public var change: Double?
    /// Paired bootstrap over images within each class (stratified), percentiles 2.5 and 97.5.
    public var changeInterval: Interval?
    /// In the head's order; those with images.
    public var classes: [ClassRemap]
    /// Latents that left or joined a class; how many, and those of the most classes first.
    public var movedLatents: Int
    public var latents: [LatentRemap]
    public var finding: RemapFigures
    /// The same from labels dealt anew at random among the images (seeded; the same deal in both views), against the
    /// classes' real changes of accuracy: what remains without any class.
    public var shuffled: RemapFigures?
}
