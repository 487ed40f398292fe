// The line of a help text that shows a command's arguments. The parser of arguments writes it in one piece, however long.

public enum UsageLine {
    /// What every command takes and its help explains: left out, so that what is a command's own is seen.
    private static let common = " [--socket <path>] [--root <dir>] [--json]"

    /// A help text or an error whose usage lines are folded between arguments.
    /// - Parameter columns: of the terminal, as the rest of the text has them.
    public static func folded(_ text: String, columns: Int = Terminal.out.columns ?? 80) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            for start in ["USAGE: ", "Usage: "] where line.hasPrefix(start) {
                return folded(line.split(separator: common, maxSplits: 1).joined(), indent: start.count + 2, columns)
            }
            return String(line)
        }.joined(separator: "\n")
    }

    private static func folded(_ line: String, indent: Int, _ columns: Int) -> String {
        var lines = [""]
        for piece in pieces(line) {
            if lines[lines.count - 1].count + 1 + piece.count > columns, lines[lines.count - 1].count > indent {
                lines.append(String(repeating: " ", count: indent) + piece)
            } else {
                lines[lines.count - 1] += (lines == [""] ? "" : " ") + piece
            }
        }
        return lines.joined(separator: "\n")
    }

    /// What stays on one line: words, brackets with all that is in them, an option with its value.
    private static func pieces(_ line: String) -> [String] {
        var pieces: [String] = [], depth = 0
        for word in line.split(separator: " ") {
            if depth > 0 || word.hasPrefix("<") && pieces.last?.hasPrefix("-") ?? false {
                pieces[pieces.count - 1] += " " + word
            } else {
                pieces.append(String(word))
            }
            depth += word.count { $0 == "[" } - word.count { $0 == "]" }
        }
        return pieces
    }
}
