// Pixels of a PNG that saed wrote: 8-bit RGB, not interlaced. Only sixels need them; kitty and iTerm2 take the file.

/// What stands at a PNG's beginning.
struct PNGHeader {
    let width: Int
    let height: Int
    let depth: UInt8
    let colour: UInt8
    let isInterlaced: Bool

    init?(_ png: [UInt8]) {
        guard png.count >= 33, png[..<8] == [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], png[12..<16] == [0x49, 0x48, 0x44, 0x52] else { return nil }
        func number(_ place: Int) -> Int { png[place..<place + 4].reduce(0) { $0 << 8 | Int($1) } }
        (width, height) = (number(16), number(20))
        (depth, colour, isInterlaced) = (png[24], png[25], png[28] != 0)
        guard width > 0, height > 0 else { return nil }
    }
}

/// Rows of RGB, 8 bits each.
package struct PixelImage: Equatable, Sendable {
    package let width: Int
    package let height: Int
    package let rgb: [UInt8]

    /// Why 64 million: larger than any sheet, 192 MB.
    private static let pixelsMax = 64 << 20

    package init(width: Int, height: Int, rgb: [UInt8]) {
        precondition(rgb.count == width * height * 3, "\(rgb.count) bytes for \(width) x \(height)")
        (self.width, self.height, self.rgb) = (width, height, rgb)
    }

    /// nil for a PNG of another kind, or a damaged one. Checksums are not looked at: what was damaged on its way would
    /// be seen.
    package init?(png: [UInt8]) {
        guard let header = PNGHeader(png), header.depth == 8, header.colour == 2, !header.isInterlaced,
            header.width <= PixelImage.pixelsMax / header.height
        else { return nil }
        var data: [UInt8] = []
        var place = 8
        while place + 12 <= png.count {
            let length = png[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length <= png.count - place - 12 else { return nil }
            if png[place + 4..<place + 8] == [0x49, 0x44, 0x41, 0x54] { data += png[place + 8..<place + 8 + length] }
            place += 12 + length
        }
        let rowBytes = header.width * 3
        // Two bytes of zlib's own before the stream.
        guard data.count > 2, var rows = inflated(data[2...], bytes: header.height * (rowBytes + 1)) else { return nil }
        guard PixelImage.unfilter(&rows, rowBytes: rowBytes) else { return nil }
        let pixels = (0..<header.height).map { rows[$0 * (rowBytes + 1) + 1..<($0 + 1) * (rowBytes + 1)] }
        self.init(width: header.width, height: header.height, rgb: Array(pixels.joined()))
    }

    /// PNG, 9.2: each row behind the number of its filter.
    private static func unfilter(_ rows: inout [UInt8], rowBytes: Int) -> Bool {
        rows.withUnsafeMutableBufferPointer { rows in
            for start in stride(from: 0, to: rows.count, by: rowBytes + 1) {
                let filter = rows[start]
                guard filter <= 4 else { return false }
                for i in 1...rowBytes {
                    let left = i > 3 ? rows[start + i - 3] : 0
                    let up = start > 0 ? rows[start + i - rowBytes - 1] : 0
                    let upLeft = start > 0 && i > 3 ? rows[start + i - rowBytes - 4] : 0
                    let guess: UInt8 = switch filter {
                    case 0: 0
                    case 1: left
                    case 2: up
                    case 3: UInt8((Int(left) + Int(up)) / 2)
                    default: paeth(left, up, upLeft)
                    }
                    rows[start + i] &+= guess
                }
            }
            return true
        }
    }

    private static func paeth(_ left: UInt8, _ up: UInt8, _ upLeft: UInt8) -> UInt8 {
        let p = Int(left) + Int(up) - Int(upLeft)
        let (a, b, c) = (abs(p - Int(left)), abs(p - Int(up)), abs(p - Int(upLeft)))
        return a <= b && a <= c ? left : b <= c ? up : upLeft
    }

    /// No wider than so many pixels, by the mean over the pixels that become one.
    package func scaledDown(toWidth most: Int) -> PixelImage {
        guard width > most, most > 0 else { return self }
        let newHeight = max(1, (height * most + width / 2) / width)
        var out: [UInt8] = []
        out.reserveCapacity(most * newHeight * 3)
        for y in 0..<newHeight {
            let rows = y * height / newHeight..<max(y * height / newHeight + 1, (y + 1) * height / newHeight)
            for x in 0..<most {
                let columns = x * width / most..<max(x * width / most + 1, (x + 1) * width / most)
                var sum = (0, 0, 0)
                for row in rows {
                    for column in columns {
                        let place = (row * width + column) * 3
                        sum.0 += Int(rgb[place])
                        sum.1 += Int(rgb[place + 1])
                        sum.2 += Int(rgb[place + 2])
                    }
                }
                let count = rows.count * columns.count
                out.append(UInt8((sum.0 + count / 2) / count))
                out.append(UInt8((sum.1 + count / 2) / count))
                out.append(UInt8((sum.2 + count / 2) / count))
            }
        }
        return PixelImage(width: most, height: newHeight, rgb: out)
    }
}
