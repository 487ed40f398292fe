// What an adapter does, whatever file it came from: prompts, contexts, changed weights. Its hashes are the adapter's
// identity, its tensors what our own format keeps.

import Basics
import Checkpoints

/// Learned tokens of the text side.
struct TextContext: Sendable {
    /// What stands between the learned tokens and the class name.
    enum Tail: Sendable {
        case none
        /// The tokens of "a photo of a" past the context's: the trainers write them so unless they say otherwise.
        case words
        /// These rows `[tokens, width]` stood behind the context of every training class: it is the words if they
        /// begin with the model's rows for them.
        case rows([Float])
    }

    let count, width: Int
    /// nil: one context for all; otherwise one a class.
    let classes: Int?
    /// `[count, width]` or `[classes, count, width]`.
    let rows: [Float]
    /// `[count, width]` each, before blocks 1, 2, ...
    var deep: [[Float]] = []
    var position = ClassPosition.end
    var tail = Tail.none
}

/// CoCoOp's shift of the context: `linear2(relu(linear1(f)))`.
struct MetaNet: Sendable {
    let inputs, hidden, outputs: Int
    /// `[hidden, inputs]`, `[hidden]`, `[outputs, hidden]`, `[outputs]`.
    let weight1, bias1, weight2, bias2: [Float]

    /// - Parameter feature: `[inputs]`, of unit length.
    func shift(_ feature: [Float]) -> [Float] {
        let hiddenValues = MetaNet.linear(weight1, bias1, feature).map { max(0, $0) }
        return MetaNet.linear(weight2, bias2, hiddenValues)
    }

    static func linear(_ weight: [Float], _ bias: [Float], _ x: [Float]) -> [Float] {
        bias.indices.map { row in
            var sum = Double(bias[row])
            for (i, value) in x.enumerated() { sum += Double(weight[row * x.count + i]) * Double(value) }
            return Float(sum)
        }
    }
}

/// `W += scale * B A`.
struct LowRank: Sendable {
    let rank: Int
    /// Of the tensor that it is added to.
    let shape: [Int]
    let scale: Float
    /// `[rank, inputs]` and `[outputs, rank]`.
    let a, b: [Float]
}

struct AdapterEffect: Sendable {
    var method: AdapterMethod
    var visionPrompts: VisionPrompts?
    var context: TextContext?
    var metaNet: MetaNet?
    /// By Hugging Face's tensor names.
    var lowRank: [String: LowRank] = [:]
    /// Whole tensors under Hugging Face's names, read when they are needed.
    var replaced: (any TensorSource)?
    var replacedShapes: [String: [Int]] = [:]
    /// Values of the model that the adapter was trained on, under Hugging Face's names, where the file tells them;
    /// `startToken` is the row of the start token.
    var base: [String: [Float]] = [:]
    /// The words of each training class's prompt after its context, `[words, width]` each: class-specific contexts
    /// only.
    var classSuffixes: [[Float]] = []
    /// The same as ids, where an earlier load has found them.
    var classTokens: [[Int32]]?
    var trainedParameters = 0
    var epoch: Int?

    static let startToken = "start_token"

    static func isVision(_ name: String) -> Bool {
        name.hasPrefix("vision_model.") || name.hasPrefix("visual_projection.")
    }
}

// MARK: Identity

extension AdapterEffect {
    func hashes() throws(CheckpointError) -> (content: ContentHash, vision: ContentHash?, text: ContentHash?) {
        let vision = try visionHash()
        let text = try textHash()
        var hasher = ContentHasher()
        hasher.update("adapter 1\0\(method.rawValue)\0\(vision?.hex ?? "-")\0\(text?.hex ?? "-")\0")
        return (hasher.finish(), vision, text)
    }

    private func visionHash() throws(CheckpointError) -> ContentHash? {
        let names = weightNames.filter(AdapterEffect.isVision)
        guard visionPrompts != nil || !names.isEmpty else { return nil }
        var hasher = ContentHasher()
        if let visionPrompts {
            hasher.update("prompts \(visionPrompts.count) \(visionPrompts.width)\0")
            for layer in visionPrompts.layers { hasher.update(layer) }
        }
        try hashWeights(names, into: &hasher)
        return hasher.finish()
    }

    private func textHash() throws(CheckpointError) -> ContentHash? {
        let names = weightNames.filter { !AdapterEffect.isVision($0) }
        guard context != nil || !names.isEmpty || method == .vpt else { return nil }
        var hasher = ContentHasher()
        if method == .vpt { hasher.update("template\0" + TemplateSet.photo.templates[0]) }
        if let context {
            hasher.update(
                "context \(context.classes ?? 0) \(context.count) \(context.width) \(context.position.rawValue)\0")
            hasher.update(context.rows)
            for layer in context.deep { hasher.update(layer) }
            switch context.tail {
            case .none: hasher.update("no tail\0")
            case .words: hasher.update("words\0")
            case .rows(let rows):
                hasher.update("rows\0")
                hasher.update(rows)
            }
        }
        if let metaNet {
            hasher.update("meta \(metaNet.inputs) \(metaNet.hidden) \(metaNet.outputs)\0")
            for values in [metaNet.weight1, metaNet.bias1, metaNet.weight2, metaNet.bias2] { hasher.update(values) }
        }
        try hashWeights(names, into: &hasher)
        return hasher.finish()
    }

    private var weightNames: [String] { changedNames.sorted() }

    private func hashWeights(_ names: [String], into hasher: inout ContentHasher) throws(CheckpointError) {
        for name in names {
            if let replaced, let shape = replacedShapes[name] {
                hasher.update("tensor \(name) \(shape)\0")
                hasher.update(try replaced.finiteTensor(name, shape: shape))
            }
            if let change = lowRank[name] {
                hasher.update("low rank \(name) \(change.rank) \(change.scale)\0")
                hasher.update(change.a)
                hasher.update(change.b)
            }
        }
    }
}

extension ContentHasher {
    fileprivate mutating func update(_ values: [Float]) {
        values.withUnsafeBytes { update($0) }
    }
}
