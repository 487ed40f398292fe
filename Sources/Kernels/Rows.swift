// Kernels that treat each row for itself: layer norm and softmax.

import CDNNL

/// Rows a task takes at once: some hundred microseconds of work, little beside the cost of handing it out.
private let rowBlock = 64

/// `y[r] = (x[r] - mean) / sqrt(variance + epsilon) * weight + bias` for each row, with the biased variance (torch's LayerNorm).
///
/// - Parameters:
///   - x: `[rows, width]`; may be y itself.
///   - weight, bias: `[width]`.
public func layerNormRows(
    _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, rows: Int, width: Int,
    weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float
) {
    layerNormRows(x, into: y, rows: rows, width: width, weight: weight, bias: bias, epsilon: epsilon, using: .best)
}

package func layerNormRows(
    _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, rows: Int, width: Int,
    weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float, using set: InstructionSet
) {
    let kernel = set.table.layer_norm!
    Team.parallelRows(rows, block: rowBlock) { block in
        kernel(
            x + block.lowerBound * width, y + block.lowerBound * width, Int64(block.count), Int64(width), weight, bias,
            epsilon)
    }
}

/// Softmax of each row, in place: `exp(x[r,c] - m) / sum_c exp(x[r,c] - m)`, `m` the row's maximum.
///
/// - Parameter x: `[rows, columns]`, row-major, already scaled.
///
/// A row that is all `-inf` becomes zeros: one NaN would spread to the whole image. A NaN stays one.
public func softmaxRows(_ x: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    softmaxRows(x, rows: rows, columns: columns, using: .best)
}

package func softmaxRows(_ x: UnsafeMutablePointer<Float>, rows: Int, columns: Int, using set: InstructionSet) {
    guard columns > 0 else { return }
    let kernel = set.table.softmax!
    Team.parallelRows(rows, block: rowBlock) { block in
        kernel(x + block.lowerBound * columns, Int64(block.count), Int64(columns), Int64(columns))
    }
}

/// The softmax's own `exp` of each value, for tests; valid for `x <= 88`.
package func exponential(_ x: [Float], using set: InstructionSet) -> [Float] {
    [Float](unsafeUninitializedCapacity: x.count) { buffer, filled in
        set.table.exponential(x, buffer.baseAddress!, Int64(x.count))
        filled = x.count
    }
}
