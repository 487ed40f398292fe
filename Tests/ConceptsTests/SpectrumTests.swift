// Reference: numpy on the same values (concepts.json); see StatisticsTests.

import Basics
import Concepts
import Store
import Testing

@Suite struct SpectrumTests {
    @Test func anImagesStrongestLatentsMatchNumpyInEveryOrder() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        for expected in store.golden.spectra {
            for order in SpectrumOrder.allCases {
                let answer = try store.concepts.imageLatents(
                    of: store.images[expected.image], in: store.view, SpectrumQuery(top: 100, order: order))
                let ranked = try #require(expected.orders[order.rawValue])
                #expect(answer.latents.map(\.latent) == ranked.map { Int($0[0]) }, "image \(expected.image) by \(order)")
                #expect(zip(answer.latents, ranked).allSatisfy { near($0.value, $1[1]) }, "image \(expected.image) by \(order)")
                #expect(answer.active == expected.active)
                #expect([answer.l0.classToken] + answer.l0.patches + answer.l0.prompts == expected.l0)
                #expect(answer.embedding == [Float(expected.image), -1, 0.5])
            }
        }
    }

    @Test func aPatchShowsItsOwnLatents() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        for expected in store.golden.spectra {
            let image = store.images[expected.image]
            let answer = try store.concepts.imageLatents(of: image, in: store.view, SpectrumQuery(top: 100, patch: (1, 2)))
            #expect(answer.latents.map { [Double($0.latent), $0.value] } == expected.patch12)
            #expect(answer.patchRow == 1 && answer.patchColumn == 2)
            let two = try store.concepts.imageLatents(of: image, in: store.view, SpectrumQuery(top: 2, patch: (1, 2)))
            #expect(two.latents == Array(answer.latents.prefix(2)) && two.active == answer.active)
            let map = try store.concepts.heatMap(of: 6, on: image, in: store.view)
            #expect(map.values == expected.heat6 && map.rows == 2 && map.columns == 3)
        }
    }

    @Test func noisyLatentsCanBeLeftOut() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        let threshold = 0.2
        let noisy = Set(store.golden.answers.indices.filter { store.golden.answers[$0].scopes["patches"]!.meanActivation ?? 0 > threshold })
        #expect(!noisy.isEmpty && noisy.count < 10)
        let all = try store.concepts.imageLatents(of: store.images[7], in: store.view, SpectrumQuery(top: 100))
        let quiet = try store.concepts.imageLatents(of: store.images[7], in: store.view, SpectrumQuery(top: 100, noisyAbove: threshold))
        #expect(quiet.latents == all.latents.filter { !noisy.contains($0.latent) })
        #expect(quiet.latents.count < all.latents.count)
    }

    @Test func questionsWithoutAnswerSayWhatToDo() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        let outside = #expect(throws: ConceptsError.self) {
            try store.concepts.imageLatents(of: store.images[0], in: store.view, SpectrumQuery(patch: (2, 0)))
        }
        #expect(outside?.description == "patch 2,0 is outside the grid of 2 x 3; rows and columns start at 0")
        let latent = #expect(throws: ConceptsError.self) { try store.concepts.heatMap(of: 12, on: store.images[0], in: store.view) }
        #expect(latent?.description == "latent 12 is not one of the SAE's 12; give 0 to 11")
        let new = try store.concepts.store.upsertPath(
            "images/new.png", file: FileStamp(size: 1, mtimeNanoseconds: 1, inode: 1),
            image: ImageFacts(hash: ContentHash(of: "new"), width: 1, height: 1, format: "png"), label: nil).image
        #expect(throws: ConceptsError.noSnapshot(image: "images/new.png", view: "m/base/s")) {
            try store.concepts.imageLatents(of: new, in: store.view)
        }
    }
}
