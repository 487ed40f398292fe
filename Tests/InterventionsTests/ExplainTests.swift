// Explanations: against PyTorch's integrated gradients (tools/reference/explain.py), that their parts add up, and that a
// planted change comes out first.

import Basics
import CLIP
import Checkpoints
import Foundation
import Interventions
import Kernels
import SAE
import Testing

@Suite(.serialized) struct ExplainTests {
    /// Parts absolute, of logit differences up to 30: f32 against f64. Contributions to 1e-4 of their whole magnitude.
    @Test(arguments: ExplainGolden.shared?.explained ?? []) func matchesTheReference(_ test: ExplainGolden.Explained) throws {
        let golden = try #require(ExplainGolden.shared), scenes = try #require(EmbeddedScenes.shared)
        let adapted = try scenes.setting(test.adapter, hook: test.hook, [golden.images[test.image]], adaptedHead: true)
        let base = try scenes.setting("base", hook: test.hook, [golden.images[test.image]])
        let found = try adapted.upper.explain(
            adapted.images[0], from: base.upper, base.images[0], error: test.term == "kept" ? .kept : .dropped)
        #expect(found.metric == LogitDifference(class: test.class, against: test.against))
        #expect(found.nodes == test.nodes)
        #expect(abs(found.total - test.total) < 2e-4, "\(found.total), \(test.total)")
        let parts = [found.parts.text, found.parts.above, found.parts.latents, found.parts.remainder, found.parts.error]
        for (own, expected) in zip(parts, test.parts) { #expect(abs(own - expected) < 3e-4, "\(parts), reference \(test.parts)") }
        #expect(abs(found.magnitude - test.magnitude) < 1e-4 * test.magnitude)
        let byLatent = Dictionary(found.latents.map { ($0.latent, $0) }, uniquingKeysWith: { first, _ in first })
        for (place, latent) in test.latents.enumerated() {
            let own = try #require(byLatent[latent])
            #expect(abs(own.classToken - test.classToken[place]) < 1e-4 * test.magnitude && abs(own.patches - test.patches[place]) < 1e-4 * test.magnitude)
            // A few nodes against 64: what the rule leaves is small in each latent too.
            #expect(abs(own.total - test.exact[place]) < 0.01 * test.magnitude, "latent \(latent): \(own.total), exactly \(test.exact[place])")
            #expect(abs(found.patchMap(of: latent).reduce(0) { $0 + Double($1) } - own.patches) < 1e-4)
        }
        // Equal but for rounding, so is the order but for near ties.
        for (own, expected) in zip(found.latents, test.latents) where own.latent != expected {
            let theirs = try #require(byLatent[expected])
            #expect(abs(abs(own.total) - abs(theirs.total)) < 2e-4 * test.magnitude, "\(own.latent) before \(expected)")
        }
        for (own, expected) in zip(found.patchTotals, test.patchTotals) { #expect(abs(own - expected) < 2e-4, "\(own), \(expected)") }
    }

    /// Seeded towers with everything that can differ: prompts that are carried or replaced, other hooks, both terms.
    @Test(arguments: [(0, 0), (1, 0), (2, 0), (3, 0), (2, 1), (1, 4), (2, 4)]) func partsAddUp(_ hook: Int, _ prompts: Int) throws {
        let seed = UInt64.random(in: 0..<1 << 32)
        let folder = try SeededFolder(), adapted = try folder.setting(seed: seed, hook: hook, prompts: prompts)
        let plain = try folder.setting(seed: seed, hook: hook)
        // Another image stands for the base where there are no prompts to change it.
        let other = prompts > 0 ? 0 : 1
        for term in [ErrorTerm.dropped, .kept] {
            let found = try adapted.upper.explain(adapted.images[0], from: plain.upper, plain.images[other], error: term)
            #expect(abs(found.parts.total - found.total) < 1e-9, "seed \(seed)")
            let own = found.metric.of(ClassAnswer(logits: adapted.head.logits(adapted.images[0].embedding)))
            let theirs = found.metric.of(ClassAnswer(logits: plain.head.logits(plain.images[other].embedding)))
            #expect(found.total == own - theirs && found.adapted == own && found.base == theirs)
            #expect(abs(found.parts.remainder) <= 0.005 * found.magnitude + 1e-3 || found.nodes == 32, "seed \(seed): \(found.parts), \(found.nodes) nodes")
            #expect(found.parts.text == 0, "one head for both")
            let entries = found.contributions.values.reduce(0) { $0 + Double($1) }
            #expect(abs(found.latents.reduce(0) { $0 + $1.total } - entries) < 1e-6 && abs(entries - found.parts.latents) < 1e-6)
            #expect(abs(Double(found.patchTotals.reduce(0, +)) + Double(found.classTotal) - entries) < 1e-3)
            let totals = found.latents.map { abs($0.total) }
            #expect(totals == totals.sorted(by: >))
        }
    }

    /// With more nodes the remainder goes away.
    @Test func theRemainderGoesAway() throws {
        let golden = try #require(ExplainGolden.shared), scenes = try #require(EmbeddedScenes.shared)
        let adapted = try scenes.setting("vpt", hook: 4, golden.images, adaptedHead: true), base = try scenes.setting("base", hook: 4, golden.images)
        for image in golden.images.indices {
            let few = try adapted.upper.explain(adapted.images[image], from: base.upper, base.images[image], nodes: 1)
            let found = try adapted.upper.explain(adapted.images[image], from: base.upper, base.images[image])
            let many = try adapted.upper.explain(adapted.images[image], from: base.upper, base.images[image], remainderMax: 0)
            #expect(few.nodes == 1 && found.nodes >= 4 && many.nodes == 32)
            #expect(abs(many.parts.remainder) < 1e-4 * many.magnitude, "image \(image): \(many.parts) of \(many.magnitude)")
            #expect(abs(found.parts.remainder) <= 0.005 * found.magnitude && abs(found.parts.remainder) < abs(few.parts.remainder))
            #expect(few.parts.error.isAlmost(found.parts.error) && few.parts.above == found.parts.above)
        }
    }

    /// The same view against itself; and other class directions alone, as a CoOp or CoCoOp changes them.
    @Test func nothingChangedIsNothingExplained() throws {
        let folder = try SeededFolder(), setting = try folder.setting(seed: 12, hook: 2)
        let same = try setting.upper.explain(setting.images[0], from: setting.upper, setting.images[0])
        #expect(same.total == 0 && same.parts == Explanation.Parts.zero && same.latents.isEmpty && same.nodes == 0)
        #expect(same.patchTotals == [Float](repeating: 0, count: 25) && same.patchMap(of: 3) == same.patchTotals)
        let head = setting.head
        let conditional = UpperTower(vision: setting.vision, hook: setting.hook, sae: setting.sae) { embedding in head.logits(embedding).map { -$0 } }
        let text = try conditional.explain(setting.images[0], from: setting.upper, setting.images[0], metric: LogitDifference(class: 1, against: 0))
        #expect(text.total == text.parts.text && text.total == -2 * text.base && text.latents.isEmpty && text.nodes == 0)
        // But where the streams differ the class directions must be known.
        #expect(message { _ = try conditional.explain(setting.images[0], from: setting.upper, setting.images[1]) }
            == "this view's text features depend on the image; give those of the image as its head")
    }

    /// Set back alone, a latent moves the answer by what substitution says, and about by its contribution; set back
    /// together, the changed latents undo the change.
    @Test func latentsSetBackUndoTheChange() throws {
        let golden = try #require(ExplainGolden.shared), scenes = try #require(EmbeddedScenes.shared)
        let adapted = try scenes.setting("shape", hook: 4, golden.images), base = try scenes.setting("base", hook: 4, golden.images)
        var first = 0.0, random = 0.0
        for image in golden.images.indices {
            let own = adapted.images[image], theirs = base.images[image]
            let found = try adapted.upper.explain(own, from: base.upper, theirs)
            let back = try adapted.upper.setBack(found, own, to: theirs.latents, alone: 5, together: [5, 20, 1000], seed: 7)
            #expect(back.alone.map(\.latent) == found.latents.prefix(5).map(\.latent))
            #expect(back.together.map(\.count) == [5, 20, found.latents.count])
            let sets = LatentSets([[], [found.latents[0].latent], found.latents.prefix(20).map(\.latent)], latents: scenes.sae.config.latents)
            let expected = try adapted.upper.substitute(sets, of: own, with: theirs.latents, error: .dropped)
            #expect(abs(back.metric - found.metric.of(expected[0])) < 1e-4)
            #expect(abs(back.alone[0].metric - found.metric.of(expected[1])) < 1e-4)
            #expect(abs(back.together[1].metric - found.metric.of(expected[2])) < 1e-4 && back.together[1].answer.best == expected[2].best)
            for (own, latent) in zip(back.alone, found.latents) {
                #expect(own.change == own.metric - back.metric)
                // Or as good as nothing: a contribution is an average along the way, this a step off its end.
                #expect(
                    own.change * latent.total < 0 || abs(own.change) < 0.1 * abs(latent.total),
                    "latent \(latent.latent) gives \(latent.total), without it \(own.change)")
            }
            // All of them: the adapted tower on the base's stream, however they are drawn.
            let all = try #require(back.together.last)
            #expect(abs(back.metric - all.metric - found.parts.latents - found.parts.remainder) < 1e-3)
            #expect(all.random.count == 5 && abs(all.randomMetric - all.metric) < 1e-3)
            first += back.metric - back.together[1].metric
            random += back.metric - back.together[1].randomMetric
        }
        #expect(first > 2 * abs(random), "20 first latents move the difference by \(first), random ones by \(random)")
    }

    @Test func metricsAreChosenByTheAnswers() throws {
        func answer(_ logits: Float...) -> ClassAnswer { ClassAnswer(logits: logits) }
        let base = answer(1, 5, 4, 0), adapted = answer(9, 2, 1, 0)
        #expect(try LogitDifference(adapted: adapted, base: base) == LogitDifference(class: 0, against: 1))
        #expect(try LogitDifference(adapted: base, base: base) == LogitDifference(class: 1, against: 2))
        #expect(try LogitDifference(class: 3, adapted: adapted, base: base) == LogitDifference(class: 3, against: 1))
        #expect(try LogitDifference(class: 1, adapted: adapted, base: base) == LogitDifference(class: 1, against: 2))
        #expect(try LogitDifference(against: 0, adapted: adapted, base: base) == LogitDifference(class: 1, against: 0))
        #expect(try LogitDifference(class: 3, against: 2, adapted: adapted, base: base).of(base) == -4)
        #expect(message { _ = try LogitDifference(class: 2, against: 2, adapted: adapted, base: base) } == "a class against itself; give another class to set against it")
        #expect(message { _ = try LogitDifference(class: 4, adapted: adapted, base: base) } == "class 4 of 4")
        #expect(message { _ = try LogitDifference(adapted: answer(1), base: answer(1)) } == "the view has one class only; a difference of logits needs two")
    }

    @Test func whatDoesNotFitIsAnError() throws {
        let folder = try SeededFolder(), setting = try folder.setting(seed: 13, hook: 2), other = try folder.setting(seed: 13, hook: 1)
        let image = setting.images[0]
        #expect(message { _ = try setting.upper.explain(image, from: other.upper, other.images[0]) }
            == "the base's stream is another: blocks.1.resid_post, 1 class + 5 x 5 patches; the view was made with another adapter or SAE")
        #expect(message { _ = try setting.upper.explain(image, from: setting.upper, image, metric: LogitDifference(class: 7, against: 0)) }
            == "classes 7 and 0 of 7 in one view and 7 in the other")
        let bare = StoredImage(latents: image.latents, embedding: image.embedding)
        #expect(message { _ = try setting.upper.explain(image, from: setting.upper, bare, error: .kept) }.hasPrefix("the SAE's error can be kept only"))
        #expect(message { _ = try setting.upper.explain(image, from: setting.upper, bare) } == "nothing was thrown")
    }
}

extension Double {
    fileprivate func isAlmost(_ other: Double) -> Bool { abs(self - other) < 1e-4 }
}

extension Explanation.Parts {
    fileprivate static var zero: Explanation.Parts { Explanation.Parts(text: 0, above: 0, latents: 0, remainder: 0, error: 0) }
}

func message(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "nothing was thrown"
    } catch { return "\(error)" }
}
