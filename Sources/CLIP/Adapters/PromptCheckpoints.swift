// Prompt checkpoints as the public trainers write them: MaPLe, VPT, IVLP, CoOp, CoCoOp.
//
// Keys and places as in their code (MaPLe's repository for the first three, CoOp's for the last two). Where the file
// holds CLIP's own weights too, some are kept to tell whether the model is the one it was trained on.

import Checkpoints

enum PromptCheckpoints {
    static func read(_ file: AdapterFile, _ method: AdapterMethod, classPosition: ClassPosition)
        throws(CheckpointError) -> AdapterEffect
    {
        var effect = AdapterEffect(method: method)
        switch method {
        case .maple: try readMaPLe(file, into: &effect)
        case .vpt: try readVision(file, into: &effect)
        case .ivlp:
            if file.names.contains(where: { $0 == PromptKeys.vision || PromptKeys.isDeepVision($0) }) {
                try readVision(file, into: &effect)
            }
            try readContext(file, classPosition: .end, canBeClassSpecific: false, into: &effect)
            try readDeepText(file, into: &effect)
        case .coop: try readContext(file, classPosition: classPosition, canBeClassSpecific: true, into: &effect)
        case .cocoop:
            try readContext(file, classPosition: .end, canBeClassSpecific: false, into: &effect)
            try readMetaNet(file, into: &effect)
        case .lora, .finetuned: preconditionFailure("'\(method)' is no prompt checkpoint")
        }
        effect.epoch = file.epoch
        try readBase(file, into: &effect)
        return effect
    }

    // MARK: The text side

    private static func readContext(
        _ file: AdapterFile, classPosition: ClassPosition, canBeClassSpecific: Bool, into effect: inout AdapterEffect
    ) throws(CheckpointError) {
        let name = file.learner("ctx")
        let shape = try file.shape(name, dimensions: canBeClassSpecific ? 2...3 : 2...2)
        let rows = try file.values(name, shape: shape)
        let count = shape[shape.count - 2]
        let width = shape[shape.count - 1]
        var context = TextContext(
            count: count, width: width, classes: shape.count == 3 ? shape[0] : nil, rows: rows)
        context.position = classPosition
        effect.trainedParameters += rows.count
        if let suffix = try suffix(file, width: width) {
            if context.classes != nil {
                guard suffix.classes == shape[0] else {
                    throw file.malformed(
                        "its contexts are for \(shape[0]) classes, its token_suffix for \(suffix.classes)")
                }
                effect.classSuffixes = (0..<suffix.classes).map { index in
                    Array(suffix.rows[index * suffix.words * width..<(index + 1) * suffix.words * width])
                }
            }
            if effect.method == .maple || effect.method == .ivlp {
                context.tail = count <= PromptWords.countMax ? suffix.tail(width: width) : .none
            }
        } else if effect.method == .maple || effect.method == .ivlp, count <= PromptWords.countMax {
            context.tail = .words
        }
        effect.context = context
    }

    private struct Suffix {
        let classes, words: Int
        /// `[classes, words, width]`.
        let rows: [Float]

        /// What follows the context in every class's prompt.
        func tail(width: Int) -> TextContext.Tail {
            let size = words * width
            var count = min(words, PromptWords.tokensMax)
            for index in 1..<max(1, classes) {
                let row = { (word: Int) in
                    rows[(word * width)...].prefix(width) == rows[(index * size + word * width)...].prefix(width)
                }
                count = (0..<count).first { !row($0) } ?? count
            }
            return count > 0 ? .rows(Array(rows[..<(count * width)])) : .none
        }
    }

    private static func suffix(_ file: AdapterFile, width: Int) throws(CheckpointError) -> Suffix? {
        let name = file.learner("token_suffix")
        guard file.has(name) else { return nil }
        let shape = try file.shape(name, dimensions: 3...3)
        guard shape[2] == width else {
            throw file.malformed("its token_suffix is \(shape), its contexts have width \(width)")
        }
        return Suffix(classes: shape[0], words: shape[1], rows: try file.values(name, shape: shape))
    }

    private static func readDeepText(_ file: AdapterFile, into effect: inout AdapterEffect) throws(CheckpointError) {
        guard let context = effect.context else { return }
        let blocks = try deepBlocks(file, PromptKeys.textBlocks)
        effect.context?.deep = try blocks.map { block throws(CheckpointError) in
            try file.values(
                PromptKeys.textBlocks + "\(block)" + PromptKeys.deep, shape: [context.count, context.width])
        }
        effect.trainedParameters += blocks.count * context.count * context.width
    }

    private static func readMetaNet(_ file: AdapterFile, into effect: inout AdapterEffect) throws(CheckpointError) {
        guard let context = effect.context else { return }
        func name(_ part: String) -> String { file.learner("meta_net." + part) }
        let shape = try file.shape(name("linear1.weight"), dimensions: 2...2)
        let (hidden, inputs) = (shape[0], shape[1])
        let net = MetaNet(
            inputs: inputs, hidden: hidden, outputs: context.width,
            weight1: try file.values(name("linear1.weight"), shape: shape),
            bias1: try file.values(name("linear1.bias"), shape: [hidden]),
            weight2: try file.values(name("linear2.weight"), shape: [context.width, hidden]),
            bias2: try file.values(name("linear2.bias"), shape: [context.width]))
        effect.metaNet = net
        effect.trainedParameters += hidden * (inputs + 1) + context.width * (hidden + 1)
    }

    // MARK: The vision side

    private static func readVision(_ file: AdapterFile, into effect: inout AdapterEffect) throws(CheckpointError) {
        let shape = try file.shape(PromptKeys.vision, dimensions: 2...2)
        var layers = [try file.values(PromptKeys.vision, shape: shape)]
        for block in try deepBlocks(file, PromptKeys.visionBlocks) {
            layers.append(try file.values(PromptKeys.visionBlocks + "\(block)" + PromptKeys.deep, shape: shape))
        }
        effect.visionPrompts = VisionPrompts(count: shape[0], width: shape[1], layers: layers)
        effect.trainedParameters += layers.count * shape[0] * shape[1]
    }

    /// The blocks that have prompts of their own: 1, 2, ... without a gap.
    private static func deepBlocks(_ file: AdapterFile, _ prefix: String) throws(CheckpointError) -> Range<Int> {
        let blocks = file.names.filter { $0.hasPrefix(prefix) && $0.hasSuffix(PromptKeys.deep) }
            .compactMap { Int($0.dropFirst(prefix.count).dropLast(PromptKeys.deep.count)) }.sorted()
        for (index, block) in blocks.enumerated() where block != index + 1 {
            throw file.malformed(
                "block \(block) has prompts ('\(prefix)\(block)\(PromptKeys.deep)'), block \(index + 1) has none; the file is not whole"
            )
        }
        return 1..<blocks.count + 1
    }

    /// Visual prompts are the textual ones, projected.
    private static func readMaPLe(_ file: AdapterFile, into effect: inout AdapterEffect) throws(CheckpointError) {
        try readContext(file, classPosition: .end, canBeClassSpecific: false, into: &effect)
        guard let context = effect.context else { return }
        let learner = "prompt_learner."
        let shape = try file.shape(learner + "proj.weight", dimensions: 2...2)
        guard shape[1] == context.width else {
            throw file.malformed("'\(learner)proj.weight' is \(shape), its context has width \(context.width)")
        }
        let width = shape[0]
        func project(_ rows: [Float], with name: String) throws(CheckpointError) -> [Float] {
            let weight = try file.values(name + ".weight", shape: shape)
            let bias = try file.values(name + ".bias", shape: [width])
            effect.trainedParameters += weight.count + bias.count
            return (0..<context.count).flatMap {
                MetaNet.linear(weight, bias, Array(rows[$0 * context.width..<($0 + 1) * context.width]))
            }
        }
        var layers = [try project(context.rows, with: learner + "proj")]
        let names = file.names.filter { $0.hasPrefix(learner + "compound_prompt") }
        let depth = names.compactMap { $0.split(separator: ".").compactMap { Int($0) }.first }.max().map { $0 + 1 } ?? 0
        for index in 0..<depth {
            let rows = try file.values(
                learner + "compound_prompts_text.\(index)", shape: [context.count, context.width])
            layers.append(try project(rows, with: learner + "compound_prompt_projections.\(index)"))
            effect.context?.deep.append(rows)
            effect.trainedParameters += rows.count
        }
        effect.visionPrompts = VisionPrompts(count: context.count, width: width, layers: layers)
    }

    // MARK: The model it was trained on

    /// One-dimensional tensors of both towers: they tell one CLIP from another and cost little.
    private static func readBase(_ file: AdapterFile, into effect: inout AdapterEffect) throws(CheckpointError) {
        for (name, key) in [
            ("vision_model.embeddings.class_embedding", "image_encoder.class_embedding"),
            ("vision_model.pre_layrnorm.weight", "image_encoder.ln_pre.weight"),
            ("vision_model.post_layernorm.weight", "image_encoder.ln_post.weight"),
            ("text_model.final_layer_norm.weight", "text_encoder.ln_final.weight"),
            ("logit_scale", "logit_scale"),
        ] {
            guard let shape = file.shape(key), shape.count <= 1, shape != [0] else { continue }
            effect.base[name] = try file.values(key, shape: shape)
        }
        let prefix = file.learner("token_prefix")
        if let shape = file.shape(prefix), shape.count == 3, shape[0] > 0, shape[1] == 1, shape[2] > 0 {
            effect.base[AdapterEffect.startToken] = Array(try file.values(prefix, shape: shape).prefix(shape[2]))
        }
    }
}

/// The words that the trainers initialise a context with, if it has no more than four tokens.
enum PromptWords {
    static let text = "a photo of a"
    static let countMax = 4
    /// As many tokens as a vocabulary may need for them: four in OpenAI's, nine of single letters.
    static let tokensMax = 16
}
