// Lossy WebP through libwebp: thumbnails that travel within a page.

import CWebP

/// A lossy WebP file of an image.
///
///     let small = encodeWebP(image.scaledToFit(width: 128, height: 128))   // 3 to 5 kB
///
/// - Parameter quality: 0 to 100, libwebp's scale.
/// - Returns: nil where libwebp can't: a side above 16,383 pixels, or no memory.
public func encodeWebP(_ image: RGBImage, quality: Float = 78) -> [UInt8]? {
    var output: UnsafeMutablePointer<UInt8>?
    let count = image.pixels.withUnsafeBufferPointer { pixels in
        WebPEncodeRGB(pixels.baseAddress, Int32(clamping: image.width), Int32(clamping: image.height), Int32(clamping: image.width * 3), min(max(quality, 0), 100), &output)
    }
    // libwebp's allocation, freed by its own function whatever it returned.
    defer { WebPFree(output) }
    guard count > 0, let output else { return nil }
    return Array(UnsafeBufferPointer(start: output, count: count))
}
