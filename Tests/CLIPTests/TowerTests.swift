// What must hold of the towers whatever the weights.

import Basics
import CLIP
import Foundation
import Kernels
import Testing

@Suite(.serialized) struct TowerTests {
    private func model(_ folder: TemporaryFolder, _ config: CLIPConfig = smallConfig) throws -> CLIPModel {
        try SeededCLIP(config, seed: 11).write(to: folder.path)
        return try CLIPModel.load(folder: folder.path)
    }

    /// What an image gives does not depend on what is in the batch beside it, but for the order of sums that oneDNN
    /// chooses by row count.
    @Test func anImageIsTheSameInAnyBatch() throws {
        let folder = try TemporaryFolder()
        let tower = try model(folder).vision()
        let hook = HookPoint(block: 1)
        let imageCount = 3 * 32 * 32
        let streamCount = tower.layout.count * tower.width
        let pixels = SeededWeights(seed: 5).values("pixels", count: 7 * imageCount, scale: 2)
        func run(_ pixels: [Float], _ batch: Int) -> (stream: [Float], embeddings: [Float]) {
            var x = [Float](repeating: 0, count: batch * streamCount)
            tower.run(pixels: pixels, batch: batch, to: hook, into: &x)
            let stream = x
            var embeddings = [Float](repeating: 0, count: batch * tower.projection)
            tower.finish(&x, batch: batch, from: hook, into: &embeddings)
            return (stream, embeddings)
        }
        let all = run(pixels, 7)
        for first in 0..<7 {
            for batch in 1...min(3, 7 - first) {
                let some = run(Array(pixels[first * imageCount..<(first + batch) * imageCount]), batch)
                let stream = Difference(
                    some.stream, Array(all.stream[first * streamCount..<(first + batch) * streamCount]))
                let embeddings = Difference(
                    some.embeddings,
                    Array(all.embeddings[first * tower.projection..<(first + batch) * tower.projection]))
                #expect(stream.isWithin(1e-6), "images \(first)..<\(first + batch): \(stream)")
                #expect(embeddings.isWithin(1e-6), "images \(first)..<\(first + batch): \(embeddings)")
            }
        }
    }

    /// More images than are computed at once (94 at 17 tokens): the groups meet without a seam.
    @Test func aLargeBatchIsComputedInGroups() throws {
        let folder = try TemporaryFolder()
        let tower = try model(folder).vision()
        let batch = 200
        let imageCount = 3 * 32 * 32
        let pixels = SeededWeights(seed: 5).values("pixels", count: batch * imageCount, scale: 2)
        var x = [Float](repeating: 0, count: batch * tower.layout.count * tower.width)
        var finished = [Float](repeating: 0, count: batch * tower.projection)
        var embedded = finished
        tower.run(pixels: pixels, batch: batch, to: HookPoint(block: 0), into: &x)
        tower.finish(&x, batch: batch, from: HookPoint(block: 0), into: &finished)
        tower.embed(pixels: pixels, batch: batch, embeddings: &embedded)
        var single = [Float](repeating: 0, count: tower.projection)
        for image in [0, 93, 94, 95, 187, 188, 199] {
            tower.embed(
                pixels: Array(pixels[image * imageCount..<(image + 1) * imageCount]), batch: 1, embeddings: &single)
            let range = image * tower.projection..<(image + 1) * tower.projection
            #expect(Difference(Array(finished[range]), single).isWithin(1e-6), "image \(image)")
            #expect(Difference(Array(embedded[range]), single).isWithin(1e-6), "image \(image)")
        }
    }

    /// What replaces the stream at the hook decides the embedding: the pixels are not looked at again.
    @Test func finishSeesOnlyTheStream() throws {
        let folder = try TemporaryFolder()
        let tower = try model(folder).vision()
        var x = SeededWeights(seed: 6).values("stream", count: tower.layout.count * tower.width, scale: 1)
        var again = x
        var embeddings = [[Float]](repeating: [Float](repeating: 0, count: tower.projection), count: 2)
        tower.finish(&x, batch: 1, from: HookPoint(block: 1), into: &embeddings[0])
        tower.finish(&again, batch: 1, from: HookPoint(block: 1), into: &embeddings[1])
        #expect(embeddings[0] == embeddings[1])
        #expect(embeddings[0].contains { $0 != 0 })
    }

    /// Minutes of work for a thousand classes: who waited for it may have gone.
    @Test func textThatIsNoLongerWantedIsLeft() throws {
        let folder = try TemporaryFolder()
        let tower = try model(folder).text()
        let cancellation = Cancellation()
        var wasAsked = false
        let thrown = #expect(throws: ModelError.self) {
            try cancellation.run {
                wasAsked = true
                cancellation.cancel()
                _ = try tower.embed([[1, 2], [3]])
            }
        }
        if case .cancelled = thrown {} else { Issue.record("\(thrown as Any)") }
        #expect(wasAsked)
        #expect(throws: CancellationError.self) { try cancellation.run { wasAsked = false } }
        #expect(wasAsked, "what is cancelled before it begins does not begin")
    }

    /// Prompts of different lengths in one call: the same as each alone.
    @Test func aPromptIsTheSameInAnyCompany() throws {
        let folder = try TemporaryFolder()
        let model = try model(folder)
        let tower = try model.text()
        let tokenizer = try model.tokenizer()
        let prompts = ["a", "a photo of a cat", "", "x y z", "a photo of a large red cube on grass", "a"].map(
            tokenizer.encode)
        let together = try tower.embed(prompts)
        for (index, prompt) in prompts.enumerated() {
            let difference = Difference(
                Array(together[index * tower.projection..<(index + 1) * tower.projection]), try tower.embed([prompt]))
            #expect(difference.isWithin(1e-6), "prompt \(index): \(difference)")
        }
    }

    @Test func releaseDropsWhatWasPacked() throws {
        let folder = try TemporaryFolder()
        let model = try model(folder)
        #expect(model.byteCount == 0)
        let pixels = SeededWeights(seed: 5).values("pixels", count: 3 * 32 * 32, scale: 2)
        var first = [Float](repeating: 0, count: 24)
        var second = first
        try model.vision().embed(pixels: pixels, batch: 1, embeddings: &first)
        _ = try model.text()
        weak let tower = try model.vision()
        #expect(model.byteCount > 4 * 3 * 8 * 48 * 48)
        model.releaseText()
        #expect(model.byteCount > 4 * 3 * 8 * 48 * 48)
        model.release()
        #expect(model.byteCount == 0)
        #expect(tower == nil)
        try model.vision().embed(pixels: pixels, batch: 1, embeddings: &second)
        #expect(first == second)
    }
}
