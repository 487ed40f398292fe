// Why one image is answered otherwise after an adaptation: the change of a margin in parts that add up, the latents that
// carry it, and what becomes of the answer when they are set back. From the store; what lies above the hook runs.

import Basics
import CLIP
import Concepts
import Foundation
import Imaging
import Ingest
import Interventions
import Kernels
import SAE
import Store
import Wire
import WireNIO

extension Answers {
    private static let classesListed = 5
    /// Each is set back in a run of its own.
    private static let explainedMax: UInt32 = 200
    private static let patchesListed = 3
    private static let imagesListed = 4

    func explain(_ body: Saed_ExplainRequest, _ reply: ReplyStream) async throws {
        guard body.top <= Answers.explainedMax else {
            throw WireFailure(.invalidArgument, "\(body.top) latents", remedy: "ask for at most \(Answers.explainedMax)")
        }
        let (base, adapted) = try views(body.base, body.adapted)
        guard let baseHead = try await classifier.head(for: base), let adaptedHead = try await classifier.head(for: adapted) else { throw noClasses(adapted) }
        guard baseHead.classes == adaptedHead.classes else { throw WireFailure(.unavailable, "the class list changed just now", remedy: "ask again") }
        let classes = adaptedHead.classes
        let chosen = try place(of: body.className, classes, adapted), against = try place(of: body.against, classes, adapted)
        let image = try await blocking { try self.image(body.image) }
        var before = try await blocking { try self.snapshot(image, base) }, after = try await blocking { try self.snapshot(image, adapted) }
        if body.errorTerm {
            before = try await storedWithActivations(image, base).image
            after = try await storedWithActivations(image, adapted).image
        }
        let top = body.top == 0 ? 10 : Int(body.top), seed = body.hasSeed ? body.seed : Answers.defaultSeed
        let (own, other, term) = (after, before, body.errorTerm ? ErrorTerm.kept : .dropped)
        let found = try await ingest.compute { library -> (Explanation, SetBack, base: ClassAnswer, adapted: ClassAnswer) in
            let upper = try Answers.upperTower(adapted, adaptedHead, own, library), lower = try Answers.upperTower(base, baseHead, other, library)
            let answers = (base: try lower.answer(other.embedding), adapted: try upper.answer(own.embedding))
            let metric = try LogitDifference(class: chosen, against: against, adapted: answers.adapted, base: answers.base)
            let explanation = try upper.explain(own, from: lower, other, metric: metric, error: term)
            let back = try upper.setBack(
                explanation, own, to: other.latents, alone: top, together: [min(top, explanation.latents.count), explanation.latents.count], seed: seed,
                error: term)
            return (explanation, back, answers.base, answers.adapted)
        }
        let explanation = found.0
        let answer = try await blocking { () -> Saed_ExplainReply in
            var answer = try self.message(explanation, found.1, top: top, classes, adapted)
            answer.image = try self.message(image)
            answer.base = self.message(base.name)
            answer.adapted = self.message(adapted.name)
            answer.baseClasses = self.message(found.base.logits, baseHead, top: Answers.classesListed)
            answer.adaptedClasses = self.message(found.adapted.logits, adaptedHead, top: Answers.classesListed)
            answer.errorTerm = body.errorTerm
            answer.definitions = Answers.explainDefinitions(explanation, kept: body.errorTerm)
            if adaptedHead.head == nil { answer.definitions.append("the text side, which depends on the image, stays that of the image as it is") }
            if let same = self.seeTheSame(base, adapted) { answer.notes.append(same) }
            return answer
        }
        try await reply.part(\.explain, answer)
        guard body.picture else { return }
        let png = try await blocking { () -> [UInt8] in
            encodePNG(
                renderHeatmap(
                    image: try self.picture(of: image, sideMax: Answers.sideMax), grid: explanation.patchTotals, rows: adapted.record.layout.rows,
                    columns: adapted.record.layout.columns, preprocessor: Preprocessor(adapted.facts.preprocess), style: .signed))
        }
        try await send(png, reply)
    }

    private static func explainDefinitions(_ explanation: Explanation, kept: Bool) -> [String] {
        [
            "margin: logit of the class less logit of the other; each view's from its stored embedding",
            "contribution: (z adapted - z base) x (its decoder row . gradient of the margin), over class token and patches; the gradient is averaged along the way from base to adapted (integrated gradients, \(explanation.nodes) nodes)",
            kept ? "the SAE's error stays in the streams" : "the streams are the SAE's reconstructions; what that leaves out is the part 'SAE error'",
            "random: as many others of the latents that changed, set back instead (mean of draws): the control",
        ]
    }

    // MARK: What explain and steer share

    /// A class that a person named; nil where none is.
    func place(of name: String, _ classes: [String], _ plan: ViewPlan) throws -> Int? {
        if name.isEmpty { return nil }
        if let place = ClassNames(classes).place(of: name) { return place }
        throw WireFailure(
            .notFound, "'\(name)' is none of the \(classes.count) classes of model '\(plan.model.name)'",
            remedy: "there are " + classes.prefix(8).joined(separator: ", ") + (classes.count > 8 ? ", ...; saectl classes lists them" : ""))
    }

    /// What is stored of an image that the user chose.
    func snapshot(_ image: ImageRecord, _ plan: ViewPlan) throws -> StoredImage {
        guard try store.hasSnapshot(of: image.id, in: plan.record.id) else {
            throw ConceptsError.noSnapshot(image: image.path ?? image.hash.short, view: plan.name.description)
        }
        return try stored(image, plan, activations: true)
    }

    /// As `upperTower`, for one image: a head that depends on the image is made for this one, so that its gradient is known.
    static func upperTower(_ plan: ViewPlan, _ head: ViewHead, _ image: StoredImage, _ library: ModelLibrary) throws -> UpperTower {
        guard head.head == nil, let adapter = try library.adapter(plan) else { return try upperTower(plan, head, library) }
        let own = try adapter.conditionalHead(try library.model(ModelPlace(plan.model)), embedding: image.embedding, classes: head.classes)
        return UpperTower(vision: try library.vision(plan), hook: plan.hook, sae: try library.sae(plan), head: own)
    }

    // MARK: Messages

    private func message(
        _ explanation: Explanation, _ back: SetBack, top: Int, _ classes: [String], _ plan: ViewPlan
    ) throws -> Saed_ExplainReply {
        let aggregates = try store.aggregates(in: plan.record.id)
        let alone = Dictionary(back.alone.map { ($0.latent, $0.change) }, uniquingKeysWith: { first, _ in first })
        let known = knownNames(plan)
        let listed = explanation.latents.prefix(top)
        return try .with {
            $0.className = classes[explanation.metric.class]
            $0.against = classes[explanation.metric.against]
            $0.baseMargin = explanation.base
            $0.adaptedMargin = explanation.adapted
            $0.change = explanation.total
            $0.parts = Answers.parts(explanation.parts)
            $0.latents = try listed.map { try message($0, explanation, alone[$0.latent] ?? 0, aggregates, known[$0.latent], plan) }
            $0.changedLatents = UInt32(explanation.latents.count)
            $0.listed = listed.reduce(0) { $0 + $1.total }
            $0.marginWithout = back.metric
            $0.setBack = message(back, explanation, classes)
            $0.layout = message(explanation.layout)
            $0.patchContributions = explanation.patchTotals
            $0.nodes = UInt32(explanation.nodes)
        }
    }

    static func parts(_ parts: Explanation.Parts) -> [Saed_ExplainedPart] {
        [
            ("text side", parts.text, "other class directions, on the base's image embedding"),
            ("above the hook", parts.above, "prompt tokens, and weights above the hook, on the base's class and patch tokens"),
            ("latents", parts.latents, "latents of class token and patches: the sum of all contributions"),
            ("quadrature", parts.remainder, "what the numerical integral along the way misses"),
            ("SAE error", parts.error, "what the SAE doesn't reconstruct"),
        ].map { name, change, definition in
            .with {
                $0.part = name
                $0.change = change
                $0.definition = definition
            }
        }
    }

    private func message(
        _ latent: LatentContribution, _ explanation: Explanation, _ alone: Double, _ aggregates: Aggregates, _ name: Saed_LatentName?, _ plan: ViewPlan
    ) throws -> Saed_ExplainedLatent {
        let map = explanation.patchMap(of: latent.latent), columns = explanation.layout.columns
        let order = map.indices.filter { map[$0] != 0 }.sorted { (abs(map[$0]), $1) > (abs(map[$1]), $0) }
        let images = try concepts.imagesByLatent(Int(latent.latent), in: plan.record, LatentQuery(top: Answers.imagesListed))
        return try .with {
            $0.latent = latent.latent
            $0.contribution = latent.total
            $0.classToken = latent.classToken
            $0.patches = latent.patches
            $0.strongest = order.prefix(Answers.patchesListed).map { place in
                .with {
                    $0.patch = .with { $0.row = UInt32(place / columns); $0.column = UInt32(place % columns) }
                    $0.contribution = Double(map[place])
                }
            }
            $0.baseMean = Double(latent.baseMean)
            $0.adaptedMean = Double(latent.adaptedMean)
            $0.baseClassValue = Double(latent.baseClass)
            $0.adaptedClassValue = Double(latent.adaptedClass)
            $0.alone = alone
            $0.frequency = aggregates.images > 0 ? Double(aggregates.latents[Int(latent.latent)].patchImages) / Double(aggregates.images) : 0
            if let name { $0.name = name }
            $0.top = try images.enumerated().map { try message($1, latent: Int(latent.latent), rank: $0 + 1) }
        }
    }

    private func message(_ back: SetBack, _ explanation: Explanation, _ classes: [String]) -> [Saed_SetBack] {
        func entry(_ what: String, _ latents: Int, _ margin: Double, _ answer: ClassAnswer) -> Saed_SetBack {
            .with {
                $0.what = what
                $0.latents = UInt32(latents)
                $0.margin = margin
                $0.answer = classes[answer.best]
                $0.probability = Double(ZeroShotHead.probabilities(answer.logits)[answer.best])
            }
        }
        var entries: [Saed_SetBack] = []
        for together in back.together where together.count > 0 {
            let isAll = together.count == explanation.latents.count
            entries.append(entry(isAll ? "all" : "listed", together.count, together.metric, together.answer))
            if !isAll, let chance = together.random.first { entries.append(entry("random", together.count, together.randomMetric, chance)) }
            if isAll { break }
        }
        return entries
    }
}
