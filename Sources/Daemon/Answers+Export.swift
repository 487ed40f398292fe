// Export: snapshots as arrays, in one pass and with bounded memory.

import Basics
import CLIP
import Foundation
import Imaging
import Ingest
import Kernels
import Store
import Wire
import WireNIO

extension Answers {
    func export(_ body: Saed_ExportRequest, _ reply: ReplyStream) async throws {
        let (plan, images) = try await blocking { () -> (ViewPlan, [(image: ImageRecord, asked: String?)]) in
            let plan = try self.view(body.view)
            let images = try body.all
                ? self.store.images(limit: Int.max).filter { try self.store.hasSnapshot(of: $0.id, in: plan.record.id) }.map { ($0, nil) }
                : body.images.map { (try self.image($0), $0.path.isEmpty ? nil : $0.path) }
            for (image, _) in images where try !self.store.hasSnapshot(of: image.id, in: plan.record.id) {
                throw WireFailure(
                    .failedPrecondition, "image '\(image.path ?? image.hash.short)' has no snapshot in '\(plan.name)' yet",
                    remedy: "wait for it: saectl wait")
            }
            return (plan, images)
        }
        let head = body.logits ? try await classifier.head(for: plan) : nil
        if body.logits, head == nil {
            throw WireFailure(
                .failedPrecondition, "model '\(plan.model.name)' has no class list, so there are no logits",
                remedy: "give it one: saectl classes set FILE --model \(plan.model.name)")
        }
        let layout = plan.record.layout
        try await reply.part(
            .with {
                $0.export.header.view = message(plan.name)
                $0.export.header.layout = message(layout)
                $0.export.header.latents = UInt32(plan.record.latents)
                $0.export.header.images = UInt64(images.count)
                $0.export.header.width = body.activations ? UInt32(plan.record.activationWidth) : 0
                $0.export.header.classes = head?.classes ?? []
            })
        let tokens = try await reply.array("tokens_per_image", .i64, shape: [0], growing: true)
        let kinds = try await reply.array("token_kind", .u8, shape: [0], growing: true)
        let indptr = try await reply.array("indptr", .i64, shape: [0], growing: true)
        let indices = try await reply.array("indices", .i32, shape: [0], growing: true)
        let data = try await reply.array("data", .f32, shape: [0], growing: true)
        let activations = body.activations
            ? try await reply.array("activations", .f32, shape: [0, layout.count, plan.record.activationWidth], growing: true) : nil
        let logits: ReplyStream.ArrayID?
        if let head { logits = try await reply.array("logits", .f32, shape: [0, head.classes.count], growing: true) } else { logits = nil }
        let kindRow = (0..<layout.count).map { layout.kind(of: $0).rawValue }
        var entries: Int64 = 0
        try await reply.write(indptr, [entries])
        for (done, (image, asked)) in images.enumerated() {
            let snapshot = try await blocking {
                try self.store.snapshot(of: image.id, in: plan.record.id, activations: body.activations)
            }
            guard let snapshot else {
                throw WireFailure(.unavailable, "the snapshot of '\(image.path ?? image.hash.short)' went away", remedy: "ask again")
            }
            try await reply.part(
                .with {
                    $0.export.images = [
                        .with {
                            $0.id = image.hash.hex
                            $0.path = asked ?? image.path.map(absolute) ?? ""
                            $0.label = image.label ?? ""
                        }
                    ]
                })
            try await reply.write(tokens, [Int64(layout.count)])
            try await reply.write(kinds, kindRow)
            try await reply.write(indptr, snapshot.latents.indptr.dropFirst().map { entries + Int64($0) })
            entries += Int64(snapshot.latents.count)
            try await reply.write(indices, snapshot.latents.indices.map { Int32($0) })
            try await reply.write(data, snapshot.latents.values)
            if let activations {
                let values: [Float]
                if let kept = snapshot.activations { values = kept } else { values = try await self.activations(of: image, plan) }
                try await reply.write(activations, values)
            }
            if let logits, let head { try await reply.write(logits, try await classifier.logits([snapshot.embedding], head)[0]) }
            try await reply.progress(done: done + 1, total: images.count)
        }
    }

    /// Activations at the hook point that were not kept: made again from the original.
    func activations(of image: ImageRecord, _ plan: ViewPlan) async throws -> [Float] {
        let crop = try await blocking { try self.ingest.decoder.prepare(try self.original(of: image), for: [plan.facts.preprocess]).crops[plan.facts.preprocess] }
        guard let crop else { preconditionFailure("a decoder gives every crop it was asked for") }
        return try await ingest.compute { library in
            let x = try library.activations(of: crop, plan)
            return Array(UnsafeBufferPointer(start: x.pointer, count: x.count))
        }
    }
}
