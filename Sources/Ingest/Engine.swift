// The compute thread: takes batches of prepared images, runs the towers to the hook points, encodes, and hands
// snapshots to the committer. Queries that need a model run here too, between two batches, so that the cores
// are never fought over.

import Basics
import CLIP
import Foundation
import Imaging
import Kernels
import SAE
import Store

/// Runs everything that computes, on one thread of its own.
final class Engine: @unchecked Sendable {  // `thread` is set once, before the thread starts; the rest is its own or locks
    struct Options: Sendable {
        var batch: Int
        var linger: Duration
        var releaseAfter: Duration
    }

    let library = ModelLibrary()
    let queue: WorkQueue<Prepared>
    private let committer: Committer
    private let options: Options
    private let onFailure: @Sendable ([ViewPlan], [WorkItem], any Error) -> Void
    private let onRelease: @Sendable () -> Void
    private var thread: Thread?
    private let ended = DispatchSemaphore(value: 0)

    /// - Parameters:
    ///   - onFailure: called on the compute thread with views whose model or SAE can't be used, and once for each
    ///     snapshot that is given up with them, its item.
    ///   - onRelease: called there when unused weights were dropped, to return other memory too.
    init(
        committer: Committer, options: Options, onFailure: @escaping @Sendable ([ViewPlan], [WorkItem], any Error) -> Void,
        onRelease: @escaping @Sendable () -> Void
    ) {
        self.committer = committer
        self.options = options
        self.onFailure = onFailure
        self.onRelease = onRelease
        // Two batches: one that computes, one that is ready when it is done.
        queue = WorkQueue(capacity: 2 * options.batch)
    }

    func start() {
        let thread = Thread { [self] in
            run()
            ended.signal()
        }
        thread.name = "compute"
        thread.stackSize = 8 << 20
        self.thread = thread
        thread.start()
    }

    /// Ends after the batch in hand.
    func stop() {
        queue.close(discard: true)
        ended.wait()
    }

    /// Runs a query's work on the compute thread, before waiting images.
    func perform<Value: Sendable>(_ body: @escaping @Sendable (ModelLibrary) throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let accepted = queue.pushUrgent { [library] in
                continuation.resume(with: Result { try body(library) })
            }
            if !accepted { continuation.resume(throwing: IngestError(.unavailable, "saed is stopping")) }
        }
    }

    private func run() {
        // Half the time of release, so that memory is back within 1.5 times of it at the latest.
        let patience = max(.milliseconds(50), options.releaseAfter / 2)
        while true {
            switch queue.pop(max: options.batch, linger: options.linger, patience: patience) {
            case let .urgent(work):
                for body in work { body() }
            case let .batch(items):
                compute(items)
            case .nothing:
                if library.release(unusedFor: options.releaseAfter) { onRelease() }
            case .closed:
                return
            }
        }
    }

    // MARK: A batch

    private func compute(_ items: [Prepared]) {
        var byModel: [ContentHash: [Prepared]] = [:]
        for item in items {
            for hash in Set(item.item.plans.map(\.model.contentHash)) { byModel[hash, default: []].append(item) }
        }
        for (hash, items) in byModel.sorted(by: { $0.key < $1.key }) {
            let plans = items.flatMap { $0.item.plans }.filter { $0.model.contentHash == hash }
            let hooks = Set(plans.map(\.hook)).sorted { $0.block < $1.block }
            for hook in hooks {
                let chosen = items.filter { item in item.item.plans.contains { $0.model.contentHash == hash && $0.hook == hook } }
                compute(chosen, model: hash, hook: hook)
            }
        }
    }

    /// One model, one hook point: the tower runs once, however many SAEs read it.
    private func compute(_ items: [Prepared], model hash: ContentHash, hook: HookPoint) {
        let plans = items.flatMap { $0.item.plans }.filter { $0.model.contentHash == hash && $0.hook == hook }
        guard let first = plans.first else { return }
        let model: CLIPModel, vision: VisionTower
        do {
            model = try library.model(ModelPlace(first.model))
            vision = try model.vision()
        } catch {
            return giveUp(unique(plans), items, error)
        }
        let preprocessor = Preprocessor(first.facts.preprocess)
        let tokens = model.layout.count, width = model.config.vision.tower.width, projection = model.config.projection
        let side = model.config.vision.imageSize
        let pixels = FloatBuffer(count: items.count * 3 * side * side)
        for (i, item) in items.enumerated() {
            guard let crop = item.crops[first.facts.preprocess] else { continue }
            preprocessor.normalize(crop, into: UnsafeMutableBufferPointer(start: pixels.pointer + i * 3 * side * side, count: 3 * side * side))
        }
        let x = FloatBuffer(count: items.count * tokens * width)
        vision.run(pixels: pixels.pointer, batch: items.count, to: hook, into: x.pointer)

        // Encode before the upper blocks overwrite the residual stream.
        var encoded: [(plan: ViewPlan, rows: [Int: SparseRows])] = []
        for plan in unique(plans) {
            let sae: SparseAutoencoder
            do {
                sae = try library.sae(plan)
            } catch {
                // One SAE that can't be read takes nothing from the others of the same tower.
                giveUp([plan], items, error)
                continue
            }
            let members = items.indices.filter { i in items[i].item.plans.contains { $0.record.id == plan.record.id } }
            var rows: [Int: SparseRows] = [:]
            if members.count == items.count {
                let all = sae.encode(x.pointer, rows: items.count * tokens)
                for i in members { rows[i] = all.slice(rows: i * tokens..<(i + 1) * tokens) }
            } else {
                for i in members { rows[i] = sae.encode(x.pointer + i * tokens * width, rows: tokens) }
            }
            encoded.append((plan, rows))
        }
        let activations = items.indices.map { i -> [Float] in
            Array(UnsafeBufferPointer(start: x.pointer + i * tokens * width, count: tokens * width))
        }
        var embeddings = [Float](repeating: 0, count: items.count * projection)
        embeddings.withUnsafeMutableBufferPointer { out in
            vision.finish(x.pointer, batch: items.count, from: hook, into: out.baseAddress!)
        }
        for (plan, rows) in encoded {
            let members = rows.keys.sorted()
            let snapshots = members.map { i in
                Snapshot(
                    image: items[i].item.image.hash, layout: model.layout, latents: rows[i] ?? SparseRows(width: plan.record.latents),
                    embedding: Array(embeddings[i * projection..<(i + 1) * projection]), activations: activations[i])
            }
            committer.push(Committer.Batch(plan: plan, items: members.map { items[$0].item }, snapshots: snapshots))
        }
    }

    private func giveUp(_ plans: [ViewPlan], _ items: [Prepared], _ error: any Error) {
        let ids = Set(plans.map(\.record.id))
        onFailure(plans, items.flatMap { item in item.item.plans.filter { ids.contains($0.record.id) }.map { _ in item.item } }, error)
    }

    private func unique(_ plans: [ViewPlan]) -> [ViewPlan] {
        var seen: Set<ViewRecord.ID> = []
        return plans.filter { seen.insert($0.record.id).inserted }
    }
}
