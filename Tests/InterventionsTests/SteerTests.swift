// Steering: that nothing changed is nothing changed to the bit, that edits are the definition, and that bad ones are errors.

import Basics
import CLIP
import Interventions
import SAE
import Testing

@Suite(.serialized) struct SteerTests {
    private func changes(_ setting: Setting, _ edits: LatentEdit...) throws -> LatentChanges {
        try LatentChanges(edits, of: setting.images[0].latents, layout: setting.vision.layout)
    }

    /// A latent that is active on some patches of the first image, and the strongest of those.
    private func active(_ setting: Setting) throws -> (latent: UInt32, token: Int, value: Float) {
        let latents = setting.images[0].latents
        let entries = latents.range(of: 3)
        let entry = try #require(entries.max { latents.values[$0] < latents.values[$1] })
        return (latents.indices[entry], 3, latents.values[entry])
    }

    /// Scaling by 1, setting to the stored value, scaling what is silent, no edits at all; both error terms, all hooks.
    @Test(arguments: PropertyTests.cases) func nothingChangedIsTheSameToTheBit(_ hook: Int, _ prompts: Int) throws {
        let folder = try SeededFolder(), setting = try folder.setting(seed: 20, hook: hook, prompts: prompts)
        let (latent, token, value) = try active(setting), layout = setting.vision.layout
        let patch = try #require(layout.patch(of: token))
        let quiet = try (0..<UInt32(SeededFolder.latents)).filter {
            try LatentEdit(latent: $0, change: .scale(1)).activeTokens(in: setting.images[0].latents, layout: layout) == 0
        }
        let silent = try #require(quiet.first)
        let same = [
            try changes(setting), try changes(setting, LatentEdit(latent: latent, change: .scale(1))),
            try changes(setting, LatentEdit(latent: latent, place: .patch(row: patch.row, column: patch.column), change: .to(value))),
            try changes(setting, LatentEdit(latent: silent, change: .scale(7))), try changes(setting, LatentEdit(latent: silent, place: .classToken, change: .to(0))),
        ]
        #expect(same.allSatisfy { $0.isEmpty })
        // Above the last block the class token alone counts.
        let latents = setting.images[0].latents, loud = latents.indices[try #require(latents.range(of: 0).max { latents.values[$0] < latents.values[$1] })]
        let gone = try changes(setting, LatentEdit(latent: loud, change: .scale(0)))
        for term in [ErrorTerm.dropped, .kept, .droppedAsPublished] {
            let answers = try setting.upper.steer(setting.images[0], same + [gone], error: term)
            #expect(answers.after.count == 6)
            #expect(answers.after.prefix(5).allSatisfy { $0.isSame(as: answers.before) })
            #expect(!answers.after[5].isSame(as: answers.before), "\(term): latent \(loud) matters")
            // The same however many are asked for at once.
            #expect(try setting.upper.steer(setting.images[0], [], error: term).before.isSame(as: answers.before))
            #expect(try setting.upper.steer(setting.images[0], [gone, gone], error: term).after.allSatisfy { $0.isSame(as: answers.after[5]) })
        }
    }

    /// Edits are the definition: the decoded stream of latents edited by hand, through the tower's own `finish`.
    @Test(arguments: [(2, 0), (1, 4)]) func editsAreTheDefinition(_ hook: Int, _ prompts: Int) throws {
        let seed = UInt64.random(in: 0..<1 << 32)
        let folder = try SeededFolder(), setting = try folder.setting(seed: seed, hook: hook, prompts: prompts)
        let image = setting.images[0], d = setting.vision.tower.width, layout = setting.vision.layout
        let latent = try active(setting).latent
        let edits = [
            LatentEdit(latent: latent, change: .scale(2.5)), LatentEdit(latent: 17, place: .patch(row: 1, column: 2), change: .to(3)),
            LatentEdit(latent: 18, place: .classToken, change: .to(2)),
            // Later edits hold: here the patch keeps its stored value, and the class token loses the latent.
            LatentEdit(latent: latent, place: .patch(row: 0, column: 0), change: .scale(1)), LatentEdit(latent: latent, place: .classToken, change: .to(0)),
        ]
        var x = try setting.reconstruction(image).map(Double.init)
        func add(_ latent: UInt32, _ token: Int, _ value: Float) throws {
            let change = Double(value) - Double(image.latents.value(row: token, column: latent))
            for (i, direction) in try setting.sae.direction(of: Int(latent)).enumerated() { x[token * d + i] += change * Double(direction) }
        }
        for token in 2..<1 + layout.patches { try add(latent, token, image.latents.value(row: token, column: latent) * 2.5) }
        try add(latent, 0, 0)
        try add(17, 1 + 1 * layout.columns + 2, 3)
        try add(18, 0, 2)
        let expected = setting.answer(toStream: x.map(Float.init))
        let found = try setting.upper.steer(image, [try LatentChanges(edits, of: image.latents, layout: layout)])
        let worst = zip(found.after[0].logits, expected).map { abs($0 - $1) }.max() ?? .infinity
        #expect(worst < 1e-4 * 20, "seed \(seed): logits differ by \(worst)")
        let before = setting.answer(toStream: try setting.reconstruction(image))
        #expect(zip(found.before.logits, before).allSatisfy { abs($0 - $1) < 1e-4 * 20 }, "seed \(seed)")
        // The class token's own way through the last block rounds otherwise, no more.
        #expect(zip(found.after[0].logits, found.before.logits).contains { abs($0 - $1) > 1e-2 })
    }

    /// Prompt tokens keep theirs, whatever is edited everywhere.
    @Test func promptsAreNotEdited() throws {
        let folder = try SeededFolder(), setting = try folder.setting(seed: 22, hook: 2, prompts: 1)
        let all = try changes(setting, LatentEdit(latent: 5, change: .to(9)))
        let layout = setting.vision.layout
        #expect(all.rows == layout.count && all.indptr[1 + layout.patches] == 1 + layout.patches && all.indices.count == 1 + layout.patches)
    }

    @Test func badEditsAreErrors() throws {
        let folder = try SeededFolder(), setting = try folder.setting(seed: 23, hook: 2)
        func problem(_ edit: LatentEdit) -> String { message { _ = try changes(setting, edit) } }
        #expect(problem(LatentEdit(latent: 301, change: .scale(0))) == "latent 301 does not exist; the SAE has 301, from 0 to 300")
        #expect(problem(LatentEdit(latent: 1, place: .patch(row: 5, column: 0), change: .scale(0)))
            == "patch 5,0 is outside the grid of 5 x 5: rows 0 to 4, columns 0 to 4")
        #expect(problem(LatentEdit(latent: 1, place: .patch(row: 0, column: -1), change: .to(1))).hasPrefix("patch 0,-1 is outside"))
        #expect(problem(LatentEdit(latent: 1, change: .scale(.nan))) == "latent 1 can't be scaled by nan")
        #expect(problem(LatentEdit(latent: 1, change: .to(.infinity))) == "latent 1 can't be set to inf")
        let latent = try active(setting).latent
        #expect(problem(LatentEdit(latent: latent, change: .scale(.greatestFiniteMagnitude))).hasPrefix("latent \(latent) would become"))
        let prompted = try folder.setting(seed: 23, hook: 2, prompts: 1)
        #expect(message { _ = try LatentChanges([], of: setting.images[0].latents, layout: prompted.vision.layout) }
            == "latents of 26 tokens are stored where the tower has 29; the view was made with another adapter or SAE")
        #expect(message { _ = try prompted.upper.steer(prompted.images[0], [try changes(setting)]) }.hasPrefix("changes of 26 tokens for a tower of 29"))
        let bare = StoredImage(latents: setting.images[0].latents, embedding: setting.images[0].embedding)
        #expect(message { _ = try setting.upper.steer(bare, [], error: .kept) }.hasPrefix("the SAE's error can be kept only"))
    }
}
