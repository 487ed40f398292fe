// Reference: numpy on the same values; tools/reference/concepts_pairs.py (seed 11) wrote pairs.json.
// Counts, ranks and draws are exact; means differ by the f32 in which image means are kept.

import Basics
import Concepts
import Store
import Testing

/// pairs.json.
private struct PairsGolden: Decodable {
    struct View: Decodable { var indices: [[UInt32]]; var values: [[Float]] }
    struct Point: Decodable { var k, shared: Int; var share, chance: Double }
    struct Kind: Decodable { var kind: String; var frequency: [Double]; var mean: [Double?] }
    struct Latent: Decodable {
        var latent: Int
        var ranks, counts: [Int]
        var kinds: [Kind]
        var publishedFrequency: [Double]
        var publishedMean: [Double?]
    }
    struct Compare: Decodable {
        var images: Int
        var counted: [Int]
        var overlap: [Point]
        var cosine: Double?
        var gained, lost, changed: [Int]
        var latents: [Latent]
    }
    struct Class: Decodable {
        var images: Int
        var kept, reassigned, newlyUsed, left, groups, moves: [Int]
        var overlap: Double
        var cosine: Double?
    }
    struct Served: Decodable { var latent: Int; var left, joined: [Int]; var before, after: Int; var cosine: Double? }
    struct Group: Decodable { var size: Double; var correlation: Double?; var interval: [Double]? }
    struct Figures: Decodable {
        var overlap, kept, reassigned, newlyUsed, left: Double
        var overlapInterval: [Double]
        var cosine: Double?
        var groups: [Group]
    }
    struct Accuracy: Decodable { var base, adapted, change: Double; var interval: [Double] }
    struct Remap: Decodable {
        var classes: [Class]
        var latents: [Served]
        var figures, shuffled: Figures
        var accuracies: [Accuracy]
        var changeInterval: [Double]
        var leftOut: Int
    }
    var rows, columns, prompts, latents: Int
    var labels: [String?]
    var answers: [[Int32]]
    var classes: [String]
    var views: [View]
    var compare: [String: Compare]
    var remap: Remap
}

/// The golden views in a store, sealed in parts of 16 and committed in different orders.
private struct PairsStore {
    let golden: PairsGolden
    let concepts: Concepts
    let base: ViewRecord
    let adapted: ViewRecord
    let images: [ImageRecord]

    init(_ folder: String) throws {
        let golden = try GoldenFile.read("pairs", as: PairsGolden.self)
        var options = StoreOptions()
        options.sealImages = 16
        let store = try Store.open(folder: folder, options: options)
        let images = try golden.labels.enumerated().map { number, label in
            try store.upsertPath(
                "images/\(label ?? "none")/\(number).png", file: FileStamp(size: 1, mtimeNanoseconds: 1, inode: 1),
                image: ImageFacts(hash: ContentHash(of: "pair \(number)"), width: 6, height: 4, format: "png"), label: label
            ).image
        }
        let hook = HookPoint(block: 2)
        let model = try store.catalog.addModel(name: "m", folder: "", contentHash: ContentHash(of: "m"), config: "{}")
        let sae = try store.catalog.addSAE(
            model: model.id, name: "s", path: "", contentHash: ContentHash(of: "s"), hook: hook, latents: golden.latents, width: 4,
            config: "{}")
        let adapter = try store.catalog.addAdapter(
            model: model.id, name: "a", contentHash: ContentHash(of: "a"), config: "{}", active: true)
        let views = try [try store.catalog.baseAdapter(of: model.id), adapter].enumerated().map { side, adapter in
            let layout = TokenLayout(rows: golden.rows, columns: golden.columns, prompts: side * golden.prompts)
            let view = try store.catalog.addView(
                name: ViewName(model: "m", adapter: adapter.name, sae: "s"), model: model.id, adapter: adapter.id, sae: sae.id, hook: hook,
                recipe: ContentHash(of: adapter.name), layout: layout, latents: golden.latents, embeddingWidth: 1, activationWidth: 4)
            for number in images.indices.sorted(by: { ($0 * (5 + 2 * side)) % 43 < ($1 * (5 + 2 * side)) % 43 }) {
                var rows = SparseRows(width: golden.latents)
                for token in number * layout.count..<(number + 1) * layout.count {
                    rows.indices += golden.views[side].indices[token]
                    rows.values += golden.views[side].values[token]
                    rows.indptr.append(rows.indices.count)
                }
                try store.append([Snapshot(image: images[number].hash, layout: layout, latents: rows, embedding: [1])], to: view.id)
            }
            return view
        }
        concepts = Concepts(store)
        (self.golden, self.images, base, adapted) = (golden, images, views[0], views[1])
    }

    func answers(_ side: Int) -> [ImageRecord.ID: Answer] {
        Dictionary(uniqueKeysWithValues: zip(images.map(\.id), golden.answers[side].map { Answer(index: $0, probability: 0.5) }))
    }
}

@Suite struct PairsTests {
    @Test(arguments: ["all", "published", "label", "some", "image"]) func comparingTwoViewsMatchesNumpy(name: String) throws {
        let folder = try TemporaryFolder()
        let store = try PairsStore(folder.path)
        let expected = try #require(store.golden.compare[name])
        var query = CompareQuery()
        (query.ks, query.k, query.asPublished) = ([1, 2, 3, 5, 10, 20], 4, ["published", "image"].contains(name))
        let scope: CompareScope =
            switch name {
            case "label": .label("red_cube")
            case "some": .images(Set([2, 3, 20, 21, 41].map { store.images[$0].id }))
            case "image": .image(store.images[7])
            default: .all
            }
        let answer = try store.concepts.compare(base: store.base, adapted: store.adapted, over: scope, query)
        #expect(answer.images == expected.images && [answer.baseLatents, answer.adaptedLatents] == expected.counted)
        for (point, e) in zip(answer.overlap, expected.overlap) {
            #expect(point.k == e.k && point.shared == e.shared, "\(point)")
            #expect(near(point.share, e.share) && near(point.expectedByChance, e.chance), "\(point), \(e)")
        }
        #expect(near(answer.cosine, expected.cosine, 1e-12))
        #expect(answer.gained.map(\.latent) == expected.gained && answer.lost.map(\.latent) == expected.lost)
        #expect(answer.changed.map(\.latent) == expected.changed)
        for (change, e) in zip(answer.gained + answer.lost + answer.changed, expected.latents) {
            #expect(change.latent == e.latent && [change.baseRank, change.adaptedRank] == e.ranks, "\(change)")
            #expect([change.baseCount, change.adaptedCount] == e.counts && change.kinds.map(\.kind) == e.kinds.map(\.kind), "\(change)")
            for (kind, e) in zip(change.kinds, e.kinds) {
                #expect(near(kind.baseFrequency, e.frequency[0]) && near(kind.adaptedFrequency, e.frequency[1]), "\(change)")
                #expect(near(kind.baseMean, e.mean[0]) && near(kind.adaptedMean, e.mean[1]), "\(change)")
            }
            guard let published = change.published else { continue }
            #expect(near(published.baseFrequency, e.publishedFrequency[0]) && near(published.adaptedFrequency, e.publishedFrequency[1]))
            #expect(near(published.baseMean, e.publishedMean[0]) && near(published.adaptedMean, e.publishedMean[1]), "\(change)")
        }
    }

    private func query() -> RemapQuery {
        var query = RemapQuery()
        (query.k, query.high, query.low, query.rounds, query.seed) = (4, 4, 8, 200, 5)
        return query
    }

    @Test func remappingMatchesNumpyWithItsIntervalsAndControl() throws {
        let folder = try TemporaryFolder()
        let store = try PairsStore(folder.path)
        let expected = store.golden.remap
        let answer = try store.concepts.remap(
            base: store.base, adapted: store.adapted, query(), baseAnswers: store.answers(0), adaptedAnswers: store.answers(1),
            classes: store.golden.classes)
        #expect(answer.classes.map(\.label) == ["Red Cube", "green_ball", "blue cone"] && answer.leftOut == expected.leftOut)
        for (found, (e, accuracy)) in zip(answer.classes, zip(expected.classes, expected.accuracies)) {
            #expect(found.images == e.images && found.answered == e.images && near(found.overlap, e.overlap), "\(found.label)")
            #expect(near(found.cosine, e.cosine, 1e-12), "\(found.label)")
            #expect(found.kept == e.kept && found.reassigned == e.reassigned, "\(found.label)")
            #expect(found.newlyUsed == e.newlyUsed && found.left == e.left, "\(found.label)")
            let groups = found.groups
            #expect([groups.staysHigh, groups.staysLow, groups.rises, groups.falls] == e.groups, "\(found.label)")
            #expect(found.moves.map(\.latent) == e.moves, "\(found.label)")
            #expect(near(found.baseAccuracy, accuracy.base) && near(found.adaptedAccuracy, accuracy.adapted), "\(found.label)")
            #expect(near(found.change, accuracy.change, 1e-12) && near(found.changeInterval, accuracy.interval), "\(found.label)")
        }
        #expect(near(answer.changeInterval, expected.changeInterval))
        #expect(answer.latents.map(\.latent) == expected.latents.map(\.latent) && answer.movedLatents == expected.latents.count)
        for (latent, e) in zip(answer.latents, expected.latents) {
            #expect(latent.left == e.left.map { store.golden.classes[$0] } && latent.joined == e.joined.map { store.golden.classes[$0] })
            #expect(latent.classesBefore == e.before && latent.classesAfter == e.after && near(latent.cosine, e.cosine, 1e-12))
        }
        check(answer.finding, expected.figures, "finding")
        check(try #require(answer.shuffled), expected.shuffled, "shuffled labels")
    }

    private func check(_ found: RemapFigures, _ expected: PairsGolden.Figures, _ place: String) {
        #expect(near(found.overlap, expected.overlap) && near(found.overlapInterval, expected.overlapInterval), "\(place)")
        #expect(near(found.cosine, expected.cosine, 1e-12) && near(found.kept, expected.kept), "\(place)")
        #expect(near(found.reassigned, expected.reassigned) && near(found.newlyUsed, expected.newlyUsed), "\(place)")
        #expect(near(found.left, expected.left), "\(place)")
        #expect(found.groups.map(\.group) == ["stays high", "stays low", "rises", "falls"])
        for (group, e) in zip(found.groups, expected.groups) {
            #expect(near(group.meanSize, e.size), "\(place) \(group)")
            #expect(near(group.correlation, e.correlation, 1e-9), "\(place) \(group)")
            #expect(near(group.correlationInterval, e.interval), "\(place) \(group)")
        }
    }

    @Test func oneClassIsListedWithKindsAndEverythingElseStays() throws {
        let folder = try TemporaryFolder()
        let store = try PairsStore(folder.path)
        var one = query()
        one.label = "red cube"
        let ask = { (query: RemapQuery) in
            try store.concepts.remap(
                base: store.base, adapted: store.adapted, query, baseAnswers: store.answers(0), adaptedAnswers: store.answers(1),
                classes: store.golden.classes)
        }
        let whole = try ask(query())
        var answer = try ask(one)
        #expect(answer.classes.map(\.label) == ["Red Cube"])
        #expect(answer.classes[0].moves.allSatisfy { $0.kinds.map(\.kind) == ["class", "patch"] })
        for at in answer.classes[0].moves.indices { answer.classes[0].moves[at].kinds = [] }
        #expect(answer.classes[0] == whole.classes[0] && answer.latents == whole.latents && answer.finding == whole.finding)
        one.label = "yellow"
        #expect(throws: ConceptsError.noLabel(label: "yellow")) { try ask(one) }
    }

    @Test func aDataSetIsCountedByWalkingItsPostings() throws {
        let folder = try TemporaryFolder()
        let store = try PairsStore(folder.path)
        let whole = try store.concepts.remap(
            base: store.base, adapted: store.adapted, query(), baseAnswers: store.answers(0), adaptedAnswers: store.answers(1),
            classes: store.golden.classes)
        var query = query()
        query.images = Set(store.images.map(\.id))
        let all = try store.concepts.remap(
            base: store.base, adapted: store.adapted, query, baseAnswers: store.answers(0), adaptedAnswers: store.answers(1),
            classes: store.golden.classes)
        #expect(all.classes == whole.classes && all.finding == whole.finding && all.latents == whole.latents)
        query.images = Set(store.images.prefix(20).map(\.id))
        let some = try store.concepts.remap(
            base: store.base, adapted: store.adapted, query, baseAnswers: store.answers(0), adaptedAnswers: store.answers(1),
            classes: store.golden.classes)
        #expect(some.images + some.leftOut == 20 && some.answered == some.images)
    }
}

private func near(_ found: Interval?, _ expected: [Double]?) -> Bool {
    guard let found, let expected else { return found == nil && expected == nil }
    return abs(found.low - expected[0]) < 1e-9 && abs(found.high - expected[1]) < 1e-9
}
