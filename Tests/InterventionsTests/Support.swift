// The embedded model and SAE on held-out scenes, and small seeded towers.

import Basics
import CLIP
import Checkpoints
import Foundation
import Imaging
import Interventions
import Kernels
import SAE
import Testing

enum Repository {
    static let path = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
}

/// A tower, an SAE and some images: what every test needs.
struct Setting {
    let vision: AdaptedVision
    let hook: HookPoint
    let sae: SparseAutoencoder
    let head: ZeroShotHead
    let images: [StoredImage]

    var upper: UpperTower { UpperTower(vision: vision, hook: hook, sae: sae, head: head) }

    /// Runs the tower, and keeps what a store would keep: latents unrounded, so that they are the reference's.
    init(vision: AdaptedVision, hook: HookPoint, sae: SparseAutoencoder, head: ZeroShotHead, pixels: [Float], count: Int) {
        (self.vision, self.hook, self.sae, self.head) = (vision, hook, sae, head)
        let tokens = vision.layout.count, stream = tokens * vision.tower.width, projection = vision.tower.projection
        var x = [Float](repeating: 0, count: count * stream)
        vision.run(pixels: pixels, batch: count, to: hook, into: &x)
        let latents = sae.encode(x, rows: count * tokens)
        let activations = x
        var embeddings = [Float](repeating: 0, count: count * projection)
        vision.embeddings(x, batch: count, from: hook, into: &embeddings)
        images = (0..<count).map {
            StoredImage(
                latents: latents.slice(rows: $0 * tokens..<($0 + 1) * tokens), embedding: Array(embeddings[$0 * projection..<($0 + 1) * projection]),
                activations: Array(activations[$0 * stream..<($0 + 1) * stream]))
        }
    }

    /// The answer to a stream at the hook, by the tower alone.
    func answer(toStream x: [Float]) -> [Float] {
        var embedding = [Float](repeating: 0, count: vision.tower.projection)
        vision.embeddings(x, batch: 1, from: hook, into: &embedding)
        return head.logits(embedding)
    }

    /// The reconstruction of some of an image's latents, by the SAE's own `decode`.
    func reconstruction(_ image: StoredImage, keeping: (UInt32) -> Bool = { _ in true }) throws -> [Float] {
        var masked = SparseRows(width: image.latents.width)
        for row in 0..<image.latents.rows {
            for entry in image.latents.range(of: row) where keeping(image.latents.indices[entry]) {
                masked.indices.append(image.latents.indices[entry])
                masked.values.append(image.latents.values[entry])
            }
            masked.indptr.append(masked.indices.count)
        }
        var xHat = [Float](repeating: .nan, count: masked.rows * vision.tower.width)
        try sae.decode(masked, into: &xHat)
        return xHat
    }
}

/// Seeded towers of odd sizes with a seeded SAE on top, in a folder of their own.
final class SeededFolder {
    let path = NSTemporaryDirectory() + "saed-interventions-" + UUID().uuidString
    static let config = CLIPConfig(
        vision: CLIPConfig.Vision(CLIPConfig.Tower(width: 48, layers: 4, heads: 3, mlp: 96), imageSize: 40, patch: 8),
        text: CLIPConfig.Text(CLIPConfig.Tower(width: 32, layers: 1, heads: 2, mlp: 64), vocabulary: 520, contextLength: 20, eosTokenID: 519),
        projection: 24)
    static let latents = 301

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// - Parameters:
    ///   - prompts: layers of visual prompts, three tokens each.
    ///   - bias: the SAE's; the lower the fewer latents are active.
    func setting(seed: UInt64, hook: Int, prompts: Int = 0, bias: Float = -1, images: Int = 2) throws -> Setting {
        let config = SeededFolder.config
        try SeededCLIP(config, seed: seed).write(to: path + "/model")
        try writeSAE(seed: seed, bias: bias)
        let tower = try CLIPModel.load(folder: path + "/model").vision()
        let values = SeededWeights(seed: seed)
        let layers = (0..<prompts).map { values.values("prompts.\($0)", count: 3 * tower.width, scale: 1) }
        let vision = AdaptedVision(tower: tower, prompts: prompts > 0 ? VisionPrompts(count: 3, width: tower.width, layers: layers) : nil)
        let head = ZeroShotHead(
            classes: (0..<7).map { "class \($0)" }, templates: ["{}"], features: values.values("head", count: 7 * 24, scale: 1), projection: 24,
            logitScale: 20)
        let side = config.vision.imageSize
        return Setting(
            vision: vision, hook: HookPoint(block: hook), sae: try SparseAutoencoder.load(path: path + "/sae"), head: head,
            pixels: values.values("pixels", count: images * 3 * side * side, scale: 2), count: images)
    }

    private func writeSAE(seed: UInt64, bias: Float) throws {
        let d = SeededFolder.config.vision.tower.width, n = SeededFolder.latents
        let values = SeededWeights(seed: seed), scale = Float((3 / Double(d)).squareRoot())
        try FileManager.default.createDirectory(atPath: path + "/sae", withIntermediateDirectories: true)
        try writeSafetensors(path + "/sae/sae_weights.safetensors", [
            SafetensorsTensor("W_enc", shape: [d, n], values: values.values("W_enc", count: d * n, scale: scale)),
            SafetensorsTensor("b_enc", shape: [n], values: values.values("b_enc", count: n, scale: 0.2, offset: bias)),
            SafetensorsTensor("W_dec", shape: [n, d], values: values.values("W_dec", count: d * n, scale: scale)),
            SafetensorsTensor("b_dec", shape: [d], values: values.values("b_dec", count: d, scale: 0.2)),
        ])
        try #"{"architecture": "standard", "d_in": \#(d), "d_sae": \#(n), "hook_name": "blocks.2.hook_resid_post"}"#
            .write(toFile: path + "/sae/cfg.json", atomically: true, encoding: .utf8)
    }
}

extension ClassAnswer {
    /// Whether every logit is the same to the bit.
    func isSame(as other: ClassAnswer) -> Bool { logits.map(\.bitPattern) == other.logits.map(\.bitPattern) }
    func isSame(as other: [Float]) -> Bool { logits.map(\.bitPattern) == other.map(\.bitPattern) }
}
