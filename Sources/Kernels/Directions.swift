// Sums of directions that lie anywhere in a large table, and products with them: what sparse rows decode to, and what each
// entry of them does along a gradient. Entries come in order of their directions, so that each is fetched once.

import CDNNL

/// Entries by direction: `starts[k]..<starts[k + 1]` are those of `directions[k]`; entry `e` is of row `rows[e]`.
///
/// Borrowed: valid as long as what the pointers belong to.
package struct DirectionEntries {
    let directions, starts, rows: UnsafePointer<UInt32>
    let count: Int

    /// - Parameter count: of directions; starts has one more.
    package init(directions: UnsafePointer<UInt32>, starts: UnsafePointer<UInt32>, count: Int, rows: UnsafePointer<UInt32>) {
        (self.directions, self.starts, self.count, self.rows) = (directions, starts, count, rows)
    }
}

/// Columns that a thread takes at a time: those of an image's rows stay in its first-level cache.
private let columnBlock = 64

/// `x[row] += value table[direction]` for every entry; in each row in order of the directions, each product rounded before it
/// is added: the same bits as a plain loop's, with every instruction set.
///
/// - Parameters:
///   - table: `[directions, width]`.
///   - values: one an entry.
///   - x: `[rows, width]`.
package func addDirections(
    _ entries: DirectionEntries, of table: UnsafePointer<Float>, values: UnsafePointer<Float>, width: Int, to x: UnsafeMutablePointer<Float>,
    using set: InstructionSet = .best
) {
    let kernel = set.table.add_directions!
    Team.parallelRows(width, block: columnBlock) { columns in
        kernel(
            table + columns.lowerBound, Int64(width), entries.directions, entries.starts, Int64(entries.count), entries.rows, values,
            Int64(columns.count), x + columns.lowerBound, Int64(width))
    }
}

/// `products[e] = table[direction] . g[row]` for every entry.
/// - Parameter g: `[rows, width]`.
package func alongDirections(
    _ entries: DirectionEntries, of table: UnsafePointer<Float>, width: Int, _ g: UnsafePointer<Float>, into products: UnsafeMutablePointer<Float>,
    using set: InstructionSet = .best
) {
    let kernel = set.table.along_directions!
    // Entries belong to their direction, and each direction to one block.
    Team.parallelRows(entries.count, block: 256) { block in
        kernel(
            table, Int64(width), entries.directions + block.lowerBound, entries.starts + block.lowerBound, Int64(block.count), entries.rows,
            Int64(width), g, Int64(width), products)
    }
}
