// A PNG's rows: undoing the filters (PNG specification, section 9) and converting samples to RGB as Pillow does.
//
// Every function works on whole rows whose lengths the caller fixed from the header; no length comes from the data.

/// The current row and the one above it, `[filter type, bytes...]` each.
struct RowBuffers: ~Copyable {
    private let rowBytes, bytesPerPixel: Int
    private var current, above: UnsafeMutablePointer<UInt8>

    /// The row above the first is zeros.
    init(rowBytes: Int, bytesPerPixel: Int) {
        self.rowBytes = rowBytes
        self.bytesPerPixel = bytesPerPixel
        current = .allocate(capacity: rowBytes + 1)
        above = .allocate(capacity: rowBytes + 1)
        above.initialize(repeating: 0, count: rowBytes + 1)
    }

    deinit {
        current.deallocate()
        above.deallocate()
    }

    /// Reads and unfilters image row `y`; the result is valid until the next call.
    mutating func next(
        _ source: inout PNG.ImageDataReader, y: Int
    ) throws(ImagingError) -> UnsafePointer<UInt8> {
        try source.read(into: current, count: rowBytes + 1, y: y)
        guard unfilter(current + 1, above + 1, type: current[0]) else {
            throw .corrupt(.png, detail: "row \(y) has filter type \(current[0])")
        }
        swap(&current, &above)
        return UnsafePointer(above + 1)
    }

    private func unfilter(_ row: UnsafeMutablePointer<UInt8>, _ above: UnsafePointer<UInt8>, type: UInt8) -> Bool {
        let first = min(bytesPerPixel, rowBytes)  // bytes without a left neighbour
        switch type {
        case 0: break
        case 1:
            for i in first..<rowBytes { row[i] &+= row[i - bytesPerPixel] }
        case 2:
            for i in 0..<rowBytes { row[i] &+= above[i] }
        case 3:
            for i in 0..<first { row[i] &+= above[i] / 2 }
            for i in first..<rowBytes {
                row[i] &+= UInt8(truncatingIfNeeded: (Int(row[i - bytesPerPixel]) + Int(above[i])) / 2)
            }
        case 4:
            for i in 0..<first { row[i] &+= above[i] }
            for i in first..<rowBytes {
                row[i] &+= paeth(row[i - bytesPerPixel], above[i], above[i - bytesPerPixel])
            }
        default: return false
        }
        return true
    }
}

/// PNG's Paeth predictor: of `left`, `up` and `upLeft` the one nearest to `left + up - upLeft`, the first on a tie.
@inline(__always)
func paeth(_ left: UInt8, _ up: UInt8, _ upLeft: UInt8) -> UInt8 {
    let (a, b, c) = (Int32(left), Int32(up), Int32(upLeft))
    let (distanceA, distanceB, distanceC) = (abs(b - c), abs(a - c), abs(a + b - 2 * c))
    if distanceA <= distanceB && distanceA <= distanceC { return left }
    return distanceB <= distanceC ? up : upLeft
}

/// Samples to RGB. Pillow's rules: alpha is dropped; 16-bit colour keeps the high byte; 16-bit grey is clamped, so
/// that everything above 255 is white (Pillow's mode `I;16` has no scale); 1, 2 and 4-bit grey is spread to 0...255.
struct PNGRowConverter {
    private let depth: Int
    private let colour: PNG.Colour
    private let palette: [UInt8]
    /// Grey of a sample of less than 8 bits is `sample * spread`.
    private let spread: UInt8

    /// - Parameter palette: `[256, 3]`.
    init(_ header: PNG.Header, palette: [UInt8]) {
        precondition(palette.count == 256 * 3)
        depth = header.depth
        colour = header.colour
        self.palette = palette
        spread = [1: 255, 2: 85, 4: 17][header.depth] ?? 1
    }

    /// Writes `width` pixels at `rgb`, `rgb + 3 * step` and so on.
    func row(_ row: UnsafePointer<UInt8>, width: Int, into rgb: UnsafeMutablePointer<UInt8>, step: Int) {
        switch (colour, depth) {
        case (.rgb, 8) where step == 1: rgb.update(from: row, count: width * 3)
        case (.rgb, _): copyColour(row, width, rgb, step)
        case (.rgba, _): copyColour(row, width, rgb, step)
        case (.grey, 16):
            for x in 0..<width { grey(rgb + x * 3 * step, row[x * 2] == 0 ? row[x * 2 + 1] : 255) }
        case (.grey, 8):
            for x in 0..<width { grey(rgb + x * 3 * step, row[x]) }
        case (.greyAlpha, _):
            let stride = 2 * depth / 8
            for x in 0..<width { grey(rgb + x * 3 * step, row[x * stride]) }
        case (.grey, _):
            for x in 0..<width { grey(rgb + x * 3 * step, packedSample(row, x) &* spread) }
        case (.palette, _):
            for x in 0..<width {
                let index = Int(depth == 8 ? row[x] : packedSample(row, x)) * 3
                let to = rgb + x * 3 * step
                to[0] = palette[index]
                to[1] = palette[index + 1]
                to[2] = palette[index + 2]
            }
        }
    }

    @inline(__always)
    private func grey(_ to: UnsafeMutablePointer<UInt8>, _ value: UInt8) {
        to[0] = value
        to[1] = value
        to[2] = value
    }

    /// RGB and RGBA of 8 or 16 bits: the first byte of each of the first three samples.
    private func copyColour(
        _ row: UnsafePointer<UInt8>, _ width: Int, _ rgb: UnsafeMutablePointer<UInt8>, _ step: Int
    ) {
        let sampleBytes = depth / 8
        let pixelBytes = sampleBytes * colour.channels
        for x in 0..<width {
            let (from, to) = (row + x * pixelBytes, rgb + x * 3 * step)
            to[0] = from[0]
            to[1] = from[sampleBytes]
            to[2] = from[2 * sampleBytes]
        }
    }

    /// Sample `x` of a row of 1, 2 or 4-bit samples, the first in the highest bits.
    @inline(__always)
    private func packedSample(_ row: UnsafePointer<UInt8>, _ x: Int) -> UInt8 {
        let bit = x * depth
        return row[bit / 8] >> UInt8(8 - depth - bit % 8) & (1 << UInt8(depth) - 1)
    }
}
