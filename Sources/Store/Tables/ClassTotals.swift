// What a question about groups of images reads: a class table and its correction, as one.

import Basics

/// Latent totals of groups of images of one view, as of one moment. Safe to share.
package final class ClassTotals: Sendable {
    package let layout: TokenLayout
    package let latents: Int
    /// Group g is `names[g - 1]`; group 0 is the total of all.
    package let names: [String]
    /// Images with a snapshot by group.
    package let images: [Int]
    /// Whether only counts over tau are kept: `totals` then has nothing to tell.
    package let countsOnly: Bool
    private struct Part { let table: ClassTable; let groups: [Int] }
    private let parts: [Part]

    init(tables: [ClassTable], names: [String], images: [Int]) {
        let first = tables[0]
        (layout, latents, countsOnly) = (first.layout, first.latents, tables.contains { $0.countsOnly })
        self.names = names
        self.images = images
        parts = tables.map { table in
            let places = Dictionary(zip(table.names, 1...), uniquingKeysWith: { first, _ in first })
            return Part(table: table, groups: [0] + names.map { places[$0] ?? -1 })
        }
    }

    /// Adds a group's tokens over tau to `counts`, of `latents` entries, and sets the bit of each latent touched in
    /// `marks`, of `latents` bits. A correction may leave a marked latent at zero.
    ///
    /// - Parameter prompts: count prompt tokens too, as published.
    /// - Throws: `damaged` where a table is; see `Store.dropTable`.
    package func addCounts(
        of group: Int, prompts: Bool, to counts: UnsafeMutablePointer<Int32>, marks: UnsafeMutablePointer<UInt64>
    ) throws(StoreError) {
        for part in parts where part.groups[group] >= 0 {
            try part.table.addCounts(of: part.groups[group], kinds: prompts ? 3 : 2, to: counts, marks: marks)
        }
    }

    /// Everything of some latents in a group, in the order asked for.
    package func totals(of group: Int, latents: [Int]) throws(StoreError) -> [LatentTotals] {
        var cells = [TotalsCell](repeating: TotalsCell(), count: latents.count)
        for part in parts where part.groups[group] >= 0 {
            for (at, cell) in try part.table.totals(of: part.groups[group], latents: latents).enumerated() { cells[at].merge(cell) }
        }
        return cells.map(LatentTotals.init)
    }
}
