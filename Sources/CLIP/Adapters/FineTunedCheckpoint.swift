// Fine-tuned towers in Hugging Face's, OpenAI's or open_clip's layout, each tensor under Hugging Face's name.
// The sizes are those that the shapes tell; heads and activation are the model's.

import Checkpoints

enum FineTunedCheckpoint {
    static func read(_ file: AdapterFile) throws(CheckpointError) -> AdapterEffect {
        guard let keys = FineTunedKeys(file) else { throw file.malformed("it holds no vision tower") }
        let parts = try keys.parts()
        let source = RelabeledTensors(file.source, parts)
        var effect = AdapterEffect(method: .finetuned)
        effect.epoch = file.epoch
        effect.replaced = source
        for name in parts.keys {
            let shape = source.info(name)?.shape ?? []
            effect.replacedShapes[name] = shape
            effect.trainedParameters += shape.reduce(1, *)
        }
        return effect
    }
}

/// Where a file keeps the towers, told by the class embedding's key.
struct FineTunedKeys {
    private enum Layout {
        case huggingFace
        /// OpenAI's and open_clip's: `visual.`; or `image_encoder.` where a trainer of prompts kept the tower alone.
        case openAI(vision: String, text: String)
    }

    private let file: AdapterFile
    private let layout: Layout
    /// What stands before every key.
    private let prefix: String

    init?(_ file: AdapterFile) {
        self.file = file
        let names = file.names
        if let key = names.first(where: { $0.hasSuffix("vision_model.embeddings.class_embedding") }) {
            prefix = String(key.dropLast("vision_model.embeddings.class_embedding".count))
            layout = .huggingFace
            return
        }
        for vision in ["visual.", "image_encoder."] {
            guard
                let key = names.first(where: {
                    $0 == vision + "class_embedding" || $0.hasSuffix("." + vision + "class_embedding")
                })
            else { continue }
            prefix = String(key.dropLast(vision.count + "class_embedding".count))
            // open_clip's models with a text tower of their own module write `text.`.
            let text = names.contains(prefix + "text.token_embedding.weight") ? "text." : ""
            layout = .openAI(vision: vision, text: text)
            return
        }
        return nil
    }

    /// Each tensor under Hugging Face's name.
    func parts() throws(CheckpointError) -> [String: RelabeledTensors.Part] {
        let config = try sizes()
        var wanted = config.visionTensors
        if !has("visual_projection.weight") { wanted.removeAll { $0.name == "visual_projection.weight" } }
        if has("text_model.embeddings.token_embedding.weight") {
            wanted += config.textTensors
            if has("logit_scale") { wanted.append(("logit_scale", [])) }
        }
        var parts: [String: RelabeledTensors.Part] = [:]
        let source = file.source
        for (name, shape) in wanted {
            let part = part(name)
            guard source.info(part.tensor) != nil else { throw .missingTensor(tensor: part.tensor, file: file.path) }
            let found = part.shape(in: source)
            guard found == shape else {
                throw file.malformed("tensor '\(part.tensor)' gives '\(name)' \(found ?? []), the others say \(shape)")
            }
            parts[name] = part
        }
        return parts
    }

    private func has(_ name: String) -> Bool { file.source.info(part(name).tensor) != nil }

    private func shape(_ name: String, _ dimensions: Int) throws(CheckpointError) -> [Int] {
        let part = part(name)
        guard let shape = part.shape(in: file.source) else {
            throw .missingTensor(tensor: part.tensor, file: file.path)
        }
        guard shape.count == dimensions, shape.allSatisfy({ $0 > 0 }) else {
            throw file.malformed("tensor '\(part.tensor)' is \(shape); \(dimensions) dimensions are expected")
        }
        return shape
    }

    /// As far as shapes tell; heads are the model's.
    private func sizes() throws(CheckpointError) -> CLIPConfig {
        let conv = try shape("vision_model.embeddings.patch_embedding.weight", 4)
        let positions = try shape("vision_model.embeddings.position_embedding.weight", 2)[0]
        let grid = max(1, Int(Double(positions - 1).squareRoot().rounded()))
        let hasProjection = has("visual_projection.weight")
        let projection = hasProjection ? try shape("visual_projection.weight", 2)[0] : 1
        let visionTower = try tower("vision_model", width: conv[0])
        var text = CLIPConfig.Text(
            CLIPConfig.Tower(width: 1, layers: 0, heads: 1, mlp: 1), vocabulary: 1, contextLength: 1, eosTokenID: 0)
        if has("text_model.embeddings.token_embedding.weight") {
            let tokens = try shape("text_model.embeddings.token_embedding.weight", 2)
            let context = try shape("text_model.embeddings.position_embedding.weight", 2)[0]
            text = CLIPConfig.Text(
                try tower("text_model", width: tokens[1]), vocabulary: tokens[0], contextLength: context, eosTokenID: 0)
        }
        return CLIPConfig(
            vision: CLIPConfig.Vision(visionTower, imageSize: grid * conv[2], patch: conv[2]), text: text,
            projection: projection)
    }

    private func tower(_ name: String, width: Int) throws(CheckpointError) -> CLIPConfig.Tower {
        var layers = 0
        while has("\(name).encoder.layers.\(layers).layer_norm1.weight") { layers += 1 }
        guard layers > 0 else { throw file.malformed("it has no blocks of '\(name)'") }
        let mlp = try shape("\(name).encoder.layers.0.mlp.fc1.weight", 2)[0]
        return CLIPConfig.Tower(width: width, layers: layers, heads: 1, mlp: mlp)
    }

    // MARK: Names

    private func part(_ name: String) -> RelabeledTensors.Part {
        if name == "logit_scale" { return .scalar(file.key(prefix + name)) }
        return switch layout {
        case .huggingFace: .whole(file.key(prefix + name))
        case .openAI(let vision, let text): openAI(name, vision: vision, text: text)
        }
    }

    private func openAI(_ name: String, vision: String, text: String) -> RelabeledTensors.Part {
        func whole(_ key: String) -> RelabeledTensors.Part { .whole(file.key(prefix + key)) }
        switch name {
        case "visual_projection.weight": return .transposed(file.key(prefix + vision + "proj"))
        case "text_projection.weight": return .transposed(file.key(prefix + text + "text_projection"))
        case "vision_model.embeddings.class_embedding": return whole(vision + "class_embedding")
        case "vision_model.embeddings.patch_embedding.weight": return whole(vision + "conv1.weight")
        case "vision_model.embeddings.position_embedding.weight": return whole(vision + "positional_embedding")
        case "text_model.embeddings.token_embedding.weight": return whole(text + "token_embedding.weight")
        case "text_model.embeddings.position_embedding.weight": return whole(text + "positional_embedding")
        default: break
        }
        let tower = name.hasPrefix("vision_model.") ? vision : text
        let rest = name.split(separator: ".").dropFirst()
        let kind = rest.last.map(String.init) ?? ""
        guard rest.first == "encoder", rest.count > 4, let block = rest.dropFirst(2).first else {
            // A tower's own norms.
            let norms = ["pre_layrnorm": "ln_pre", "post_layernorm": "ln_post", "final_layer_norm": "ln_final"]
            return whole(tower + (norms[rest.first.map(String.init) ?? ""] ?? "") + "." + kind)
        }
        let layer = tower + "transformer.resblocks.\(block)."
        switch rest.dropFirst(3).dropLast().joined(separator: ".") {
        case "layer_norm1": return whole(layer + "ln_1." + kind)
        case "layer_norm2": return whole(layer + "ln_2." + kind)
        case "self_attn.q_proj": return .third(file.key(prefix + layer + "attn.in_proj_" + kind), 0)
        case "self_attn.k_proj": return .third(file.key(prefix + layer + "attn.in_proj_" + kind), 1)
        case "self_attn.v_proj": return .third(file.key(prefix + layer + "attn.in_proj_" + kind), 2)
        case "self_attn.out_proj": return whole(layer + "attn.out_proj." + kind)
        case "mlp.fc1": return whole(layer + "mlp.c_fc." + kind)
        default: return whole(layer + "mlp.c_proj." + kind)
        }
    }
}
