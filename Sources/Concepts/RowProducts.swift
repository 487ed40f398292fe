// Products of many vectors with many others: latents with words. Four rows by two columns at a time, so that what is
// read serves several sums and these fit the registers.

import Foundation

enum RowProducts {
    private static let tile = 4

    /// `out[i][j] = a[i] . b[j]`, f32, in an order of additions that is the same for every row.
    /// - Parameters: a `[rows, width]`, b `[columns, width]`.
    static func all(_ a: [Float], _ b: [Float], width: Int) -> [Float] {
        precondition(a.count % width == 0 && b.count % width == 0, "\(a.count) and \(b.count) values for vectors of \(width)")
        let rows = a.count / width, columns = b.count / width
        var out = [Float](repeating: 0, count: rows * columns)
        out.withUnsafeMutableBufferPointer { out in
            a.withUnsafeBufferPointer { a in
                b.withUnsafeBufferPointer { b in
                    guard let first = a.baseAddress, let second = b.baseAddress, let start = out.baseAddress else { return }
                    // Safe to share: each iteration writes its own rows of `out`, and `a` and `b` are only read.
                    nonisolated(unsafe) let (a, b, out) = (first, second, start)
                    DispatchQueue.concurrentPerform(iterations: (rows + 63) / 64) { block in
                        for row in stride(from: block * 64, to: min(rows, block * 64 + 64), by: tile) {
                            fill(row, of: rows, columns, width, a, b, out)
                        }
                    }
                }
            }
        }
        return out
    }

    /// Up to four rows of `out`. Where a row or column is missing the last one is computed again and again.
    private static func fill(
        _ row: Int, of rows: Int, _ columns: Int, _ width: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
        _ out: UnsafeMutablePointer<Float>
    ) {
        @inline(__always) func lane(_ p: UnsafePointer<Float>, _ at: Int) -> SIMD4<Float> {
            UnsafeRawPointer(p + at).loadUnaligned(as: SIMD4<Float>.self)
        }
        let at = (0..<tile).map { a + min(rows - 1, row + $0) * width }
        for column in stride(from: 0, to: columns, by: 2) {
            let b0 = b + column * width, b1 = b + min(columns - 1, column + 1) * width
            let (a0, a1, a2, a3) = (at[0], at[1], at[2], at[3])
            var s00 = SIMD4<Float>.zero, s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00
            var i = 0
            while i + 4 <= width {
                let x = lane(b0, i), y = lane(b1, i)
                let v0 = lane(a0, i), v1 = lane(a1, i), v2 = lane(a2, i), v3 = lane(a3, i)
                s00 += v0 * x
                s01 += v0 * y
                s10 += v1 * x
                s11 += v1 * y
                s20 += v2 * x
                s21 += v2 * y
                s30 += v3 * x
                s31 += v3 * y
                i += 4
            }
            let sums = [(s00.sum(), s01.sum()), (s10.sum(), s11.sum()), (s20.sum(), s21.sum()), (s30.sum(), s31.sum())]
            for index in 0..<min(tile, rows - row) {
                var (left, right) = sums[index]
                for k in i..<width {
                    left += at[index][k] * b0[k]
                    right += at[index][k] * b1[k]
                }
                out[(row + index) * columns + column] = left
                if column + 1 < columns { out[(row + index) * columns + column + 1] = right }
            }
        }
    }
}
