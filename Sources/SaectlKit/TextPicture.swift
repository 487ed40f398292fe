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

extension Saed_Interval {
    /// "[36.4, 46.1]", in per cent.
    var percent: String { "[\((low * 100).fixed(1)), \((high * 100).fixed(1))]" }
    /// "[+36.4, +46.1]".
    var points: String { "[\(low.points), \(high.points)]" }
    /// "[-0.21, 0.35]".
    var plain: String { "[\(low.fixed(2)), \(high.fixed(2))]" }
}
