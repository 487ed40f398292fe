// Remapping: which latents each class stands on before and after an adaptation, and how much of the gain of accuracy
// they carry: by setting them back to what the base view gives them.

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
    private static let classesAPart = 200
    /// Images on which latents are set back: each costs a pass through the tower, unless activations are kept.
    private static let explainedImages = 512

    func remap(_ body: Saed_RemapRequest, _ reply: ReplyStream) async throws {
        let (base, adapted) = try views(body.base, body.adapted)
        guard let baseHead = try await classifier.head(for: base), let adaptedHead = try await classifier.head(for: adapted) else { throw noClasses(adapted) }
        guard baseHead.classes == adaptedHead.classes else { throw WireFailure(.unavailable, "the class list changed just now", remedy: "ask again") }
        let before = try await classifier.answers(baseHead), after = try await classifier.answers(adaptedHead)
        guard body.rounds <= 10_000, body.k <= 1000 else {
            throw WireFailure(.invalidArgument, "\(body.rounds) rounds, k \(body.k)", remedy: "ask for at most 10,000 rounds and a k of at most 1,000")
        }
        var query = RemapQuery()
        query.k = body.k == 0 ? 50 : Int(body.k)
        query.top = body.top == 0 ? 10 : Int(body.top)
        query.seed = body.hasSeed ? body.seed : Answers.defaultSeed
        query.rounds = body.rounds == 0 ? 1000 : Int(body.rounds)
        query.asPublished = body.asPublished
        let asked = query
        let (scope, found, control, chance) = try await blocking {
            var query = asked
            let scope = try self.scope(label: nil, dataset: body.hasDataset ? body.dataset : nil)
            query.images = scope.images
            query.label = body.hasLabel ? body.label : nil
            let found = try self.concepts.remap(
                base: base.record, adapted: adapted.record, query, baseAnswers: before, adaptedAnswers: after, classes: adaptedHead.classes)
            let control = try self.control(of: base, adapted, named: body.controlSae)
            query.withControl = false
            query.label = nil
            let chance = try control.map {
                try self.concepts.remap(
                    base: $0.base.record, adapted: $0.adapted.record, query, baseAnswers: before, adaptedAnswers: after,
                    classes: adaptedHead.classes)
            }
            return (scope, found, control, chance)
        }
        if let chance, chance.images != found.images {
            throw WireFailure(.unavailable, "the control has \(chance.images) of \(found.images) images so far", remedy: "wait for its back-fill: saectl wait")
        }
        guard found.images > 0 else { throw noLabelledImages(scope, adapted) }
        var answer = message(found, chance)
        answer.base = message(base.name)
        answer.adapted = message(adapted.name)
        answer.scope = body.hasLabel ? "class '\(body.label)' of \(scope.text)" : scope.text
        answer.definitions = definitions(found, query)
        answer.notes = notes(base, adapted, onlyBase: found.onlyBase, onlyAdapted: found.onlyAdapted, control: control)
        if !body.noAblation, base.record.id != adapted.record.id {
            let explained = try await explain(scope, label: body.hasLabel ? body.label : nil, found, (base, baseHead), (adapted, adaptedHead), query, reply)
            answer.explained = explained.shares
            answer.definitions.append(
                "explained: on \(explained.images) images, latents of the class set back to their base values on class and patch tokens, error term and text side kept; share = (adapted - without) / (adapted - base), bootstrap over images")
            if explained.images < found.images { answer.notes.append("explained stands on \(explained.images) of \(found.images) images, drawn evenly over the classes") }
        }
        try await send(answer, reply)
    }

    private func send(_ answer: Saed_RemapReply, _ reply: ReplyStream) async throws {
        var first = answer
        let rest = first.classes.dropFirst(Answers.classesAPart)
        first.classes = Array(first.classes.prefix(Answers.classesAPart))
        try await reply.part(\.remap, first)
        for start in stride(from: rest.startIndex, to: rest.endIndex, by: Answers.classesAPart) {
            try await reply.part(.with { $0.remap.classes = Array(rest[start..<min(rest.endIndex, start + Answers.classesAPart)]) })
        }
    }

    private func definitions(_ found: Remapping, _ query: RemapQuery) -> [String] {
        [
            "a latent serves a class by being among its first \(query.k) by tokens with z > 0.2 (\(query.asPublished ? "all kinds, as published" : "class and patches"))",
            "kept: in both views; re-assigned: new to the class, served another before; newly used: served none; left: serves it no longer",
            "groups: counts over the class's largest; high: at least the mean over the first \(query.high) of either view, low: below that over the first \(query.low)",
            "accuracy change: paired bootstrap within classes (\(query.rounds) rounds, seed \(query.seed)), 95 %; correlation: Pearson's over classes",
            "controls: labels dealt anew among the images; random directions of equal density",
        ]
    }

    // MARK: What explains the gain

    private struct Explained {
        var shares: [Saed_ExplainedShare]
        var images: Int
    }

    /// One image's answers: right or not, in each case.
    private struct Outcome {
        var base: Bool
        var adapted: Bool
        /// In the order of `groups`.
        var without: [Bool]
    }

    private static let groups = ["kept", "re-assigned", "newly used", "left", "all of them", "random latents", "every latent"]
    private static let wholeVision = "whole vision side"

    private func explain(
        _ scope: ImageScope, label: String?, _ found: Remapping, _ base: (plan: ViewPlan, head: ViewHead), _ adapted: (plan: ViewPlan, head: ViewHead),
        _ query: RemapQuery, _ reply: ReplyStream
    ) async throws -> Explained {
        let latents = adapted.plan.record.latents
        let chosen = try await blocking { () -> [ClassGroup] in
            let all = try self.groups(scope, classes: adapted.head.classes, in: [base.plan, adapted.plan])
            let wanted = label.map(Concepts.classKey)
            return Answers.spread(all.filter { wanted == nil || Concepts.classKey($0.label) == wanted }, over: Answers.explainedImages)
        }
        let classes = Dictionary(found.classes.map { (Concepts.classKey($0.label), $0) }, uniquingKeysWith: { first, _ in first })
        let total = chosen.reduce(0) { $0 + $1.images.count }
        let places = Concepts.classPlaces(adapted.head.classes)
        let said = adapted.head.classes.map { places[Concepts.classKey($0)] ?? -1 }
        var outcomes: [Outcome] = []
        var sizes = [Double](repeating: 0, count: Answers.groups.count)
        for group in chosen {
            guard let own = classes[Concepts.classKey(group.label)] else { continue }
            let patches = 0..<adapted.plan.record.layout.tokens(of: .patch).upperBound
            // Of prompt tokens nothing is set back.
            let active = try await blocking {
                RandomLatents.active(in: try group.images.map { try self.stored($0, adapted.plan).latents.slice(rows: patches) })
            }
            let changed = Set((own.reassigned + own.newlyUsed + own.left).map(UInt32.init))
            let random = RandomLatents.draw(changed.count, of: active, excluding: changed, seed: query.seed ^ UInt64(group.index))
            let lists: [[UInt32]] = [
                own.kept.map(UInt32.init), own.reassigned.map(UInt32.init), own.newlyUsed.map(UInt32.init), own.left.map(UInt32.init),
                Array(changed.union(own.kept.map(UInt32.init))).sorted(), random, (0..<latents).map(UInt32.init),
            ]
            for i in lists.indices { sizes[i] += Double(lists[i].count * group.images.count) }
            let sets = LatentSets(lists, latents: latents)
            for image in group.images {
                let (baseImage, kept) = try await blocking { (try self.stored(image, base.plan), try self.stored(image, adapted.plan, activations: true)) }
                let x: [Float]
                if let activations = kept.activations { x = activations } else { x = try await activations(of: image, adapted.plan) }
                let one = StoredImage(latents: kept.latents, embedding: kept.embedding, activations: x)
                let answers = try await ingest.compute { library in
                    let upper = try Answers.upperTower(adapted.plan, adapted.head, library)
                    // Last but one the base's embedding under the adapted text, last the adapted view itself.
                    return try upper.substitute(sets, of: one, with: baseImage.latents)
                        + [upper.answer(baseImage.embedding), upper.answer(one.embedding)]
                }
                let right = answers.map { said[$0.best] == group.index }
                let baseRight = try await classifier.logits([baseImage.embedding], base.head)[0]
                outcomes.append(
                    Outcome(base: said[ClassAnswer(logits: baseRight).best] == group.index, adapted: right[right.count - 1], without: Array(right.dropLast())))
                if outcomes.count % 8 == 0 { try await reply.progress(done: outcomes.count, total: total, what: group.label) }
            }
        }
        let (all, mean) = (outcomes, sizes)
        return Explained(shares: try await blocking { self.shares(all, mean, query) }, images: all.count)
    }

    /// At most so many images, evenly over the classes and within each.
    static func spread(_ groups: [ClassGroup], over most: Int) -> [ClassGroup] {
        let total = groups.reduce(0) { $0 + $1.images.count }
        guard total > most else { return groups }
        if groups.count > most { return spread((0..<most).map { groups[$0 * groups.count / most] }, over: most) }
        let each = max(1, most / max(1, groups.count))
        return groups.map { group in
            let count = min(each, group.images.count)
            return ClassGroup(index: group.index, label: group.label, images: (0..<count).map { group.images[$0 * group.images.count / count] })
        }
    }

    private func shares(_ outcomes: [Outcome], _ sizes: [Double], _ query: RemapQuery) -> [Saed_ExplainedShare] {
        guard !outcomes.isEmpty else { return [] }
        let count = Double(outcomes.count)
        let names = Answers.groups + [Answers.wholeVision]
        func gain(_ draw: [Int]) -> Int { draw.reduce(0) { $0 + (outcomes[$1].adapted ? 1 : 0) - (outcomes[$1].base ? 1 : 0) } }
        func loss(_ group: Int, _ draw: [Int]) -> Int { draw.reduce(0) { $0 + (outcomes[$1].adapted ? 1 : 0) - (outcomes[$1].without[group] ? 1 : 0) } }
        let all = Array(outcomes.indices)
        var random = SplitMix(seed: query.seed)
        var rounds = [[Double]](repeating: [], count: names.count)
        for _ in 0..<query.rounds {
            let draw = all.map { _ in random.below(outcomes.count) }
            let whole = gain(draw)
            guard whole > 0 else { continue }
            for group in names.indices { rounds[group].append(Double(loss(group, draw)) / Double(whole)) }
        }
        let whole = gain(all)
        return names.indices.map { group in
            .with {
                $0.group = names[group]
                $0.accuracyWithout = Double(outcomes.count { $0.without[group] }) / count
                if group < sizes.count { $0.latents = UInt32((sizes[group] / count).rounded()) }
                guard whole > 0 else { return }
                $0.share = Double(loss(group, all)) / Double(whole)
                // A gain that vanishes in one draw of twenty is none to share out.
                if rounds[group].count * 20 >= query.rounds * 19, let interval = Interval(percentilesOf: rounds[group]) { $0.shareInterval = message(interval) }
            }
        }
    }

    // MARK: Messages

    private func message(_ found: Remapping, _ chance: Remapping?) -> Saed_RemapReply {
        .with {
            $0.images = UInt64(found.images)
            $0.leftOut = UInt64(found.leftOut)
            $0.k = UInt32(found.k)
            $0.seed = found.seed
            $0.baseAccuracy = found.baseAccuracy ?? 0
            $0.adaptedAccuracy = found.adaptedAccuracy ?? 0
            if let interval = found.baseInterval { $0.baseInterval = message(interval) }
            if let interval = found.adaptedInterval { $0.adaptedInterval = message(interval) }
            $0.change = found.change ?? 0
            if let interval = found.changeInterval { $0.changeInterval = message(interval) }
            $0.classes = found.classes.sorted { (abs($1.change ?? 0), $0.label) < (abs($0.change ?? 0), $1.label) }.map(message)
            $0.latents = found.latents.map { latent in
                .with {
                    $0.latent = UInt32(latent.latent)
                    $0.left = latent.left
                    $0.joined = latent.joined
                    $0.classesBefore = UInt32(latent.classesBefore)
                    $0.classesAfter = UInt32(latent.classesAfter)
                    $0.cosine = latent.cosine ?? 0
                }
            }
            $0.figures = [message(found.finding, "finding")]
            if let shuffled = found.shuffled { $0.figures.append(message(shuffled, "shuffled labels")) }
            if let chance { $0.figures.append(message(chance.finding, "random directions")) }
        }
    }

    private func message(_ row: ClassRemap) -> Saed_ClassRemap {
        .with {
            $0.label = row.label
            $0.images = UInt64(row.images)
            $0.baseAccuracy = row.baseAccuracy ?? 0
            $0.adaptedAccuracy = row.adaptedAccuracy ?? 0
            $0.change = row.change ?? 0
            if let interval = row.changeInterval { $0.changeInterval = message(interval) }
            $0.overlap = row.overlap
            $0.cosine = row.cosine ?? 0
            $0.staysHigh = UInt32(row.groups.staysHigh)
            $0.staysLow = UInt32(row.groups.staysLow)
            $0.rises = UInt32(row.groups.rises)
            $0.falls = UInt32(row.groups.falls)
            $0.moves = row.moves.map(message)
            $0.kept = UInt32(row.kept.count)
            $0.reassigned = UInt32(row.reassigned.count)
            $0.newlyUsed = UInt32(row.newlyUsed.count)
            $0.left = UInt32(row.left.count)
        }
    }

    private func message(_ figures: RemapFigures, _ what: String) -> Saed_RemapFigures {
        .with {
            $0.what = what
            $0.overlap = figures.overlap
            if let interval = figures.overlapInterval { $0.overlapInterval = message(interval) }
            $0.cosine = figures.cosine ?? 0
            $0.reassigned = figures.reassigned
            $0.newlyUsed = figures.newlyUsed
            $0.left = figures.left
            $0.groups = figures.groups.map { group in
                .with {
                    $0.group = group.group
                    $0.meanSize = group.meanSize
                    if let correlation = group.correlation { $0.correlation = correlation }
                    if let interval = group.correlationInterval { $0.correlationInterval = message(interval) }
                }
            }
        }
    }
}
