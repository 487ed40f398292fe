// What a question about groups of images reads: a class table and its correction, as one.

import Basics

/// A group's counts over tau, ascending by latent. Corrections may be negative.
package struct CountColumns {
    package let latents, classOver, patchOver: UnsafeBufferPointer<Int32>
    /// Empty where the layout has no prompts.
    package let promptOver: UnsafeBufferPointer<Int32>
}

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

    /// Hands over a group's counts: the table's, then its corrections'.
    /// - Throws: `damaged` where the table is; see `Store.dropTable`.
    package func counts(of group: Int, _ body: (CountColumns) -> Void) throws(StoreError) {
        for part in parts where part.groups[group] >= 0 {
            let counts = try part.table.counts(of: part.groups[group])
            body(
                CountColumns(
                    latents: counts.latents, classOver: counts.classOver, patchOver: counts.patchOver, promptOver: counts.promptOver))
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
