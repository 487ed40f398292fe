// Reference: numpy in f64 on the same values; tools/reference/concepts.py (seed 7) wrote concepts.json.
// Tolerance: an image's mean is kept as f32, so what is made of means has a relative error up to 2^-24;
// an entropy adds some of those. Counts, maxima and orders are exact.

import Basics
import Concepts
import Store
import Testing

@Suite struct StatisticsTests {
    @Test func everyLatentsStatisticsMatchNumpy() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        #expect(try store.concepts.store.counts(of: store.view.id).segments == 3)
        for (latent, expected) in store.golden.answers.enumerated() {
            for scope in MeanScope.allCases {
                let answer = try store.concepts.latentStatistics(latent, in: store.view, LatentQuery(top: 5, scope: scope))
                #expect(answer.images == 40 && answer.kinds.map(\.kind) == ["class", "patch", "prompt"])
                for kind in answer.kinds {
                    let e = try #require(expected.kinds[kind.kind])
                    #expect(kind.tokens == e.tokens && kind.active == e.active && kind.overTau == e.overTau, "latent \(latent) \(kind)")
                    #expect(kind.frequency == e.frequency && kind.max == e.max, "latent \(latent) \(kind)")
                    #expect(near(kind.meanWhenActive, e.meanWhenActive), "latent \(latent) \(kind)")
                }
                for means in answer.means {
                    let e = try #require(expected.scopes[means.scope.rawValue])
                    #expect(means.images == e.images && means.share == e.share, "latent \(latent) \(means)")
                    #expect(near(means.meanActivation, e.meanActivation), "latent \(latent) \(means)")
                }
                let e = try #require(expected.scopes[scope.rawValue])
                check(answer.topLabels, e.topLabels, "latent \(latent) top")
                check(answer.allLabels, e.allLabels, "latent \(latent) all")
                #expect(answer.topImages.map(\.image) == e.topByMean.map { GoldenStore.hash($0).hex }, "latent \(latent)")
                #expect(zip(answer.topImages, e.topMeans).allSatisfy { near($0.mean, $1) }, "latent \(latent)")
            }
        }
    }

    private func check(_ found: LabelStatistics, _ expected: ConceptsGolden.Labels, _ place: String) {
        #expect(found.images == expected.images, "\(place)")
        #expect(near(found.entropy, expected.entropy, 1e-6), "\(place): \(String(describing: found.entropy))")
        #expect(near(found.standardDeviation, expected.standardDeviation, 1e-6), "\(place)")
        #expect(found.labels.map(\.label) == expected.labels.map(\.label), "\(place)")
        #expect(found.labels.map(\.images) == expected.labels.map(\.images), "\(place)")
        #expect(zip(found.labels, expected.labels).allSatisfy { near($0.share, $1.share, 1e-6) }, "\(place)")
    }

    @Test func aLabelsTokensAboveTauAreThoseOfAllItsImages() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path), golden = store.golden
        var without = 0
        for latent in 0..<golden.latents {
            for label in try store.concepts.latentStatistics(latent, in: store.view).allLabels.labels {
                var above = 0
                for (image, name) in golden.labels.enumerated() where name == label.label {
                    let latents = golden.snapshot(image).latents
                    func count(_ kind: TokenKind) -> Int {
                        golden.layout.tokens(of: kind).count { latents.value(row: $0, column: UInt32(latent)) > 0.2 }
                    }
                    above += count(.class) + count(.patch)
                    without += count(.class) > 0 && count(.patch) == 0 ? 1 : 0
                }
                #expect(label.tokensOverTau == above, "latent \(latent) \(label.label)")
            }
        }
        // Images on which a latent is on the class token alone have no mean over patches, and count all the same.
        #expect(without > 0)
    }

    @Test func topImagesByPeakCarryThePatchAndBreakTiesByImage() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        for (latent, expected) in store.golden.answers.enumerated() {
            let images = try store.concepts.imagesByLatent(latent, in: store.view, LatentQuery(top: 5, order: .peak))
            #expect(images.map(\.image) == expected.topByPeak.map { GoldenStore.hash($0).hex }, "latent \(latent)")
            #expect(images.map(\.peak) == expected.peaks)
            #expect(images.map { [$0.peakRow ?? -1, $0.peakColumn ?? -1] } == expected.peakPatches, "latent \(latent)")
        }
        let equal = try store.concepts.imagesByLatent(6, in: store.view, LatentQuery(top: 3, order: .peak))
        #expect(equal.map(\.imageNumber) == [8, 10, 31] && equal.map(\.peak) == [1.75, 1.75, 1.75])
    }

    @Test func aLabelFiltersTheListButNotTheStatistics() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        let whole = try store.concepts.latentStatistics(9, in: store.view)
        let cats = try store.concepts.latentStatistics(9, in: store.view, LatentQuery(top: 256, label: "cat"))
        #expect(cats.kinds == whole.kinds && cats.allLabels == whole.allLabels)
        let expected = store.images.filter { $0.label == "cat" }.map(\.hash.hex)
        #expect(Set(cats.topImages.map(\.image)).isSubset(of: expected) && !cats.topImages.isEmpty)
        #expect(try store.concepts.latentStatistics(9, in: store.view, LatentQuery(label: "unknown")).topImages.isEmpty)
        #expect(try store.concepts.imageCount(ofLatent: 9, in: store.view, label: "cat") == cats.topImages.count)
    }

    @Test func aDeadLatentHasNoImagesAndNoMeans() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        let dead = try store.concepts.latentStatistics(3, in: store.view)
        #expect(dead.topImages.isEmpty && dead.means.allSatisfy { $0.meanActivation == nil && $0.images == 0 })
        #expect(dead.allLabels.images == 0 && dead.allLabels.entropy == nil && dead.allLabels.labels.isEmpty)
        #expect(throws: StoreError.notFound(kind: "latent", name: "12")) { try store.concepts.latentStatistics(12, in: store.view) }
    }

    @Test func labelsCountImagesAndTokensOverTau() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        let labels = try store.concepts.latentStatistics(8, in: store.view).allLabels.labels
        for share in labels {
            let images = store.images.indices.filter { store.images[$0].label == share.label }
            #expect(share.imagesOfLabel == images.count)
            let tokens = images.reduce(0) { sum, image in
                let latents = store.golden.snapshot(image).latents
                // Images whose patches are silent have a mean of zero in this scope, and take no part.
                guard (1...6).contains(where: { latents.value(row: $0, column: 8) > 0 }) else { return sum }
                return sum + (0...6).count { latents.value(row: $0, column: 8) > 0.2 }
            }
            #expect(share.tokensOverTau == tokens, "\(share.label)")
        }
    }

    @Test func theTableIsSortedAsNumpySortsIt() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        func order(_ sort: LatentOrder, _ kind: TokenKind = .patch) throws -> [Int] {
            try store.concepts.latentTable(in: store.view, LatentTableQuery(sort: sort, kind: kind)).rows.map(\.latent)
        }
        let expected = store.golden.table
        #expect(try order(.frequency) == expected.frequency)
        #expect(try order(.frequency, .class) == expected.classFrequency)
        #expect(try order(.images) == expected.images)
        #expect(try order(.mean) == expected.mean)
        #expect(try order(.max) == expected.max)
        #expect(try order(.activation) == expected.activation)
        #expect(try order(.entropy) == expected.entropy)
        #expect(try order(.id) == expected.id)
        let table = try store.concepts.latentTable(in: store.view)
        #expect(table.alive == expected.alive && table.matching == 12 && table.latents == 12 && table.images == 40)
    }

    @Test func theTablesBoundsPagesAndEntropiesAreThoseOfTheLatents() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        let whole = try store.concepts.latentTable(in: store.view)
        var query = LatentTableQuery(minFrequency: whole.rows[4].tokens.frequency, maxFrequency: whole.rows[1].tokens.frequency)
        query.withEntropy = true
        let part = try store.concepts.latentTable(in: store.view, query)
        #expect(part.rows.map(\.latent) == whole.rows[1...4].map(\.latent) && part.matching == 4)
        for row in part.rows {
            #expect(row.labelEntropy == (try store.concepts.latentStatistics(row.latent, in: store.view).allLabels.entropy))
        }
        query = LatentTableQuery()
        query.limit = 3
        query.offset = 5
        #expect(try store.concepts.latentTable(in: store.view, query).rows == Array(whole.rows[5..<8]))
        query = LatentTableQuery(sort: .id)
        query.reversed = true
        #expect(try store.concepts.latentTable(in: store.view, query).rows.map(\.latent) == Array((0..<12).reversed()))
    }

    @Test func entropiesFollowTheStore() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        let before = try store.concepts.latentTable(in: store.view, LatentTableQuery(sort: .entropy))
        // Every image becomes an owl: one label, no spread.
        for label in ["ant", "bee", "cat", "owl"] {
            try store.concepts.store.renameFolder("images/\(label)", to: "images/all-\(label)") { _ in "owl" }
        }
        let after = try store.concepts.latentTable(in: store.view, LatentTableQuery(sort: .entropy))
        #expect(before.rows[0].labelEntropy! > 0.5)
        #expect(after.rows.allSatisfy { $0.labelEntropy == nil || $0.labelEntropy == 0 })
    }
}
