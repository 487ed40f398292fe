// Ablation: what remains of a view's answers when a class keeps only its first k latents, or loses them. From stored
// latents, running only what lies above the hook.

import Basics
import CLIP
import Concepts
import Foundation
import Ingest
import Interventions
import SAE
import Store
import Wire
import WireNIO

extension Answers {
    /// As published; 0 is every latent.
    private static let publishedSizes: [UInt32] = [1, 2, 5, 10, 50, 100, 500, 1000, 2000, 0]
    private static let classesAPart = 200

    func ablate(_ body: Saed_AblateRequest, _ reply: ReplyStream) async throws {
        let plan = try view(body.view)
        guard let head = try await classifier.head(for: plan) else { throw noClasses(plan) }
        guard let order = LatentOrderInClass(rawValue: body.by.isEmpty ? "class-count" : body.by) else {
            throw WireFailure(
                .invalidArgument, "'\(body.by)' is no order of a class's latents",
                remedy: "use " + LatentOrderInClass.allCases.map(\.rawValue).joined(separator: ", "))
        }
        let asked = body.ks.isEmpty ? Answers.publishedSizes : body.ks
        guard asked.count <= AblationMasks.sizesMax else {
            throw WireFailure(.invalidArgument, "\(asked.count) values of k", remedy: "ask for at most \(AblationMasks.sizesMax)")
        }
        guard !(body.errorTerm && body.asPublished) else {
            throw WireFailure(.invalidArgument, "the published figures leave the SAE's error out", remedy: "leave out --error-term or --as-published")
        }
        let latents = plan.record.latents
        let sizes = Array(Set(asked.map { $0 == 0 ? latents : min(Int($0), latents) })).sorted()
        let seed = body.hasSeed ? body.seed : Answers.defaultSeed
        let (scope, groups) = try await blocking { () -> (ImageScope, [ClassGroup]) in
            let scope = try self.scope(label: body.hasLabel ? body.label : nil, dataset: body.hasDataset ? body.dataset : nil)
            return (scope, try self.groups(scope, classes: head.classes, in: [plan]))
        }
        guard !groups.isEmpty else { throw noLabelledImages(scope, plan) }
        let total = groups.reduce(0) { $0 + $1.images.count }
        var answer = Saed_AblateReply()
        var done = 0, recomputed = 0
        for group in groups {
            // Once to rank the class's latents, once to mask them.
            let statistics = try await blocking { () -> ClassLatents in
                var statistics = ClassLatents(latents: latents, layout: plan.record.layout, countsPrompts: body.asPublished)
                for image in group.images { try statistics.add(self.stored(image, plan).latents) }
                return statistics
            }
            let random = RandomLatents.ranking(of: statistics.active, seed: seed ^ UInt64(group.index))
            let main = AblationMasks(ranking: order == .random ? random : statistics.ranking(order), sizes: sizes, latents: latents)
            let control = order == .random ? nil : AblationMasks(ranking: random, sizes: sizes, latents: latents)
            var tally = AblationTally(sizes: main.sizes), chance = tally
            for image in group.images {
                var stored = try await blocking { try self.stored(image, plan, activations: body.errorTerm) }
                if body.errorTerm, stored.activations == nil {
                    stored = StoredImage(
                        latents: stored.latents, embedding: stored.embedding, activations: try await activations(of: image, plan))
                    recomputed += 1
                }
                let (one, term) = (stored, body.errorTerm ? ErrorTerm.kept : body.asPublished ? .droppedAsPublished : .dropped)
                let (ablated, other) = try await ingest.compute { library in
                    let upper = try Answers.upperTower(plan, head, library)
                    return (try upper.ablate(one, main, error: term), try control.map { try upper.ablate(one, $0, error: term) })
                }
                tally.add(ablated, class: group.index)
                if let other { chance.add(other, class: group.index) }
                done += 1
                if done % 8 == 0 { try await reply.progress(done: done, total: total, what: group.label) }
            }
            answer.classes.append(
                .with {
                    $0.label = group.label
                    $0.images = UInt64(tally.images)
                    $0.noSae = tally.share(tally.withoutSAE)
                    $0.points = main.sizes.indices.map { i in
                        .with {
                            $0.k = UInt32(main.sizes[i])
                            $0.all = main.sizes[i] == latents
                            $0.on = tally.share(tally.on[i])
                            $0.off = tally.share(tally.off[i])
                            if control != nil {
                                $0.onRandom = chance.share(chance.on[i])
                                $0.offRandom = chance.share(chance.off[i])
                            }
                        }
                    }
                })
        }
        summarise(&answer)
        answer.view = message(plan.name)
        answer.scope = scope.text
        answer.images = UInt64(total)
        answer.by = order.rawValue
        answer.errorTerm = body.errorTerm
        answer.definitions = definitions(order, body, classes: head.classes.count)
        if recomputed > 0 { answer.notes = ["activations of \(recomputed) images were computed again from the image: they are not kept (store.keep_activations)"] }
        try await send(answer, reply)
    }

    /// Means over classes.
    private func summarise(_ answer: inout Saed_AblateReply) {
        guard let first = answer.classes.first else { return }
        func mean(_ value: (Saed_ClassAblation) -> Double) -> Double { answer.classes.reduce(0) { $0 + value($1) } / Double(answer.classes.count) }
        answer.noSae = mean(\.noSae)
        answer.points = first.points.indices.map { i in
            .with {
                $0.k = first.points[i].k
                $0.all = first.points[i].all
                $0.on = mean { $0.points[i].on }
                $0.off = mean { $0.points[i].off }
                if first.points[i].hasOnRandom {
                    $0.onRandom = mean { $0.points[i].onRandom }
                    $0.offRandom = mean { $0.points[i].offRandom }
                }
            }
        }
    }

    private func definitions(_ order: LatentOrderInClass, _ body: Saed_AblateRequest, classes: Int) -> [String] {
        [
            "on k: only the class's first k latents stay, off k: only those go; share of its images then answered with it, of \(classes) classes; means over classes",
            "order: \(order.definition(countsPrompts: body.asPublished))",
            body.errorTerm
                ? "the error term stays: x + x_hat(masked) - x_hat(full)"
                : body.asPublished
                    ? "as published: the reconstruction plus 0.105131256516992 (the published code subtracts its SAE_BIAS, which is negative) stands for x; no error term" : "the reconstruction stands for x, without error term",
            "control: equally many random latents of those active on the class's images",
        ]
    }

    private func send(_ answer: Saed_AblateReply, _ reply: ReplyStream) async throws {
        var first = answer
        let rest = first.classes.dropFirst(Answers.classesAPart)
        first.classes = Array(first.classes.prefix(Answers.classesAPart))
        try await reply.part(\.ablate, first)
        for start in stride(from: rest.startIndex, to: rest.endIndex, by: Answers.classesAPart) {
            try await reply.part(.with { $0.ablate.classes = Array(rest[start..<min(rest.endIndex, start + Answers.classesAPart)]) })
        }
    }

    // MARK: What ablations share

    /// A class and its images.
    struct ClassGroup: Sendable {
        let index: Int
        let label: String
        let images: [ImageRecord]
    }

    /// Labelled images of a scope that have a snapshot in all the views, by class; those whose label is no class are left out.
    func groups(_ scope: ImageScope, classes: [String], in plans: [ViewPlan]) throws -> [ClassGroup] {
        let places = Concepts.classPlaces(classes)
        var byClass: [Int: [ImageRecord]] = [:]
        for image in try store.images(label: scope.label, limit: Int.max) {
            guard scope.images?.contains(image.id) ?? true, let index = image.label.flatMap({ places[Concepts.classKey($0)] }) else { continue }
            guard try plans.allSatisfy({ try store.hasSnapshot(of: image.id, in: $0.record.id) }) else { continue }
            byClass[index, default: []].append(image)
        }
        return byClass.sorted { $0.key < $1.key }.map { ClassGroup(index: $0.key, label: classes[$0.key], images: $0.value) }
    }

    func noLabelledImages(_ scope: ImageScope, _ plan: ViewPlan) -> WireFailure {
        WireFailure(
            .failedPrecondition, "no image of \(scope.text) has a snapshot in '\(plan.name)' and a label that is one of its classes",
            remedy: "label images by their folder (images/CLASS/x.jpg) and set the classes: saectl classes set FILE --model \(plan.model.name)")
    }

    func stored(_ image: ImageRecord, _ plan: ViewPlan, activations: Bool = false) throws -> StoredImage {
        guard let snapshot = try store.snapshot(of: image.id, in: plan.record.id, activations: activations) else {
            throw WireFailure(.unavailable, "the snapshot of '\(image.path ?? image.hash.short)' went away", remedy: "ask again")
        }
        return StoredImage(latents: snapshot.latents, embedding: snapshot.embedding, activations: activations ? snapshot.activations : nil)
    }

    /// On the compute thread.
    static func upperTower(_ plan: ViewPlan, _ head: ViewHead, _ library: ModelLibrary) throws -> UpperTower {
        let vision = try library.vision(plan), sae = try library.sae(plan)
        if let plain = head.head { return UpperTower(vision: vision, hook: plan.hook, sae: sae, head: plain) }
        let classify = try Classifier.conditional(head, library)
        return UpperTower(vision: vision, hook: plan.hook, sae: sae, classify: classify)
    }
}

/// In what order a class's latents are masked.
enum LatentOrderInClass: String, CaseIterable {
    case classCount = "class-count"
    case mean, peak, frequency, random

    func definition(countsPrompts: Bool) -> String {
        switch self {
        case .classCount:
            countsPrompts
                ? "tokens with z > 0.2 on the class's images, prompt tokens included" : "class and patch tokens with z > 0.2 on the class's images"
        case .mean: "mean over the patches of the class's images"
        case .peak: "the strongest patch on the class's images"
        case .frequency: "patches on which it is active on the class's images"
        case .random: "random"
        }
    }
}

/// Latents over the images of one class, from their snapshots.
struct ClassLatents: Sendable {
    private let layout: TokenLayout
    private let countsPrompts: Bool
    private var counts, activePatches: [Int]
    private var sums: [Double]
    private var peaks: [Float]

    init(latents: Int, layout: TokenLayout, countsPrompts: Bool) {
        self.layout = layout
        self.countsPrompts = countsPrompts
        counts = [Int](repeating: 0, count: latents)
        activePatches = counts
        sums = [Double](repeating: 0, count: latents)
        peaks = [Float](repeating: 0, count: latents)
    }

    mutating func add(_ rows: SparseRows) {
        let patches = layout.tokens(of: .patch)
        for token in 0..<(countsPrompts ? rows.rows : patches.upperBound) {
            for k in rows.range(of: token) {
                let latent = Int(rows.indices[k]), value = rows.values[k]
                if value > Store.tau { counts[latent] += 1 }
                guard patches.contains(token) else { continue }
                activePatches[latent] += 1
                sums[latent] += Double(value)
                peaks[latent] = max(peaks[latent], value)
            }
        }
    }

    /// Latents that are active on some patch or counted, ascending.
    var active: [UInt32] { counts.indices.filter { counts[$0] > 0 || activePatches[$0] > 0 }.map(UInt32.init) }

    /// The first is the most important; ties by the lower latent.
    func ranking(_ order: LatentOrderInClass) -> [UInt32] {
        func sorted(_ value: (Int) -> Double) -> [UInt32] {
            active.map { (latent: $0, value: value(Int($0))) }.sorted { ($1.value, $0.latent) < ($0.value, $1.latent) }.map(\.latent)
        }
        return switch order {
        case .classCount, .random: sorted { Double(counts[$0]) }
        case .mean: sorted { sums[$0] }
        case .peak: sorted { Double(peaks[$0]) }
        case .frequency: sorted { Double(activePatches[$0]) }
        }
    }
}
