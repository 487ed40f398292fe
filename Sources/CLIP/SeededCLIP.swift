// A model folder of any size from a seed: for tests and benchmarks without a download. tools/reference/clip.py
// makes the same weights (its `scale_of` is the table below) and runs them through transformers.
//
// Scales keep the stream healthy in a deep tower: attention scores of order one, no block that drowns the others.

import Basics
import Checkpoints
import Foundation

package struct SeededCLIP: Sendable {
    package let config: CLIPConfig
    package let seed: UInt64
    package let dtype: DType

    package init(_ config: CLIPConfig, seed: UInt64, dtype: DType = .f32) {
        precondition(
            config.text.vocabulary >= SeededCLIP.vocabularyMin,
            "a byte vocabulary needs \(SeededCLIP.vocabularyMin) tokens")
        self.config = config
        self.seed = seed
        self.dtype = dtype
    }

    /// 256 bytes, 256 that end a word, start and end.
    package static let vocabularyMin = 514

    /// Values lie uniformly in `offset ± scale`.
    package static func scale(of name: String, shape: [Int]) -> (scale: Float, offset: Float) {
        if name == "logit_scale" { return (0, 2.6592) }
        if name.contains("norm") { return name.hasSuffix(".weight") ? (0.2, 1) : (0.1, 0) }
        if name.hasSuffix("class_embedding") || name.hasSuffix("token_embedding.weight") { return (0.5, 0) }
        if name.hasSuffix("position_embedding.weight") { return (0.3, 0) }
        if name.hasSuffix(".bias") { return (0.1, 0) }
        let gain: Double
        switch name.split(separator: ".").dropLast().last {
        case "q_proj", "k_proj": gain = 1.5
        case "v_proj", "out_proj", "fc2": gain = 0.8
        default: gain = 1
        }
        let inputs = shape.dropFirst().reduce(1, *)
        return (Float(gain * (3 / Double(inputs)).squareRoot()), 0)
    }

    /// Writes `model.safetensors`, `config.json`, `preprocessor_config.json`, `vocab.json` and `merges.txt`.
    /// - Parameters:
    ///   - skipping: tensors to leave out, for tests of bad folders.
    ///   - changing: may change a tensor's values before they are written.
    package func write(
        to folder: String, skipping: Set<String> = [],
        changing: (@Sendable (String, UnsafeMutableBufferPointer<Float>) -> Void)? = nil
    ) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let weights = SeededWeights(seed: seed)
        let tensors = config.tensors.filter { !skipping.contains($0.name) }.map { name, shape in
            SafetensorsTensor(name, shape: shape, dtype: dtype) { buffer in
                let (scale, offset) = SeededCLIP.scale(of: name, shape: shape)
                weights.fill(name, scale: scale, offset: offset, into: buffer)
                changing?(name, buffer)
            }
        }
        try writeSafetensors(folder + "/model.safetensors", tensors, metadata: ["format": "pt"])
        for (name, text) in [
            ("config.json", configJSON), ("preprocessor_config.json", preprocessorJSON), ("vocab.json", vocabularyJSON),
            ("merges.txt", "#version: 0.2\n"),
        ] {
            try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
        }
    }

    package var configJSON: String {
        func tower(_ tower: CLIPConfig.Tower) -> String {
            """
            "hidden_size": \(tower.width), "intermediate_size": \(tower.mlp), "num_hidden_layers": \(tower.layers), \
            "num_attention_heads": \(tower.heads), "hidden_act": "\(tower.activation.rawValue)", "layer_norm_eps": \(tower.epsilon)
            """
        }
        return """
            {
              "model_type": "clip",
              "projection_dim": \(config.projection),
              "vision_config": {\(tower(config.vision.tower)), "image_size": \(config.vision.imageSize), "patch_size": \(config.vision.patch)},
              "text_config": {\(tower(config.text.tower)), "vocab_size": \(config.text.vocabulary), \
            "max_position_embeddings": \(config.text.contextLength), "eos_token_id": \(config.text.eosTokenID)}
            }

            """
    }

    private var preprocessorJSON: String {
        let side = config.vision.imageSize
        return """
            {"do_resize": true, "size": {"shortest_edge": \(side)}, "resample": 3, "do_center_crop": true, \
            "crop_size": {"height": \(side), "width": \(side)}, "do_rescale": true, "do_normalize": true}

            """
    }

    /// Bytes, word ends, fillers that no text reaches, start and end last.
    private var vocabularyJSON: String {
        let alphabet = TokenizerParts.byteAlphabet
        let fillers = (0..<config.text.vocabulary - SeededCLIP.vocabularyMin).map { "<|filler_\($0)|>" }
        let tokens = alphabet + alphabet.map { $0 + "</w>" } + fillers + ["<|startoftext|>", "<|endoftext|>"]
        return "{" + tokens.enumerated().map { "\(quoted($0.element)): \($0.offset)" }.joined(separator: ", ") + "}\n"
    }
}

extension CLIPConfig {
    /// OpenAI's sizes.
    package static func openAI(
        width: Int, layers: Int, heads: Int, patch: Int, imageSize: Int, textWidth: Int, textHeads: Int, projection: Int
    ) -> CLIPConfig {
        CLIPConfig(
            vision: Vision(
                Tower(width: width, layers: layers, heads: heads, mlp: 4 * width), imageSize: imageSize, patch: patch),
            text: Text(
                Tower(width: textWidth, layers: 12, heads: textHeads, mlp: 4 * textWidth), vocabulary: 49_408,
                contextLength: 77, eosTokenID: 49_407),
            projection: projection)
    }

    package static let vitB16 = openAI(
        width: 768, layers: 12, heads: 12, patch: 16, imageSize: 224, textWidth: 512, textHeads: 8, projection: 512)
    package static let vitB32 = openAI(
        width: 768, layers: 12, heads: 12, patch: 32, imageSize: 224, textWidth: 512, textHeads: 8, projection: 512)
    package static let vitL14 = openAI(
        width: 1024, layers: 24, heads: 16, patch: 14, imageSize: 224, textWidth: 768, textHeads: 12, projection: 768)
    package static let vitL14at336 = openAI(
        width: 1024, layers: 24, heads: 16, patch: 14, imageSize: 336, textWidth: 768, textHeads: 12, projection: 768)
}
