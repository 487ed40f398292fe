// What a view answers: one image's classes, the accuracy over many, and where two views disagree.

import Basics
import CLIP
import Concepts
import Foundation
import Ingest
import Store
import Wire
import WireNIO

extension Answers {
    // MARK: classify

    /// Of the most frequent: an answer fits one frame.
    private static let confusionsMax = 1000

    func classify(_ body: Saed_ClassifyRequest) async throws -> Saed_ClassifyReply {
        let plan = try view(body.view)
        guard let head = try await classifier.head(for: plan) else { throw noClasses(plan) }
        switch try await blocking({ try self.target(of: body) }) {
        case let .image(image): return try await classify(image, plan, head, top: body.top == 0 ? 10 : Int(body.top))
        case let .many(scope): return try await classify(scope, plan, head)
        }
    }

    func noClasses(_ plan: ViewPlan) -> WireFailure {
        WireFailure(
            .failedPrecondition, "model '\(plan.model.name)' has no class list, so it has no answers",
            remedy: "give it one: saectl classes set FILE --model \(plan.model.name)")
    }

    private enum Target {
        case image(ImageRecord)
        case many(ImageScope)
    }

    /// A file of the user's is an image; `all` and the name of a data set are that; else it names an image.
    private func target(of body: Saed_ClassifyRequest) throws -> Target {
        if let path = relative(body.image.path), let record = try store.path(path), let image = try store.image(record.image) { return .image(image) }
        if let hash = ContentHash(bytes: Array(body.image.sha256)), let image = try store.image(hash: hash), !image.absent { return .image(image) }
        if body.target == "all" { return .many(try scope(label: nil, dataset: nil)) }
        do {
            return .many(try scope(label: nil, dataset: body.target))
        } catch let missing as WireFailure where missing.code == .notFound {
            do {
                return .image(try image(body.image))
            } catch let failure as WireFailure where failure.code == .notFound {
                throw WireFailure(
                    .notFound, "'\(body.target)' is neither an image nor a data set", remedy: "give an image, the name of a data set, or all",
                    candidates: missing.candidates)
            }
        }
    }

    private func classify(_ image: ImageRecord, _ plan: ViewPlan, _ head: ViewHead, top: Int) async throws -> Saed_ClassifyReply {
        guard let snapshot = try await blocking({ try self.store.snapshot(of: image.id, in: plan.record.id) }) else {
            throw ConceptsError.noSnapshot(image: image.path ?? image.hash.short, view: plan.name.description)
        }
        let logits = try await classifier.logits([snapshot.embedding], head)[0]
        return try .with {
            $0.view = message(plan.name)
            $0.image = try message(image)
            $0.scope = "image \(image.path ?? image.hash.short)"
            $0.classes = message(logits, head, top: top)
        }
    }

    private func classify(_ scope: ImageScope, _ plan: ViewPlan, _ head: ViewHead) async throws -> Saed_ClassifyReply {
        let answers = try await classifier.answers(head)
        return try await blocking {
            let chosen = scope.images.map { wanted in answers.filter { wanted.contains($0.key) } } ?? answers
            let accuracy = Concepts.accuracy(chosen, classes: head.classes, labels: self.store.labels(of: scope.images))
            var said: [Int32: Int] = [:]
            for answer in chosen.values { said[answer.index, default: 0] += 1 }
            return .with {
                $0.view = self.message(plan.name)
                $0.scope = scope.text
                $0.images = UInt64(chosen.count)
                $0.labelled = UInt64(accuracy.images)
                $0.right = UInt64(accuracy.right)
                $0.accuracy = accuracy.accuracy ?? 0
                if let interval = accuracy.interval { $0.interval = self.message(interval) }
                $0.macroAccuracy = accuracy.macroAccuracy ?? 0
                $0.perClass = accuracy.classes.sorted { ($0.accuracy, $0.label) < ($1.accuracy, $1.label) }.map { row in
                    .with {
                        $0.label = row.label
                        $0.images = UInt64(row.images)
                        $0.right = UInt64(row.right)
                        $0.accuracy = row.accuracy
                        $0.interval = self.message(row.interval)
                    }
                }
                $0.confusions = accuracy.confusions.prefix(Answers.confusionsMax).map { row in
                    .with {
                        $0.label = row.label
                        $0.answer = row.answer
                        $0.images = UInt64(row.images)
                    }
                }
                $0.answers = said.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { answer, images in
                    .with {
                        $0.answer = head.classes[Int(answer)]
                        $0.images = UInt64(images)
                    }
                }
                $0.definitions = [
                    "right: the likeliest of \(head.classes.count) classes is the image's label ('_' reads as ' ', case is ignored)",
                    "intervals: Wilson, 95 %; images without a label among the classes are not counted",
                ]
                $0.notes = self.notes(answered: chosen.count, scope, plan)
            }
        }
    }

    /// Images of a scope that have no snapshot yet are not in its figures; who reads them should know.
    private func notes(answered: Int, _ scope: ImageScope, _ plan: ViewPlan) -> [String] {
        let wanted = scope.images?.count ?? store.imageCount
        guard answered < wanted else { return [] }
        return ["\(wanted - answered) images have no snapshot in '\(plan.name)' yet and are not counted; saectl wait"]
    }

    // MARK: disagree

    private static let disagreementsAPart = 500

    func disagree(_ body: Saed_DisagreeRequest, _ reply: ReplyStream) async throws {
        let (base, adapted) = try views(body.base, body.adapted)
        let (adaptedHead, before, after) = try await answers(base, adapted)
        let limit = body.limit == 0 ? 50 : Int(body.limit), offset = Int(body.offset)
        let (page, counts) = try await blocking { () -> ([Saed_Disagreement], (total: Int, compared: Int, fixed: Int, broken: Int)) in
            let scope = try self.scope(label: body.hasLabel ? body.label : nil, dataset: body.hasDataset ? body.dataset : nil)
            let all = self.concepts.disagreements(before, after, classes: adaptedHead.classes, images: scope.images, label: scope.label)
            let page = try all.differing.dropFirst(offset).prefix(limit).compactMap { item -> Saed_Disagreement? in
                guard let image = try self.store.image(item.image) else { return nil }
                return try .with {
                    $0.image = try self.message(image)
                    $0.baseAnswer = adaptedHead.classes[Int(item.base.index)]
                    $0.adaptedAnswer = adaptedHead.classes[Int(item.adapted.index)]
                    $0.baseProbability = Double(item.base.probability)
                    $0.adaptedProbability = Double(item.adapted.probability)
                    $0.baseRight = item.baseRight
                    $0.adaptedRight = item.adaptedRight
                }
            }
            return (page, (all.differing.count, all.compared, all.fixed, all.broken))
        }
        for some in page.pages(of: Answers.disagreementsAPart) {
            try await reply.part(
                .with {
                    $0.disagree.images = Array(some)
                    $0.disagree.total = UInt64(counts.total)
                    $0.disagree.compared = UInt64(counts.compared)
                    $0.disagree.fixed = UInt64(counts.fixed)
                    $0.disagree.broken = UInt64(counts.broken)
                })
        }
    }

    /// What both views answer, to the classes of one list.
    func answers(
        _ base: ViewPlan, _ adapted: ViewPlan
    ) async throws -> (head: ViewHead, base: [ImageRecord.ID: Answer], adapted: [ImageRecord.ID: Answer]) {
        guard let baseHead = try await classifier.head(for: base), let adaptedHead = try await classifier.head(for: adapted) else { throw noClasses(adapted) }
        guard baseHead.classes == adaptedHead.classes else { throw WireFailure(.unavailable, "the class list changed just now", remedy: "ask again") }
        return (adaptedHead, try await classifier.answers(baseHead), try await classifier.answers(adaptedHead))
    }

    // MARK: Messages

    func message(_ interval: Interval) -> Saed_Interval {
        .with {
            $0.low = interval.low
            $0.high = interval.high
        }
    }
}
