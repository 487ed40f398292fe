// From a file's bytes to RGB, equal byte for byte to Pillow's
// `ImageOps.exif_transpose(Image.open(f)).convert("RGB")`; FORMATS.md holds the table of what equals and what doesn't.
//
// Order of checks: size of the file, format, header's dimensions against the limit, and only then the pixels'
// allocation. A library that the file drives (libjpeg, zlib, libwebp) never sees a file that failed an earlier check.

/// What an untrusted file may cost.
public struct DecodeLimits: Sendable, Hashable {
    /// Width times height at most. The default, 178,956,970, is where Pillow refuses an image as a decompression
    /// bomb (twice its `MAX_IMAGE_PIXELS`, above which it warns): 512 MiB of RGB.
    public var pixelsMax: Int
    /// Encoded bytes at most; the default is 256 MiB.
    public var bytesMax: Int

    public init(pixelsMax: Int = 2 * 89_478_485, bytesMax: Int = 256 << 20) {
        self.pixelsMax = pixelsMax
        self.bytesMax = bytesMax
    }

    func check(width: Int, height: Int) throws(ImagingError) {
        // Sides are at most 2^31, so the product can't overflow.
        if width * height > pixelsMax {
            throw .tooLarge(width: width, height: height, pixelsMax: pixelsMax)
        }
    }
}

/// How a file becomes pixels.
public struct DecodeOptions: Sendable, Hashable {
    /// Turn the image as its EXIF (or, failing that, XMP) orientation asks, so that it is seen as a person sees it:
    /// `ImageOps.exif_transpose`. `false` gives what `CLIPImageProcessor` gets when nobody calls that, which for a
    /// phone's upright photograph is an image lying on its side.
    public var applyOrientation: Bool

    public init(applyOrientation: Bool = true) {
        self.applyOrientation = applyOrientation
    }
}

/// An image and what its file said about it.
public struct DecodedImage: Sendable {
    public let image: RGBImage
    public let format: ImageFormat
    /// The sides as encoded, before `orientation` swapped them.
    public let encodedWidth, encodedHeight: Int
    /// EXIF's value, 1 to 8; 1 where there is none. Whether it was applied is `DecodeOptions.applyOrientation`.
    public let orientation: Int
}

/// What a file's header says, at the cost of reading its first bytes.
public struct ImageHeader: Sendable, Hashable {
    public let format: ImageFormat
    /// Sides as encoded, before any EXIF orientation.
    public let width, height: Int
}

/// Decodes a JPEG, PNG or WebP file to RGB, the first frame where there are several.
///
///     let image = try data.withUnsafeBytes { try decodeImage($0) }
///
/// Equals Pillow's `ImageOps.exif_transpose(Image.open(f)).convert("RGB")`: alpha is dropped, not blended; colour
/// profiles are ignored; 16-bit colour keeps the high byte.
///
/// - Throws: `ImagingError`. Never traps on any input; what was allocated is freed.
///
/// Safe to call from several threads at once. Costs about 2 ms for 640 x 480 (JPEG).
public func decodeImage(
    _ bytes: UnsafeRawBufferPointer,
    limits: DecodeLimits = DecodeLimits(),
    options: DecodeOptions = DecodeOptions()
) throws(ImagingError) -> RGBImage {
    try decodeImageWithDetails(bytes, limits: limits, options: options).image
}

/// `decodeImage` of an array.
public func decodeImage(
    _ bytes: [UInt8], limits: DecodeLimits = DecodeLimits(), options: DecodeOptions = DecodeOptions()
) throws(ImagingError) -> RGBImage {
    // Array's own withUnsafeBytes forgets the type of what is thrown.
    try bytes.withUnsafeBytes { bytes in
        Result { () throws(ImagingError) in try decodeImage(bytes, limits: limits, options: options) }
    }.get()
}

/// `decodeImage`, with the format, encoded size and orientation beside the pixels.
public func decodeImageWithDetails(
    _ bytes: UnsafeRawBufferPointer,
    limits: DecodeLimits = DecodeLimits(),
    options: DecodeOptions = DecodeOptions()
) throws(ImagingError) -> DecodedImage {
    let format = try imageFormat(bytes, limits: limits)
    let encoded: (image: RGBImage, orientation: Int)
    switch format {
    case .jpeg: encoded = try JPEG.decode(bytes, limits)
    case .png: encoded = try PNG.decode(bytes, limits)
    case .webp: encoded = try WebP.decode(bytes, limits)
    }
    let image = encoded.image
    return DecodedImage(
        image: options.applyOrientation ? image.oriented(encoded.orientation) : image,
        format: format,
        encodedWidth: image.width, encodedHeight: image.height,
        orientation: encoded.orientation)
}

/// Reads format and size without decoding; enough to refuse a file early.
///
/// - Throws: `ImagingError` as `decodeImage` would, for what the header alone shows.
public func readImageHeader(
    _ bytes: UnsafeRawBufferPointer, limits: DecodeLimits = DecodeLimits()
) throws(ImagingError) -> ImageHeader {
    let format = try imageFormat(bytes, limits: limits)
    let size: (width: Int, height: Int)
    switch format {
    case .jpeg: size = try JPEG.size(bytes, limits)
    case .png: size = try PNG.size(bytes, limits)
    case .webp: size = try WebP.size(bytes, limits)
    }
    return ImageHeader(format: format, width: size.width, height: size.height)
}

/// What a file claims to be by its first bytes: no library has looked at it yet.
///
/// - Throws: `empty`, `tooManyBytes`, `unrecognized`.
public func imageFormat(_ bytes: UnsafeRawBufferPointer, limits: DecodeLimits = DecodeLimits()) throws(ImagingError) -> ImageFormat {
    if bytes.isEmpty { throw .empty }
    if bytes.count > limits.bytesMax { throw .tooManyBytes(bytes: bytes.count, bytesMax: limits.bytesMax) }
    guard let format = ImageFormat.sniff(bytes) else {
        throw .unrecognized(kind: ImageFormat.otherKind(bytes))
    }
    return format
}
