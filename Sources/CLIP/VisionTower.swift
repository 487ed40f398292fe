// CLIP's vision transformer: pixels to the residual stream at a hook point, and from there to the embedding.
//
//   x = norm([class; patches W] + positions);  blocks;  embedding = norm(x[class]) P
//
// What an adapter adds to it, prompt tokens, is AdaptedVision's affair; here everything takes the tokens as they come.

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

    let embedding: VisionEmbedding
    let transformer: Transformer
    let postNorm: Norm
    let projector: PackedLinear
    /// The last block's for the class token alone.
    let classToken: ClassTokenWeights

    /// Bytes of packed weights that belong to no other tower, without what gradients add.
    private let ownForwardByteCount: Int
    private let sharedByteCount: Int
    /// Products of another tower that are this one's too.
    private let sharedProducts: Set<ObjectIdentifier>
    private let isClassTokenShared: Bool

    /// - Parameter base: a tower whose parts are taken where their tensors did not change.
    init(_ source: any TensorSource, _ config: CLIPConfig, sharing base: Sharing<VisionTower>? = nil) throws {
        let vision = config.vision
        let width = vision.tower.width
        var ownBytes = 0
        self.width = width
        layers = vision.tower.layers
        projection = config.projection
        embedding = try shared(
            base?.of(\.embedding), ["vision_model.embeddings", "vision_model.pre_layrnorm"], &ownBytes,
            bytes: \.byteCount
        ) { try VisionEmbedding(source, vision) }
        layout = embedding.layout
        postNorm = try shared(
            base?.of(\.postNorm), ["vision_model.post_layernorm"], &ownBytes, bytes: \.byteCount
        ) { try Norm(source, "vision_model.post_layernorm", width: width, epsilon: vision.tower.epsilon) }
        transformer = try Transformer(
            source, "vision_model", vision.tower, isCausal: false, sharing: base?.of(\.transformer),
            ownBytes: &ownBytes)
        projector = try shared(base?.of(\.projector), ["visual_projection"], &ownBytes, bytes: \.byteCount) {
            try PackedLinear(
                source, ["visual_projection"], inputs: width, outputs: config.projection, hasBias: false)
        }
        ownForwardByteCount = ownBytes
        let own = transformer.blocks[layers - 1].qkv
        let theirs = base?.base.classToken
        isClassTokenShared = theirs?.qkv === own
        if let theirs, theirs.qkv === own { classToken = theirs } else { classToken = ClassTokenWeights(own, width: width) }
        sharedProducts = Set(base?.base.products.map(ObjectIdentifier.init) ?? [])
        // All parts of both are of the same sizes.
        sharedByteCount = base.map { $0.base.byteCount - ownBytes } ?? 0
    }

    /// Bytes of packed weights, those the other way round that gradients need included.
    public var byteCount: Int { ownForwardByteCount + sharedByteCount + gradientByteCount }

    /// Bytes of packed weights that belong to no other tower.
    var ownByteCount: Int { ownForwardByteCount + ownGradientByteCount }

    private var products: [PackedLinear] { transformer.blocks.flatMap { [$0.qkv, $0.output, $0.fc1, $0.fc2] } + [projector] }

    private var gradientByteCount: Int { products.reduce(classToken.byteCount) { $0 + $1.transposedByteCount } }

    private var ownGradientByteCount: Int {
        products.reduce(isClassTokenShared ? 0 : classToken.byteCount) {
            $0 + (sharedProducts.contains(ObjectIdentifier($1)) ? 0 : $1.transposedByteCount)
        }
    }

    /// Calls `body` with the images in groups: 1,600 tokens keep the products at full speed (at ViT-B/16, eight
    /// images at once and one after the other differ by less than the noise), and bound the workspaces whatever
    /// the batch.
    static func inGroups(_ batch: Int, tokens: Int, _ body: (Range<Int>) -> Void) {
        let imagesAtOnce = max(1, 1600 / tokens)
        for first in stride(from: 0, to: batch, by: imagesAtOnce) { body(first..<min(batch, first + imagesAtOnce)) }
    }

    /// The residual stream after the hook's block.
    /// - Parameters:
    ///   - pixels: `[batch, 3, S, S]`, normalised.
    ///   - x: `[batch, tokens, width]`.
    /// - Precondition: the hook lies in this tower.
    public func run(pixels: UnsafePointer<Float>, batch: Int, to hook: HookPoint, into x: UnsafeMutablePointer<Float>) {
        AdaptedVision(tower: self).run(pixels: pixels, batch: batch, to: hook, into: x)
    }

    /// Goes on above the hook to the embeddings.
    /// - Parameters:
    ///   - x: `[batch, tokens, width]` after the hook's block; overwritten.
    ///   - embeddings: `[batch, projection]`, not normalised.
    public func finish(
        _ x: UnsafeMutablePointer<Float>, batch: Int, from hook: HookPoint, into embeddings: UnsafeMutablePointer<Float>
    ) {
        AdaptedVision(tower: self).finish(x, batch: batch, from: hook, into: embeddings)
    }

    /// From pixels to embeddings `[batch, projection]`, not normalised.
    public func embed(pixels: UnsafePointer<Float>, batch: Int, embeddings: UnsafeMutablePointer<Float>) {
        AdaptedVision(tower: self).embed(pixels: pixels, batch: batch, embeddings: embeddings)
    }

    /// Embeddings of class tokens that left the last block.
    /// - Parameter pooled: `[batch, width]`; overwritten.
    func project(_ pooled: UnsafeMutablePointer<Float>, batch: Int, into embeddings: UnsafeMutablePointer<Float>) {
        postNorm.apply(pooled, into: pooled, rows: batch)
        projector.apply(pooled, rows: batch, into: embeddings)
    }
}
