// Which words a vocabulary knows. The embedded model's captions hold every word of its scenes and little else.

import CLIP
import Foundation
import Testing

@Suite struct WordsTests {
    private static let models = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../models"

    private static func scenes() throws -> Tokenizer { try Tokenizer(folder: models + "/scenes", contextLength: 48) }

    @Test func theEmbeddedModelKnowsItsScenesWords() throws {
        let tokenizer = try Self.scenes()
        let classes = try String(contentsOfFile: Self.models + "/classes/scenes.txt", encoding: .utf8).split(separator: "\n")
        #expect(classes.count == 100)
        for text in classes.map(String.init) + ["speckled", "wooden planks", "a starry night background", "brick wall", "Red TRIANGLE!"] {
            #expect(tokenizer.knows(text), "'\(text)': \(tokenizer.unknownWords(in: text))")
        }
    }

    @Test(arguments: [
        ("giraffe", ["giraffe"]), ("a red giraffe on grass", ["giraffe"]), ("giraffe and giraffe", ["giraffe"]),
        ("Zeppelins over Rome", ["Zeppelins", "over", "Rome"]), ("собака", ["собака"]), ("zzz qqq", ["zzz", "qqq"]),
    ])
    func theEmbeddedModelNamesWhatItDoesNotKnow(_ text: String, _ expected: [String]) throws {
        let tokenizer = try Self.scenes()
        #expect(tokenizer.unknownWords(in: text) == expected)
        #expect(!tokenizer.knows(text))
    }

    /// Two letters say too little to be refused; signs and digits are no words.
    @Test(arguments: ["", "  ", "a", "ox", "by it", "2 x 3", "!?", "a-b c's"])
    func shortWordsAndSignsAreKnown(_ text: String) throws {
        #expect(try Self.scenes().knows(text))
    }

    /// A vocabulary that was learned from a word has it as one token: merges that build "giraffe" up letter by letter
    /// turn it from unknown to known, and a word that shares its beginning alone stays unknown.
    @Test func mergedWordsAreKnown() throws {
        let word = "giraffe"
        let folder = try TemporaryFolder()
        var vocabulary = ["<|startoftext|>": 0, "<|endoftext|>": 1]
        for letter in "abcdefghijklmnopqrstuvwxyz" {
            vocabulary["\(letter)"] = vocabulary.count
            vocabulary["\(letter)</w>"] = vocabulary.count
        }
        func write(_ merges: [String]) throws {
            try folder.write("vocab.json", String(decoding: try JSONEncoder().encode(vocabulary), as: UTF8.self))
            try folder.write("merges.txt", "#version: 0.2\n" + merges.joined(separator: "\n") + "\n")
        }
        try write([])
        #expect(try !Tokenizer(folder: folder.path, contextLength: 77).knows(word))
        var merges: [String] = [], built = "g"
        for letter in word.dropFirst() {
            let next = built.count == word.count - 1 ? "\(letter)</w>" : "\(letter)"
            merges.append("\(built) \(next)")
            vocabulary[built + next] = vocabulary.count
            built += String(letter)
        }
        try write(merges)
        let tokenizer = try Tokenizer(folder: folder.path, contextLength: 77)
        #expect(tokenizer.tokens(word).count == 1 && tokenizer.knows(word))
        #expect(tokenizer.knows("giraff") && !tokenizer.knows("girdle"))
    }

    /// Counted by tools/recipes/evaluate_names.py through transformers.
    @Test func theShippedListHasWordsForTheEmbeddedModel() throws {
        let tokenizer = try Self.scenes()
        let lines = try String(contentsOfFile: Self.models + "/words/visual.txt", encoding: .utf8).split(separator: "\n")
        let words = lines.filter { !$0.hasPrefix("#") }.map(String.init)
        #expect((1_500...3_000).contains(words.count) && Set(words).count == words.count)
        #expect(words.count { tokenizer.knows($0) } == 245)
    }
}
