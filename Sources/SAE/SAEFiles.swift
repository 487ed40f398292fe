// The two formats of a standard SAE on disk, and which tensor is which: by key table, never by guessing a
// transposition from sizes (a square W_enc would be guessed wrong).
//
//   PatchSAE  one torch archive `{cfg or config: object, state_dict}`; what matters of cfg: d_in, d_sae,
//             block_layer (-2: the last block but one), module_name ("resid"), model_name
//   SAELens   a folder: cfg.json, sae_weights.safetensors; >= 6 keeps hook_name and model_name under `metadata`,
//             < 6 flat, older ones call it hook_point
// Both: W_enc [d, n], b_enc [n], W_dec [n, d], b_dec [d], and pre = (x - b_dec) W_enc + b_enc.

import Basics
import Checkpoints

/// An SAE's files, opened and checked against its configuration; no weight has been read.
struct SAEFiles: Sendable {
    let path: String
    let config: SAEConfig
    let tensors: any TensorSource
    /// What its content hash is made of, in order.
    let files: [String]
    let format: SAEFormat

    static let configName = "cfg.json"
    static let weightsName = "sae_weights.safetensors"

    init(path: String) throws(SAEError) {
        guard fileExists(path) else { throw .checkpoint(.unreadable(file: path, reason: "no such file or folder")) }
        if isFolder(path) { try self.init(folder: path) } else { try self.init(archive: path) }
    }

    private init(path: String, config: SAEConfig, tensors: any TensorSource, files: [String], format: SAEFormat)
        throws(SAEError)
    {
        self.path = path
        self.config = config
        self.tensors = tensors
        self.files = files
        self.format = format
        let d = config.width, n = config.latents
        for (name, shape) in [("W_enc", [d, n]), ("b_enc", [n]), ("W_dec", [n, d]), ("b_dec", [d])] {
            try checkpoint { () throws(CheckpointError) in try tensors.check(name, shape: shape) }
        }
    }

    // MARK: PatchSAE

    private init(archive path: String) throws(SAEError) {
        let archive = try checkpoint { () throws(CheckpointError) in try TorchArchive(path: path) }
        try SAEFiles.refuseOthers(archive)
        guard let (d, n) = SAEFiles.sizes(archive) else {
            throw .unknownFormat(path: path, reason: "it has no tensor 'W_enc' [d_in, d_sae]")
        }
        let cfg = archive.metadata["cfg"] ?? archive.metadata["config"]
        if let name = cfg?["architecture"]?.string, name != "standard" {
            throw .unsupportedArchitecture(path: path, name: name)
        }
        var hook: SAEHook?
        if let module = cfg?["module_name"]?.string, module != "resid" {
            throw .unsupportedHook(path: path, hook: "block_layer \(cfg?["block_layer"]?.int ?? 0), module_name '\(module)'")
        }
        if let block = cfg?["block_layer"]?.int { hook = SAEHook(block: block) }
        let config = SAEConfig(
            width: cfg?["d_in"]?.int ?? d, latents: cfg?["d_sae"]?.int ?? n, hook: hook,
            modelName: cfg?["model_name"]?.string)
        try self.init(path: path, config: config, tensors: archive, files: [path], format: .patchSAE)
    }

    /// W_enc's own shape: a state dict need not say its sizes elsewhere.
    private static func sizes(_ tensors: any TensorSource) -> (Int, Int)? {
        guard let shape = tensors.info("W_enc")?.shape, shape.count == 2, shape[0] > 0, shape[1] > 0 else { return nil }
        return (shape[0], shape[1])
    }

    /// Tensors that only other architectures have: a state dict's way of naming itself.
    private static func refuseOthers(_ tensors: any TensorSource) throws(SAEError) {
        let marks = [
            ("threshold", "jumprelu"), ("log_threshold", "jumprelu"), ("b_gate", "gated"), ("W_skip", "transcoder with skip"),
            ("encoder.weight", "one of dictionary_learning or sparsify"),
        ]
        for (tensor, name) in marks where tensors.info(tensor) != nil {
            throw .unsupportedArchitecture(path: tensors.path, name: name)
        }
    }

    // MARK: SAELens

    private init(folder path: String) throws(SAEError) {
        for name in [SAEFiles.configName, SAEFiles.weightsName] where !fileExists(path + "/" + name) {
            throw .unknownFormat(path: path, reason: "the folder has no '\(name)'")
        }
        let cfgPath = path + "/" + SAEFiles.configName
        let cfg = try checkpoint { () throws(CheckpointError) in try ConfigFile(path: cfgPath) }
        let metadata = try checkpoint { () throws(CheckpointError) in try cfg.section("metadata") } ?? cfg
        try SAEFiles.refuseSettings(cfg, path: cfgPath)
        let weights = try checkpoint { () throws(CheckpointError) in
            try SafetensorsFile(path: path + "/" + SAEFiles.weightsName)
        }
        try SAEFiles.refuseOthers(weights)
        let config = try checkpoint { () throws(CheckpointError) in
            SAEConfig(
                width: try cfg.int("d_in", in: 1...1 << 20), latents: try cfg.int("d_sae", in: 1...1 << 26), hook: nil,
                modelName: try metadata.string("model_name", default: ""),
                subtractDecoderBias: try cfg.bool("apply_b_dec_to_input", default: true),
                controlOf: try metadata.string("control_of", default: ""))
        }
        let hook = try SAEFiles.hook(metadata, cfg, path: cfgPath)
        try self.init(
            path: path,
            config: SAEConfig(
                width: config.width, latents: config.latents, hook: hook,
                modelName: config.modelName == "" ? nil : config.modelName, subtractDecoderBias: config.subtractDecoderBias,
                controlOf: config.controlOf == "" ? nil : config.controlOf),
            tensors: weights, files: [cfgPath, path + "/" + SAEFiles.weightsName], format: .saeLens)
        try refuseScaling(weights)
    }

    /// Everything that changes the numbers and is not computed here is refused by name.
    private static func refuseSettings(_ cfg: ConfigFile, path: String) throws(SAEError) {
        if let architecture = cfg["architecture"], architecture != .string("standard") {
            throw .unsupportedArchitecture(path: path, name: text(architecture))
        }
        for key in ["activation_fn_str", "activation_fn"] {
            if let function = cfg[key], function != .string("relu") { throw .unsupportedArchitecture(path: path, name: text(function)) }
        }
        let neutral: [(key: String, values: [JSON], supported: String)] = [
            ("normalize_activations", [.string("none"), .bool(false)], "\"none\""),
            ("reshape_activations", [.string("none")], "\"none\""),
            ("finetuning_scaling_factor", [.bool(false)], "false"),
            ("hook_head_index", [], "null"),
        ]
        let sections = [cfg, try checkpoint { () throws(CheckpointError) in try cfg.section("metadata") }].compactMap { $0 }
        for section in sections {
            for setting in neutral {
                if let value = section[setting.key], !setting.values.contains(value) {
                    throw .unsupportedSetting(path: path, key: setting.key, value: value.kind, supported: setting.supported)
                }
            }
        }
    }

    private static func text(_ value: JSON) -> String {
        if case .string(let text) = value { text } else { value.kind }
    }

    private static func hook(_ metadata: ConfigFile, _ cfg: ConfigFile, path: String) throws(SAEError) -> SAEHook? {
        for (section, key) in [(metadata, "hook_name"), (cfg, "hook_name"), (cfg, "hook_point")] {
            guard let value = section[key] else { continue }
            guard case .string(let name) = value, let hook = HookPoint(name) else {
                throw .unsupportedHook(path: path, hook: text(value))
            }
            return SAEHook(hook)
        }
        return nil
    }

    /// SAELens before 3 saved a `scaling_factor` that is all ones unless it was fine-tuned.
    private func refuseScaling(_ weights: SafetensorsFile) throws(SAEError) {
        guard weights.info("scaling_factor") != nil else { return }
        let factor = try checkpoint { () throws(CheckpointError) in
            try weights.tensor("scaling_factor", shape: [config.latents])
        }
        if let value = factor.first(where: { $0 != 1 }) {
            throw .unsupportedSetting(path: weights.path, key: "scaling_factor", value: "\(value)", supported: "1 everywhere")
        }
    }
}

/// How an SAE lies on disk.
public enum SAEFormat: String, Sendable, Codable {
    case patchSAE = "patchsae"
    case saeLens = "saelens"
}
