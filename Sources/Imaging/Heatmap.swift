// Where in an image a latent is active: values of the patch grid laid over the original image.
//
// The grid covers what the model saw, Preprocessor.visibleRect: resize and centre crop are undone, so that a patch
// lies on the pixels it came from. The public PatchSAE demo stretches the grid over the whole image instead; for
// square images the two are the same.

/// How patch values are shown.
public enum HeatmapStyle: String, Sendable, Hashable, CaseIterable {
    /// The paper's mask: patches at 0 are darkened to 30/255, active ones untouched, hard edges. What the model didn't
    /// see is darkened too.
    case patches
    /// A smooth colour map from transparent (0) over violet and orange to yellow (the largest value), on the image
    /// with its colours muted. What the model didn't see is darkened and carries no colour.
    case smooth
    /// As `smooth`, of values above and below zero: red above, blue below, transparent at 0.
    case signed
}

/// The image with the values of a latent's patches over it, at the image's own size.
///
///     let map = renderHeatmap(image: image, grid: values, rows: 14, columns: 14, preprocessor: p, style: .smooth)
///     try encodePNG(map)
///
/// - Parameters:
///   - image: the image as decoded, before preprocessing.
///   - grid: `[rows, columns]`, row-major, at least 0 but for `signed`; otherwise negative and NaN count as 0. Colours are
///     relative to the largest size; where that is 0 nothing lights up.
/// - Precondition: `grid.count == rows * columns`, both at least 1.
public func renderHeatmap(
    image: RGBImage, grid: [Float], rows: Int, columns: Int, preprocessor: Preprocessor, style: HeatmapStyle
) -> RGBImage {
    precondition(rows > 0 && columns > 0 && grid.count == rows * columns, "\(grid.count) values, [\(rows), \(columns)]")
    let rect = preprocessor.visibleRect(width: image.width, height: image.height)
    let values = grid.map { $0 > 0 || (style == .signed && $0 < 0) ? Double($0) : 0 }
    switch style {
    case .patches:
        let xs = nearestCells(image.width, from: rect.x, size: rect.width, cells: columns)
        let ys = nearestCells(image.height, from: rect.y, size: rect.height, cells: rows)
        return map(image) { x, y, pixel in
            if let column = xs[x], let row = ys[y], values[row * columns + column] > 0 { return pixel }
            return darkened(pixel)
        }
    case .smooth, .signed:
        let largest = values.map(abs).max() ?? 0
        let xs = cubicCells(image.width, from: rect.x, size: rect.width, cells: columns)
        let ys = cubicCells(image.height, from: rect.y, size: rect.height, cells: rows)
        // Columns first: [rows, image.width].
        let wide = (0..<rows).map { row in
            xs.map { cell in cell.map { $0.sum { values[row * columns + $0] } } ?? 0 }
        }
        return map(image) { x, y, pixel in
            guard xs[x] != nil, let cell = ys[y] else { return muted(pixel, brightness: 0.35) }
            let value = largest > 0 ? min(max(cell.sum { wide[$0][x] } / largest, -1), 1) : 0
            let below = muted(pixel, brightness: 0.92)
            return style == .signed ? HeatColours.blendSigned(value, over: below) : HeatColours.blend(max(value, 0), over: below)
        }
    }
}

private typealias Pixel = (red: Double, green: Double, blue: Double)

private func map(_ image: RGBImage, _ body: (_ x: Int, _ y: Int, Pixel) -> Pixel) -> RGBImage {
    var pixels = image.pixels
    for y in 0..<image.height {
        for x in 0..<image.width {
            let at = (y * image.width + x) * 3
            let result = body(x, y, (Double(pixels[at]), Double(pixels[at + 1]), Double(pixels[at + 2])))
            pixels[at] = UInt8(result.red)
            pixels[at + 1] = UInt8(result.green)
            pixels[at + 2] = UInt8(result.blue)
        }
    }
    return RGBImage(width: image.width, height: image.height, pixels: pixels)
}

/// The published code's `base_opacity = 30`; the product is cut off, as there.
private func darkened(_ pixel: Pixel) -> Pixel {
    let opacity = 30.0 / 255
    return (pixel.red * opacity, pixel.green * opacity, pixel.blue * opacity)
}

/// Two thirds of the way to grey, so that the image's own colours aren't taken for heat.
private func muted(_ pixel: Pixel, brightness: Double) -> Pixel {
    let grey = 0.299 * pixel.red + 0.587 * pixel.green + 0.114 * pixel.blue
    func mix(_ value: Double) -> Double { (grey + (value - grey) / 3) * brightness }
    return (mix(pixel.red), mix(pixel.green), mix(pixel.blue))
}

/// For each pixel of a side the cell it lies in, `nil` outside; torch's `interpolate(mode="nearest")`, which looks at
/// a pixel's left edge.
private func nearestCells(_ count: Int, from start: Double, size: Double, cells: Int) -> [Int?] {
    (0..<count).map { pixel in
        let cell = ((Double(pixel) - start) * Double(cells) / size).rounded(.down)
        return cell >= 0 && cell < Double(cells) ? Int(cell) : nil
    }
}

/// Four neighbouring cells and their weights.
private struct CubicCell {
    let indices: [Int]
    let weights: [Double]

    func sum(_ value: (Int) -> Double) -> Double {
        value(indices[0]) * weights[0] + value(indices[1]) * weights[1]
            + value(indices[2]) * weights[2] + value(indices[3]) * weights[3]
    }
}

/// Catmull-Rom through the cells' centres, the outermost cells repeated: at a patch's centre its own value is shown.
private func cubicCells(_ count: Int, from start: Double, size: Double, cells: Int) -> [CubicCell?] {
    (0..<count).map { pixel in
        let place = (Double(pixel) + 0.5 - start) * Double(cells) / size
        guard place >= 0, place <= Double(cells) else { return nil }
        let first = (place - 0.5).rounded(.down)
        let indices = (-1...2).map { min(max(Int(first) + $0, 0), cells - 1) }
        let weights = (-1...2).map { ResampleFilter.bicubic.weight(place - 0.5 - first - Double($0)) }
        return CubicCell(indices: indices, weights: weights)
    }
}

/// The colour map of `HeatmapStyle.smooth`: dark violet, red, orange, light yellow; lightness rises evenly, so that it
/// reads in grey and for the colour-blind too.
enum HeatColours {
    private static let stops: [Pixel] = [
        (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (250, 193, 39), (252, 255, 164),
    ]

    /// The colour of `value`, 0 to 1.
    fileprivate static func colour(_ value: Double) -> Pixel {
        let place = min(max(value, 0), 1) * Double(stops.count - 1)
        let index = min(Int(place), stops.count - 2)
        let (a, b, t) = (stops[index], stops[index + 1], place - Double(index))
        return (a.red + (b.red - a.red) * t, a.green + (b.green - a.green) * t, a.blue + (b.blue - a.blue) * t)
    }

    /// Transparent at 0, three quarters opaque from 0.4 on.
    fileprivate static func blend(_ value: Double, over pixel: Pixel) -> Pixel { blend(colour(value), size: value, over: pixel) }

    /// Two hues that the colour-blind tell apart too.
    private static let above: Pixel = (202, 0, 32), below: Pixel = (5, 113, 176)

    /// - Parameter value: -1 to 1.
    fileprivate static func blendSigned(_ value: Double, over pixel: Pixel) -> Pixel {
        blend(value < 0 ? below : above, size: abs(value), over: pixel)
    }

    private static func blend(_ colour: Pixel, size: Double, over pixel: Pixel) -> Pixel {
        let opacity = 0.75 * min(size / 0.4, 1)
        func mix(_ below: Double, _ above: Double) -> Double { below + (above - below) * opacity }
        return (mix(pixel.red, colour.red), mix(pixel.green, colour.green), mix(pixel.blue, colour.blue))
    }
}
