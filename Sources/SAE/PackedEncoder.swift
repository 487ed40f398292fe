// The encoder's product, bias, ReLU and sparsification in one pass.
//
// Legend: d width, n latents; a panel: the `Panels.columns` (48 with AVX-512) latents whose sums for a tile of rows
// (8) fill the registers. A thread takes a panel (147 KiB at d = 768: it stays in the second-level cache) against
// all rows, so W_enc is read from memory once a batch; a tile's sums over all of d stay in registers, are compared
// with zero there, and only what is active is written.

import Basics
import CDNNL
import Kernels

package struct PackedEncoder: Sendable {
    package let width, latents: Int
    private let panels: Panels
    /// Padded to whole panels with -inf: what does not exist is never active.
    private let bias: FloatBuffer
    private let shift: [Float]?

    /// A batch is encoded in parts of so many rows: bounds the shifted copy of x (25 MB at d = 768).
    private static let partRows = 8192

    /// - Parameters:
    ///   - weights: `[width, latents]`.
    ///   - shift: subtracted from x.
    package init(
        width: Int, latents: Int, weights: UnsafePointer<Float>, bias: [Float], shift: [Float]?,
        using set: InstructionSet = .best
    ) {
        self.width = width
        self.latents = latents
        self.shift = shift
        panels = Panels(inputs: width, outputs: latents, layout: .inOut, weights: weights, set: set)
        self.bias = panels.padded(bias, with: -.infinity)
    }

    package var byteCount: Int { panels.byteCount + bias.byteCount }

    package func encode(_ x: UnsafePointer<Float>, rows: Int) -> SparseRows {
        if rows <= PackedEncoder.partRows { return encodePart(x, rows: rows) }
        var result = SparseRows(width: latents)
        for first in stride(from: 0, to: rows, by: PackedEncoder.partRows) {
            let part = encodePart(x + first * width, rows: min(PackedEncoder.partRows, rows - first))
            let offset = result.count
            result.indptr += part.indptr.dropFirst().map { $0 + offset }
            result.indices += part.indices
            result.values += part.values
        }
        return result
    }

    private func encodePart(_ x: UnsafePointer<Float>, rows: Int) -> SparseRows {
        guard rows > 0 else { return SparseRows(width: latents) }
        guard let shift else { return encodeShifted(x, rows: rows) }
        return withScratch(rows * width) { shifted in
            shift.withUnsafeBufferPointer { shift in
                Team.parallelRows(rows, block: 64) { block in
                    for row in block {
                        let from = x + row * width, to = shifted + row * width
                        for i in 0..<width { to[i] = from[i] - shift[i] }
                    }
                }
            }
            return encodeShifted(shifted, rows: rows)
        }
    }

    private func encodeShifted(_ x: UnsafePointer<Float>, rows: Int) -> SparseRows {
        // More chunks than threads, so that one thread slowed by others does not hold up all; each a run of
        // neighbouring panels, so that its finds are ordered.
        let chunks = HitLists(count: min(panels.count, 16 * Team.threads))
        defer { chunks.free() }
        scan(x, rows: rows, into: chunks)
        return chunks.merged(rows: rows, width: latents)
    }

    private func scan(_ x: UnsafePointer<Float>, rows: Int, into chunks: HitLists) {
        let kernel = panels.set.table.scan_panel!
        let count = chunks.count
        Team.parallelFor(count) { chunk in
            let range = chunk * panels.count / count..<(chunk + 1) * panels.count / count
            for panel in range {
                let column = panel * panels.columns
                let status = kernel(
                    x, Int64(rows), Int64(width), panels.pointer(panel), bias.pointer + column, UInt32(column),
                    panel + 1 < range.upperBound ? panels.pointer(panel + 1) : nil, chunks.lists + chunk)
                precondition(status == 0, "out of memory for the active latents of \(rows) tokens")
            }
        }
    }
}

/// The finds of each chunk of panels: by panel, then tile, then row, then latent; so ascending for any one row.
private struct HitLists {
    let count: Int
    let lists: UnsafeMutablePointer<saed_hits>

    init(count: Int) {
        self.count = count
        lists = .allocate(capacity: count)
        lists.initialize(repeating: saed_hits(items: nil, count: 0, capacity: 0), count: count)
    }

    func free() {
        for chunk in 0..<count { saed_hits_free(lists + chunk) }
        lists.deallocate()
    }

    /// Sorted by row: a counting sort whose places are known before anything moves, so chunks move in parallel.
    func merged(rows: Int, width: Int) -> SparseRows {
        let places = UnsafeMutablePointer<Int>.allocate(capacity: count * rows)
        defer { places.deallocate() }
        places.initialize(repeating: 0, count: count * rows)
        Team.parallelFor(count) { chunk in
            let own = places + chunk * rows, list = lists[chunk]
            for entry in 0..<list.count { own[Int(list.items[entry].row)] += 1 }
        }
        var indptr = [Int](repeating: 0, count: rows + 1)
        var next = 0
        for row in 0..<rows {
            for chunk in 0..<count {
                let found = places[chunk * rows + row]
                places[chunk * rows + row] = next
                next += found
            }
            indptr[row + 1] = next
        }
        let total = next
        var values: [Float] = []
        let indices = [UInt32](unsafeUninitializedCapacity: total) { indices, indexCount in
            values = [Float](unsafeUninitializedCapacity: total) { values, valueCount in
                let indices = indices.baseAddress, values = values.baseAddress
                Team.parallelFor(total == 0 ? 0 : count) { chunk in
                    let own = places + chunk * rows, list = lists[chunk]
                    for entry in 0..<list.count {
                        let hit = list.items[entry]
                        let place = own[Int(hit.row)]
                        own[Int(hit.row)] = place + 1
                        indices![place] = hit.column
                        values![place] = hit.value
                    }
                }
                valueCount = total
            }
            indexCount = total
        }
        return SparseRows(width: width, indptr: indptr, indices: indices, values: values)
    }
}
