// Embedding tables and strongest images: they tell what the snapshots tell (PropertyTests does the rest); what is damaged
// is made again, what is sound survives a restart.

import Basics
import Dispatch
import Foundation
import Store
import Synchronization
import Testing

/// Snapshots of present images, ascending by image: what everything here is derived from.
private func present(_ store: Store, _ view: ViewRecord) throws -> [(id: ImageRecord.ID, snapshot: Snapshot)] {
    try store.images(limit: 10_000).compactMap { image in try store.snapshot(of: image.id, in: view.id).map { (image.id, $0) } }
}

/// The naive way: everything from the snapshots, in f64.
func checkEmbeddings(_ store: Store, _ view: ViewRecord, _ random: inout Seeded, _ place: String) throws {
    let snapshots = try present(store, view)
    let table = try store.embeddings(in: view.id)
    #expect(table.images == snapshots.map(\.id), "\(place)")
    let query = (0..<table.width).map { _ in Float.random(in: -1...1, using: &random) }
    func length(_ v: [Float]) -> Double { v.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }
    var sum = [Double](repeating: 0, count: table.width), cosines: [(image: ImageRecord.ID, cosine: Double)] = []
    for (id, snapshot) in snapshots {
        let raw = snapshot.embedding, norm = length(raw)
        #expect(table.rawEmbedding(of: id) == raw, "\(place) image \(id)")
        let unit = raw.map { Double($0) / norm }
        #expect(zip(try #require(table.embedding(of: id)), unit).allSatisfy { abs(Double($0) - $1) < 1e-6 }, "\(place) image \(id)")
        for i in sum.indices { sum[i] += unit[i] / Double(snapshots.count) }
        cosines.append((id, zip(unit, query).reduce(0) { $0 + $1.0 * Double($1.1) } / length(query)))
    }
    #expect(zip(table.mean, sum).allSatisfy { abs(Double($0) - $1) < 1e-6 }, "\(place)")
    #expect(table.embedding(of: .init(rawValue: 9_999)) == nil)
    let nearest = table.nearest(to: query, count: 4), expected = cosines.sorted { $0.cosine > $1.cosine }.prefix(4)
    #expect(nearest.count == expected.count, "\(place)")
    #expect(zip(nearest, expected).allSatisfy { $0.image == $1.image && abs(Double($0.cosine) - $1.cosine) < 1e-5 }, "\(place)")

    let strongest = try store.strongestImages(in: view.id), layout = view.layout
    let patches = layout.tokens(of: .patch)
    for latent in 0..<view.latents {
        var means: [(image: ImageRecord.ID, mean: Float)] = []
        for (id, snapshot) in snapshots {
            // The patch mean is kept as f32, which is the definition (protocol/STORE.md).
            let patchSum = patches.reduce(0.0) { $0 + Double(snapshot.latents.value(row: $1, column: UInt32(latent))) }
            let patchMean = Float(patchSum / Double(layout.patches))
            let mean = Float(
                (Double(snapshot.latents.value(row: 0, column: UInt32(latent))) + Double(patchMean) * Double(layout.patches))
                    / Double(1 + layout.patches))
            if mean > 0 { means.append((id, mean)) }
        }
        let expected = means.sorted { $0.mean > $1.mean || ($0.mean == $1.mean && $0.image.rawValue < $1.image.rawValue) }.prefix(16)
        let found = strongest[latent]
        #expect(found.map(\.image) == expected.map(\.image) && found.map(\.mean) == expected.map(\.mean), "\(place) latent \(latent)")
    }

    let moment = try store.moment(of: view.id)
    var mask = store.presentImages(moment)
    #expect(mask.indices.filter { mask[$0] } == snapshots.map { Int($0.id.rawValue) }, "\(place)")
    let spared = snapshots.randomElement(using: &random)?.id
    if let spared { mask[Int(spared.rawValue)] = false }
    let terms = (0..<view.latents).filter { _ in Int.random(in: 0..<3, using: &random) == 0 }.map {
        MatchTerm(
            latent: $0, weight: .random(in: 0...2, using: &random), value: .random(in: 0...1, using: &random),
            scale: .random(in: 0...3, using: &random))
    }
    for kind in [MatchValue.mean, .patch] {
        let sums = try store.matches(of: terms, by: kind, moment, mask: mask)
        #expect(sums.bounds.count == mask.count && sums.estimates.count == mask.count)
        for (id, snapshot) in snapshots {
            let expected = terms.reduce(0.0) { sum, term in
                let values = patches.map { snapshot.latents.value(row: $0, column: UInt32(term.latent)) }
                let value = kind == .patch ? Double(values.max() ?? 0) : values.reduce(0) { $0 + Double($1) } / Double(values.count)
                return sum + Double(term.weight) * min(Double(term.value), Double(term.scale) * value)
            }
            let found = Double(sums.bounds[Int(id.rawValue)]), estimate = Double(sums.estimates[Int(id.rawValue)])
            #expect(id == spared ? found == 0 : abs(found - expected) <= 1e-5 * max(1, expected), "\(place) image \(id) \(kind)")
            // Halfway between a guess at one patch and the bound.
            #expect(kind == .mean ? estimate == found : estimate <= found * 1.00001 && estimate >= found * 0.49999, "\(place) image \(id)")
        }
    }
}

@Suite struct EmbeddingsTests {
    private func filled(_ folder: String, count: Int = 14) throws -> Fixture {
        var options = StoreOptions()
        options.sealImages = 4
        let fixture = try Fixture(folder, shape: Shape(latents: 60), options: options)
        for n in 0..<count { try fixture.addImage("n\(n)") }
        try fixture.store.append((0..<count).map { fixture.snapshot("n\($0)") }, to: fixture.view.id)
        return fixture
    }

    private let rowBytes = 16 + 4 * 8

    @Test func aRestartUsesTheFilesThatAreThereAndAnAppendExtendsThem() throws {
        let folder = try TemporaryFolder()
        var random = Seeded(1)
        var fixture = try filled(folder.path)
        try checkEmbeddings(fixture.store, fixture.view, &random, "made")
        let file = folder.path + "/tables/1.emb"
        func inode() throws -> Int? { try FileManager.default.attributesOfItem(atPath: file)[.systemFileNumber] as? Int }
        let before = try inode()
        #expect(try Damage.size(file) == 128 + 14 * rowBytes)
        try fixture.store.close()
        fixture = try Fixture(folder.path, shape: fixture.shape)
        for n in 14..<20 { try fixture.addImage("n\(n)") }
        try fixture.store.append((14..<20).map { fixture.snapshot("n\($0)") }, to: fixture.view.id)
        #expect(try Damage.size(file) == 128 + 20 * rowBytes)
        try checkEmbeddings(fixture.store, fixture.view, &random, "extended")
        #expect(try inode() == before)
        // Nothing is read from a segment for what the table holds.
        try fixture.store.close()
        try Damage.flip(folder.path + "/segments/1/1.seg", at: 128 + 40)
        fixture = try Fixture(folder.path, shape: fixture.shape)
        #expect(try fixture.store.embeddings(in: fixture.view.id).count == 20 && fixture.store.damaged.isEmpty)
    }

    @Test func aDamagedSnapshotIsLeftOutUntilItIsThereAgain() throws {
        let folder = try TemporaryFolder()
        var random = Seeded(1)
        try filled(folder.path).store.close()
        try Damage.flip(folder.path + "/segments/1/1.seg", at: 128 + 40)
        let fixture = try Fixture(folder.path, shape: Shape(latents: 60))
        #expect(try fixture.store.embeddings(in: fixture.view.id).images.map(\.rawValue) == Array(2...14))
        #expect(fixture.store.damaged.map(\.image.rawValue) == [1])
        #expect(try fixture.store.discardDamaged() == 1)
        #expect(try fixture.store.embeddings(in: fixture.view.id).count == 13)
        try checkEmbeddings(fixture.store, fixture.view, &random, "discarded")
        try fixture.store.append([fixture.snapshot("n0")], to: fixture.view.id)
        try checkEmbeddings(fixture.store, fixture.view, &random, "encoded again")
    }

    @Test(arguments: [3, 9, 17, 50, 125, 128 + 3, 128 + 9, 128 + 13, 128 + 30, 128 + 7 * 48 + 20, -1])
    func aDamagedEmbeddingFileIsMadeAgain(offset: Int) throws {
        let folder = try TemporaryFolder()
        var random = Seeded(2)
        var fixture = try filled(folder.path)
        _ = try fixture.store.embeddings(in: fixture.view.id)
        try fixture.store.close()
        let file = folder.path + "/tables/1.emb"
        try Damage.flip(file, at: offset < 0 ? try Damage.size(file) + offset : offset)
        fixture = try Fixture(folder.path, shape: fixture.shape)
        try checkEmbeddings(fixture.store, fixture.view, &random, "flipped \(offset)")
        #expect(try Damage.size(file) == 128 + 14 * rowBytes)
        try fixture.store.close()
        // A row that a crash cut short, and bytes of a row that never was whole.
        try Damage.truncate(file, to: 128 + 9 * rowBytes + 5)
        fixture = try Fixture(folder.path, shape: fixture.shape)
        try fixture.addImage("late")
        try fixture.store.append([fixture.snapshot("late")], to: fixture.view.id)
        try checkEmbeddings(fixture.store, fixture.view, &random, "cut")
        try fixture.store.close()
        try Damage.append(file, [UInt8](repeating: 7, count: 100))
        fixture = try Fixture(folder.path, shape: fixture.shape)
        try checkEmbeddings(fixture.store, fixture.view, &random, "tail")
        try FileManager.default.removeItem(atPath: file)
        try fixture.addImage("later")
        try fixture.store.append([fixture.snapshot("later")], to: fixture.view.id)
        try checkEmbeddings(fixture.store, fixture.view, &random, "gone")
    }

    @Test(arguments: [3, 9, 17, 50, 75, 85, 125, 130, 300, -1]) func damagedStrongestImagesAreFoundAgain(offset: Int) throws {
        let folder = try TemporaryFolder()
        var random = Seeded(3)
        var fixture = try filled(folder.path)
        _ = try fixture.store.strongestImages(in: fixture.view.id)
        try fixture.store.close()
        let file = folder.path + "/tables/1.top", size = try Damage.size(file)
        #expect(size == 128 + 64 + 60 * 16 * 8 + 2)
        try Damage.flip(file, at: offset < 0 ? size + offset : offset)
        fixture = try Fixture(folder.path, shape: fixture.shape)
        try checkEmbeddings(fixture.store, fixture.view, &random, "flipped \(offset)")
        try fixture.store.close()
        try Damage.truncate(file, to: size / 2)
        fixture = try Fixture(folder.path, shape: fixture.shape)
        try checkEmbeddings(fixture.store, fixture.view, &random, "cut")
    }

    @Test func aFullDiskIsAnErrorAndHealsWithoutATrace() throws {
        let folder = try TemporaryFolder()
        var random = Seeded(4)
        let faults = FaultInjector(code: ENOSPC)
        var options = StoreOptions()
        (options.sealImages, options.faults) = (4, faults)
        let fixture = try Fixture(folder.path, shape: Shape(latents: 60), options: options)
        for n in 0..<6 { try fixture.addImage("n\(n)") }
        try fixture.store.append((0..<6).map { fixture.snapshot("n\($0)") }, to: fixture.view.id)
        for bytes in [0, 60, 128, 300] {
            faults.fail(afterBytes: bytes)
            #expect(throws: StoreError.diskFull(file: folder.path + "/tables/1.emb")) {
                try fixture.store.embeddings(in: fixture.view.id)
            }
        }
        faults.fail(afterBytes: nil)
        try checkEmbeddings(fixture.store, fixture.view, &random, "healed")
    }

    @Test func compactingKeepsWhatIsThereAndFreesTheRest() throws {
        let folder = try TemporaryFolder()
        var random = Seeded(5)
        var options = StoreOptions()
        options.deadEmbeddingsMax = 4
        let fixture = try Fixture(folder.path, shape: Shape(latents: 60), options: options)
        for n in 0..<14 { try fixture.addImage("n\(n)") }
        try fixture.store.append((0..<14).map { fixture.snapshot("n\($0)") }, to: fixture.view.id)
        let old = try fixture.store.embeddings(in: fixture.view.id)
        for n in 0..<9 { try fixture.store.removePath("images/n\(n).png") }
        try checkEmbeddings(fixture.store, fixture.view, &random, "compacted")
        #expect(try Damage.size(folder.path + "/tables/1.emb") == 128 + 5 * rowBytes)
        // A table from before still tells of its moment.
        #expect(old.count == 14 && old.rawEmbedding(of: .init(rawValue: 1)) == fixture.snapshot("n0").embedding)
        try fixture.addImage("n3")
        try checkEmbeddings(fixture.store, fixture.view, &random, "revived")
    }

    @Test func anEmbeddingWithoutLengthIsNearNothing() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture(folder.path, shape: Shape(latents: 60))
        for n in 0..<3 { try fixture.addImage("n\(n)") }
        var snapshots = (0..<3).map { fixture.snapshot("n\($0)") }
        snapshots[1].embedding = [Float](repeating: 0, count: 8)
        snapshots[2].embedding = [Float](repeating: 3e38, count: 8)
        try fixture.store.append(snapshots, to: fixture.view.id)
        let table = try fixture.store.embeddings(in: fixture.view.id)
        #expect(table.embedding(at: 1) == snapshots[1].embedding && table.embedding(at: 2) == snapshots[1].embedding)
        #expect(table.products(with: snapshots[0].embedding)[1...] == [0, 0])
        #expect(table.nearest(to: snapshots[1].embedding, count: 5).map(\.cosine) == [0, 0, 0])
        #expect(table.nearest(to: snapshots[0].embedding, count: 0).isEmpty)
        #expect(table.nearest(to: snapshots[0].embedding, count: 5) { $0.rawValue > 1 }.map(\.image.rawValue) == [2, 3])
    }

    /// Three images with the same values of latents 3 and 8: side by side, on one row far apart, in opposite corners.
    @Test(arguments: [false, true]) func latentsSideBySideAreABetterCandidateThanApart(sealed: Bool) throws {
        let folder = try TemporaryFolder()
        let layout = TokenLayout(rows: 7, columns: 9)
        let fixture = try Fixture(folder.path, shape: Shape(layout: layout, latents: 20))
        func snapshot(_ name: String, _ places: [UInt32: (row: Int, column: Int)]) throws -> Snapshot {
            var rows = SparseRows(width: 20)
            for token in 0..<layout.count {
                for (latent, place) in places.sorted(by: { $0.key < $1.key }) where token > 0 {
                    let distance = (abs((token - 1) / 9 - place.row), abs((token - 1) % 9 - place.column))
                    guard distance.0 <= 1, distance.1 <= 1 else { continue }
                    rows.indices.append(latent)
                    rows.values.append(distance == (0, 0) ? 1.5 : 1)
                }
                rows.indptr.append(rows.indices.count)
            }
            try fixture.addImage(name)
            return Snapshot(image: ContentHash(of: name), layout: layout, latents: rows, embedding: [Float](repeating: 1, count: 8))
        }
        try fixture.store.append(
            [
                snapshot("beside", [3: (2, 2), 8: (2, 3)]), snapshot("row", [3: (3, 1), 8: (3, 7)]),
                snapshot("corners", [3: (1, 1), 8: (5, 7)]),
            ], to: fixture.view.id)
        if sealed { try fixture.store.sealOpenSegments(of: fixture.view.id) }
        let moment = try fixture.store.moment(of: fixture.view.id)
        let terms = [3, 8].map { MatchTerm(latent: $0, weight: 2, value: 3, scale: 1) }
        let found = try fixture.store.matches(of: terms, by: .patch, moment, mask: fixture.store.presentImages(moment))
        // Both peaks together; a disc of 9 patches is a square of 3 x 3 here.
        #expect(found.bounds == [0, 6, 6, 6])
        let mean = Float(2 * (8 + 1.5) / 9.0)
        #expect(zip(found.estimates, [0, (6 + 2 * mean) / 2, (6 + mean) / 2, (6 + mean) / 2]).allSatisfy { abs($0 - $1) < 1e-4 }, "\(found.estimates)")
    }

    /// A purge in the middle of a question about postings is an error that says so; the asker asks again (`Concepts` does).
    @Test func questionsDuringWritesAndPurgesTellOfTheSnapshots() throws {
        let folder = try TemporaryFolder()
        var options = StoreOptions()
        (options.sealImages, options.deadEmbeddingsMax, options.singleImagesMax, options.lostLatentsMax) = (8, 6, 2, 1000)
        let fixture = try Fixture(folder.path, shape: Shape(latents: 60), options: options)
        let store = fixture.store, view = fixture.view.id
        let names = (0..<48).map { "n\($0)" }
        for name in names { try fixture.addImage(name) }
        let snapshots = names.map { fixture.snapshot($0) }
        // Ids are given out in order.
        let embeddings = snapshots.map(\.embedding)
        let done = Atomic(false), answers = Atomic(0)
        let errors = Mutex<[String]>([])
        let group = DispatchGroup()
        for reader in 0..<3 {
            group.enter()
            Thread.detachNewThread {
                defer { group.leave() }
                while !done.load(ordering: .acquiring) {
                    do {
                        let table = try store.embeddings(in: view)
                        for (row, image) in table.images.enumerated() where table.rawEmbedding(of: image) != embeddings[Int(image.rawValue) - 1] {
                            errors.withLock { $0.append("row \(row) of \(table.count), image \(image)") }
                        }
                        if reader > 0 { _ = try store.strongestImages(in: view) }
                        answers.add(1, ordering: .relaxed)
                    } catch let StoreError.io(_, file, code, _) where code == ENOENT && file.contains("/segments/") && reader > 0 {
                        continue
                    } catch {
                        errors.withLock { $0.append("\(error)") }
                    }
                }
            }
        }
        var random = Seeded(6)
        for round in 0..<36 {
            let lacking = try store.imagesLackingSnapshot(in: view).map(\.hash)
            try store.append(snapshots.filter { lacking.contains($0.image) }.prefix(7).map { $0 }, to: view)
            switch round % 6 {
            case 1: for n in 0..<12 where Bool.random(using: &random) { try store.removePath("images/n\(n).png") }
            case 2: store.trim()
            case 3: for n in 0..<12 { try fixture.addImage("n\(n)") }
            case 4: _ = try store.purge(view: view)
            default: break
            }
            while answers.load(ordering: .relaxed) < round * 2 && errors.withLock({ $0.isEmpty }) { Thread.sleep(forTimeInterval: 0.0005) }
        }
        done.store(true, ordering: .releasing)
        group.wait()
        #expect(errors.withLock { $0 } == [])
        try checkEmbeddings(store, fixture.view, &random, "afterwards")
    }
}
