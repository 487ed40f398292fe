// Products by our own tiles (CDNNL's vector_body.h), for processors with AVX-512.
//
// Measured on one thread of a Zen 5 at ViT-B/16's shapes, of the register-only peak: 93 to 96 % plain, where
// oneDNN 2.6 does 88 to 92 %, and 82 to 89 % with an activation or a residual added: oneDNN goes over its output
// once more, here both happen before the sums leave the registers. Rows with gaps between them are no matter.

import CDNNL

struct TiledLinear: Sendable {
    let panels: Panels
    private let bias: FloatBuffer

    /// Rows that a thread takes at a time, a multiple of every set's tile: with half as many the weights are read too
    /// often, with twice as many the rows no longer stay in the second-level cache (2 % each).
    private static let pieceRows = 400

    init(panels: Panels, bias: [Float]?) {
        self.panels = panels
        self.bias = panels.padded(bias ?? [Float](repeating: 0, count: panels.outputs), with: 0)
    }

    var byteCount: Int { panels.byteCount + bias.byteCount }
    var implementation: String { "tiles \(panels.set)" }

    func apply(
        _ x: UnsafePointer<Float>, _ xStride: Int, rows: Int, into y: UnsafeMutablePointer<Float>, _ yStride: Int,
        activation: Activation, accumulate: Bool
    ) {
        let kernel = panels.set.table.product!
        let (rowPieces, columnPieces) = pieces(rows: rows)
        let pieceRows = (rows + rowPieces - 1) / rowPieces
        Team.parallelFor(rowPieces * columnPieces) { index in
            // Threads that work at the same time share rows, which then come from a cache.
            let (rowPiece, columnPiece) = index.quotientAndRemainder(dividingBy: columnPieces)
            let first = rowPiece * pieceRows, count = min(pieceRows, rows - first)
            let panel = columnPiece * panels.count / columnPieces, end = (columnPiece + 1) * panels.count / columnPieces
            let column = panel * panels.columns
            guard count > 0, panel < end else { return }
            kernel(
                x + first * xStride, Int64(xStride), Int64(count), Int64(panels.inputs), panels.pointer(panel),
                Int64(min(panels.outputs, end * panels.columns) - column), bias.pointer + column, activation.code,
                accumulate ? 1 : 0, y + first * yStride + column, Int64(yStride))
        }
    }

    /// Pieces of rows, and of columns where those of rows are too few to keep all threads busy alike, also when one of
    /// them is disturbed. Dividing columns also divides the reading of the weights, most of the work where rows are few.
    private func pieces(rows: Int) -> (rows: Int, columns: Int) {
        let threads = Team.threads
        let rowPieces = (rows + TiledLinear.pieceRows - 1) / TiledLinear.pieceRows
        let isSmall = rows * panels.inputs * panels.outputs < 1 << 18  // some microseconds
        if threads == 1 || isSmall { return (rowPieces, 1) }
        return (rowPieces, min(panels.count, (4 * threads + rowPieces - 1) / rowPieces))
    }
}
