// Reference: transformers' CLIPTokenizerFast; tools/reference/tokenizer.py made the vocabularies and tokenizer.json.

import CLIP
import Foundation
import Testing

@Suite struct TokenizerTests {
    @Test(arguments: [("tokenizer", 77), ("tokenizer-json", 77), ("tokenizer-short", 12)])
    func idsEqualTransformers(_ name: String, _ context: Int) throws {
        let tokenizer = try Tokenizer(folder: Golden.folder + "/" + name, contextLength: context)
        let cases = try #require(try Golden.json("tokenizer")[name]).elements
        #expect(cases.count > 60)
        for golden in cases {
            let text = golden["text"]!.string
            #expect(tokenizer.encode(text) == golden["ids"]!.elements.map { Int32($0.integer) }, "'\(text)'")
        }
    }

    /// A long word is merged in n log n, not n squared: this takes milliseconds or minutes.
    @Test func aVeryLongWordIsNoTrouble() throws {
        let tokenizer = try Tokenizer(folder: Golden.folder + "/tokenizer", contextLength: 77)
        let word = String(repeating: "photo", count: 100_000)
        #expect(tokenizer.tokens(word).count > 50_000)
        #expect(tokenizer.encode(word).count == 77)
    }

    @Test(arguments: [
        ("vocab.json", #"{"a": 0}"#, "'vocab.json': the start token '<|startoftext|>' is not in the vocabulary"),
        ("vocab.json", #"{"a": -1}"#, "'vocab.json': token 'a' has the id -1; ids are integers from 0 on"),
        ("vocab.json", #"["a"]"#, "'vocab.json': the vocabulary must be an object from token to id, not a list"),
        ("vocab.json", "{", "'vocab.json' at byte 1: a JSON key in quotes was expected"),
        (
            "merges.txt", "#version: 0.2\nt h\nq zz\n",
            "'merges.txt': merge 2, 'q zz', uses or makes a token that the vocabulary does not have"
        ),
        (
            "merges.txt", "#version: 0.2\nt h e\n",
            "'merges.txt': line 2 must be two tokens with a space between, it is 't h e'"
        ),
        (
            "tokenizer.json", #"{"model": {"type": "WordPiece"}}"#,
            "'tokenizer.json': 'model.type' is 'WordPiece'; CLIP's is 'BPE'"
        ),
        (
            "tokenizer.json", #"{"model": {"end_of_word_suffix": "</w>", "merges": []}, "normalizer": null}"#,
            "'tokenizer.json': 'normalizer' must be CLIP's: NFC, Replace, Lowercase"
        ),
        (
            "tokenizer_config.json", #"{"pad_token": {"content": "<pad>"}}"#,
            "'vocab.json': the padding token '<pad>' is not in the vocabulary"
        ),
    ])
    func wrongFilesAreRefused(_ name: String, _ text: String, _ expected: String) throws {
        let folder = try TemporaryFolder()
        for file in ["vocab.json", "merges.txt"] {
            try FileManager.default.copyItem(
                atPath: Golden.folder + "/tokenizer/" + file, toPath: folder.path + "/" + file)
        }
        try folder.write(name, text)
        #expect(message(without: folder.path) { _ = try Tokenizer(folder: folder.path, contextLength: 77) } == expected)
    }

    @Test func aMissingFileIsNamed() throws {
        let folder = try TemporaryFolder()
        #expect(
            message(without: folder.path) { _ = try Tokenizer(folder: folder.path, contextLength: 77) }
                == "'vocab.json' can't be read: No such file or directory")
    }
}
