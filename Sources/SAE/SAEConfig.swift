// What a sparse autoencoder is, read from the configuration that lies beside (or inside) its weights.

import Basics
import Checkpoints

/// The hook that a configuration names. Block numbers below zero count from the tower's end, as PatchSAE's
/// `block_layer: -2` does: which block that is only a model can tell.
public struct SAEHook: Hashable, Sendable, Codable, CustomStringConvertible {
    public let block: Int

    public init(block: Int) { self.block = block }
    public init(_ hook: HookPoint) { block = hook.block }

    /// The hook in a tower of `layers` blocks, or nil where it has no such block.
    public func resolved(layers: Int) -> HookPoint? {
        let index = block < 0 ? layers + block : block
        return (0..<layers).contains(index) ? HookPoint(block: index) : nil
    }

    public var description: String { "blocks.\(block).resid_post" }
}

/// `z = relu((x - b_dec) W_enc + b_enc)`, `x_hat = z W_dec + b_dec`, with `width` d and `latents` n.
public struct SAEConfig: Hashable, Sendable, Codable {
    /// `standard` is the one there is so far.
    public let architecture: String
    /// d: that of the model's residual stream.
    public let width: Int
    /// n.
    public let latents: Int
    /// nil where the configuration names none: `--hook` must.
    public let hook: SAEHook?
    /// The model it was trained on, as its author wrote it: for people.
    public let modelName: String?
    /// Whether `b_dec` is subtracted from x before encoding (SAELens' `apply_b_dec_to_input`).
    public let subtractDecoderBias: Bool
    /// The SAE that this one is the random-direction control of (see `RandomSAE`); nil: it is none.
    public let controlOf: String?

    public init(
        architecture: String = "standard", width: Int, latents: Int, hook: SAEHook?, modelName: String? = nil,
        subtractDecoderBias: Bool = true, controlOf: String? = nil
    ) {
        self.architecture = architecture
        self.width = width
        self.latents = latents
        self.hook = hook
        self.modelName = modelName
        self.subtractDecoderBias = subtractDecoderBias
        self.controlOf = controlOf
    }

    /// The hook point in a model, after checking that the SAE fits it.
    ///
    /// - Parameters:
    ///   - width, layers: the vision tower's.
    ///   - override: `--hook`; wins over the configuration's.
    /// - Throws: `wrongWidth`, `noHook`, `noSuchBlock`.
    public func hook(inModel model: String, width: Int, layers: Int, override: HookPoint? = nil, path: String)
        throws(SAEError) -> HookPoint
    {
        guard self.width == width else {
            throw .wrongWidth(path: path, width: self.width, model: model, modelWidth: width)
        }
        guard let hook = override.map(SAEHook.init) ?? self.hook else { throw .noHook(path: path) }
        guard let point = hook.resolved(layers: layers) else {
            throw .noSuchBlock(path: path, hook: "\(hook)", model: model, layers: layers)
        }
        return point
    }
}
