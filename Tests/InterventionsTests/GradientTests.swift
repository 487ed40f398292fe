// Gradients back to the hook against PyTorch's autograd in f64 (tools/reference/explain.py wrote Golden/explain.json),
// and the class token's own way through the last block against the towers' plain one.

import Basics
import CLIP
import Checkpoints
import Foundation
import Interventions
import Kernels
import SAE
import Testing

@Suite(.serialized) struct GradientTests {
    /// Of the root mean square: f32 against f64 through up to five blocks; 2e-5 is the worst seen.
    static let tolerance = 1e-4

    @Test(arguments: ExplainGolden.shared?.odd ?? []) func oddTowersMatchAutograd(_ test: ExplainGolden.Odd) throws {
        let golden = try #require(ExplainGolden.shared)
        let folder = NSTemporaryDirectory() + "saed-gradients-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try ExplainGolden.config(test.name).write(toFile: folder + "/config.json", atomically: true, encoding: .utf8)
        try SeededCLIP(try CLIPConfig(path: folder + "/config.json"), seed: test.seed).write(to: folder + "/model")
        let tower = try CLIPModel.load(folder: folder + "/model").vision(), values = SeededWeights(seed: test.seed)
        let layers = (0..<test.depth).map { values.values("prompts.\($0)", count: golden.prompts * tower.width, scale: 1) }
        let vision = AdaptedVision(tower: tower, prompts: test.depth > 0 ? VisionPrompts(count: golden.prompts, width: tower.width, layers: layers) : nil)
        let head = ZeroShotHead(
            classes: (0..<golden.classes).map { "class \($0)" }, templates: ["{}"],
            features: values.values("head", count: golden.classes * tower.projection, scale: 1), projection: tower.projection, logitScale: golden.scale)
        let side = test.config.vision_config.image_size, stream = vision.layout.count * tower.width
        var x = [Float](repeating: 0, count: 2 * stream)
        vision.run(pixels: values.values("pixels", count: 2 * 3 * side * side, scale: 2), batch: 2, to: HookPoint(block: test.hook), into: &x)
        let metric = LogitDifference(class: golden.chosen, against: golden.against)
        let found = gradients(vision, HookPoint(block: test.hook), x, metric, head)
        for (margin, expected) in zip(found.margins, test.margins) { #expect(abs(margin - expected) < 1e-4 * 20, "\(margin), \(expected)") }
        let error = test.gradient.error(of: found.slopes)
        #expect(error < GradientTests.tolerance, "\(test.testDescription): off by \(error) of the root mean square")
    }

    @Test func theEmbeddedModelMatchesAutograd() throws {
        let golden = try #require(ExplainGolden.shared), scenes = try #require(EmbeddedScenes.shared)
        let metric = LogitDifference(class: golden.scenes.class, against: golden.scenes.against)
        for test in golden.scenes.gradients {
            let setting = try scenes.setting(test.name, hook: test.hook, golden.images)
            let x = try setting.images.flatMap { try setting.reconstruction($0) }
            let found = gradients(setting.vision, setting.hook, x, metric, scenes.head)
            for (margin, expected) in zip(found.margins, test.margins) { #expect(abs(margin - expected) < 1e-4, "\(test.name): \(margin), \(expected)") }
            let error = test.gradient.error(of: found.slopes)
            #expect(error < GradientTests.tolerance, "\(test.name) at block \(test.hook): off by \(error) of the root mean square")
        }
    }

    /// The class token's way and the plain one are the same function, for any batch.
    @Test(arguments: PropertyTests.cases) func embeddingsAreThoseOfFinish(_ hook: Int, _ prompts: Int) throws {
        let seed = UInt64.random(in: 0..<1 << 32)
        let folder = try SeededFolder(), setting = try folder.setting(seed: seed, hook: hook, prompts: prompts, images: 3)
        let x = setting.images.flatMap { $0.activations ?? [] }, projection = setting.vision.tower.projection
        let found = setting.upper.embeddings(x, count: 3)
        for image in 0..<3 {
            let own = found[image * projection..<(image + 1) * projection]
            #expect(zip(own, setting.images[image].embedding).allSatisfy { abs($0 - $1) < 1e-5 * 3 }, "seed \(seed), image \(image)")
            let alone = setting.upper.embeddings(setting.images[image].activations ?? [], count: 1)
            #expect(alone.map(\.bitPattern) == own.map(\.bitPattern), "seed \(seed), image \(image) alone")
        }
    }

    /// What gradients add to a tower is counted, shared with towers of the same weights, and goes with it.
    @Test func transposedWeightsAreCountedAndReleased() throws {
        let model = try CLIPModel.load(folder: Repository.path + "/models/scenes"), adapters = Repository.path + "/models/adapters/"
        let lora = try Adapter.load(path: adapters + "shape", model: model)
        let before = model.byteCount
        let vision = AdaptedVision(tower: try model.vision()), changed = try lora.vision(model)
        let packed = model.byteCount, own = lora.byteCount
        #expect(before == 0 && packed > 0 && own > 0 && own < packed)
        let head = ZeroShotHead(classes: ["a", "b"], templates: [], features: [Float](repeating: 0.1, count: 256), projection: 128, logitScale: 1)
        let x = SeededWeights(seed: 1).values("x", count: vision.layout.count * 160, scale: 1), metric = LogitDifference(class: 0, against: 1)
        _ = gradients(changed, HookPoint(block: 4), x, metric, head)
        // The last block and the projection are the model's own: the LoRA changes blocks 0 to 4.
        #expect(lora.byteCount == own && model.byteCount > packed)
        let last = model.byteCount
        _ = gradients(vision, HookPoint(block: 4), x, metric, head)
        #expect(model.byteCount == last, "made once for both")
        _ = gradients(changed, HookPoint(block: 3), x, metric, head)
        #expect(lora.byteCount > own && model.byteCount == last)
        model.release()
        lora.release()
        #expect(model.byteCount == 0 && lora.byteCount == 0)
    }

    private func gradients(_ vision: AdaptedVision, _ hook: HookPoint, _ x: [Float], _ metric: LogitDifference, _ head: ZeroShotHead)
        -> (margins: [Double], slopes: [Float])
    {
        let stream = vision.layout.count * vision.tower.width, batch = x.count / stream, p = vision.tower.projection
        var slopes = [Float](repeating: .nan, count: x.count), embeddings = [Float](repeating: .nan, count: batch * p)
        let w = (0..<p).map { Double(head.logitScale) * (Double(head.features[metric.class * p + $0]) - Double(head.features[metric.against * p + $0])) }
        vision.gradients(x, batch: batch, from: hook, into: &slopes, embeddings: &embeddings) { images, e, d in
            for image in 0..<images.count {
                let v = (0..<p).map { Double(e[image * p + $0]) }, square = v.reduce(0) { $0 + $1 * $1 }, along = zip(v, w).reduce(0) { $0 + $1.0 * $1.1 }
                for i in 0..<p { d[image * p + i] = Float((w[i] - v[i] * along / square) / square.squareRoot()) }
            }
        }
        let margins = (0..<batch).map { metric.of(ClassAnswer(logits: head.logits(Array(embeddings[$0 * p..<($0 + 1) * p])))) }
        return (margins, slopes)
    }
}
