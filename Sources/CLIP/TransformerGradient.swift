// The way back through transformer blocks: from the gradient at a block's output to that at its input. Weights have no
// gradient here; what is asked is where in the stream an answer hangs.

import Kernels

extension Norm {
    /// Adds to dx the gradient at x where that at the output is dy.
    func gradient(_ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, rows: Int) {
        layerNormGradient(x, dy, into: dx, rows: rows, width: weight.count, weight: weight.pointer, epsilon: epsilon)
    }
}

extension TransformerBlock {
    /// `x + fc2(activation(fc1(norm2(x))))` backwards: d, the gradient at its output, becomes that at x.
    /// - Parameters:
    ///   - x, d: `[rows, width]`.
    ///   - hidden: `[rows, mlp]`, fc1's output before the activation.
    ///   - wide, narrow: room for `[rows, mlp]` and `[rows, width]`.
    func mlpGradient(
        _ x: UnsafePointer<Float>, _ hidden: UnsafePointer<Float>, _ d: UnsafeMutablePointer<Float>, rows: Int, _ activation: Activation,
        scratch wide: UnsafeMutablePointer<Float>, _ narrow: UnsafeMutablePointer<Float>
    ) {
        fc2.transposed().apply(d, rows: rows, into: wide)
        activationGradient(hidden, wide, count: rows * fc1.outputs, activation)
        fc1.transposed().apply(wide, rows: rows, into: narrow)
        norm2.gradient(x, narrow, into: d, rows: rows)
    }
}

/// What one block keeps for the way back, in a buffer lent by the caller.
struct BlockTrace {
    /// `[rows, w]` before the block and between its halves, `[rows, 3w]`, and `[rows, mlp]` before the activation.
    let input, middle, qkv, hidden: UnsafeMutablePointer<Float>

    init(_ place: UnsafeMutablePointer<Float>, rows: Int, width: Int) {
        input = place
        middle = input + rows * width
        qkv = middle + rows * width
        hidden = qkv + rows * 3 * width
    }

    static func floats(rows: Int, _ tower: CLIPConfig.Tower) -> Int { rows * (5 * tower.width + tower.mlp) }
}

extension Transformer {
    /// Runs a block in place, as `run` does, and keeps what `gradient` needs.
    func run(block index: Int, _ x: UnsafeMutablePointer<Float>, batch: Int, tokens: Int, keeping trace: BlockTrace) {
        let block = blocks[index], w = tower.width, rows = batch * tokens
        trace.input.update(from: x, count: rows * w)
        withScratch(rows * max(w, tower.mlp)) { room in
            block.norm1.apply(x, into: room, rows: rows)
            block.qkv.apply(room, rows: rows, into: trace.qkv)
            attention(qkv: trace.qkv, batch: batch, tokens: tokens, heads: tower.heads, headDim: tower.headWidth, causal: false, into: room)
            block.output.apply(room, rows: rows, into: x, accumulate: true)
            trace.middle.update(from: x, count: rows * w)
            block.norm2.apply(x, into: room, rows: rows)
            block.fc1.apply(room, rows: rows, into: trace.hidden)
            activate(trace.hidden, into: room, count: rows * tower.mlp, activation)
            block.fc2.apply(room, rows: rows, into: x, accumulate: true)
        }
    }

    /// d, the gradient at a block's output `[batch, tokens, width]`, becomes that at its input.
    func gradient(block index: Int, _ d: UnsafeMutablePointer<Float>, batch: Int, tokens: Int, from trace: BlockTrace) {
        let block = blocks[index], w = tower.width, rows = batch * tokens
        withScratch(rows * max(3 * w, tower.mlp)) { wide in
            withScratch(rows * w) { narrow in
                block.mlpGradient(trace.middle, trace.hidden, d, rows: rows, activation, scratch: wide, narrow)
                block.output.transposed().apply(d, rows: rows, into: narrow)
                attentionGradient(qkv: trace.qkv, narrow, batch: batch, tokens: tokens, heads: tower.heads, headDim: tower.headWidth, into: wide)
                block.qkv.transposed().apply(wide, rows: rows, into: narrow)
                block.norm1.gradient(trace.input, narrow, into: d, rows: rows)
            }
        }
    }
}
