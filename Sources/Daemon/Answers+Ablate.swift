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
    static let classesAPart = 200

    func ablate(_ body: Saed_AblateRequest, _ reply: ReplyStream) async throws {
        let plan = try view(body.view)
        guard let head = try await classifier.head(for: plan) else { throw noClasses(plan) }
        guard let order = ClassOrder(rawValue: body.by.isEmpty ? "class-count" : body.by) else {
            throw WireFailure(
                .invalidArgument, "'\(body.by)' is no order of a class's latents",
                remedy: "use " + ClassOrder.allCases.map(\.rawValue).joined(separator: ", "))
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
        let names = ClassNames(head.classes)
        var answer = Saed_AblateReply()
        var done = 0, recomputed = 0
        for group in groups {
            // Once to rank the class's latents, once to mask them.
            let statistics = try await blocking { () -> ClassLatents in
                var statistics = ClassLatents(of: plan.record, countsPrompts: body.asPublished)
                for image in group.images {
                    guard let read = try self.store.postings(of: image.id, in: plan.record.id) else { throw self.snapshotGone(image) }
                    statistics.add(read.postings)
                }
                return statistics
            }
            let random = RandomLatents.ranking(of: statistics.active, seed: seed ^ UInt64(group.index))
            let main = AblationMasks(ranking: order == .random ? random : statistics.ranking(order), sizes: sizes, latents: latents)
            let control = order == .random ? nil : AblationMasks(ranking: random, sizes: sizes, latents: latents)
            var tally = AblationTally(sizes: main.sizes), chance = tally
            for image in group.images {
                let stored: StoredImage
                if body.errorTerm {
                    let (image, wasKept) = try await storedWithActivations(image, plan)
                    stored = image
                    recomputed += wasKept ? 0 : 1
                } else {
                    stored = try await blocking { try self.stored(image, plan) }
                }
                let (one, term) = (stored, body.errorTerm ? ErrorTerm.kept : body.asPublished ? .droppedAsPublished : .dropped)
                let (ablated, other) = try await ingest.compute { library in
                    let upper = try Answers.upperTower(plan, head, library)
                    return (try upper.ablate(one, main, error: term), try control.map { try upper.ablate(one, $0, error: term) })
                }
                tally.add(ablated) { names.place(ofAnswer: $0) == group.index }
                if let other { chance.add(other) { names.place(ofAnswer: $0) == group.index } }
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
        if recomputed > 0 { answer.notes = ["activations of \(recomputed) images were computed again from the image: they are not kept (store.activations)"] }
        for (number, page) in answer.classes.pages(of: Answers.classesAPart).enumerated() {
            var part = number == 0 ? answer : Saed_AblateReply()
            part.classes = Array(page)
            try await reply.part(\.ablate, part)
        }
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

    private func definitions(_ order: ClassOrder, _ body: Saed_AblateRequest, classes: Int) -> [String] {
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

    // MARK: What ablations share

    /// A class and its images.
    struct ClassGroup: Sendable {
        let index: Int
        let label: String
        let images: [ImageRecord]
    }

    /// Labelled images of a scope that have a snapshot in all the views, by class; those whose label is no class are left out.
    func groups(_ scope: ImageScope, classes: [String], in plans: [ViewPlan]) throws -> [ClassGroup] {
        let names = ClassNames(classes)
        var byClass: [Int: [ImageRecord]] = [:]
        for image in try store.images(label: scope.label, limit: Int.max) {
            guard scope.images?.contains(image.id) ?? true, let index = image.label.flatMap(names.place) else { continue }
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
        guard let snapshot = try store.snapshot(of: image.id, in: plan.record.id, activations: activations) else { throw snapshotGone(image) }
        return StoredImage(latents: snapshot.latents, embedding: snapshot.embedding, activations: activations ? snapshot.activations : nil)
    }

    /// With activations that were kept, or else computed again from the original.
    func storedWithActivations(_ image: ImageRecord, _ plan: ViewPlan) async throws -> (image: StoredImage, wasKept: Bool) {
        let stored = try await blocking { try self.stored(image, plan, activations: true) }
        guard stored.activations == nil else { return (stored, true) }
        let x = try await activations(of: image, plan)
        return (StoredImage(latents: stored.latents, embedding: stored.embedding, activations: x), false)
    }

    func snapshotGone(_ image: ImageRecord) -> WireFailure {
        WireFailure(.unavailable, "the snapshot of '\(image.path ?? image.hash.short)' went away", remedy: "ask again")
    }

    /// Without a classifier: for embeddings alone.
    static func upperTower(_ plan: ViewPlan, _ library: ModelLibrary) throws -> UpperTower {
        UpperTower(vision: try library.vision(plan), hook: plan.hook, sae: try library.sae(plan), classify: { _ in [] })
    }

    /// On the compute thread.
    static func upperTower(_ plan: ViewPlan, _ head: ViewHead, _ library: ModelLibrary) throws -> UpperTower {
        let vision = try library.vision(plan), sae = try library.sae(plan)
        if let plain = head.head { return UpperTower(vision: vision, hook: plan.hook, sae: sae, head: plain) }
        let classify = try Classifier.conditional(head, library)
        return UpperTower(vision: vision, hook: plan.hook, sae: sae, classify: classify)
    }
}

extension ClassOrder {
    fileprivate func definition(countsPrompts: Bool) -> String {
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
