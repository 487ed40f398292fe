// What explaining and steering cost beside the passes above the hook that they need, at the hook of the workload and with
// its adapter (VPT, four prompts a block): stored latents of one image in both views, 1000 classes.
//
// The passes needed, counted as `finish` runs them: explain, three streams and its nodes there and back (a way back counts
// as one more); steer, before and after.

import Basics
import CLIP
import Foundation
import Interventions
import Kernels
import SAE

enum Explain {
    static func run(root: String, density: String, threads: Int, rounds: Int) throws -> String {
        Team.configure(threads: threads)
        let workload = try Workload.read(root), pixels = try workload.pixels(root), hook = HookPoint(block: workload.hookBlock)
        let model = try CLIPModel.load(folder: root + "/model"), sae = try SparseAutoencoder.load(path: Workload.folder(root, sae: density))
        let features = SeededWeights(seed: Workload.seed).values("head", count: 1000 * workload.projection, scale: 1)
        let head = ZeroShotHead(
            classes: (0..<1000).map { "class \($0)" }, templates: ["{}"], features: features, projection: workload.projection, logitScale: 100)
        func view(_ vision: AdaptedVision) -> (upper: UpperTower, image: StoredImage) {
            let x = FloatBuffer(count: vision.layout.count * workload.width)
            vision.run(pixels: pixels, batch: 1, to: hook, into: x.pointer)
            let activations = Array(x.buffer), latents = sae.encode(x.pointer, rows: vision.layout.count)
            let upper = UpperTower(vision: vision, hook: hook, sae: sae, head: head)
            return (upper, StoredImage(latents: latents, embedding: upper.embeddings(activations, count: 1), activations: activations))
        }
        let base = view(AdaptedVision(tower: try model.vision()))
        let adapted = view(try Adapter.load(path: root + "/" + Workload.adapterFile, model: model).vision(model))
        let forward = model.byteCount
        let loudest = adapted.image.latents.indices.indices.max { adapted.image.latents.values[$0] < adapted.image.latents.values[$1] } ?? 0
        let edit = LatentEdit(latent: adapted.image.latents.indices[loudest], change: .scale(0))
        let changes = try LatentChanges([edit], of: adapted.image.latents, layout: adapted.upper.vision.layout)

        let x = FloatBuffer(count: adapted.upper.vision.layout.count * workload.width)
        var embedding = [Float](repeating: 0, count: workload.projection)
        var times: [String: [Double]] = [:]
        func time(_ name: String, _ body: () throws -> Void) rethrows {
            let start = DispatchTime.now().uptimeNanoseconds
            try body()
            times[name, default: []].append(Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9)
        }
        var explanation = try adapted.upper.explain(adapted.image, from: base.upper, base.image)
        for _ in 0...rounds {
            x.pointer.update(from: adapted.image.activations ?? [], count: x.count)
            time("pass") { adapted.upper.vision.finish(x.pointer, batch: 1, from: hook, into: &embedding) }
            try time("explain") { explanation = try adapted.upper.explain(adapted.image, from: base.upper, base.image) }
            try time("set_back") { _ = try adapted.upper.setBack(explanation, adapted.image, to: base.image.latents, seed: 1) }
            try time("steer") { _ = try adapted.upper.steer(adapted.image, [changes]) }
        }
        // The first round warms up.
        func median(_ name: String) -> Double { let sorted = (times[name] ?? []).dropFirst().sorted(); return sorted[sorted.count / 2] }
        let pass = median("pass"), needed = Double(3 + 2 * explanation.nodes)
        return "{\"pass_above_hook_seconds\": \(pass), \"explain_seconds\": \(median("explain")), \"nodes\": \(explanation.nodes), "
            + "\"explain_of_passes_needed\": \(median("explain") / pass / needed), \"set_back_seconds\": \(median("set_back")), "
            + "\"steer_seconds\": \(median("steer")), \"steer_of_passes_needed\": \(median("steer") / pass / 2), "
            + "\"latents_changed\": \(explanation.latents.count), \"entries\": \(explanation.contributions.values.count), "
            + "\"bytes_forward\": \(forward), \"bytes_with_gradients\": \(model.byteCount)}"
    }
}
