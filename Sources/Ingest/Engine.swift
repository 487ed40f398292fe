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
import Synchronization

/// Runs everything that computes, on one thread of its own.
final class Engine: @unchecked Sendable {  // `thread` is set once, before the thread starts; `began` is its own; the rest locks
    struct Options: Sendable {
        var batch: Int
        var linger: Duration
        var releaseAfter: Duration
        var pulse: Pulse?
    }

    let library = ModelLibrary()
    let queue: WorkQueue<Prepared>
    private let committer: Committer
    private let options: Options
    private let onFailure: @Sendable ([ViewPlan], [WorkItem], any Error) -> Void
    private let onRelease: @Sendable () -> Void
    private var thread: Thread?
    private var began = ContinuousClock.now
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
            // Thread.name set from outside stays unknown to the system, and to top -H.
            Thread.current.name = "compute"
            run()
            ended.signal()
        }
        thread.stackSize = 8 << 20
        self.thread = thread
        thread.start()
    }

    /// Ends after the batch in hand.
    func stop() {
        queue.close(discard: true)
        ended.wait()
    }

    /// Runs a query's work on the compute thread, before waiting images. Work whose task was cancelled before its turn
    /// is passed over; in its midst `Cancellation` tells it.
    func perform<Value: Sendable>(_ body: @escaping @Sendable (ModelLibrary) throws -> Value) async throws -> Value {
        try await Cancellation.whileWaiting { cancellation, continuation in
            let accepted = queue.pushUrgent { [library] in
                continuation.resume(with: Result { try cancellation.run { try body(library) } })
            }
            if !accepted { continuation.resume(throwing: IngestError(.unavailable, "saed is stopping")) }
        }
    }

    /// The same for a thread that may block; what gives up that thread's work gives up this.
    func performBlocking<Value: Sendable>(_ body: @escaping @Sendable (ModelLibrary) throws -> Value) throws -> Value {
        let cancellation = Cancellation.current ?? Cancellation()
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<Result<Value, any Error>?>(nil)
        let accepted = queue.pushUrgent { [library] in
            let value = Result { try cancellation.run { try body(library) } }
            result.withLock { $0 = value }
            done.signal()
        }
        guard accepted else { throw IngestError(.unavailable, "saed is stopping") }
        done.wait()
        guard let value = result.withLock({ $0 }) else { throw IngestError(.unavailable, "saed is stopping") }
        return try value.get()
    }

    private func run() {
        // Half the time of release, so that memory is back within 1.5 times of it at the latest.
        let patience = min(max(.milliseconds(50), options.releaseAfter / 2), options.pulse?.every ?? .seconds(3600))
        while true {
            options.pulse?.beat()
            switch queue.pop(max: options.batch, linger: options.linger, patience: patience) {
            case let .urgent(work):
                run(work)
            case let .batch(items):
                compute(items)
            case .nothing:
                if library.release(unusedFor: options.releaseAfter) { onRelease() }
            case .closed:
                return
            }
        }
    }

    private func run(_ questions: [@Sendable () -> Void]) {
        for body in questions {
            body()
            options.pulse?.beat()
        }
    }

    // MARK: A batch

    private func compute(_ items: [Prepared]) {
        began = .now
        let plans = unique(items.flatMap { $0.item.plans })
        for (_, plans) in Dictionary(grouping: plans, by: \.model.contentHash).sorted(by: { $0.key < $1.key }) {
            let ids = Set(plans.map(\.record.id))
            compute(items.filter { item in item.item.plans.contains { ids.contains($0.record.id) } }, plans)
        }
    }

    /// One model: its adapted towers one after the other, from patch embeddings that are computed once for all whose
    /// embedding is the model's own.
    private func compute(_ items: [Prepared], _ plans: [ViewPlan]) {
        guard let first = plans.first else { return }
        let pixels = pixels(of: items, first.facts)
        var streams: [ObjectIdentifier: FloatBuffer] = [:]
        // `base` came first.
        for plans in Dictionary(grouping: plans, by: \.adapter.vision).values.sorted(by: { $0[0].adapter.record.id.rawValue < $1[0].adapter.record.id.rawValue }) {
            let vision: AdaptedVision
            do {
                vision = try library.vision(plans[0])
            } catch {
                // An adapter that can't be used takes nothing from the others.
                giveUp(plans, items, error)
                continue
            }
            let stream: FloatBuffer
            if let made = streams[vision.embeddingIdentity] {
                stream = made
            } else {
                stream = FloatBuffer(count: items.count * first.facts.layout.count * first.facts.width)
                vision.begin(pixels: pixels.pointer, batch: items.count, into: stream.pointer)
                streams[vision.embeddingIdentity] = stream
            }
            compute(items, plans, vision, stream)
            // With many adapters a batch takes long: questions come in between.
            options.pulse?.beat()
            run(queue.popUrgent())
        }
    }

    /// `[items, 3, S, S]`, normalised.
    private func pixels(of items: [Prepared], _ facts: ModelFacts) -> FloatBuffer {
        let preprocessor = Preprocessor(facts.preprocess)
        let count = 3 * facts.imageSize * facts.imageSize
        let pixels = FloatBuffer(count: items.count * count)
        for (i, item) in items.enumerated() {
            guard let crop = item.crops[facts.preprocess] else { continue }
            preprocessor.normalize(crop, into: UnsafeMutableBufferPointer(start: pixels.pointer + i * count, count: count))
        }
        return pixels
    }

    /// One adapted tower: runs once from hook to hook, however many SAEs read it.
    /// - Parameter stream: `[items, 1 + patches, width]` before block 0, without prompts; unchanged.
    private func compute(_ items: [Prepared], _ plans: [ViewPlan], _ vision: AdaptedVision, _ stream: FloatBuffer) {
        let ids = Set(plans.map(\.record.id))
        let chosen = items.indices.filter { i in items[i].item.plans.contains { ids.contains($0.record.id) } }
        let members = chosen.map { items[$0] }
        let tokens = vision.layout.count, width = vision.tower.width, projection = vision.tower.projection
        let x = FloatBuffer(count: members.count * tokens * width)
        if members.count == items.count {
            vision.start(stream.pointer, batch: items.count, into: x.pointer)
        } else {
            let count = (tokens - vision.layout.prompts) * width
            for (row, i) in chosen.enumerated() {
                vision.start(stream.pointer + i * count, batch: 1, into: x.pointer + row * tokens * width)
            }
        }

        var batches: [(plan: ViewPlan, members: [Int], snapshots: [Snapshot])] = []
        var block = 0
        for (hook, plans) in Dictionary(grouping: plans, by: \.hook).sorted(by: { $0.key.block < $1.key.block }) {
            vision.run(x.pointer, batch: members.count, blocks: block..<hook.block + 1)
            block = hook.block + 1
            for plan in plans { if let batch = encode(members, plan, vision.layout, x, width: width) { batches.append(batch) } }
        }
        var embeddings = [Float](repeating: 0, count: members.count * projection)
        embeddings.withUnsafeMutableBufferPointer { out in
            vision.embeddings(x.pointer, batch: members.count, from: HookPoint(block: block - 1), into: out.baseAddress!)
        }
        for var batch in batches {
            for (k, i) in batch.members.enumerated() { batch.snapshots[k].embedding = Array(embeddings[i * projection..<(i + 1) * projection]) }
            let written = Committer.Batch(plan: batch.plan, items: batch.members.map { members[$0].item }, snapshots: batch.snapshots, began: began)
            // A full disk stops snapshots, not questions. Only work that is done beats: a writer that hangs must be noticed.
            committer.push(written) { run(queue.popUrgent()) }
        }
    }

    /// Snapshots of those items that lack one in a view, their embeddings still to come.
    /// - Parameter x: `[items, tokens, width]` at the plan's hook.
    private func encode(
        _ items: [Prepared], _ plan: ViewPlan, _ layout: TokenLayout, _ x: FloatBuffer, width: Int
    ) -> (plan: ViewPlan, members: [Int], snapshots: [Snapshot])? {
        let sae: SparseAutoencoder
        do {
            sae = try library.sae(plan)
        } catch {
            // One SAE that can't be read takes nothing from the others of the same tower.
            giveUp([plan], items, error)
            return nil
        }
        let members = items.indices.filter { i in items[i].item.plans.contains { $0.record.id == plan.record.id } }
        let tokens = layout.count
        let all = members.count == items.count ? sae.encode(x.pointer, rows: items.count * tokens) : nil
        let snapshots = members.map { i in
            let values = x.pointer + i * tokens * width
            return Snapshot(
                image: items[i].item.image.hash, layout: layout,
                latents: all?.slice(rows: i * tokens..<(i + 1) * tokens) ?? sae.encode(values, rows: tokens), embedding: [],
                activations: Array(UnsafeBufferPointer(start: values, count: tokens * width)))
        }
        return (plan, members, snapshots)
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
