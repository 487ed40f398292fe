// Which words a vocabulary has. Byte pairs spell any text, so nothing is ever out of the vocabulary; but what comes to
// little more than its letters never stood in the captions that the vocabulary was learned from, and its embedding says
// nothing. Of some 2,600 visual words OpenAI's vocabulary refuses one ("oar") by the rule below; the embedded model's,
// learned from captions of drawn scenes, refuses nine in ten.

extension Tokenizer {
    /// False where the text has a word that the vocabulary spells rather than knows: three or more letters in a row that
    /// come to more than one token for every two of them.
    ///
    ///     tokenizer.knows("a red triangle")  // true for the embedded model
    ///     tokenizer.knows("a red giraffe")   // false: g, i, ra, f, f, e
    ///
    /// Shorter words, digits and signs count as known. So does a text without words.
    public func knows(_ text: String) -> Bool { unknownWords(in: text).isEmpty }

    /// The words that make `knows` false, as they stand in the text, each once.
    public func unknownWords(in text: String) -> [String] {
        var unknown: [String] = []
        for word in text.split(whereSeparator: { !$0.isLetter }).map(String.init) {
            let letters = word.unicodeScalars.count
            if letters > 2, 2 * tokens(word).count > letters, !unknown.contains(word) { unknown.append(word) }
        }
        return unknown
    }
}
