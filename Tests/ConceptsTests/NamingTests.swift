// Names. Reference: numpy in f64; tools/reference/naming.py wrote naming.json over the images of concepts.json.

import Basics
import Concepts
import Foundation
import Store
import Testing

private struct NamingGolden: Decodable {
    struct Name: Decodable {
        var latent, word: Int
        var outcome: String
        var score, direction, images: Double?
        var active: Int?
    }
    var width: Int
    var words: [Float]
    var tokens: [Int]
    var embeddings, directions, random: [Float]
    var gate: Double
    var gates: [String: Double]
    var names: [Name]
    var query: [Float]
    var queryScores: [Double]
    var covariance: [Float]
    var deviations: [Double]

    func rows(_ values: [Float]) -> [[Float]] { stride(from: 0, to: values.count, by: width).map { Array(values[$0..<$0 + width]) } }
    var wordEmbeddings: WordEmbeddings {
        get throws { try WordEmbeddings(words: tokens.indices.map { "word \($0)" }, tokens: tokens, embeddings: words, width: width) }
    }
}

/// What the reason for each outcome says.
private let says = [
    "silent": "active on no image", "rare": "10 are needed", "direction": "random directions reach", "images": "is needed over 40 images",
    "rival": "fits nearly as well",
]

@Suite struct NamingTests {
    private static func evidence(_ golden: NamingGolden, _ store: GoldenStore) throws -> (EmbeddingTable, [LatentEvidence]) {
        let table = try store.concepts.store.embeddings(in: store.view.id)
        var all: [LatentEvidence] = []
        try store.concepts.namingEvidence(of: 0..<store.golden.latents, in: store.view, table) { all.append($0) }
        for (index, direction) in golden.rows(golden.directions).enumerated() { all[index].direction = direction }
        return (table, all)
    }

    @Test func namesAndTheirEvidenceEqualTheReference() throws {
        let golden = try GoldenFile.read("naming", as: NamingGolden.self)
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path, embeddings: golden.rows(golden.embeddings))
        let (table, evidence) = try Self.evidence(golden, store)
        // Embeddings and image means are f32.
        for (item, expected) in zip(evidence, golden.rows(golden.covariance)) {
            #expect(item.images == 40 && near(item.deviation, golden.deviations[item.latent], 1e-6))
            for (found, value) in zip(item.covariance, expected) { #expect(abs(found - value) < 1e-6 * 10, "latent \(item.latent)") }
        }
        let words = try golden.wordEmbeddings
        #expect(near(Naming.gate(words, randomDirections: golden.random), golden.gates["0"], 1e-5))
        let naming = Naming(words: words, gate: golden.gate, images: ImageMoments(table))
        let names = naming.names(evidence)
        #expect(Set(golden.names.map(\.outcome)) == ["sure", "silent", "rare", "direction", "images"])
        for (name, expected) in zip(names, golden.names) {
            #expect(name.latent == expected.latent && name.isSure == (expected.outcome == "sure") && name.isSure == name.reason.isEmpty)
            #expect(expected.outcome == "sure" || name.reason.contains(says[expected.outcome]!), "\(name.reason)")
            guard expected.word >= 0 else {
                #expect(name.word.isEmpty && name.candidates.isEmpty)
                continue
            }
            #expect(name.word == "word \(expected.word)" && evidence[name.latent].active == expected.active)
            for (found, value) in [(name.score, expected.score), (name.direction, expected.direction), (name.images, expected.images)] {
                #expect(abs(found - value!) < 1e-4, "latent \(name.latent)")
            }
            #expect(name.candidates.count == 5 && name.candidates[0] == WordScore(word: name.word, score: name.score))
        }
        // One by one and in blocks alike, and the words' own scores are what any text would score.
        for item in evidence { #expect(naming.name(item) == names[item.latent]) }
        for (found, value) in zip(naming.scores(of: golden.query, evidence), golden.queryScores) where value.isFinite {
            #expect(abs(found - value) < 1e-4)
        }
    }

    /// Seeded images that come, go and come back: the evidence is that of the images there are.
    @Test(arguments: [1, 2, 3] as [UInt64]) func evidenceFollowsTheImages(_ seed: UInt64) throws {
        let golden = try GoldenFile.read("naming", as: NamingGolden.self)
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path, embeddings: golden.rows(golden.embeddings))
        var random = SplitMix(seed: seed)
        let gone = Set((0..<40).filter { _ in random.below(3) == 0 })
        for number in gone { _ = try store.concepts.store.removePath(#require(store.images[number].path)) }
        let (table, evidence) = try Self.evidence(golden, store)
        let kept = (0..<40).filter { !gone.contains($0) }
        #expect(table.count == kept.count)
        let patches = store.view.layout.patches
        for item in evidence {
            var means: [Double] = []
            for number in kept {
                let snapshot = store.golden.snapshot(number)
                var sum = 0.0
                for token in 0...patches { for entry in snapshot.latents.range(of: token) where snapshot.latents.indices[entry] == item.latent { sum += Double(snapshot.latents.values[entry]) } }
                means.append(sum / Double(1 + patches))
            }
            let mean = means.reduce(0, +) / Double(kept.count)
            let deviation = (means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(kept.count)).squareRoot()
            #expect(item.active == means.count { $0 > 0 } && abs(item.deviation - deviation) < 1e-6 * max(1, deviation), "seed \(seed), latent \(item.latent)")
            for k in 0..<golden.width {
                var sum = 0.0
                for (place, number) in kept.enumerated() {
                    let row = golden.rows(golden.embeddings)[number]
                    let length = row.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
                    sum += (means[place] - mean) * Double(row[k]) / length
                }
                #expect(abs(Double(item.covariance[k]) - sum / Double(kept.count)) < 1e-5, "seed \(seed), latent \(item.latent), \(k)")
            }
        }
    }

    // MARK: Rules, on four words along the axes of a space

    /// Words 0 and 1 mean nearly the same; 0 has more tokens. Images have unit variance along every axis.
    private func axes(images: Int = 400) throws -> Naming {
        let words = try WordEmbeddings(
            words: ["tree rings", "ring", "star", "heart", "moon"], tokens: [3, 1, 1, 1, 1],
            embeddings: [1, 0, 0, 0, 0.98, 0.2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, -1, 0, -1, -1], width: 4)
        var identity = [Float](repeating: 0, count: 16)
        for k in 0..<4 { identity[5 * k] = 1 }
        return Naming(words: words, gate: 0.6, images: ImageMoments(images: images, width: 4, covariance: identity))
    }

    private func evidence(
        _ naming: Naming, toward word: Int, direction: Float = 1, images correlation: Float = 0.9, active: Int = 50, count: Int = 400
    ) -> LatentEvidence {
        let row = Array(naming.words.rows[word * 4..<word * 4 + 4])
        // A direction at the wanted cosine: the rest goes where no word is (the second axis is nearly free).
        let rest: [Float] = [0, 1, 0, 0]
        let along = row[1]
        let orthogonal = zip(rest, row).map { $0 - along * $1 }
        let length = orthogonal.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let carried = zip(row, orthogonal).map { direction * $0 + max(0, 1 - direction * direction).squareRoot() * $1 / length }
        return LatentEvidence(
            latent: 7, images: count, active: active, covariance: row.map { $0 * correlation }, deviation: 1, direction: carried)
    }

    @Test func theWordWithFewestTokensIsTakenOfThoseThatMeanTheSame() throws {
        let naming = try axes()
        let name = naming.name(evidence(naming, toward: 0))
        #expect(name.word == "ring" && name.isSure)
        // One word a meaning is listed.
        #expect(!name.candidates.map(\.word).contains("tree rings") && name.candidates.count == 4)
        #expect(naming.name(evidence(naming, toward: 0), candidates: 1).candidates.count == 1)
    }

    @Test func whatIsNotSureSaysWhy() throws {
        let naming = try axes()
        let sure = naming.name(evidence(naming, toward: 3))
        #expect(sure.word == "heart" && sure.isSure && sure.reason.isEmpty)
        #expect(abs(sure.direction - 1) < 1e-6 && abs(sure.images - 0.9) < 1e-6 && abs(sure.score - 1.9) < 1e-6)
        func reason(_ item: LatentEvidence) -> String { naming.name(item).reason }
        #expect(reason(evidence(naming, toward: 3, active: 9)) == "it is active on 9 images, 10 are needed")
        #expect(reason(evidence(naming, toward: 3, active: 1)) == "it is active on 1 image, 10 are needed")
        #expect(reason(evidence(naming, toward: 3, active: 0)) == "it is active on no image")
        #expect(naming.name(evidence(naming, toward: 3, active: 0)).word.isEmpty)
        #expect(reason(evidence(naming, toward: 3, direction: 0.5)) == "its direction has cosine 0.50 with 'heart', random directions reach 0.60 with some word")
        #expect(reason(evidence(naming, toward: 3, images: 0.2)) == "its images go with 'heart' by a correlation of 0.20, 0.25 is needed over 400 images")
        var between = evidence(naming, toward: 3)
        let other = evidence(naming, toward: 2)
        between.direction = zip(between.direction, other.direction).map { $0 + 0.97 * $1 }
        between.covariance = zip(between.covariance, other.covariance).map { 0.6 * ($0 + 0.97 * $1) }
        let doubtful = naming.name(between)
        #expect(doubtful.word == "heart" && !doubtful.isSure && doubtful.reason.hasPrefix("'star' fits nearly as well: "))
        var unknown = evidence(naming, toward: 3)
        unknown.direction = []
        #expect(reason(unknown) == "its direction was not carried through the tower")
    }

    /// The floor of the correlation holds where images are many: five standard errors would be next to nothing.
    @Test func manyImagesDoNotMakeAWeakCorrelationSure() throws {
        let naming = try axes(images: 1_000_000)
        #expect(!naming.name(evidence(naming, toward: 3, images: 0.19, count: 1_000_000)).isSure)
        #expect(naming.name(evidence(naming, toward: 3, images: 0.21, count: 1_000_000)).isSure)
    }

    /// Random directions with random images: with words and gate as shipped none is sure.
    @Test(arguments: [11, 12] as [UInt64]) func chanceIsNotSure(_ seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        func normal(_ count: Int) -> [Float] {
            (0..<count).map { _ in Float((0..<12).reduce(-6.0) { sum, _ in sum + Double(random.next() >> 11) * 0x1p-53 }) }
        }
        let width = 32, count = 200, latents = 300, images = 400
        let words = try WordEmbeddings(
            words: (0..<count).map { "w\($0)" }, tokens: [Int](repeating: 1, count: count), embeddings: normal(count * width), width: width)
        var identity = [Float](repeating: 0, count: width * width)
        for k in 0..<width { identity[k * (width + 1)] = 1 }
        let gate = Naming.gate(words, randomDirections: normal(Naming.randomDirections * width))
        let naming = Naming(words: words, gate: gate, images: ImageMoments(images: images, width: width, covariance: identity))
        let names = naming.names((0..<latents).map { latent in
            LatentEvidence(
                latent: latent, images: images, active: 100, covariance: normal(width).map { $0 / Float(images).squareRoot() }, deviation: 1,
                direction: normal(width))
        })
        #expect(names.allSatisfy { !$0.isSure && !$0.word.isEmpty }, "seed \(seed)")
        // The same latents with a word planted in both kinds of evidence are.
        let planted = naming.names((0..<count).map { word in
            let row = Array(words.rows[word * width..<(word + 1) * width])
            return LatentEvidence(latent: word, images: images, active: 100, covariance: row.map { $0 * 0.5 }, deviation: 1, direction: row)
        })
        for name in planted { #expect(name.isSure && name.word == "w\(name.latent)", "seed \(seed): \(name)") }
    }

    // MARK: Words

    @Test func aListIsReadAsWritten() throws {
        let list = try WordList(text: "# colours\nred\n  brick wall \r\n\n#grey\nred\nœuvre\n")
        #expect(list.words == ["red", "brick wall", "œuvre"])
        func message(_ body: () throws -> Void) -> String {
            do { try body() } catch { return "\(error)" }
            return "nothing was thrown"
        }
        #expect(message { _ = try WordList(text: "# only\nred\n") } == "names are chosen among words: give at least two, one a line")
        #expect(message { _ = try WordList((0...20_000).map(String.init)) } == "20001 words; at most 20000 can be tried at once")
        let long = String(repeating: "a", count: 81)
        #expect(
            message { _ = try WordList(["red", long]) }
                == "'\(String(repeating: "a", count: 80))...' has more than 80 characters; names are words or short phrases")
        #expect(
            message { _ = try WordEmbeddings(words: ["red"], tokens: [1], embeddings: [1, 0], width: 2) }
                == "fewer than two of the 1 words are in this model's vocabulary; give words that its captions may have had")
    }

    @Test func wordsAreCentredAndOfLengthOne() throws {
        let words = try WordEmbeddings(words: ["a", "b"], tokens: [1, 1], embeddings: [1, 0, 0, 1], width: 2)
        let half = Float(0.5).squareRoot()
        #expect(words.mean == [0.5, 0.5])
        for (found, expected) in zip(words.rows, [half, -half, -half, half]) { #expect(abs(found - expected) < 1e-6) }
        #expect(words.centred([0.5, 0.5]) == [0, 0])
    }
}
