// Controls: an SAE of random directions with the density of a trained one, made here and added like any other.

import Basics
import Foundation
import Ingest
import Kernels
import SAE
import Store
import Wire
import WireNIO

extension Answers {
    /// Images that the densities are matched on.
    private static let sampleImages = 64

    func saeRandom(_ body: Saed_SaeRandomRequest, _ reply: ReplyStream) async throws {
        let plan = try await blocking { try self.plan(ofSAE: body.like, model: body.model) }
        guard try await blocking({ try self.store.catalog.saes(model: plan.model.id) }).allSatisfy({ $0.name != body.name }) else {
            throw WireFailure(.failedPrecondition, "model '\(plan.model.name)' has an SAE called '\(body.name)' already", remedy: "choose another name")
        }
        try registry.check(name: body.name, kind: "SAE")
        let images = try await blocking { try self.sample() }
        guard !images.isEmpty else {
            throw WireFailure(
                .failedPrecondition, "there is no image to match the densities of '\(body.like)' on", remedy: "add some images first: saectl add PATH... --wait")
        }
        var x: [Float] = []
        for (done, image) in images.enumerated() {
            // One whose file is gone is passed over.
            if let values = try? await activations(of: image, plan) { x += values }
            try await reply.progress(done: done, total: images.count, what: "sample")
        }
        guard !x.isEmpty else {
            throw WireFailure(.failedPrecondition, "no image can be read to match densities on", remedy: "see saectl failures")
        }
        let sample = x, seed = body.hasSeed ? body.seed : Answers.defaultSeed
        let folder = FileManager.default.temporaryDirectory.path + "/saed-random-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try await ingest.compute { library in
            try RandomSAE.write(
                to: folder, like: try library.sae(plan), named: plan.sae.name, hook: plan.hook, sample: sample, rows: sample.count / plan.sae.width,
                seed: seed)
        }
        let answer = try await blocking {
            try self.saeAdd(.with { $0.path = folder; $0.model = plan.model.name; $0.hook = plan.hook.description; $0.name = body.name })
        }
        try await reply.part(\.saeRandom, answer)
    }

    /// The base view of an SAE.
    private func plan(ofSAE name: String, model: String) throws -> ViewPlan {
        let fitting = registry.views.filter { $0.adapter.isBase && $0.sae.name == name && (model.isEmpty || $0.model.name == model) }
        guard let plan = fitting.first else {
            let names = Set(registry.views.map(\.sae.name)).sorted()
            throw WireFailure(.notFound, "no SAE is called '\(name)'", remedy: names.isEmpty ? "see saectl saes" : "there are " + names.joined(separator: ", "), candidates: names)
        }
        guard fitting.count == 1 else {
            throw WireFailure(.ambiguous, "several models have an SAE called '\(name)'", remedy: "name one with --model", candidates: fitting.map(\.model.name))
        }
        return plan
    }

    /// Images spread evenly over the store.
    private func sample() throws -> [ImageRecord] {
        let all = try store.images(limit: Int.max)
        let count = min(all.count, Answers.sampleImages)
        return (0..<count).map { all[$0 * all.count / count] }
    }
}
