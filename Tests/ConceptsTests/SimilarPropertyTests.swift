// Whatever happens to a store, likeness and latent embeddings are those of a naive recomputation from its snapshots, and
// what is cached is what would be found anew.

import Basics
import Concepts
import Foundation
import Store
import Testing

private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state ^ (state >> 31)) &* 0x9E37_79B9_7F4A_7C15
    }
}

/// A store of few images with a few latents, that a test changes at random.
private final class ChangingStore {
    let folder = try? TemporaryFolder()
    let layout = TokenLayout(rows: 2, columns: 2), latents = 24, width = 6
    var store: Store
    var concepts: Concepts
    var view: ViewRecord
    var paths: [String] = []
    let options: StoreOptions

    init(sealImages: Int) throws {
        var options = StoreOptions()
        options.sealImages = sealImages
        self.options = options
        store = try Store.open(folder: folder?.path ?? "", options: options)
        view = try ChangingStore.addView(to: store, layout, latents, width)
        concepts = Concepts(store)
    }

    private static func addView(to store: Store, _ layout: TokenLayout, _ latents: Int, _ width: Int) throws -> ViewRecord {
        let hook = HookPoint(block: 2)
        let model = try store.catalog.addModel(name: "m", folder: "", contentHash: ContentHash(of: "m"), config: "{}")
        let sae = try store.catalog.addSAE(
            model: model.id, name: "s", path: "", contentHash: ContentHash(of: "s"), hook: hook, latents: latents, width: 4, config: "{}")
        return try store.catalog.addView(
            name: ViewName(model: "m", sae: "s"), model: model.id, adapter: try store.catalog.baseAdapter(of: model.id).id, sae: sae.id,
            hook: hook, recipe: ContentHash(of: "r"), layout: layout, latents: latents, embeddingWidth: width, activationWidth: 4)
    }

    /// The view's SAE goes, its snapshots are freed, and it comes back.
    func retire() throws {
        try store.catalog.deactivateSAE(view.sae)
        _ = try store.purge(inactiveViews: true)
        view = try ChangingStore.addView(to: store, layout, latents, width)
    }

    func reopen() throws {
        try store.close()
        store = try Store.open(folder: folder?.path ?? "", options: options)
        view = try store.catalog.view(view.id)
        concepts = Concepts(store)
    }

    func add(_ number: Int, label: String?, path: String) throws {
        _ = try store.upsertPath(
            path, file: FileStamp(size: 1, mtimeNanoseconds: 1, inode: 1),
            image: ImageFacts(hash: ContentHash(of: "image \(number)"), width: 4, height: 4, format: "png"), label: label)
        paths.append(path)
    }

    /// Depends on the image alone.
    func snapshot(_ number: Int) -> Snapshot {
        var random = Seeded(state: UInt64(number) &* 7919)
        var rows = SparseRows(width: latents)
        for _ in 0..<layout.count {
            for latent in 0..<latents where Double.random(in: 0..<1, using: &random) < 0.05 + 0.02 * Double(latent) {
                rows.indices.append(UInt32(latent))
                rows.values.append(Float(Float16(Float.random(in: 0.01...2, using: &random))))
            }
            rows.indptr.append(rows.indices.count)
        }
        return Snapshot(
            image: ContentHash(of: "image \(number)"), layout: layout, latents: rows,
            embedding: (0..<width).map { _ in Float.random(in: -0.5...1, using: &random) })
    }
}

/// Everything from the snapshots, in f64, image by image.
private struct Naive {
    var images: [(id: ImageRecord.ID, snapshot: Snapshot)]
    let latents: Int
    let layout: TokenLayout

    init(_ changing: ChangingStore) throws {
        (latents, layout) = (changing.latents, changing.layout)
        images = try changing.store.images(limit: 1000).compactMap { image in
            try changing.store.snapshot(of: image.id, in: changing.view.id).map { (image.id, $0) }
        }
    }

    private func values(_ snapshot: Snapshot, _ token: Int) -> [Double] {
        (0..<latents).map { Double(snapshot.latents.value(row: token, column: UInt32($0))) }
    }

    private func mean(_ snapshot: Snapshot, _ tokens: Range<Int>) -> [Double] {
        tokens.reduce([Double](repeating: 0, count: latents)) { sum, token in
            zip(sum, values(snapshot, token)).map { $0 + $1 / Double(tokens.count) }
        }
    }

    /// Score of everyone else with an image (or its patch), best first.
    func similar(to id: ImageRecord.ID, patch: Int?) -> [(id: ImageRecord.ID, score: Double)] {
        let tokens = layout.tokens(of: .patch)
        let rows = images.map { image in
            patch == nil ? [mean(image.snapshot, tokens)] : tokens.map { values(image.snapshot, $0) }
        }
        let all = rows.flatMap { $0 }
        let active = (0..<latents).map { j in Double(all.count { $0[j] > 0 }) }, sums = (0..<latents).map { j in all.reduce(0) { $0 + $1[j] } }
        let weights = active.map { $0 > 0 ? log(Double(all.count) / $0) : 0 }
        func scaled(_ row: [Double]) -> [Double] { (0..<latents).map { active[$0] > 0 ? row[$0] * active[$0] / sums[$0] : 0 } }
        guard let place = images.firstIndex(where: { $0.id == id }) else { return [] }
        let own = scaled(rows[place][patch ?? 0])
        func score(_ row: [Double]) -> Double {
            let other = scaled(row)
            let both = (0..<latents).reduce(0) { $0 + weights[$1] * min(own[$1], other[$1]) }
            let either = (0..<latents).reduce(0) { $0 + weights[$1] * max(own[$1], other[$1]) }
            return either > 0 ? both / either : 0
        }
        return images.indices.filter { $0 != place }.map { (images[$0].id, rows[$0].map(score).max() ?? 0) }
            .filter { $0.1 > 0 }.sorted { $0.1 > $1.1 }
    }

    /// `nil` for dead latents.
    func latentEmbeddings() -> [[Double]?] {
        let units = images.map { image in
            let length = image.snapshot.embedding.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            return image.snapshot.embedding.map { Double($0) / length }
        }
        let means = images.map { mean($0.snapshot, 0..<1 + layout.patches) }
        return (0..<latents).map { j in
            let top = images.indices.filter { means[$0][j] > 0 }.sorted { means[$0][j] > means[$1][j] }.prefix(16)
            guard !top.isEmpty else { return nil }
            let total = top.reduce(0) { $0 + means[$1][j] }
            return units[0].indices.map { i in
                top.reduce(0) { $0 + means[$1][j] * units[$1][i] } / total - units.reduce(0) { $0 + $1[i] } / Double(units.count)
            }
        }
    }
}

@Suite struct SimilarPropertyTests {
    @Test(arguments: [1, 2, 3, 4, 5, 6]) func answersAreThoseOfTheSnapshotsWhateverHappened(seed: UInt64) throws {
        print("SimilarPropertyTests seed \(seed)")
        var random = Seeded(state: seed)
        let changing = try ChangingStore(sealImages: Int.random(in: 4...20, using: &random))
        var next = 0
        for step in 0..<120 {
            switch Int.random(in: 0..<17, using: &random) {
            case 0..<5:
                let number = next > 0 && Bool.random(using: &random) ? Int.random(in: 0..<next, using: &random) : next
                next = max(next, number + 1)
                let label = ["ant", "bee", nil].randomElement(using: &random)!
                try changing.add(number, label: label, path: "images/\(label ?? "none")/\(Int.random(in: 0..<50, using: &random)).png")
            case 5..<9:
                let lacking = Set(try changing.store.imagesLackingSnapshot(in: changing.view.id).map(\.hash))
                let new = (0..<next).filter { lacking.contains(ContentHash(of: "image \($0)")) }.prefix(5)
                try changing.store.append(new.map { changing.snapshot($0) }, to: changing.view.id)
            case 9, 10: if let path = changing.paths.randomElement(using: &random) { try changing.store.removePath(path) }
            case 11: try changing.store.renameFolder("images/ant", to: "images/bee") { _ in "bee" }
            case 12: changing.store.trim()
            case 13: try changing.reopen()
            case 14 where step % 3 == 0: _ = try changing.store.purge()
            case 14: _ = try changing.store.purge(only: Set((0..<next).filter { $0 % 2 == 0 }.map { ImageRecord.ID(rawValue: Int64($0)) }))
            case 15 where step % 4 == 0: try changing.retire()
            default: try check(changing, &random, "seed \(seed) step \(step)")
            }
        }
        try check(changing, &random, "seed \(seed) end")
    }

    private func check(_ changing: ChangingStore, _ random: inout Seeded, _ place: String) throws {
        let byEntropy = LatentTableQuery(sort: .entropy)
        #expect(try changing.concepts.latentTable(in: changing.view, byEntropy) == Concepts(changing.store).latentTable(in: changing.view, byEntropy))
        let naive = try Naive(changing)
        let found = try changing.concepts.latentEmbeddings(in: changing.view)
        for (latent, expected) in naive.latentEmbeddings().enumerated() {
            let own = found.embedding(of: latent)
            #expect((own == nil) == (expected == nil), "\(place) latent \(latent)")
            guard let own, let expected, let entry = found.entry(of: latent) else { continue }
            #expect(zip(own, expected).allSatisfy { abs(Double($0) - $1) < 2e-6 }, "\(place) latent \(latent)")
            let norm = expected.reduce(0) { $0 + $1 * $1 }.squareRoot()
            // The square of the norm is a difference of f32 sums near 1.
            #expect(abs(Double(found.norms[entry]) * Double(found.norms[entry]) - norm * norm) < 5e-6, "\(place) latent \(latent)")
        }
        guard let asked = naive.images.randomElement(using: &random) else { return }
        let image = try #require(try changing.store.image(asked.id))
        let patch = Bool.random(using: &random) ? Int.random(in: 0..<4, using: &random) : nil
        var query = SimilarQuery(top: 12, patch: patch.map { ($0 / 2, $0 % 2) })
        query.comparedMax = [12, 20, 200].randomElement(using: &random)!
        query.latentsMax = [6, 100].randomElement(using: &random)!
        let answer = try changing.concepts.similar(to: image, in: changing.view, query)
        let expected = naive.similar(to: asked.id, patch: patch.map { $0 })
        let scores = Dictionary(uniqueKeysWithValues: expected.map { ($0.id.rawValue, $0.score) })
        #expect(
            answer.images.allSatisfy { abs($0.score - (scores[$0.imageNumber] ?? -1)) < 1e-6 }, "\(place) image \(asked.id) patch \(patch ?? -1)")
        #expect(answer.images.map(\.score) == answer.images.map(\.score).sorted(by: >))
        if answer.isComplete {
            #expect(answer.images.count == min(12, expected.count), "\(place) image \(asked.id)")
            #expect(zip(answer.images, expected).allSatisfy { abs($0.score - $1.score) < 1e-6 }, "\(place) image \(asked.id)")
        }
        if query.comparedMax == 200 && query.latentsMax == 100 { #expect(answer.isComplete || expected.count < 12, "\(place)") }
    }
}
