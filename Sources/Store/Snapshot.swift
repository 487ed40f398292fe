// What is kept of one image under one view.

import Basics

/// One image under one view.
public struct Snapshot: Sendable, Equatable {
    public var image: ContentHash
    public var layout: TokenLayout
    /// Rows are tokens in the layout's order, columns latents. Values are kept as f16 (nearest, ties to even;
    /// what would round to zero becomes 2^-24), or as f32 where one exceeds 65,504.
    public var latents: SparseRows
    /// The raw (not normalised) image embedding, f32.
    public var embedding: [Float]
    /// `[tokens, width]`, f32: the residual stream at the hook. Given to `append`, they are kept where the
    /// store is told to (`StoreOptions.keepActivations`) or where they are smaller than the latents.
    public var activations: [Float]?

    public init(image: ContentHash, layout: TokenLayout, latents: SparseRows, embedding: [Float], activations: [Float]? = nil) {
        self.image = image
        self.layout = layout
        self.latents = latents
        self.embedding = embedding
        self.activations = activations
    }
}

/// Encodes kept activations again: `rows` tokens of the view's activation width to active latents.
public typealias LatentEncoder = @Sendable (_ activations: UnsafePointer<Float>, _ rows: Int) throws -> SparseRows
