// EXIF's orientation tag: finding it (EXIF record, then XMP), and turning an image by it.
//
// Reproduces Pillow's Image.getexif and ImageOps.exif_transpose, except that Pillow raises on an EXIF record that
// isn't a TIFF structure; here such a record counts as none.

enum Orientation {
    /// Precedes the TIFF structure in JPEG's APP1, and sometimes elsewhere, once or twice.
    static let exifPrefix = Array("Exif".utf8) + [0, 0]

    /// The orientation, 1 to 8, of a file with this EXIF record and XMP packet; 1 where neither says.
    static func value(exif: [UInt8]?, xmp: [UInt8]?) -> Int {
        let value = exif.flatMap(fromExif) ?? xmp.flatMap(fromXMP) ?? 1
        return (1...8).contains(value) ? value : 1
    }

    /// Tag 0x0112 of IFD 0, whatever integer type it was written as; `nil` where there is no such tag.
    private static func fromExif(_ record: [UInt8]) -> Int? {
        var tiff = record[...]
        for _ in 0..<2 where tiff.starts(with: exifPrefix) { tiff = tiff.dropFirst(exifPrefix.count) }
        let start = tiff.startIndex
        let bigEndian: Bool
        switch tiff.prefix(4) {
        case [0x4D, 0x4D, 0x00, 0x2A], [0x4D, 0x4D, 0x2A, 0x00]: bigEndian = true
        case [0x49, 0x49, 0x2A, 0x00], [0x49, 0x49, 0x00, 0x2A]: bigEndian = false
        default: return nil
        }
        // `bytes` bytes at `offset` from the TIFF structure's start, or nil beyond its end.
        func integer(_ offset: Int, bytes: Int) -> Int? {
            guard offset >= 0, offset + bytes <= tiff.count else { return nil }
            return (0..<bytes).reduce(0) { value, i in
                let byte = Int(tiff[start + offset + i])
                return bigEndian ? value << 8 | byte : value | byte << (8 * i)
            }
        }

        guard let directory = integer(4, bytes: 4), let entries = integer(directory, bytes: 2) else { return nil }
        for entry in 0..<entries {
            let at = directory + 2 + entry * 12
            guard let tag = integer(at, bytes: 2), let type = integer(at + 2, bytes: 2),
                let count = integer(at + 4, bytes: 4), integer(at + 8, bytes: 4) != nil
            else { return nil }
            guard tag == 0x0112 else { continue }
            // The first of however many SHORTs or LONGs, signed or not; elsewhere if four bytes don't hold them.
            let widths = [3: 2, 8: 2, 4: 4, 9: 4, 6: 1]
            guard let width = widths[type], count > 0 else { continue }
            let place = count * width <= 4 ? at + 8 : integer(at + 8, bytes: 4) ?? tiff.count
            guard place + count * width <= tiff.count else { continue }
            return integer(place, bytes: width)
        }
        return nil
    }

    /// `tiff:Orientation="6"` or `<tiff:Orientation>6<`, the two ways to write it.
    private static func fromXMP(_ packet: [UInt8]) -> Int? {
        let name = Array("tiff:Orientation".utf8)
        guard packet.count > name.count + 2 else { return nil }
        for at in 0..<(packet.count - name.count - 1) where packet[at] == name[0] {
            var value = packet[at...]
            guard value.starts(with: name) else { continue }
            value = value.dropFirst(name.count)
            for mark in ["=\"", ">"] where value.starts(with: mark.utf8) {
                let digit = value.dropFirst(mark.utf8.count).first ?? 0
                if (0x30...0x39).contains(digit) { return Int(digit) - 0x30 }
            }
        }
        return nil
    }
}

extension RGBImage {
    /// The image turned as EXIF orientation `value` (1 to 8) asks: 6, the commonest, turns it right by 90 degrees.
    func oriented(_ value: Int) -> RGBImage {
        if value == 1 { return self }
        let swapsSides = value >= 5
        let (w, h) = (width, height)
        let (outWidth, outHeight) = swapsSides ? (h, w) : (w, h)
        // The source pixel of output column x, row y is `origin + x * stepX + y * stepY`.
        let origin: Int, stepX: Int, stepY: Int
        switch value {
        case 2: (origin, stepX, stepY) = (w - 1, -1, w)
        case 3: (origin, stepX, stepY) = (w * h - 1, -1, -w)
        case 4: (origin, stepX, stepY) = (w * (h - 1), 1, -w)
        case 5: (origin, stepX, stepY) = (0, w, 1)
        case 6: (origin, stepX, stepY) = (w * (h - 1), -w, 1)
        case 7: (origin, stepX, stepY) = (w * h - 1, -w, -1)
        case 8: (origin, stepX, stepY) = (w - 1, w, -1)
        default: preconditionFailure("orientation \(value)")
        }
        let turned = pixels.withUnsafeBufferPointer { source in
            [UInt8](unsafeUninitializedCapacity: pixels.count) { target, initialized in
                for y in 0..<outHeight {
                    var from = (origin + y * stepY) * 3
                    var to = y * outWidth * 3
                    for _ in 0..<outWidth {
                        target[to] = source[from]
                        target[to + 1] = source[from + 1]
                        target[to + 2] = source[from + 2]
                        to += 3
                        from += stepX * 3
                    }
                }
                initialized = pixels.count
            }
        }
        return RGBImage(width: outWidth, height: outHeight, pixels: turned)
    }
}
