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
}
