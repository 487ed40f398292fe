// Zero-shot heads for stored embeddings. Text features are made once for a model and a class list and kept in the
// catalog, so that a question needs no text tower.

import Basics
import CLIP
import Foundation
import Store
import Synchronization

/// Makes and keeps `ZeroShotHead`s.
public final class Classifier: Sendable {
    private struct Key: Hashable {
        let model: ContentHash
        let list: ContentHash
    }

    private let ingest: Ingest
    private let heads = Mutex<[Key: ZeroShotHead]>([:])

    /// Heads of at most this many lists stay in memory.
    private static let headsMax = 16

    public init(_ ingest: Ingest) { self.ingest = ingest }

    /// The head of a model's current class list, nil where it has none.
    ///
    /// - Throws: `ModelError` where the text tower can't be used, `IngestError` while stopping, `StoreError`.
    public func head(for model: ModelRecord) async throws -> ZeroShotHead? {
        guard let list = try ingest.registry.classes(of: model) else { return nil }
        let key = Key(model: model.contentHash, list: list.hash)
        if let head = heads.withLock({ $0[key] }) { return head }
        let head: ZeroShotHead
        if let kept = try kept(list, model) { head = kept } else { head = try await make(list, model) }
        heads.withLock { heads in
            if heads.count >= Classifier.headsMax { heads = [:] }
            heads[key] = head
        }
        return head
    }

    /// Kept features are `[classes, projection]` and, last, the logit scale.
    private func kept(_ list: ClassListRecord, _ model: ModelRecord) throws -> ZeroShotHead? {
        guard var features = try ingest.store.catalog.textFeatures(model: model.contentHash, list: list.hash),
            let facts = ModelFacts(json: model.config), features.count == list.classes.count * facts.projection + 1
        else { return nil }
        let scale = features.removeLast()
        return ZeroShotHead(
            classes: list.classes, templates: list.templates, features: features, projection: facts.projection, logitScale: scale)
    }

    private func make(_ list: ClassListRecord, _ model: ModelRecord) async throws -> ZeroShotHead {
        let place = ModelPlace(model)
        let head = try await ingest.compute { library in
            try ZeroShotHead(model: library.model(place), classes: list.classes, templates: list.templates)
        }
        try ingest.store.catalog.keepTextFeatures(head.features + [head.logitScale], model: model.contentHash, list: list.hash)
        return head
    }
}
