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
        let finds = Finds(chunks: min(panels.count, 16 * Team.threads), panels: panels.count, rows: rows)
        defer { finds.free() }
        let kernel = panels.set.table.scan_panel!
        Team.parallelFor(finds.chunks) { chunk in
            let range = finds.panels(of: chunk)
            for panel in range {
                let column = panel * panels.columns
                let status = kernel(
                    x, Int64(rows), Int64(width), panels.pointer(panel), bias.pointer + column, UInt32(column),
                    panel + 1 < range.upperBound ? panels.pointer(panel + 1) : nil, finds.lists + chunk,
                    finds.counts + panel * rows)
                precondition(status == 0, "out of memory for the active latents of \(rows) tokens")
            }
        }
        return finds.merged(width: latents)
    }
}

/// What each chunk of panels found, in order of panel, then row, then latent; so ascending for any one row.
private struct Finds {
    let chunks, rows: Int
    private let panelCount: Int
    let lists: UnsafeMutablePointer<saed_hits>
    /// `[panels, rows]`: a panel has fewer than 256 columns.
    let counts: UnsafeMutablePointer<UInt8>

    init(chunks: Int, panels: Int, rows: Int) {
        self.chunks = chunks
        self.rows = rows
        panelCount = panels
        lists = .allocate(capacity: chunks)
        lists.initialize(repeating: saed_hits(values: nil, columns: nil, count: 0, capacity: 0), count: chunks)
        counts = .allocate(capacity: panels * rows)  // written by the kernel before it is read
    }

    func free() {
        for chunk in 0..<chunks { saed_hits_free(lists + chunk) }
        lists.deallocate()
        counts.deallocate()
    }

    func panels(of chunk: Int) -> Range<Int> { chunk * panelCount / chunks..<(chunk + 1) * panelCount / chunks }

    /// Sorted by row: a counting sort whose places are known before anything moves, so chunks move in parallel.
    func merged(width: Int) -> SparseRows {
        let places = UnsafeMutablePointer<Int>.allocate(capacity: chunks * rows)
        defer { places.deallocate() }
        places.initialize(repeating: 0, count: chunks * rows)
        Team.parallelFor(chunks) { chunk in
            let own = places + chunk * rows
            for panel in panels(of: chunk) {
                let found = counts + panel * rows
                for row in 0..<rows { own[row] &+= Int(found[row]) }
            }
        }
        var indptr = [Int](repeating: 0, count: rows + 1)
        var next = 0
        for row in 0..<rows {
            for chunk in 0..<chunks {
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
                if let indices = indices.baseAddress, let values = values.baseAddress, total > 0 {
                    Team.parallelFor(chunks) { move($0, places: places + $0 * rows, indices, values) }
                }
                valueCount = total
            }
            indexCount = total
        }
        return SparseRows(width: width, indptr: indptr, indices: indices, values: values)
    }

    private func move(
        _ chunk: Int, places: UnsafeMutablePointer<Int>, _ indices: UnsafeMutablePointer<UInt32>, _ values: UnsafeMutablePointer<Float>
    ) {
        guard let foundValues = lists[chunk].values, let foundColumns = lists[chunk].columns else { return }
        var entry = 0
        for panel in panels(of: chunk) {
            let found = counts + panel * rows
            for row in 0..<rows where found[row] > 0 {
                let place = places[row], count = Int(found[row])
                for i in 0..<count {
                    indices[place &+ i] = foundColumns[entry &+ i]
                    values[place &+ i] = foundValues[entry &+ i]
                }
                entry += count
                places[row] = place + count
            }
        }
    }
}
