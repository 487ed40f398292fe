// A small stroke font for sheets and heat maps, drawn for saed: capitals 7 units high above the baseline at y = 7,
// small letters 4.8, descenders down to y = 9; y grows downwards. Pens are round; any size and weight comes from the
// same strokes, anti-aliased by distance.
//
// A glyph is its width, then strokes: `L x y x y ...` a polyline (one point twice is a dot), `E cx cy rx ry from to`
// an elliptic arc in degrees, 0 to the right, growing clockwise. Strokes may overlap; the union is drawn.

struct Glyph: Sendable {
    let width: Double
    /// Polylines of at least two points.
    let strokes: [[(x: Double, y: Double)]]
}

package enum Lettering {
    /// Units between two glyphs, added to the left one's width.
    static let spacing = 1.75
    /// Units from a capital's top to the baseline.
    static let capitalHeight = 7.0

    package static func canWrite(_ character: Character) -> Bool { glyphs[character] != nil }

    /// The glyph of `character`; a box where the font has none.
    static func glyph(_ character: Character) -> Glyph { glyphs[character] ?? missing }

    /// The advance of `text` in units, without the last glyph's spacing.
    static func width(_ text: String) -> Double {
        max(text.reduce(0) { $0 + glyph($1).width + spacing } - spacing, 0)
    }

    private static let missing = parse("3.6 L 0 0 3.6 0 3.6 7 0 7 0 0")
    private static let glyphs = source.mapValues(parse)

    private static func parse(_ text: String) -> Glyph {
        var width = 0.0
        var strokes: [[(x: Double, y: Double)]] = []
        for (index, part) in text.split(whereSeparator: { $0 == "L" || $0 == "E" }).enumerated() {
            let numbers = part.split(separator: " ").compactMap { Double($0) }
            if index == 0 {
                width = numbers[0]
            } else if text[text.index(before: part.startIndex)] == "L" {
                strokes.append(stride(from: 0, to: numbers.count, by: 2).map { (numbers[$0], numbers[$0 + 1]) })
            } else {
                strokes.append(arc(numbers))
            }
        }
        return Glyph(width: width, strokes: strokes)
    }

    private static func arc(_ e: [Double]) -> [(x: Double, y: Double)] {
        let steps = max(2, Int(abs(e[5] - e[4]) / 12))
        return (0...steps).map { step in
            let angle = (e[4] + (e[5] - e[4]) * Double(step) / Double(steps)) * .pi / 180
            return (e[0] + e[2] * cosine(angle), e[1] + e[3] * sine(angle))
        }
    }

    private static let source: [Character: String] = [
        " ": "1.6",
        "!": "0.4 L 0.2 0 0.2 4.7 L 0.2 6.9 0.2 7",
        "\"": "1.5 L 0 0 0 1.9 L 1.5 0 1.5 1.9",
        "#": "4.6 L 1.7 0.6 0.9 6.4 L 3.8 0.6 3 6.4 L 0.3 2.4 4.6 2.4 L 0 4.6 4.3 4.6",
        "$": "4.4 E 2.2 1.8 2.05 1.75 90 335 E 2.2 5.25 2.2 1.75 -90 155 L 2.2 -0.9 2.2 7.9",
        "%": "5.8 E 1.2 1.5 1.2 1.5 0 360 E 4.6 5.5 1.2 1.5 0 360 L 4.7 0 1.1 7",
        "&": "5 L 4.9 7 1.03 2.25 E 2.15 1.5 1.3 1.5 150 400 L 3.15 2.46 0.85 4.05 "
            + "E 1.95 5.4 1.95 1.6 40 235 L 3.44 6.43 4.8 4.3",
        "'": "0 L 0 0 0 1.9",
        "(": "1 E 3 3.6 3 5.2 135 225",
        ")": "1 E -2 3.6 3 5.2 -45 45",
        "*": "2.6 L 1.3 0.3 1.3 3.3 L 0 1.05 2.6 2.55 L 2.6 1.05 0 2.55",
        "+": "4 L 0 4.2 4 4.2 L 2 2.2 2 6.2",
        ",": "0.5 L 0.4 6.8 0 8.3",
        "-": "2.3 L 0 4.3 2.3 4.3",
        ".": "0.2 L 0.1 6.9 0.1 7",
        "/": "2.8 L 0 7.8 2.8 -0.4",
        "0": "4.4 E 2.2 3.5 2.1 3.5 0 360",
        "1": "4.4 L 0.8 1.5 2.5 0 2.5 7",
        "2": "4.4 E 2.2 2 2 2 180 400 L 3.73 3.29 0.2 7 4.3 7",
        "3": "4.4 E 2.1 1.8 1.9 1.8 200 450 E 2.1 5.3 2.2 1.7 -90 160",
        "4": "4.4 L 3.3 7 3.3 0 0 4.9 4.4 4.9",
        "5": "4.4 L 4 0 0.7 0 0.3 3.38 E 2.1 4.7 2.2 2.3 215 515",
        "6": "4.4 E 2.2 4.75 2.1 2.25 0 360 E 4 4.75 3.9 4.75 180 258",
        "7": "4.4 L 0.1 0 4.3 0 1.6 7",
        "8": "4.4 E 2.2 1.75 1.8 1.75 0 360 E 2.2 5.25 2.15 1.75 0 360",
        "9": "4.4 E 2.2 2.25 2.1 2.25 0 360 E 0.4 2.25 3.9 4.75 0 78",
        ":": "0.2 L 0.1 2.9 0.1 3 L 0.1 6.9 0.1 7",
        ";": "0.5 L 0.4 2.9 0.4 3 L 0.4 6.8 0 8.3",
        "<": "3.6 L 3.6 1.8 0 4.2 3.6 6.6",
        "=": "4 L 0 3.2 4 3.2 L 0 5.2 4 5.2",
        ">": "3.6 L 0 1.8 3.6 4.2 0 6.6",
        "?": "3.6 E 1.8 1.8 1.8 1.8 190 420 L 2.7 3.36 1.8 4.3 1.8 5 L 1.8 6.9 1.8 7",
        "@": "6.4 E 3.2 3.9 1.5 1.7 0 360 L 4.7 2.2 4.7 4.8 E 5.55 4.8 0.85 0.8 0 180 L 6.4 4.8 6.4 3.9 "
            + "E 3.2 3.9 3.2 3.9 60 360",
        "A": "5 L 0 7 2.5 0 5 7 L 0.86 4.6 4.14 4.6",
        "B": "4.5 L 2.6 3.3 0 3.3 L 2.6 0 0 0 0 7 2.65 7 E 2.6 1.65 1.65 1.65 -90 90 E 2.65 5.15 1.85 1.85 -90 90",
        "C": "4.9 E 2.9 3.5 2.9 3.5 45 315",
        "D": "5 L 1.8 0 0 0 0 7 1.8 7 E 1.8 3.5 3.2 3.5 -90 90",
        "E": "3.9 L 3.9 0 0 0 0 7 3.9 7 L 0 3.4 3.3 3.4",
        "F": "3.9 L 3.9 0 0 0 0 7 L 0 3.5 3.3 3.5",
        "G": "5.2 E 2.9 3.5 2.9 3.5 40 315 L 3.2 3.8 5.15 3.8 5.15 5.75",
        "H": "5 L 0 0 0 7 L 5 0 5 7 L 0 3.4 5 3.4",
        "I": "0 L 0 0 0 7",
        "J": "3.3 L 3.3 0 3.3 5.2 E 1.65 5.2 1.65 1.8 0 150",
        "K": "4.6 L 0 0 0 7 L 4.4 0 0 4.4 L 1.55 2.85 4.6 7",
        "L": "3.7 L 0 0 0 7 3.7 7",
        "M": "6 L 0 7 0 0 3 4.8 6 0 6 7",
        "N": "5 L 0 7 0 0 5 7 5 0",
        "O": "5.8 E 2.9 3.5 2.9 3.5 0 360",
        "P": "4.4 L 2.4 4 0 4 L 2.4 0 0 0 0 7 E 2.4 2 2 2 -90 90",
        "Q": "5.8 E 2.9 3.5 2.9 3.5 0 360 L 3.8 5.2 5.7 7.4",
        "R": "4.6 L 2.4 4 0 4 L 2.4 0 0 0 0 7 E 2.4 2 2 2 -90 90 L 2.2 4 4.6 7",
        "S": "4.4 E 2.2 1.8 2.05 1.75 90 335 E 2.2 5.25 2.2 1.75 -90 155",
        "T": "5 L 0 0 5 0 L 2.5 0 2.5 7",
        "U": "5 L 0 0 0 4.5 E 2.5 4.5 2.5 2.5 0 180 L 5 4.5 5 0",
        "V": "5 L 0 0 2.5 7 5 0",
        "W": "7.2 L 0 0 1.8 7 3.6 1 5.4 7 7.2 0",
        "X": "4.8 L 0 0 4.8 7 L 4.8 0 0 7",
        "Y": "5 L 0 0 2.5 3.5 5 0 L 2.5 3.5 2.5 7",
        "Z": "4.6 L 0.1 0 4.5 0 0 7 4.6 7",
        "[": "1.3 L 1.3 -0.6 0 -0.6 0 8.4 1.3 8.4",
        "\\": "2.8 L 0 -0.4 2.8 7.8",
        "]": "1.3 L 0 -0.6 1.3 -0.6 1.3 8.4 0 8.4",
        "^": "3.2 L 0 2.4 1.6 0 3.2 2.4",
        "_": "4.2 L 0 8.2 4.2 8.2",
        "`": "1 L 0 0 1 1.4",
        "a": "4 E 2 4.6 2 2.4 0 360 L 4 2.2 4 7",
        "b": "4.1 L 0 0 0 7 E 2.05 4.6 2.05 2.4 0 360",
        "c": "3.6 E 2.1 4.6 2.1 2.4 45 315",
        "d": "4.1 E 2.05 4.6 2.05 2.4 0 360 L 4.1 0 4.1 7",
        "e": "4 L 0 4.5 4 4.5 E 2 4.6 2 2.4 45 357",
        "f": "2.3 E 2.3 1.6 1.3 1.6 180 275 L 1 1.6 1 7 L 0 2.4 2.2 2.4",
        "g": "4 E 2 4.6 2 2.4 0 360 L 4 2.2 4 7.2 E 2 7.2 2 1.8 0 150",
        "h": "3.8 L 0 0 0 7 E 1.9 4.2 1.9 2 180 360 L 3.8 4.2 3.8 7",
        "i": "0.2 L 0.1 2.2 0.1 7 L 0.1 0.3 0.1 0.4",
        "j": "0.9 L 0.8 2.2 0.8 7.6 E -0.4 7.6 1.2 1.4 0 95 L 0.8 0.3 0.8 0.4",
        "k": "3.5 L 0 0 0 7 L 3.3 2.2 0 5.2 L 1.2 4.1 3.5 7",
        "l": "1 L 0 0 0 5.9 E 1.1 5.9 1.1 1.1 95 180",
        "m": "6.2 L 0 2.2 0 7 E 1.55 3.9 1.55 1.7 180 360 L 3.1 3.9 3.1 7 E 4.65 3.9 1.55 1.7 180 360 L 6.2 3.9 6.2 7",
        "n": "3.8 L 0 2.2 0 7 E 1.9 4.2 1.9 2 180 360 L 3.8 4.2 3.8 7",
        "o": "4.1 E 2.05 4.6 2.05 2.4 0 360",
        "p": "4.1 L 0 2.2 0 9 E 2.05 4.6 2.05 2.4 0 360",
        "q": "4.1 E 2.05 4.6 2.05 2.4 0 360 L 4.1 2.2 4.1 9",
        "r": "2.3 L 0 2.2 0 7 E 1.9 4.3 1.9 2.1 180 285",
        "s": "3.3 E 1.65 3.4 1.5 1.2 90 330 E 1.65 5.8 1.65 1.2 -90 150",
        "t": "2.3 L 1 0.7 1 5.7 E 2.2 5.7 1.2 1.3 80 180 L 0 2.4 2.2 2.4",
        "u": "3.8 L 0 2.2 0 5 E 1.9 5 1.9 2 0 180 L 3.8 2.2 3.8 7",
        "v": "3.8 L 0 2.2 1.9 7 3.8 2.2",
        "w": "5.8 L 0 2.2 1.45 7 2.9 2.7 4.35 7 5.8 2.2",
        "x": "3.6 L 0 2.2 3.6 7 L 3.6 2.2 0 7",
        "y": "3.8 L 0 2.2 1.95 6.9 L 3.8 2.2 1.55 7.9 0.8 8.8 0 9",
        "z": "3.4 L 0.1 2.2 3.3 2.2 0 7 3.4 7",
        "{": "1.9 E 1.9 0.6 1 1.2 180 270 L 0.9 0.6 0.9 2.9 E -0.1 2.9 1 1 0 90 E -0.1 4.9 1 1 -90 0 "
            + "L 0.9 4.9 0.9 7.2 E 1.9 7.2 1 1.2 90 180",
        "|": "0 L 0 -0.6 0 8.4",
        "}": "1.9 E 0 0.6 1 1.2 270 360 L 1 0.6 1 2.9 E 2 2.9 1 1 90 180 E 2 4.9 1 1 180 270 "
            + "L 1 4.9 1 7.2 E 0 7.2 1 1.2 0 90",
        "~": "3.9 E 1 4.4 1 0.8 180 345 E 2.9 4.1 1 0.8 0 165",
        "×": "3.4 L 0 2.6 3.4 6 L 3.4 2.6 0 6",
        "·": "0.4 L 0.2 4.2 0.2 4.3",
        "…": "4.4 L 0.2 6.9 0.2 7 L 2.2 6.9 2.2 7 L 4.2 6.9 4.2 7",
        "–": "3.6 L 0 4.3 3.6 4.3",
    ]
}
