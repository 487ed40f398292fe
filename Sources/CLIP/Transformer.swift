// A stack of pre-norm transformer blocks: CLIP's vision and text towers alike.
//
//   x += out(attention(qkv(norm1(x))));  x += fc2(activation(fc1(norm2(x))))
//
// T tokens, w width, m MLP width. Each linear layer is packed once, straight from the file. Products are always
// contiguous in and out: oneDNN has only its plain reference loop (a thousand times slower) for packed weights
// with strided rows.

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
        layerNormRows(
            x, into: y, rows: rows, width: weight.count, weight: weight.pointer, bias: bias.pointer, epsilon: epsilon)
    }

    var byteCount: Int { weight.byteCount + bias.byteCount }
}

/// A packed part that a changed model shares where none of its tensors changed.
struct Sharing<Part> {
    let base: Part
    /// Names of tensors whose values differ.
    let changed: Set<String>

    init(_ base: Part, changed: Set<String>) {
        self.base = base
        self.changed = changed
    }

    func of<Inner>(_ inner: KeyPath<Part, Inner>) -> Sharing<Inner> {
        Sharing<Inner>(base[keyPath: inner], changed: changed)
    }

    func touches(_ prefixes: [String]) -> Bool {
        changed.contains { name in prefixes.contains { name == $0 || name.hasPrefix($0 + ".") } }
    }
}

/// The base's part where none of its tensors changed, otherwise a new one; counts what is new.
func shared<Part>(
    _ base: Sharing<Part>?, _ names: [String], _ ownBytes: inout Int, bytes: (Part) -> Int, make: () throws -> Part
) rethrows -> Part {
    if let base, !base.touches(names) { return base.base }
    let part = try make()
    ownBytes += bytes(part)
    return part
}

extension PackedLinear {
    /// `[outputs, inputs]` weights of several torch Linears with the same input, one below the other.
    convenience init(_ source: any TensorSource, _ names: [String], inputs: Int, outputs: Int, hasBias: Bool = true)
        throws
    {
        let bias = try hasBias ? names.flatMap { try source.finiteTensor($0 + ".bias", shape: [outputs]) } : nil
        try self.init(
            inputs: inputs, outputs: outputs * names.count, layout: .outIn,
            weights: { target in
                for (index, name) in names.enumerated() {
                    try source.readFinite(
                        name + ".weight", shape: [outputs, inputs], into: target + index * outputs * inputs)
                }
            }, bias: bias)
    }
}

/// One block's weights.
struct TransformerBlock {
    let norm1, norm2: Norm
    /// `[3w]` outputs: queries, keys, values.
    let qkv: PackedLinear
    let output, fc1, fc2: PackedLinear

    /// - Parameter ownBytes: grows by what is not shared.
    init(
        _ source: any TensorSource, _ name: String, _ tower: CLIPConfig.Tower, sharing base: Sharing<TransformerBlock>?,
        ownBytes: inout Int
    ) throws {
        let width = tower.width
        let attention = name + ".self_attn."
        func norm(_ part: KeyPath<TransformerBlock, Norm>, _ name: String) throws -> Norm {
            try shared(base?.of(part), [name], &ownBytes, bytes: \.byteCount) {
                try Norm(source, name, width: width, epsilon: tower.epsilon)
            }
        }
        func linear(_ part: KeyPath<TransformerBlock, PackedLinear>, _ names: [String], _ inputs: Int, _ outputs: Int)
            throws -> PackedLinear
        {
            try shared(base?.of(part), names, &ownBytes, bytes: \.byteCount) {
                try PackedLinear(source, names, inputs: inputs, outputs: outputs)
            }
        }
        norm1 = try norm(\.norm1, name + ".layer_norm1")
        norm2 = try norm(\.norm2, name + ".layer_norm2")
        qkv = try linear(\.qkv, ["q_proj", "k_proj", "v_proj"].map { attention + $0 }, width, width)
        output = try linear(\.output, [attention + "out_proj"], width, width)
        fc1 = try linear(\.fc1, [name + ".mlp.fc1"], width, tower.mlp)
        fc2 = try linear(\.fc2, [name + ".mlp.fc2"], tower.mlp, width)
    }
}

/// Tokens that some blocks get anew: deep prompts.
struct DeepPrompts: Sendable {
    /// The first of them, and how many.
    let place, count: Int
    /// `[count, width]` each. `layers[i]` goes in before block `i`, from 1 on; the first stands in the stream already.
    let layers: [[Float]]

    func isGiven(before block: Int) -> Bool { block >= 1 && block < layers.count }

    /// - Parameter x: `[batch, tokens, width]`.
    func replace(
        in x: UnsafeMutablePointer<Float>, before block: Int, batch: Int, tokens: Int, width: Int
    ) {
        guard isGiven(before: block) else { return }
        layers[block].withUnsafeBufferPointer { values in
            for image in 0..<batch {
                (x + (image * tokens + place) * width).update(from: values.baseAddress!, count: count * width)
            }
        }
    }
}

/// The blocks of a tower. Fixed once loaded, so safe to share between threads.
struct Transformer: @unchecked Sendable {
    let tower: CLIPConfig.Tower
    let isCausal: Bool
    let blocks: [TransformerBlock]
    let activation: Activation

    /// - Parameters:
    ///   - name: `vision_model` or `text_model`.
    ///   - ownBytes: grows by what is not shared.
    init(
        _ source: any TensorSource, _ name: String, _ tower: CLIPConfig.Tower, isCausal: Bool,
        sharing base: Sharing<Transformer>? = nil, ownBytes: inout Int
    ) throws {
        self.tower = tower
        self.isCausal = isCausal
        activation = tower.activation == .gelu ? .gelu : .quickGELU
        blocks = try (0..<tower.layers).map {
            try TransformerBlock(
                source, "\(name).encoder.layers.\($0)", tower, sharing: base?.of(\.blocks[$0]), ownBytes: &ownBytes)
        }
    }

    /// Runs some blocks in place.
    /// - Parameter x: `[batch, tokens, width]`.
    func run(_ range: Range<Int>, _ x: UnsafeMutablePointer<Float>, batch: Int, tokens: Int) {
        let width = tower.width
        let rows = batch * tokens
        withScratch(rows * width) { normed in
            withScratch(rows * max(4 * width, tower.mlp)) { wide in
                for block in blocks[range] {
                    block.norm1.apply(x, into: normed, rows: rows)
                    block.qkv.apply(normed, rows: rows, into: wide)
                    let attended = wide + rows * 3 * width
                    attention(
                        qkv: wide, batch: batch, tokens: tokens, heads: tower.heads, headDim: tower.headWidth,
                        causal: isCausal,
                        into: attended)
                    block.output.apply(attended, rows: rows, into: x, accumulate: true)
                    block.norm2.apply(x, into: normed, rows: rows)
                    block.fc1.apply(normed, rows: rows, into: wide, activation: activation)
                    block.fc2.apply(wide, rows: rows, into: x, accumulate: true)
                }
            }
        }
    }

    /// The same with deep prompts: a block that has its own gets them first, the others run in one call.
    func run(
        _ range: Range<Int>, _ x: UnsafeMutablePointer<Float>, batch: Int, tokens: Int, deep: DeepPrompts?
    ) {
        guard let deep else { return run(range, x, batch: batch, tokens: tokens) }
        var first = range.lowerBound
        while first < range.upperBound {
            deep.replace(in: x, before: first, batch: batch, tokens: tokens, width: tower.width)
            var end = first + 1
            while end < range.upperBound, !deep.isGiven(before: end) { end += 1 }
            run(first..<end, x, batch: batch, tokens: tokens)
            first = end
        }
    }

    /// The last block for token 0 of each image only: queries, keys and values of all tokens, the rest of one.
    /// The same answer as `run` gives there, at a quarter of the work.
    /// - Parameters:
    ///   - x: `[batch, tokens, width]` before the last block; unchanged.
    ///   - out: `[batch, width]`.
    func runLastForFirstToken(_ x: UnsafePointer<Float>, batch: Int, tokens: Int, into out: UnsafeMutablePointer<Float>)
    {
        let block = blocks[tower.layers - 1]
        let width = tower.width
        let rows = batch * tokens
        for image in 0..<batch { (out + image * width).update(from: x + image * tokens * width, count: width) }
        withScratch(rows * width) { normed in
            withScratch(rows * 3 * width) { qkv in
                block.norm1.apply(x, into: normed, rows: rows)
                block.qkv.apply(normed, rows: rows, into: qkv)
                attention(
                    qkv: qkv, batch: batch, tokens: tokens, heads: tower.heads, headDim: tower.headWidth,
                    causal: isCausal,
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
