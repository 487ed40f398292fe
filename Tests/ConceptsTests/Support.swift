// The golden store of tools/reference/concepts.py, and a folder to put it in.

import Basics
import Concepts
import Foundation
import Store

/// A folder that goes when the test ends.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("saed-concepts-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

enum GoldenFile {
    static func read<T: Decodable>(_ name: String, as type: T.Type) throws -> T {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")
        return try JSONDecoder().decode(type, from: Data(contentsOf: folder.appendingPathComponent(name + ".json")))
    }
}

/// concepts.json.
struct ConceptsGolden: Decodable {
    struct Kind: Decodable { var tokens, active, overTau: Int; var frequency: Double; var meanWhenActive, max: Double? }
    struct Share: Decodable { var label: String; var images: Int; var share: Double }
    struct Labels: Decodable { var images: Int; var entropy, standardDeviation: Double?; var labels: [Share] }
    struct Scope: Decodable {
        var images: Int
        var share: Double
        var meanActivation: Double?
        var topByMean: [Int]
        var topMeans: [Double]
        var topLabels, allLabels: Labels
    }
    struct Answer: Decodable {
        var kinds: [String: Kind]
        var scopes: [String: Scope]
        var topByPeak: [Int]
        var peaks: [Double]
        var peakPatches: [[Int]]
    }
    struct Table: Decodable {
        var frequency, images, mean, max, activation, entropy, classFrequency, id: [Int]
        var alive: Int
    }
    struct Spectrum: Decodable {
        var image: Int
        var orders: [String: [[Double]]]
        var patch12: [[Double]]
        var l0: [Int]
        var active: Int
        var heat6: [Float]
    }
    var rows, columns, prompts, latents: Int
    var labels: [String?]
    var indices: [[UInt32]]
    var values: [[Float]]
    var answers: [Answer]
    var table: Table
    var spectra: [Spectrum]

    var layout: TokenLayout { TokenLayout(rows: rows, columns: columns, prompts: prompts) }

    func snapshot(_ image: Int, embedding: [Float]? = nil) -> Snapshot {
        var rows = SparseRows(width: latents)
        for token in image * layout.count..<(image + 1) * layout.count {
            rows.indices += indices[token]
            rows.values += values[token]
            rows.indptr.append(rows.indices.count)
        }
        return Snapshot(image: GoldenStore.hash(image), layout: layout, latents: rows, embedding: embedding ?? [Float(image), -1, 0.5])
    }
}

/// The golden images in a store, sealed in parts of 16: queries merge two sealed segments and an open one.
struct GoldenStore {
    let golden: ConceptsGolden
    let concepts: Concepts
    let view: ViewRecord
    let images: [ImageRecord]

    static func hash(_ image: Int) -> ContentHash { ContentHash(of: "golden \(image)") }

    /// - Parameter embeddings: of each image, in place of those that stand in where they do not matter.
    init(_ folder: String, embeddings: [[Float]]? = nil) throws {
        let golden = try GoldenFile.read("concepts", as: ConceptsGolden.self)
        var options = StoreOptions()
        options.sealImages = 16
        let store = try Store.open(folder: folder, options: options)
        let hook = HookPoint(block: 2)
        let model = try store.catalog.addModel(name: "m", folder: "", contentHash: ContentHash(of: "m"), config: "{}")
        let sae = try store.catalog.addSAE(
            model: model.id, name: "s", path: "", contentHash: ContentHash(of: "s"), hook: hook, latents: golden.latents, width: 4,
            config: "{}")
        let view = try store.catalog.addView(
            name: ViewName(model: "m", sae: "s"), model: model.id, adapter: try store.catalog.baseAdapter(of: model.id).id,
            sae: sae.id, hook: hook, recipe: ContentHash(of: "r"), layout: golden.layout, latents: golden.latents,
            embeddingWidth: embeddings?[0].count ?? 3, activationWidth: 4)
        let images = try golden.labels.enumerated().map { number, label in
            try store.upsertPath(
                "images/\(label ?? "none")/\(number).png", file: FileStamp(size: 1, mtimeNanoseconds: 1, inode: 1),
                image: ImageFacts(hash: GoldenStore.hash(number), width: 6, height: 4, format: "png"), label: label
            ).image
        }
        // Not in the order of first sight: ties must go by image, not by slot.
        let order = images.indices.sorted { ($0 * 7) % images.count < ($1 * 7) % images.count }
        for number in order { try store.append([golden.snapshot(number, embedding: embeddings?[number])], to: view.id) }
        concepts = Concepts(store)
        (self.golden, self.view, self.images) = (golden, view, images)
    }
}

/// Equal within the precision of the f32 in which image means are kept.
func near(_ a: Double?, _ b: Double?, _ tolerance: Double = 2e-7) -> Bool {
    guard let a, let b else { return a == nil && b == nil }
    return abs(a - b) <= tolerance * max(abs(a), abs(b))
}
