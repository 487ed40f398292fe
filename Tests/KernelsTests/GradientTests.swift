// Gradients and small products against plain loops in f64, for every instruction set. The whole way back through a tower
// is checked against PyTorch's autograd in InterventionsTests.

import Basics
import Glibc
import Kernels
import Testing

@Suite struct GradientTests {
    private func values(_ name: String, _ count: Int, scale: Float = 1, offset: Float = 0) -> [Float] {
        SeededWeights(seed: 77).values(name, count: count, scale: scale, offset: offset)
    }

    private func expect(_ found: [Float], _ expected: [Double], within tolerance: Double, _ what: String) {
        let worst = zip(found, expected).map { abs(Double($0) - $1) }.max() ?? .infinity
        #expect(found.count == expected.count && worst <= tolerance, "\(what): off by \(worst)")
    }

    /// Rows by either step, sizes that fill no tile or vector, sums added to what is there.
    @Test(arguments: InstructionSet.available) func smallProductsAreTheSums(_ set: InstructionSet) {
        for (rows, depth, columns) in [(1, 1, 1), (3, 5, 7), (8, 16, 16), (9, 33, 48), (12, 197, 50), (17, 64, 130), (40, 3, 5)] {
            for isTurned in [false, true] {
                let a = values("a", rows * depth), b = values("b", depth * (columns + 3)), c = values("c", rows * (columns + 2))
                let (rowStep, kStep) = isTurned ? (1, rows) : (depth, 1)
                for accumulate in [false, true] {
                    var found = c
                    multiply(
                        a, rowStep: rowStep, kStep: kStep, rows: rows, by: b, bStride: columns + 3, depth: depth, columns: columns,
                        accumulate: accumulate, into: &found, cStride: columns + 2, using: set)
                    var expected = c.map(Double.init)
                    for r in 0..<rows {
                        for j in 0..<columns {
                            let sum = (0..<depth).reduce(0.0) { $0 + Double(a[r * rowStep + $1 * kStep]) * Double(b[$1 * (columns + 3) + j]) }
                            expected[r * (columns + 2) + j] = sum + (accumulate ? Double(c[r * (columns + 2) + j]) : 0)
                        }
                    }
                    expect(found, expected, within: 2e-5, "[\(rows), \(depth)] x [\(depth), \(columns)]")
                }
            }
        }
    }

    /// Sums to the bit those of a plain loop; widths that fill no vector or block, directions used by many rows and by none.
    @Test(arguments: InstructionSet.available) func directionsAreAddedAsAPlainLoopDoes(_ set: InstructionSet) {
        for (width, rows) in [(1, 1), (7, 3), (48, 5), (130, 20), (160, 9)] {
            let table = values("table", 40 * width), g = values("g", rows * width)
            let directions = (0..<UInt32(40)).filter { $0 % 3 != 1 }
            var starts: [UInt32] = [0], entries: [UInt32] = [], random = SplitMix(seed: UInt64(width))
            for _ in directions {
                entries += (0..<UInt32(rows)).filter { _ in random.below(2) == 0 }
                starts.append(UInt32(entries.count))
            }
            let amounts = values("amounts", max(1, entries.count), scale: 3)
            var x = values("x", rows * width), expected = x, products = [Float](repeating: .nan, count: max(1, entries.count)), sums = products.map(Double.init)
            for (place, direction) in directions.enumerated() {
                for entry in Int(starts[place])..<Int(starts[place + 1]) {
                    let row = Int(entries[entry])
                    sums[entry] = 0
                    for i in 0..<width {
                        expected[row * width + i] += amounts[entry] * table[Int(direction) * width + i]
                        sums[entry] += Double(table[Int(direction) * width + i]) * Double(g[row * width + i])
                    }
                }
            }
            entries.append(0)
            directions.withUnsafeBufferPointer { directions in
                starts.withUnsafeBufferPointer { starts in
                    entries.withUnsafeBufferPointer { rows in
                        let all = DirectionEntries(
                            directions: directions.baseAddress!, starts: starts.baseAddress!, count: directions.count, rows: rows.baseAddress!)
                        addDirections(all, of: table, values: amounts, width: width, to: &x, using: set)
                        alongDirections(all, of: table, width: width, g, into: &products, using: set)
                    }
                }
            }
            #expect(x.map(\.bitPattern) == expected.map(\.bitPattern), "width \(width)")
            if starts[directions.count] > 0 { expect(products, sums, within: 1e-5, "width \(width)") }
        }
    }

    /// The derivative by central differences of the activation's definition.
    @Test(arguments: InstructionSet.available) func activationsAndTheirSlopes(_ set: InstructionSet) {
        let x = values("x", 1003, scale: 9) + [0, -0, 60, -60, 1e-20]
        let kinds: [(Activation, (Double) -> Double)] = [
            (.none, { $0 }), (.quickGELU, { $0 / (1 + exp(-1.702 * $0)) }), (.gelu, { $0 * (1 + erf($0 / 2.0.squareRoot())) / 2 }),
            (.relu, { max(0, $0) }),
        ]
        for (kind, function) in kinds {
            var y = [Float](repeating: .nan, count: x.count), slopes = [Float](repeating: 2, count: x.count)
            activate(x, into: &y, count: x.count, kind, using: set)
            activationGradient(x, &slopes, count: x.count, kind, using: set)
            expect(y, x.map { function(Double($0)) }, within: 1e-5, "\(kind)")
            let away = x.indices.filter { kind != .relu || abs(x[$0]) > 1e-3 }
            let expected = away.map { (function(Double(x[$0]) + 1e-5) - function(Double(x[$0]) - 1e-5)) / 1e-5 }
            expect(away.map { slopes[$0] }, expected, within: 1e-5, "\(kind)'s slope")
        }
    }

    /// Against the definition's central differences; offsets far from zero, where a variance by E[x^2] would be lost.
    @Test(arguments: InstructionSet.available) func layerNormsGradient(_ set: InstructionSet) {
        for (rows, width, offset) in [(1, 1, Float(0)), (3, 5, 0), (2, 33, 5), (3, 48, -2), (70, 64, 30)] {
            let x = values("n", rows * width, offset: offset), dy = values("dy", rows * width), weight = values("w", width, scale: 0.5, offset: 1)
            var dx = values("dx", rows * width)
            var expected = dx.map(Double.init)
            func output(_ row: [Double]) -> [Double] {
                let mean = row.reduce(0, +) / Double(width), variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
                return row.enumerated().map { ($1 - mean) / (variance + 1e-5).squareRoot() * Double(weight[$0]) }
            }
            for r in 0..<rows {
                let row = x[r * width..<(r + 1) * width].map(Double.init)
                for i in 0..<width {
                    var (up, down) = (row, row)
                    up[i] += 1e-5
                    down[i] -= 1e-5
                    let slope = zip(output(up), output(down)).enumerated().reduce(0.0) { $0 + Double(dy[r * width + $1.offset]) * ($1.element.0 - $1.element.1) }
                    expected[r * width + i] += slope / 2e-5
                }
            }
            layerNormGradient(x, dy, into: &dx, rows: rows, width: width, weight: weight, epsilon: 1e-5, using: set)
            expect(dx, expected, within: 1e-4, "[\(rows), \(width)] about \(offset)")
        }
    }

    @Test(arguments: InstructionSet.available) func softmaxGradientIsTheFormula(_ set: InstructionSet) {
        for (rows, columns) in [(1, 1), (4, 7), (3, 197)] {
            let stride = columns + 3
            let p = values("p", rows * stride, scale: 0.5, offset: 0.5)
            var dp = values("dp", rows * stride)
            var expected = dp.map(Double.init)
            for r in 0..<rows {
                let places = r * stride..<r * stride + columns, sum = places.reduce(0.0) { $0 + Double(p[$1]) * Double(dp[$1]) }
                for i in places { expected[i] = 0.25 * Double(p[i]) * (Double(dp[i]) - sum) }
            }
            softmaxGradient(p, &dp, rows: rows, columns: columns, stride: stride, scale: 0.25, using: set)
            expect(dp, expected, within: 1e-5, "[\(rows), \(columns)]")
        }
    }

    /// Attention's own central differences, at the sum of its outputs times a weight each.
    @Test func attentionsGradient() {
        for (batch, tokens, heads, dim) in [(1, 1, 1, 4), (2, 7, 3, 5), (1, 18, 2, 16)] {
            let width = heads * dim, qkv = values("qkv", batch * tokens * 3 * width, scale: 2), dOut = values("dOut", batch * tokens * width)
            var found = [Float](repeating: .nan, count: qkv.count)
            attentionGradient(qkv: qkv, dOut, batch: batch, tokens: tokens, heads: heads, headDim: dim, into: &found)
            func objective(_ x: [Double]) -> Double {
                var total = 0.0
                for image in 0..<batch { for head in 0..<heads { for query in 0..<tokens {
                    func at(_ token: Int, _ part: Int, _ i: Int) -> Double { x[((image * tokens + token) * 3 + part) * width + head * dim + i] }
                    let scores = (0..<tokens).map { t in (0..<dim).reduce(0.0) { $0 + at(query, 0, $1) * at(t, 1, $1) } / Double(dim).squareRoot() }
                    let top = scores.max() ?? 0, shares = scores.map { exp($0 - top) }, sum = shares.reduce(0, +)
                    for i in 0..<dim {
                        let out = (0..<tokens).reduce(0.0) { $0 + shares[$1] / sum * at($1, 2, i) }
                        total += out * Double(dOut[(image * tokens + query) * width + head * dim + i])
                    }
                } } }
                return total
            }
            let x = qkv.map(Double.init)
            let places = Swift.stride(from: 0, to: x.count, by: max(1, x.count / 60)).map { $0 }
            let expected = places.map { place -> Double in
                var (up, down) = (x, x)
                up[place] += 1e-5
                down[place] -= 1e-5
                return (objective(up) - objective(down)) / 2e-5
            }
            expect(places.map { found[$0] }, expected, within: 1e-5, "[\(batch), \(tokens), \(heads), \(dim)]")
        }
    }

    /// Weights come out of every library as they went in, and the other way round they multiply the other way round.
    @Test(arguments: ProductLibrary.available) func transposedProducts(_ library: ProductLibrary) throws {
        for (inputs, outputs) in [(1, 1), (7, 50), (96, 33), (48, 160)] {
            let w = values("weights", inputs * outputs), dy = values("dy", 3 * outputs)
            let linear = try PackedLinear(
                inputs: inputs, outputs: outputs, layout: .inOut, weights: { $0.update(from: w, count: w.count) }, bias: values("bias", outputs), using: library)
            var out = [Float](repeating: .nan, count: w.count)
            linear.unpack(into: &out)
            #expect(out == w, "\(library) [\(inputs), \(outputs)]")
            #expect(linear.transposedByteCount == 0)
            var dx = [Float](repeating: .nan, count: 3 * inputs)
            linear.transposed().apply(dy, rows: 3, into: &dx)
            let expected = (0..<3 * inputs).map { place in
                (0..<outputs).reduce(0.0) { $0 + Double(dy[place / inputs * outputs + $1]) * Double(w[place % inputs * outputs + $1]) }
            }
            expect(dx, expected, within: 1e-4, "\(library) [\(inputs), \(outputs)]")
            #expect(linear.transposedByteCount >= 4 * w.count && linear.transposed() === linear.transposed())
        }
    }
}
