// A vision tower as an adapter leaves it: with visual prompt tokens at the end, or with other weights, or the base's own.
//
// MaPLe's, VPT's and IVLP's place of the prompts: after the last patch and past the position embeddings, before the
// pre-norm; deep ones replace the last tokens before their block. The pre-norm looks at one token at a time, so the
// first prompts are normalised once here and class and patch tokens are the same whatever the adapter.

import Basics
import Kernels

/// Visual prompts: `count` tokens after the last patch.
public struct VisionPrompts: Sendable, Hashable {
    /// Tokens.
    public let count: Int
    public let width: Int
    /// `[count, width]` each. `layers[0]` goes in before the pre-norm, `layers[i]` (`i >= 1`) replaces the tokens
    /// before block `i`; blocks past the last entry carry them on.
    public let layers: [[Float]]

    public init(count: Int, width: Int, layers: [[Float]]) {
        precondition(
            count > 0 && !layers.isEmpty && layers.allSatisfy { $0.count == count * width },
            "\(layers.map(\.count)) values for prompts [\(count), \(width)]")
        self.count = count
        self.width = width
        self.layers = layers
    }
}

/// A vision tower as an adapter leaves it: the base's own (prompts only), or one with other weights (LoRA,
/// fine-tuned).
///
///     let stream = FloatBuffer(count: batch * vision.tower.layout.count * vision.tower.width)
///     let x = FloatBuffer(count: batch * vision.layout.count * vision.tower.width)
///     vision.begin(pixels: pixels, batch: batch, into: stream.pointer)
///     vision.start(stream.pointer, batch: batch, into: x.pointer)
///     vision.run(x.pointer, batch: batch, blocks: 0..<hook.block + 1)
///     vision.finish(x.pointer, batch: batch, from: hook, into: embeddings)
///
/// `begin`'s stream serves every adapted tower whose `embeddingIdentity` is equal, and `run` may be called block by
/// block. Calls may overlap.
public struct AdaptedVision: Sendable {
    public let tower: VisionTower
    /// nil: none.
    public let prompts: VisionPrompts?
    /// With prompts.
    public let layout: TokenLayout
    /// `prompts.layers[0]` after the pre-norm.
    private let firstPrompts: [Float]
    let deep: DeepPrompts?

    /// - Precondition: prompts are as wide as the tower and have no more layers than it has blocks.
    public init(tower: VisionTower, prompts: VisionPrompts? = nil) {
        self.tower = tower
        self.prompts = prompts
        layout = TokenLayout(rows: tower.layout.rows, columns: tower.layout.columns, prompts: prompts?.count ?? 0)
        guard let prompts else {
            firstPrompts = []
            deep = nil
            return
        }
        precondition(
            prompts.width == tower.width && prompts.layers.count <= tower.layers,
            "prompts of width \(prompts.width) for \(prompts.layers.count) blocks, a tower of width \(tower.width) and \(tower.layers) blocks"
        )
        var first = prompts.layers[0]
        first.withUnsafeMutableBufferPointer {
            tower.embedding.preNorm.apply($0.baseAddress!, into: $0.baseAddress!, rows: prompts.count)
        }
        firstPrompts = first
        deep = DeepPrompts(
            place: layout.tokens(of: .prompt).lowerBound, count: prompts.count, layers: prompts.layers)
    }

    /// Equal: what `begin` gives is the same.
    public var embeddingIdentity: ObjectIdentifier { ObjectIdentifier(tower.embedding) }

    private var width: Int { tower.width }

    private func inGroups(_ batch: Int, _ body: (Range<Int>) -> Void) {
        VisionTower.inGroups(batch, tokens: layout.count, body)
    }

    // MARK: In steps

    /// Class and patch tokens after the pre-norm.
    /// - Parameters:
    ///   - pixels: `[batch, 3, S, S]`, normalised.
    ///   - stream: `[batch, 1 + patches, width]`.
    public func begin(pixels: UnsafePointer<Float>, batch: Int, into stream: UnsafeMutablePointer<Float>) {
        let embedding = tower.embedding
        VisionTower.inGroups(batch, tokens: embedding.layout.count) { images in
            embedding.apply(
                pixels: pixels + images.lowerBound * embedding.pixelCount, batch: images.count,
                into: stream + images.lowerBound * embedding.layout.count * width)
        }
    }

    /// The stream before block 0: a copy of `begin`'s, with the prompts.
    /// - Parameter x: `[batch, tokens, width]`; may not overlap `stream`.
    public func start(_ stream: UnsafePointer<Float>, batch: Int, into x: UnsafeMutablePointer<Float>) {
        let own = tower.layout.count * width
        let all = layout.count * width
        firstPrompts.withUnsafeBufferPointer { prompts in
            // The buffer stays where it is until all threads are done.
            nonisolated(unsafe) let prompts = prompts
            nonisolated(unsafe) let (stream, x) = (stream, x)
            Team.parallelFor(batch) { image in
                (x + image * all).update(from: stream + image * own, count: own)
                if let first = prompts.baseAddress {
                    (x + image * all + own).update(from: first, count: prompts.count)
                }
            }
        }
    }

    /// Runs blocks in place; a block with prompts of its own gets them first.
    /// - Parameter x: `[batch, tokens, width]`.
    public func run(_ x: UnsafeMutablePointer<Float>, batch: Int, blocks: Range<Int>) {
        precondition(blocks.upperBound <= tower.layers, "blocks \(blocks) of a tower of \(tower.layers)")
        inGroups(batch) { images in
            tower.transformer.run(
                blocks, x + images.lowerBound * layout.count * width, batch: images.count, tokens: layout.count,
                deep: deep)
        }
    }

    /// Goes on above the hook to the embeddings.
    /// - Parameters:
    ///   - x: `[batch, tokens, width]` after the hook's block; overwritten.
    ///   - embeddings: `[batch, projection]`, not normalised.
    public func finish(
        _ x: UnsafeMutablePointer<Float>, batch: Int, from hook: HookPoint, into embeddings: UnsafeMutablePointer<Float>
    ) {
        precondition(hook.block < tower.layers, "\(hook) of a tower of \(tower.layers) blocks")
        inGroups(batch) { images in
            finishGroup(
                x + images.lowerBound * layout.count * width, batch: images.count, fromBlock: hook.block + 1,
                into: embeddings + images.lowerBound * tower.projection)
        }
    }

    // MARK: At once

    /// From pixels to the residual stream after the hook's block.
    /// - Parameter x: `[batch, tokens, width]`.
    public func run(pixels: UnsafePointer<Float>, batch: Int, to hook: HookPoint, into x: UnsafeMutablePointer<Float>) {
        precondition(hook.block < tower.layers, "\(hook) of a tower of \(tower.layers) blocks")
        inGroups(batch) { images in
            let stream = x + images.lowerBound * layout.count * width
            embedGroup(pixels + images.lowerBound * tower.embedding.pixelCount, batch: images.count, into: stream)
            tower.transformer.run(
                0..<hook.block + 1, stream, batch: images.count, tokens: layout.count, deep: deep)
        }
    }

    /// From pixels to embeddings `[batch, projection]`, not normalised.
    public func embed(pixels: UnsafePointer<Float>, batch: Int, embeddings: UnsafeMutablePointer<Float>) {
        inGroups(batch) { images in
            withScratch(images.count * layout.count * width) { x in
                embedGroup(pixels + images.lowerBound * tower.embedding.pixelCount, batch: images.count, into: x)
                finishGroup(
                    x, batch: images.count, fromBlock: 0, into: embeddings + images.lowerBound * tower.projection)
            }
        }
    }

    // MARK: A group of images

    private func embedGroup(_ pixels: UnsafePointer<Float>, batch: Int, into x: UnsafeMutablePointer<Float>) {
        if prompts == nil { return tower.embedding.apply(pixels: pixels, batch: batch, into: x) }
        withScratch(batch * tower.layout.count * width) { stream in
            tower.embedding.apply(pixels: pixels, batch: batch, into: stream)
            start(stream, batch: batch, into: x)
        }
    }

    private func finishGroup(
        _ x: UnsafeMutablePointer<Float>, batch: Int, fromBlock first: Int, into embeddings: UnsafeMutablePointer<Float>
    ) {
        let tokens = layout.count
        withScratch(batch * width) { pooled in
            if first == tower.layers {
                for image in 0..<batch {
                    (pooled + image * width).update(from: x + image * tokens * width, count: width)
                }
            } else {
                let last = tower.layers - 1
                tower.transformer.run(first..<last, x, batch: batch, tokens: tokens, deep: deep)
                deep?.replace(in: x, before: last, batch: batch, tokens: tokens, width: width)
                tower.transformer.runLastForFirstToken(x, batch: batch, tokens: tokens, into: pooled)
            }
            tower.project(pooled, batch: batch, into: embeddings)
        }
    }
}
