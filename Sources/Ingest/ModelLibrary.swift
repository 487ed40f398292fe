// The models, SAEs and adapters that are in memory. They come when work needs them and go when nothing has for a while;
// the weights of an idle daemon belong to the page cache, not to it.

import Basics
import CLIP
import Foundation
import Imaging
import Kernels
import SAE
import Store

/// What is packed in memory now, for `status`.
public struct LoadedPart: Sendable {
    public enum Kind: String, Sendable { case model, sae, adapter }
    public let kind: Kind
    public let name: String
    public let bytes: Int
}

/// Loads models, SAEs and adapters once and hands them out by their content.
///
/// Safe to share: everything is under `lock`, which is held while weights load, so that nothing loads twice.
public final class ModelLibrary: @unchecked Sendable {
    /// What was loaded, by what tells it, and when it was last asked for.
    private struct Shelf<Key: Hashable, Value> {
        private(set) var entries: [Key: (value: Value, name: String, used: ContinuousClock.Instant)] = [:]

        mutating func take(_ key: Key) -> Value? {
            entries[key]?.used = .now
            return entries[key]?.value
        }

        mutating func put(_ value: Value, _ name: String, _ key: Key) { entries[key] = (value, name, .now) }

        /// - Returns: whether anything went.
        mutating func release(before limit: ContinuousClock.Instant) -> Bool {
            let count = entries.count
            entries = entries.filter { $0.value.used > limit }
            return entries.count < count
        }
    }

    private let lock = NSLock()
    private var models = Shelf<ContentHash, CLIPModel>()
    private var saes = Shelf<ContentHash, SparseAutoencoder>()
    private var adapters = Shelf<AdapterKey, Adapter>()

    /// LoRA stands on a model's weights, so an adapter is one of a model.
    private struct AdapterKey: Hashable {
        let model, adapter: ContentHash
    }

    init() {}

    public func model(_ record: ModelPlace) throws -> CLIPModel {
        lock.lock()
        defer { lock.unlock() }
        if let known = models.take(record.hash) { return known }
        // Replaced in place a moment ago, its new registration still to come: never under the old name.
        if fileStamp(record.folder) != record.stamp, try CLIPModel.inspect(folder: record.folder).contentHash != record.hash {
            throw IngestError(.unavailable, "the files of model '\(record.name)' in '\(record.folder)' have changed", remedy: "add it again: saectl model add")
        }
        let model = try CLIPModel.load(folder: record.folder)
        models.put(model, record.name, record.hash)
        return model
    }

    public func sae(_ plan: ViewPlan) throws -> SparseAutoencoder {
        lock.lock()
        defer { lock.unlock() }
        let hash = plan.sae.contentHash
        if let known = saes.take(hash) { return known }
        if fileStamp(plan.sae.path) != SAEFacts(json: plan.sae.config)?.stamp,
            try SparseAutoencoder.inspect(path: plan.sae.path).contentHash != hash
        {
            throw IngestError(.unavailable, "the files of SAE '\(plan.sae.name)' in '\(plan.sae.path)' have changed", remedy: "add it again: saectl sae add")
        }
        let sae = try SparseAutoencoder.load(path: plan.sae.path, hook: plan.hook)
        saes.put(sae, plan.sae.name, hash)
        return sae
    }

    /// The adapter of a plan; nil for `base`.
    public func adapter(_ plan: ViewPlan) throws -> Adapter? {
        guard let facts = plan.adapter.facts else { return nil }
        let model = try model(ModelPlace(plan.model))
        lock.lock()
        defer { lock.unlock() }
        let key = AdapterKey(model: plan.model.contentHash, adapter: plan.adapter.record.contentHash)
        if let known = adapters.take(key) { return known }
        let adapter = try Adapter.load(path: facts.path, classPosition: facts.classPosition, model: model)
        guard adapter.summary.contentHash == plan.adapter.record.contentHash else {
            throw IngestError(
                .unavailable, "the file of adapter '\(plan.adapter.record.name)', '\(facts.path)', has changed", remedy: "add it again: saectl adapter add")
        }
        adapters.put(adapter, plan.adapter.record.name, key)
        return adapter
    }

    /// The vision side as the plan's adapter leaves it.
    public func vision(_ plan: ViewPlan) throws -> AdaptedVision {
        let model = try model(ModelPlace(plan.model))
        guard plan.adapter.facts?.vision != nil, let adapter = try adapter(plan) else { return AdaptedVision(tower: try model.vision()) }
        return try adapter.vision(model)
    }

    /// One image's activations at the plan's hook, `[tokens, width]`.
    /// - Parameter crop: as the plan's preprocessing cuts it.
    public func activations(of crop: RGBImage, _ plan: ViewPlan) throws -> FloatBuffer {
        let pixels = FloatBuffer(count: 3 * crop.width * crop.height)
        Preprocessor(plan.facts.preprocess).normalize(crop, into: UnsafeMutableBufferPointer(start: pixels.pointer, count: pixels.count))
        let x = FloatBuffer(count: plan.record.layout.count * plan.record.activationWidth)
        try vision(plan).run(pixels: pixels.pointer, batch: 1, to: plan.hook, into: x.pointer)
        return x
    }

    /// Drops what was not used for `age`. Returns whether anything went.
    func release(unusedFor age: Duration) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        let limit = ContinuousClock.now - age
        // All three, whatever the first says.
        return [models.release(before: limit), saes.release(before: limit), adapters.release(before: limit)].contains(true)
    }

    /// What is loaded, by name. Never waits for a load.
    public var loaded: [LoadedPart] {
        guard lock.try() else { return [] }
        defer { lock.unlock() }
        return (models.entries.values.map { LoadedPart(kind: .model, name: $0.name, bytes: $0.value.byteCount) }
            + saes.entries.values.map { LoadedPart(kind: .sae, name: $0.name, bytes: $0.value.byteCount) }
            + adapters.entries.values.map { LoadedPart(kind: .adapter, name: $0.name, bytes: $0.value.byteCount) }).sorted { $0.name < $1.name }
    }
}

/// Which model, and where it lies.
public struct ModelPlace: Sendable {
    public let hash: ContentHash
    public let name: String
    public let folder: String
    let stamp: String?

    public init(_ record: ModelRecord) {
        hash = record.contentHash
        name = record.name
        folder = record.folder
        stamp = ModelFacts(json: record.config)?.stamp
    }
}
