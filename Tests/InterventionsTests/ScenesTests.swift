// The embedded model with changed latents. Reference: transformers' modules and the definitions in f64;
// tools/reference/interventions.py wrote scenes.json, and must run again whenever models/scenes or models/saes change.

import Basics
import CLIP
import Checkpoints
import Foundation
import Imaging
import Interventions
import SAE
import Testing

/// Golden/scenes.json.
private struct Golden: Decodable {
    struct Answers: Decodable {
        /// One an image.
        let best: [Int]
        /// `[images, every classStep-th class]`.
        let logits: [Float]
    }
    struct View: Decodable {
        let hook, depth: Int
        let ranking: [UInt32]
        let withoutSAE: [Answers]
        /// `[on and off][size]`.
        let dropped: [Answers]
        let published, kept, substituted: [Answers]?
        let sets: [[UInt32]]?
        let active: Double
    }
    let model, sae: String
    let seed: UInt64
    let prompts, classStep: Int
    let sizes: [Int]
    let images: [String]
    let views: [String: View]

    static func load() throws -> Golden {
        let golden = try JSONDecoder().decode(
            Golden.self, from: Data(contentsOf: URL(fileURLWithPath: Bundle.module.bundlePath + "/Golden/scenes.json")))
        for (file, hash) in [("scenes/model.safetensors", golden.model), ("saes/scenes/sae_weights.safetensors", golden.sae)] {
            let found = ContentHash(of: try Data(contentsOf: URL(fileURLWithPath: Repository.path + "/models/" + file)))
            try #require(found.hex == hash, "models/\(file) has changed: run tools/reference/interventions.py")
        }
        return golden
    }
}

@Suite(.serialized) struct ScenesTests {
    private func setting(_ golden: Golden, _ view: Golden.View) throws -> Setting {
        let model = try CLIPModel.load(folder: Repository.path + "/models/scenes")
        let tower = try model.vision()
        let layers = (0..<view.depth).map {
            SeededWeights(seed: golden.seed).values("prompts.\($0)", count: golden.prompts * tower.width, scale: 1)
        }
        let prompts = view.depth > 0 ? VisionPrompts(count: golden.prompts, width: tower.width, layers: layers) : nil
        let classes = try String(contentsOfFile: Repository.path + "/models/classes/scenes.txt", encoding: .utf8).split(separator: "\n").map(String.init)
        let templates = try TemplateSet(Repository.path + "/models/classes/scenes.templates.txt").templates
        return Setting(
            vision: AdaptedVision(tower: tower, prompts: prompts), hook: HookPoint(block: view.hook),
            sae: try SparseAutoencoder.load(path: Repository.path + "/models/saes/scenes"),
            head: try ZeroShotHead(model: model, classes: classes, templates: templates),
            pixels: try pixels(golden, model), count: golden.images.count)
    }

    private func pixels(_ golden: Golden, _ model: CLIPModel) throws -> [Float] {
        let preprocessor = Preprocessor(model.preprocess), side = model.config.vision.imageSize, count = 3 * side * side
        var pixels = [Float](repeating: 0, count: golden.images.count * count)
        for (index, name) in golden.images.enumerated() {
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Repository.path + "/" + name)))
            let crop = preprocessor.crop(try decodeImage(bytes))
            pixels.withUnsafeMutableBufferPointer {
                preprocessor.normalize(crop, into: UnsafeMutableBufferPointer(rebasing: $0[index * count..<(index + 1) * count]))
            }
        }
        return pixels
    }

    /// Absolute, of logits up to 30: f32 against f64 differs by up to 3e-5 here.
    private func compare(_ found: ClassAnswer, _ expected: Golden.Answers, image: Int, _ golden: Golden, _ what: String) {
        let own = stride(from: 0, to: found.logits.count, by: golden.classStep).map { found.logits[$0] }
        let theirs = expected.logits[image * own.count..<(image + 1) * own.count]
        let worst = zip(own, theirs).map { abs($0 - $1) }.max() ?? .infinity
        #expect(worst < 1e-4, "\(what), image \(image): logits differ by \(worst)")
        #expect(found.best == expected.best[image], "\(what), image \(image)")
    }

    @Test(arguments: ["base", "lower", "carried", "replaced"])
    func ablationMatchesTheReference(_ name: String) throws {
        let golden = try Golden.load(), view = try #require(golden.views[name])
        let setting = try setting(golden, view)
        let masks = AblationMasks(ranking: view.ranking, sizes: golden.sizes, latents: setting.sae.config.latents)
        let terms: [(ErrorTerm, [Golden.Answers]?)] = [
            (.dropped, view.dropped), (.droppedAsPublished, view.published), (.kept, view.kept),
        ]
        for (term, expected) in terms {
            guard let expected else { continue }
            for (index, image) in setting.images.enumerated() {
                let ablated = try setting.upper.ablate(image, masks, error: term)
                compare(ablated.withoutSAE, view.withoutSAE[0], image: index, golden, "\(name) unchanged")
                for (size, k) in golden.sizes.enumerated() {
                    compare(ablated.on[size], expected[size], image: index, golden, "\(name) \(term) on \(k)")
                    compare(ablated.off[size], expected[golden.sizes.count + size], image: index, golden, "\(name) \(term) off \(k)")
                }
            }
        }
    }

    @Test(arguments: ["carried", "replaced"])
    func substitutionMatchesTheReference(_ name: String) throws {
        let golden = try Golden.load(), view = try #require(golden.views[name]), base = try #require(golden.views["base"])
        let adapted = try setting(golden, view), plain = try setting(golden, base)
        let expected = try #require(view.substituted), latents = adapted.sae.config.latents
        let sets = LatentSets(try #require(view.sets) + [Array(0..<UInt32(latents))], latents: latents)
        for (index, image) in adapted.images.enumerated() {
            let answers = try adapted.upper.substitute(sets, of: image, with: plain.images[index].latents)
            #expect(answers.count == expected.count)
            for (set, answer) in answers.enumerated() { compare(answer, expected[set], image: index, golden, "\(name) set \(set)") }
            compare(answers[0], view.withoutSAE[0], image: index, golden, "\(name) empty set")
        }
    }

    /// The paper's finding: an answer hangs on its class's first latents, not on as many random ones.
    @Test func theAnswerHangsOnItsClassesLatents() throws {
        let golden = try Golden.load(), view = try #require(golden.views["base"])
        let setting = try setting(golden, view), latents = setting.sae.config.latents, k = 7, draws = 16
        let active = RandomLatents.active(in: setting.images.prefix(2).map(\.latents))
        func right(_ ranking: [UInt32]) throws -> AblationTally {
            var tally = AblationTally(sizes: [k])
            let masks = AblationMasks(ranking: ranking, sizes: [k], latents: latents)
            for image in setting.images.prefix(2) { tally.add(try setting.upper.ablate(image, masks)) { $0 == 3 } }
            return tally
        }
        let chosen = try right(view.ranking)
        let random = try (0..<draws).reduce(0) { try $0 + right(RandomLatents.ranking(of: active, seed: UInt64($1))).off[0] }
        #expect(chosen.withoutSAE == 2 && chosen.off == [0], "\(chosen)")
        #expect(random > draws, "of \(2 * draws) answers with \(k) random of \(active.count) latents off, \(random) are right")
    }
}
