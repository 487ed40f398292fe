// An adapter, read and checked against the model that it is for.

import Basics
import Checkpoints
import Foundation
import Synchronization

/// A change of a CLIP: prompts, contexts or weights.
///
///     let adapter = try Adapter.load(path: "model.pth.tar-5", model: model)
///     let vision = try adapter.vision(model)
///     let head = try adapter.head(model, classes: ["red cube", "blue ball"], templates: templates)
///
/// A path is a file of a prompt trainer (`.pth.tar`, torch's zip), a folder that PEFT wrote (`adapter_config.json`,
/// `adapter_model.safetensors`), safetensors of a fine-tuned tower, or our own folder (`adapter.json`,
/// `adapter.safetensors`). No code of a file is run. Fixed once loaded, and safe to share between threads; what is
/// packed stays until `release()`.
public final class Adapter: @unchecked Sendable {
    public let summary: AdapterSummary

    let effect: AdapterEffect
    /// Token ids between the learned tokens and the class name.
    let tail: [Int32]
    private let parts = Mutex(Parts())

    private struct Parts {
        var vision: VisionTower?
        var text: TextTower?
    }

    init(summary: AdapterSummary, effect: AdapterEffect, tail: [Int32]) {
        self.summary = summary
        self.effect = effect
        self.tail = tail
    }

    // MARK: Before a model is known

    /// What a file or folder is, by its keys alone: cheap.
    /// - Returns: nil where its tensors can be listed but belong to no adapter that is known.
    /// - Throws: where they can't be listed.
    public static func recognize(path: String) throws(ModelError) -> AdapterMethod? {
        do { return try AdapterFile(path: path).method() } catch { throw ModelError(error) }
    }

    /// Reads an adapter whole and refuses NaN, gaps and shapes that contradict each other; needs no model.
    /// - Parameter classPosition: CoOp's; others ignore it.
    public static func inspect(path: String, classPosition: ClassPosition = .end) throws(ModelError) -> AdapterSummary {
        do { return try summary(of: try read(path: path, classPosition: classPosition), path: path) } catch {
            throw ModelError(error)
        }
    }

    static func read(path: String, classPosition: ClassPosition) throws -> AdapterEffect {
        let file = try AdapterFile(path: path)
        guard let method = try file.method() else {
            let some = file.names.prefix(3).map { "'\($0)'" }.joined(separator: ", ")
            throw ModelError.mismatch(
                folder: path,
                problem:
                    "is no adapter that is known: among its \(file.names.count) tensors (\(some), ...) are no prompts ('prompt_learner.ctx', 'image_encoder.VPT'), no 'lora_A' and no vision tower"
            )
        }
        if case .own(let config) = file.kind { return try OwnFormat.read(file, config, method) }
        return switch method {
        case .lora: try LoRACheckpoint.read(file)
        case .finetuned: try FineTunedCheckpoint.read(file)
        default: try PromptCheckpoints.read(file, method, classPosition: classPosition)
        }
    }

    static func summary(of effect: AdapterEffect, path: String) throws -> AdapterSummary {
        let (content, vision, text) = try effect.hashes()
        let shape = effect.shape
        var summary = AdapterSummary(
            method: effect.method, contentHash: content, visionHash: vision, textHash: text, path: path,
            shapes: shape.phrase, shape: shape)
        if let prompts = effect.visionPrompts {
            (summary.visionPrompts, summary.visionDepth) = (prompts.count, prompts.layers.count)
        }
        if let context = effect.context {
            (summary.textPrompts, summary.textDepth) = (context.count, 1 + context.deep.count)
            summary.contextClasses = context.classes
        }
        summary.parameters = effect.trainedParameters
        summary.epoch = effect.epoch
        return summary
    }

    // MARK: With a model

    /// - Parameter classPosition: CoOp's; others ignore it.
    /// - Throws: `ModelError` where the file can't be used, does not fit, or was trained on another model.
    public static func load(path: String, classPosition: ClassPosition = .end, model: CLIPModel) throws(ModelError)
        -> Adapter
    {
        do {
            var effect = try read(path: path, classPosition: classPosition)
            let summary = try summary(of: effect, path: path)
            let name = model.folder.split(separator: "/").last.map(String.init) ?? model.folder
            if let problem = misfit(summary, model: name, config: model.config) {
                throw ModelError.mismatch(folder: path, problem: problem)
            }
            try checkBase(effect, path: path, model: model, name: name)
            let tail = try tail(of: effect, model: model)
            if !effect.classSuffixes.isEmpty {
                effect.classTokens = try classTokens(effect, model: model)
                effect.classSuffixes = []
            }
            return Adapter(summary: summary, effect: effect, tail: tail)
        } catch { throw ModelError(error) }
    }

    /// The vision side. Prompts alone go into the model's own tower; other weights are packed at the first call,
    /// with what they leave alone shared with the model's tower.
    /// - Parameter model: the one that the adapter was loaded for.
    public func vision(_ model: CLIPModel) throws(ModelError) -> AdaptedVision {
        let own = effect.changedNames.filter(AdapterEffect.isVision)
        let base = try model.vision()
        guard !own.isEmpty else { return AdaptedVision(tower: base, prompts: effect.visionPrompts) }
        do {
            return try parts.withLock { parts in
                if let tower = parts.vision { return AdaptedVision(tower: tower) }
                let source = effect.source(over: model.source)
                let changed = try effect.reallyChanged(own, model.source)
                let tower = try VisionTower(source, model.config, sharing: Sharing(base, changed: changed))
                try checkUnchanged()
                parts.vision = tower
                return AdaptedVision(tower: tower)
            }
        } catch { throw ModelError(error) }
    }

    /// The text tower: the model's own unless weights of it are changed.
    func text(_ model: CLIPModel) throws(ModelError) -> TextTower {
        let own = effect.changedNames.filter { $0.hasPrefix("text_") }
        let base = try model.text()
        guard !own.isEmpty else { return base }
        do {
            return try parts.withLock { parts in
                if let tower = parts.text { return tower }
                let source = effect.source(over: model.source)
                let changed = try effect.reallyChanged(own, model.source)
                let tower = try TextTower(source, model.config, sharing: Sharing(base, changed: changed))
                try checkUnchanged()
                parts.text = tower
                return tower
            }
        } catch { throw ModelError(error) }
    }

    /// Whole tensors are read from the file when they are packed, perhaps long after the hash was taken.
    private func checkUnchanged() throws {
        guard effect.replaced != nil, try effect.hashes().content != summary.contentHash else { return }
        throw ModelError.mismatch(
            folder: summary.path, problem: "has changed since it was added; add it again, or put the old file back")
    }

    /// `exp` of the logit scale: a fine-tuned model may have its own.
    func logitScale(_ model: CLIPModel) throws(ModelError) -> Float {
        guard effect.replacedShapes["logit_scale"] != nil, let replaced = effect.replaced else {
            return model.logitScale
        }
        do { return exp(try replaced.finiteTensor("logit_scale", shape: [])[0]) } catch { throw ModelError(error) }
    }

    /// Drops packed towers; the next use packs again.
    public func release() {
        let old = parts.withLock { parts in
            defer { parts = Parts() }
            return parts
        }
        withExtendedLifetime(old) {}
    }

    /// Bytes of packed weights held now beside the model's own.
    public var byteCount: Int {
        parts.withLock { ($0.vision?.ownByteCount ?? 0) + ($0.text?.ownByteCount ?? 0) }
    }
}

extension AdapterEffect {
    var changedNames: Set<String> { Set(lowRank.keys).union(replacedShapes.keys) }

    /// The model's tensors with this adapter's changes.
    func source(over base: any TensorSource) -> any TensorSource {
        ChangedTensors(base: base, replaced: replaced, replacedNames: Set(replacedShapes.keys), lowRank: lowRank)
    }

    /// Those of some names whose values differ from the model's: a fine-tuned file repeats what it left alone.
    func reallyChanged(_ names: Set<String>, _ base: any TensorSource) throws -> Set<String> {
        try names.filter { name in
            guard lowRank[name] == nil, let replaced, let shape = replacedShapes[name] else { return true }
            return try replaced.tensor(name, shape: shape) != base.tensor(name, shape: shape)
        }
    }

    var shape: AdapterShape {
        var shape = AdapterShape()
        if let visionPrompts {
            (shape.visionWidth, shape.visionBlocksMin) = (visionPrompts.width, visionPrompts.layers.count)
        }
        if let context {
            shape.textWidth = context.width
            // MaPLe couples both sides: in a text tower of fewer blocks the last prompts serve the vision side alone.
            shape.textBlocksMin = method == .maple ? 1 : 1 + context.deep.count
            shape.contextMin = context.count
        }
        if let metaNet { shape.projection = metaNet.inputs }
        shape.tensors = replacedShapes.merging(lowRank.mapValues(\.shape)) { first, _ in first }
        if method == .finetuned {
            shape.visionWidth = replacedShapes["vision_model.embeddings.class_embedding"]?.first
            shape.visionBlocks = 1 + (Self.lastBlock(of: "vision_model", shape.tensors.keys) ?? -1)
        }
        return shape
    }

    static func lastBlock(of tower: String, _ names: some Sequence<String>) -> Int? {
        names.filter { $0.hasPrefix(tower + ".encoder.layers.") }.compactMap { Int($0.split(separator: ".")[3]) }.max()
    }
}

extension AdapterShape {
    var phrase: String {
        var parts: [String] = []
        if let visionWidth {
            let blocks =
                visionBlocks.map { ", \($0) blocks" }
                ?? (visionBlocksMin > 1 ? ", at least \(visionBlocksMin) blocks" : "")
            parts.append("vision width \(visionWidth)\(blocks)")
        }
        if let textWidth {
            parts.append("text width \(textWidth)" + (textBlocksMin > 1 ? ", at least \(textBlocksMin) blocks" : ""))
        }
        if let projection { parts.append("embedding width \(projection)") }
        if parts.isEmpty, !tensors.isEmpty {
            for (tower, name) in [("vision_model", "vision"), ("text_model", "text")] {
                if let block = AdapterEffect.lastBlock(of: tower, tensors.keys) {
                    parts.append("\(tensors.keys.count { $0.hasPrefix(tower) }) \(name) tensors up to block \(block)")
                }
            }
            if parts.isEmpty { parts.append("\(tensors.count) tensors") }
        }
        return parts.joined(separator: "; ")
    }
}
