// What a tokenizer is made of, read from vocab.json and merges.txt or from tokenizer.json.

import Checkpoints

/// A string that is equal to another only scalar by scalar: Swift's own equality is canonical, a vocabulary's is not.
struct ExactString: Hashable {
    let text: String

    init(_ text: String) { self.text = text }

    static func == (a: ExactString, b: ExactString) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

    func hash(into hasher: inout Hasher) {
        let utf8 = text.utf8
        if utf8.withContiguousStorageIfAvailable({ hasher.combine(bytes: UnsafeRawBufferPointer($0)) }) == nil {
            for byte in utf8 { hasher.combine(byte) }
        }
    }
}

struct TokenizerParts: Sendable {
    struct AddedToken: Sendable {
        let id: Int32
        let scalars: [Unicode.Scalar]
    }

    let pairs: BytePairs
    /// The id of each byte as a letter, and as a word's last letter; -1 where the vocabulary lacks it.
    private let letters, lastLetters: [Int32]
    private let unknownID: Int32?
    let startID, endID, padID: Int32
    let vocabularyCount: Int
    /// Found before, and after, the text is normalised; longest first.
    let rawTokens, normalizedTokens: [AddedToken]

    init(folder: String) throws(ModelError) {
        let source: TokenizerSource
        do throws(CheckpointError) {
            source = try TokenizerSource(folder: folder)
        } catch {
            throw .checkpoint(error)
        }
        let vocabulary = try source.vocabulary()
        func id(_ token: String, _ role: String) throws(ModelError) -> Int32 {
            guard let id = vocabulary[ExactString(token)] ?? source.added.first(where: { $0.content == token })?.id
            else {
                throw .tokenizer(
                    file: source.vocabularyFile, problem: "the \(role) token '\(token)' is not in the vocabulary")
            }
            return id
        }
        startID = try id(source.start, "start")
        endID = try id(source.end, "end")
        padID = try id(source.pad, "padding")
        unknownID = source.unknown.flatMap { vocabulary[ExactString($0)] }

        var merges: [UInt64: BytePairs.Merge] = [:]
        merges.reserveCapacity(source.merges.count)
        for (rank, merge) in source.merges.enumerated() {
            guard let left = vocabulary[ExactString(merge.left)], let right = vocabulary[ExactString(merge.right)],
                let result = vocabulary[ExactString(merge.left + merge.right)]
            else {
                throw .tokenizer(
                    file: source.mergesFile,
                    problem:
                        "merge \(rank + 1), '\(merge.left) \(merge.right)', uses or makes a token that the vocabulary does not have"
                )
            }
            merges[BytePairs.key(left, right)] = BytePairs.Merge(rank: Int32(rank), result: result)
        }
        pairs = BytePairs(merges)
        let alphabet = TokenizerParts.byteAlphabet
        letters = alphabet.map { vocabulary[ExactString($0)] ?? -1 }
        lastLetters = alphabet.map { vocabulary[ExactString($0 + "</w>")] ?? -1 }
        let largest = max(vocabulary.values.max() ?? 0, source.added.map(\.id).max() ?? 0)
        vocabularyCount = Int(largest) + 1

        // transformers makes each special token an added one: even a padding token "!" is then found in the text
        // as itself, so that "!!" is two of it.
        var added = source.added
        for token in Set([source.start, source.end, source.pad, source.unknown ?? source.end])
        where !added.contains(where: { $0.content == token }) {
            added.append(
                TokenizerSource.Added(content: token, id: try id(token, "special"), isNormalized: source.added.isEmpty))
        }
        let sorted = added.filter { !$0.content.isEmpty }.sorted {
            $0.content.unicodeScalars.count > $1.content.unicodeScalars.count
        }
        rawTokens = sorted.filter { !$0.isNormalized }.map {
            AddedToken(id: $0.id, scalars: Array($0.content.unicodeScalars))
        }
        // The text is in lower case where these are looked for.
        normalizedTokens = sorted.filter(\.isNormalized).map {
            AddedToken(
                id: $0.id,
                scalars: $0.content.unicodeScalars.flatMap { Array($0.properties.lowercaseMapping.unicodeScalars) })
        }
    }

    /// Appends the ids of one word.
    func appendWord(_ scalars: ArraySlice<Unicode.Scalar>, to ids: inout [Int32]) {
        var symbols: [Int32] = []
        var lastByte: UInt8 = 0
        for scalar in scalars {
            for byte in String(Character(scalar)).utf8 {
                symbols.append(letters[Int(byte)])
                lastByte = byte
            }
        }
        symbols[symbols.count - 1] = lastLetters[Int(lastByte)]
        // What the vocabulary lacks is the unknown token, or nothing.
        ids += pairs.merged(symbols.compactMap { $0 >= 0 ? $0 : unknownID })
    }

    /// GPT-2's table: printable bytes stand for themselves, the others for U+0100 on, in order.
    static let byteAlphabet: [String] = {
        var alphabet: [String] = []
        var shifted: UInt32 = 0x100
        for byte in UInt32(0)..<256 {
            let isPrintable =
                (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
            let code = isPrintable ? byte : shifted
            if !isPrintable { shifted += 1 }
            alphabet.append(String(Character(Unicode.Scalar(code)!)))  // below U+0144: always a scalar
        }
        return alphabet
    }()
}
