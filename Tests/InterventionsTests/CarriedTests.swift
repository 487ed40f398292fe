// Directions carried to the embedding. Reference: transformers' modules in f64; tools/reference/naming.py wrote carried.json.

import Basics
import CLIP
import Foundation
import Interventions
import Kernels
import SAE
import Testing

private struct CarriedGolden: Decodable {
    var model: String
    var seed: UInt64
    var hook: Int
    var rows: [String: [Float]]
}

@Suite(.serialized) struct CarriedTests {
    @Test func theMatrixEqualsPyTorchOnTheEmbeddedModel() throws {
        let golden = try JSONDecoder().decode(
            CarriedGolden.self, from: Data(contentsOf: URL(fileURLWithPath: Bundle.module.bundlePath + "/Golden/carried.json")))
        let found = ContentHash(of: try Data(contentsOf: URL(fileURLWithPath: Repository.path + "/models/scenes/model.safetensors")))
        try #require(found.hex == golden.model, "models/scenes has changed: run tools/reference/naming.py")
        let model = try CLIPModel.load(folder: Repository.path + "/models/scenes")
        let sae = try SparseAutoencoder.load(path: Repository.path + "/models/saes/scenes")
        let vision = AdaptedVision(tower: try model.vision())
        let head = try ZeroShotHead(model: model, classes: ["red circle", "blue star"], templates: ["a {}"])
        let upper = UpperTower(vision: vision, hook: HookPoint(block: golden.hook), sae: sae, head: head)
        let stream = SeededWeights(seed: golden.seed).values("stream", count: vision.layout.count * vision.tower.width, scale: 2)
        let matrix = try #require(try upper.carry(on: stream))
        #expect(matrix.width == 160 && matrix.projection == 128 && matrix.values.allSatisfy(\.isFinite))
        // Differences of unit embeddings in f32, divided by a step of about two.
        for (component, expected) in golden.rows {
            let row = Int(component)! * 128
            let scale = expected.map(abs).max()!
            for (k, value) in expected.enumerated() {
                #expect(abs(matrix.values[row + k] - value) < 2e-4 * scale + 2e-7, "component \(component), \(k)")
            }
        }
        // A direction is carried as the sum of its components.
        let carried = try upper.carried([3, 40], by: matrix)
        for (index, latent) in [3, 40].enumerated() {
            let direction = try sae.direction(of: latent)
            for k in stride(from: 0, to: 128, by: 9) {
                var sum = 0.0
                for i in 0..<160 { sum += Double(direction[i]) * Double(matrix.values[i * 128 + k]) }
                #expect(abs(Double(carried[index * 128 + k]) - sum) < 1e-5)
            }
        }
    }

    /// Every component, with prompt tokens that stay as they are, and with blocks between the hook and the last.
    @Test(arguments: [(2, 0), (1, 0), (2, 1), (0, 4), (3, 2)]) func theMatrixIsWhatSingleStreamsSay(_ hook: Int, _ prompts: Int) throws {
        let folder = try SeededFolder()
        let setting = try folder.setting(seed: 5, hook: hook, prompts: prompts)
        let upper = setting.upper, width = setting.vision.tower.width, projection = setting.vision.tower.projection
        let stream = try upper.meanStream(setting.images.map(\.latents))
        let first = try setting.reconstruction(setting.images[0]), second = try setting.reconstruction(setting.images[1])
        for index in stride(from: 0, to: stream.count, by: 7) { #expect(abs(stream[index] - (first[index] + second[index]) / 2) < 1e-5) }

        let matrix = try #require(try upper.carry(on: stream))
        #expect(try upper.carryRows(0..<20, on: stream) + upper.carryRows(20..<width, on: stream) == matrix.values)
        let changed = 0..<setting.vision.layout.tokens(of: .patch).upperBound
        var length: Float = 0
        for token in changed { length += (0..<width).reduce(Float(0)) { $0 + stream[token * width + $1] * stream[token * width + $1] }.squareRoot() }
        let step = 0.1 * length / Float(changed.count)
        func embedding(_ component: Int, _ change: Float) -> [Float] {
            var x = stream, out = [Float](repeating: 0, count: projection)
            for token in changed { x[token * width + component] += change }
            setting.vision.finish(&x, batch: 1, from: setting.hook, into: &out)
            let length = out.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return out.map { $0 / length }
        }
        for component in [0, 1, 15, 16, width - 1] {
            let up = embedding(component, step), down = embedding(component, -step)
            for k in 0..<projection {
                #expect(abs(matrix.values[component * projection + k] - (up[k] - down[k]) / (2 * step)) < 2e-6 / step, "component \(component)")
            }
        }
    }

    @Test func progressEndsTheWork() throws {
        let folder = try SeededFolder()
        let setting = try folder.setting(seed: 6, hook: 2)
        let stream = try setting.upper.meanStream(setting.images.map(\.latents))
        var seen: [Int] = []
        #expect(try setting.upper.carry(on: stream) { done, of in
            seen.append(done)
            return of == 48 && done < 32
        } == nil)
        #expect(seen == [0, 16, 32])
    }

    @Test func whatDoesNotFitIsRefused() throws {
        let folder = try SeededFolder()
        let setting = try folder.setting(seed: 6, hook: 2)
        #expect(throws: InterventionError.self) { _ = try setting.upper.carry(on: [1, 2, 3]) }
        #expect(throws: InterventionError.self) { _ = try setting.upper.meanStream([SparseRows(width: SeededFolder.latents)]) }
    }

    @Test func randomDirectionsAreTheSameForASeedAndOfLengthOne() {
        var identity = [Float](repeating: 0, count: 64 * 64)
        for i in 0..<64 { identity[65 * i] = 1 }
        let matrix = CarryMatrix(width: 64, projection: 64, values: identity)
        let random = matrix.carryRandom(count: 500, seed: 9)
        #expect(random == matrix.carryRandom(count: 500, seed: 9) && random != matrix.carryRandom(count: 500, seed: 10))
        var mean = [Float](repeating: 0, count: 64)
        for row in 0..<500 {
            let values = random[row * 64..<(row + 1) * 64]
            #expect(abs(values.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
            for (k, value) in values.enumerated() { mean[k] += value / 500 }
        }
        // Of 500 the mean is within four standard errors of zero.
        #expect(mean.allSatisfy { abs($0) < 4 / (8 * Float(500).squareRoot()) })
    }
}
