// Reference: torch.nn.functional.linear and activations in f64 (tools/reference/kernels.py).
// Sums are in f32: 1e-6 of the output's root mean square at the longest, more only by oneDNN's GELU. Every library
// and instruction set that this processor has is tested.

import Kernels
import Testing

private let golden = GoldenKernels.shared

@Suite struct LinearTests {
    private let activations: [String: Activation] = ["none": .none, "relu": .relu, "gelu": .gelu, "quick_gelu": .quickGELU]

    private struct Operands {
        let name: String
        let x, weight, y: [Float]
        let bias: [Float]?
    }

    private func operands(_ test: GoldenKernels.Linear) -> Operands {
        let name = "linear.\(test.rows)x\(test.inputs)x\(test.outputs)"
        return Operands(
            name: name, x: golden.values(name + ".x", test.rows * test.inputs, scale: 2),
            weight: golden.values(name + ".weight", test.inputs * test.outputs, scale: Float(1 / Double(test.inputs).squareRoot())),
            y: golden.values(name + ".y", test.rows * test.outputs, scale: 3),
            bias: test.bias ? golden.values(name + ".bias", test.outputs, scale: 1) : nil)
    }

    @Test(arguments: golden.linear, ProductLibrary.available)
    func productMatchesPyTorch(_ test: GoldenKernels.Linear, _ library: ProductLibrary) throws {
        let (k, n) = (test.inputs, test.outputs)
        let given = operands(test)
        let transposed = (0..<k * n).map { given.weight[$0 % n * k + $0 / n] }
        let activation = try #require(activations[test.activation])
        for (layout, weight) in [(PackedLinear.Layout.outIn, given.weight), (.inOut, transposed)] {
            let linear = try PackedLinear(
                inputs: k, outputs: n, layout: layout, weights: { $0.update(from: weight, count: k * n) }, bias: given.bias,
                using: library)
            var y = given.y
            linear.apply(given.x, rows: test.rows, into: &y, activation: activation, accumulate: test.accumulate)
            test.output.expect(y, within: 3e-6)
        }
    }

    @Test(arguments: ProductLibrary.available)
    func rowsMayBeFarApart(_ library: ProductLibrary) throws {
        let test = try #require(golden.linear.first { $0.rows == 5 })
        let given = operands(test)
        let linear = try PackedLinear(
            inputs: test.inputs, outputs: test.outputs, layout: .outIn,
            weights: { $0.update(from: given.weight, count: given.weight.count) }, bias: given.bias, using: library)
        let xStride = test.inputs + 9, yStride = test.outputs + 3
        var x = [Float](repeating: .nan, count: test.rows * xStride), y = [Float](repeating: 77, count: test.rows * yStride)
        for row in 0..<test.rows {
            for i in 0..<test.inputs { x[row * xStride + i] = given.x[row * test.inputs + i] }
        }
        linear.apply(x, rows: test.rows, into: &y, activation: .quickGELU, xStride: xStride, yStride: yStride)
        let rows = (0..<test.rows).map { Array(y[$0 * yStride..<$0 * yStride + test.outputs]) }
        test.output.expect(rows.flatMap { $0 }, within: 3e-6)
        for row in 0..<test.rows {
            #expect(y[row * yStride + test.outputs..<(row + 1) * yStride].allSatisfy { $0 == 77 }, "between rows nothing is written")
        }
    }

    /// Row counts come and go beyond what stays prepared; each answer is that of the first time.
    @Test(arguments: ProductLibrary.available)
    func manyRowCountsGiveTheSameRows(_ library: ProductLibrary) throws {
        let k = 40, n = 24
        let weight = golden.values("many.weight", k * n, scale: 0.3), x = golden.values("many.x", 64 * k, scale: 1)
        let linear = try PackedLinear(inputs: k, outputs: n, layout: .inOut, weights: { $0.update(from: weight, count: k * n) }, bias: nil, using: library)
        var whole = [Float](repeating: 0, count: 64 * n)
        linear.apply(x, rows: 64, into: &whole)
        for rows in [1, 2, 3, 5, 8, 13, 21, 34, 55, 4, 6, 7, 9, 10, 11, 12, 14, 15, 16, 17, 1, 64] {
            var y = [Float](repeating: 0, count: rows * n)
            linear.apply(x, rows: rows, into: &y)
            let worst = zip(y, whole).map { abs($0 - $1) }.max() ?? 0
            #expect(worst <= 1e-5, "\(rows) rows")
        }
    }

    @Test func weightsThatCannotBeReadAreTheCallersError() {
        struct Unreadable: Error {}
        #expect(throws: Unreadable.self) {
            try PackedLinear(inputs: 3, outputs: 2, layout: .inOut, weights: { _ in throw Unreadable() }, bias: nil)
        }
    }

    /// Full size, every token of a batch of eight: the wide code paths; reference is a plain sum in f64.
    @Test(arguments: ProductLibrary.available)
    func fullSizeRowsAreRight(_ library: ProductLibrary) throws {
        let rows = 1576, k = 768, n = 3072
        let weight = golden.values("full.weight", k * n, scale: 0.06), x = golden.values("full.x", rows * k, scale: 2)
        let linear = try PackedLinear(inputs: k, outputs: n, layout: .outIn, weights: { $0.update(from: weight, count: k * n) }, bias: nil, using: library)
        let y = FloatBuffer(count: rows * n)
        linear.apply(x, rows: rows, into: y.pointer)
        var worst = 0.0
        for sample in 0..<2000 {
            let row = sample * 7919 % rows, column = sample * 104_729 % n
            var exact = 0.0
            for i in 0..<k { exact += Double(x[row * k + i]) * Double(weight[column * k + i]) }
            worst = max(worst, abs(exact - Double(y.pointer[row * n + column])))
        }
        #expect(worst <= 5e-6, "products of unit scale")
    }
}
