// The tokens of a vision transformer, typed: class, patch and prompt are never mixed in a statistic.
// The layout is always [class, patches row-major, prompts at the end]; nothing is guessed from sizes.

/// What a token stands for. Raw values are those of `export`'s `token_kind` and of the wire.
public enum TokenKind: UInt8, CaseIterable, Sendable, Codable, Hashable {
    case `class` = 0
    case patch = 1
    case prompt = 2

    public var name: String {
        switch self {
        case .class: "class"
        case .patch: "patch"
        case .prompt: "prompt"
        }
    }
}

/// How the tokens of one image are laid out: token 0 is the class token, then `rows * columns` patches
/// row by row, then `prompts` visual prompt tokens.
public struct TokenLayout: Hashable, Sendable, Codable, CustomStringConvertible {
    public let rows: Int
    public let columns: Int
    public let prompts: Int

    public init(rows: Int, columns: Int, prompts: Int = 0) {
        precondition(rows > 0 && columns > 0 && prompts >= 0, "layout \(rows) x \(columns) + \(prompts)")
        self.rows = rows
        self.columns = columns
        self.prompts = prompts
    }

    public var patches: Int { rows * columns }
    /// Tokens of one image.
    public var count: Int { 1 + patches + prompts }

    public func tokens(of kind: TokenKind) -> Range<Int> {
        switch kind {
        case .class: 0..<1
        case .patch: 1..<1 + patches
        case .prompt: 1 + patches..<count
        }
    }

    public func kind(of token: Int) -> TokenKind {
        precondition(token >= 0 && token < count, "token \(token) of \(count)")
        return token == 0 ? .class : token <= patches ? .patch : .prompt
    }

    /// The token of the patch at a place in the grid, or nil outside it.
    public func token(row: Int, column: Int) -> Int? {
        guard row >= 0, row < rows, column >= 0, column < columns else { return nil }
        return 1 + row * columns + column
    }

    /// The place in the grid of a patch token, or nil for another kind.
    public func patch(of token: Int) -> (row: Int, column: Int)? {
        guard tokens(of: .patch).contains(token) else { return nil }
        return ((token - 1) / columns, (token - 1) % columns)
    }

    public var description: String {
        "1 class + \(rows) x \(columns) patches" + (prompts > 0 ? " + \(prompts) prompts" : "")
    }
}
