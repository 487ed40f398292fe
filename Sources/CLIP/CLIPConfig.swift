// A CLIP's sizes, read from Hugging Face's config.json as `transformers.CLIPConfig` reads it: a key that the
// file leaves out has that class's default, and the legacy `text_config_dict` and `vision_config_dict`, where
// they stand, replace their sections whole.

import Checkpoints

/// The sizes of both towers.
public struct CLIPConfig: Sendable, Hashable, Codable {
    public struct Tower: Sendable, Hashable, Codable {
        public let width, layers, heads, mlp: Int
        public let activation: ActivationName
        public let epsilon: Float

        public var headWidth: Int { width / heads }

        public init(
            width: Int, layers: Int, heads: Int, mlp: Int, activation: ActivationName = .quickGELU,
            epsilon: Float = 1e-5
        ) {
            (self.width, self.layers, self.heads, self.mlp) = (width, layers, heads, mlp)
            (self.activation, self.epsilon) = (activation, epsilon)
        }
    }

    public struct Vision: Sendable, Hashable, Codable {
        public let tower: Tower
        /// Sides in pixels; the image's is a multiple of the patch's.
        public let imageSize, patch: Int

        /// Patches along a side.
        public var grid: Int { imageSize / patch }

        public init(_ tower: Tower, imageSize: Int, patch: Int) {
            (self.tower, self.imageSize, self.patch) = (tower, imageSize, patch)
        }
    }

    public struct Text: Sendable, Hashable, Codable {
        public let tower: Tower
        public let vocabulary, contextLength: Int
        /// 2 means that the pooled position is that of the largest id, as transformers keeps it for old files.
        public let eosTokenID: Int

        public init(_ tower: Tower, vocabulary: Int, contextLength: Int, eosTokenID: Int) {
            (self.tower, self.vocabulary, self.contextLength, self.eosTokenID) = (
                tower, vocabulary, contextLength, eosTokenID
            )
        }
    }

    /// Raw values are config.json's `hidden_act`.
    public enum ActivationName: String, Sendable, Hashable, Codable, CaseIterable {
        case quickGELU = "quick_gelu"
        case gelu
    }

    public let vision: Vision
    public let text: Text
    /// Width of the shared space.
    public let projection: Int

    /// - Throws: `configuration` with file and key, `unreadable`, `malformed`.
    public init(path: String) throws(CheckpointError) {
        let file = try ConfigFile(path: path)
        let type = try file.string("model_type", default: "clip")
        guard type == "clip" else { throw file.error("model_type", "is '\(type)'; only 'clip' is supported") }
        let visionFile = try CLIPConfig.section("vision_config", of: file)
        let textFile = try CLIPConfig.section("text_config", of: file)
        projection = try file.int("projection_dim", default: 512, in: 1...65_536)

        let patch = try visionFile.int("patch_size", default: 32, in: 1...4096)
        let imageSize = try visionFile.int("image_size", default: 224, in: 1...16_384)
        guard imageSize % patch == 0 else {
            throw visionFile.error("image_size", "is \(imageSize), which is no multiple of 'patch_size' \(patch)")
        }
        guard try visionFile.int("num_channels", default: 3, in: 1...1024) == 3 else {
            throw visionFile.error("num_channels", "must be 3")
        }
        vision = Vision(
            try CLIPConfig.tower(visionFile, width: 768, mlp: 3072, heads: 12), imageSize: imageSize, patch: patch)
        text = Text(
            try CLIPConfig.tower(textFile, width: 512, mlp: 2048, heads: 8),
            vocabulary: try textFile.int("vocab_size", default: 49_408, in: 3...10_000_000),
            contextLength: try textFile.int("max_position_embeddings", default: 77, in: 3...65_536),
            eosTokenID: try textFile.int("eos_token_id", default: 49_407, in: 0...10_000_000))
    }

    public init(vision: Vision, text: Text, projection: Int) {
        self.vision = vision
        self.text = text
        self.projection = projection
    }

    private static func section(_ key: String, of file: ConfigFile) throws(CheckpointError) -> ConfigFile {
        if let legacy = try file.section(key + "_dict") { return legacy }
        return try file.section(key) ?? file.emptySection(key)
    }

    private static func tower(_ file: ConfigFile, width: Int, mlp: Int, heads: Int) throws(CheckpointError) -> Tower {
        let width = try file.int("hidden_size", default: width, in: 1...65_536)
        let heads = try file.int("num_attention_heads", default: heads, in: 1...4096)
        guard width % heads == 0 else {
            throw file.error("num_attention_heads", "is \(heads), which does not divide 'hidden_size' \(width)")
        }
        let name = try file.string("hidden_act", default: "quick_gelu")
        guard let activation = ActivationName(rawValue: name) else {
            throw file.error("hidden_act", "is '\(name)'; 'quick_gelu' and 'gelu' are supported")
        }
        let epsilon = try file.double("layer_norm_eps", default: 1e-5)
        guard epsilon > 0, epsilon < 1 else {
            throw file.error("layer_norm_eps", "is \(epsilon); it must lie between 0 and 1")
        }
        return Tower(
            width: width, layers: try file.int("num_hidden_layers", default: 12, in: 1...1000), heads: heads,
            mlp: try file.int("intermediate_size", default: mlp, in: 1...1_000_000), activation: activation,
            epsilon: Float(epsilon))
    }
}
