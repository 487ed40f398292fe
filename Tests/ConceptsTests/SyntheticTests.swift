// A tiny size of the load test's store, so that the generator does not rot.

import Basics
import Concepts
import Store
import Testing

@Suite struct SyntheticTests {
    @Test func aSmallSyntheticStoreIsSoundAndTheSameEveryTime() throws {
        let folder = try TemporaryFolder()
        var options = SyntheticOptions()
        (options.images, options.layout, options.latents, options.batch) = (120, TokenLayout(rows: 4, columns: 5), 1024, 50)
        options.labels = 6
        let generator = SyntheticStore(options)
        #expect(generator.snapshot(17) == generator.snapshot(17))
        let store = try Store.open(folder: folder.path)
        var seen: [Int] = []
        let view = try generator.fill(store) { seen.append($0) }
        #expect(seen == [50, 100, 120])
        #expect(try store.verify(view.id) == VerifyReport(snapshots: 120))
        let statistics = try Concepts(store).latentStatistics(64, in: view)
        // A dense latent: on a tenth of all tokens.
        #expect(statistics.kinds.allSatisfy { abs($0.frequency - 0.1) < 0.05 })
        // A theme's latent: of one label.
        let theme = try Concepts(store).latentStatistics(31, in: view)
        #expect(theme.allLabels.labels.first?.label == "label000")
        #expect(theme.allLabels.labels[0].share > 0.5)
    }

    @Test func theTwinHasTheSameImagesAndThePlantedChanges() throws {
        let folder = try TemporaryFolder()
        let twin = try TwinStore(folder.path, images: 120)
        #expect(try twin.store.verify(twin.adapted.id) == VerifyReport(snapshots: 120))
        #expect(try twin.store.lackingCount(in: twin.adapted.id) == 0 && twin.adapted.prompts == 2)
        // Label 0's member 3 is label 1's in the twin; its member 9 is one that no label has in base.
        let own = 3 * 31, next = (48 + 3) * 31 % 1024, fresh = (6 * 48 + 1) * 31 % 1024
        func overTau(_ latent: Int, _ view: ViewRecord) throws -> Int {
            try twin.concepts.latentStatistics(latent, in: view).allLabels.labels.first { $0.label == "label000" }?.tokensOverTau ?? 0
        }
        #expect(try overTau(own, twin.base) > 5 * overTau(own, twin.adapted))
        #expect(try overTau(next, twin.adapted) > 5 * overTau(next, twin.base))
        #expect(try overTau(fresh, twin.adapted) > 5 * overTau(fresh, twin.base))
    }
}
