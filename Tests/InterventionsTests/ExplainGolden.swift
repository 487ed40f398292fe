// Golden/explain.json, written by tools/reference/explain.py: gradients and explanations by PyTorch's autograd in f64.

import Basics
import CLIP
import Checkpoints
import Foundation
import Imaging
import Interventions
import SAE
import Testing

struct ExplainGolden: Decodable {
    /// Every `step`-th value, and the length of the whole.
    struct Sampled: Decodable {
        let step: Int
        let values: [Float]
        let norm: Double

        /// The largest difference as a share of the values' root mean square, and the length's error.
        func error(of found: [Float]) -> Double {
            let own = Swift.stride(from: 0, to: found.count, by: step).map { found[$0] }
            guard own.count == values.count else { return .infinity }
            let scale = max(norm / Double(found.count).squareRoot(), .leastNormalMagnitude)
            let worst = zip(own, values).map { Double(abs($0 - $1)) }.max() ?? .infinity
            let length = found.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            return max(worst / scale, abs(length - norm) / norm)
        }
    }
    struct Odd: Decodable, CustomTestStringConvertible, Sendable {
        struct Config: Decodable {
            let projection_dim: Int
            struct Vision: Decodable { let hidden_size, image_size: Int }
            let vision_config: Vision
        }
        let name: String
        let config: Config
        let seed: UInt64
        let hook, depth: Int
        let margins: [Double]
        let gradient: Sampled
        var testDescription: String { "\(name) at block \(hook), \(depth) layers of prompts" }
    }
    struct AtHook: Decodable {
        let name: String
        let hook: Int
        let margins: [Double]
        let gradient: Sampled
    }
    struct Scenes: Decodable {
        let `class`, against: Int
        let gradients: [AtHook]
    }
    struct Explained: Decodable, CustomTestStringConvertible, Sendable {
        let adapter: String
        let hook: Int
        let term: String
        let image, `class`, against, nodes: Int
        let total, magnitude: Double
        /// Text, above, latents, remainder, error.
        let parts: [Double]
        let latents: [UInt32]
        let classToken, patches, exact: [Double]
        let patchTotals: [Float]
        var testDescription: String { "\(adapter) at block \(hook), \(term), image \(image)" }
    }
    let files: [String: String]
    let chosen, against, classes, prompts: Int
    let scale: Float
    let odd: [Odd]
    let images: [String]
    let scenes: Scenes
    let explained: [Explained]

    static let path = Bundle.module.bundlePath + "/Golden/explain.json"
    static let shared: ExplainGolden? = try? JSONDecoder().decode(ExplainGolden.self, from: Data(contentsOf: URL(fileURLWithPath: path)))

    /// One odd case's config.json.
    static func config(_ name: String) throws -> String {
        let all = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [String: Any])
        let odd = try #require(all["odd"] as? [[String: Any]])
        let one = try #require(odd.first { $0["name"] as? String == name }?["config"])
        return String(decoding: try JSONSerialization.data(withJSONObject: one), as: UTF8.self)
    }
}

/// The embedded model, its SAE and adapters, loaded once.
final class EmbeddedScenes: Sendable {
    let model: CLIPModel
    let sae: SparseAutoencoder
    let head, adaptedHead: ZeroShotHead
    let vpt, shape: AdaptedVision
    let base: AdaptedVision

    static let shared: EmbeddedScenes? = try? EmbeddedScenes()

    private init() throws {
        let models = Repository.path + "/models/"
        model = try CLIPModel.load(folder: models + "scenes")
        sae = try SparseAutoencoder.load(path: models + "saes/scenes")
        let classes = try String(contentsOfFile: models + "classes/scenes.txt", encoding: .utf8).split(separator: "\n").map(String.init)
        let templates = try TemplateSet(models + "classes/scenes.templates.txt").templates
        head = try ZeroShotHead(model: model, classes: classes, templates: templates)
        adaptedHead = try ZeroShotHead(model: model, classes: classes, templates: Array(templates.prefix(1)))
        base = AdaptedVision(tower: try model.vision())
        vpt = try Adapter.load(path: models + "adapters/vpt.pth.tar", model: model).vision(model)
        shape = try Adapter.load(path: models + "adapters/shape", model: model).vision(model)
    }

    func vision(_ name: String) -> AdaptedVision { name == "vpt" ? vpt : name == "shape" ? shape : base }

    func pixels(_ images: [String]) throws -> [Float] {
        let preprocessor = Preprocessor(model.preprocess), side = model.config.vision.imageSize, count = 3 * side * side
        var pixels = [Float](repeating: 0, count: images.count * count)
        for (index, name) in images.enumerated() {
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Repository.path + "/" + name)))
            let crop = preprocessor.crop(try decodeImage(bytes))
            pixels.withUnsafeMutableBufferPointer {
                preprocessor.normalize(crop, into: UnsafeMutableBufferPointer(rebasing: $0[index * count..<(index + 1) * count]))
            }
        }
        return pixels
    }

    func setting(_ name: String, hook: Int, _ images: [String], adaptedHead isAdapted: Bool = false) throws -> Setting {
        Setting(
            vision: vision(name), hook: HookPoint(block: hook), sae: sae, head: isAdapted ? adaptedHead : head, pixels: try pixels(images),
            count: images.count)
    }
}
