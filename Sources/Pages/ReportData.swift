// What the report of an adaptation shows. Fields follow the answers of compare, remap, disagree, latent and explain, and
// keep their definitions.
//
// Classes are meant by their place in `classes`, images by theirs in `images`.

import Basics

/// The input of `ReportPage`.
public struct ReportData: Sendable {
    /// "b16/base/patchsae", "b16/maple/patchsae".
    public var base: String
    public var adapted: String
    /// "all images", "data set 'shifted'".
    public var scope: String
    /// The grid of patches, of every image.
    public var rows: Int
    public var columns: Int
    public var accuracy: ReportAccuracy
    /// Latents of a class that count as its own.
    public var k: Int
    /// The largest change of accuracy first, up or down.
    public var classes: [ReportClass]
    /// Every latent that left or joined a class (for the flow picture), those that matter most first; and any other that
    /// the page may show in a sheet or name in the patch viewer. Those with a sheet in either view are shown one by one.
    public var latents: [ReportLatent] = []
    /// The views share their snapshots: only the text side differs.
    public var seesTheSame = false
    /// The finding first, then its controls; before one that stands on some of the images, the finding on these. Empty: not
    /// shown.
    public var figures: [ReportFigures] = []
    /// What the control of random directions stands on, or why there is none yet. Empty: not shown.
    public var control = ""
    /// What becomes of the gain when latents are set back. Empty: not shown.
    public var explained: [ReportShare] = []
    /// Overlap of both views' first k latents, by growing k. Empty: not shown.
    public var overlap: [ReportOverlap] = []
    /// Images whose answer changed: those that became wrong, those that became right, the others.
    public var changed: [ReportChange] = []
    /// All that changed, listed or not: became right, became wrong; and all that were compared.
    public var changedTotal = 0
    public var fixed = 0
    public var broken = 0
    /// Images of the patch viewer.
    public var viewer: [ViewerImage] = []
    /// The thumbnails that sheets and `changed` mean by place.
    public var images: [PageImage] = []
    /// For people, a sentence each: what was counted; what should be known of this page.
    public var definitions: [String] = []
    public var notes: [String] = []
    /// "saed 0.3.0, 2026-11-25 09:12 UTC": at the page's foot.
    public var made = ""

    public init(
        base: String, adapted: String, scope: String, rows: Int, columns: Int, k: Int, accuracy: ReportAccuracy, classes: [ReportClass]
    ) {
        self.base = base
        self.adapted = adapted
        self.scope = scope
        self.rows = rows
        self.columns = columns
        self.k = k
        self.accuracy = accuracy
        self.classes = classes
    }
}

/// Shares of images that are answered with their label.
public struct ReportAccuracy: Sendable, Hashable {
    /// With a snapshot in both views and a label that is a class; and those without.
    public var images: Int
    public var leftOut: Int
    public var base: Double
    public var baseInterval: PageInterval?
    public var adapted: Double
    public var adaptedInterval: PageInterval?
    /// Adapted less base, and its paired bootstrap.
    public var changeInterval: PageInterval?

    public init(
        images: Int, leftOut: Int = 0, base: Double, baseInterval: PageInterval? = nil, adapted: Double,
        adaptedInterval: PageInterval? = nil, changeInterval: PageInterval? = nil
    ) {
        self.images = images
        self.leftOut = leftOut
        self.base = base
        self.baseInterval = baseInterval
        self.adapted = adapted
        self.adaptedInterval = adaptedInterval
        self.changeInterval = changeInterval
    }

    public var change: Double { adapted - base }
}

/// A class: how it is answered, and what it stands on. The words are remap's.
public struct ReportClass: Sendable {
    public var label: String
    public var images: Int
    public var baseAccuracy: Double
    public var adaptedAccuracy: Double
    public var changeInterval: PageInterval?
    /// Share of the first k that both views have.
    public var overlap: Double
    public var cosine: Double?
    /// Latents.
    public var kept: Int
    public var reassigned: Int
    public var newlyUsed: Int
    public var left: Int
    /// The paper's four groups: stays high, stays low, rises, falls.
    public var groups: [Int]
    /// Whose rank moved most, the largest first.
    public var moves: [ReportMove]

    public init(
        label: String, images: Int, baseAccuracy: Double, adaptedAccuracy: Double, changeInterval: PageInterval? = nil, overlap: Double,
        cosine: Double? = nil, kept: Int, reassigned: Int, newlyUsed: Int, left: Int, groups: [Int] = [], moves: [ReportMove] = []
    ) {
        self.label = label
        self.images = images
        self.baseAccuracy = baseAccuracy
        self.adaptedAccuracy = adaptedAccuracy
        self.changeInterval = changeInterval
        self.overlap = overlap
        self.cosine = cosine
        self.kept = kept
        self.reassigned = reassigned
        self.newlyUsed = newlyUsed
        self.left = left
        self.groups = groups
        self.moves = moves
    }

    public var change: Double { adaptedAccuracy - baseAccuracy }
}

/// A latent's rank on a class's images.
public struct ReportMove: Sendable, Hashable {
    public var latent: UInt32
    /// From 1; 0: no token over tau there.
    public var baseRank: Int
    public var adaptedRank: Int

    public init(latent: UInt32, baseRank: Int, adaptedRank: Int) {
        self.latent = latent
        self.baseRank = baseRank
        self.adaptedRank = adaptedRank
    }
}

/// A latent in both views.
public struct ReportLatent: Sendable {
    public var latent: UInt32
    /// Absent: it was never named.
    public var name: PageName?
    /// Classes among whose first k it was and no longer is, and the other way round; places in `classes`.
    public var left: [Int]
    public var joined: [Int]
    /// Classes that have it among their first k.
    public var classesBefore: Int
    public var classesAfter: Int
    /// Of its counts over the classes.
    public var cosine: Double?
    /// Absent: not looked up. With a sheet the latent is shown.
    public var base: LatentFigures?
    public var adapted: LatentFigures?

    public init(
        latent: UInt32, name: PageName? = nil, left: [Int] = [], joined: [Int] = [], classesBefore: Int = 0, classesAfter: Int = 0,
        cosine: Double? = nil, base: LatentFigures? = nil, adapted: LatentFigures? = nil
    ) {
        self.latent = latent
        self.name = name
        self.left = left
        self.joined = joined
        self.classesBefore = classesBefore
        self.classesAfter = classesAfter
        self.cosine = cosine
        self.base = base
        self.adapted = adapted
    }
}

/// One finding in brief, or a control in the same words: means over classes.
public struct ReportFigures: Sendable {
    /// "finding", "shuffled labels", "finding, same images", "random directions".
    public var what: String
    public var overlap: Double
    public var overlapInterval: PageInterval?
    public var cosine: Double?
    /// Latents a class.
    public var reassigned: Double
    public var newlyUsed: Double
    public var left: Double
    public var groups: [ReportGroup]
    /// The finding, on whatever images, and no control.
    var isFinding: Bool { what.hasPrefix("finding") }

    public init(
        what: String, overlap: Double, overlapInterval: PageInterval? = nil, cosine: Double? = nil, reassigned: Double, newlyUsed: Double,
        left: Double, groups: [ReportGroup] = []
    ) {
        self.what = what
        self.overlap = overlap
        self.overlapInterval = overlapInterval
        self.cosine = cosine
        self.reassigned = reassigned
        self.newlyUsed = newlyUsed
        self.left = left
        self.groups = groups
    }
}

/// One of the paper's groups.
public struct ReportGroup: Sendable, Hashable {
    /// "stays high", "stays low", "rises", "falls".
    public var group: String
    /// Latents a class.
    public var meanSize: Double
    /// Over classes, of the size with the change of accuracy.
    public var correlation: Double?
    public var correlationInterval: PageInterval?

    public init(group: String, meanSize: Double, correlation: Double? = nil, correlationInterval: PageInterval? = nil) {
        self.group = group
        self.meanSize = meanSize
        self.correlation = correlation
        self.correlationInterval = correlationInterval
    }
}

/// What becomes of the accuracy when some latents are set back to their base values.
public struct ReportShare: Sendable, Hashable {
    /// "kept", "re-assigned", ..., "random latents", "every latent", "whole vision side".
    public var group: String
    /// A class, on average; absent: no latents but the embedding.
    public var latents: Int?
    public var accuracyWithout: Double
    /// Of the gain of accuracy. Absent: no gain to be shared.
    public var share: Double?
    public var shareInterval: PageInterval?

    public init(group: String, latents: Int? = nil, accuracyWithout: Double, share: Double? = nil, shareInterval: PageInterval? = nil) {
        self.group = group
        self.latents = latents
        self.accuracyWithout = accuracyWithout
        self.share = share
        self.shareInterval = shareInterval
    }
}

/// How many of the first k latents both views share.
public struct ReportOverlap: Sendable, Hashable {
    public var k: Int
    public var share: Double
    public var expectedByChance: Double
    /// Of random directions.
    public var control: Double?
    /// `share` on the control's images, where these are not all.
    public var sameImages: Double?

    public init(k: Int, share: Double, expectedByChance: Double, control: Double? = nil, sameImages: Double? = nil) {
        self.k = k
        self.share = share
        self.expectedByChance = expectedByChance
        self.control = control
        self.sameImages = sameImages
    }
}

/// An image whose answer changed.
public struct ReportChange: Sendable, Hashable {
    /// Its place in `images`.
    public var image: Int
    public var baseAnswer: String
    public var adaptedAnswer: String
    public var baseProbability: Double
    public var adaptedProbability: Double
    /// The answer is the image's label; both false where it has none that is a class.
    public var baseRight: Bool
    public var adaptedRight: Bool

    public init(
        image: Int, baseAnswer: String, adaptedAnswer: String, baseProbability: Double, adaptedProbability: Double, baseRight: Bool,
        adaptedRight: Bool
    ) {
        self.image = image
        self.baseAnswer = baseAnswer
        self.adaptedAnswer = adaptedAnswer
        self.baseProbability = baseProbability
        self.adaptedProbability = adaptedProbability
        self.baseRight = baseRight
        self.adaptedRight = adaptedRight
    }
}

/// An image of the patch viewer.
public struct ViewerImage: Sendable {
    public var path: String
    public var label: String?
    /// About 384 pixels. Absent: its file is gone; the grid is shown without it.
    public var picture: PagePicture?
    public var base: ViewerSide
    public var adapted: ViewerSide
    /// Why the answer changed. Absent: not asked.
    public var explanation: ViewerExplanation?

    public init(
        path: String, label: String? = nil, picture: PagePicture? = nil, base: ViewerSide, adapted: ViewerSide,
        explanation: ViewerExplanation? = nil
    ) {
        self.path = path
        self.label = label
        self.picture = picture
        self.base = base
        self.adapted = adapted
        self.explanation = explanation
    }
}

/// What one view makes of an image.
public struct ViewerSide: Sendable {
    /// The likeliest first, some five. Empty: no class list.
    public var answers: [Answer]
    /// The snapshot's: row 0 the class token, then the patches row by row; further rows (prompts) are not shown.
    public var latents: SparseRows

    public struct Answer: Sendable, Hashable {
        public var name: String
        public var probability: Double

        public init(name: String, probability: Double) {
            self.name = name
            self.probability = probability
        }
    }

    public init(answers: [Answer], latents: SparseRows) {
        self.answers = answers
        self.latents = latents
    }
}

/// What `saectl explain` says of an image, in brief.
public struct ViewerExplanation: Sendable {
    /// The margin's classes: logit of one less that of the other.
    public var className: String
    public var against: String
    /// Of the margin, and its parts, which add up to it.
    public var change: Double
    public var parts: [(part: String, change: Double)]
    /// The largest contribution first, up or down.
    public var latents: [(latent: UInt32, contribution: Double)]
    /// Of each patch, over all latents, row by row. Empty: not shown.
    public var patches: [Float]

    public init(
        className: String, against: String, change: Double, parts: [(part: String, change: Double)],
        latents: [(latent: UInt32, contribution: Double)], patches: [Float] = []
    ) {
        self.className = className
        self.against = against
        self.change = change
        self.parts = parts
        self.latents = latents
        self.patches = patches
    }
}
