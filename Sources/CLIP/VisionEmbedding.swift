// The lowest part of a vision tower: pixels to the normalised class and patch tokens before block 0.
//
//   x = norm([class; patches W] + positions)
//
// Patches are one product over gathered pixels (`[3, p, p]` each, channel first, as torch's Conv2d weighs them).
// An object of its own, so that towers which differ only further up share it and compute it once for an image.

import Basics
import Checkpoints
import Kernels

/// Fixed once loaded: calls may overlap.
final class VisionEmbedding: @unchecked Sendable {
    /// Without prompts.
    let layout: TokenLayout
    let width: Int
    let preNorm: Norm
    private let config: CLIPConfig.Vision
    private let patches: PackedLinear
    /// `[tokens, width]`: positions, with the class embedding added to the first.
    private let start: FloatBuffer

    init(_ source: any TensorSource, _ vision: CLIPConfig.Vision) throws {
        let width = vision.tower.width
        let embeddings = "vision_model.embeddings."
        config = vision
        self.width = width
        layout = TokenLayout(rows: vision.grid, columns: vision.grid)
        patches = try PackedLinear(
            inputs: 3 * vision.patch * vision.patch, outputs: width, layout: .outIn,
            weights: {
                try source.readFinite(
                    embeddings + "patch_embedding.weight", shape: [width, 3, vision.patch, vision.patch], into: $0)
            })
        start = FloatBuffer(count: layout.count * width)
        try source.readFinite(
            embeddings + "position_embedding.weight", shape: [layout.count, width], into: start.pointer)
        for (index, value) in try source.finiteTensor(embeddings + "class_embedding", shape: [width]).enumerated() {
            start.pointer[index] += value
        }
        preNorm = try Norm(source, "vision_model.pre_layrnorm", width: width, epsilon: vision.tower.epsilon)
    }

    var byteCount: Int { patches.byteCount + start.byteCount + preNorm.byteCount }

    /// Values of one image's pixels.
    var pixelCount: Int { 3 * config.imageSize * config.imageSize }

    /// - Parameters:
    ///   - pixels: `[batch, 3, S, S]`, normalised.
    ///   - x: `[batch, 1 + patches, width]`.
    func apply(pixels: UnsafePointer<Float>, batch: Int, into x: UnsafeMutablePointer<Float>) {
        let tokens = layout.count
        let patchInputs = 3 * config.patch * config.patch
        withScratch(batch * layout.patches * patchInputs) { gathered in
            gatherPatches(pixels, batch: batch, into: gathered)
            Team.parallelFor(batch) { image in
                (x + image * tokens * width).update(from: start.pointer, count: tokens * width)
            }
            for image in 0..<batch {
                patches.apply(
                    gathered + image * layout.patches * patchInputs, rows: layout.patches,
                    into: x + (image * tokens + 1) * width,
                    accumulate: true)
            }
        }
        preNorm.apply(x, into: x, rows: batch * tokens)
    }

    /// `[batch, patches, 3, p, p]` from `[batch, 3, S, S]`.
    private func gatherPatches(_ pixels: UnsafePointer<Float>, batch: Int, into gathered: UnsafeMutablePointer<Float>) {
        let side = config.imageSize
        let patch = config.patch
        let grid = config.grid
        Team.parallelFor(batch * grid) { index in
            let image = index / grid
            let row = index % grid
            let planes = pixels + image * 3 * side * side
            var target = gathered + index * grid * 3 * patch * patch
            for column in 0..<grid {
                for channel in 0..<3 {
                    for y in 0..<patch {
                        target.update(
                            from: planes + channel * side * side + (row * patch + y) * side + column * patch,
                            count: patch)
                        target += patch
                    }
                }
            }
        }
    }
}
