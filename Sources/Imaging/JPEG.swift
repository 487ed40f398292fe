// JPEG through libjpeg-turbo (Sources/CImageShims/jpeg.c), and the walk over its markers for EXIF and XMP.

import CImageShims

enum JPEG {
    static func size(
        _ bytes: UnsafeRawBufferPointer, _ limits: DecodeLimits
    ) throws(ImagingError) -> (width: Int, height: Int) {
        let header = try header(bytes, limits)
        return (Int(header.width), Int(header.height))
    }

    static func decode(
        _ bytes: UnsafeRawBufferPointer, _ limits: DecodeLimits
    ) throws(ImagingError) -> (image: RGBImage, orientation: Int) {
        var header = try header(bytes, limits)
        let image = try RGBImage(
            width: Int(header.width), height: Int(header.height)
        ) { rgb throws(ImagingError) in
            var rowsDone: Int32 = 0
            let (result, message) = withMessage {
                saed_jpeg_decode(bytes.baseAddress, bytes.count, &header, rgb, &rowsDone, $0)
            }
            try check(result, message, header, rowsDone: Int(rowsDone))
        }
        return (image, orientation(bytes))
    }

    private static func header(
        _ bytes: UnsafeRawBufferPointer, _ limits: DecodeLimits
    ) throws(ImagingError) -> saed_jpeg_header {
        var header = saed_jpeg_header()
        let (result, message) = withMessage {
            saed_jpeg_read_header(bytes.baseAddress, bytes.count, &header, $0)
        }
        try check(result, message, header, rowsDone: nil)
        guard [1, 3, 4].contains(header.components) else {
            throw .unsupported(.jpeg, detail: "an image of \(header.components) components")
        }
        try limits.check(width: Int(header.width), height: Int(header.height))
        return header
    }

    private static func withMessage(
        _ body: (UnsafeMutablePointer<CChar>) -> Int32
    ) -> (result: Int32, message: String) {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(SAED_JPEG_MESSAGE_BYTES)) { buffer in
            // Not nil: the capacity isn't 0. The shim always leaves a terminated string.
            let message = buffer.baseAddress!
            let result = body(message)
            return (result, String(cString: message))
        }
    }

    private static func check(
        _ result: Int32, _ message: String, _ header: saed_jpeg_header, rowsDone: Int?
    ) throws(ImagingError) {
        switch Int(result) {
        case Int(SAED_JPEG_OK): return
        case Int(SAED_JPEG_TRUNCATED):
            let place = rowsDone.map { "it ends in row \($0) of \(header.height)" } ?? "it ends within its header"
            throw .truncated(.jpeg, detail: place)
        case Int(SAED_JPEG_UNSUPPORTED): throw .unsupported(.jpeg, detail: "this kind of file (\(message))")
        case Int(SAED_JPEG_MEMORY):
            throw .outOfMemory(.jpeg, width: Int(header.width), height: Int(header.height))
        default: throw .corrupt(.jpeg, detail: message)
        }
    }

    /// The orientation of the APP1 segments before the first scan: EXIF's, else XMP's.
    ///
    /// As Pillow: several EXIF segments are one EXIF record cut in pieces, of several XMP packets the last counts.
    private static func orientation(_ bytes: UnsafeRawBufferPointer) -> Int {
        var exif: [UInt8]?
        var xmp: [UInt8]?
        var at = 2
        while at + 4 <= bytes.count {
            guard bytes[at] == 0xFF else { at += 1; continue }
            let marker = bytes[at + 1]
            switch marker {
            case 0xFF: at += 1  // padding
            case 0x00, 0x01, 0xD0...0xD8: at += 2  // no length follows
            case 0xD9, 0xDA: at = bytes.count
            default:
                let length = Int(bytes[at + 2]) << 8 | Int(bytes[at + 3])
                let end = at + 2 + length
                guard length >= 2, end <= bytes.count else { at = bytes.count; break }
                if marker == 0xE1 {
                    let segment = bytes[(at + 4)..<end]
                    if segment.starts(with: Orientation.exifPrefix) {
                        exif = exif.map { $0 + segment.dropFirst(6) } ?? Array(segment)
                    } else if segment.starts(with: xmpPrefix) {
                        xmp = Array(segment.dropFirst(xmpPrefix.count))
                    }
                }
                at = end
            }
        }
        return Orientation.value(exif: exif, xmp: xmp)
    }

    private static let xmpPrefix = Array("http://ns.adobe.com/xap/1.0/".utf8) + [0]
}
