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
        /// Left out, the last one first, where the table is still too wide.
        var isOptional = false

        /// Gives way before the other flexible ones.
        var yieldsFirst = false

        public var yielding: Column {
            var column = self
            column.yieldsFirst = true
            return column
        }

        public var optional: Column {
            var column = self
            column.isOptional = true
            return column
        }
    }

    /// What a flexible column keeps of its width.
    private static let flexibleMin = 12

    private let columns: [Column]
    private var rows: [[String]] = []

    public init(_ columns: [Column]) { self.columns = columns }

    public mutating func add(_ cells: [String]) {
        precondition(cells.count == columns.count, "\(cells.count) cells for \(columns.count) columns")
        rows.append(cells.map(\.printable))
    }

    public var isEmpty: Bool { rows.isEmpty }

    public func text(for terminal: Terminal) -> String {
        let shown = fitting(terminal.columns)
        let text = shown.text(width: terminal.columns) { terminal.styled($0, .bold) }
        let left = columns.map(\.title).filter { title in !shown.columns.contains { $0.title == title } }
        return left.isEmpty ? text : text + terminal.styled("(no room for \(left.joined(separator: ", ").lowercased()))", .faint) + "\n"
    }

    /// The header and the rows, each a line without its end, as `text` has them; without the optional columns that have no room.
    /// - Parameter width: cells of a line; nil for any.
    package func lines(width: Int?) -> [String] {
        fitting(width).text(width: width).split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    private var widths: [Int] {
        columns.indices.map { column in max(columns[column].title.cells, rows.map { $0[column].cells }.max() ?? 0) }
    }

    /// Without the optional columns that a line of so many cells has no room for.
    private func fitting(_ width: Int?) -> Table {
        guard let width else { return self }
        let least = zip(columns, widths).map { $0.isFlexible ? min($1, max($0.title.cells, Table.flexibleMin)) : $1 }
        var kept = Array(columns.indices)
        while kept.reduce(-2, { $0 + least[$1] + 2 }) > width, let last = kept.last(where: { columns[$0].isOptional }) {
            kept.removeAll { $0 == last }
        }
        var table = Table(kept.map { columns[$0] })
        table.rows = rows.map { row in kept.map { row[$0] } }
        return table
    }

    /// - Parameter width: cells of a line; nil for any.
    public func text(width: Int?, header: (String) -> String = { $0 }) -> String {
        var widths = self.widths
        if let width {
            var excess = widths.reduce(0, +) + 2 * (columns.count - 1) - width
            let flexible = columns.indices.filter { columns[$0].isFlexible }
            for column in flexible.filter({ columns[$0].yieldsFirst }) + flexible.filter({ !columns[$0].yieldsFirst }) where excess > 0 {
                let give = min(excess, widths[column] - max(columns[column].title.cells, Table.flexibleMin))
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
