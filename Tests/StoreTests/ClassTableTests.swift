// Class tables: totals by label are those of the snapshots, from a kept table, from a corrected one and from the postings
// alike (PropertyTests does the rest); what is damaged is made again, what is sound survives a restart.

import Basics
import Foundation
import Store
import Testing

/// Totals from the snapshots themselves, by group and latent, the total as group 0.
private func recomputed(_ store: Store, _ view: ViewRecord, _ groups: ImageGroups) throws -> [[LatentTotals]] {
    let layout = view.layout
    var all = [[LatentTotals]](repeating: [LatentTotals](repeating: .init(), count: view.latents), count: groups.names.count + 1)
    for (id, entry) in groups.entries.enumerated() where entry >= 0 {
        guard let snapshot = try store.snapshot(of: .init(rawValue: Int64(id)), in: view.id) else { continue }
        for latent in 0..<view.latents {
            var own = LatentTotals()
            for kind in TokenKind.allCases {
                let values = layout.tokens(of: kind).map { snapshot.latents.value(row: $0, column: UInt32(latent)) }.filter { $0 > 0 }
                var totals = KindTotals()
                totals.active = values.count
                totals.overTau = values.count { $0 > 0.2 }
                totals.sum = values.reduce(0) { $0 + Double($1) }
                switch kind {
                case .class: own.classToken = totals
                case .patch: own.patch = totals
                case .prompt: own.prompt = totals
                }
            }
            own.images = own.classToken.active + own.patch.active > 0 ? 1 : 0
            own.anyImages = own.images + own.prompt.active > 0 ? 1 : 0
            for group in Set([0, Int(entry)]) { all[group][latent].merge(own) }
        }
    }
    return all
}

/// Counts as a question reads them, prompts included.
private func counts(_ totals: ClassTotals, _ group: Int) throws -> [Int] {
    var counts = [Int32](repeating: 0, count: totals.latents), marks = [UInt64](repeating: 0, count: (totals.latents + 63) / 64)
    try counts.withUnsafeMutableBufferPointer { counts in
        try marks.withUnsafeMutableBufferPointer { marks in
            try totals.addCounts(of: group, prompts: true, to: counts.baseAddress!, marks: marks.baseAddress!)
        }
    }
    #expect(counts.indices.allSatisfy { counts[$0] == 0 || marks[$0 >> 6] >> UInt64($0 & 63) & 1 == 1 })
    return counts.map(Int.init)
}

/// Sums: each patch mean is kept as f32, relative error 2^-24; counts are exact.
private func check(_ store: Store, _ view: ViewRecord, _ groups: ImageGroups, _ place: String) throws {
    let totals = try store.classTotals(store.moment(of: view.id), groups)
    let expected = try recomputed(store, view, groups)
    #expect(totals.names == groups.names, "\(place)")
    for group in expected.indices {
        #expect(try counts(totals, group) == expected[group].map(\.publishedCount), "\(place) group \(group)")
        guard !totals.countsOnly else { continue }
        let found = try totals.totals(of: group, latents: Array(0..<view.latents))
        for (latent, (f, e)) in zip(found, expected[group]).enumerated() {
            #expect(f.images == e.images && f.anyImages == e.anyImages, "\(place) group \(group) latent \(latent): \(f), \(e)")
            for kind in TokenKind.allCases {
                #expect(f[kind].active == e[kind].active && f[kind].overTau == e[kind].overTau, "\(place) \(group) \(latent) \(kind)")
                #expect(abs(f[kind].sum - e[kind].sum) <= 1e-6 * max(1e-3, e[kind].sum), "\(place) \(group) \(latent) \(kind)")
            }
        }
    }
}

/// Totals by label, by shuffled labels, and by those of some images.
func checkClassTotals(_ store: Store, _ view: ViewRecord, _ random: inout Seeded, _ place: String) throws {
    let groups = store.labelGroups
    try check(store, view, groups, place + " labels")
    try check(store, view, groups.shuffled(seed: 7), place + " shuffled")
    let some = Set((0..<groups.entries.count).filter { _ in Bool.random(using: &random) }.map { ImageRecord.ID(rawValue: Int64($0)) })
    try check(store, view, groups.only(some), place + " some")
    try check(store, view, groups.only(some).shuffled(seed: 7), place + " some shuffled")
    try check(store, view, groups.only(label: "bee"), place + " one label")
}

@Suite struct ClassTableTests {
    private func filled(_ folder: String) throws -> Fixture {
        var options = StoreOptions()
        options.sealImages = 4
        let fixture = try Fixture(folder, options: options)
        let names = (0..<14).map { "n\($0)" }
        for (n, name) in names.enumerated() { try fixture.addImage(name, label: ["ant", "bee", "cat"][n % 3]) }
        try fixture.store.append(names.map { fixture.snapshot($0) }, to: fixture.view.id)
        return fixture
    }

    @Test func aRestartUsesTheTableThatIsThere() throws {
        let folder = try TemporaryFolder()
        let fixture = try filled(folder.path)
        try fixture.store.prepareClassTables(of: fixture.view.id, seed: 3)
        let files = ["/tables/1.tab", "/tables/1.shuffled.tab"].map { folder.path + $0 }
        func inodes() throws -> [Int] {
            try files.map { try #require(try FileManager.default.attributesOfItem(atPath: $0)[.systemFileNumber] as? Int) }
        }
        let before = try inodes()
        try fixture.store.close()
        let again = try Fixture(folder.path)
        #expect(again.store.recovery.isClean)
        try check(again.store, again.view, again.store.labelGroups, "restart")
        try check(again.store, again.view, again.store.labelGroups.shuffled(seed: 3), "restart")
        #expect(try inodes() == before)
        // Another seed's shuffle takes the place of the first.
        try check(again.store, again.view, again.store.labelGroups.shuffled(seed: 4), "seed 4")
        #expect(try inodes()[0] == before[0] && inodes()[1] != before[1])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/tables").count == 2)
    }

    @Test(arguments: [10, 60, 125, 140, 4000, -20]) func aDamagedTableIsMadeAgain(offset: Int) throws {
        let folder = try TemporaryFolder()
        let fixture = try filled(folder.path)
        try fixture.store.prepareClassTables(of: fixture.view.id, seed: 3)
        try fixture.store.close()
        let file = folder.path + "/tables/1.tab"
        try Damage.flip(file, at: offset < 0 ? try Damage.size(file) + offset : offset)
        let again = try Fixture(folder.path)
        do {
            try check(again.store, again.view, again.store.labelGroups, "flipped \(offset)")
        } catch let StoreError.damaged(path, _, _) {
            // Blocks are checked when touched: the caller drops the table and asks again.
            #expect(path == file && again.store.dropTable(path))
            try check(again.store, again.view, again.store.labelGroups, "dropped \(offset)")
        }
        try again.store.close()
        try Damage.truncate(file, to: 200)
        let cut = try Fixture(folder.path)
        try check(cut.store, cut.view, cut.store.labelGroups, "cut")
        try FileManager.default.removeItem(atPath: file)
        cut.store.trim()
        try check(cut.store, cut.view, cut.store.labelGroups, "gone")
    }

    @Test func aFullDiskWhileATableIsMadeLeavesNothingBehind() throws {
        let folder = try TemporaryFolder()
        let faults = FaultInjector(code: ENOSPC)
        var options = StoreOptions()
        (options.sealImages, options.faults) = (4, faults)
        let fixture = try Fixture(folder.path, options: options)
        for n in 0..<6 { try fixture.addImage("n\(n)", label: "ant") }
        try fixture.store.append((0..<6).map { fixture.snapshot("n\($0)") }, to: fixture.view.id)
        faults.fail(afterBytes: 300)
        #expect(throws: StoreError.self) { try fixture.store.prepareClassTables(of: fixture.view.id, seed: 1) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/tables").isEmpty)
        faults.fail(afterBytes: nil)
        try check(fixture.store, fixture.view, fixture.store.labelGroups, "healed")
    }

    @Test func shufflingDealsTheSameLabelsToOtherImagesAndHardlyMovesWithOneMore() throws {
        let folder = try TemporaryFolder()
        let store = try Store.open(folder: folder.path)
        func add(_ n: Int) throws {
            _ = try store.upsertPath(
                "images/l\(n % 5)/\(n).png", file: FileStamp(size: 1, mtimeNanoseconds: 1, inode: 1),
                image: ImageFacts(hash: ContentHash(of: "\(n)"), width: 1, height: 1, format: "png"), label: n % 7 == 0 ? nil : "l\(n % 5)")
        }
        for n in 0..<360 { try add(n) }
        let labels = store.labelGroups, dealt = labels.shuffled(seed: 1)
        let part = dealt.entries.indices.filter { dealt.entries[$0] > 0 }
        #expect(part.count >= labels.entries.count { $0 > 0 } * 8 / 9)
        #expect(part.allSatisfy { labels.entries[$0] > 0 })
        #expect(part.map { dealt.entries[$0] }.sorted() == part.map { labels.entries[$0] }.sorted())
        // By chance a fifth keeps its label.
        let kept = part.count { dealt.entries[$0] == labels.entries[$0] }
        #expect(kept > part.count / 10 && kept < part.count * 3 / 10)
        #expect(labels.shuffled(seed: 1).entries == dealt.entries && labels.shuffled(seed: 2).entries != dealt.entries)
        // Removing an image changes at most its own deal and that of the one before it in its cycle.
        try store.removePath("images/l3/3.png")
        let after = store.labelGroups.shuffled(seed: 1)
        #expect(after.entries.indices.count { after.entries[$0] != dealt.entries[$0] } <= 2)
        // A new image beyond the bound changes none.
        try add(400)
        let more = store.labelGroups.shuffled(seed: 1)
        #expect(after.entries.indices.allSatisfy { more.entries[$0] == after.entries[$0] })
    }
}
