// Golden/kernels.json, written by tools/reference/kernels.py: PyTorch's answers in f64 on seeded inputs.

import Basics
import Foundation
import Testing

struct GoldenKernels: Decodable {
    struct Softmax: Decodable, Sendable, CustomTestStringConvertible {
        let rows, columns: Int
        let scale: Float
        let output: Output
        var testDescription: String { "\(rows) x \(columns), scale \(scale)" }
    }
    struct LayerNorm: Decodable, Sendable, CustomTestStringConvertible {
        let rows, width: Int
        let scale, offset, epsilon: Float
        let output: Output
        var testDescription: String { "\(rows) x \(width), offset \(offset)" }
    }
    struct Linear: Decodable, Sendable, CustomTestStringConvertible {
        let rows, inputs, outputs: Int
        let activation: String
        let accumulate, bias: Bool
        let output: Output
        var testDescription: String {
            "[\(rows), \(inputs)] x [\(inputs), \(outputs)] \(activation)" + (accumulate ? " += " : "") + (bias ? "" : " no bias")
        }
    }
    struct Attention: Decodable, Sendable, CustomTestStringConvertible {
        let batch, tokens, heads, dim: Int
        let causal: Bool
        let scale: Float
        let output: Output
        var testDescription: String { "[\(batch), \(tokens), 3, \(heads), \(dim)]" + (causal ? " causal" : "") }
    }

    let seed: UInt64
    let softmax: [Softmax]
    let layer_norm: [LayerNorm]
    let linear: [Linear]
    let attention: [Attention]

    static let shared: GoldenKernels = {
        do {
            let data = try Data(contentsOf: URL(fileURLWithPath: Bundle.module.bundlePath + "/Golden/kernels.json"))
            return try JSONDecoder().decode(GoldenKernels.self, from: data)
        } catch { preconditionFailure("Golden/kernels.json: \(error)") }
    }()

    func values(_ name: String, _ count: Int, scale: Float, offset: Float = 0) -> [Float] {
        SeededWeights(seed: seed).values(name, count: count, scale: scale, offset: offset)
    }
}

/// Every `step`-th value of an output, and the norm of the whole.
struct Output: Decodable, Sendable {
    let step: Int
    let values: [Double]
    let norm: Double

    /// The largest difference over the output's root mean square, and where; and that of the norms.
    func expect(_ actual: [Float], within tolerance: Double, _ place: SourceLocation = #_sourceLocation) {
        let sampled = Swift.stride(from: 0, to: actual.count, by: step).map { Double(actual[$0]) }
        guard sampled.count == values.count else {
            Issue.record("\(actual.count) values, the reference has \(values.count) samples of them", sourceLocation: place)
            return
        }
        let scale = max(norm / Double(actual.count).squareRoot(), 1e-30)
        var worst = (difference: 0.0, index: 0)
        for (index, pair) in zip(sampled, values).enumerated() {
            let difference = abs(pair.0 - pair.1)
            if !(difference <= worst.difference) { worst = (difference, index) }  // NaN is worst too
        }
        #expect(
            worst.difference / scale <= tolerance,
            "at \(worst.index * step): \(sampled[worst.index]), the reference has \(values[worst.index])", sourceLocation: place)
        let ownNorm = actual.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        #expect(abs(ownNorm - norm) <= tolerance * norm, "norm \(ownNorm), the reference has \(norm)", sourceLocation: place)
    }
}
