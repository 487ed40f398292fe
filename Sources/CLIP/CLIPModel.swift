// A model folder in Hugging Face's layout: checked whole, its towers packed when they are asked for.

import Basics
import Checkpoints
import Foundation
import Imaging
import Kernels
import Synchronization

/// A CLIP.
///
///     let model = try CLIPModel.load(folder: "models/scenes")
///     let tower = try model.vision()
///
/// `load` checks every file and the presence and shape of every tensor; a tower's values are checked where they
/// are packed, at its first use. Packed towers stay until `release()`; whoever still holds one keeps it alive.
/// Safe to share between threads.
public final class CLIPModel: @unchecked Sendable {
    public let folder: String
    public let config: CLIPConfig
    public let preprocess: PreprocessConfig
    /// The tokens of one image.
    public let layout: TokenLayout
    /// `exp` of the file's `logit_scale`.
    public let logitScale: Float

    let source: any TensorSource
    private let parts = Mutex(Parts())

    private struct Parts {
        var vision: VisionTower?
        var text: TextTower?
        var tokenizer: Tokenizer?
    }

    private init(folder: String) throws {
        let files = try ModelFiles(folder: folder)
        self.folder = folder
        config = files.config
        preprocess = files.preprocess
        layout = TokenLayout(rows: config.vision.grid, columns: config.vision.grid)
        source = files.source
        logitScale = exp(try source.finiteTensor("logit_scale", shape: [])[0])
    }

    /// - Throws: `ModelError`, one line that names the file and what is wrong with it.
    public static func load(folder: String) throws(ModelError) -> CLIPModel {
        do { return try CLIPModel(folder: folder) } catch { throw ModelError(error) }
    }

    /// The vision tower; the first call packs it (some tenths of a second for ViT-B/16).
    /// - Throws: `ModelError` where a weight is NaN or infinite, or the file was changed.
    public func vision() throws(ModelError) -> VisionTower {
        do {
            return try parts.withLock { parts in
                if let tower = parts.vision { return tower }
                let tower = try VisionTower(source, config)
                parts.vision = tower
                return tower
            }
        } catch { throw ModelError(error) }
    }

    /// The text tower; the first call packs it.
    /// - Throws: as `vision()`.
    public func text() throws(ModelError) -> TextTower {
        do {
            return try parts.withLock { parts in
                if let tower = parts.text { return tower }
                let tower = try TextTower(source, config)
                parts.text = tower
                return tower
            }
        } catch { throw ModelError(error) }
    }

    public func tokenizer() throws(ModelError) -> Tokenizer {
        do {
            return try parts.withLock { parts in
                if let tokenizer = parts.tokenizer { return tokenizer }
                let tokenizer = try ModelFiles.tokenizer(folder: folder, config)
                parts.tokenizer = tokenizer
                return tokenizer
            }
        } catch { throw ModelError(error) }
    }

    /// Drops the packed towers and the tokenizer; the next use packs again.
    public func release() {
        // Freed outside the lock.
        let old = parts.withLock { parts in
            defer { parts = Parts() }
            return parts
        }
        withExtendedLifetime(old) {}
    }

    /// Drops the text tower and the tokenizer alone: needed for class names only.
    public func releaseText() {
        let old = parts.withLock { parts in
            defer { (parts.text, parts.tokenizer) = (nil, nil) }
            return (parts.text, parts.tokenizer)
        }
        withExtendedLifetime(old) {}
    }

    /// Bytes of packed weights held now.
    public var byteCount: Int {
        parts.withLock { ($0.vision?.byteCount ?? 0) + ($0.text?.byteCount ?? 0) }
    }
}

/// What is known of a model folder once it is checked.
public struct CLIPModelSummary: Sendable {
    public let config: CLIPConfig
    public let preprocess: PreprocessConfig
    public let layout: TokenLayout
    /// SHA-256 over names and contents of the files that make the model.
    public let contentHash: ContentHash
    /// All of its tensors' elements.
    public let parameters: Int
}

extension CLIPModel {
    /// Checks a folder whole without packing it: configurations, tokenizer, every tensor's presence, shape and,
    /// unless told otherwise, values (reads the weights once, as the hash does).
    public static func inspect(folder: String, checkingValues: Bool = true) throws(ModelError) -> CLIPModelSummary {
        do {
            let files = try ModelFiles(folder: folder)
            _ = try ModelFiles.tokenizer(folder: folder, files.config)
            if checkingValues { try files.checkValues() }
            return CLIPModelSummary(
                config: files.config, preprocess: files.preprocess,
                layout: TokenLayout(rows: files.config.vision.grid, columns: files.config.vision.grid),
                contentHash: try contentHash(folder: folder),
                parameters: files.config.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) })
        } catch { throw ModelError(error) }
    }

    /// The model's identity: SHA-256 over names, sizes and contents of the files that make it, in a fixed order.
    public static func contentHash(folder: String) throws(ModelError) -> ContentHash {
        do { return try ModelFiles.contentHash(folder: folder) } catch { throw ModelError(error) }
    }
}
