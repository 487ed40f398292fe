// Reference: torch in f64 (tools/reference/kernels.py). Every instruction set that this processor has is tested.
// Tolerances are in units of the output's root mean square: f32 has 6e-8, sums of up to 1,000 terms in vector
// lanes lose a few of that.

import Foundation
import Kernels
import Testing

private let golden = GoldenKernels.shared

@Suite struct RowsTests {
    @Test(arguments: golden.softmax, InstructionSet.available)
    func softmaxMatchesPyTorch(_ test: GoldenKernels.Softmax, _ set: InstructionSet) {
        var x = golden.values("softmax.\(test.rows)x\(test.columns)", test.rows * test.columns, scale: test.scale)
        softmaxRows(&x, rows: test.rows, columns: test.columns, using: set)
        test.output.expect(x, within: 1e-6)
    }

    @Test(arguments: InstructionSet.available)
    func softmaxOfNothingButMinusInfinityIsZero(_ set: InstructionSet) {
        for columns in [1, 5, 16, 33] {
            var x = [Float](repeating: -.infinity, count: 2 * columns)
            x[columns] = 3
            softmaxRows(&x, rows: 2, columns: columns, using: set)
            #expect(x[..<columns].allSatisfy { $0 == 0 })
            #expect(x[columns] == 1 && x[(columns + 1)...].allSatisfy { $0 == 0 })
        }
    }

    @Test(arguments: InstructionSet.available)
    func softmaxShowsNaN(_ set: InstructionSet) {
        for columns in [1, 7, 40] {
            for place in [0, columns - 1] {
                var x = [Float](repeating: 1, count: columns)
                x[place] = .nan
                softmaxRows(&x, rows: 1, columns: columns, using: set)
                #expect(x[place].isNaN, "column \(place) of \(columns)")
            }
        }
    }

    @Test(arguments: golden.layer_norm, InstructionSet.available)
    func layerNormMatchesPyTorch(_ test: GoldenKernels.LayerNorm, _ set: InstructionSet) {
        let name = "norm.\(test.rows)x\(test.width)"
        let x = golden.values(name, test.rows * test.width, scale: test.scale, offset: test.offset)
        let weight = golden.values(name + ".weight", test.width, scale: 0.5, offset: 1)
        let bias = golden.values(name + ".bias", test.width, scale: 0.5)
        var y = [Float](repeating: .nan, count: x.count)
        layerNormRows(x, into: &y, rows: test.rows, width: test.width, weight: weight, bias: bias, epsilon: test.epsilon, using: set)
        // The mean's own rounding, relative to the deviation, is what an f32 row far from zero can lose.
        let tolerance = 2e-6 * Double(1 + abs(test.offset) / test.scale)
        test.output.expect(y, within: tolerance)
        var inPlace = x
        inPlace.withUnsafeMutableBufferPointer { p in
            layerNormRows(p.baseAddress!, into: p.baseAddress!, rows: test.rows, width: test.width, weight: weight, bias: bias, epsilon: test.epsilon, using: set)
        }
        #expect(inPlace == y)
    }

    /// Reference: the C library's exp in f64.
    @Test(arguments: InstructionSet.available)
    func exponentialIsWithinTwoUnits(_ set: InstructionSet) {
        var x = stride(from: Float(-87), through: 0, by: 0.00137).map { $0 }
        x += [-0, -1e-30, -87.33, 1, 5, 87]
        let y = exponential(x, using: set)
        var worst = (units: 0.0, x: Float(0))
        for (value, result) in zip(x, y) {
            let exact = exp(Double(value))
            let units = abs(Double(result) - exact) / Double(Float(exact).ulp)
            if units > worst.units { worst = (units, value) }
        }
        #expect(worst.units <= 2, "at \(worst.x)")
        #expect(exponential([-88, -1000, -.infinity], using: set) == [0, 0, 0])
        #expect(exponential([.nan], using: set)[0].isNaN)
    }
}
