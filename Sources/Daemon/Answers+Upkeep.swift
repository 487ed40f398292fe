// Upkeep: checking what is kept, removing images, freeing what nothing shows any more.

import Concepts
import Foundation
import Ingest
import Store
import Wire
import WireNIO

extension Answers {
    func verify(_ body: Saed_VerifyRequest, _ reply: ReplyStream) async throws {
        let records = try await blocking { () -> [ViewRecord] in
            guard body.hasView else { return try self.store.catalog.views(includingInactive: true) }
            return [try self.view(body.view).record]
        }
        var answer = Saed_VerifyReply()
        for (done, record) in records.enumerated() {
            try await reply.progress(done: done, total: records.count, what: record.name)
            let (report, damaged) = try await blocking { () -> (VerifyReport, [String]) in
                let report = try self.store.verify(record.id)
                return (report, try report.damaged.map { try self.store.image($0.image).map { $0.path ?? $0.hash.hex } ?? "image \($0.image)" })
            }
            answer.snapshots += UInt64(report.snapshots)
            answer.views.append(
                .with {
                    $0.view = record.name
                    $0.snapshots = UInt64(report.snapshots)
                    $0.damaged = damaged
                    $0.wrongLatents = report.wrongLatents.map(UInt32.init)
                })
        }
        answer.catalogProblems = try await blocking { try self.store.catalog.problems() }
        answer.sound = answer.catalogProblems.isEmpty && answer.views.allSatisfy { $0.damaged.isEmpty && $0.wrongLatents.isEmpty }
        try await reply.part(\.verify, answer)
    }

    func remove(_ body: Saed_ImageRemoveRequest) throws -> Saed_ImageRemoveReply {
        guard !body.images.isEmpty else { throw WireFailure(.invalidArgument, "no image is named", remedy: "name one or more") }
        // All are found before the first goes.
        var images: [ImageRecord] = []
        for image in try body.images.map(image) where !images.contains(where: { $0.id == image.id }) { images.append(image) }
        var answer = try Saed_ImageRemoveReply.with { $0.images = try images.map(message) }
        for image in images { answer.files += UInt64(try ingest.remove(image).count) }
        let freed = try store.purge(only: Set(images.map(\.id)))
        answer.snapshots = UInt64(freed.snapshots)
        answer.bytes = UInt64(freed.bytes)
        return answer
    }

    func collect(_ body: Saed_CollectRequest) throws -> Saed_CollectReply {
        let freed = try store.purge(inactiveViews: body.inactiveViews)
        return .with {
            $0.images = UInt64(freed.images)
            $0.snapshots = UInt64(freed.snapshots)
            $0.bytes = UInt64(freed.bytes)
        }
    }
}
