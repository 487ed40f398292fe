// LoRA of PEFT: `adapter_config.json` and `adapter_model.safetensors`.
//
//   W += alpha / r * B A        (Hu et al. 2022; `/ sqrt(r)` with use_rslora)
//
// Whatever would change more than that is refused by name, never read as if it were plain LoRA.

import Checkpoints
import Foundation

enum LoRACheckpoint {
    static func read(_ file: AdapterFile) throws(CheckpointError) -> AdapterEffect {
        guard case .peft(let config) = file.kind else {
            throw file.malformed(
                "it holds LoRA weights without their 'adapter_config.json', which tells how they are scaled; keep both in one folder"
            )
        }
        try checkKind(config)
        let scaling = try Scaling(config)
        var effect = AdapterEffect(method: .lora)
        var replaced: [String: RelabeledTensors.Part] = [:]
        for name in file.names {
            guard let target = target(of: name) else {
                throw file.malformed(
                    "tensor '\(name)' belongs to no layer that is known; layers of 'vision_model' and 'text_model', 'visual_projection' and 'text_projection' can be adapted"
                )
            }
            if let module = target.dropping(".lora_A.weight") {
                let weight = module + ".weight"
                let change = try lowRank(file, name, module: module, scaling)
                effect.lowRank[weight] = change
                effect.trainedParameters += change.a.count + change.b.count
            } else if target.hasSuffix(".lora_B.weight") {
                guard file.has(String(name.dropLast("lora_B.weight".count)) + "lora_A.weight") else {
                    throw .missingTensor(
                        tensor: name.replacingOccurrences(of: "lora_B", with: "lora_A"), file: file.path)
                }
            } else if target.contains(".lora_") {
                throw file.malformed(
                    "tensor '\(name)' is of a kind of LoRA that is not read; only linear layers' lora_A and lora_B are")
            } else {
                let own = target.replacingOccurrences(of: ".base_layer.", with: ".")
                    .replacingOccurrences(of: ".modules_to_save.", with: ".")
                replaced[own] = .whole(file.key(name))
                effect.replacedShapes[own] = file.shape(name) ?? []
                effect.trainedParameters += (file.shape(name) ?? []).reduce(1, *)
            }
        }
        guard !effect.lowRank.isEmpty else { throw file.malformed("it holds no 'lora_A' weights") }
        if !replaced.isEmpty { effect.replaced = RelabeledTensors(file.source, replaced) }
        return effect
    }

    /// Refuses by name what changes more than `W += scale * B A`.
    private static func checkKind(_ config: ConfigFile) throws(CheckpointError) {
        let kind = try config.string("peft_type", default: "LORA")
        guard kind == "LORA" else { throw config.error("peft_type", "is '\(kind)'; only 'LORA' is read") }
        for (key, name) in [("use_dora", "DoRA"), ("lora_bias", "LoRA with biases"), ("use_qalora", "QALoRA")]
        where try config.bool(key, default: false) {
            throw config.error(key, "is true; \(name) is not read, only plain LoRA is")
        }
        for key in [
            "layer_replication", "alora_invocation_tokens", "kasa_config", "monteclora_config", "use_bdlora",
            "arrow_config",
        ] where config[key] != nil {
            throw config.error(key, "is set; only plain LoRA is read")
        }
        if case .string(let start)? = config["init_lora_weights"],
            ["pissa", "olora", "corda", "loftq", "lora_ga"].contains(where: { start.lowercased().hasPrefix($0) })
        {
            throw config.error(
                "init_lora_weights", "is '\(start)', which changes the base's weights too; convert it to plain LoRA")
        }
    }

    /// `alpha / r` or `alpha / sqrt(r)`.
    private struct Scaling {
        let alpha: Double
        let isRankStabilised: Bool
        let patterns: [(key: String, alpha: Double)]

        init(_ config: ConfigFile) throws(CheckpointError) {
            alpha = try config.double("lora_alpha", default: 8)
            isRankStabilised = try config.bool("use_rslora", default: false)
            var patterns: [(key: String, alpha: Double)] = []
            if case .object(let members)? = config["alpha_pattern"] {
                for member in members {
                    let key = member.key.replacingOccurrences(of: "\\.", with: ".")
                    guard key.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }) else {
                        throw config.error(
                            "alpha_pattern", "has the pattern '\(member.key)'; only plain names of layers are read")
                    }
                    switch member.value {
                    case .int(let value): patterns.append((key, Double(value)))
                    case .double(let value) where value.isFinite: patterns.append((key, value))
                    default: throw config.error("alpha_pattern", "must hold numbers, not \(member.value.kind)")
                    }
                }
            }
            self.patterns = patterns
        }

        func scale(_ module: String, rank: Int) -> Float {
            let own = patterns.first { module == $0.key || module.hasSuffix("." + $0.key) }?.alpha ?? alpha
            return Float(own / (isRankStabilised ? Double(rank).squareRoot() : Double(rank)))
        }
    }

    private static func lowRank(_ file: AdapterFile, _ name: String, module: String, _ scaling: Scaling)
        throws(CheckpointError) -> LowRank
    {
        let second = String(name.dropLast("lora_A.weight".count)) + "lora_B.weight"
        // A convolution's are [r, channels, p, p] and [outputs, r, 1, 1]: the same product.
        let shapeA = try file.shape(name, dimensions: 2...4)
        let shapeB = try file.shape(second, dimensions: 2...4)
        let rank = shapeA[0]
        guard shapeB[1] == rank, shapeB.dropFirst(2).allSatisfy({ $0 == 1 }) else {
            throw file.malformed("'\(name)' is \(shapeA), '\(second)' is \(shapeB); their ranks differ")
        }
        return LowRank(
            rank: rank, shape: [shapeB[0]] + shapeA.dropFirst(), scale: scaling.scale(module, rank: rank),
            a: try file.values(name, shape: shapeA),
            b: try file.values(second, shape: shapeB))
    }

    /// The name from the tower on.
    private static func target(of name: String) -> String? {
        for root in ["vision_model.", "text_model.", "visual_projection.", "text_projection."] {
            if let range = name.range(of: root),
                range.lowerBound == name.startIndex || name[..<range.lowerBound].last == "."
            {
                return String(name[range.lowerBound...]).replacingOccurrences(of: ".default.", with: ".")
            }
        }
        return nil
    }
}

extension String {
    /// Without an ending; nil where it has another.
    fileprivate func dropping(_ suffix: String) -> String? {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : nil
    }
}
