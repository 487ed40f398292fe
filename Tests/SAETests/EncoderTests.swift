// Reference: numpy in f64 on seeded weights (tools/reference/sae.py), and a naive encoder here.

import Basics
import Kernels
import SAE
import Testing

private let golden = GoldenSAE.shared

@Suite struct EncoderTests {
    private func encoder(_ test: GoldenSAE.Seeded, _ set: InstructionSet) -> PackedEncoder {
        func tensor(_ name: String) -> [Float] {
            golden.tensor(test.prefix, name, width: test.width, latents: test.latents, bias: test.bias)
        }
        return PackedEncoder(
            width: test.width, latents: test.latents, weights: tensor("W_enc"), bias: tensor("b_enc"), shift: tensor("b_dec"), using: set)
    }

    /// Odd sizes on every instruction set; the last case is 768 x 49,152.
    @Test(arguments: golden.seeded, InstructionSet.available)
    func latentsMatchTheF64Reference(_ test: GoldenSAE.Seeded, _ set: InstructionSet) {
        let x = golden.inputs(test.prefix, rows: test.rows, width: test.width)
        let z = encoder(test, set).encode(x, rows: test.rows)
        #expect(z.width == test.latents)
        test.expected.expect(z)
    }

    @Test func noRowsGiveNoRows() {
        let z = encoder(golden.seeded[1], .best).encode([0], rows: 0)
        #expect(z.rows == 0 && z.count == 0)
    }

    /// Random shapes, biases from "nothing is active" to "all are", against a sum in f64 for each latent.
    @Test(arguments: InstructionSet.available)
    func randomShapesMatchANaiveEncoder(_ set: InstructionSet) {
        let seed = UInt64.random(in: 0..<1 << 32)
        var random = SplitMix(state: seed)
        for round in 0..<40 {
            let rows = Int.random(in: 1...40, using: &random), d = Int.random(in: 1...70, using: &random)
            let n = Int.random(in: 1...300, using: &random), offset = Float([-9, -1, 0, 1, 9].randomElement(using: &random)!)
            let subtracts = Bool.random(using: &random)
            let values = SeededWeights(seed: seed &+ UInt64(round))
            let w = values.values("w", count: d * n, scale: Float(2 / Double(d).squareRoot()))
            let bias = values.values("b", count: n, scale: 0.5, offset: offset), shift = values.values("s", count: d, scale: 1)
            let x = values.values("x", count: rows * d, scale: 1)
            let z = PackedEncoder(width: d, latents: n, weights: w, bias: bias, shift: subtracts ? shift : nil, using: set)
                .encode(x, rows: rows)
            naive(x, rows: rows, d: d, n: n, w: w, bias: bias, shift: subtracts ? shift : nil).expect(z)
        }
    }

    private func naive(_ x: [Float], rows: Int, d: Int, n: Int, w: [Float], bias: [Float], shift: [Float]?) -> GoldenSAE.Latents {
        var indptr = [0], indices: [Int] = [], data: [Double] = [], squares = 0.0
        for row in 0..<rows {
            for latent in 0..<n {
                var pre = Double(bias[latent])
                for i in 0..<d { pre += (Double(x[row * d + i]) - Double(shift?[i] ?? 0)) * Double(w[i * n + latent]) }
                squares += pre * pre
                if pre > 0 {
                    indices.append(latent)
                    data.append(pre)
                }
            }
            indptr.append(indices.count)
        }
        return GoldenSAE.Latents(indptr: indptr, indices: indices, data: data, scale: (squares / Double(rows * n)).squareRoot())
    }

    /// More rows than are encoded at once: the parts join as if there were none.
    @Test func partsJoin() {
        let rows = 8192 + 3, d = 3, n = 50
        let values = SeededWeights(seed: 5)
        let encoder = PackedEncoder(
            width: d, latents: n, weights: values.values("w", count: d * n, scale: 1), bias: values.values("b", count: n, scale: 1, offset: -1), shift: nil)
        let x = values.values("x", count: rows * d, scale: 1)
        let whole = encoder.encode(x, rows: rows)
        #expect(whole.rows == rows)
        let tail = x.withUnsafeBufferPointer { encoder.encode($0.baseAddress! + 8190 * d, rows: 5) }
        #expect(whole.slice(rows: 8190..<8195) == tail)
    }

    /// Neither NaN nor a latent that pads the last panel is ever active; zero is not above zero.
    @Test(arguments: InstructionSet.available)
    func onlyAboveZeroIsActive(_ set: InstructionSet) {
        let encoder = PackedEncoder(width: 1, latents: 3, weights: [1, 0, -1], bias: [0, 0, 0], shift: nil, using: set)
        let z = encoder.encode([2, 0, .nan, -3, .infinity], rows: 5)
        #expect(z.indptr == [0, 1, 1, 1, 2, 3])
        #expect(z.indices == [0, 2, 0])
        #expect(z.values == [2, 3, .infinity])
    }
}

/// A repeatable source for shapes.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
