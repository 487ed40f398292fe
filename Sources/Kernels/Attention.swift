// Multi-head self attention, fused for each image and head: the scores of a few queries at a time stay in the
// first-level cache, no `tokens x tokens` matrix is written to memory.

import CDNNL

/// `softmax(q k^T / sqrt(headDim)) v` for each image and head.
///
/// - Parameters:
///   - qkv: `[batch, tokens, 3, heads, headDim]`, the fused product's output.
///   - causal: a token sees itself and those before it (the text tower).
///   - out: `[batch, tokens, heads * headDim]`.
public func attention(
    qkv: UnsafePointer<Float>, batch: Int, tokens: Int, heads: Int, headDim: Int, causal: Bool,
    into out: UnsafeMutablePointer<Float>
) {
    attention(
        qkv: qkv, batch: batch, tokens: tokens, heads: heads, headDim: headDim, causal: causal, queries: 0..<tokens,
        into: out, using: .best)
}

/// The same for some queries only (the last block needs only the class token's): `out` is
/// `[batch, queries.count, heads * headDim]`.
public func attention(
    qkv: UnsafePointer<Float>, batch: Int, tokens: Int, heads: Int, headDim: Int, causal: Bool, queries: Range<Int>,
    into out: UnsafeMutablePointer<Float>
) {
    attention(
        qkv: qkv, batch: batch, tokens: tokens, heads: heads, headDim: headDim, causal: causal, queries: queries,
        into: out, using: .best)
}

package func attention(
    qkv: UnsafePointer<Float>, batch: Int, tokens: Int, heads: Int, headDim: Int, causal: Bool, queries: Range<Int>,
    into out: UnsafeMutablePointer<Float>, using set: InstructionSet
) {
    precondition(queries.lowerBound >= 0 && queries.upperBound <= tokens, "queries \(queries) of \(tokens) tokens")
    guard batch > 0, !queries.isEmpty else { return }
    let kernels = set.table
    let width = heads * headDim
    let scratchCount = Int(kernels.attention_scratch(Int64(tokens), Int64(headDim)))
    // Where there are fewer heads than threads the queries are divided too; each part packs the keys again.
    let jobs = batch * heads, tile = Int(kernels.tile_rows)
    let parts = jobs >= Team.threads ? 1 : min((2 * Team.threads + jobs - 1) / jobs, (queries.count + tile - 1) / tile)
    let partSize = ((queries.count + parts - 1) / parts + tile - 1) / tile * tile
    // A thread takes some heads in a row, so that it can fetch the next one's rows, which lie far apart.
    let run = parts > 1 ? 1 : max(1, min(6, jobs / (8 * Team.threads)))
    Team.parallelFor((jobs * parts + run - 1) / run) { index in
        for job in index * run..<min(jobs * parts, (index + 1) * run) {
            let head = job / parts % heads, image = job / parts / heads
            let first = queries.lowerBound + job % parts * partSize
            let last = min(queries.upperBound, first + partSize)
            guard first < last else { continue }
            let q = qkv + image * tokens * 3 * width + head * headDim
            let next = job + 1 < (index + 1) * run && head + 1 < heads ? q + headDim : nil
            // The kernel counts output rows by token; ours begin at the first query.
            let rows = out + (image * queries.count - queries.lowerBound) * width + head * headDim
            Scratch.withFloats(scratchCount) { scratch in
                kernels.attention(
                    q, q + width, q + 2 * width, Int64(3 * width), Int64(tokens), Int64(headDim), causal ? 1 : 0,
                    Int64(first), Int64(last), rows, Int64(width), next, Int64(width), scratch)
            }
        }
    }
}
