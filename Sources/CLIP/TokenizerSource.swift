// The files of a tokenizer, as text: which tokens, merges and special tokens they name.

import Checkpoints

struct TokenizerSource {
    struct Added {
        let content: String
        let id: Int32
        /// Looked for in the normalised text; otherwise in the text as it came.
        let isNormalized: Bool
    }

    let vocabularyFile, mergesFile: String
    private let vocabularyJSON: JSON
    private(set) var merges: [(left: String, right: String)] = []
    private(set) var added: [Added] = []
    private(set) var start = "<|startoftext|>"
    private(set) var end = "<|endoftext|>"
    private(set) var pad = "<|endoftext|>"
    private(set) var unknown: String? = "<|endoftext|>"

    static let idMax = 10_000_000
    /// transformers reads no more merges of a merges.txt: the size of OpenAI's own.
    private static let mergesMax = 49_152 - 256 - 2

    init(folder: String) throws(CheckpointError) {
        let path = folder + "/tokenizer.json"
        if fileExists(path) {
            let file = try ConfigFile(path: path)
            (vocabularyFile, mergesFile) = (path, path)
            guard let model = try file.section("model") else { throw file.error("model", "is missing") }
            vocabularyJSON = model["vocab"] ?? .null
            try readSpecialTokens(folder: folder)
            try readModel(model)
            try TokenizerSource.checkSteps(file)
            try readAdded(file)
            try readTemplate(file)
        } else {
            (vocabularyFile, mergesFile) = (folder + "/vocab.json", folder + "/merges.txt")
            vocabularyJSON = try JSON.parse(try readSmallFile(vocabularyFile), file: vocabularyFile)
            try readSpecialTokens(folder: folder)
            try readMergesText()
        }
    }

    /// From token to id.
    func vocabulary() throws(ModelError) -> [ExactString: Int32] {
        guard case .object(let members) = vocabularyJSON else {
            throw .tokenizer(
                file: vocabularyFile,
                problem: "the vocabulary must be an object from token to id, not \(vocabularyJSON.kind)")
        }
        var vocabulary: [ExactString: Int32] = [:]
        vocabulary.reserveCapacity(members.count)
        for member in members {
            guard case .int(let id) = member.value, (0..<TokenizerSource.idMax).contains(id) else {
                throw .tokenizer(
                    file: vocabularyFile,
                    problem: "token '\(member.key)' has the id \(member.value.kind); ids are integers from 0 on")
            }
            vocabulary[ExactString(member.key)] = Int32(id)
        }
        return vocabulary
    }

    // MARK: merges.txt

    private mutating func readMergesText() throws(CheckpointError) {
        guard let text = String(validating: try readSmallFile(mergesFile), as: UTF8.self) else {
            throw .malformed(file: mergesFile, offset: nil, reason: "is not UTF-8")
        }
        let body = text.drop { $0.isWhitespace }
        var lines = body.split(separator: "\n", omittingEmptySubsequences: false).dropFirst()
        while let last = lines.last, last.allSatisfy(\.isWhitespace) { lines.removeLast() }
        for (index, line) in lines.prefix(TokenizerSource.mergesMax).enumerated() {
            let sides = line.split { $0 == " " || $0 == "\r" || $0 == "\t" }
            guard sides.count == 2 else {
                throw .malformed(
                    file: mergesFile, offset: nil,
                    reason: "line \(index + 2) must be two tokens with a space between, it is '\(line)'")
            }
            merges.append((String(sides[0]), String(sides[1])))
        }
    }

    // MARK: Special tokens

    /// tokenizer_config.json, and special_tokens_map.json where that says nothing.
    private mutating func readSpecialTokens(folder: String) throws(CheckpointError) {
        for name in ["special_tokens_map.json", "tokenizer_config.json"] where fileExists(folder + "/" + name) {
            let file = try ConfigFile(path: folder + "/" + name)
            start = try TokenizerSource.content("bos_token", file) ?? start
            end = try TokenizerSource.content("eos_token", file) ?? end
            pad = try TokenizerSource.content("pad_token", file) ?? pad
            unknown = try TokenizerSource.content("unk_token", file) ?? unknown
        }
    }

    /// A token as text, or as an object with `content`.
    private static func content(_ key: String, _ file: ConfigFile) throws(CheckpointError) -> String? {
        switch file[key] {
        case nil: return nil
        case .string(let text)?: return text
        case let value?:
            guard case .string(let text)? = value["content"] else { throw file.error(key, "must be a token") }
            return text
        }
    }

    // MARK: tokenizer.json

    private mutating func readModel(_ model: ConfigFile) throws(CheckpointError) {
        let type = try model.string("type", default: "BPE")
        guard type == "BPE" else { throw model.error("type", "is '\(type)'; CLIP's is 'BPE'") }
        let suffix = try model.string("end_of_word_suffix", default: "")
        guard suffix == "</w>" else { throw model.error("end_of_word_suffix", "is '\(suffix)'; CLIP's is '</w>'") }
        for key in ["fuse_unk", "byte_fallback", "ignore_merges"] {
            guard try !model.bool(key, default: false) else {
                throw model.error(key, "is true, which CLIP's tokenizer does not use")
            }
        }
        unknown = model["unk_token"] == nil ? nil : try model.string("unk_token")
        guard case .array(let elements)? = model["merges"] else { throw model.error("merges", "must be a list") }
        for (rank, element) in elements.enumerated() {
            var sides: [String] = []
            switch element {
            case .string(let text):
                sides = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            case .array(let parts): for case .string(let text) in parts { sides.append(text) }
            default: break
            }
            guard sides.count == 2 else { throw model.error("merges", "has no two tokens at place \(rank)") }
            merges.append((sides[0], sides[1]))
        }
    }

    static let pattern = #"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"#

    /// The steps around the model must be CLIP's: another pattern would give other words without a word.
    private static func checkSteps(_ file: ConfigFile) throws(CheckpointError) {
        let normalizers = file["normalizer"].map { steps($0, "normalizers") } ?? []
        guard normalizers.map(\.type) == ["NFC", "Replace", "Lowercase"] else {
            throw file.error("normalizer", "must be CLIP's: NFC, Replace, Lowercase")
        }
        let splits = file["pre_tokenizer"].map { steps($0, "pretokenizers") } ?? []
        guard splits.map(\.type) == ["Split", "ByteLevel"], splits[0].value["pattern"]?["Regex"] == .string(pattern)
        else {
            throw file.error("pre_tokenizer", "must be CLIP's: a split by \(pattern), then ByteLevel")
        }
    }

    private static func steps(_ sequence: JSON, _ key: String) -> [(type: String, value: JSON)] {
        guard case .array(let elements)? = sequence[key] else { return [] }
        return elements.map { element in
            if case .string(let type)? = element["type"] { (type, element) } else { ("", element) }
        }
    }

    private mutating func readAdded(_ file: ConfigFile) throws(CheckpointError) {
        guard case .array(let elements)? = file["added_tokens"] else { return }
        for element in elements {
            guard case .string(let content)? = element["content"], case .int(let id)? = element["id"],
                (0..<TokenizerSource.idMax).contains(id)
            else {
                throw file.error("added_tokens", "has an entry without 'content' or 'id'")
            }
            guard element["single_word"] != .bool(true) else {
                throw file.error("added_tokens", "has '\(content)' with 'single_word', which is not supported")
            }
            added.append(Added(content: content, id: Int32(id), isNormalized: element["normalized"] == .bool(true)))
        }
    }

    /// Which tokens stand around a text: `RobertaProcessing`'s `cls` and `sep`.
    private mutating func readTemplate(_ file: ConfigFile) throws(CheckpointError) {
        guard let processor = try file.section("post_processor") else { return }
        let type = try processor.string("type")
        guard type == "RobertaProcessing", case .array(let cls)? = processor["cls"],
            case .array(let sep)? = processor["sep"],
            case .string(let first)? = cls.first, case .string(let last)? = sep.first
        else { throw file.error("post_processor", "must be CLIP's: RobertaProcessing with 'cls' and 'sep'") }
        (start, end) = (first, last)
    }
}
