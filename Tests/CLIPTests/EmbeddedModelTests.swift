// The embedded model on real images, from files to logits. Reference: transformers with Pillow's processor in f32;
// tools/reference/clip.py scenes wrote scenes.json, and must run again whenever models/scenes changes.

import Basics
import CLIP
import Checkpoints
import Foundation
import Imaging
import Testing

@Suite(.serialized) struct EmbeddedModelTests {
    static let folder = Golden.repository + "/models/scenes"

    /// Images of the repository, prepared: `[names, 3, S, S]`.
    static func pixels(_ names: [String], _ model: CLIPModel) throws -> [Float] {
        let preprocessor = Preprocessor(model.preprocess)
        let imageCount = 3 * model.config.vision.imageSize * model.config.vision.imageSize
        var pixels = [Float](repeating: 0, count: names.count * imageCount)
        for (index, name) in names.enumerated() {
            let crop = preprocessor.crop(try decodeImage(try readSmallFile(Golden.repository + "/" + name)))
            pixels.withUnsafeMutableBufferPointer {
                preprocessor.normalize(
                    crop, into: UnsafeMutableBufferPointer(rebasing: $0[index * imageCount..<(index + 1) * imageCount]))
            }
        }
        return pixels
    }

    private func golden() throws -> JSON {
        try #require(fileExists(Golden.folder + "/scenes.json"), "no scenes.json: run tools/reference/clip.py scenes")
        let json = try Golden.json("scenes")
        let weights = ContentHash(of: try readSmallFile(EmbeddedModelTests.folder + "/model.safetensors"))
        try #require(
            json["weights"]?.string == weights.hex,
            "models/scenes has other weights: run tools/reference/clip.py scenes")
        return json
    }

    @Test func towersMatchTransformersOnRealImages() throws {
        let golden = try golden()
        let model = try CLIPModel.load(folder: EmbeddedModelTests.folder)
        let names = golden["images"]!.elements.map(\.string)
        let pixels = try EmbeddedModelTests.pixels(names, model)
        let embeddings = compareVision(
            "scenes", try model.vision(), pixels, names.count, ParityCase.hooks(golden),
            golden["imageEmbeddings"]!.floats)

        let tokenizer = try model.tokenizer()
        check(
            "scenes", "text embeddings",
            try model.text().embed(golden["prompts"]!.elements.map { tokenizer.encode($0.string) }),
            golden["textEmbeddings"]!.floats)

        let classes = try String(contentsOfFile: Golden.repository + "/models/classes/scenes.txt", encoding: .utf8)
            .split(separator: "\n").map(String.init)
        let templates = try TemplateSet(Golden.repository + "/models/classes/scenes.templates.txt").templates
        let head = try ZeroShotHead(model: model, classes: classes, templates: templates)
        let logits = names.indices.flatMap {
            head.logits(Array(embeddings[$0 * head.projection..<($0 + 1) * head.projection]))
        }
        check("scenes", "logits", logits, golden["logits"]!.floats)
    }

    @Test func itsTokenizerEqualsTransformers() throws {
        let tokenizer = try CLIPModel.load(folder: EmbeddedModelTests.folder).tokenizer()
        let cases = try golden()["tokens"]!.elements
        #expect(cases.count > 60)
        for golden in cases {
            let text = golden["text"]!.string
            #expect(tokenizer.encode(text) == golden["ids"]!.elements.map { Int32($0.integer) }, "'\(text)'")
        }
    }

    @Test func itIsWholeAndSmall() throws {
        let summary = try CLIPModel.inspect(folder: EmbeddedModelTests.folder)
        #expect(summary.parameters * 2 < 16 << 20)
        #expect(try openTensors(EmbeddedModelTests.folder).info("visual_projection.weight")?.dtype == .f16)
    }
}
