// What both pages are made of: pictures, names, figures of a latent, the images on which it is strongest.
//
// Plain values, filled by whoever asks the store. A picture is given once and then meant by its place in the page's list of
// images: a page carries every picture once. Texts (labels, paths, answers, words) may hold anything; the pages show them
// as text.

import Basics

/// 95 %.
public struct PageInterval: Sendable, Hashable {
    public var low: Double
    public var high: Double

    public init(low: Double, high: Double) {
        self.low = low
        self.high = high
    }
}

/// Words for a latent. Shown with a question mark and its reason where it isn't sure.
public struct PageName: Sendable, Hashable {
    public var word: String
    public var isSure: Bool
    public var score: Double
    /// Why it is not sure; empty where it is.
    public var reason: String

    public init(word: String, isSure: Bool, score: Double, reason: String = "") {
        self.word = word
        self.isSure = isSure
        self.score = score
        self.reason = reason
    }
}

/// An encoded picture, and which part of it the model sees.
///
///     let small = image.scaledToFit(width: 128, height: 128)
///     let seen = preprocessor.visibleRect(width: small.width, height: small.height)
///     PagePicture(bytes: encodeWebP(small), width: small.width, height: small.height, visible: seen)
public struct PagePicture: Sendable, Hashable {
    /// WebP, JPEG or PNG, told by its first bytes.
    public var bytes: [UInt8]
    /// In pixels.
    public var width: Int
    public var height: Int
    /// In the picture's pixels, what the grid of patches covers; may reach beyond it.
    public var visible: Rect

    public struct Rect: Sendable, Hashable {
        public var x, y, width, height: Double

        public init(x: Double, y: Double, width: Double, height: Double) {
            self.x = x
            self.y = y
            self.width = width
            self.height = height
        }
    }

    /// - Parameter visible: what `Preprocessor.visibleRect` gives for this size; absent: all of it.
    public init(bytes: [UInt8], width: Int, height: Int, visible: (x: Double, y: Double, width: Double, height: Double)? = nil) {
        precondition(width > 0 && height > 0, "a picture of \(width) x \(height)")
        self.bytes = bytes
        self.width = width
        self.height = height
        let seen = visible ?? (0, 0, Double(width), Double(height))
        self.visible = Rect(x: seen.x, y: seen.y, width: seen.width, height: seen.height)
    }
}

/// One image of the store, as a thumbnail of about 128 pixels.
public struct PageImage: Sendable, Hashable {
    /// As the user wrote it, relative to the drop folder; a short id where its file is gone.
    public var path: String
    public var label: String?
    /// Absent: its file is gone, or can't be read; a grey tile says so.
    public var picture: PagePicture?

    public init(path: String, label: String? = nil, picture: PagePicture? = nil) {
        self.path = path
        self.label = label
        self.picture = picture
    }
}

/// An image on which a latent is strong, and where in it.
public struct SheetImage: Sendable, Hashable {
    /// Its place in the page's `images`.
    public var image: Int
    /// Over the patches.
    public var mean: Double
    public var peak: Double
    /// The grid of patches as the page carries it, `HeatGrid.encoded`.
    let grid: [UInt8]

    /// - Parameter grid: the latent's values, `[rows, columns]` of the page, row by row.
    public init(image: Int, mean: Double, peak: Double, grid: [Float]) {
        self.image = image
        self.mean = mean
        self.peak = peak
        self.grid = HeatGrid.encoded(grid)
    }
}

/// A label's part in a latent.
public struct PageLabelShare: Sendable, Hashable {
    public var label: String
    /// Of the summed activation.
    public var share: Double

    public init(label: String, share: Double) {
        self.label = label
        self.share = share
    }
}

/// A latent's statistics in one view, as `saectl latent` defines them.
public struct LatentFigures: Sendable, Hashable {
    /// Images with a mean above 0, and their share.
    public var imagesActive: Int
    public var frequency: Double
    /// Image means over the patches, over images above 0.
    public var mean: Double?
    public var peak: Double
    /// In nats: over the top images, and over all.
    public var entropyTop: Double?
    public var entropy: Double?
    /// The largest share first; five are enough.
    public var labels: [PageLabelShare]
    /// The strongest image first.
    public var sheet: [SheetImage]

    public init(
        imagesActive: Int, frequency: Double, mean: Double?, peak: Double, entropyTop: Double? = nil, entropy: Double? = nil,
        labels: [PageLabelShare] = [], sheet: [SheetImage] = []
    ) {
        self.imagesActive = imagesActive
        self.frequency = frequency
        self.mean = mean
        self.peak = peak
        self.entropyTop = entropyTop
        self.entropy = entropy
        self.labels = labels
        self.sheet = sheet
    }
}
