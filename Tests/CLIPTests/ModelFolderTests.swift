// Model folders, good and bad: each bad one gets one line that says what is wrong and where.

import CLIP
import Checkpoints
import Foundation
import Testing

@Suite struct ModelFolderTests {
    private func folder(
        skipping: Set<String> = [], changing: (@Sendable (String, UnsafeMutableBufferPointer<Float>) -> Void)? = nil
    ) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try SeededCLIP(smallConfig, seed: 11).write(to: folder.path, skipping: skipping, changing: changing)
        return folder
    }

    private func loadMessage(_ folder: TemporaryFolder) -> String {
        message(without: folder.path) { _ = try CLIPModel.load(folder: folder.path) }
    }

    private func inspectMessage(_ folder: TemporaryFolder) -> String {
        message(without: folder.path) { _ = try CLIPModel.inspect(folder: folder.path) }
    }

    @Test func aGoodFolderIsDescribed() throws {
        let folder = try folder()
        let summary = try CLIPModel.inspect(folder: folder.path)
        #expect(summary.config == smallConfig)
        #expect(summary.layout.count == 17)
        #expect(summary.preprocess.inputSize?.width == 32)
        #expect(summary.parameters == smallConfig.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) })
    }

    @Test func theHashFollowsWhatTheModelIs() throws {
        let one = try folder()
        let same = try folder()
        let hash = try CLIPModel.contentHash(folder: one.path)
        #expect(try CLIPModel.contentHash(folder: same.path) == hash)
        try same.write("README.md", "a model card is no part of the model")
        #expect(try CLIPModel.contentHash(folder: same.path) == hash)
        let other = try folder { name, values in if name == "text_projection.weight" { values[7] += 1 } }
        #expect(try CLIPModel.contentHash(folder: other.path) != hash)
        try same.write("merges.txt", "#version: 0.3\n")
        #expect(try CLIPModel.contentHash(folder: same.path) != hash)
    }

    @Test func aMissingTensorIsNamed() throws {
        let folder = try folder(skipping: ["text_model.encoder.layers.1.mlp.fc2.bias"])
        #expect(loadMessage(folder) == "'model.safetensors' has no tensor 'text_model.encoder.layers.1.mlp.fc2.bias'")
    }

    @Test func aMisshapenTensorIsNamed() throws {
        let folder = try folder()
        try folder.write(
            "config.json",
            SeededCLIP(smallConfig, seed: 11).configJSON.replacingOccurrences(
                of: "\"projection_dim\": 24", with: "\"projection_dim\": 25"))
        #expect(
            loadMessage(folder)
                == "'model.safetensors': tensor 'visual_projection.weight' is [24, 48], its configuration says [25, 48]"
        )
    }

    @Test(arguments: [Float.nan, -.infinity])
    func aWeightThatIsNoNumberIsNamed(_ value: Float) throws {
        let folder = try folder { name, values in
            if name == "vision_model.encoder.layers.1.self_attn.k_proj.weight" { values[99] = value }
        }
        let expected =
            "'model.safetensors': tensor 'vision_model.encoder.layers.1.self_attn.k_proj.weight' has \(value) at index 99; every weight must be a finite number"
        #expect(inspectMessage(folder) == expected)
        let model = try CLIPModel.load(folder: folder.path)
        #expect(message(without: folder.path) { _ = try model.vision() } == expected)
        _ = try model.text()
    }

    @Test func aTruncatedFileIsRefused() throws {
        let folder = try folder()
        let path = folder.path + "/model.safetensors"
        let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
        #expect(truncate(path, size - 100) == 0)
        #expect(
            loadMessage(folder)
                == "'model.safetensors' at byte \(size - 100): the file ends here, but its tensors end at byte \(size); it was truncated"
        )
    }

    @Test(arguments: ["config.json", "preprocessor_config.json", "model.safetensors", "vocab.json", "merges.txt"])
    func aMissingFileIsNamed(_ name: String) throws {
        let folder = try folder()
        try FileManager.default.removeItem(atPath: folder.path + "/" + name)
        let expected =
            name == "model.safetensors"
            ? "'FOLDER' can't be read: it has no 'model.safetensors' and no 'model.safetensors.index.json'"
            : "'\(name)' can't be read: No such file or directory"
        #expect(inspectMessage(folder) == expected)
    }

    @Test func whatIsNoFolderIsRefused() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("file", "")
        #expect(
            message(without: folder.path) { _ = try CLIPModel.load(folder: path) }
                == "'file': is not a folder; a model is a folder with config.json and model.safetensors")
    }

    @Test(arguments: [
        (
            "\"patch_size\": 8", "\"patch_size\": 7",
            "'config.json': 'vision_config.image_size' is 32, which is no multiple of 'patch_size' 7"
        ),
        (
            "\"hidden_act\": \"quick_gelu\"", "\"hidden_act\": \"gelu_new\"",
            "'config.json': 'vision_config.hidden_act' is 'gelu_new'; 'quick_gelu' and 'gelu' are supported"
        ),
        (
            "\"num_attention_heads\": 3", "\"num_attention_heads\": 5",
            "'config.json': 'vision_config.num_attention_heads' is 5, which does not divide 'hidden_size' 48"
        ),
        (
            "\"hidden_size\": 48", "\"hidden_size\": \"48\"",
            "'config.json': 'vision_config.hidden_size' must be an integer, not \"48\""
        ),
        (
            "\"hidden_size\": 48", "\"hidden_size\": 0",
            "'config.json': 'vision_config.hidden_size' is 0; 1 to 65536 is allowed"
        ),
        (
            "\"model_type\": \"clip\"", "\"model_type\": \"siglip\"",
            "'config.json': 'model_type' is 'siglip'; only 'clip' is supported"
        ),
        (
            "\"vision_config\": {", "\"vision_config\": [",
            "'config.json' at byte 83: ',' or ']' was expected in a JSON list"
        ),
        (
            "\"layer_norm_eps\": 1e-05", "\"layer_norm_eps\": 0",
            "'config.json': 'vision_config.layer_norm_eps' is 0.0; it must lie between 0 and 1"
        ),
    ])
    func aWrongConfigurationIsRefused(_ good: String, _ bad: String, _ expected: String) throws {
        let folder = try folder()
        let text = SeededCLIP(smallConfig, seed: 11).configJSON
        #expect(text.contains(good))
        try folder.write("config.json", text.replacingOccurrences(of: good, with: bad))
        #expect(loadMessage(folder) == expected)
    }

    @Test func filesThatDontBelongTogetherAreRefused() throws {
        let folder = try folder()
        let config = SeededCLIP(smallConfig, seed: 11)
        try folder.write("preprocessor_config.json", #"{"size": 64, "crop_size": 64}"#)
        #expect(
            loadMessage(folder)
                == "'FOLDER': preprocessor_config.json prepares 64 x 64, config.json's 'image_size' is 32")
        try config.write(to: folder.path)
        try folder.write(
            "config.json",
            config.configJSON.replacingOccurrences(of: "\"eos_token_id\": 519", with: "\"eos_token_id\": 518"))
        #expect(
            inspectMessage(folder) == "'FOLDER': the tokenizer's end token is 519, config.json's 'eos_token_id' is 518")
        // A tokenizer with more tokens than the embedding has rows.
        try config.write(to: folder.path)
        let vocabulary = try String(contentsOfFile: folder.path + "/vocab.json", encoding: .utf8)
        try folder.write(
            "vocab.json", vocabulary.replacingOccurrences(of: "\"<|endoftext|>\": 519", with: "\"<|endoftext|>\": 520"))
        #expect(inspectMessage(folder) == "'FOLDER': the tokenizer has 521 tokens, config.json's 'vocab_size' is 520")
    }

    /// Hugging Face leaves defaults out; its old files say everything twice.
    @Test func defaultsAndLegacySectionsAreThoseOfTransformers() throws {
        let folder = try TemporaryFolder()
        let base = try CLIPConfig(path: try folder.write("config.json", #"{"model_type": "clip"}"#))
        #expect(base == CLIPConfig.vitB32)
        let b16 = try CLIPConfig(
            path: try folder.write("config.json", #"{"vision_config": {"patch_size": 16}, "text_config": null}"#))
        #expect(b16 == CLIPConfig.vitB16)
        let legacy = try CLIPConfig(
            path: try folder.write(
                "config.json",
                """
                {"projection_dim": 768, "text_config": {"hidden_size": 99}, "text_config_dict": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
                 "vision_config": {"patch_size": 5},
                 "vision_config_dict": {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14}}
                """))
        #expect(legacy == CLIPConfig.vitL14)
    }

    @Test func shardsMakeTheSameModel() throws {
        let whole = try folder()
        let sharded = try folder()
        let source = try openTensors(whole.path)
        let halves = [source.names.prefix(30), source.names.dropFirst(30)]
        var map: [String] = []
        for (index, names) in halves.enumerated() {
            let file = "model-0000\(index + 1)-of-00002.safetensors"
            try writeSafetensors(
                sharded.path + "/" + file,
                try names.map {
                    SafetensorsTensor(
                        $0, shape: source.info($0)!.shape, values: try source.tensor($0, shape: source.info($0)!.shape))
                })
            map += names.map { "\"\($0)\": \"\(file)\"" }
        }
        try FileManager.default.removeItem(atPath: sharded.path + "/model.safetensors")
        try sharded.write("model.safetensors.index.json", "{\"weight_map\": {\(map.joined(separator: ", "))}}")
        let prompts: [[Int32]] = [[518, 3, 519]]
        #expect(
            try CLIPModel.load(folder: sharded.path).text().embed(prompts)
                == CLIPModel.load(folder: whole.path).text().embed(prompts))
        #expect(
            try CLIPModel.inspect(folder: sharded.path).contentHash != CLIPModel.inspect(folder: whole.path).contentHash
        )
    }
}
