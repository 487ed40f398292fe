// CLIP's tokenizer, equal to transformers' CLIPTokenizerFast: NFC and lower case, words split by CLIP's
// pattern, bytes as letters, byte-pair merges with `</w>` at a word's end, special tokens found in the text,
// cut to the context length with the end token kept, padded at the right.

import Foundation

/// Turns a prompt into token ids.
///
///     let tokenizer = try Tokenizer(folder: "models/scenes", contextLength: 77)
///     tokenizer.encode("a photo of a red cube.")  // [start, ..., end, pad, pad, ...], 77 ids
///
/// A value, safe to share between threads.
public struct Tokenizer: Sendable {
    public let contextLength: Int
    public let startID, endID, padID: Int32
    /// One more than the largest id.
    public let vocabularyCount: Int

    let parts: TokenizerParts

    /// - Parameter folder: holds `tokenizer.json`, or `vocab.json` and `merges.txt` (the first wins, as in transformers).
    /// - Throws: `ModelError` naming the file.
    public init(folder: String, contextLength: Int) throws(ModelError) {
        precondition(contextLength >= 2, "context of \(contextLength) tokens")
        let parts = try TokenizerParts(folder: folder)
        self.parts = parts
        self.contextLength = contextLength
        (startID, endID, padID) = (parts.startID, parts.endID, parts.padID)
        vocabularyCount = parts.vocabularyCount
    }

    /// `contextLength` ids.
    public func encode(_ text: String) -> [Int32] {
        var ids = [startID]
        ids += tokens(text).prefix(contextLength - 2)
        ids.append(endID)
        ids += repeatElement(padID, count: contextLength - ids.count)
        return ids
    }

    /// The ids of the text itself: without start, end, cut or padding.
    public func tokens(_ text: String) -> [Int32] {
        var ids: [Int32] = []
        split(Array(text.unicodeScalars), by: parts.rawTokens) { part in
            switch part {
            case .token(let id): ids.append(id)
            case .text(let raw):
                split(normalized(raw), by: parts.normalizedTokens) { part in
                    switch part {
                    case .token(let id): ids.append(id)
                    case .text(let scalars): appendWords(scalars, to: &ids)
                    }
                }
            }
        }
        return ids
    }

    // MARK: Special tokens in the text

    private enum Part {
        case token(Int32)
        case text(ArraySlice<Unicode.Scalar>)
    }

    private func split(_ scalars: [Unicode.Scalar], by tokens: [TokenizerParts.AddedToken], _ body: (Part) -> Void) {
        var start = 0
        var at = 0
        while at < scalars.count {
            // The longest first: the list is sorted so.
            if let token = tokens.first(where: { scalars[at...].starts(with: $0.scalars) }) {
                if start < at { body(.text(scalars[start..<at])) }
                body(.token(token.id))
                at += token.scalars.count
                start = at
            } else {
                at += 1
            }
        }
        if start < scalars.count { body(.text(scalars[start...])) }
    }

    /// NFC, then each scalar's own lower case: no rule that looks at neighbours, as in Rust's char::to_lowercase.
    private func normalized(_ scalars: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
        if scalars.allSatisfy(\.isASCII) {
            return scalars.map { ("A"..."Z").contains($0) ? Unicode.Scalar(UInt8($0.value) + 32) : $0 }
        }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        let composed = String(text).precomposedStringWithCanonicalMapping
        return composed.unicodeScalars.flatMap { Array($0.properties.lowercaseMapping.unicodeScalars) }
    }

    // MARK: Words

    private enum Kind {
        case space, letter, number, other
    }

    private static func kind(_ scalar: Unicode.Scalar) -> Kind {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: .letter
        case .decimalNumber, .letterNumber, .otherNumber: .number
        default: scalar.properties.isWhitespace ? .space : .other
        }
    }

    private static let contractions: [[Unicode.Scalar]] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map {
        Array($0.unicodeScalars)
    }

    /// CLIP's pattern: `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`.
    private func appendWords(_ text: ArraySlice<Unicode.Scalar>, to ids: inout [Int32]) {
        var at = text.startIndex
        while at < text.endIndex {
            let rest = text[at...]
            var end = at + 1
            if let contraction = Tokenizer.contractions.first(where: { rest.starts(with: $0) }) {
                end = at + contraction.count
            } else {
                let kind = Tokenizer.kind(text[at])
                if kind == .letter || kind == .other {
                    while end < text.endIndex, Tokenizer.kind(text[end]) == kind { end += 1 }
                }
                if kind == .space {
                    at = end
                    continue
                }
            }
            parts.appendWord(text[at..<end], to: &ids)
            at = end
        }
    }
}
