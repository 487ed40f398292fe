// A sheet of RGB to draw on: rectangles, images, lettering. Coordinates are pixels from the top left.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

func sine(_ angle: Double) -> Double { sin(angle) }
func cosine(_ angle: Double) -> Double { cos(angle) }

struct Colour: Sendable {
    let red, green, blue: UInt8

    init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }
}

/// How text is set: the height of its capitals and the pen's width, both in pixels.
struct TextStyle: Sendable {
    let capitalHeight: Double
    let pen: Double
    let colour: Colour

    var unit: Double { capitalHeight / Lettering.capitalHeight }
    func width(_ text: String) -> Double { text.isEmpty ? 0 : Lettering.width(text) * unit + pen }

    /// `text`, its end replaced by `…` where it is wider than `width` pixels.
    func fitted(_ text: String, width limit: Double) -> String {
        if width(text) <= limit { return text }
        var kept = text
        while !kept.isEmpty && width(kept + "…") > limit { kept.removeLast() }
        return kept + "…"
    }
}

struct Canvas {
    let width, height: Int
    private var pixels: [UInt8]

    var image: RGBImage { RGBImage(width: width, height: height, pixels: pixels) }

    init(width: Int, height: Int, background: Colour) {
        self.width = width
        self.height = height
        pixels = [UInt8](repeating: 0, count: width * height * 3)
        fill(x: 0, y: 0, width: width, height: height, background)
    }

    mutating func fill(x: Int, y: Int, width: Int, height: Int, _ colour: Colour) {
        for row in max(y, 0)..<max(min(y + height, self.height), max(y, 0)) {
            for column in max(x, 0)..<max(min(x + width, self.width), max(x, 0)) {
                let at = (row * self.width + column) * 3
                pixels[at] = colour.red
                pixels[at + 1] = colour.green
                pixels[at + 2] = colour.blue
            }
        }
    }

    /// - Precondition: the image lies within the canvas.
    mutating func draw(_ image: RGBImage, x: Int, y: Int) {
        precondition(x >= 0 && y >= 0 && x + image.width <= width && y + image.height <= height)
        for row in 0..<image.height {
            let from = row * image.width * 3
            let to = ((y + row) * width + x) * 3
            pixels.replaceSubrange(
                to..<(to + image.width * 3), with: image.pixels[from..<(from + image.width * 3)])
        }
    }

    /// Writes one line, the capitals' top left at `x`, `y`, ending in `…` where it is wider than `width`.
    mutating func write(_ text: String, x: Int, y: Int, width: Int, _ style: TextStyle) {
        var penX = Double(x) + style.pen / 2
        for character in style.fitted(text, width: Double(width)) {
            let glyph = Lettering.glyph(character)
            draw(glyph, x: penX, y: Double(y), style)
            penX += (glyph.width + Lettering.spacing) * style.unit
        }
    }

    private mutating func draw(_ glyph: Glyph, x: Double, y: Double, _ style: TextStyle) {
        let unit = style.unit
        let segments = glyph.strokes.flatMap { stroke in
            zip(stroke, stroke.dropFirst()).map { a, b in
                (ax: x + a.x * unit, ay: y + a.y * unit, bx: x + b.x * unit, by: y + b.y * unit)
            }
        }
        guard !segments.isEmpty else { return }
        let reach = style.pen / 2 + 1
        let left = segments.map { min($0.ax, $0.bx) }.reduce(.infinity, min) - reach
        let right = segments.map { max($0.ax, $0.bx) }.reduce(-.infinity, max) + reach
        let top = segments.map { min($0.ay, $0.by) }.reduce(.infinity, min) - reach
        let bottom = segments.map { max($0.ay, $0.by) }.reduce(-.infinity, max) + reach
        let columns = max(Int(left), 0)..<max(min(Int(right) + 1, width), max(Int(left), 0))
        let rows = max(Int(top), 0)..<max(min(Int(bottom) + 1, height), max(Int(top), 0))
        for row in rows {
            for column in columns {
                let (px, py) = (Double(column) + 0.5, Double(row) + 0.5)
                var nearest = Double.infinity
                for s in segments {
                    let (dx, dy) = (s.bx - s.ax, s.by - s.ay)
                    let length = dx * dx + dy * dy
                    let t = length == 0 ? 0 : min(max(((px - s.ax) * dx + (py - s.ay) * dy) / length, 0), 1)
                    let (ex, ey) = (s.ax + t * dx - px, s.ay + t * dy - py)
                    nearest = min(nearest, ex * ex + ey * ey)
                }
                // A pixel is covered by as much as the pen's edge lies beyond its centre.
                let coverage = min(max(style.pen / 2 - nearest.squareRoot() + 0.5, 0), 1)
                if coverage > 0 { blend(column, row, style.colour, coverage) }
            }
        }
    }

    private mutating func blend(_ x: Int, _ y: Int, _ colour: Colour, _ coverage: Double) {
        let at = (y * width + x) * 3
        for (channel, value) in [colour.red, colour.green, colour.blue].enumerated() {
            let below = Double(pixels[at + channel])
            pixels[at + channel] = UInt8((below + (Double(value) - below) * coverage).rounded())
        }
    }
}
