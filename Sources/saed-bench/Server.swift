// Runs one task at a time and says how long it took: wall clock and processor time of the whole process.

import Basics
import CLIP
import Foundation
import Kernels
import SAE

final class Server {
    private let root: String
    private let workload: Workload
    private let pixels: [Float]
    private let hook: HookPoint
    /// Each loaded when first asked for: the process that measures the limits holds no tower.
    private var tower: VisionTower?
    private var products: OneDNNProducts?
    private var adapted: AdaptedVision?
    private let x: FloatBuffer
    private let embeddings: FloatBuffer
    private var sae: SparseAutoencoder?

    init(root: String, threads: Int) throws {
        Team.configure(threads: threads)
        self.root = root
        workload = try Workload.read(root)
        pixels = try workload.pixels(root)
        hook = HookPoint(block: workload.hookBlock)
        x = FloatBuffer(count: workload.batch * workload.tokens * workload.width)
        embeddings = FloatBuffer(count: workload.batch * workload.projection)
    }

    func answer(_ line: String) throws -> String {
        let words = line.split(separator: " ").map(String.init)
        switch (words.first, words.count) {
        case ("sae", 2):
            sae = nil
            sae = try SparseAutoencoder.load(path: Workload.folder(root, sae: words[1]))
            return "{}"
        case ("run", 3...4):
            guard let batch = Int(words[2]), (1...workload.batch).contains(batch) else { throw UsageError(text: "batch '\(words[2])'") }
            return try run(words[1], batch: batch, file: words.count == 4 ? words[3] : nil)
        case ("memory", 1):
            let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
            let peak = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }?.split(separator: " ").dropFirst().first
            return "{\"peak_bytes\": \((peak.flatMap { Int($0) } ?? 0) * 1024)}"
        default: throw UsageError(text: "'\(line)' is no command")
        }
    }

    private func run(_ task: String, batch: Int, file: String?) throws -> String {
        let rows = batch * workload.tokens
        let work: () throws -> String
        var latents: SparseRows?
        switch task {
        case "tower":
            let tower = try loadedTower()
            work = { [self] in
                tower.embed(pixels: pixels, batch: batch, embeddings: embeddings.pointer)
                return ""
            }
        case "hook":
            let tower = try loadedTower()
            work = { [self] in
                tower.run(pixels: pixels, batch: batch, to: hook, into: x.pointer)
                return ""
            }
        case "sae":
            guard let sae else { throw UsageError(text: "no SAE was loaded") }
            let tower = try loadedTower()
            work = { [self] in
                tower.run(pixels: pixels, batch: batch, to: hook, into: x.pointer)
                let found = sae.encode(x.pointer, rows: rows)
                latents = found
                return ", \"active\": \(found.count)"
            }
        case "adapted":
            guard let sae else { throw UsageError(text: "no SAE was loaded") }
            let vision = try loadedAdapted()
            let stream = FloatBuffer(count: batch * vision.layout.count * workload.width)
            work = { [self] in
                vision.run(pixels: pixels, batch: batch, to: hook, into: stream.pointer)
                let found = sae.encode(stream.pointer, rows: batch * vision.layout.count)
                vision.finish(stream.pointer, batch: batch, from: hook, into: embeddings.pointer)
                return ", \"active\": \(found.count)"
            }
        case "products":
            let products = try loadedProducts()
            work = {
                products.run(rows: rows)
                return ", \"operations\": \(products.operations(rows: rows))"
            }
        case "peak": work = { [self] in ", \"operations\": \(fmaOperations())" }
        default: throw UsageError(text: "'\(task)' is no task")
        }
        let start = (now(CLOCK_MONOTONIC), now(CLOCK_PROCESS_CPUTIME_ID))
        let extra = try work()
        let seconds = (now(CLOCK_MONOTONIC) - start.0, now(CLOCK_PROCESS_CPUTIME_ID) - start.1)
        if let file { try write(task, latents, batch: batch, to: file) }
        return "{\"seconds\": \(seconds.0), \"cpu_seconds\": \(seconds.1)\(extra)}"
    }

    private func loadedTower() throws -> VisionTower {
        if let tower { return tower }
        let loaded = try CLIPModel.load(folder: root + "/model").vision()
        tower = loaded
        return loaded
    }

    private func loadedAdapted() throws -> AdaptedVision {
        if let adapted { return adapted }
        let model = try CLIPModel.load(folder: root + "/model")
        let loaded = try Adapter.load(path: root + "/" + Workload.adapterFile, model: model).vision(model)
        adapted = loaded
        return loaded
    }

    private func loadedProducts() throws -> OneDNNProducts {
        if let products { return products }
        let layers = Workload.size(workload.name).clip.vision.tower.layers
        let loaded = try OneDNNProducts(width: workload.width, layers: layers, rows: workload.batch * workload.tokens)
        products = loaded
        return loaded
    }

    /// Registers only, on every thread of the team; long enough that starting them does not count.
    private func fmaOperations() -> Double {
        let perThread = FloatBuffer(count: 16 * Team.threads)  // a cache line each
        Team.parallelFor(Team.threads) { thread in
            perThread.pointer[16 * thread] = Float(InstructionSet.best.fmaLoop(iterations: 20_000_000) / 1e9)
        }
        return (0..<Team.threads).reduce(0.0) { $0 + Double(perThread.pointer[16 * $1]) } * 1e9
    }

    /// f32 as it lies; latents dense, so that all peers' answers can be compared.
    private func write(_ task: String, _ latents: SparseRows?, batch: Int, to file: String) throws {
        let values: [Float]
        if let latents {
            var dense = [Float](repeating: 0, count: latents.rows * latents.width)
            for row in 0..<latents.rows {
                for entry in latents.range(of: row) { dense[row * latents.width + Int(latents.indices[entry])] = latents.values[entry] }
            }
            values = dense
        } else if task == "tower" {
            values = Array(embeddings.buffer[..<(batch * workload.projection)])
        } else {
            values = Array(x.buffer[..<(batch * workload.tokens * workload.width)])
        }
        try values.withUnsafeBytes { try Data($0).write(to: URL(fileURLWithPath: file)) }
    }

    private func now(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

/// The products of all blocks and nothing else: the ceiling that oneDNN sets.
private struct OneDNNProducts {
    private let linears: [PackedLinear]
    private let input, output: FloatBuffer

    init(width: Int, layers: Int, rows: Int) throws {
        let weights = SeededWeights(seed: Workload.seed)
        linears = try (0..<layers).flatMap { _ in
            try [(width, 3 * width), (width, width), (width, 4 * width), (4 * width, width)].map { inputs, outputs in
                try PackedLinear(inputs: inputs, outputs: outputs, layout: .inOut, weights: {
                    weights.fill("bare", scale: 0.05, into: UnsafeMutableBufferPointer(start: $0, count: inputs * outputs))
                }, bias: [Float](repeating: 0, count: outputs), using: .oneDNN)
            }
        }
        input = FloatBuffer(count: rows * 4 * width)
        output = FloatBuffer(count: rows * 4 * width)
        weights.fill("input", scale: 1, into: input.buffer)
    }

    func run(rows: Int) {
        for linear in linears { linear.apply(input.pointer, rows: rows, into: output.pointer) }
    }

    func operations(rows: Int) -> Double {
        linears.reduce(0) { $0 + 2 * Double(rows) * Double($1.inputs) * Double($1.outputs) }
    }
}
