// What is measured: a seeded CLIP and a seeded SAE at three densities, written once to a folder that ours and the
// peers read alike.
//
//   model/              Hugging Face layout
//   sae-0.3, -0.5, -2.6 SAELens layout; b_enc is one number, chosen so that so many percent of the latents are
//                       active on the pixels below
//   vpt.safetensors     four prompts before every block, under the names of VPT's trainer
//   pixels.f32          [batch, 3, S, S]
//   workload.json       sizes and operation counts

import Basics
import CLIP
import Checkpoints
import Foundation
import Kernels
import SAE

struct Workload: Codable {
    let name: String
    let batch, imageSize, tokens, width, latents, projection, hookBlock: Int
    /// Percent of latents active, by the name of the SAE's folder.
    let densities: [String]
    /// Of one image, multiply-adds counted as two.
    let towerOperations, hookOperations, saeOperations: Double

    static let seed: UInt64 = 2026

    static func size(_ name: String) -> (clip: CLIPConfig, latents: Int, batch: Int) {
        if name == "tiny" {
            let tower = CLIPConfig.Tower(width: 64, layers: 4, heads: 4, mlp: 256)
            return (
                CLIPConfig(
                    vision: CLIPConfig.Vision(tower, imageSize: 32, patch: 8),
                    text: CLIPConfig.Text(tower, vocabulary: 600, contextLength: 16, eosTokenID: 599), projection: 32),
                512, 4)
        }
        return (.vitB16, 49_152, 8)
    }

    static func folder(_ root: String, sae density: String) -> String { root + "/sae-" + density }

    static func read(_ root: String) throws -> Workload {
        try JSONDecoder().decode(Workload.self, from: Data(contentsOf: URL(fileURLWithPath: root + "/workload.json")))
    }

    static let adapterFile = "vpt.safetensors"

    /// Seeded visual prompts before each of the first `depth` blocks.
    static func writePrompts(_ path: String, width: Int, depth: Int, count: Int) throws {
        let weights = SeededWeights(seed: seed)
        try writeSafetensors(
            path,
            (0..<depth).map { block in
                let name = block == 0 ? "image_encoder.VPT" : "image_encoder.transformer.resblocks.\(block).VPT_shallow"
                return SafetensorsTensor(name, shape: [count, width], values: weights.values(name, count: count * width, scale: 0.5))
            })
    }

    func pixels(_ root: String) throws -> [Float] {
        let data = try Data(contentsOf: URL(fileURLWithPath: root + "/pixels.f32"))
        return data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }

    /// Writes all of it; what takes longest is finding the biases.
    static func prepare(_ root: String, size name: String) throws {
        let (clip, latents, batch) = size(name)
        let width = clip.vision.tower.width, side = clip.vision.imageSize
        let hook = HookPoint.patchSAE(layers: clip.vision.tower.layers)
        try SeededCLIP(clip, seed: seed).write(to: root + "/model")
        try writePrompts(root + "/" + adapterFile, width: width, depth: clip.vision.tower.layers, count: 4)
        let pixels = SeededWeights(seed: seed).values("pixels", count: batch * 3 * side * side, scale: 2)
        try pixels.withUnsafeBytes { try Data($0).write(to: URL(fileURLWithPath: root + "/pixels.f32")) }

        let model = try CLIPModel.load(folder: root + "/model"), tower = try model.vision()
        let rows = batch * tower.layout.count
        let x = FloatBuffer(count: rows * width)
        tower.run(pixels: pixels, batch: batch, to: hook, into: x.pointer)
        let densities = ["0.3", "0.5", "2.6"]
        let source = SeededSAE(width: width, latents: latents)
        let thresholds = try source.thresholds(x.pointer, rows: rows, densities: densities.map { Double($0)! / 100 })
        for (density, threshold) in zip(densities, thresholds) {
            try source.write(to: folder(root, sae: density), bias: -threshold, hook: hook)
        }
        let counts = OperationCounts(clip.vision, tokens: tower.layout.count, projection: clip.projection, hook: hook)
        let workload = Workload(
            name: name, batch: batch, imageSize: side, tokens: tower.layout.count, width: width, latents: latents,
            projection: clip.projection, hookBlock: hook.block, densities: densities,
            towerOperations: counts.tower, hookOperations: counts.hook,
            saeOperations: 2 * Double(tower.layout.count) * Double(width) * Double(latents))
        try JSONEncoder().encode(workload).write(to: URL(fileURLWithPath: root + "/workload.json"))
    }
}

/// Products and attention of one image; the last block for the class token alone counts as it is computed by those
/// who compute all tokens, so that images per second times this is what a peer achieves.
struct OperationCounts {
    let tower, hook: Double

    init(_ vision: CLIPConfig.Vision, tokens: Int, projection: Int, hook: HookPoint) {
        let width = Double(vision.tower.width), mlp = Double(vision.tower.mlp), t = Double(tokens)
        let block = 2 * t * (4 * width * width + 2 * width * mlp) + 4 * t * t * width
        let patches = 2 * (t - 1) * 3 * Double(vision.patch * vision.patch) * width
        self.hook = patches + Double(hook.block + 1) * block
        tower = patches + Double(vision.tower.layers) * block + 2 * width * Double(projection)
    }
}

/// Seeded weights of an SAE.
struct SeededSAE {
    let width, latents: Int
    private let weights = SeededWeights(seed: Workload.seed)

    init(width: Int, latents: Int) {
        self.width = width
        self.latents = latents
    }

    private var encoderScale: Float { Float((3 / Double(width)).squareRoot()) }
    private func decoderBias() -> [Float] { weights.values("b_dec", count: width, scale: 0.1) }

    func write(to folder: String, bias: Float, hook: HookPoint) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let config = """
            {"architecture": "standard", "d_in": \(width), "d_sae": \(latents), "apply_b_dec_to_input": true, \
            "normalize_activations": "none", "metadata": {"model_name": "seeded", "hook_name": "blocks.\(hook.block).hook_resid_post"}}

            """
        try config.write(toFile: folder + "/cfg.json", atomically: true, encoding: .utf8)
        try writeSafetensors(folder + "/sae_weights.safetensors", [
            SafetensorsTensor("W_enc", shape: [width, latents]) { weights.fill("W_enc", scale: encoderScale, into: $0) },
            SafetensorsTensor("b_enc", shape: [latents], values: [Float](repeating: bias, count: latents)),
            SafetensorsTensor("W_dec", shape: [latents, width]) { weights.fill("W_dec", scale: encoderScale, into: $0) },
            SafetensorsTensor("b_dec", shape: [width], values: decoderBias()),
        ])
    }

    /// The pre-activations that each share of all lies above.
    func thresholds(_ x: UnsafePointer<Float>, rows: Int, densities: [Double]) throws -> [Float] {
        let bias = decoderBias()
        let centred = FloatBuffer(count: rows * width)
        for i in 0..<rows * width { centred.pointer[i] = x[i] - bias[i % width] }
        let product = try PackedLinear(inputs: width, outputs: latents, layout: .inOut, weights: {
            weights.fill("W_enc", scale: encoderScale, into: UnsafeMutableBufferPointer(start: $0, count: width * latents))
        })
        let pre = FloatBuffer(count: rows * latents)
        product.apply(centred.pointer, rows: rows, into: pre.pointer)
        // A histogram fine enough for three digits of a density.
        let top = pre.buffer.max()!, bins = 1 << 16
        var histogram = [Int](repeating: 0, count: bins)
        for value in pre.buffer where value > 0 { histogram[min(bins - 1, Int(value / top * Float(bins)))] += 1 }
        return densities.map { density in
            var wanted = Int(density * Double(rows * latents)), bin = bins - 1
            while bin > 0, wanted > 0 {
                wanted -= histogram[bin]
                bin -= 1
            }
            return top * Float(bin + 1) / Float(bins)
        }
    }
}
