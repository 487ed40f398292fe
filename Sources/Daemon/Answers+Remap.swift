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
    /// Images on which latents are set back: each costs a pass through the tower, unless activations are kept.
    private static let explainedImages = 512

    func remap(_ body: Saed_RemapRequest, _ reply: ReplyStream) async throws {
        let answer = try await remapAnswer(body, reply)
        for (number, page) in answer.classes.pages(of: Answers.classesAPart).enumerated() {
            var part = number == 0 ? answer : Saed_RemapReply()
            part.classes = Array(page)
            try await reply.part(\.remap, part)
        }
    }

    /// - Parameters:
    ///   - latents: listed; nil: as many as moves of a class.
    ///   - reply: is told of progress.
    func remapAnswer(_ body: Saed_RemapRequest, latents: Int? = nil, _ reply: ReplyStream) async throws -> Saed_RemapReply {
        let (base, adapted) = try views(body.base, body.adapted)
        guard body.rounds <= 10_000, body.k <= 1000 else {
            throw WireFailure(.invalidArgument, "\(body.rounds) rounds, k \(body.k)", remedy: "ask for at most 10,000 rounds and a k of at most 1,000")
        }
        var query = RemapQuery()
        query.k = body.k == 0 ? Concepts.firstLatents(of: adapted.record.latents) : Int(body.k)
        query.top = body.top == 0 ? 10 : Int(body.top)
        query.seed = body.hasSeed ? body.seed : Answers.defaultSeed
        query.rounds = body.rounds == 0 ? 1000 : Int(body.rounds)
        query.asPublished = body.asPublished
        query.latentsListed = latents
        let asked = query
        let (adaptedHead, before, after) = try await answers(base, adapted)
        let (scope, found, control, chance, same) = try await blocking {
            var query = asked
            let scope = try self.scope(label: nil, dataset: body.hasDataset ? body.dataset : nil)
            query.images = scope.images
            query.label = body.hasLabel ? body.label : nil
            let found = try self.concepts.remap(
                base: base.record, adapted: adapted.record, query, baseAnswers: before, adaptedAnswers: after, classes: adaptedHead.classes)
            let control = try self.control(of: base, adapted, named: body.controlSae, images: scope.images)
            guard control.isShown, let pair = control.pair else { return (scope, found, control, nil as Remapping?, nil as Remapping?) }
            query.withControl = false
            query.label = nil
            // All of a full control: its tables know the answer.
            if !(control.isWhole && !control.isAutomatic) { query.images = Set(control.images) }
            let chance = try self.concepts.remap(
                base: pair.base.record, adapted: pair.adapted.record, query, baseAnswers: before, adaptedAnswers: after, classes: adaptedHead.classes)
            let same = control.isWhole
                ? nil
                : try self.concepts.remap(
                    base: base.record, adapted: adapted.record, query, baseAnswers: before, adaptedAnswers: after, classes: adaptedHead.classes)
            return (scope, found, control, chance, same)
        }
        guard found.images > 0 else { throw noLabelledImages(scope, adapted) }
        // Of no image with a label that is a class there is nothing to tell.
        let counted = chance.flatMap { $0.images > 0 ? $0 : nil }
        var answer = message(found, counted, same)
        answer.control = control.message(images: chance?.images, of: found.images, like: adapted.sae.name)
        answer.base = message(base.name)
        answer.adapted = message(adapted.name)
        answer.scope = body.hasLabel ? "class '\(body.label)' of \(scope.text)" : scope.text
        answer.definitions = definitions(found, query)
        answer.notes = notes(base, adapted, onlyBase: found.onlyBase, onlyAdapted: found.onlyAdapted)
        if !body.noAblation, base.record.id != adapted.record.id {
            let explained = try await explain(scope, label: body.hasLabel ? body.label : nil, found, (base, before), (adapted, adaptedHead, after), query, reply)
            answer.explained = explained.shares
            answer.definitions.append(
                "explained: on \(explained.images) images, latents of the class set back to their base values on class and patch tokens, error term and text side kept; share = (adapted - without) / (adapted - base), bootstrap over images")
            if explained.images < found.images { answer.notes.append("explained stands on \(explained.images) of \(found.images) images, drawn evenly over the classes") }
        }
        return answer
    }

    private func definitions(_ found: Remapping, _ query: RemapQuery) -> [String] {
        [
            "a latent serves a class by being among its first \(query.k) by tokens with z > 0.2 (\(query.asPublished ? "all kinds, as published" : "class and patches"))",
            "kept: in both views; re-assigned: new to the class, served another before; newly used: served none; left: serves it no longer",
            "groups: counts over the class's largest; high: at least the mean over the first \(query.high) of either view, low: below that over the first \(query.low)",
            "accuracy change: paired bootstrap within classes (\(query.rounds) rounds, seed \(query.seed)), 95 %; correlation: Pearson's over classes",
            "controls: labels dealt anew among the images; random directions of equal density; 'same images': the finding on those of the control, where these are not all",
        ]
    }

    // MARK: What explains the gain

    private struct Explained {
        var shares: [Saed_ExplainedShare]
        var images: Int
    }

    private static let groups = ["kept", "re-assigned", "newly used", "left", "all of them", "random latents", "every latent"]
    private static let wholeVision = "whole vision side"

    private func explain(
        _ scope: ImageScope, label: String?, _ found: Remapping, _ base: (plan: ViewPlan, answers: [ImageRecord.ID: Answer]),
        _ adapted: (plan: ViewPlan, head: ViewHead, answers: [ImageRecord.ID: Answer]), _ query: RemapQuery, _ reply: ReplyStream
    ) async throws -> Explained {
        let latents = adapted.plan.record.latents
        let chosen = try await blocking { () -> [ClassGroup] in
            let all = try self.groups(scope, classes: adapted.head.classes, in: [base.plan, adapted.plan])
            let wanted = label.map(ClassNames.key)
            return Answers.spread(all.filter { wanted == nil || ClassNames.key($0.label) == wanted }, over: Answers.explainedImages)
        }
        let classes = Dictionary(found.classes.map { (ClassNames.key($0.label), $0) }, uniquingKeysWith: { first, _ in first })
        let total = chosen.reduce(0) { $0 + $1.images.count }
        let names = ClassNames(adapted.head.classes)
        var outcomes: [GainOutcome] = []
        var sizes = [Double](repeating: 0, count: Answers.groups.count)
        for group in chosen {
            guard let own = classes[ClassNames.key(group.label)] else { continue }
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
            let sets = LatentSets(lists, latents: latents)
            for image in group.images {
                // One that came since the answers were read is left out.
                guard let before = base.answers[image.id], let after = adapted.answers[image.id] else { continue }
                let baseImage = try await blocking { try self.stored(image, base.plan) }
                let own = try await storedWithActivations(image, adapted.plan).image
                let answers = try await ingest.compute { library in
                    let upper = try Answers.upperTower(adapted.plan, adapted.head, library)
                    // Last the base's embedding under the adapted text.
                    return try upper.substitute(sets, of: own, with: baseImage.latents) + [upper.answer(baseImage.embedding)]
                }
                func isRight(_ answer: Int) -> Bool { names.place(ofAnswer: answer) == group.index }
                outcomes.append(
                    GainOutcome(
                        base: isRight(Int(before.index)), adapted: isRight(Int(after.index)), without: answers.map { isRight($0.best) }))
                for i in lists.indices { sizes[i] += Double(lists[i].count) }
                if outcomes.count % 8 == 0 { try await reply.progress(done: outcomes.count, total: total, what: group.label) }
            }
        }
        let all = outcomes
        let shares = try await blocking { Concepts.gainShares(all, rounds: query.rounds, seed: query.seed) }
        return Explained(
            shares: zip(Answers.groups + [Answers.wholeVision], shares).enumerated().map { place, group in
                .with {
                    $0.group = group.0
                    $0.accuracyWithout = group.1.accuracyWithout
                    if place < sizes.count { $0.latents = UInt32((sizes[place] / Double(max(1, all.count))).rounded()) }
                    if let share = group.1.share { $0.share = share }
                    if let interval = group.1.interval { $0.shareInterval = message(interval) }
                }
            }, images: all.count)
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

    // MARK: Messages

    private func message(_ found: Remapping, _ chance: Remapping?, _ same: Remapping?) -> Saed_RemapReply {
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
            if let same, chance != nil { $0.figures.append(message(same.finding, "finding, same images")) }
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
            $0.images = UInt64(figures.images)
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
