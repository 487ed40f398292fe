// The latents of some tokens, in scipy's CSR form: what an SAE encoder makes and a snapshot keeps.

/// Sparse rows: row `r` holds `indices[k]`, `values[k]` for `k` in `indptr[r]..<indptr[r + 1]`,
/// indices ascending and below `width`, values above zero.
public struct SparseRows: Sendable, Equatable {
    /// Columns: the number of latents.
    public var width: Int
    /// `rows + 1` offsets, starting at 0.
    public var indptr: [Int]
    public var indices: [UInt32]
    public var values: [Float]

    public init(width: Int, indptr: [Int] = [0], indices: [UInt32] = [], values: [Float] = []) {
        precondition(indptr.first == 0 && indptr.last == indices.count && indices.count == values.count)
        self.width = width
        self.indptr = indptr
        self.indices = indices
        self.values = values
    }

    public var rows: Int { indptr.count - 1 }
    /// Stored entries.
    public var count: Int { indices.count }

    public func range(of row: Int) -> Range<Int> { indptr[row]..<indptr[row + 1] }

    /// The value at a place, zero where nothing is stored.
    public func value(row: Int, column: UInt32) -> Float {
        var low = indptr[row], high = indptr[row + 1]
        while low < high {
            let middle = (low + high) / 2
            if indices[middle] < column { low = middle + 1 } else { high = middle }
        }
        return low < indptr[row + 1] && indices[low] == column ? values[low] : 0
    }

    /// Some rows, as rows of their own.
    public func slice(rows range: Range<Int>) -> SparseRows {
        let entries = indptr[range.lowerBound]..<indptr[range.upperBound]
        return SparseRows(
            width: width,
            indptr: indptr[range.lowerBound...range.upperBound].map { $0 - entries.lowerBound },
            indices: Array(indices[entries]), values: Array(values[entries]))
    }
}
