// What is known of an adapter before any model is loaded, and whether it fits one.

import Basics

/// How a CLIP was adapted. Raw values are those of the wire, of the catalog and of `adapter.json`.
public enum AdapterMethod: String, Codable, Sendable, CaseIterable {
    /// Multi-modal prompt learning: deep prompts on both sides, the visual ones projected from the textual.
    case maple
    /// Visual prompt tuning, shallow or deep.
    case vpt
    /// Independent vision-language prompting (PromptSRC writes the same keys).
    case ivlp
    /// A learned context before class names.
    case coop
    /// A learned context that the image shifts.
    case cocoop
    /// Low-rank changes of linear layers, as PEFT writes them.
    case lora
    /// A vision tower, or both towers, with weights of their own.
    case finetuned
}

/// Where CoOp's context has the class name. The trainers do not store it.
public enum ClassPosition: String, Codable, Sendable, CaseIterable {
    case end, middle, front
}

/// What an adapter asks of a model.
public struct AdapterShape: Sendable, Codable, Hashable {
    public var visionWidth: Int?
    /// The tower's blocks where all of them are replaced; otherwise `visionBlocksMin` says how many there must be.
    public var visionBlocks: Int?
    public var visionBlocksMin = 0
    public var textWidth: Int?
    public var textBlocksMin = 0
    /// Tokens of a prompt that are learned.
    public var contextMin = 0
    /// Width of the shared space.
    public var projection: Int?
    /// Tensors that are replaced or added to, under Hugging Face's names.
    public var tensors: [String: [Int]] = [:]
}

/// What is known of an adapter without a model.
public struct AdapterSummary: Sendable, Codable, Hashable {
    public var method: AdapterMethod
    /// Prompt tokens, and the blocks that get some of their own: 0 none, 1 shallow.
    public var visionPrompts = 0, visionDepth = 0
    public var textPrompts = 0, textDepth = 0
    /// Values that were trained, as far as the file tells.
    public var parameters = 0
    /// Of the method, the values in use (as f32) and the options: the same effect in another file is the same hash.
    public var contentHash: ContentHash
    /// Of what changes the vision side; nil: vision equals the base's (CoOp, CoCoOp).
    public var visionHash: ContentHash?
    /// Of what changes the text side; nil: text features equal the base's. VPT's is that of its one fixed template.
    public var textHash: ContentHash?
    /// Classes of class-specific contexts, which serve these classes in their order and no others.
    public var contextClasses: Int?
    public var epoch: Int?
    /// The file or folder.
    public var path: String
    /// For people: "vision width 768, at least 9 blocks; text width 512".
    public var shapes: String
    public var shape: AdapterShape
}

extension Adapter {
    /// Whether an adapter can be used with a model.
    /// - Parameter model: the model's name, for the message.
    /// - Returns: nil where it fits; otherwise one sentence that names both shapes.
    public static func misfit(_ summary: AdapterSummary, model: String, config: CLIPConfig) -> String? {
        let shape = summary.shape
        let vision = config.vision.tower
        let text = config.text.tower
        if let width = shape.visionWidth, width != vision.width {
            let what = summary.visionPrompts > 0 ? "vision prompts" : "a vision tower"
            return "\(what) of width \(width), model '\(model)' has width \(vision.width)"
        }
        if let width = shape.textWidth, width != text.width {
            let what = summary.textPrompts > 0 ? "text prompts" : "a text tower"
            return "\(what) of width \(width), model '\(model)' has width \(text.width)"
        }
        if let blocks = shape.visionBlocks, blocks != vision.layers {
            return "a vision tower of \(blocks) blocks, model '\(model)' has \(vision.layers)"
        }
        if shape.visionBlocksMin > vision.layers {
            return "vision prompts for \(shape.visionBlocksMin) blocks, model '\(model)' has \(vision.layers)"
        }
        if shape.textBlocksMin > text.layers {
            return "text prompts for \(shape.textBlocksMin) blocks, model '\(model)' has \(text.layers)"
        }
        if let width = shape.projection, width != config.projection {
            return "image features of width \(width), model '\(model)' has width \(config.projection)"
        }
        // Start, one token of a name, end.
        if shape.contextMin + 3 > config.text.contextLength {
            return
                "\(shape.contextMin) text prompt tokens, model '\(model)' has room for \(config.text.contextLength) tokens"
        }
        guard !shape.tensors.isEmpty else { return nil }
        let own = Dictionary(config.tensors.map { ($0.name, $0.shape) }) { first, _ in first }
        for (name, expected) in shape.tensors.sorted(by: { $0.key < $1.key }) {
            guard let found = own[name] else {
                return
                    "changes of '\(name)' \(expected), which model '\(model)' (\(vision.layers) vision and \(text.layers) text blocks) does not have"
            }
            if found != expected { return "a tensor '\(name)' \(expected), model '\(model)' has \(found)" }
        }
        return nil
    }
}
