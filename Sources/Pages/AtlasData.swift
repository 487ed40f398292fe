// What the atlas of a view shows: every latent that is active anywhere.

import Basics

/// The input of `AtlasPage`.
///
/// Size: a thumbnail is 3 to 5 kB and every one is carried once, a sheet's image costs about 100 bytes. With 10,000
/// latents the pictures decide: `AtlasData.imagesEach(latents:)` says how many images a latent can have.
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

    /// Images a latent's sheet may have so that the page stays near 20 MB even where no two latents share one: 8 for
    /// up to 400 latents, at least 1.
    public static func imagesEach(latents: Int) -> Int { min(8, max(1, 3500 / max(1, latents))) }
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
