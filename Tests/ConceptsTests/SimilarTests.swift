// Likeness, latent embeddings and words. Reference: numpy in f64; tools/reference/similar.py wrote similar.json.
// Tolerance: image means are kept as f32 (2^-24 relative), embeddings are summed in f32.

import Basics
import Concepts
import Store
import Testing

/// similar.json.
private struct SimilarGolden: Decodable {
    struct OfImage: Decodable {
        var image, active, sharedCount: Int
        var order, sharedLatents: [Int]
        var scores, shares, weights, values, others: [Double]
        var random, deviation: Double
    }
    struct OfPatch: Decodable {
        var image, active: Int
        var patch, order: [Int]
        var scores: [Double]
        var patches: [[Int]]
        var random, deviation: Double
    }
    var embeddings: [[Float]]
    var images: [OfImage]
    var patches: [OfPatch]
    var latents: [[Double]?]
    var text, centre: [Float]
    var found, foundImages: [Int]
    var foundScores, imageScores: [Double]
    var latentMean, latentDeviation, imageMean, imageDeviation: Double
}

private func close(_ a: Double, _ b: Double, _ tolerance: Double = 2e-6) -> Bool { abs(a - b) <= tolerance * max(1, abs(b)) }

@Suite struct SimilarTests {
    private let golden: SimilarGolden

    init() throws { golden = try GoldenFile.read("similar", as: SimilarGolden.self) }

    private func everyone() -> SimilarQuery {
        var query = SimilarQuery(top: 256)
        query.shared = 100
        query.randomImages = 100
        return query
    }

    @Test func imagesThatShareConceptsMatchNumpy() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        for e in golden.images {
            let answer = try store.concepts.similar(to: store.images[e.image], in: store.view, everyone())
            #expect(answer.image == GoldenStore.hash(e.image).hex && answer.active == e.active)
            #expect(answer.images.map(\.image) == e.order.map { GoldenStore.hash($0).hex }, "image \(e.image)")
            #expect(zip(answer.images, e.scores).allSatisfy { close($0.score, $1) }, "image \(e.image)")
            let best = try #require(answer.images.first)
            #expect(best.sharedCount == e.sharedCount && best.shared.map(\.latent) == e.sharedLatents, "image \(e.image)")
            for (at, shared) in best.shared.enumerated() {
                #expect(close(shared.share, e.shares[at]) && close(shared.weight, e.weights[at]), "image \(e.image) \(shared)")
                #expect(close(shared.value, e.values[at]) && close(shared.other, e.others[at]), "image \(e.image) \(shared)")
            }
            #expect(close(answer.coverage, 1) && answer.isComplete && answer.compared == answer.candidates)
            #expect(answer.randomImages == 39 && close(answer.randomScore, e.random) && close(answer.randomDeviation, e.deviation))
            #expect(answer.patchRow == nil && best.patchRow == nil)
        }
    }

    @Test func patchesThatShareConceptsMatchNumpy() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        for e in golden.patches {
            var query = everyone()
            query.patch = (e.patch[0], e.patch[1])
            let answer = try store.concepts.similar(to: store.images[e.image], in: store.view, query)
            #expect(answer.active == e.active && answer.patchRow == e.patch[0] && answer.patchColumn == e.patch[1])
            #expect(answer.images.map(\.image) == e.order.map { GoldenStore.hash($0).hex }, "image \(e.image)")
            #expect(zip(answer.images, e.scores).allSatisfy { close($0.score, $1) }, "image \(e.image)")
            #expect(answer.images.map { [$0.patchRow ?? -1, $0.patchColumn ?? -1] } == e.patches, "image \(e.image)")
            #expect(answer.randomImages == 39 && close(answer.randomScore, e.random) && close(answer.randomDeviation, e.deviation))
        }
    }

    @Test func latentEmbeddingsAndWordsMatchNumpy() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path, embeddings: golden.embeddings)
        let latents = try store.concepts.latentEmbeddings(in: store.view)
        #expect(latents.latents == golden.latents.indices.filter { golden.latents[$0] != nil } && latents.images == 40 && latents.width == 5)
        let cosines = latents.cosines(with: golden.text)
        for (latent, expected) in golden.latents.enumerated() {
            let found = latents.embedding(of: latent)
            #expect((found == nil) == (expected == nil), "latent \(latent)")
            guard let found, let expected, let entry = latents.entry(of: latent) else { continue }
            #expect(zip(found, expected).allSatisfy { close(Double($0), $1) }, "latent \(latent)")
            func length(_ v: [Double]) -> Double { v.reduce(0) { $0 + $1 * $1 }.squareRoot() }
            let text = golden.text.map(Double.init)
            let cosine = zip(expected, text).reduce(0) { $0 + $1.0 * $1.1 } / length(expected) / length(text)
            // Differences of f32 sums, divided by a norm of some hundredths.
            #expect(close(Double(cosines[entry]), cosine, 1e-4) && close(Double(latents.norms[entry]), length(expected), 1e-5))
        }
        let answer = try store.concepts.find(
            golden.text, in: store.view, FindQuery(top: 5, imagesMin: 7, centre: golden.centre))
        #expect(answer.latents.map(\.latent) == Array(golden.found.prefix(5)) && answer.latentsCompared == golden.found.count)
        for (latent, score) in zip(answer.latents, golden.foundScores) {
            #expect(close(latent.score, score, 1e-4))
            #expect(close(latent.deviations, (score - golden.latentMean) / golden.latentDeviation, 1e-3))
            let statistics = try store.concepts.latentStatistics(latent.latent, in: store.view, LatentQuery(top: 3, scope: .classAndPatches))
            #expect(latent.top.map(\.image) == statistics.topImages.map(\.image))
            #expect(zip(latent.top, statistics.topImages).allSatisfy { close($0.mean, $1.mean) })
            #expect(latent.images == statistics.means[1].images && near(latent.mean, statistics.kinds[1].meanWhenActive))
            #expect(latent.frequency == statistics.kinds[1].frequency)
        }
        #expect(answer.images.map(\.image) == golden.foundImages.map { GoldenStore.hash($0).hex })
        #expect(zip(answer.images, golden.imageScores).allSatisfy { close($0.score, $1) })
        #expect(zip(answer.images, golden.imageScores).allSatisfy { close($0.deviations, ($1 - golden.imageMean) / golden.imageDeviation, 1e-4) })
        #expect(close(answer.meanLatentScore, golden.latentMean, 1e-4) && close(answer.latentDeviation, golden.latentDeviation, 1e-4))
        #expect(close(answer.meanImageScore, golden.imageMean) && close(answer.imageDeviation, golden.imageDeviation))
        #expect(answer.imagesCompared == 40)
    }

    @Test func labelsNarrowWhatIsListed() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path, embeddings: golden.embeddings)
        var query = everyone()
        query.label = "ant"
        let ants = store.golden.labels.indices.filter { store.golden.labels[$0] == "ant" }
        let similar = try store.concepts.similar(to: store.images[0], in: store.view, query)
        let order = golden.images[0].order.filter { ants.contains($0) }
        #expect(similar.images.map(\.image) == order.map { GoldenStore.hash($0).hex })
        #expect(similar.randomImages == ants.count { $0 != 0 })
        let found = try store.concepts.find(golden.text, in: store.view, FindQuery(top: 40, label: "ant"))
        #expect(Set(found.images.map(\.image)) == Set(ants.map { GoldenStore.hash($0).hex }))
        #expect(found.imagesCompared == 40)
    }

    @Test func questionsWithoutAnAnswerSayWhy() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        let image = store.images[0], view = store.view
        func message(_ body: () throws -> Void) -> String? {
            do { try body() } catch { return "\(error)" }
            return nil
        }
        #expect(
            message { _ = try store.concepts.similar(to: image, in: view, SimilarQuery(patch: (2, 0))) }
                == "patch 2,0 is outside the grid of 2 x 3; rows and columns start at 0")
        #expect(
            message { _ = try store.concepts.similar(to: image, in: view, SimilarQuery(label: "gnu")) }
                == "no image has the label 'gnu'; labels are the folders below images/, as they are spelt")
        #expect(
            message { _ = try store.concepts.find([1, 0, 0], in: view, FindQuery(label: "gnu")) }
                == "no image has the label 'gnu'; labels are the folders below images/, as they are spelt")
        #expect(
            message { _ = try store.concepts.find([1, 0], in: view) }
                == "an embedding of 2 values, those of view 'm/base/s' have 3; embed the words with the view's own model")
        #expect(message { _ = try store.concepts.find([1, 0, 0], in: view, FindQuery(centre: [0])) }?.hasPrefix("an embedding of 1 values") == true)
        let fresh = try store.concepts.store.upsertPath(
            "images/new.png", file: FileStamp(size: 1, mtimeNanoseconds: 1, inode: 1),
            image: ImageFacts(hash: ContentHash(of: "new"), width: 6, height: 4, format: "png"), label: nil
        ).image
        #expect(
            message { _ = try store.concepts.similar(to: fresh, in: view) }
                == "image 'images/new.png' has no snapshot in view 'm/base/s' yet; see 'saectl status', or wait with 'saectl wait'")
        // A text of zeros is near nothing, and says so.
        let nothing = try store.concepts.find([0, 0, 0], in: view)
        #expect(nothing.latents.allSatisfy { $0.score == 0 && $0.deviations == 0 } && nothing.images.allSatisfy { $0.score == 0 })
    }

    /// Images of 1,024 latents in 6 labels of 48 latents each: those of a label are alike.
    @Test func aBoundedSearchFindsWhatAnUnboundedOneDoesAndKnowsWhenItIsSure() throws {
        let folder = try TemporaryFolder()
        var options = SyntheticOptions()
        (options.images, options.layout, options.latents, options.batch) = (300, TokenLayout(rows: 4, columns: 5), 1024, 100)
        options.labels = 6
        let store = try Store.open(folder: folder.path)
        let view = try SyntheticStore(options).fill(store), concepts = Concepts(store)
        var sure = 0, alike = 0
        for number in stride(from: 1, through: 280, by: 31) {
            let image = try #require(try store.image(.init(rawValue: Int64(number))))
            var all = SimilarQuery()
            (all.comparedMax, all.latentsMax, all.randomImages) = (300, 2000, 0)
            let full = try concepts.similar(to: image, in: view, all)
            #expect(full.isComplete && full.images.count == 10)
            alike += full.images.count { $0.label == image.label }
            for (compared, latents) in [(300, 2000), (100, 2000), (60, 2000), (100, 100)] {
                var query = all
                (query.comparedMax, query.latentsMax) = (compared, latents)
                let answer = try concepts.similar(to: image, in: view, query)
                #expect(answer.compared <= max(compared, 10) && answer.lookedUp <= latents)
                if answer.isComplete {
                    sure += 1
                    #expect(answer.images == full.images, "image \(number), \(compared) compared")
                }
            }
            // Of a small store's images nobody has to say how many are compared: all.
            var unsaid = all
            unsaid.comparedMax = nil
            #expect(try concepts.similar(to: image, in: view, unsaid) == full)
            // The control: random images share less.
            let usual = try concepts.similar(to: image, in: view)
            #expect(usual.randomImages == 32 && usual.images[9].score > usual.randomScore + 2 * usual.randomDeviation)
            #expect(try concepts.similar(to: image, in: view) == usual)
        }
        #expect(sure > 10)
        // Of 100; by chance 17.
        #expect(alike > 80, "\(alike)")
    }
}
