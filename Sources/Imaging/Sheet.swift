// A contact sheet: titled tiles in a grid, for the top images of a latent and for a model card.

/// One picture of a sheet.
public struct SheetTile: Sendable {
    public let image: RGBImage
    /// One line below the picture; too long a line ends in `…`.
    public let caption: String
    /// A second, lighter line.
    public let detail: String

    public init(image: RGBImage, caption: String, detail: String = "") {
        self.image = image
        self.caption = caption
        self.detail = detail
    }
}

/// Lays `tiles` out in rows of `columns`, under a title.
///
///     let sheet = renderSheet(tiles: tiles, columns: 5, title: "latent 4321", subtitle: "scenes/base/scenes")
///
/// Every picture is scaled to fit a square of `tileSide` pixels; a row of the sheet is as high as its highest picture.
/// Letters: ASCII and `× · … –`; others are boxes.
/// - Precondition: `columns` and `tileSide` at least 1. No tiles make a sheet that says so.
public func renderSheet(
    tiles: [SheetTile], columns: Int, title: String, subtitle: String = "", tileSide: Int = 224
) -> RGBImage {
    precondition(columns > 0 && tileSide > 0)
    let pictures = tiles.map { $0.image.scaledToFit(width: tileSide, height: tileSide) }
    let layout = SheetLayout(tiles: tiles, pictures: pictures, columns: columns, subtitle: subtitle, tileSide: tileSide)
    var canvas = Canvas(width: layout.width, height: layout.height, background: SheetLayout.paper)
    let textWidth = layout.width - 2 * SheetLayout.margin
    canvas.write(title, x: SheetLayout.margin, y: SheetLayout.margin, width: textWidth, SheetLayout.title)
    canvas.write(subtitle, x: SheetLayout.margin, y: SheetLayout.margin + 27, width: textWidth, SheetLayout.detail)
    if tiles.isEmpty {
        canvas.write("nothing to show", x: SheetLayout.margin, y: layout.top, width: textWidth, SheetLayout.caption)
    }
    for (index, (tile, picture)) in zip(tiles, pictures).enumerated() {
        let (x, y, height) = layout.place(index)
        canvas.fill(x: x, y: y, width: tileSide, height: height, SheetLayout.mat)
        canvas.draw(picture, x: x + (tileSide - picture.width) / 2, y: y + (height - picture.height) / 2)
        canvas.write(tile.caption, x: x, y: y + height + 9, width: tileSide, SheetLayout.caption)
        canvas.write(tile.detail, x: x, y: y + height + 27, width: tileSide, SheetLayout.detail)
    }
    return canvas.image
}

private struct SheetLayout {
    static let margin = 24
    static let gap = 18
    static let paper = Colour(250, 250, 247)
    static let mat = Colour(232, 232, 227)
    static let title = TextStyle(capitalHeight: 15, pen: 2.6, colour: Colour(28, 28, 34))
    static let caption = TextStyle(capitalHeight: 9.5, pen: 1.55, colour: Colour(40, 40, 48))
    static let detail = TextStyle(capitalHeight: 9, pen: 1.35, colour: Colour(112, 112, 120))

    let width, height: Int
    /// Where the first row of pictures begins.
    let top: Int
    private let columns, tileSide: Int
    /// Each row's top and the height of its pictures.
    private let rows: [(top: Int, height: Int)]

    init(tiles: [SheetTile], pictures: [RGBImage], columns: Int, subtitle: String, tileSide: Int) {
        self.columns = columns
        self.tileSide = tileSide
        let textHeight = tiles.contains { !$0.detail.isEmpty } ? 42 : 24
        top = Self.margin + (subtitle.isEmpty ? 36 : 58)
        var rows: [(top: Int, height: Int)] = []
        var next = top
        for first in stride(from: 0, to: pictures.count, by: columns) {
            let height = pictures[first..<min(first + columns, pictures.count)].map(\.height).max() ?? 0
            rows.append((next, height))
            next += height + textHeight + Self.gap
        }
        self.rows = rows
        // Wide enough for a title over a single narrow tile.
        let usedColumns = max(min(columns, tiles.count), 1)
        width = max(usedColumns * (tileSide + Self.gap) - Self.gap, 320) + 2 * Self.margin
        height = (tiles.isEmpty ? top + 24 : next - Self.gap) + Self.margin
    }

    /// Where tile `index` has its picture, and how high its row's pictures are.
    func place(_ index: Int) -> (x: Int, y: Int, height: Int) {
        let row = rows[index / columns]
        return (Self.margin + index % columns * (tileSide + Self.gap), row.top, row.height)
    }
}

extension RGBImage {
    /// This image scaled (bicubic, antialiased) to touch a box of `width` x `height` from within; each side at least 1.
    public func scaledToFit(width boxWidth: Int, height boxHeight: Int) -> RGBImage {
        let scale = min(Double(boxWidth) / Double(width), Double(boxHeight) / Double(height))
        let newWidth = min(max(Int((Double(width) * scale).rounded()), 1), boxWidth)
        let newHeight = min(max(Int((Double(height) * scale).rounded()), 1), boxHeight)
        return resized(
            width: newWidth, height: newHeight, filter: .bicubic, columns: 0..<newWidth, rows: 0..<newHeight)
    }
}
