// Images: lists, and one image with its latents, those of a patch, and the classifier's answer.

import Basics
import CLIP
import Concepts
import Foundation
import Imaging
import Ingest
import Store
import Wire
import WireNIO

extension Answers {
    /// Images of one part of a list: small enough for a frame whatever their paths.
    private static let imagesAPart = 500

    func images(_ body: Saed_ImagesRequest, _ reply: ReplyStream) async throws {
        let limit = body.limit == 0 ? 50 : Int(body.limit)
        let label = body.hasLabel ? body.label : nil
        let (images, total) = try await blocking { () -> ([Saed_RankedImage], Int) in
            body.hasLatent
                ? try self.images(ofLatent: body, label: label, limit: limit)
                : try self.images(label: label, offset: Int(body.offset), limit: limit)
        }
        for page in images.pages(of: Answers.imagesAPart) {
            try await reply.part(
                .with {
                    $0.images.images = Array(page)
                    $0.images.total = UInt64(total)
                })
        }
    }

    private func images(label: String?, offset: Int, limit: Int) throws -> ([Saed_RankedImage], Int) {
        let total = store.imageCount(label: label)
        let records = try store.images(label: label, skipping: offset, limit: max(0, min(total - offset, limit)))
        return (try records.map { record in try .with { $0.image = try message(record) } }, total)
    }

    private func images(ofLatent body: Saed_ImagesRequest, label: String?, limit: Int) throws -> ([Saed_RankedImage], Int) {
        let plan = try view(body.view)
        try check(latent: body.latent, plan)
        let offset = Int(body.offset)
        var query = LatentQuery(top: offset + limit, order: body.by == .peak ? .peak : .mean)
        query.label = label
        let list = try concepts.imagesByLatent(Int(body.latent), in: plan.record, query)
        let ranked = try list.enumerated().dropFirst(offset).map { rank, image in try message(image, latent: Int(body.latent), rank: rank + 1) }
        return (ranked, try concepts.imageCount(ofLatent: Int(body.latent), in: plan.record, label: label))
    }

    func show(_ body: Saed_ShowRequest) async throws -> Saed_ShowReply {
        let top = body.top == 0 ? 10 : Int(body.top)
        let (plan, answer, embedding) = try await blocking { () -> (ViewPlan, Saed_ShowReply, [Float]) in
            let plan = try self.view(body.view)
            let image = try self.image(body.image)
            var query = SpectrumQuery(top: top, order: body.by == .peak ? .peak : .mean)
            query.maxFrequency = body.hasMaxFrequency ? body.maxFrequency : nil
            let frequencies = try self.store.aggregates(in: plan.record.id)
            let whole = try self.concepts.imageLatents(of: image, in: plan.record, query)
            var reply = Saed_ShowReply()
            reply.image = try self.message(image)
            reply.view = self.message(plan.name)
            reply.layout = self.message(plan.record.layout)
            reply.kinds = self.message(whole.l0, whole.activeByKind)
            reply.latents = whole.latents.map { self.message($0, frequencies) }
            if body.hasPatch {
                let (row, column) = (Int(body.patch.row), Int(body.patch.column))
                query.patch = (row, column)
                let patch = try self.concepts.imageLatents(of: image, in: plan.record, query)
                reply.patch.patch = body.patch
                reply.patch.token = UInt32(plan.record.layout.token(row: row, column: column) ?? 0)
                reply.patch.active = UInt32(patch.active)
                reply.patch.latents = patch.latents.map { latent in
                    var hit = self.message(latent, frequencies)
                    hit.value = Float(latent.value)
                    return hit
                }
            }
            return (plan, reply, whole.embedding)
        }
        var reply = answer
        if let head = try await classifier.head(for: plan) {
            reply.classes = message(try await classifier.logits([embedding], head)[0], head, top: top)
        } else {
            reply.classesNote = "model '\(plan.model.name)' has no class list; give it one: saectl classes set FILE --model \(plan.model.name)"
        }
        return reply
    }

    /// The likeliest classes first; ties by lower index.
    func message(_ logits: [Float], _ head: ViewHead, top: Int) -> [Saed_ClassProbability] {
        let probabilities = ZeroShotHead.probabilities(logits)
        let order = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
        return order.prefix(top).map { i in
            .with {
                $0.name = head.classes[i]
                $0.probability = Double(probabilities[i])
                $0.logit = Double(logits[i])
            }
        }
    }

    func check(latent: UInt32, _ plan: ViewPlan) throws {
        guard Int(latent) < plan.record.latents else {
            throw ConceptsError.noLatent(latent: Int(latent), latents: plan.record.latents)
        }
    }

    // MARK: Messages

    func message(_ record: ImageRecord) throws -> Saed_ImageInfo {
        let paths = try store.paths(of: record.id)
        return .with {
            $0.id = record.hash.hex
            $0.paths = paths.map { absolute($0.path) }
            $0.label = record.label ?? ""
            $0.width = UInt32(record.width)
            $0.height = UInt32(record.height)
            $0.format = record.format
            $0.bytes = UInt64(paths.first?.size ?? 0)
            $0.firstSeenMs = milliseconds(record.firstSeen)
        }
    }

    func message(_ image: LatentImage, latent: Int, rank: Int) throws -> Saed_RankedImage {
        let record = try store.image(.init(rawValue: image.imageNumber))
        return try .with {
            if let record { $0.image = try message(record) }
            $0.rank = UInt32(rank)
            $0.hit = .with {
                $0.latent = UInt32(latent)
                $0.mean = image.mean
                $0.peak = Float(image.peak)
                if let row = image.peakRow, let column = image.peakColumn {
                    $0.peakPatch = .with { $0.row = UInt32(row); $0.column = UInt32(column) }
                }
                $0.patchesActive = UInt32(image.activePatches)
                $0.classValue = Float(image.classValue)
            }
        }
    }

    private func message(_ latent: ImageLatent, _ aggregates: Aggregates) -> Saed_LatentHit {
        .with {
            $0.latent = UInt32(latent.latent)
            $0.mean = latent.mean
            $0.peak = Float(latent.peak)
            if let row = latent.peakRow, let column = latent.peakColumn {
                $0.peakPatch = .with { $0.row = UInt32(row); $0.column = UInt32(column) }
            }
            $0.patchesActive = UInt32(latent.activePatches)
            $0.classValue = Float(latent.classValue)
            $0.frequency = aggregates.images > 0 ? Double(aggregates.latents[latent.latent].patchImages) / Double(aggregates.images) : 0
        }
    }

    private func message(_ counts: TokenCounts, _ active: [TokenKind: Int]) -> [Saed_KindActivity] {
        let tokens: [(TokenKind, [Int])] = [(.class, [counts.classToken]), (.patch, counts.patches), (.prompt, counts.prompts)]
        return tokens.filter { !$0.1.isEmpty }.map { kind, values in
            .with {
                $0.kind = message(kind)
                $0.tokens = UInt32(values.count)
                $0.l0 = Double(values.reduce(0, +)) / Double(values.count)
                $0.latents = UInt32(active[kind] ?? 0)
            }
        }
    }

    func message(_ kind: TokenKind) -> Saed_TokenKind {
        switch kind {
        case .class: .class
        case .patch: .patch
        case .prompt: .prompt
        }
    }
}
