// Every tensor of a CLIP with its shape, under Hugging Face's names. `position_ids` buffers and anything else
// a file may hold beside these are ignored.

extension CLIPConfig {
    /// Names and shapes, in the order of the data's way.
    package var tensors: [(name: String, shape: [Int])] {
        visionTensors + textTensors + [("logit_scale", [])]
    }

    package var visionTensors: [(name: String, shape: [Int])] {
        let width = vision.tower.width
        return [
            ("vision_model.embeddings.class_embedding", [width]),
            ("vision_model.embeddings.patch_embedding.weight", [width, 3, vision.patch, vision.patch]),
            ("vision_model.embeddings.position_embedding.weight", [vision.grid * vision.grid + 1, width]),
            // "layrnorm" is Hugging Face's own spelling.
            ("vision_model.pre_layrnorm.weight", [width]),
            ("vision_model.pre_layrnorm.bias", [width]),
        ] + vision.tower.tensors(prefix: "vision_model") + [
            ("vision_model.post_layernorm.weight", [width]),
            ("vision_model.post_layernorm.bias", [width]),
            ("visual_projection.weight", [projection, width]),
        ]
    }

    package var textTensors: [(name: String, shape: [Int])] {
        let width = text.tower.width
        return [
            ("text_model.embeddings.token_embedding.weight", [text.vocabulary, width]),
            ("text_model.embeddings.position_embedding.weight", [text.contextLength, width]),
        ] + text.tower.tensors(prefix: "text_model") + [
            ("text_model.final_layer_norm.weight", [width]),
            ("text_model.final_layer_norm.bias", [width]),
            ("text_projection.weight", [projection, width]),
        ]
    }
}

extension CLIPConfig.Tower {
    fileprivate func tensors(prefix: String) -> [(name: String, shape: [Int])] {
        (0..<layers).flatMap { layer in
            let block = "\(prefix).encoder.layers.\(layer)"
            return [
                ("\(block).layer_norm1.weight", [width]), ("\(block).layer_norm1.bias", [width]),
                ("\(block).self_attn.q_proj.weight", [width, width]), ("\(block).self_attn.q_proj.bias", [width]),
                ("\(block).self_attn.k_proj.weight", [width, width]), ("\(block).self_attn.k_proj.bias", [width]),
                ("\(block).self_attn.v_proj.weight", [width, width]), ("\(block).self_attn.v_proj.bias", [width]),
                ("\(block).self_attn.out_proj.weight", [width, width]), ("\(block).self_attn.out_proj.bias", [width]),
                ("\(block).layer_norm2.weight", [width]), ("\(block).layer_norm2.bias", [width]),
                ("\(block).mlp.fc1.weight", [mlp, width]), ("\(block).mlp.fc1.bias", [mlp]),
                ("\(block).mlp.fc2.weight", [width, mlp]), ("\(block).mlp.fc2.bias", [width]),
            ]
        }
    }
}
