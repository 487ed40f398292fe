// What the atlas of a view shows: every latent that is active anywhere.

import Basics

/// The input of `AtlasPage`.
///
/// Size: every picture is carried once, at 2 to 6 kB for 128 pixels; a sheet's image costs about 100 bytes beside it.
/// `imagesEach` and `thumbnailSide` keep a page near 20 MB.
public struct AtlasData: Sendable {
    /// "b16/maple/patchsae".
    public var view: String
    /// Images with a snapshot in the view.
    public var imagesSeen: Int
    /// Latents of the dictionary, and those of them that are active nowhere (and are not in `latents`).
    public var dictionary: Int
    public var silent: Int
    /// The grid of patches, of every image.
    public var rows: Int
    public var columns: Int
    public var latents: [AtlasLatent]
    /// The thumbnails that `latents` mean by place.
    public var images: [PageImage]
    /// For people, a sentence each: what was counted; what should be known of this page.
    public var definitions: [String]
    public var notes: [String]
    /// "saed 0.3.0, 2026-11-25 09:12 UTC": at the page's foot.
    public var made: String

    public init(
        view: String, imagesSeen: Int, dictionary: Int, silent: Int, rows: Int, columns: Int, latents: [AtlasLatent],
        images: [PageImage], definitions: [String] = [], notes: [String] = [], made: String = ""
    ) {
        self.view = view
        self.imagesSeen = imagesSeen
        self.dictionary = dictionary
        self.silent = silent
        self.rows = rows
        self.columns = columns
        self.latents = latents
        self.images = images
        self.definitions = definitions
        self.notes = notes
        self.made = made
    }

    /// Thumbnails of 128 pixels that fit a page.
    private static let picturesMax = 3500

    /// Images a latent's sheet may have: 8 where the store's images fit, or the latents are few enough; fewer where no two
    /// latents might share one; always 1.
    public static func imagesEach(latents: Int, images: Int = .max) -> Int {
        images <= picturesMax ? 8 : min(8, max(1, picturesMax / max(1, latents)))
    }

    /// The side of a thumbnail in pixels where there are so many: smaller ones where the strongest images alone are too many.
    public static func thumbnailSide(pictures: Int) -> Int { pictures <= picturesMax ? 128 : pictures <= 2 * picturesMax ? 80 : 56 }
}

/// One latent of an atlas.
public struct AtlasLatent: Sendable {
    public var latent: UInt32
    /// Absent: it was never named.
    public var name: PageName?
    public var figures: LatentFigures
    /// Share of the class tokens, and of the patches, on which it is active.
    public var classFrequency: Double?
    public var patchFrequency: Double?

    public init(latent: UInt32, name: PageName? = nil, figures: LatentFigures, classFrequency: Double? = nil, patchFrequency: Double? = nil) {
        self.latent = latent
        self.name = name
        self.figures = figures
        self.classFrequency = classFrequency
        self.patchFrequency = patchFrequency
    }
}
