// Aligned tables for people. Piped, they have the same columns and no colours, and no cell is shortened.

/// A table with a header line.
///
///     var table = Table(["LATENT".right, "FREQUENCY".right, "LABELS".flexible])
///     table.add(["4321", "2.5 %", "striped, zebra"])
///     terminal.write(table.text(for: terminal))
public struct Table: Sendable {
    public struct Column: Sendable {
        var title: String
        var isRight = false
        /// Gives way when the terminal is too narrow.
        var isFlexible = false
        var keepsEnd = false
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    public init(_ columns: [Column]) { self.columns = columns }

    public mutating func add(_ cells: [String]) {
        precondition(cells.count == columns.count, "\(cells.count) cells for \(columns.count) columns")
        rows.append(cells.map(\.printable))
    }

    public var isEmpty: Bool { rows.isEmpty }

    public func text(for terminal: Terminal) -> String {
        text(width: terminal.columns) { terminal.styled($0, .bold) }
    }

    /// - Parameter width: cells of a line; nil for any.
    public func text(width: Int?, header: (String) -> String = { $0 }) -> String {
        var widths = columns.indices.map { column in
            max(columns[column].title.cells, rows.map { $0[column].cells }.max() ?? 0)
        }
        if let width {
            var excess = widths.reduce(0, +) + 2 * (columns.count - 1) - width
            for column in columns.indices where columns[column].isFlexible && excess > 0 {
                let give = min(excess, widths[column] - max(columns[column].title.cells, 12))
                guard give > 0 else { continue }
                widths[column] -= give
                excess -= give
            }
        }
        func line(_ cells: [String]) -> String {
            var line = ""
            for (column, cell) in cells.enumerated() {
                let text = cell.fitted(widths[column], keepingEnd: columns[column].keepsEnd)
                let padding = String(repeating: " ", count: max(0, widths[column] - text.cells))
                line += columns[column].isRight ? padding + text : text + padding
                if column + 1 < cells.count { line += "  " }
            }
            while line.last == " " { line.removeLast() }
            return line
        }
        return ([header(line(columns.map(\.title)))] + rows.map(line)).map { $0 + "\n" }.joined()
    }
}

extension String {
    public var left: Table.Column { Table.Column(title: self) }
    public var right: Table.Column { Table.Column(title: self, isRight: true) }
    public var flexible: Table.Column { Table.Column(title: self, isFlexible: true) }
    /// For paths: shortened at the beginning.
    public var path: Table.Column { Table.Column(title: self, isFlexible: true, keepsEnd: true) }
}
