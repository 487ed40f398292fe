// Concepts: what latents mean, from the store's postings and aggregates. No model is needed.
//
// Definitions follow PatchSAE (ICLR 2025) with its ambiguities settled; each answer's fields say which.
// z[t, j] is the stored value of latent j at token t; P patches; tau = 0.2; images are those present (at least
// one path) with a snapshot in the view. Prompt tokens never enter an image's mean, so that views of the same
// model with and without prompts have the same denominator. Sums are f64. Ties go to the lower image or latent.

import Basics
import Foundation
import Store
import Synchronization

/// Over which tokens an image's mean runs.
public enum MeanScope: String, Sendable, Codable, CaseIterable {
    /// Sum over the P patches / P.
    case patches
    /// Sum over class token and patches / (1 + P): the published figure of a view without prompts.
    case classAndPatches
}

/// By what images of a latent are ranked.
public enum ImageOrder: String, Sendable, Codable, CaseIterable {
    /// The image's mean, in the query's `MeanScope`.
    case mean
    /// The largest patch value.
    case peak
}

/// Answers about one store. Cheap to make, safe to share; calls read files, so not for an event loop.
///
///     let concepts = Concepts(store)
///     let answer = try concepts.latentStatistics(4321, in: view)
///     answer.topImages.first?.peakRow
public final class Concepts: Sendable {
    public let store: Store
    /// Label entropies of all latents, for sorting by them; good for one `Store.changeCount`.
    let entropies = Mutex<[ViewRecord.ID: (changes: UInt64, values: [Int: Double])]>([:])

    /// Latents in the space of embeddings; good for one `Store.changeCount`.
    let keptEmbeddings = Mutex<[ViewRecord.ID: (changes: UInt64, value: LatentEmbeddings)]>([:])

    public init(_ store: Store) { self.store = store }

    /// Lets go of what is cached.
    public func trim() {
        entropies.withLock { $0 = [:] }
        keptEmbeddings.withLock { $0 = [:] }
    }
}

extension LatentPosting {
    /// The image's mean of this latent.
    func mean(_ scope: MeanScope, patches: Int) -> Double {
        switch scope {
        case .patches: Double(patchMean)
        case .classAndPatches: (Double(classValue) + Double(patchMean) * Double(patches)) / Double(1 + patches)
        }
    }
}
