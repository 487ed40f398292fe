// Words that latents are named with, and what the text tower makes of them.

/// Words and short phrases, each once, in the file's order.
public struct WordList: Sendable, Equatable {
    public let words: [String]

    /// At most so many: what is computed for one latent grows with them.
    public static let wordsMax = 20_000
    /// Characters of a phrase.
    public static let lengthMax = 80

    /// - Throws: `NamingError` where there are fewer than two words, too many, or one too long.
    public init(_ words: some Sequence<String>) throws(NamingError) {
        var seen: Set<String> = [], kept: [String] = []
        for word in words {
            guard word.count <= Self.lengthMax else { throw .wordTooLong(word) }
            if seen.insert(word).inserted { kept.append(word) }
        }
        guard kept.count > 1 else { throw .noWords }
        guard kept.count <= Self.wordsMax else { throw .tooManyWords(kept.count) }
        self.words = kept
    }

    /// One word or phrase a line; empty lines and lines that begin with `#` count for nothing.
    public init(text: String) throws(NamingError) {
        try self.init(
            text.split(whereSeparator: \.isNewline).map { $0.trimmed }.filter { !$0.isEmpty && !$0.hasPrefix("#") })
    }
}

extension Substring {
    fileprivate var trimmed: String {
        var rest = self
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}

public enum NamingError: Error, CustomStringConvertible, Sendable, Equatable {
    case noWords
    case tooManyWords(Int)
    case wordTooLong(String)
    /// No word, or only one, is in the model's vocabulary.
    case unknownWords(tried: Int)

    public var description: String {
        switch self {
        case .noWords: "names are chosen among words: give at least two, one a line"
        case .tooManyWords(let count): "\(count) words; at most \(WordList.wordsMax) can be tried at once"
        case .wordTooLong(let word): "'\(word.prefix(WordList.lengthMax))...' has more than \(WordList.lengthMax) characters; names are words or short phrases"
        case .unknownWords(let tried):
            "fewer than two of the \(tried) words are in this model's vocabulary; give words that its captions may have had"
        }
    }
}

/// Words in the embedding space: what latents are compared with.
///
/// Text embeddings share a large common part; without it ("centred") they tell words apart.
public struct WordEmbeddings: Sendable {
    public let words: [String]
    /// How many tokens each comes to.
    public let tokens: [Int]
    /// Of an embedding.
    public let width: Int
    /// `[words, width]`: less their mean, of length 1.
    public let rows: [Float]
    /// Of the embeddings as they came, `[width]`.
    public let mean: [Float]

    /// - Parameters:
    ///   - tokens: of each word.
    ///   - embeddings: `[words, width]`, unit rows: a `ZeroShotHead`'s features of these words with `Naming.templates`.
    /// - Throws: `NamingError.unknownWords` for fewer than two words.
    public init(words: [String], tokens: [Int], embeddings: [Float], width: Int) throws(NamingError) {
        precondition(
            embeddings.count == words.count * width && tokens.count == words.count,
            "\(embeddings.count) values and \(tokens.count) counts for \(words.count) words of width \(width)")
        guard words.count > 1 else { throw .unknownWords(tried: words.count) }
        var sum = [Double](repeating: 0, count: width)
        for (index, value) in embeddings.enumerated() { sum[index % width] += Double(value) }
        let mean = sum.map { Float($0 / Double(words.count)) }
        (self.words, self.tokens, self.width, self.mean) = (words, tokens, width, mean)
        rows = words.indices.flatMap { WordEmbeddings.unit(embeddings[$0 * width..<($0 + 1) * width], less: mean) }
    }

    /// Another text's embedding as the rows are: less the words' mean, of length 1.
    /// - Parameter text: `[width]`, of length 1.
    public func centred(_ text: [Float]) -> [Float] {
        precondition(text.count == width, "a text embedding of \(text.count), the words' are of \(width)")
        return WordEmbeddings.unit(text[...], less: mean)
    }

    /// Zeros where nothing is left.
    static func unit(_ values: ArraySlice<Float>, less mean: [Float]? = nil) -> [Float] {
        var row = Array(values)
        if let mean { for i in row.indices { row[i] -= mean[i] } }
        let length = row.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        return length > 0 ? row.map { Float(Double($0) / length) } : row
    }
}
