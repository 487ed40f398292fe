// An adapter's file or folder, opened: which tensors it has under which plain keys, and what kind of thing it is.

import Checkpoints

/// The tensors of an adapter, with the prefixes that wrappers add to every key left out.
struct AdapterFile {
    enum Kind {
        /// `adapter.json` and `adapter.safetensors`.
        case own(ConfigFile)
        /// `adapter_config.json` and `adapter_model.safetensors`.
        case peft(ConfigFile)
        case checkpoint
    }

    let path: String
    let kind: Kind
    let source: any TensorSource
    let epoch: Int?
    /// Plain key to the file's.
    private let keys: [String: String]

    init(path: String) throws(CheckpointError) {
        self.path = path
        let (kind, source) = try AdapterFile.open(path)
        self.kind = kind
        self.source = source
        epoch = (source as? TorchArchive)?.metadata["epoch"]?.int
        keys = Dictionary(source.names.map { (AdapterFile.plain($0), $0) }) { first, _ in first }
    }

    private static func open(_ path: String) throws(CheckpointError) -> (Kind, any TensorSource) {
        guard isFolder(path) else {
            let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            let name = path.split(separator: "/").last.map(String.init) ?? path
            let inFolder = path.contains("/") ? folder + "/" : ""
            // One of a pair was named: the other lies beside it.
            if name == "adapter.safetensors" || name == "adapter.json", fileExists(inFolder + "adapter.json") {
                return try pair(inFolder, "adapter.json", ["adapter.safetensors"]) { .own($0) }
            }
            if name.hasPrefix("adapter_model.") || name == "adapter_config.json",
                fileExists(inFolder + "adapter_config.json")
            {
                return try pair(inFolder, "adapter_config.json", peftNames) { .peft($0) }
            }
            return (.checkpoint, try openTensors(path))
        }
        let folder = path + "/"
        if fileExists(folder + "adapter.json") {
            return try pair(folder, "adapter.json", ["adapter.safetensors"]) { .own($0) }
        }
        if fileExists(folder + "adapter_config.json") {
            return try pair(folder, "adapter_config.json", peftNames) { .peft($0) }
        }
        for name in ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"] where fileExists(folder + name) {
            return (.checkpoint, try openTensors(folder + name))
        }
        return (.checkpoint, try openTensors(path))
    }

    private static let peftNames = ["adapter_model.safetensors", "adapter_model.bin"]

    private static func pair(
        _ folder: String, _ config: String, _ weights: [String], _ kind: (ConfigFile) -> Kind
    ) throws(CheckpointError) -> (Kind, any TensorSource) {
        guard let found = weights.first(where: { fileExists(folder + $0) }) else {
            throw .unreadable(
                file: folder + weights[0], reason: "there is none beside '\(config)'; an adapter needs both")
        }
        return (kind(try ConfigFile(path: folder + config)), try openTensors(folder + found))
    }

    /// Without `module.` of DataParallel and DistributedDataParallel.
    private static func plain(_ key: String) -> String {
        var key = Substring(key)
        while key.hasPrefix("module.") { key = key.dropFirst("module.".count) }
        return String(key)
    }

    var names: [String] { keys.keys.sorted() }

    func has(_ name: String) -> Bool { keys[name] != nil }

    func shape(_ name: String) -> [Int]? { keys[name].flatMap { source.info($0)?.shape } }

    /// The file's own name of a plain key.
    func key(_ name: String) -> String { keys[name] ?? name }

    /// A tensor of so many dimensions, whatever their sizes.
    func shape(_ name: String, dimensions: ClosedRange<Int>) throws(CheckpointError) -> [Int] {
        guard let shape = shape(name) else { throw .missingTensor(tensor: name, file: path) }
        guard dimensions.contains(shape.count), shape.allSatisfy({ $0 > 0 }) else {
            let wanted = dimensions.map(String.init).joined(separator: " or ")
            throw .malformed(
                file: path, offset: nil, reason: "tensor '\(name)' is \(shape); \(wanted) dimensions are expected")
        }
        return shape
    }

    /// - Throws: also where a value is NaN or infinite.
    func values(_ name: String, shape: [Int]) throws(CheckpointError) -> [Float] {
        try source.finiteTensor(key(name), shape: shape)
    }

    func malformed(_ reason: String) -> CheckpointError { .malformed(file: path, offset: nil, reason: reason) }
}

// MARK: What it is

extension AdapterFile {
    /// By keys alone; nil: no adapter that is known.
    func method() throws(CheckpointError) -> AdapterMethod? {
        switch kind {
        case .own(let config):
            let name = try config.string("method")
            guard let method = AdapterMethod(rawValue: name) else {
                let known = AdapterMethod.allCases.map(\.rawValue).joined(separator: ", ")
                throw config.error("method", "is '\(name)'; one of \(known) is expected")
            }
            return method
        case .peft: return .lora
        case .checkpoint:
            if has("prompt_learner.proj.weight") || has("prompt_learner.compound_prompts_text.0") { return .maple }
            if has(learner("meta_net.linear1.weight")) { return .cocoop }
            let hasContext = has(learner("ctx"))
            let hasDeepText = names.contains { $0.hasPrefix(PromptKeys.textBlocks) && $0.hasSuffix(PromptKeys.deep) }
            if has(PromptKeys.vision) || names.contains(where: PromptKeys.isDeepVision) {
                return hasContext ? .ivlp : .vpt
            }
            if hasContext { return hasDeepText ? .ivlp : .coop }
            if names.contains(where: { $0.contains(".lora_A.") }) { return .lora }
            return FineTunedKeys(self) == nil ? nil : .finetuned
        }
    }

    /// CoOp's and CoCoOp's trainers save the prompt learner alone, the others the whole.
    func learner(_ name: String) -> String { has("prompt_learner." + name) ? "prompt_learner." + name : name }
}

enum PromptKeys {
    static let vision = "image_encoder.VPT"
    static let visionBlocks = "image_encoder.transformer.resblocks."
    static let textBlocks = "text_encoder.transformer.resblocks."
    /// The public code's name of a deep prompt.
    static let deep = ".VPT_shallow"

    static func isDeepVision(_ name: String) -> Bool { name.hasPrefix(visionBlocks) && name.hasSuffix(deep) }
}
