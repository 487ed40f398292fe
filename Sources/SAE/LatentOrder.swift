// Sparse rows in order of their latents. A latent's direction lies anywhere in a hundred megabytes and more: in this order
// it is fetched once for all rows that use it, and those that come next are known well before.

import Kernels

/// Entries of some sparse rows, by latent.
struct LatentOrder {
    /// The latents that occur, ascending.
    let latents: [UInt32]
    /// Entries `starts[l]..<starts[l + 1]` are those of `latents[l]`, rows ascending.
    let starts: [UInt32]
    let rows: [UInt32]
    let values: [Float]
    /// Where an entry stood in the rows.
    let places: [Int]

    /// - Parameters:
    ///   - chosen: rows; the first of them is row 0 here.
    ///   - width: latents of the SAE.
    init(_ indptr: [Int], _ indices: [UInt32], _ values: [Float], rows chosen: Range<Int>, width: Int) {
        let entries = indptr[chosen.lowerBound]..<indptr[chosen.upperBound]
        var next = [UInt32](repeating: 0, count: width)
        for entry in entries { next[Int(indices[entry])] += 1 }
        var latents: [UInt32] = [], starts: [UInt32] = [0], total: UInt32 = 0
        for latent in 0..<width where next[latent] > 0 {
            let count = next[latent]
            next[latent] = total
            total += count
            latents.append(UInt32(latent))
            starts.append(total)
        }
        var rows = [UInt32](repeating: 0, count: entries.count), sorted = [Float](repeating: 0, count: entries.count)
        var places = [Int](repeating: 0, count: entries.count)
        for row in chosen {
            for entry in indptr[row]..<indptr[row + 1] {
                let place = Int(next[Int(indices[entry])])
                next[Int(indices[entry])] += 1
                rows[place] = UInt32(row - chosen.lowerBound)
                sorted[place] = values[entry]
                places[place] = entry
            }
        }
        (self.latents, self.starts, self.rows, self.values, self.places) = (latents, starts, rows, sorted, places)
    }

    private func withEntries(_ body: (DirectionEntries) -> Void) {
        latents.withUnsafeBufferPointer { latents in
            starts.withUnsafeBufferPointer { starts in
                rows.withUnsafeBufferPointer { rows in
                    guard let first = latents.baseAddress, let start = starts.baseAddress, let row = rows.baseAddress, !latents.isEmpty else { return }
                    body(DirectionEntries(directions: first, starts: start, count: latents.count, rows: row))
                }
            }
        }
    }

    /// `x[row] += value W_dec[latent]` for every entry, in each row in order of its latents.
    /// - Parameters:
    ///   - directions: `[latents, width]`.
    ///   - x: `[rows, width]`.
    func add(_ directions: UnsafePointer<Float>, width: Int, to x: UnsafeMutablePointer<Float>) {
        withEntries { addDirections($0, of: directions, values: values, width: width, to: x) }
    }

    /// `W_dec[latent] . g[row]`, one an entry, in this order.
    /// - Parameter g: `[rows, width]`.
    func along(_ directions: UnsafePointer<Float>, width: Int, _ g: UnsafePointer<Float>) -> [Float] {
        var products = [Float](repeating: 0, count: rows.count)
        products.withUnsafeMutableBufferPointer { products in
            guard let start = products.baseAddress else { return }
            withEntries { alongDirections($0, of: directions, width: width, g, into: start) }
        }
        return products
    }
}
