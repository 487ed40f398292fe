// WebP through libwebp's animation decoder, as Pillow's _webp.c: a still image is an animation of one frame, drawn on
// a transparent canvas. Alpha is then dropped: where a frame covers only part of its canvas the rest is black.

import CWebP

enum WebP {
    /// The canvas's sides, from the first 30 bytes.
    static func size(
        _ bytes: UnsafeRawBufferPointer, _ limits: DecodeLimits
    ) throws(ImagingError) -> (width: Int, height: Int) {
        if bytes.count >= 30, bytes[12..<16].elementsEqual("VP8X".utf8) {
            // libwebp calls a canvas of 2^32 pixels damaged; it is well-formed, only too large.
            func side(_ at: Int) -> Int { 1 + (Int(bytes[at]) | Int(bytes[at + 1]) << 8 | Int(bytes[at + 2]) << 16) }
            try limits.check(width: side(24), height: side(27))
        }
        var features = WebPBitstreamFeatures()
        switch WebPGetFeatures(bytes.baseAddress, bytes.count, &features) {
        case VP8_STATUS_OK: break
        case VP8_STATUS_NOT_ENOUGH_DATA: throw .truncated(.webp, detail: "it ends within its header")
        default: throw .corrupt(.webp, detail: "its header contradicts itself")
        }
        let (width, height) = (Int(features.width), Int(features.height))
        guard width > 0, height > 0 else { throw .corrupt(.webp, detail: "its size is \(width) x \(height)") }
        try limits.check(width: width, height: height)
        return (width, height)
    }

    static func decode(
        _ bytes: UnsafeRawBufferPointer, _ limits: DecodeLimits
    ) throws(ImagingError) -> (image: RGBImage, orientation: Int) {
        let (width, height) = try size(bytes, limits)
        // RIFF's length field, by which the demultiplexer tells a cut-off file from a damaged one.
        let claimed = 8 + (0..<4).reduce(0) { $0 | Int(bytes[4 + $1]) << (8 * $1) }
        if claimed > bytes.count {
            throw .truncated(.webp, detail: "it has \(bytes.count) of \(claimed) bytes")
        }

        var data = WebPData()
        data.bytes = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        data.size = bytes.count
        // No copy: `bytes` outlives the decoder, which dies in this function.
        guard let decoder = WebPAnimDecoderNew(&data, nil) else {
            throw .corrupt(.webp, detail: "its chunks don't fit together")
        }
        defer { WebPAnimDecoderDelete(decoder) }
        var info = WebPAnimInfo()
        guard WebPAnimDecoderGetInfo(decoder, &info) != 0,
            Int(info.canvas_width) == width, Int(info.canvas_height) == height
        else { throw .corrupt(.webp, detail: "it has two sizes") }

        var canvas: UnsafeMutablePointer<UInt8>?
        var timestamp: Int32 = 0
        guard WebPAnimDecoderGetNext(decoder, &canvas, &timestamp) != 0, let canvas else {
            throw .corrupt(.webp, detail: "its first frame can't be decoded")
        }
        // The decoder owns `canvas`, [height, width, 4], until it is deleted.
        let image = try RGBImage(width: width, height: height) { rgb in
            for pixel in 0..<width * height {
                rgb[pixel * 3] = canvas[pixel * 4]
                rgb[pixel * 3 + 1] = canvas[pixel * 4 + 1]
                rgb[pixel * 3 + 2] = canvas[pixel * 4 + 2]
            }
        }
        let demuxer = WebPAnimDecoderGetDemuxer(decoder)
        return (image, Orientation.value(exif: chunk("EXIF", demuxer), xmp: chunk("XMP ", demuxer)))
    }

    private static func chunk(_ name: String, _ demuxer: OpaquePointer?) -> [UInt8]? {
        var iterator = WebPChunkIterator()
        guard WebPDemuxGetChunk(demuxer, name, 1, &iterator) != 0 else { return nil }
        defer { WebPDemuxReleaseChunkIterator(&iterator) }
        return Array(UnsafeBufferPointer(start: iterator.chunk.bytes, count: iterator.chunk.size))
    }
}
