// Which images count and under which label: read by every statistic, so it lives in memory, 4 bytes an image.

import Basics
import GRDB

/// Label and presence of every image, by its id. A value: a query takes a copy and sees one moment.
package struct ImageTable: Sendable {
    /// No such image, or none of its paths is left.
    package static let absent: Int32 = -1
    /// An image without a label.
    package static let unlabelled: Int32 = 0

    /// By image id: `absent`, `unlabelled`, or 1 + the label's place in `labels`.
    private(set) var entries: [Int32] = []
    /// Label names by number - 1, in the order of first use.
    package private(set) var labels: [String] = []
    private var numbers: [String: Int32] = [:]
    /// Present images by label number - 1.
    private var used: [Int] = []
    /// Empty until asked for again after a label came into use or fell out of it.
    private var ranks: [Int32] = []
    /// Images that are not absent.
    package private(set) var present = 0

    package init() {}

    static func load(_ db: Database) throws -> ImageTable {
        var table = ImageTable()
        let rows = try Row.fetchCursor(db, sql: "SELECT id, label, absent FROM images ORDER BY id")
        while let row = try rows.next() {
            table.set(row[0], label: row[1], absent: row[2])
        }
        return table
    }

    package func entry(of image: Int64) -> Int32 {
        image >= 0 && image < entries.count ? entries[Int(image)] : ImageTable.absent
    }

    package func isPresent(_ image: Int64) -> Bool { entry(of: image) != ImageTable.absent }

    /// The number of a label, or nil where no image ever had it.
    package func number(of label: String) -> Int32? { numbers[label] }

    /// Present images of a label.
    package func count(of label: String) -> Int { numbers[label].map { used[Int($0) - 1] } ?? 0 }

    /// Present images by label number - 1.
    package var labelCounts: [Int] { used }

    package func name(of entry: Int32) -> String? { entry > 0 ? labels[Int(entry) - 1] : nil }

    /// - Returns: whether the image came or went.
    @discardableResult
    mutating func set(_ image: Int64, label: String?, absent: Bool) -> Bool {
        let index = Int(image)
        if index >= entries.count {
            entries.append(contentsOf: repeatElement(ImageTable.absent, count: index + 1 - entries.count))
        }
        let before = entries[index]
        entries[index] = absent ? ImageTable.absent : label.map { intern($0) } ?? ImageTable.unlabelled
        count(before, -1)
        count(entries[index], 1)
        let wasAbsent = before == ImageTable.absent
        present += (wasAbsent ? 0 : -1) + (absent ? 0 : 1)
        return wasAbsent != absent
    }

    /// By label number - 1: the label's place among the labels in use sorted by name (bytewise), as an image
    /// folder's classes are numbered; -1 for a label that no present image has.
    mutating func labelRanks() -> [Int32] {
        if ranks.count != labels.count {
            ranks = [Int32](repeating: -1, count: labels.count)
            let sorted = labels.indices.filter { used[$0] > 0 }.sorted { labels[$0].utf8.lexicographicallyPrecedes(labels[$1].utf8) }
            for (rank, label) in sorted.enumerated() { ranks[label] = Int32(rank) }
        }
        return ranks
    }

    private mutating func count(_ entry: Int32, _ change: Int) {
        guard entry > 0 else { return }
        let wasUsed = used[Int(entry) - 1] > 0
        used[Int(entry) - 1] += change
        if wasUsed != (used[Int(entry) - 1] > 0) { ranks = [] }
    }

    private mutating func intern(_ label: String) -> Int32 {
        if let number = numbers[label] { return number }
        labels.append(label)
        used.append(0)
        let number = Int32(labels.count)
        numbers[label] = number
        return number
    }
}
