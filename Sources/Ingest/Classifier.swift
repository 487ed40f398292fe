// What a view answers: zero-shot heads for stored embeddings. Text features are made once for a model, an adapter and a
// class list and kept in the catalog, so that a question needs no text tower. CoCoOp's text depends on the image; its
// logits are computed when they are asked for.

import Basics
import CLIP
import Foundation
import Store
import Synchronization

/// The classes of a view, and how its embeddings become logits.
public struct ViewHead: Sendable {
    public let classes: [String]
    /// Names everything that decides an answer: model, adapter, classes, templates.
    public let hash: ContentHash
    /// nil where the text side depends on the image.
    public let head: ZeroShotHead?
    let plan: ViewPlan
}

/// Makes and keeps heads.
public final class Classifier: Sendable {
    private let ingest: Ingest
    private let heads = Mutex<[ContentHash: ViewHead]>([:])

    /// So many stay in memory.
    private static let headsMax = 16
    /// Images whose text pass is one piece of work.
    private static let conditionalBatch = 8

    public init(_ ingest: Ingest) { self.ingest = ingest }

    /// The head of a view under its model's current class list, nil where the model has none.
    ///
    /// - Throws: `ModelError` where the text tower or the adapter can't be used (a class list that a class-specific
    ///   context does not fit), `IngestError` while stopping, `StoreError`.
    public func head(for plan: ViewPlan) async throws -> ViewHead? {
        guard let list = try ingest.registry.classes(of: plan.model) else { return nil }
        let adapter = plan.adapter.isBase ? "" : "\nadapter \(plan.adapter.record.contentHash)"
        // The base's is the list's own, so that features kept by earlier versions serve.
        let text = adapter.isEmpty ? list.hash : ContentHash(of: "list \(list.hash)\(adapter)")
        let hash = ContentHash(of: "model \(plan.model.contentHash)\ntext \(text)")
        // Views of one model and adapter share a head, each with its own embeddings.
        if let head = heads.withLock({ $0[hash] }) { return ViewHead(classes: head.classes, hash: hash, head: head.head, plan: plan) }
        let conditional = plan.adapter.facts?.method == .cocoop
        let made = conditional ? nil : try await head(list, plan.model, plan, text)
        let head = ViewHead(classes: list.classes, hash: hash, head: made, plan: plan)
        heads.withLock { heads in
            if heads.count >= Classifier.headsMax { heads = [:] }
            heads[hash] = head
        }
        return head
    }

    /// Makes the text features of a model's own head, so that a class list that its text tower can't read is told to who
    /// set it.
    public func prepare(_ model: ModelRecord) async throws {
        guard let list = try ingest.registry.classes(of: model) else { return }
        _ = try await head(list, model, nil, list.hash)
    }

    /// Logits of some images, one row each.
    /// - Parameter embeddings: as snapshots of the head's view have them.
    public func logits(_ embeddings: [[Float]], _ head: ViewHead) async throws -> [[Float]] {
        if head.head != nil { return try logitsBlocking(embeddings, head) }
        return try await blocking { try self.logitsBlocking(embeddings, head) }
    }

    /// - Precondition: the thread may block where the head depends on the image.
    private func logitsBlocking(_ embeddings: [[Float]], _ head: ViewHead) throws -> [[Float]] {
        if let plain = head.head { return embeddings.map(plain.logits) }
        // A text pass an image: new images and other questions come in between.
        return try stride(from: 0, to: embeddings.count, by: Classifier.conditionalBatch).flatMap { first in
            let some = Array(embeddings[first..<min(embeddings.count, first + Classifier.conditionalBatch)])
            return try ingest.computeBlocking { library in try some.map(Classifier.conditional(head, library)) }
        }
    }

    private func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await Cancellation.whileWaiting { cancellation, continuation in
            DispatchQueue.global(qos: .userInitiated).async { continuation.resume(with: Result { try cancellation.run(body) }) }
        }
    }

    /// How a conditional head classifies, for callers that are on the compute thread already.
    public static func conditional(_ head: ViewHead, _ library: ModelLibrary) throws -> @Sendable ([Float]) throws(ModelError) -> [Float] {
        guard let adapter = try library.adapter(head.plan) else {
            throw IngestError(.unavailable, "view '\(head.plan.name)' has no adapter whose text depends on the image")
        }
        let model = try library.model(ModelPlace(head.plan.model))
        return { (embedding: [Float]) throws(ModelError) in try adapter.conditionalLogits(model, embedding: embedding, classes: head.classes) }
    }

    /// The likeliest class of every image of the view, kept in the store: a second question computes only what is new.
    public func answers(_ head: ViewHead) async throws -> [ImageRecord.ID: Answer] {
        let store = ingest.store, view = head.plan.record.id
        @Sendable func best(_ rows: [[Float]]) -> [(index: Int32, probability: Float)] {
            rows.map { logits in
                let probabilities = ZeroShotHead.probabilities(logits)
                // Ties by lower index.
                let index = probabilities.indices.max { (probabilities[$0], $1) < (probabilities[$1], $0) } ?? 0
                return (Int32(index), probabilities[index])
            }
        }
        return try await blocking {
            try store.answers(in: view, head: head.hash) { best(try self.logitsBlocking($0, head)) }
        }
    }

    /// - Parameter plan: nil for the model's own head.
    private func head(_ list: ClassListRecord, _ model: ModelRecord, _ plan: ViewPlan?, _ hash: ContentHash) async throws -> ZeroShotHead {
        let catalog = ingest.store.catalog
        // Kept features are `[classes, projection]` and, last, the logit scale.
        if var features = try catalog.textFeatures(model: model.contentHash, list: hash), let facts = ModelFacts(json: model.config),
            features.count == list.classes.count * facts.projection + 1
        {
            let scale = features.removeLast()
            return ZeroShotHead(
                classes: list.classes, templates: list.templates, features: features, projection: facts.projection, logitScale: scale)
        }
        let place = ModelPlace(model)
        let head = try await ingest.compute { library in
            let model = try library.model(place)
            if let plan, let adapter = try library.adapter(plan) {
                return try adapter.head(model, classes: list.classes, templates: list.templates)
            }
            return try ZeroShotHead(model: model, classes: list.classes, templates: list.templates)
        }
        // Not keeping them costs time later; a full disk must not cost the answer.
        try? catalog.keepTextFeatures(head.features + [head.logitScale], model: model.contentHash, list: hash)
        return head
    }
}
