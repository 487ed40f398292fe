// A stack of pre-norm transformer blocks: CLIP's vision and text towers alike.
//
//   x += out(attention(qkv(norm1(x))));  x += fc2(activation(fc1(norm2(x))))
//
// T tokens, w width, m MLP width. Each linear layer is packed once, straight from the file. The last block's
// query is packed apart from its keys and values, so that it can be computed for the class token alone.

import Checkpoints
import Kernels

/// `[width]` scale and shift.
struct Norm {
    let weight, bias: FloatBuffer
    let epsilon: Float

    init(_ source: any TensorSource, _ name: String, width: Int, epsilon: Float) throws {
        weight = FloatBuffer(count: width)
        bias = FloatBuffer(count: width)
        self.epsilon = epsilon
        try source.readFinite(name + ".weight", shape: [width], into: weight.pointer)
        try source.readFinite(name + ".bias", shape: [width], into: bias.pointer)
    }

    /// In place where y is x.
    func apply(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, rows: Int) {
        layerNormRows(x, into: y, rows: rows, width: weight.count, weight: weight.pointer, bias: bias.pointer, epsilon: epsilon)
    }

    var byteCount: Int { weight.byteCount + bias.byteCount }
}

extension PackedLinear {
    /// `[outputs, inputs]` weights of several torch Linears with the same input, one below the other.
    convenience init(_ source: any TensorSource, _ names: [String], inputs: Int, outputs: Int, hasBias: Bool = true) throws {
        let bias = try hasBias ? names.flatMap { try source.finiteTensor($0 + ".bias", shape: [outputs]) } : nil
        try self.init(
            inputs: inputs, outputs: outputs * names.count, layout: .outIn,
            weights: { target in
                for (index, name) in names.enumerated() {
                    try source.readFinite(name + ".weight", shape: [outputs, inputs], into: target + index * outputs * inputs)
                }
            }, bias: bias)
    }
}

/// One block's weights.
struct TransformerBlock {
    enum AttentionInput {
        /// `[3w]` outputs: q, k, v.
        case fused(PackedLinear)
        case split(query: PackedLinear, keysValues: PackedLinear)
    }

    let norm1, norm2: Norm
    let input: AttentionInput
    let output, fc1, fc2: PackedLinear

    init(_ source: any TensorSource, _ name: String, _ tower: CLIPConfig.Tower, isLast: Bool) throws {
        let width = tower.width
        let attention = name + ".self_attn."
        norm1 = try Norm(source, name + ".layer_norm1", width: width, epsilon: tower.epsilon)
        norm2 = try Norm(source, name + ".layer_norm2", width: width, epsilon: tower.epsilon)
        if isLast {
            input = .split(
                query: try PackedLinear(source, [attention + "q_proj"], inputs: width, outputs: width),
                keysValues: try PackedLinear(source, [attention + "k_proj", attention + "v_proj"], inputs: width, outputs: width))
        } else {
            input = .fused(try PackedLinear(source, ["q_proj", "k_proj", "v_proj"].map { attention + $0 }, inputs: width, outputs: width))
        }
        output = try PackedLinear(source, [attention + "out_proj"], inputs: width, outputs: width)
        fc1 = try PackedLinear(source, [name + ".mlp.fc1"], inputs: width, outputs: tower.mlp)
        fc2 = try PackedLinear(source, [name + ".mlp.fc2"], inputs: tower.mlp, outputs: width)
    }

    var byteCount: Int {
        let inputBytes =
            switch input {
            case .fused(let linear): linear.byteCount
            case .split(let query, let keysValues): query.byteCount + keysValues.byteCount
            }
        return inputBytes + output.byteCount + fc1.byteCount + fc2.byteCount + norm1.byteCount + norm2.byteCount
    }
}

/// The blocks of a tower. Fixed once loaded, so safe to share between threads.
struct Transformer: @unchecked Sendable {
    let tower: CLIPConfig.Tower
    let isCausal: Bool
    let blocks: [TransformerBlock]
    private let activation: Activation

    /// - Parameter name: `vision_model` or `text_model`.
    init(_ source: any TensorSource, _ name: String, _ tower: CLIPConfig.Tower, isCausal: Bool) throws {
        self.tower = tower
        self.isCausal = isCausal
        activation = tower.activation == .gelu ? .gelu : .quickGELU
        blocks = try (0..<tower.layers).map {
            try TransformerBlock(source, "\(name).encoder.layers.\($0)", tower, isLast: $0 == tower.layers - 1)
        }
    }

    var byteCount: Int { blocks.reduce(0) { $0 + $1.byteCount } }

    /// Runs some blocks in place.
    /// - Parameter x: `[batch, tokens, width]`.
    func run(_ range: Range<Int>, _ x: UnsafeMutablePointer<Float>, batch: Int, tokens: Int) {
        let width = tower.width
        let rows = batch * tokens
        withScratch(rows * width) { normed in
            withScratch(rows * max(4 * width, tower.mlp)) { wide in
                for block in blocks[range] {
                    block.norm1.apply(x, into: normed, rows: rows)
                    projectInput(block, normed, rows: rows, into: wide)
                    let attended = wide + rows * 3 * width
                    attention(
                        qkv: wide, batch: batch, tokens: tokens, heads: tower.heads, headDim: tower.headWidth, causal: isCausal,
                        into: attended)
                    block.output.apply(attended, rows: rows, into: x, accumulate: true)
                    block.norm2.apply(x, into: normed, rows: rows)
                    block.fc1.apply(normed, rows: rows, into: wide, activation: activation)
                    block.fc2.apply(wide, rows: rows, into: x, accumulate: true)
                }
            }
        }
    }

    private func projectInput(_ block: TransformerBlock, _ normed: UnsafePointer<Float>, rows: Int, into qkv: UnsafeMutablePointer<Float>) {
        let width = tower.width
        switch block.input {
        case .fused(let linear): linear.apply(normed, rows: rows, into: qkv)
        case .split(let query, let keysValues):
            query.apply(normed, rows: rows, into: qkv, yStride: 3 * width)
            keysValues.apply(normed, rows: rows, into: qkv + width, yStride: 3 * width)
        }
    }

    /// The last block for token 0 of each image only: keys and values of all tokens, the rest of one. The same
    /// answer as `run` gives there, at a sixth of the work.
    /// - Parameters:
    ///   - x: `[batch, tokens, width]` before the last block; unchanged.
    ///   - out: `[batch, width]`.
    func runLastForFirstToken(_ x: UnsafePointer<Float>, batch: Int, tokens: Int, into out: UnsafeMutablePointer<Float>) {
        guard let block = blocks.last, case .split(let query, let keysValues) = block.input else {
            preconditionFailure("a tower's last block is packed in two parts")
        }
        let width = tower.width
        let rows = batch * tokens
        for image in 0..<batch { (out + image * width).update(from: x + image * tokens * width, count: width) }
        withScratch(rows * width) { normed in
            withScratch(rows * 3 * width) { qkv in
                block.norm1.apply(x, into: normed, rows: rows)
                query.apply(normed, rows: batch, into: qkv, xStride: tokens * width, yStride: tokens * 3 * width)
                keysValues.apply(normed, rows: rows, into: qkv + width, yStride: 3 * width)
                attention(
                    qkv: qkv, batch: batch, tokens: tokens, heads: tower.heads, headDim: tower.headWidth, causal: isCausal,
                    queries: 0..<1, into: normed)
            }
            block.output.apply(normed, rows: batch, into: out, accumulate: true)
            block.norm2.apply(out, into: normed, rows: batch)
            withScratch(batch * tower.mlp) { wide in
                block.fc1.apply(normed, rows: batch, into: wide, activation: activation)
                block.fc2.apply(wide, rows: batch, into: out, accumulate: true)
            }
        }
    }
}
