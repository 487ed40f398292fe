// What runs backwards: the gradients of attention, LayerNorm and activations, and the small products that they need.
//
// A gradient at an output comes in, that at the input goes out; what the forward pass left is computed again where that
// is cheaper than keeping it (attention's shares: tokens x tokens a head).

import CDNNL

/// `c[r][j] = sum_k a[r * rowStep + k * kStep] b[k * bStride + j]`, or `+=` with `accumulate`, on the calling thread alone:
/// for operands of any size that are used once. c may overlap neither.
package func multiply(
    _ a: UnsafePointer<Float>, rowStep: Int, kStep: Int, rows: Int, by b: UnsafePointer<Float>, bStride: Int, depth: Int, columns: Int,
    accumulate: Bool = false, into c: UnsafeMutablePointer<Float>, cStride: Int, using set: InstructionSet = .best
) {
    set.table.multiply(
        a, Int64(rowStep), Int64(kStep), Int64(rows), b, Int64(bStride), Int64(depth), Int64(columns), accumulate ? 1 : 0, c, Int64(cStride))
}

/// `to[c][r] = from[r][c]`; rows past `rows`, up to `padded`, become zeros.
/// - Parameter padded: a multiple of `vectorLanes`.
package func transpose(
    _ from: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int, into to: UnsafeMutablePointer<Float>, toStride: Int, padded: Int
) {
    InstructionSet.best.table.transposed(from, Int64(stride), Int64(rows), Int64(columns), 1, to, Int64(toStride), Int64(padded))
}

/// Floats of a vector.
package let vectorLanes = Int(InstructionSet.best.table.lanes)

package func roundedUpToLanes(_ count: Int) -> Int { (count + vectorLanes - 1) / vectorLanes * vectorLanes }

/// `y = activation(x)`; y may be x.
package func activate(
    _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int, _ activation: Activation, using set: InstructionSet = .best
) {
    let kernel = set.table.activate!
    Team.parallelRows(count, block: 1 << 14) { kernel(x + $0.lowerBound, y + $0.lowerBound, Int64($0.count), activation.code) }
}

/// `dy *= activation'(x)`: the gradient at an activation's output becomes that at its input.
package func activationGradient(
    _ x: UnsafePointer<Float>, _ dy: UnsafeMutablePointer<Float>, count: Int, _ activation: Activation, using set: InstructionSet = .best
) {
    let kernel = set.table.activation_gradient!
    Team.parallelRows(count, block: 1 << 14) { kernel(x + $0.lowerBound, dy + $0.lowerBound, Int64($0.count), activation.code) }
}

/// Adds to dx the gradient at `layerNormRows`'s x.
/// - Parameters:
///   - x, dy, dx: `[rows, width]`: its input, the gradient at its output, that at its input.
package func layerNormGradient(
    _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, rows: Int, width: Int,
    weight: UnsafePointer<Float>, epsilon: Float, using set: InstructionSet = .best
) {
    let kernel = set.table.layer_norm_gradient!
    Team.parallelRows(rows, block: 64) { block in
        let first = block.lowerBound * width
        kernel(x + first, dy + first, dx + first, Int64(block.count), Int64(width), weight, epsilon)
    }
}

/// Of `p`, softmax's output, and `dp`, the gradient there: dp becomes `scale` times the gradient at the scores. On the
/// calling thread alone.
/// - Parameters:
///   - p, dp: rows `stride` floats apart.
package func softmaxGradient(
    _ p: UnsafePointer<Float>, _ dp: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int, scale: Float,
    using set: InstructionSet = .best
) {
    set.table.softmax_gradient(p, dp, Int64(rows), Int64(columns), Int64(stride), scale)
}

/// Softmax of rows `stride` apart, in place, on the calling thread alone.
package func softmax(_ x: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int) {
    InstructionSet.best.table.softmax(x, Int64(rows), Int64(columns), Int64(stride))
}

/// The gradient at `attention`'s queries, keys and values, every token seeing all.
///
///   P = softmax(s Q K^T), O = P V:  dV = P^T dO,  dS = s P (dO V^T - rowsum(P dO V^T)),  dQ = dS K,  dK = dS^T Q
///
/// - Parameters:
///   - qkv: `[batch, tokens, 3, heads, headDim]`, as it was given.
///   - dOut: `[batch, tokens, heads * headDim]`.
///   - dqkv: as qkv, overwritten; may not overlap it.
package func attentionGradient(
    qkv: UnsafePointer<Float>, _ dOut: UnsafePointer<Float>, batch: Int, tokens: Int, heads: Int, headDim: Int,
    into dqkv: UnsafeMutablePointer<Float>
) {
    let width = heads * headDim, stride = 3 * width, padded = roundedUpToLanes(tokens)
    let scale = 1 / Float(headDim).squareRoot()
    Team.parallelFor(batch * heads) { job in
        let (image, head) = job.quotientAndRemainder(dividingBy: heads)
        let q = qkv + image * tokens * stride + head * headDim, k = q + width, v = k + width
        let dq = dqkv + image * tokens * stride + head * headDim, dk = dq + width, dv = dk + width
        let dO = dOut + image * tokens * width + head * headDim
        withScratch(headDim * padded + 2 * tokens * padded) { turned in
            let p = turned + headDim * padded, dS = p + tokens * padded
            /// `[tokens, headDim] x [headDim, tokens]`, the second the other way round in memory.
            func against(_ rows: UnsafePointer<Float>, _ step: Int, _ columns: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
                transpose(columns, stride: stride, rows: tokens, columns: headDim, into: turned, toStride: padded, padded: padded)
                multiply(
                    rows, rowStep: step, kStep: 1, rows: tokens, by: turned, bStride: padded, depth: headDim, columns: padded, into: out,
                    cStride: padded)
            }
            /// `[tokens, tokens] x [tokens, headDim]`, the first as it is or the other way round.
            func through(_ shares: UnsafePointer<Float>, turned: Bool, _ rows: UnsafePointer<Float>, _ step: Int, into out: UnsafeMutablePointer<Float>) {
                multiply(
                    shares, rowStep: turned ? 1 : padded, kStep: turned ? padded : 1, rows: tokens, by: rows, bStride: step, depth: tokens,
                    columns: headDim, into: out, cStride: stride)
            }
            against(q, stride, k, into: p)
            for i in 0..<tokens * padded { p[i] *= scale }
            softmax(p, rows: tokens, columns: tokens, stride: padded)
            through(p, turned: true, dO, width, into: dv)
            against(dO, width, v, into: dS)
            softmaxGradient(p, dS, rows: tokens, columns: tokens, stride: padded, scale: scale)
            through(dS, turned: false, k, stride, into: dq)
            through(dS, turned: true, q, stride, into: dk)
        }
    }
}
