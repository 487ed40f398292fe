// CLIP's vision transformer: pixels to the residual stream at a hook point, and from there to the embedding.
//
//   x = norm([class; patches W] + positions);  blocks;  embedding = norm(x[class]) P
//
// Patches are one product over gathered pixels (`[3, p, p]` each, channel first, as torch's Conv2d weighs them).

import Basics
import Checkpoints
import Kernels

/// The packed weights of a vision tower.
///
///     let x = FloatBuffer(count: batch * tower.layout.count * tower.width)
///     tower.run(pixels: pixels, batch: batch, to: hook, into: x.pointer)
///     tower.finish(x.pointer, batch: batch, from: hook, into: embeddings)
///
/// Fixed once loaded: calls may overlap, though each uses the whole compute team.
public final class VisionTower: @unchecked Sendable {
    public let layout: TokenLayout
    public let width, layers: Int
    /// Width of the embedding.
    public let projection: Int

    private let config: CLIPConfig.Vision
    private let patches: PackedLinear
    /// `[tokens, width]`: positions, with the class embedding added to the first.
    private let start: FloatBuffer
    private let preNorm, postNorm: Norm
    private let transformer: Transformer
    private let projector: PackedLinear

    init(_ source: any TensorSource, _ config: CLIPConfig) throws {
        let vision = config.vision
        let width = vision.tower.width
        let embeddings = "vision_model.embeddings."
        self.config = vision
        self.width = width
        layers = vision.tower.layers
        projection = config.projection
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
        postNorm = try Norm(source, "vision_model.post_layernorm", width: width, epsilon: vision.tower.epsilon)
        transformer = try Transformer(source, "vision_model", vision.tower, isCausal: false)
        projector = try PackedLinear(
            source, ["visual_projection"], inputs: width, outputs: config.projection, hasBias: false)
    }

    /// Values of one image: its residual stream, and its pixels.
    private var streamCount: Int { layout.count * width }
    private var pixelCount: Int { 3 * config.imageSize * config.imageSize }

    /// Bytes of packed weights.
    public var byteCount: Int {
        patches.byteCount + start.byteCount + preNorm.byteCount + postNorm.byteCount + transformer.byteCount
            + projector.byteCount
    }

    /// Images computed at once: 1,600 tokens keep the products at full speed (at ViT-B/16, eight images at once and
    /// one after the other differ by less than the noise), and bound the workspaces whatever the batch.
    private var imagesAtOnce: Int { max(1, 1600 / layout.count) }

    /// Calls `body` with the images in groups of `imagesAtOnce`.
    private func inGroups(_ batch: Int, _ body: (Range<Int>) -> Void) {
        for first in stride(from: 0, to: batch, by: imagesAtOnce) { body(first..<min(batch, first + imagesAtOnce)) }
    }

    /// The residual stream after the hook's block.
    /// - Parameters:
    ///   - pixels: `[batch, 3, S, S]`, normalised.
    ///   - x: `[batch, tokens, width]`.
    /// - Precondition: the hook lies in this tower.
    public func run(pixels: UnsafePointer<Float>, batch: Int, to hook: HookPoint, into x: UnsafeMutablePointer<Float>) {
        precondition(hook.block < layers, "\(hook) of a tower of \(layers) blocks")
        inGroups(batch) { images in
            let stream = x + images.lowerBound * streamCount
            embed(pixels: pixels + images.lowerBound * pixelCount, batch: images.count, into: stream)
            transformer.run(0..<hook.block + 1, stream, batch: images.count, tokens: layout.count)
        }
    }

    /// Goes on above the hook to the embeddings.
    /// - Parameters:
    ///   - x: `[batch, tokens, width]` after the hook's block; overwritten.
    ///   - embeddings: `[batch, projection]`, not normalised.
    public func finish(
        _ x: UnsafeMutablePointer<Float>, batch: Int, from hook: HookPoint, into embeddings: UnsafeMutablePointer<Float>
    ) {
        precondition(hook.block < layers, "\(hook) of a tower of \(layers) blocks")
        inGroups(batch) { images in
            finish(
                x + images.lowerBound * streamCount, batch: images.count, fromBlock: hook.block + 1,
                into: embeddings + images.lowerBound * projection)
        }
    }

    /// From pixels to embeddings `[batch, projection]`, not normalised.
    public func embed(pixels: UnsafePointer<Float>, batch: Int, embeddings: UnsafeMutablePointer<Float>) {
        inGroups(batch) { images in
            withScratch(images.count * streamCount) { x in
                embed(pixels: pixels + images.lowerBound * pixelCount, batch: images.count, into: x)
                finish(x, batch: images.count, fromBlock: 0, into: embeddings + images.lowerBound * projection)
            }
        }
    }

    private func finish(
        _ x: UnsafeMutablePointer<Float>, batch: Int, fromBlock first: Int, into embeddings: UnsafeMutablePointer<Float>
    ) {
        let tokens = layout.count
        withScratch(batch * width) { pooled in
            if first == layers {
                for image in 0..<batch {
                    (pooled + image * width).update(from: x + image * tokens * width, count: width)
                }
            } else {
                transformer.run(first..<layers - 1, x, batch: batch, tokens: tokens)
                transformer.runLastForFirstToken(x, batch: batch, tokens: tokens, into: pooled)
            }
            postNorm.apply(pooled, into: pooled, rows: batch)
            projector.apply(pooled, rows: batch, into: embeddings)
        }
    }

    /// Class and patch embeddings with positions, normalised: the stream before block 0.
    private func embed(pixels: UnsafePointer<Float>, batch: Int, into x: UnsafeMutablePointer<Float>) {
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
