// Why an SAE can't be used: what, where, what to do.

import Checkpoints

public enum SAEError: Error, CustomStringConvertible, Sendable, Equatable {
    /// The file or one of its tensors.
    case checkpoint(CheckpointError)
    /// Neither of the formats that are read.
    case unknownFormat(path: String, reason: String)
    /// An architecture other than those in `SAEError.architectures`.
    case unsupportedArchitecture(path: String, name: String)
    /// A setting that would change the numbers and is not built.
    case unsupportedSetting(path: String, key: String, value: String, supported: String)
    /// A hook that is no residual stream after a block.
    case unsupportedHook(path: String, hook: String)
    case wrongWidth(path: String, width: Int, model: String, modelWidth: Int)
    case noHook(path: String)
    case noSuchBlock(path: String, hook: String, model: String, layers: Int)

    static let architectures = "'standard' (ReLU)"

    public var description: String {
        switch self {
        case let .checkpoint(error): error.description
        case let .unknownFormat(path, reason):
            "'\(path)' is no SAE that saed reads: \(reason); it reads PatchSAE's '.pt' and SAELens' folder "
                + "('cfg.json' with 'sae_weights.safetensors')"
        case let .unsupportedArchitecture(path, name):
            "'\(path)' is an SAE of architecture '\(name)'; supported is \(SAEError.architectures)"
        case let .unsupportedSetting(path, key, value, supported):
            "'\(path)' has '\(key)': \(value), which saed does not compute; supported is \(supported)"
        case let .unsupportedHook(path, hook):
            "'\(path)' belongs to the hook '\(hook)'; supported is 'blocks.L.hook_resid_post', the residual stream "
                + "after block L (if it is that in truth, say so with --hook blocks.L.resid_post)"
        case let .wrongWidth(path, width, model, modelWidth):
            "'\(path)' is for activations of width \(width), model '\(model)' has \(modelWidth); "
                + "add it to the model it was trained on (--model)"
        case let .noHook(path):
            "'\(path)' does not say which hook it belongs to; give it with --hook blocks.L.resid_post"
        case let .noSuchBlock(path, hook, model, layers):
            "'\(path)' belongs to \(hook), but model '\(model)' has \(layers) blocks (0 to \(layers - 1)); "
                + "give another with --hook blocks.L.resid_post"
        }
    }
}

/// `body`, with a checkpoint's error as an SAE's.
func checkpoint<R>(_ body: () throws(CheckpointError) -> R) throws(SAEError) -> R {
    do throws(CheckpointError) { return try body() } catch { throw .checkpoint(error) }
}
