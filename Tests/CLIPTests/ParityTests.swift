// Reference: transformers' CLIPModel in f32 with the same seeded weights; tools/reference/clip.py wrote the files.
// Tolerance 1e-4 relative, for the L2 norm and for the largest difference: f32 sums in another order differ by
// about 1e-6 after twelve blocks, a wrong epsilon or activation by 1e-3 and more.

import Basics
import CLIP
import Foundation
import Testing

@Suite(.serialized) struct ParityTests {
    static let tolerance = 1e-4

    @Test(arguments: ["odd70", "odd70-f16", "odd70-bf16", "gelu", "one-patch", "eos300", "vit-b16", "vit-b32"])
    func towersMatchTransformers(_ name: String) throws { try compare(name) }

    @Test(
        .enabled(
            if: ProcessInfo.processInfo.environment["SAED_TEST_L14"] == "1",
            "set SAED_TEST_L14=1 (2 GB of disk, 3 GB of memory)"))
    func largeTowersMatchTransformers() throws {
        try compare("vit-l14")
        try compare("vit-l14-336")
    }

    private func compare(_ name: String) throws {
        let golden = try ParityCase(name)
        let folder = try TemporaryFolder()
        try SeededCLIP(golden.config, seed: golden.seed, dtype: golden.dtype).write(to: folder.path)
        let model = try CLIPModel.load(folder: folder.path)
        let side = golden.config.vision.imageSize
        let pixels = SeededWeights(seed: golden.seed).values("pixels", count: golden.batch * 3 * side * side, scale: 2)
        let tower = try model.vision()
        let embeddings = compareVision(name, tower, pixels, golden.batch, golden.hooks, golden.imageEmbeddings)
        let texts = try model.text().embed(golden.prompts)
        check(name, "text embeddings", texts, golden.textEmbeddings)

        // Logits against each prompt: a head whose classes are the prompts.
        let features = normalizedRows(texts, width: golden.config.projection)
        let head = ZeroShotHead(
            classes: golden.prompts.indices.map(String.init), templates: [], features: features,
            projection: golden.config.projection,
            logitScale: model.logitScale)
        let logits = (0..<golden.batch).flatMap {
            head.logits(Array(embeddings[$0 * head.projection..<($0 + 1) * head.projection]))
        }
        // A cosine near zero is a small difference of large sums: its error is relative to the scale of all logits.
        check(name, "logits", logits, golden.logits)
    }
}

/// The hooks, the embeddings from each of them, and from the pixels at once.
@discardableResult
func compareVision(
    _ name: String, _ tower: VisionTower, _ pixels: [Float], _ batch: Int, _ hooks: [ParityCase.Hook],
    _ expected: [Float]
) -> [Float] {
    var embeddings = [Float](repeating: 0, count: batch * tower.projection)
    for golden in hooks {
        let hook = HookPoint(block: golden.block)
        var x = [Float](repeating: .nan, count: batch * tower.layout.count * tower.width)
        tower.run(pixels: pixels, batch: batch, to: hook, into: &x)
        check(name, "\(hook)", ParityCase.sampled(x), golden.samples, scale: golden.maxAbs)
        check(name, "\(hook) token norms", rowNorms(x, width: tower.width), golden.norms)
        check(name, "\(hook) maximum", [x.map(abs).max()!], [golden.maxAbs])
        tower.finish(&x, batch: batch, from: hook, into: &embeddings)
        check(name, "embeddings from \(hook)", embeddings, expected)
    }
    tower.embed(pixels: pixels, batch: batch, embeddings: &embeddings)
    check(name, "embeddings", embeddings, expected)
    return embeddings
}

func check(_ name: String, _ what: String, _ found: [Float], _ expected: [Float], scale: Float? = nil) {
    #expect(found.count == expected.count, "\(name) \(what)")
    guard found.count == expected.count else { return }
    let difference = Difference(found, expected, scale: scale)
    #expect(difference.isWithin(ParityTests.tolerance), "\(name) \(what): \(difference)")
    if ProcessInfo.processInfo.environment["SAED_TEST_VERBOSE"] == "1" { print("\(name) \(what): \(difference)") }
}

func rowNorms(_ x: [Float], width: Int) -> [Float] {
    (0..<x.count / width).map { row in
        Float(x[row * width..<(row + 1) * width].reduce(0) { $0 + Double($1) * Double($1) }.squareRoot())
    }
}

func normalizedRows(_ x: [Float], width: Int) -> [Float] {
    let norms = rowNorms(x, width: width)
    return x.indices.map { x[$0] / norms[$0 / width] }
}
