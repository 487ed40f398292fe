// Sixels: a picture as text, six rows at a time, in up to 256 colours. Colours are chosen by median cut (Heckbert 1982)
// over a histogram of 5 bits a channel: photographs under a heat map keep their shades, which a fixed cube would break
// into bands.

/// A picture in few colours.
package struct IndexedImage: Equatable, Sendable {
    package let width: Int
    package let height: Int
    /// RGB.
    package let palette: [[UInt8]]
    package let indices: [UInt8]
}

extension PixelImage {
    private static let coloursMax = 256

    /// The same image gives the same colours.
    package var indexed: IndexedImage {
        var counts = [Int](repeating: 0, count: 1 << 15)
        for pixel in stride(from: 0, to: rgb.count, by: 3) { counts[bin(pixel)] += 1 }
        var boxes = [ColourBox(bins: counts.indices.filter { counts[$0] > 0 }, counts: counts)]
        while boxes.count < PixelImage.coloursMax, let place = boxes.indices.filter({ boxes[$0].canSplit }).max(by: { boxes[$0].weight < boxes[$1].weight }) {
            let (low, high) = boxes[place].split(counts)
            boxes[place] = low
            boxes.append(high)
        }
        var colourOf = [UInt8](repeating: 0, count: 1 << 15)
        for (index, box) in boxes.enumerated() { for bin in box.bins { colourOf[bin] = UInt8(index) } }
        // A colour is the mean of its pixels themselves, not of their bins.
        var sums = [[Int]](repeating: [0, 0, 0, 0], count: boxes.count)
        var indices: [UInt8] = []
        indices.reserveCapacity(width * height)
        for pixel in stride(from: 0, to: rgb.count, by: 3) {
            let index = colourOf[bin(pixel)]
            indices.append(index)
            for channel in 0..<3 { sums[Int(index)][channel] += Int(rgb[pixel + channel]) }
            sums[Int(index)][3] += 1
        }
        let palette = sums.map { sum in (0..<3).map { UInt8((sum[$0] + sum[3] / 2) / max(1, sum[3])) } }
        return IndexedImage(width: width, height: height, palette: palette, indices: indices)
    }

    private func bin(_ pixel: Int) -> Int { Int(rgb[pixel] >> 3) << 10 | Int(rgb[pixel + 1] >> 3) << 5 | Int(rgb[pixel + 2] >> 3) }

    package var sixels: String { indexed.sixels }
}

/// Colours that become one.
private struct ColourBox {
    let bins: [Int]
    private let channel: Int
    private let extent: Int
    private let pixels: Int

    init(bins: [Int], counts: [Int]) {
        self.bins = bins
        pixels = bins.reduce(0) { $0 + counts[$1] }
        var best = (extent: 0, channel: 0)
        for channel in 0..<3 {
            let values = bins.map { ColourBox.value($0, channel) }
            let extent = (values.max() ?? 0) - (values.min() ?? 0)
            if extent > best.extent { best = (extent, channel) }
        }
        (extent, channel) = best
    }

    var canSplit: Bool { extent > 0 }
    /// Wide boxes of many pixels first.
    var weight: Int { pixels * extent }

    static func value(_ bin: Int, _ channel: Int) -> Int { bin >> (10 - 5 * channel) & 31 }

    /// At the median of the pixels along the longest side; neither half is empty.
    func split(_ counts: [Int]) -> (ColourBox, ColourBox) {
        let sorted = bins.sorted { (ColourBox.value($0, channel), $0) < (ColourBox.value($1, channel), $1) }
        var below = 0, cut = 0
        while cut < sorted.count - 1, cut == 0 || below + counts[sorted[cut]] <= pixels / 2 {
            below += counts[sorted[cut]]
            cut += 1
        }
        return (ColourBox(bins: Array(sorted[..<cut]), counts: counts), ColourBox(bins: Array(sorted[cut...]), counts: counts))
    }
}

extension IndexedImage {
    /// From DCS to ST. Pixels are square.
    package var sixels: String {
        // 1 in the second place: what is not drawn stays as it is.
        var out = Array("\u{1B}P0;1;0q\"1;1;\(width);\(height)".utf8)
        for (index, colour) in palette.enumerated() {
            // 2: RGB, each in per cent.
            out += Array("#\(index);2;\(percent(colour[0]));\(percent(colour[1]));\(percent(colour[2]))".utf8)
        }
        var columns = [[UInt8]](repeating: [], count: palette.count)
        for top in stride(from: 0, to: height, by: 6) {
            var used: [Int] = []
            for row in top..<min(height, top + 6) {
                for column in 0..<width {
                    let index = Int(indices[row * width + column])
                    if columns[index].isEmpty {
                        columns[index] = [UInt8](repeating: 0, count: width)
                        used.append(index)
                    }
                    columns[index][column] |= 1 << UInt8(row - top)
                }
            }
            for (place, index) in used.sorted().enumerated() {
                // $ goes back to the left edge, - on to the next six rows.
                if place > 0 { out.append(UInt8(ascii: "$")) }
                out += Array("#\(index)".utf8)
                IndexedImage.append(columns[index], to: &out)
                columns[index] = []
            }
            out.append(UInt8(ascii: "-"))
        }
        return String(decoding: out, as: UTF8.self) + "\u{1B}\\"
    }

    private func percent(_ value: UInt8) -> Int { (Int(value) * 100 + 127) / 255 }

    /// Six pixels a character, runs as `!count character`; nothing at the end.
    private static func append(_ columns: [UInt8], to out: inout [UInt8]) {
        var place = 0
        while place < columns.count {
            let value = columns[place]
            let end = columns[place...].firstIndex { $0 != value } ?? columns.count
            if end == columns.count, value == 0 { return }
            let character = value + 63
            if end - place > 3 {
                out += Array("!\(end - place)".utf8) + [character]
            } else {
                out += repeatElement(character, count: end - place)
            }
            place = end
        }
    }
}
