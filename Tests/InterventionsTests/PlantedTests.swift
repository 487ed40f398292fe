// A planted change comes out first. The adapted view is the base's stream with one latent's decoder direction added on a
// block of patches, as a test-only adapter would; what is stored of it is what the SAE makes of that stream.
//
// Which plants can come out first: not every latent does. Of the embedded SAE's 47 latents 46 are alive on these scenes,
// and some of those have a bias so low that their own direction alone does not wake them, at twice their peak: what
// the SAE then sees are others. So a case counts where the plant is what it is meant to be,
//   1. the latent is alive: active on patches of at least three of the scenes;
//   2. the SAE reads it: re-encoded, its value on the planted patches rises by at least 3/4 of what was added, 2 x its peak;
//   3. it matters: the margin of the class that gained most over the one that lost most moves by at least 1 (a logit is 100
//      times a cosine), and setting that one latent back, exactly and without a gradient, undoes at least half of it.
// All three are known before anything is explained. Cases are drawn until 100 count; how many were drawn is printed. Of seeds
// 1 to 12 beside this one, nine have 100 of 100, the others 99, 99 and 98: others that the plant wakes add more by themselves.

import Basics
import CLIP
import Foundation
import Interventions
import SAE
import Testing

@Suite(.serialized) struct PlantedTests {
    private static let side = 4

    @Test(arguments: [2026 as UInt64]) func aPlantedDirectionComesOutFirst(_ seed: UInt64) throws {
        let scenes = try #require(EmbeddedScenes.shared), folder = Repository.path + "/models/heldout/images"
        let classes = try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasSuffix(".jpg") }.sorted()
        let images = try classes.enumerated().filter { $0.offset % 2 == 0 }.map { _, name in
            "models/heldout/images/\(name)/" + (try #require(FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(name)").sorted().first))
        }
        let base = try scenes.setting("base", hook: 4, images), upper = base.upper
        let layout = base.vision.layout, d = base.vision.tower.width
        let count = scenes.sae.config.latents
        var peaks = [Float](repeating: 0, count: count), counts = [Int](repeating: 0, count: count)
        for image in base.images {
            let patches = image.latents.slice(rows: layout.tokens(of: .patch))
            for latent in Set(patches.indices) { counts[Int(latent)] += 1 }
            for (latent, value) in zip(patches.indices, patches.values) { peaks[Int(latent)] = max(peaks[Int(latent)], value) }
        }
        let alive = (0..<count).filter { counts[$0] >= 3 }
        var random = SplitMix(seed: seed), drawn = 0, counted = 0, first = 0, failures: [String] = []
        while counted < 100, drawn < 5000 {
            drawn += 1
            let image = base.images[random.below(base.images.count)], latent = alive[random.below(alive.count)]
            let row = random.below(layout.rows - Self.side + 1), column = random.below(layout.columns - Self.side + 1)
            let tokens = (0..<Self.side * Self.side).map { 1 + (row + $0 / Self.side) * layout.columns + column + $0 % Self.side }
            let amount = 2 * peaks[latent], direction = try scenes.sae.direction(of: latent)
            var x = try #require(image.activations)
            for token in tokens { for i in 0..<d { x[token * d + i] += amount * direction[i] } }
            let latents = scenes.sae.encode(x, rows: layout.count)
            let rise = tokens.reduce(Float(0)) {
                $0 + latents.value(row: $1, column: UInt32(latent)) - image.latents.value(row: $1, column: UInt32(latent))
            } / Float(tokens.count)
            guard rise >= 0.75 * amount else { continue }
            let planted = StoredImage(latents: latents, embedding: upper.embeddings(x, count: 1), activations: x)
            let before = try upper.answer(image.embedding).logits, after = try upper.answer(planted.embedding).logits
            let changes = zip(after, before).map { $0 - $1 }
            let gained = try #require(changes.indices.max { changes[$0] < changes[$1] }), lost = try #require(changes.indices.min { changes[$0] < changes[$1] })
            let moved = Double(changes[gained] - changes[lost]), metric = LogitDifference(class: gained, against: lost)
            guard moved >= 1 else { continue }
            let answers = try upper.substitute(LatentSets([[], [UInt32(latent)]], latents: count), of: planted, with: image.latents, error: .dropped)
            guard metric.of(answers[0]) - metric.of(answers[1]) >= moved / 2 else { continue }
            counted += 1
            let explained = try upper.explain(planted, from: upper, image, metric: metric)
            let strongest = try #require(explained.latents.first)
            #expect(abs(explained.parts.total - explained.total) < 1e-9 && abs(explained.total - moved) < 1e-3)
            #expect(explained.parts.text == 0 && abs(explained.parts.above) < 1e-3, "nothing but the stream was changed")
            if strongest.latent == UInt32(latent) { first += 1 } else {
                failures.append("draw \(drawn): latent \(latent) at \(row),\(column) x \(amount): \(explained.latents.prefix(3))")
            }
            // Where it was planted is where it counts.
            let map = explained.patchMap(of: UInt32(latent)), inside = tokens.reduce(0) { $0 + abs(map[$1 - 1]) }
            #expect(inside > 0.9 * map.reduce(0) { $0 + abs($1) }, "draw \(drawn): latent \(latent) outside its patches")
        }
        print("planted, seed \(seed): \(first) of \(counted) first; \(drawn) drawn of \(alive.count) latents alive")
        #expect(counted == 100 && first == counted, "\(failures)")
    }
}
