// A store in a temporary folder, and seeded random snapshots for it.

import Basics
import Foundation
import Store
import Testing

/// A folder that goes when the test ends.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("saed-store-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// SplitMix64.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Shapes of a test's view.
struct Shape: Sendable {
    var layout = TokenLayout(rows: 3, columns: 4)
    var latents = 200
    var embedding = 8
    var activation = 6
}

/// A store with one model, one SAE and one view.
struct Fixture {
    let store: Store
    let view: ViewRecord
    let shape: Shape

    init(_ folder: String, shape: Shape = Shape(), options: StoreOptions = StoreOptions()) throws {
        store = try Store.open(folder: folder, options: options)
        self.shape = shape
        view = try Fixture.addView(to: store, shape: shape)
    }

    static func addView(to store: Store, shape: Shape, recipe: String = "recipe", sae: String = "s") throws -> ViewRecord {
        let model = try store.catalog.addModel(name: "m", folder: "/models/m", contentHash: ContentHash(of: "m"), config: "{}")
        let record = try store.catalog.addSAE(
            model: model.id, name: sae, path: "/saes/\(sae).pt", contentHash: ContentHash(of: sae), hook: HookPoint(block: 2),
            latents: shape.latents, width: shape.activation, config: "{}")
        return try store.catalog.addView(
            name: ViewName(model: "m", sae: sae), model: model.id, adapter: try store.catalog.baseAdapter(of: model.id).id,
            sae: record.id, hook: HookPoint(block: 2), recipe: ContentHash(of: recipe), layout: shape.layout,
            latents: shape.latents, embeddingWidth: shape.embedding, activationWidth: shape.activation)
    }

    @discardableResult
    func addImage(_ name: String, path: String? = nil, label: String? = nil) throws -> PathChange {
        try store.upsertPath(
            path ?? "images/\(name).png", file: FileStamp(size: 10, mtimeNanoseconds: 1, inode: 1),
            image: ImageFacts(hash: ContentHash(of: name), width: 4, height: 3, format: "png"), label: label)
    }

    func snapshot(_ name: String, density: Double = 0.1, seed: UInt64 = 1) -> Snapshot {
        var random = Seeded(seed ^ UInt64(bitPattern: Int64(name.hashValue64)))
        return Snapshot(
            image: ContentHash(of: name), layout: shape.layout,
            latents: randomLatents(shape, density: density, random: &random),
            embedding: (0..<shape.embedding).map { _ in Float.random(in: -1...1, using: &random) })
    }
}

extension String {
    /// FNV-1a: the same in every run, unlike `hashValue`.
    var hashValue64: Int { Int(truncatingIfNeeded: utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }) }
}

func randomLatents(_ shape: Shape, density: Double, random: inout Seeded) -> SparseRows {
    var rows = SparseRows(width: shape.latents)
    for _ in 0..<shape.layout.count {
        for latent in 0..<shape.latents where Double.random(in: 0..<1, using: &random) < density {
            rows.indices.append(UInt32(latent))
            rows.values.append(Float.random(in: 0.001...2, using: &random))
        }
        rows.indptr.append(rows.indices.count)
    }
    return rows
}

/// What is kept of values: f16, nearest, ties to even, never zero.
func asStored(_ rows: SparseRows) -> SparseRows {
    var rows = rows
    rows.values = rows.values.map { max(Float(Float16($0)), 0x1p-24) }
    return rows
}
