// A standard SAE: z = relu((x - b_dec) W_enc + b_enc), x_hat = z W_dec + b_dec, in f32.
//
// W_enc is held once, packed (see PackedEncoder); W_dec is read when first asked for. b_dec is subtracted from
// x rather than folded into b_enc: where activations have a large common part, W_enc^T b_dec is large too and its
// rounding would be that of the folded bias, for every token.

import Basics
import Checkpoints
import Glibc
import Kernels
import Synchronization

/// What is known of an SAE before it is loaded.
public struct SAESummary: Sendable {
    public let path: String
    public let config: SAEConfig
    public let format: SAEFormat
    /// The type W_enc is stored in.
    public let storedAs: DType
    /// Of the file, or of the folder's configuration and weights one after the other.
    public let contentHash: ContentHash
}

/// A sparse autoencoder, ready to encode.
///
///     let sae = try SparseAutoencoder.load(path: "saes/patchsae.pt")
///     let z = sae.encode(x, rows: 197)            // x [197, d]
///     try sae.decode(z, into: reconstruction)     // [197, d]
///
/// Safe to share between threads.
public final class SparseAutoencoder: @unchecked Sendable {  // the decoder alone changes after init, under its lock
    public let path: String
    public let config: SAEConfig
    private let encoder: PackedEncoder
    let decoderBias: [Float]
    private let tensors: any TensorSource
    private let decoder = Mutex<FloatBuffer?>(nil)

    /// Checks all that can be checked without packing: format, configuration, shapes, and that every weight is
    /// a finite number. Reads the files once or twice.
    /// - Throws: `SAEError`.
    public static func inspect(path: String) throws(SAEError) -> SAESummary {
        let files = try SAEFiles(path: path)
        let d = files.config.width, n = files.config.latents
        let buffer = FloatBuffer(count: d * n)
        try checkpoint { () throws(CheckpointError) in
            for (name, shape) in [("b_enc", [n]), ("b_dec", [d]), ("W_enc", [d, n]), ("W_dec", [n, d])] {
                try files.tensors.readFinite(name, shape: shape, into: buffer.pointer)
            }
        }
        return SAESummary(
            path: path, config: files.config, format: files.format,
            storedAs: files.tensors.info("W_enc")?.dtype ?? .f32,
            contentHash: try checkpoint { () throws(CheckpointError) in try contentHash(ofFiles: files.files) })
    }

    /// Reads and packs the encoder.
    /// - Parameters:
    ///   - path: PatchSAE's `.pt`, or a folder with `cfg.json` and `sae_weights.safetensors`.
    ///   - hook: instead of the configuration's.
    /// - Throws: `SAEError`.
    public static func load(path: String, hook: HookPoint? = nil) throws(SAEError) -> SparseAutoencoder {
        try SparseAutoencoder(SAEFiles(path: path), hook: hook)
    }

    private init(_ files: SAEFiles, hook: HookPoint?) throws(SAEError) {
        let d = files.config.width, n = files.config.latents
        path = files.path
        config = SAEConfig(
            architecture: files.config.architecture, width: d, latents: n, hook: hook.map(SAEHook.init) ?? files.config.hook,
            modelName: files.config.modelName, subtractDecoderBias: files.config.subtractDecoderBias, controlOf: files.config.controlOf)
        tensors = files.tensors
        let source = files.tensors, subtract = files.config.subtractDecoderBias
        let loaded = try checkpoint { () throws(CheckpointError) in
            let decoderBias = try source.finiteTensor("b_dec", shape: [d])
            let encoderBias = try source.finiteTensor("b_enc", shape: [n])
            let weights = FloatBuffer(count: d * n)
            try source.readFinite("W_enc", shape: [d, n], into: weights.pointer)
            return (decoderBias, PackedEncoder(
                width: d, latents: n, weights: weights.pointer, bias: encoderBias, shift: subtract ? decoderBias : nil))
        }
        (decoderBias, encoder) = loaded
    }

    /// Bytes of weights held now.
    public var byteCount: Int { encoder.byteCount + decoder.withLock { $0?.byteCount ?? 0 } }

    /// The active latents (z > 0) of every row, ascending, with f32 values.
    ///
    /// - Parameter x: `[rows, width]`, row-major; raw activations, nothing normalised.
    ///
    /// Nothing of size rows x latents is written to memory. Runs on the team; see `Team` for which threads may call.
    public func encode(_ x: UnsafePointer<Float>, rows: Int) -> SparseRows { encoder.encode(x, rows: rows) }

    /// The reconstruction of every row.
    ///
    /// - Parameter xHat: `[z.rows, width]`, overwritten.
    /// - Throws: `SAEError.checkpoint` where W_dec, read at the first call, can't be read any more or is not finite.
    public func decode(_ z: SparseRows, into xHat: UnsafeMutablePointer<Float>) throws(SAEError) {
        precondition(z.width == config.latents, "\(z.width) latents for an SAE of \(config.latents)")
        let d = config.width
        let weights = try decoderWeights()
        let bias = decoderBias
        for first in stride(from: 0, to: z.rows, by: SparseAutoencoder.rowsAtOnce) {
            let part = first..<min(z.rows, first + SparseAutoencoder.rowsAtOnce)
            for row in part { (xHat + row * d).update(from: bias, count: d) }
            LatentOrder(z.indptr, z.indices, z.values, rows: part, width: config.latents).add(weights.pointer, width: d, to: xHat + first * d)
        }
    }

    /// Rows that are decoded together: some images' tokens.
    private static let rowsAtOnce = 1024

    /// The direction that a latent writes: its row of W_dec.
    /// - Throws: as `decode`.
    public func direction(of latent: Int) throws(SAEError) -> [Float] {
        precondition((0..<config.latents).contains(latent), "latent \(latent) of \(config.latents)")
        let weights = try decoderWeights()
        return Array(UnsafeBufferPointer(start: weights.pointer + latent * config.width, count: config.width))
    }

    /// Drops W_dec, if it was read; the next `decode` reads it again.
    public func releaseDecoder() { decoder.withLock { $0 = nil } }

    /// `[latents, width]`, read when first asked for.
    func decoderWeights() throws(SAEError) -> FloatBuffer {
        if let held = decoder.withLock({ $0 }) { return held }
        let shape = [config.latents, config.width]
        let weights = FloatBuffer(count: shape[0] * shape[1])
        try checkpoint { () throws(CheckpointError) in
            try tensors.readFinite("W_dec", shape: shape, into: weights.pointer)
        }
        return decoder.withLock { held in
            if held == nil { held = weights }
            return held!
        }
    }
}

/// The SHA-256 of files one after the other.
private func contentHash(ofFiles paths: [String]) throws(CheckpointError) -> ContentHash {
    var hasher = ContentHasher()
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { block.deallocate() }
    for path in paths {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(file: path, reason: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        while true {
            let count = read(descriptor, block.baseAddress, block.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .unreadable(file: path, reason: String(cString: strerror(errno))) }
            if count == 0 { break }
            hasher.update(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(block)[..<count]))
        }
    }
    return hasher.finish()
}
