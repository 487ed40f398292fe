// Small pictures made of characters: bars, curves, the way from one share to another. Of block characters where the
// terminal's locale is UTF-8, else of ASCII; always of the width that was asked for, or, at the end of a line, less.

import Wire

extension Terminal {
    /// A share between 0 and 1 as a bar of at most `cells` cells; what is above 0 shows.
    package func bar(_ share: Double, cells: Int) -> String {
        guard share.isFinite, share > 0 else { return "" }
        guard usesUnicode else { return String(repeating: "#", count: max(1, Int((min(1, share) * Double(cells)).rounded()))) }
        let eighths = max(1, Int((min(1, share) * Double(cells * 8)).rounded()))
        let part = eighths % 8
        return String(repeating: "█", count: eighths / 8) + (part > 0 ? String(Array("▏▎▍▌▋▊▉")[part - 1]) : "")
    }

    /// A curve, a cell a value, all between 0 and 1.
    package func curve(_ shares: [Double]) -> String {
        let levels = Array(usesUnicode ? "▁▂▃▄▅▆▇█" : "_.-:=+*#")
        return String(shares.map { levels[Int((min(1, max(0, $0.isFinite ? $0 : 0)) * Double(levels.count - 1)).rounded())] })
    }

    /// The way from one share to another on a scale from 0 to 1: `··○──●···`.
    package func way(from old: Double, to new: Double, cells: Int) -> String {
        func place(_ share: Double) -> Int { Int((min(1, max(0, share.isFinite ? share : 0)) * Double(cells - 1)).rounded()) }
        let (from, to) = (place(old), place(new))
        let (ground, line, first, last): (Character, Character, Character, Character) = usesUnicode ? ("·", "─", "○", "●") : (".", "-", "o", "*")
        return String((0..<cells).map { cell in
            cell == to ? last : cell == from ? first : (min(from, to)...max(from, to)).contains(cell) ? line : ground
        })
    }

    /// A value above or below zero as a bar to the right or left of an axis, `    ▐██│       `; what is not 0 shows.
    /// - Parameter most: what fills a side.
    package func signedBar(_ value: Double, most: Double, side: Int) -> String {
        let share = most > 0 && value.isFinite ? min(1, abs(value) / most) : 0
        let halves = Int((share * Double(2 * side)).rounded())
        var bar = String(repeating: usesUnicode ? "█" : "#", count: usesUnicode ? halves / 2 : (halves + 1) / 2)
        if usesUnicode, halves % 2 == 1 { bar = value < 0 ? "▐" + bar : bar + "▌" }
        if bar.isEmpty, share > 0 { bar = !usesUnicode ? "." : value < 0 ? "▕" : "▏" }
        let axis = usesUnicode ? "│" : "|"
        return value < 0
            ? String(repeating: " ", count: side - bar.count) + bar + axis : String(repeating: " ", count: side) + axis + bar
    }

    /// Values of patches, row by row: those above zero on one map and those below on another, on one scale; beside each
    /// other where there is room.
    /// - Returns: nothing where all are zero, or where a map is wider than the terminal.
    package func maps(_ values: [Float], columns: Int, above: String, below: String) -> String {
        let most = values.lazy.map(abs).filter(\.isFinite).max() ?? 0
        guard most > 0, columns > 0, values.count % columns == 0 else { return "" }
        let gutter = "\(values.count / columns - 1)".count + 1
        let room = self.columns ?? Int.max
        // Two cells a patch are about a square.
        let cells = 2 * (gutter + 2 * columns) + 3 <= room ? 2 : 1
        let width = gutter + cells * columns
        guard width <= room else { return "" }
        func signed(_ title: String, _ sign: Float) -> [String] {
            map(values.map { $0 * sign / most }, columns: columns, cells: cells, gutter: gutter, title: title)
        }
        let titles = [above.printable, below.printable]
        let wide = titles.map { max(width, $0.cells) }
        // Titles are cut only where there is no room for them.
        let (isBeside, isCut) = (2 * width + 3 <= room, wide[0] + 3 + wide[1] > room)
        let shown = isBeside && !isCut ? titles : titles.map { $0.fitted(isBeside ? width : room, keepingEnd: false) }
        let (left, right) = (signed(shown[0], 1), signed(shown[1], -1))
        guard isBeside else { return (left + right).map { $0 + "\n" }.joined() }
        let start = (isCut ? width : wide[0]) + 3
        return zip(left, right).map { $0 + String(repeating: " ", count: start - $0.cells) + $1 + "\n" }.joined()
    }

    private func map(_ shares: [Float], columns: Int, cells: Int, gutter: Int, title: String) -> [String] {
        let levels = (usesUnicode ? "·░▒▓█" : ".:+*#").map { String(repeating: $0, count: cells) }
        let header = (0..<columns).map { "\($0 % 10)" }.joined(separator: cells == 2 ? " " : "")
        var lines = [title, String(repeating: " ", count: gutter) + header]
        for start in stride(from: 0, to: shares.count, by: columns) {
            let number = "\(start / columns) "
            let row = shares[start..<start + columns].map { share in
                levels[share.isFinite ? Int((min(1, max(0, share)) * Float(levels.count - 1)).rounded()) : 0]
            }
            lines.append(String(repeating: " ", count: gutter - number.count) + number + row.joined())
        }
        return lines
    }

    var arrow: String { usesUnicode ? "→" : "->" }

    /// "3 → 12", a text a pair, the arrows below each other.
    func arrows(_ pairs: [(String, String)]) -> [String] {
        let width = pairs.map(\.0.cells).max() ?? 0
        return pairs.map { String(repeating: " ", count: width - $0.cells) + "\($0) \(arrow) \($1)" }
    }

    /// A line, broken between words where it is too long.
    func prose(_ text: String) -> String { wrapped(text.printable).map { $0 + "\n" }.joined() }

    /// Sentences for people below a table, each from the beginning of a line.
    func remarks(_ sentences: [String], notes: [String]) -> String {
        let texts = sentences.map { ("", $0, Style.faint) } + notes.map { ("note: ", $0, Style.yellow) }
        return texts.map { mark, text, style in
            wrapped(mark + text.printable).map { styled($0, style) + "\n" }.joined()
        }.joined()
    }

    private func wrapped(_ text: String) -> [String] {
        guard let columns else { return [text] }
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.cells + 1 + String(word).cells <= columns {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}

extension Double {
    /// A difference of shares in points of a percentage, with its sign: "+41.8".
    var points: String {
        let text = (self * 100).fixed(1)
        return text.hasPrefix("-") || text == "0.0" || !isFinite ? text : "+" + text
    }
}

extension Double {
    /// With its sign: "+1.234".
    func signed(_ digits: Int) -> String {
        let text = fixed(digits)
        return text.hasPrefix("-") || !isFinite || Double(text) == 0 ? text : "+" + text
    }
}

extension Saed_Interval {
    /// "[36.4, 46.1]", in per cent.
    var percent: String { "[\((low * 100).fixed(1)), \((high * 100).fixed(1))]" }
    /// "[+36.4, +46.1]".
    var points: String { "[\(low.points), \(high.points)]" }
    /// "[-0.21, 0.35]".
    var plain: String { "[\(low.fixed(2)), \(high.fixed(2))]" }
}
