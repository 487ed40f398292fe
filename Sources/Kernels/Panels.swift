// Weights packed for our own tiles: the columns that a tile's sums fill the registers with, side by side.

import CDNNL

/// Weights `[inputs, outputs]` as panels `[inputs][columns]`, one after the other; the last is filled up with zeros.
///
/// A panel (147 KiB at 768 inputs with AVX-512's 48 columns) stays in the second-level cache while all rows pass it.
package struct Panels: Sendable {
    package let inputs, outputs: Int
    package let set: InstructionSet
    /// Outputs a panel holds.
    package let columns: Int
    private let buffer: FloatBuffer

    /// - Parameter weights: in `layout`; not kept.
    package init(inputs: Int, outputs: Int, layout: PackedLinear.Layout, weights: UnsafePointer<Float>, set: InstructionSet) {
        self.inputs = inputs
        self.outputs = outputs
        self.set = set
        let kernels = set.table
        let columns = Int(kernels.panel_columns), count = (outputs + columns - 1) / columns
        self.columns = columns
        let buffer = FloatBuffer(count: count * inputs * columns)
        Team.parallelFor(count) { panel in
            let first = panel * columns, valid = min(columns, outputs - first)
            let out = buffer.pointer + panel * inputs * columns
            switch layout {
            case .outIn:
                kernels.transposed(
                    weights + first * inputs, Int64(inputs), Int64(valid), Int64(inputs), 1, out, Int64(columns), Int64(columns))
            case .inOut:
                for k in 0..<inputs { (out + k * columns).update(from: weights + k * outputs + first, count: valid) }
            }
        }
        self.buffer = buffer
    }

    /// The weights again, `[inputs, outputs]`.
    package func unpack(into weights: UnsafeMutablePointer<Float>) {
        Team.parallelFor(count) { panel in
            let first = panel * columns, valid = min(columns, outputs - first), own = pointer(panel)
            for k in 0..<inputs { (weights + k * outputs + first).update(from: own + k * columns, count: valid) }
        }
    }

    package var count: Int { (outputs + columns - 1) / columns }
    package var byteCount: Int { buffer.byteCount }
    package func pointer(_ panel: Int) -> UnsafePointer<Float> { UnsafePointer(buffer.pointer + panel * inputs * columns) }

    /// `values`, one an output, filled up to whole panels.
    package func padded(_ values: [Float], with filler: Float) -> FloatBuffer {
        let buffer = FloatBuffer(count: count * columns)
        buffer.pointer.update(repeating: filler, count: buffer.count)
        buffer.pointer.update(from: values, count: outputs)
        return buffer
    }
}
