// Two views beside each other. Reference: a recomputation from the snapshots by dictionaries, in this file.

import Basics
import Concepts
import Foundation
import Store
import Synchronization
import Testing

/// A small synthetic store with its adapted twin.
struct TwinStore {
    let options: SyntheticOptions
    let generator: SyntheticStore
    let store: Store
    let concepts: Concepts
    let base: ViewRecord
    let adapted: ViewRecord

    init(_ folder: String, images: Int = 90, labels: Int = 6, prompts: Int = 2, sealImages: Int = 16, fewImages: Int = 128) throws {
        var options = SyntheticOptions()
        (options.images, options.layout, options.latents, options.batch) = (images, TokenLayout(rows: 4, columns: 5), 1024, 25)
        (options.labels, options.prompts, options.embeddingWidth) = (labels, prompts, 4)
        self.options = options
        generator = SyntheticStore(options)
        var settings = StoreOptions()
        settings.sealImages = sealImages
        // 0: no table is corrected and no image read alone, so that postings are walked.
        (settings.correctedImagesMax, settings.singleImagesMax) = (fewImages, fewImages)
        store = try Store.open(folder: folder, options: settings)
        base = try generator.fill(store)
        adapted = try generator.fillTwin(store)
        concepts = Concepts(store)
    }

    /// Counts over tau by latent over some images, as stored: what class tables must say.
    func naive(_ images: [Int], adapted: Bool, kinds: Set<TokenKind> = [.class, .patch]) -> [Int: Int] {
        var counts: [Int: Int] = [:]
        for n in images {
            let snapshot = generator.snapshot(n, adapted: adapted)
            for token in 0..<snapshot.layout.count where kinds.contains(snapshot.layout.kind(of: token)) {
                for k in snapshot.latents.range(of: token) where Float(Float16(snapshot.latents.values[k])) > 0.2 {
                    counts[Int(snapshot.latents.indices[k]), default: 0] += 1
                }
            }
        }
        return counts
    }

    func ranked(_ counts: [Int: Int]) -> [Int] {
        counts.keys.sorted { counts[$0]! != counts[$1]! ? counts[$0]! > counts[$1]! : $0 < $1 }
    }
}

@Suite struct CompareTests {
    @Test(arguments: [(1, 1), (47, 11), (199, 49), (200, 50), (49_152, 50)])
    func ofASmallDictionaryAQuarterIsLookedAt(latents: Int, first: Int) { #expect(Concepts.firstLatents(of: latents) == first) }

    @Test(arguments: [0, 128]) func everyScopeAgreesWithARecomputationFromSnapshots(fewImages: Int) throws {
        let folder = try TemporaryFolder()
        let twin = try TwinStore(folder.path, fewImages: fewImages)
        let all = Array(0..<90), label2 = all.filter { $0 % 6 == 2 }, some = [3, 4, 11, 40, 77]
        let ids = try some.map { try #require(try twin.store.image(hash: twin.generator.hash($0))) }
        let scopes: [(CompareScope, [Int])] = [
            (.all, all), (.label("label002"), label2), (.images(Set(ids.map(\.id))), some), (.image(ids[0]), [3]),
        ]
        for published in [false, true] {
            for (scope, images) in scopes {
                var query = CompareQuery()
                (query.k, query.top, query.asPublished) = (40, 1000, published)
                let answer = try twin.concepts.compare(base: twin.base, adapted: twin.adapted, over: scope, query)
                let kinds: Set<TokenKind> = published ? [.class, .patch, .prompt] : [.class, .patch]
                let b = twin.naive(images, adapted: false), a = twin.naive(images, adapted: true, kinds: kinds)
                let rb = twin.ranked(b), ra = twin.ranked(a)
                #expect(answer.images == images.count && answer.onlyBase == 0 && answer.onlyAdapted == 0)
                #expect(answer.baseLatents == b.count && answer.adaptedLatents == a.count)
                for point in answer.overlap {
                    let shared = Set(rb.prefix(point.k)).intersection(ra.prefix(point.k)).count
                    #expect(point.shared == shared, "k \(point.k)")
                }
                let gained = ra.prefix(40).filter { !rb.prefix(40).contains($0) }
                #expect(answer.gained.map(\.latent) == gained && answer.gainedCount == gained.count)
                #expect(answer.lost.map(\.latent) == rb.prefix(40).filter { !ra.prefix(40).contains($0) })
                for change in answer.gained + answer.lost + answer.changed {
                    #expect(change.baseCount == b[change.latent] ?? 0 && change.adaptedCount == a[change.latent] ?? 0)
                    #expect(change.baseRank == (rb.firstIndex(of: change.latent) ?? -1) + 1)
                    #expect(change.adaptedRank == (ra.firstIndex(of: change.latent) ?? -1) + 1)
                }
                check(answer, twin, images, published)
            }
        }
    }

    private func check(_ answer: Comparison, _ twin: TwinStore, _ images: [Int], _ published: Bool) {
        for change in answer.gained.prefix(3) + answer.changed.prefix(3) {
            for kind in change.kinds {
                var active = [0, 0], sums = [0.0, 0.0]
                for n in images {
                    for (side, adapted) in [false, true].enumerated() {
                        let snapshot = twin.generator.snapshot(n, adapted: adapted)
                        for token in 0..<snapshot.layout.count where snapshot.layout.kind(of: token).name == kind.kind {
                            let value = snapshot.latents.value(row: token, column: UInt32(change.latent))
                            active[side] += value > 0 ? 1 : 0
                            sums[side] += Double(Float(Float16(value)))
                        }
                    }
                }
                let tokens = kind.kind == "class" ? [1, 1] : kind.kind == "patch" ? [20, 20] : [0, 2]
                #expect(near(kind.baseFrequency, tokens[0] == 0 ? 0 : Double(active[0]) / Double(tokens[0] * images.count)))
                #expect(near(kind.adaptedFrequency, Double(active[1]) / Double(tokens[1] * images.count)))
                #expect(near(kind.baseMean, active[0] == 0 ? nil : sums[0] / Double(active[0]), 1e-6))
                #expect(near(kind.adaptedMean, active[1] == 0 ? nil : sums[1] / Double(active[1]), 1e-6))
            }
            #expect(change.kinds.count == (published ? 3 : 2) && (change.published != nil) == published)
        }
    }

    @Test func aViewComparedWithItselfShowsNoChange() throws {
        let folder = try TemporaryFolder()
        let twin = try TwinStore(folder.path, images: 40)
        let answer = try twin.concepts.compare(base: twin.base, adapted: twin.base)
        #expect(answer.overlap.allSatisfy { $0.share == 1 } && answer.cosine.map { abs($0 - 1) < 1e-12 } == true)
        #expect(answer.gained.isEmpty && answer.lost.isEmpty && answer.changed.isEmpty)
    }

    @Test(arguments: [0, 128]) func imagesThatOneViewLacksAreLeftOutOnBothSides(fewImages: Int) throws {
        let folder = try TemporaryFolder()
        let twin = try TwinStore(folder.path, images: 60, fewImages: fewImages)
        let before = try twin.concepts.compare(base: twin.base, adapted: twin.adapted)
        // New images get a snapshot in base alone.
        for n in 60..<63 {
            _ = try twin.store.upsertPath(
                "images/\(twin.generator.label(n))/\(n).jpg", file: FileStamp(size: 1, mtimeNanoseconds: 1, inode: 1),
                image: ImageFacts(hash: twin.generator.hash(n), width: 1, height: 1, format: "jpeg"), label: twin.generator.label(n))
            try twin.store.append([twin.generator.snapshot(n)], to: twin.base.id)
        }
        var after = try twin.concepts.compare(base: twin.base, adapted: twin.adapted)
        #expect(after.onlyBase == 3 && after.onlyAdapted == 0 && after.images == 60)
        after.onlyBase = 0
        #expect(after == before)
    }

    @Test func damagedTablesAreMadeAgainWithoutAWord() throws {
        let folder = try TemporaryFolder()
        var answers: [Comparison] = []
        do {
            let twin = try TwinStore(folder.path, images: 60)
            answers.append(try twin.concepts.compare(base: twin.base, adapted: twin.adapted, over: .label("label001")))
            try twin.store.close()
        }
        for view in [1, 2] {
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: folder.path + "/tables/\(view).tab"))
            // Somewhere in the first blocks: the headers stay sound, so that it is met in the middle of a question.
            try file.seek(toOffset: 128)
            try file.write(contentsOf: [UInt8](repeating: 0xA5, count: 4000))
            try file.close()
        }
        let store = try Store.open(folder: folder.path)
        let views = try store.catalog.views()
        answers.append(try Concepts(store).compare(base: views[0], adapted: views[1], over: .label("label001")))
        #expect(answers[0] == answers[1])
    }

    @Test func viewsOfDifferentSAEsAndUnknownLabelsAreRefused() throws {
        let folder = try TemporaryFolder()
        let twin = try TwinStore(folder.path, images: 20)
        var other = twin.adapted
        other.sae = .init(rawValue: 99)
        let error = #expect(throws: ConceptsError.self) { try twin.concepts.compare(base: twin.base, adapted: other) }
        #expect(
            error?.description == "views 'synthetic/base/synthetic' and 'synthetic/twin/synthetic' have different SAEs, "
                + "so their latents are not the same; compare views of one SAE")
        let label = #expect(throws: ConceptsError.self) {
            try twin.concepts.compare(base: twin.base, adapted: twin.adapted, over: .label("table"))
        }
        #expect(label?.description == "no image has the label 'table'; labels are the folders below images/, as they are spelt")
    }

    @Test func questionsAndChangesGoOnAtOnce() throws {
        let folder = try TemporaryFolder()
        let twin = try TwinStore(folder.path, images: 60, sealImages: 8)
        let failures = Mutex<[String]>([])
        DispatchQueue.concurrentPerform(iterations: 3) { thread in
            do {
                for round in 0..<12 {
                    switch thread {
                    case 0:
                        let n = 60 + round
                        _ = try twin.store.upsertPath(
                            "images/label001/\(n).jpg", file: FileStamp(size: 1, mtimeNanoseconds: 1, inode: 1),
                            image: ImageFacts(hash: twin.generator.hash(n), width: 1, height: 1, format: "jpeg"), label: "label001")
                        try twin.store.append([twin.generator.snapshot(n)], to: twin.base.id)
                        try twin.store.append([twin.generator.snapshot(n, adapted: true)], to: twin.adapted.id)
                        try twin.store.removePath("images/\(twin.generator.label(round))/\(round).jpg")
                        if round % 5 == 4 { _ = try twin.store.purge() }
                    default:
                        let answer = try twin.concepts.compare(base: twin.base, adapted: twin.adapted)
                        if answer.images + answer.onlyBase > 73 || answer.overlap[0].k != 1 { failures.withLock { $0.append("\(answer)") } }
                    }
                }
            } catch { failures.withLock { $0.append("\(error)") } }
        }
        #expect(failures.withLock { $0 } == [])
        let last = try twin.concepts.compare(base: twin.base, adapted: twin.adapted)
        #expect(last.images == 60 && last.onlyBase == 0)
    }
}
