// What ablation costs beside the full passes that the published script makes: 10 k, on and off, and once without the
// SAE, so 21 of them. The tower's own time alone is counted for those, not the SAE's.

import Basics
import CLIP
import Foundation
import Interventions
import Kernels
import SAE

enum Ablate {
    /// As published.
    private static func sizes(latents: Int) -> [Int] { [1, 2, 5, 10, 50, 100, 500, 1000, 2000].filter { $0 < latents } + [latents] }

    /// Wall clock and processor time of rounds that alternate, medians, as one line of JSON.
    static func run(root: String, density: String, threads: Int, rounds: Int) throws -> String {
        Team.configure(threads: threads)
        let workload = try Workload.read(root), pixels = try workload.pixels(root)
        let model = try CLIPModel.load(folder: root + "/model"), tower = try model.vision()
        let sae = try SparseAutoencoder.load(path: Workload.folder(root, sae: density))
        let hook = HookPoint(block: workload.hookBlock), batch = workload.batch, tokens = workload.tokens
        let images = stored(pixels, tower, sae, hook, batch: batch)
        let features = SeededWeights(seed: Workload.seed).values("head", count: 1000 * workload.projection, scale: 1)
        let head = ZeroShotHead(
            classes: (0..<1000).map { "class \($0)" }, templates: ["{}"], features: features, projection: workload.projection, logitScale: 100)
        let upper = UpperTower(vision: AdaptedVision(tower: tower), hook: hook, sae: sae, head: head)
        let masks = AblationMasks(ranking: ranking(images, latents: workload.latents), sizes: sizes(latents: workload.latents), latents: workload.latents)

        var embeddings = [Float](repeating: 0, count: batch * workload.projection)
        var full: [Cost] = [], dropped: [Cost] = [], kept: [Cost] = [], answers = 0
        for _ in 0...rounds {
            full.append(Cost { tower.embed(pixels: pixels, batch: batch, embeddings: &embeddings) })
            for term in [ErrorTerm.dropped, .kept] {
                let cost = try Cost {
                    for image in images { answers = (answers &* 31) &+ (try upper.ablate(image, masks, error: term).on[5].best) }
                }
                if term == .kept { kept.append(cost) } else { dropped.append(cost) }
            }
        }
        let passes = Double(2 * masks.sizes.count + 1)
        func line(_ name: String, _ costs: [Cost]) -> String {
            // The first round of all packs, reads W_dec and warms up.
            let wall = median(zip(costs, full).dropFirst().map { $0.wall / $1.wall / passes })
            let processor = median(zip(costs, full).dropFirst().map { $0.processor / $1.processor / passes })
            let each = median(costs.dropFirst().map(\.wall)) / Double(batch)
            return "\"\(name)\": {\"seconds_an_image\": \(each), \"of_full_passes\": \(wall), \"of_their_processor_time\": \(processor)}"
        }
        let active = Double(images.reduce(0) { $0 + $1.latents.count }) / Double(batch * tokens)
        return "{\"full_pass_seconds_an_image\": \(median(full.dropFirst().map(\.wall)) / Double(batch)), \"passes\": \(Int(passes)), "
            + "\"active_a_token\": \(active), \(line("error_dropped", dropped)), \(line("error_kept", kept)), \"answers\": \(answers)}"
    }

    /// What a store would keep.
    private static func stored(_ pixels: [Float], _ tower: VisionTower, _ sae: SparseAutoencoder, _ hook: HookPoint, batch: Int) -> [StoredImage] {
        let tokens = tower.layout.count, stream = tokens * tower.width
        let x = FloatBuffer(count: batch * stream)
        tower.run(pixels: pixels, batch: batch, to: hook, into: x.pointer)
        let activations = Array(x.buffer)
        var latents = sae.encode(x.pointer, rows: batch * tokens)
        latents.values = latents.values.map { Float(Float16($0)) }
        var embeddings = [Float](repeating: 0, count: batch * tower.projection)
        tower.finish(x.pointer, batch: batch, from: hook, into: &embeddings)
        return (0..<batch).map {
            StoredImage(
                latents: latents.slice(rows: $0 * tokens..<($0 + 1) * tokens),
                embedding: Array(embeddings[$0 * tower.projection..<($0 + 1) * tower.projection]),
                activations: Array(activations[$0 * stream..<($0 + 1) * stream]))
        }
    }

    /// By tokens over tau, as a class is described.
    private static func ranking(_ images: [StoredImage], latents: Int) -> [UInt32] {
        var counts = [Int](repeating: 0, count: latents)
        for image in images {
            for (latent, value) in zip(image.latents.indices, image.latents.values) where value > 0.2 { counts[Int(latent)] += 1 }
        }
        return (0..<UInt32(latents)).filter { counts[Int($0)] > 0 }.sorted { (counts[Int($1)], $0) < (counts[Int($0)], $1) }
    }

    private static func median(_ values: some Sequence<Double>) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
    }
}

/// Seconds of wall clock, and of all threads' processor time.
private struct Cost {
    let wall, processor: Double

    init(_ body: () throws -> Void) rethrows {
        func now(_ id: clockid_t) -> Double {
            var time = timespec()
            clock_gettime(id, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
        }
        let (start, used) = (now(CLOCK_MONOTONIC), now(CLOCK_PROCESS_CPUTIME_ID))
        try body()
        (wall, processor) = (now(CLOCK_MONOTONIC) - start, now(CLOCK_PROCESS_CPUTIME_ID) - used)
    }
}
