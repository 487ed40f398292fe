// The one pixel format between decoding and the model: 8-bit RGB, interleaved, rows from the top, no padding.

/// An 8-bit RGB image.
///
///     let image = RGBImage(width: 2, height: 1, pixels: [255, 0, 0, 0, 0, 255])  // red, blue
///     image[1, 0].blue  // 255
///
/// A value: copies share storage until one is changed.
public struct RGBImage: Sendable, Hashable {
    public let width, height: Int
    /// Row-major `[height, width, 3]`, red first.
    public let pixels: [UInt8]

    /// - Precondition: both sides at least 1, `pixels.count == width * height * 3`.
    public init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(width > 0 && height > 0, "an image of \(width) x \(height)")
        precondition(pixels.count == width * height * 3, "\(pixels.count) bytes for [\(height), \(width), 3]")
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// The pixel in column `x` of row `y`, counted from the top left.
    public subscript(x: Int, y: Int) -> (red: UInt8, green: UInt8, blue: UInt8) {
        precondition(x >= 0 && x < width && y >= 0 && y < height, "pixel (\(x), \(y)) of \(width) x \(height)")
        let at = (y * width + x) * 3
        return (pixels[at], pixels[at + 1], pixels[at + 2])
    }

    /// An image whose pixels `fill` writes, all of them unless it throws. Nothing is zeroed first: a large image
    /// whose decoding fails early costs address space, not memory.
    init(
        width: Int, height: Int,
        fill: (UnsafeMutablePointer<UInt8>) throws(ImagingError) -> Void
    ) throws(ImagingError) {
        let count = width * height * 3
        var failure: ImagingError?
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            do throws(ImagingError) {
                // Not nil: `count` is at least 3.
                try fill(buffer.baseAddress!)
                initialized = count
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        self.init(width: width, height: height, pixels: pixels)
    }
}
