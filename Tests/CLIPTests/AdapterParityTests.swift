// Reference: each method as its paper defines it over transformers' modules; tools/reference/adapters.py wrote the
// files. Weights and prompts are made from the seed on both sides, under the checkpoint's own keys.
// Tolerance 1e-4 relative as in ParityTests: a prompt in a wrong place or block changes everything by 1e-1.

import Basics
import CLIP
import Checkpoints
import Foundation
import Imaging
import Testing

/// What adapters.py wrote for one adapted model.
struct AdapterCase {
    struct Tensor {
        let name: String
        let shape: [Int]
        let scale, offset: Float
    }

    let name: String
    let json: JSON
    let seed: UInt64
    let batch: Int
    let method: AdapterMethod
    let position: ClassPosition
    let classes: [String]
    let tensors: [Tensor]

    init(_ name: String) throws {
        self.name = name
        json = try Golden.json("adapters/" + name)
        seed = UInt64(json["seed"]!.integer)
        batch = json["batch"]!.integer
        method = try #require(AdapterMethod(rawValue: json["method"]!.string))
        position = try #require(ClassPosition(rawValue: json["position"]!.string))
        classes = json["classes"]!.elements.map(\.string)
        tensors = json["tensors"]!.elements.map {
            Tensor(
                name: $0["name"]!.string, shape: $0["shape"]!.elements.map(\.integer), scale: $0["scale"]!.float,
                offset: $0["offset"]!.float)
        }
    }

    /// The checkpoint, under the trainer's keys.
    /// - Parameter prefix: before every key, as DataParallel writes it.
    func write(_ path: String, prefix: String = "", changing: ((String, inout [Float]) -> Void)? = nil) throws {
        let weights = SeededWeights(seed: seed)
        try writeSafetensors(
            path,
            tensors.map { tensor in
                var values = weights.values(
                    tensor.name, count: tensor.shape.reduce(1, *), scale: tensor.scale, offset: tensor.offset)
                changing?(tensor.name, &values)
                return SafetensorsTensor(prefix + tensor.name, shape: tensor.shape, values: values)
            })
    }

    /// What a trainer leaves in a folder: prompts under its keys, PEFT's pair, or a fine-tuned vision tower.
    /// - Returns: the adapter's path.
    func writeAdapter(_ folder: TemporaryFolder, like model: CLIPModel) throws -> String {
        if let tuned = json["tuned"] {
            let text = Set(model.config.tensors.map(\.name)).subtracting(model.config.visionTensors.map(\.name))
            try SeededCLIP(model.config, seed: UInt64(tuned.integer)).write(to: folder.path + "/tuned", skipping: text)
            return folder.path + "/tuned/model.safetensors"
        }
        if let peft = json["peft"] {
            try FileManager.default.createDirectory(atPath: folder.path + "/peft", withIntermediateDirectories: true)
            try folder.write("peft/adapter_config.json", peft.text)
            try write(folder.path + "/peft/adapter_model.safetensors")
            return folder.path + "/peft"
        }
        try write(folder.path + "/prompts.safetensors")
        return folder.path + "/prompts.safetensors"
    }

    /// The model of a seeded case.
    func model(_ folder: TemporaryFolder) throws -> CLIPModel {
        let config = try CLIPConfig(path: folder.write("config-of-case.json", json["config"]!.text))
        try SeededCLIP(config, seed: seed).write(to: folder.path + "/model")
        return try CLIPModel.load(folder: folder.path + "/model")
    }

    func pixels(_ model: CLIPModel) -> [Float] {
        let side = model.config.vision.imageSize
        return SeededWeights(seed: seed).values("pixels", count: batch * 3 * side * side, scale: 2)
    }

    /// Hooks, embeddings, text features and logits.
    func compare(_ adapter: Adapter, _ model: CLIPModel, _ pixels: [Float]) throws {
        let vision = try adapter.vision(model)
        let projection = model.config.projection
        var embeddings = [Float](repeating: 0, count: batch * projection)
        var stream = [Float](repeating: .nan, count: batch * vision.tower.layout.count * vision.tower.width)
        vision.begin(pixels: pixels, batch: batch, into: &stream)
        for golden in ParityCase.hooks(json) {
            let hook = HookPoint(block: golden.block)
            var x = [Float](repeating: .nan, count: batch * vision.layout.count * vision.tower.width)
            vision.start(stream, batch: batch, into: &x)
            // In two steps, as hooks below it would.
            vision.run(&x, batch: batch, blocks: 0..<hook.block)
            vision.run(&x, batch: batch, blocks: hook.block..<hook.block + 1)
            check(name, "\(hook)", ParityCase.sampled(x), golden.samples, scale: golden.maxAbs)
            check(name, "\(hook) token norms", rowNorms(x, width: vision.tower.width), golden.norms)
            vision.finish(&x, batch: batch, from: hook, into: &embeddings)
            check(name, "embeddings from \(hook)", embeddings, json["imageEmbeddings"]!.floats)
        }
        let rows = (0..<batch).map { Array(embeddings[$0 * projection..<($0 + 1) * projection]) }
        let templates = ["a template that learned contexts do not use {}"]
        let logits: [[Float]]
        if adapter.isConditional {
            logits = try rows.map { try adapter.conditionalLogits(model, embedding: $0, classes: classes) }
        } else {
            let head = try adapter.head(
                model, classes: classes, templates: json["templates"]?.elements.map(\.string) ?? templates)
            check(name, "text features", head.features, json["textFeatures"]!.floats)
            logits = rows.map { head.logits($0) }
        }
        check(name, "logits", logits.flatMap { $0 }, json["logits"]!.floats)
    }
}

@Suite(.serialized) struct AdapterParityTests {
    @Test(arguments: [
        "odd-maple-deep", "odd-maple-shallow", "odd-vpt-deep", "odd-vpt-shallow", "odd-ivlp-deep", "odd-ivlp-shallow",
        "odd-ivlp-text", "gelu-maple-deep", "gelu-vpt-deep", "odd-coop-end", "odd-coop-middle", "odd-coop-front",
        "odd-coop-classes", "odd-coop-classes-middle", "odd-cocoop", "gelu-cocoop", "gelu-coop-end", "b16-maple-deep",
        "b16-maple-shallow", "b16-vpt-deep", "b16-vpt-shallow", "b16-ivlp-deep", "b16-coop", "b16-cocoop", "odd-lora",
        "b16-lora", "gelu-finetuned", "b16-finetuned",
    ])
    func adaptersMatchTheReference(_ name: String) throws {
        let golden = try AdapterCase(name)
        let folder = try TemporaryFolder()
        let model = try golden.model(folder)
        let path = try golden.writeAdapter(folder, like: model)
        let adapter = try Adapter.load(path: path, classPosition: golden.position, model: model)
        #expect(adapter.summary.method == golden.method)
        if golden.method != .finetuned {
            #expect(adapter.summary.parameters == golden.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) })
        }
        try golden.compare(adapter, model, golden.pixels(model))

        // Ours, written and read again: the same effect under the same hash.
        try adapter.export(to: folder.path + "/own")
        let own = try Adapter.load(path: folder.path + "/own", model: model)
        #expect(own.summary.contentHash == adapter.summary.contentHash)
        try golden.compare(own, model, golden.pixels(model))
    }

    @Test(arguments: [
        "scenes-maple", "scenes-vpt", "scenes-coop", "scenes-cocoop", "scenes-ivlp", "scenes-lora", "scenes-finetuned",
    ])
    func adaptersOfTheEmbeddedModelMatchTheReference(_ name: String) throws {
        let golden = try AdapterCase(name)
        let weights = ContentHash(of: try readSmallFile(EmbeddedModelTests.folder + "/model.safetensors"))
        try #require(
            golden.json["weights"]?.string == weights.hex,
            "models/scenes has other weights: run tools/reference/adapters.py scenes")
        let model = try CLIPModel.load(folder: EmbeddedModelTests.folder)
        let folder = try TemporaryFolder()
        let path = try golden.writeAdapter(folder, like: model)
        let pixels = try EmbeddedModelTests.pixels(golden.json["images"]!.elements.map(\.string), model)
        try golden.compare(try Adapter.load(path: path, model: model), model, pixels)
    }
}
