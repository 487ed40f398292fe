// The images on which each latent is strongest, for all latents of a view at once (protocol/STORE.md, "Strongest
// images"): what words are compared with. Derived from postings.

import Basics

/// Up to 16 present images of each latent: those with its largest mean over class token and patches, largest first.
/// Means are f32; of equal ones the lower image comes first.
public struct StrongestImages: Sendable, Equatable {
    /// Images kept of a latent.
    public static let kept = 16

    /// Latents of the view, dead ones included.
    public let latents: Int
    /// By latent; its entries begin at `kept` times the latent.
    @usableFromInline package private(set) var counts: [UInt8]
    @usableFromInline package private(set) var images: [UInt32]
    @usableFromInline package private(set) var means: [Float]

    init(latents: Int) {
        self.latents = latents
        counts = [UInt8](repeating: 0, count: latents)
        images = [UInt32](repeating: 0, count: latents * StrongestImages.kept)
        means = [Float](repeating: 0, count: latents * StrongestImages.kept)
    }

    /// How many images a latent has here: 0 where it is dead.
    public func count(of latent: Int) -> Int { Int(counts[latent]) }

    /// A latent's images.
    public subscript(latent: Int) -> [(image: ImageRecord.ID, mean: Float)] {
        let start = latent * StrongestImages.kept
        return (start..<start + Int(counts[latent])).map { (ImageRecord.ID(rawValue: Int64(images[$0])), means[$0]) }
    }

    /// The entries of a latent, as `subscript`, without an array.
    @inlinable
    package func forEach(of latent: Int, _ body: (_ image: Int, _ mean: Float) -> Void) {
        let start = latent * StrongestImages.kept
        for place in start..<start + Int(counts[latent]) { body(Int(images[place]), means[place]) }
    }

    /// Whether a latent has the same images, as strong, in another moment.
    package func isSame(_ latent: Int, in other: StrongestImages) -> Bool {
        guard counts[latent] == other.counts[latent] else { return false }
        let start = latent * StrongestImages.kept
        return (start..<start + Int(counts[latent])).allSatisfy { images[$0] == other.images[$0] && means[$0] == other.means[$0] }
    }

    mutating func clear(_ latent: Int) { counts[latent] = 0 }

    /// Takes an image in where it is among the strongest.
    @inline(__always)
    mutating func offer(_ latent: Int, image: Int64, mean: Float) {
        let start = latent &* StrongestImages.kept
        var count = Int(counts[latent])
        func isBefore(_ place: Int) -> Bool {
            means[place] > mean || (means[place] == mean && Int64(images[place]) < image)
        }
        if count == StrongestImages.kept {
            // Nearly every posting ends here.
            if isBefore(start + count - 1) { return }
            count -= 1
        }
        var place = start + count
        while place > start, !isBefore(place - 1) {
            (images[place], means[place]) = (images[place - 1], means[place - 1])
            place -= 1
        }
        (images[place], means[place]) = (UInt32(truncatingIfNeeded: image), mean)
        counts[latent] = UInt8(count + 1)
    }

    /// Latents that have an image which is false in `mask` (by image id).
    func latents(losing mask: [Bool]) -> [Int] {
        (0..<latents).filter { latent in
            let start = latent * StrongestImages.kept
            return (start..<start + Int(counts[latent])).contains { Int(images[$0]) >= mask.count || !mask[Int(images[$0])] }
        }
    }
}

extension LatentPosting {
    /// Mean over class token and patches, as `StrongestImages` ranks by.
    @inline(__always)
    func overallMean(patches: Int) -> Float {
        Float((Double(classValue) + Double(patchMean) * Double(patches)) / Double(1 + patches))
    }
}

/// The file: header, then `counts`, `images`, `means`, and one bit an image that was taken in; one checksum over all.
enum StrongestFile {
    static let magic = Array("SAEDTOP\0".utf8)
    static let version = 1
    static let headerBytes = 128

    /// - Parameter counted: by image id, whether it was taken in.
    static func encode(_ strongest: StrongestImages, counted: [Bool], shape: SegmentHeader) -> [UInt8] {
        var body = ByteWriter(capacity: strongest.latents * (1 + 8 * StrongestImages.kept) + counted.count / 8 + 16)
        body.put(strongest.counts)
        body.align(8)
        body.put(array: strongest.images)
        body.put(array: strongest.means)
        var bits = [UInt8](repeating: 0, count: (counted.count + 7) / 8)
        for (image, isCounted) in counted.enumerated() where isCounted { bits[image / 8] |= 1 << UInt8(image % 8) }
        body.put(bits)
        var header = ByteWriter(capacity: headerBytes + body.count)
        header.put(magic)
        header.put(UInt32(version))
        header.put(UInt32(headerBytes))
        for number in [
            shape.latents, shape.layout.rows, shape.layout.columns, shape.layout.prompts, StrongestImages.kept, counted.count,
        ] { header.put(UInt32(number)) }
        header.put(shape.recipe.bytes)
        header.put(UInt64(body.count))
        header.put(XXH64.hash(body.bytes))
        header.pad(to: headerBytes - 8)
        header.put(XXH64.hash(header.bytes))
        header.put(body.bytes)
        return header.bytes
    }

    /// nil where the file is another view's, damaged or of a later version.
    static func decode(_ bytes: [UInt8], shape: SegmentHeader) -> (strongest: StrongestImages, counted: [Bool])? {
        bytes.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            guard raw.count >= headerBytes, let start = try? reader.take(16, "magic"), Array(start[..<8]) == magic,
                let numbers = try? reader.array(UInt32.self, count: 6, "shapes"), let recipe = try? reader.take(32, "recipe"),
                let size = try? reader.get(UInt64.self, "size"), let checksum = try? reader.get(UInt64.self, "checksum"),
                raw.loadUnaligned(fromByteOffset: 8, as: UInt32.self) == version,
                XXH64.hash(UnsafeRawBufferPointer(rebasing: raw[..<120])) == raw.loadUnaligned(fromByteOffset: 120, as: UInt64.self),
                numbers[..<5].map(Int.init) == [
                    shape.latents, shape.layout.rows, shape.layout.columns, shape.layout.prompts, StrongestImages.kept,
                ], ContentHash(bytes: Array(recipe)) == shape.recipe, UInt64(raw.count - headerBytes) == size,
                XXH64.hash(UnsafeRawBufferPointer(rebasing: raw[headerBytes...])) == checksum
            else { return nil }
            let n = shape.latents, images = Int(numbers[5])
            var body = ByteReader(UnsafeRawBufferPointer(rebasing: raw[headerBytes...]))
            guard let counts = try? body.array(UInt8.self, count: n, "counts"), (try? body.take((8 - n % 8) % 8, "padding")) != nil,
                let ids = try? body.array(UInt32.self, count: n * StrongestImages.kept, "images"),
                let means = try? body.array(Float.self, count: n * StrongestImages.kept, "means"),
                let bits = try? body.take((images + 7) / 8, "bits"), body.left == 0,
                counts.allSatisfy({ $0 <= StrongestImages.kept })
            else { return nil }
            let counted = (0..<images).map { bits[$0 / 8] >> UInt8($0 % 8) & 1 == 1 }
            return (StrongestImages(counts: counts, images: ids, means: means), counted)
        }
    }
}

extension StrongestImages {
    fileprivate init(counts: [UInt8], images: [UInt32], means: [Float]) {
        latents = counts.count
        (self.counts, self.images, self.means) = (counts, images, means)
    }
}
