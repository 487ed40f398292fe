// What holds for every tower and every mask, mostly to the bit. References: the SAE's own `decode` of masked latents and
// the tower's own `finish`, one image and one mask at a time. Seeded towers with and without prompts.

import Basics
import CLIP
import Interventions
import SAE
import Testing

@Suite(.serialized) struct PropertyTests {
    /// Hooks below several blocks, below the last one, after the last; prompts none, carried, replaced above the hook.
    static let cases = [(0, 0), (2, 0), (3, 0), (2, 1), (1, 4)]

    /// Nested masks at once are, to the bit, each mask for itself.
    @Test(arguments: cases) func everyMaskIsItsOwnReconstruction(_ hook: Int, _ prompts: Int) throws {
        let seed = UInt64.random(in: 0..<1 << 32)
        let folder = try SeededFolder(), setting = try folder.setting(seed: seed, hook: hook, prompts: prompts)
        let n = SeededFolder.latents
        let ranking = RandomLatents.ranking(of: (0..<UInt32(n)).filter { $0 % 3 != 0 }, seed: seed)
        let sizes = [0, 1, 7, 50, 150, ranking.count, 260, n]
        // Latents that are not ranked follow in order of their index.
        let order = ranking + (0..<UInt32(n)).filter { $0 % 3 == 0 }
        let masks = AblationMasks(ranking: ranking, sizes: sizes, latents: n)
        for (index, image) in setting.images.enumerated() {
            let ablated = try setting.upper.ablate(image, masks)
            for (size, k) in sizes.enumerated() {
                let first = Set(order.prefix(k))
                let on = setting.answer(toStream: try setting.reconstruction(image) { first.contains($0) })
                let off = setting.answer(toStream: try setting.reconstruction(image) { !first.contains($0) })
                #expect(ablated.on[size].isSame(as: on), "seed \(seed), image \(index), on \(k)")
                #expect(ablated.off[size].isSame(as: off), "seed \(seed), image \(index), off \(k)")
            }
        }
    }

    @Test(arguments: cases) func allOnAndNoneOffAreTheReconstruction(_ hook: Int, _ prompts: Int) throws {
        let folder = try SeededFolder(), setting = try folder.setting(seed: 5, hook: hook, prompts: prompts)
        let masks = AblationMasks(ranking: [], sizes: [0, SeededFolder.latents], latents: SeededFolder.latents)
        for image in setting.images {
            let ablated = try setting.upper.ablate(image, masks)
            let full = setting.answer(toStream: try setting.reconstruction(image))
            #expect(ablated.on[1].isSame(as: full) && ablated.off[0].isSame(as: full))
            #expect(ablated.on[0].isSame(as: ablated.off[1]))
            #expect(!ablated.on[0].isSame(as: full), "the latents matter")
        }
    }

    /// With the error kept, masking nothing leaves the stored answer, to the bit.
    @Test(arguments: cases) func keptErrorWithNothingMaskedIsTheOriginal(_ hook: Int, _ prompts: Int) throws {
        let folder = try SeededFolder(), setting = try folder.setting(seed: 6, hook: hook, prompts: prompts)
        let masks = AblationMasks(ranking: [3, 1, 2], sizes: [0, 40, SeededFolder.latents], latents: SeededFolder.latents)
        for image in setting.images {
            let ablated = try setting.upper.ablate(image, masks, error: .kept)
            #expect(ablated.withoutSAE.isSame(as: setting.head.logits(image.embedding)))
            #expect(ablated.on[2].isSame(as: ablated.withoutSAE) && ablated.off[0].isSame(as: ablated.withoutSAE))
            #expect(!ablated.off[1].isSame(as: ablated.withoutSAE))
        }
        // Where the full reconstruction is asked for by no size.
        let one = AblationMasks(ranking: [3, 1, 2], sizes: [40], latents: SeededFolder.latents)
        for image in setting.images {
            let (few, many) = (try setting.upper.ablate(image, one, error: .kept), try setting.upper.ablate(image, masks, error: .kept))
            #expect(few.on[0].isSame(as: many.on[1]) && few.off[0].isSame(as: many.off[1]))
        }
    }

    @Test func thePublishedConstantIsSubtracted() throws {
        let folder = try SeededFolder(), setting = try folder.setting(seed: 7, hook: 2)
        let masks = AblationMasks(ranking: [], sizes: [SeededFolder.latents], latents: SeededFolder.latents)
        let image = setting.images[0]
        let changed = try setting.reconstruction(image).map { $0 - -0.105131256516992 }
        #expect(try setting.upper.ablate(image, masks, error: .droppedAsPublished).on[0].isSame(as: setting.answer(toStream: changed)))
    }

    @Test(arguments: cases) func substitutingOwnValuesChangesNothing(_ hook: Int, _ prompts: Int) throws {
        let folder = try SeededFolder(), setting = try folder.setting(seed: 8, hook: hook, prompts: prompts)
        let n = SeededFolder.latents
        let sets = LatentSets([[], Array(0..<UInt32(n)), [5, 6]], latents: n)
        for image in setting.images {
            let original = setting.head.logits(image.embedding)
            #expect(try setting.upper.substitute(sets, of: image, with: image.latents).allSatisfy { $0.isSame(as: original) })
            let reconstruction = setting.answer(toStream: try setting.reconstruction(image))
            #expect(try setting.upper.substitute(sets, of: image, with: image.latents, error: .dropped).allSatisfy { $0.isSame(as: reconstruction) })
        }
        // Another image's values change something, but not where no latent is chosen.
        let answers = try setting.upper.substitute(sets, of: setting.images[0], with: setting.images[1].latents)
        #expect(answers[0].isSame(as: setting.head.logits(setting.images[0].embedding)))
        #expect(!answers[1].isSame(as: answers[0]) && !answers[1].isSame(as: answers[2]))
    }

    /// Against the definition, written with dense rows in f64.
    @Test(arguments: [(2, 0), (2, 2), (0, 4)]) func substitutionIsTheDefinition(_ hook: Int, _ prompts: Int) throws {
        let seed = UInt64.random(in: 0..<1 << 32)
        let folder = try SeededFolder(), setting = try folder.setting(seed: seed, hook: hook, prompts: prompts)
        let n = SeededFolder.latents, d = setting.vision.tower.width
        let chosen = RandomLatents.draw(90, of: Array(0..<UInt32(n)), seed: seed)
        let image = setting.images[0], other = setting.images[1].latents
        var x = try #require(image.activations).map(Double.init)
        let directions = try (0..<n).map { try setting.sae.direction(of: $0) }
        for token in 0..<1 + setting.vision.layout.patches {
            for latent in chosen {
                let change = Double(other.value(row: token, column: latent)) - Double(image.latents.value(row: token, column: latent))
                for i in 0..<d { x[token * d + i] += change * Double(directions[Int(latent)][i]) }
            }
        }
        let expected = setting.answer(toStream: x.map(Float.init))
        let found = try setting.upper.substitute(LatentSets([chosen], latents: n), of: image, with: other)[0].logits
        let worst = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
        #expect(worst < 1e-4 * 20, "seed \(seed): logits differ by \(worst)")
    }

    /// A head whose text features depend on the image gives its own answers.
    @Test func aConditionalClassifierIsAsked() throws {
        let folder = try SeededFolder(), setting = try folder.setting(seed: 9, hook: 2)
        let head = setting.head
        let upper = UpperTower(vision: setting.vision, hook: setting.hook, sae: setting.sae) { embedding in head.logits(embedding).map { -$0 } }
        let masks = AblationMasks(ranking: [4], sizes: [1, 100], latents: SeededFolder.latents)
        let (plain, conditional) = (try setting.upper.ablate(setting.images[0], masks), try upper.ablate(setting.images[0], masks))
        #expect(conditional.on.map(\.logits) == plain.on.map { $0.logits.map { -$0 } })
        #expect(conditional.withoutSAE.logits == plain.withoutSAE.logits.map { -$0 })
    }

    @Test func whatDoesNotFitIsAnError() throws {
        let folder = try SeededFolder(), setting = try folder.setting(seed: 10, hook: 2, prompts: 1)
        let plain = try folder.setting(seed: 10, hook: 2)
        let masks = AblationMasks(ranking: [4], sizes: [1], latents: SeededFolder.latents)
        func message(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "nothing was thrown"
            } catch { return "\(error)" }
        }
        #expect(message { _ = try setting.upper.ablate(plain.images[0], masks) }
            == "latents [26, 301] are stored where the tower has 29 tokens of width 48 and the SAE [48, 301]; the view was made with another adapter or SAE")
        let image = setting.images[0]
        let bare = StoredImage(latents: image.latents, embedding: image.embedding)
        #expect(message { _ = try setting.upper.ablate(bare, masks, error: .kept) }
            == "the SAE's error can be kept only where activations are stored; compute them from the image, or leave the error out")
        #expect(message { _ = try setting.upper.ablate(bare, masks) } == "nothing was thrown")
        let some = LatentSets([[1]], latents: SeededFolder.latents)
        #expect(message { _ = try setting.upper.substitute(some, of: bare, with: image.latents) }.hasPrefix("the SAE's error can be kept only"))
        #expect(message { _ = try setting.upper.substitute(some, of: bare, with: image.latents, error: .dropped) } == "nothing was thrown")
        let short = StoredImage(latents: image.latents, embedding: [1])
        #expect(message { _ = try setting.upper.ablate(short, masks) }.hasPrefix("an embedding of 1, the tower's has 24"))
        // The base view has fewer tokens, which is as it should be.
        let sets = LatentSets([[1]], latents: SeededFolder.latents)
        #expect(message { _ = try setting.upper.substitute(sets, of: image, with: plain.images[0].latents) } == "nothing was thrown")
        #expect(message { _ = try setting.upper.substitute(sets, of: image, with: plain.images[0].latents.slice(rows: 0..<3)) }
            .hasPrefix("latents [3, 301] to be set in place of [29, 301]"))
    }

    @Test func randomLatentsAreSeededAndOfTheActiveOnes() {
        let rows = SparseRows(width: 9, indptr: [0, 2, 3], indices: [2, 7, 2], values: [1, 1, 1])
        let others = SparseRows(width: 9, indptr: [0, 1], indices: [0], values: [1])
        #expect(RandomLatents.active(in: [rows, others]) == [0, 2, 7])
        let many = Array(0..<UInt32(1000))
        let ranking = RandomLatents.ranking(of: many, seed: 4)
        #expect(ranking == RandomLatents.ranking(of: many, seed: 4) && ranking != RandomLatents.ranking(of: many, seed: 5))
        #expect(ranking.sorted() == many && ranking != many)
        // Each place is as likely to hold a high as a low latent.
        let mean = (0..<200).map { Double(RandomLatents.ranking(of: many, seed: $0)[0]) }.reduce(0, +) / 200
        #expect(abs(mean - 499.5) < 5 * 288.7 / 200.0.squareRoot(), "\(mean)")
        let drawn = RandomLatents.draw(10, of: many, excluding: Set(0..<900), seed: 1)
        #expect(Set(drawn).count == 10 && drawn.allSatisfy { $0 >= 900 })
        #expect(RandomLatents.draw(10, of: [1, 2], seed: 1).sorted() == [1, 2])
    }

    @Test func talliesCount() {
        func image(_ unchanged: Int, on: [Int], off: [Int]) -> AblatedImage {
            func answer(_ best: Int) -> ClassAnswer { ClassAnswer(logits: (0..<4).map { $0 == best ? 1 : 0 }) }
            return AblatedImage(withoutSAE: answer(unchanged), on: on.map(answer), off: off.map(answer))
        }
        var tally = AblationTally(sizes: [1, 2])
        tally.add(image(2, on: [0, 2], off: [2, 0])) { $0 == 2 }
        tally.add(image(1, on: [2, 2], off: [1, 0])) { $0 >= 2 }
        #expect(tally.images == 2 && tally.withoutSAE == 1 && tally.on == [1, 2] && tally.off == [1, 0])
        #expect(tally.share(tally.on[0]) == 0.5)
        #expect(AblationTally(sizes: []).share(0) == 0)
        #expect(ClassAnswer(logits: [1, 3, 3]).best == 1)
    }
}
