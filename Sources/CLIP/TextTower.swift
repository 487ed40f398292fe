// CLIP's text transformer: token ids to embeddings.
//
// Causal: a token does not see those after it, so nothing after the pooled position is computed. A prompt of
// eight words costs a seventh of its padded 77 tokens.

import Basics
import Checkpoints
import Kernels

/// The packed weights of a text tower. Fixed once loaded: calls may overlap.
public final class TextTower: @unchecked Sendable {
    public let width: Int
    /// Width of the embedding.
    public let projection: Int

    private let config: CLIPConfig.Text
    /// `[vocabulary, width]` and `[context, width]`.
    private let tokenEmbedding, positionEmbedding: FloatBuffer
    private let transformer: Transformer
    private let finalNorm: Norm
    private let projector: PackedLinear

    /// Tokens computed at once: enough to keep the products at full speed, small enough for the caches.
    private static let rowsMax = 1536

    /// Bytes of weights that belong to no other tower.
    let ownByteCount: Int
    private let sharedByteCount: Int

    /// - Parameter base: a tower whose parts are taken where their tensors did not change.
    init(_ source: any TensorSource, _ config: CLIPConfig, sharing base: Sharing<TextTower>? = nil) throws {
        let text = config.text
        let width = text.tower.width
        var ownBytes = 0
        self.config = text
        self.width = width
        projection = config.projection
        func rows(_ part: KeyPath<TextTower, FloatBuffer>, _ name: String, _ count: Int) throws -> FloatBuffer {
            let name = "text_model.embeddings." + name
            return try shared(base?.of(part), [name], &ownBytes, bytes: \.byteCount) {
                let buffer = FloatBuffer(count: count * width)
                try source.readFinite(name + ".weight", shape: [count, width], into: buffer.pointer)
                return buffer
            }
        }
        tokenEmbedding = try rows(\.tokenEmbedding, "token_embedding", text.vocabulary)
        positionEmbedding = try rows(\.positionEmbedding, "position_embedding", text.contextLength)
        transformer = try Transformer(
            source, "text_model", text.tower, isCausal: true, sharing: base?.of(\.transformer), ownBytes: &ownBytes)
        finalNorm = try shared(base?.of(\.finalNorm), ["text_model.final_layer_norm"], &ownBytes, bytes: \.byteCount) {
            try Norm(source, "text_model.final_layer_norm", width: width, epsilon: text.tower.epsilon)
        }
        projector = try shared(base?.of(\.projector), ["text_projection"], &ownBytes, bytes: \.byteCount) {
            try PackedLinear(source, ["text_projection"], inputs: width, outputs: config.projection, hasBias: false)
        }
        ownByteCount = ownBytes
        sharedByteCount = base.map { $0.base.byteCount - ownBytes } ?? 0
    }

    /// Bytes of weights.
    public var byteCount: Int { ownByteCount + sharedByteCount }

    /// Embeddings `[prompts, projection]`, not normalised.
    /// - Parameter prompts: `Tokenizer.encode`'s ids, at most `contextLength` each.
    /// - Throws: `cancelled`, between two batches of prompts: those of a thousand classes take minutes.
    public func embed(_ prompts: [[Int32]]) throws(ModelError) -> [Float] { try embed(prompts.map { TextPrompt(ids: $0) }, deep: nil) }

    /// The same with learned tokens among the words.
    /// - Parameter deep: replaces tokens of every prompt before some blocks.
    func embed(_ prompts: [TextPrompt], deep: DeepPrompts?) throws(ModelError) -> [Float] {
        let lengths = prompts.map { pooledPosition($0.ids) + 1 }
        // Prompts of like length together: the batch is as long as its longest.
        let order = prompts.indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
        var embeddings = [Float](repeating: 0, count: prompts.count * projection)
        var first = 0
        while first < order.count {
            if Cancellation.isRequested { throw .cancelled }
            var end = first + 1
            while end < order.count, (end - first + 1) * lengths[order[end]] <= TextTower.rowsMax { end += 1 }
            embed(order[first..<end], of: prompts, lengths, deep, into: &embeddings)
            first = end
        }
        return embeddings
    }

    /// Where the prompt's meaning is read, as transformers chooses it: the first largest id where `eosTokenID`
    /// is 2, otherwise the first `eosTokenID`, or 0 where there is none.
    func pooledPosition(_ ids: [Int32]) -> Int {
        precondition(!ids.isEmpty && ids.count <= config.contextLength, "a prompt of \(ids.count) tokens")
        if config.eosTokenID == 2 { return ids.firstIndex(of: ids.max()!) ?? 0 }
        return ids.firstIndex(of: Int32(config.eosTokenID)) ?? 0
    }

    private func embed(
        _ chosen: ArraySlice<Int>, of prompts: [TextPrompt], _ lengths: [Int], _ deep: DeepPrompts?,
        into embeddings: inout [Float]
    ) {
        let tokens = lengths[chosen.last!]
        let batch = chosen.count
        let width = width
        let projection = projection
        withScratch(batch * tokens * width) { x in
            for (row, prompt) in chosen.enumerated() {
                fill(x + row * tokens * width, tokens: tokens, with: prompts[prompt])
            }
            transformer.run(0..<config.tower.layers, x, batch: batch, tokens: tokens, deep: deep)
            withScratch(batch * (width + projection)) { pooled in
                for (row, prompt) in chosen.enumerated() {
                    (pooled + row * width).update(from: x + (row * tokens + lengths[prompt] - 1) * width, count: width)
                }
                finalNorm.apply(pooled, into: pooled, rows: batch)
                let projected = pooled + batch * width
                projector.apply(pooled, rows: batch, into: projected)
                embeddings.withUnsafeMutableBufferPointer { target in
                    for (row, prompt) in chosen.enumerated() {
                        (target.baseAddress! + prompt * projection).update(
                            from: projected + row * projection, count: projection)
                    }
                }
            }
        }
    }

    /// One prompt before block 0: token or learned rows, with positions.
    /// - Parameter x: `[tokens, width]`.
    private func fill(_ x: UnsafeMutablePointer<Float>, tokens: Int, with prompt: TextPrompt) {
        prompt.context.withUnsafeBufferPointer { context in
            var learned = 0
            for position in 0..<tokens {
                // Past a shorter prompt's end anything may stand: its pooled token does not see it.
                let id = position < prompt.ids.count ? prompt.ids[position] : 0
                let row: UnsafePointer<Float>
                if id == TextPrompt.learned {
                    row = context.baseAddress! + learned
                    learned += width
                } else {
                    precondition(id >= 0 && Int(id) < config.vocabulary, "token \(id) of \(config.vocabulary)")
                    row = UnsafePointer(tokenEmbedding.pointer + Int(id) * width)
                }
                let target = x + position * width
                let place = positionEmbedding.pointer + position * width
                for i in 0..<width { target[i] = row[i] + place[i] }
            }
        }
    }
}

/// Words with learned tokens among them.
struct TextPrompt: Sendable {
    /// Stands in `ids` where a row of `context` goes.
    static let learned: Int32 = -1

    /// At most the context length.
    var ids: [Int32]
    /// `[learned tokens, width]`, in their order; at least as many rows as `ids` asks for.
    var context: [Float] = []
}
