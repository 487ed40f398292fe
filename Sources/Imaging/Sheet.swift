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
/// Every picture is scaled to fit a square of `tileSide` pixels and centred in it. Letters: ASCII and `× · … –`;
/// others are boxes.
/// - Precondition: `columns` and `tileSide` at least 1. No tiles make a sheet that says so.
public func renderSheet(
    tiles: [SheetTile], columns: Int, title: String, subtitle: String = "", tileSide: Int = 224
) -> RGBImage {
    precondition(columns > 0 && tileSide > 0)
    let layout = SheetLayout(tiles: tiles, columns: columns, subtitle: subtitle, tileSide: tileSide)
    var canvas = Canvas(width: layout.width, height: layout.height, background: SheetLayout.paper)
    let left = Double(SheetLayout.margin)
    let textWidth = Double(layout.width - 2 * SheetLayout.margin)
    canvas.write(
        SheetLayout.title.fitted(title, width: textWidth), x: left, y: left, SheetLayout.title)
    canvas.write(
        SheetLayout.detail.fitted(subtitle, width: textWidth), x: left, y: left + 27, SheetLayout.detail)
    if tiles.isEmpty {
        canvas.write("nothing to show", x: left, y: Double(layout.top), SheetLayout.caption)
    }
    for (index, tile) in tiles.enumerated() {
        let (x, y) = layout.origin(index)
        canvas.fill(x: x, y: y, width: tileSide, height: tileSide, SheetLayout.mat)
        let picture = tile.image.scaledToFit(width: tileSide, height: tileSide)
        canvas.draw(picture, x: x + (tileSide - picture.width) / 2, y: y + (tileSide - picture.height) / 2)
        let textY = Double(y + tileSide + 9)
        canvas.write(
            SheetLayout.caption.fitted(tile.caption, width: Double(tileSide)), x: Double(x), y: textY,
            SheetLayout.caption)
        canvas.write(
            SheetLayout.detail.fitted(tile.detail, width: Double(tileSide)), x: Double(x), y: textY + 18,
            SheetLayout.detail)
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
    private let columns, tileSide, rowHeight: Int

    init(tiles: [SheetTile], columns: Int, subtitle: String, tileSide: Int) {
        let usedColumns = max(min(columns, tiles.count), 1)
        let rows = (tiles.count + columns - 1) / columns
        let hasDetail = tiles.contains { !$0.detail.isEmpty }
        self.columns = columns
        self.tileSide = tileSide
        rowHeight = tileSide + (hasDetail ? 42 : 24) + Self.gap
        top = Self.margin + (subtitle.isEmpty ? 36 : 58)
        // Wide enough for a title over a single narrow tile.
        width = max(usedColumns * (tileSide + Self.gap) - Self.gap, 320) + 2 * Self.margin
        height = top + (tiles.isEmpty ? 24 : rows * rowHeight - Self.gap) + Self.margin
    }

    func origin(_ index: Int) -> (x: Int, y: Int) {
        (Self.margin + index % columns * (tileSide + Self.gap), top + index / columns * rowHeight)
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
