// Class tables: kept where every image counts under its label (or a shuffled one), corrected for what changed
// since, made again when the correction would cost more than an eighth of making. For other groups of images
// the postings are walked; the answer is the same.

import Basics
import Foundation
import Glibc

/// A view's segments as of one moment.
package struct ViewMoment: Sendable {
    let view: ViewStore
    let segments: [Segment]
    let changes: UInt64

    package var record: ViewRecord { view.record }

    /// By image id below `count`: whether the view has a snapshot of it.
    package func snapshotMask(count: Int) -> [Bool] {
        var mask = [Bool](repeating: false, count: count)
        for segment in segments { for image in segment.images where image >= 0 && image < count { mask[Int(image)] = true } }
        return mask
    }
}

extension Store {
    package func moment(of id: ViewRecord.ID) throws(StoreError) -> ViewMoment {
        let changes = changeCount
        let view = try self.view(id)
        return ViewMoment(view: view, segments: try readySegments(of: view), changes: changes)
    }

    /// Makes a view's class tables good where they are not, so that the next `compare` or `remap` finds them: some 10 s
    /// a table (there are two) at 100,000 images of 1,300 latents, nothing where little changed. For idle times; a
    /// question does it itself.
    ///
    /// - Parameter seed: of the shuffled labels that stand as a control; one shuffle is kept, the last.
    public func prepareClassTables(of id: ViewRecord.ID, seed: UInt64 = 42) throws(StoreError) {
        let groups = labelGroups, moment = try moment(of: id)
        _ = try classTotals(moment, groups)
        _ = try classTotals(moment, groups.shuffled(seed: seed))
    }

    /// Latent totals of groups of images.
    ///
    /// Kept tables (labels of all images, and one shuffle of them) answer at once; the first question after a view grew
    /// by an eighth, or after many images changed their label, makes them. Other groups are summed up from the
    /// postings each time, some 10 s for 100,000 images and less for fewer. Memory: some 100 MB beside mapped pages,
    /// whatever the size.
    package func classTotals(_ moment: ViewMoment, _ groups: ImageGroups) throws(StoreError) -> ClassTotals {
        let view = moment.view
        guard groups.kind != .other else { return try summedUp(moment, groups) }
        if !groups.isMasked, let known = view.tables.withLock({ $0[groups.kind] }), let answer = known.answer,
            known.changes == moment.changes
        { return answer }
        view.tabling.lock()
        defer { view.tabling.unlock() }
        let kept = keptTable(of: view, groups.kind)
        if let kept, let correction = correction(of: kept, moment, groups) {
            let answer = try corrected(kept, by: correction, moment, groups)
            if !groups.isMasked { keep(kept, answer, moment, groups.kind) }
            return answer
        }
        guard !groups.isMasked else { return try summedUp(moment, groups) }
        let made = try makeTable(moment, groups)
        guard let correction = correction(of: made, moment, groups) else { return try summedUp(moment, groups) }
        let answer = try corrected(made, by: correction, moment, groups)
        keep(made, answer, moment, groups.kind)
        return answer
    }

    /// Forgets a table that turned out damaged, so that the next question makes it again.
    /// - Returns: whether the file was one.
    package func dropTable(_ path: String) -> Bool {
        guard path.hasPrefix(folder + "/tables/"), path.hasSuffix(".tab") else { return false }
        for view in loadedViews { view.tables.withLock { tables in tables = tables.filter { $0.value.table.path != path } } }
        unlink(path)
        return true
    }

    // MARK: Kept tables

    private func tablePath(_ view: ViewStore, _ kind: ImageGroups.Kind) -> String {
        "\(folder)/tables/\(view.record.id)" + (kind == .labels ? ".tab" : ".shuffled.tab")
    }

    private func keptTable(of view: ViewStore, _ kind: ImageGroups.Kind) -> ClassTable? {
        if let known = view.tables.withLock({ $0[kind] }) { return known.table }
        guard let table = try? ClassTable(path: tablePath(view, kind), expecting: view.shape) else { return nil }
        switch kind {
        case .labels: return table.countsOnly ? nil : table
        case let .shuffled(seed): return table.countsOnly && table.seed == seed ? table : nil
        case .other: return nil
        }
    }

    private func keep(_ table: ClassTable, _ answer: ClassTotals, _ moment: ViewMoment, _ kind: ImageGroups.Kind) {
        moment.view.tables.withLock { tables in
            // One shuffle is kept, that of the last seed, as on disk.
            if kind != .labels { tables = tables.filter { $0.key == .labels } }
            tables[kind] = KeptTable(table: table, changes: moment.changes, answer: answer)
        }
    }

    private func makeTable(_ moment: ViewMoment, _ groups: ImageGroups) throws(StoreError) -> ClassTable {
        let sealed = moment.segments.filter(\.sealed)
        let sources = sealed.map { segment in
            TableSource(postings: .sealed(segment), plus: segment.images.map(groups.entry), minus: [])
        }
        let covers = zip(sealed, sources).map { ClassTable.Cover(segment: $0.id.rawValue, entries: $1.plus) }
        return try write(sources, covers: covers, to: tablePath(moment.view, groups.kind), moment, groups)
    }

    /// Writes a table in one go; a failure leaves what was there.
    private func write(
        _ sources: [TableSource], covers: [ClassTable.Cover], to path: String, _ moment: ViewMoment, _ groups: ImageGroups
    ) throws(StoreError) -> ClassTable {
        let view = moment.view
        try File.makeFolder(folder + "/tables")
        let temporary = "\(path).\(UInt64.random(in: 0 ... .max)).tmp"
        var seed: UInt64 = 0, countsOnly = false
        if case let .shuffled(own) = groups.kind { (seed, countsOnly) = (own, true) }
        let builder = ClassTableBuilder(
            layout: view.shape.layout, latents: view.shape.latents, groups: groups.names.count, countsOnly: countsOnly)
        do throws(StoreError) {
            let file = try File(path: temporary, flags: O_RDWR | O_CREAT | O_EXCL, faults: options.faults)
            var walk = SealedWalk(store: self, view: view)
            let (blocks, end) = try builder.write(sources, to: file, spill: temporary + ".tmp") { (latent, segment, body) throws(StoreError) in
                try walk.postings(of: latent, segment, body)
            }
            walk.release()
            let directory = ClassTable.directory(names: groups.names, blocks: blocks, covers: covers)
            try file.write(directory, at: end)
            try file.write(
                ClassTable.header(
                    shape: view.shape, countsOnly: countsOnly, seed: seed, size: end + directory.count, directory: end,
                    checksum: XXH64.hash(directory)), at: 0)
            guard rename(temporary, path) == 0 else { throw StoreError.system("rename", path, errno) }
        } catch {
            unlink(temporary)
            throw error
        }
        return try ClassTable(path: path, expecting: view.shape)
    }

    /// A table for this question alone: its name goes at once, its pages with the answer.
    private func transient(_ sources: [TableSource], _ moment: ViewMoment, _ groups: ImageGroups) throws(StoreError) -> ClassTable {
        let path = "\(folder)/tables/\(moment.view.record.id).\(UInt64.random(in: 0 ... .max)).tmp"
        defer { unlink(path) }
        return try write(sources, covers: [], to: path, moment, groups)
    }

    private func summedUp(_ moment: ViewMoment, _ groups: ImageGroups) throws(StoreError) -> ClassTotals {
        let sources = moment.segments.flatMap { segment -> [TableSource] in
            let plus = segment.images.map(groups.entry)
            let wanted = plus.indices.filter { plus[$0] >= 0 }
            if wanted.isEmpty { return [] }
            guard segment.sealed else { return [TableSource(postings: .summaries(segment.summaries), plus: plus, minus: [])] }
            guard wanted.count > options.singleImagesMax else {
                return corrections(segment, wanted, plus: wanted.map { plus[$0] }, minus: wanted.map { _ in -1 }, moment)
            }
            return [TableSource(postings: .sealed(segment), plus: plus, minus: [])]
        }
        return ClassTotals(
            tables: [try transient(sources, moment, groups)], names: groups.names, images: imageCounts(moment, groups))
    }

    private func imageCounts(_ moment: ViewMoment, _ groups: ImageGroups) -> [Int] {
        var counts = [Int](repeating: 0, count: groups.names.count + 1)
        for segment in moment.segments {
            for image in segment.images {
                let entry = groups.entry(of: image)
                if entry >= 0 { counts[0] += 1 }
                if entry > 0 { counts[Int(entry)] += 1 }
            }
        }
        return counts
    }

    // MARK: Corrections

    /// What a table lacks, or nil where making it anew is cheaper.
    private func correction(of table: ClassTable, _ moment: ViewMoment, _ groups: ImageGroups) -> [TableSource]? {
        let numbers = Dictionary(zip(groups.names, Int32(1)...), uniquingKeysWith: { first, _ in first })
        // A name that is no longer known has no image any more: its number lies beyond the groups.
        let gone = Int32(groups.names.count + 1)
        let current = [0] + table.names.map { numbers[$0] ?? gone }
        let covers = Dictionary(table.covers.map { ($0.segment, $0.entries) }, uniquingKeysWith: { first, _ in first })
        var left = covers.count
        var sources: [TableSource] = []
        var uncovered = 0, changed = 0
        for segment in moment.segments {
            let now = segment.images.map(groups.entry)
            guard let then = covers[segment.id.rawValue] else {
                if now.contains(where: { $0 >= 0 }) {
                    uncovered += segment.sealed ? now.count : 0
                    sources.append(
                        TableSource(postings: segment.sealed ? .sealed(segment) : .summaries(segment.summaries), plus: now, minus: []))
                }
                continue
            }
            left -= 1
            guard then.count == now.count, segment.sealed else { return nil }
            let slots = now.indices.filter { now[$0] != (then[$0] < 0 ? -1 : current[Int(then[$0])]) }
            guard !slots.isEmpty else { continue }
            changed += slots.count
            guard changed <= options.correctedImagesMax else { return nil }
            let old = slots.map { then[$0] < 0 ? -1 : current[Int(then[$0])] }
            guard !old.contains(gone) else { return nil }
            sources += corrections(segment, slots, plus: slots.map { now[$0] }, minus: old, moment)
        }
        // A covered segment that went took images along that the table still counts.
        guard left == 0, uncovered <= max(options.sealImages, table.images / 8) else { return nil }
        return sources
    }

    /// Single images' postings: from their snapshots, or from the segment's index where one cannot be read.
    private func corrections(
        _ segment: Segment, _ slots: [Int], plus: [Int32], minus: [Int32], _ moment: ViewMoment
    ) -> [TableSource] {
        var summaries: [ImageSummary?] = []
        for slot in slots where segment.images[slot] != Segment.hole {
            guard let read = try? postings(of: ImageRecord.ID(rawValue: segment.images[slot]), in: moment.record.id) else { break }
            summaries.append(ImageSummary(read.postings, hasPrompts: moment.record.prompts > 0))
        }
        if summaries.count == slots.count { return [TableSource(postings: .summaries(summaries), plus: plus, minus: minus)] }
        var source = TableSource(
            postings: .sealed(segment), plus: segment.images.map { _ in -1 }, minus: segment.images.map { _ in -1 })
        for (at, slot) in slots.enumerated() { (source.plus[slot], source.minus[slot]) = (plus[at], minus[at]) }
        return [source]
    }

    private func corrected(
        _ table: ClassTable, by sources: [TableSource], _ moment: ViewMoment, _ groups: ImageGroups
    ) throws(StoreError) -> ClassTotals {
        let tables = sources.isEmpty ? [table] : [table, try transient(sources, moment, groups)]
        return ClassTotals(tables: tables, names: groups.names, images: imageCounts(moment, groups))
    }
}

/// Reads sealed segments latent by latent: indexes are opened once and their pages given back now and then.
struct SealedWalk {
    let store: Store
    let view: ViewStore
    var indexes: [SegmentRecord.ID: SegmentIndex] = [:]
    var last = 0

    init(store: Store, view: ViewStore) {
        self.store = store
        self.view = view
    }

    func release() { for index in indexes.values { index.release() } }

    mutating func postings(of latent: Int, _ segment: Segment, _ body: (SlotPosting) -> Void) throws(StoreError) {
        if latent >= last + 1024 {
            last = latent
            release()
        }
        do throws(StoreError) {
            let index: SegmentIndex
            if let known = indexes[segment.id] { index = known } else {
                index = try store.index(of: segment, view: view)
                indexes[segment.id] = index
            }
            try index.postings(of: latent, body)
        } catch {
            guard error.isRepairable else { throw error }
            let index = try store.rebuildIndex(of: segment, view: view)
            indexes[segment.id] = index
            try index.postings(of: latent, body)
        }
    }
}
