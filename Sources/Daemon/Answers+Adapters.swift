// Adapters: listed, added, switched, removed, exported.

import Basics
import CLIP
import Foundation
import Ingest
import Store
import Wire
import WireNIO

extension Answers {
    func adapters(model name: String) throws -> [Saed_AdapterInfo] {
        let models = try name.isEmpty ? store.catalog.models(includingInactive: true) : [registry.modelOrOnly(name)]
        return try models.flatMap { model in try registry.listedAdapters(model: model.id).map { try message($0, model) } }
    }

    func adapterAdd(_ body: Saed_AdapterAddRequest) throws -> Saed_AdapterAddReply {
        let position: ClassPosition
        if body.classPosition.isEmpty {
            position = .end
        } else {
            guard let given = ClassPosition(rawValue: body.classPosition) else {
                throw WireFailure(
                    .invalidArgument, "'\(body.classPosition)' is no place of the class name",
                    remedy: "use " + ClassPosition.allCases.map(\.rawValue).joined(separator: ", "))
            }
            position = given
        }
        let record = try ingest.importAdapter(
            path: body.path, model: body.model.isEmpty ? nil : body.model, name: body.name, classPosition: position)
        return try .with {
            $0.adapter = try message(AdapterPlan(record), store.catalog.model(record.model))
            $0.backfill = UInt64(try backfill { $0.adapter.record.id == record.id })
            $0.note = note($0.adapter)
        }
    }

    func adapterChange(_ body: Saed_AdapterChangeRequest) throws -> Saed_AdapterChangeReply {
        let (plan, model) = try registry.adapter(named: body.name, model: body.model.isEmpty ? nil : body.model)
        var reply = Saed_AdapterChangeReply()
        switch body.action {
        case .activate, .deactivate: try registry.setAdapter(plan.record.id, enabled: body.action == .activate)
        case .remove:
            reply.adapter = try message(plan, model)
            if let place = try ingest.removeAdapter(plan) { reply.note = "its checkpoint is now at \(place)" }
            return reply
        case .unspecified, .UNRECOGNIZED:
            throw WireFailure(.invalidArgument, "no action was named", remedy: "activate, deactivate or remove")
        }
        let changed = try registry.adapter(named: body.name, model: model.name).plan
        reply.adapter = try message(changed, model)
        reply.backfill = UInt64(try backfill { $0.adapter.record.id == changed.record.id })
        reply.note = note(reply.adapter)
        return reply
    }

    /// The adapter in our own format, file by file.
    func adapterExport(_ body: Saed_AdapterExportRequest, _ reply: ReplyStream) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/saed-export-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let files = try await blocking { () -> [(name: String, bytes: [UInt8])] in
            let (plan, model) = try self.registry.adapter(named: body.name, model: body.model.isEmpty ? nil : body.model)
            guard let facts = plan.facts, FileManager.default.fileExists(atPath: facts.path) else {
                throw WireFailure(.failedPrecondition, "the file of adapter '\(body.name)' is gone", remedy: "put it back: \(plan.facts?.path ?? "")")
            }
            let adapter = try Adapter.load(path: facts.path, classPosition: facts.classPosition, model: CLIPModel.load(folder: model.folder))
            guard adapter.summary.contentHash == plan.record.contentHash else {
                throw WireFailure(.failedPrecondition, "the file of adapter '\(body.name)' has changed", remedy: "add it again: saectl adapter add \(facts.path) --model \(model.name) --name \(body.name)")
            }
            try adapter.export(to: folder)
            return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
                (name, try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder + "/" + name))))
            }
        }
        try await reply.part(
            .with {
                $0.adapterExport.files = files.map { file in .with { $0.name = file.name; $0.bytes = UInt64(file.bytes.count) } }
            })
        for file in files {
            let array = try await reply.array(file.name, .u8, shape: [file.bytes.count])
            try await reply.write(array, file.bytes)
        }
    }

    /// What a person may wonder about.
    private func note(_ adapter: Saed_AdapterInfo) -> String {
        switch (adapter.state, adapter.sharesWith) {
        case ("deactivated", _): "it is deactivated; saectl adapter activate \(adapter.name) switches it on"
        case (_, ""): ""
        case (_, ViewName.baseAdapter): "it changes the text side alone: the base's snapshots are its own too"
        case (_, let other): "its content is that of '\(other)', whose snapshots it uses"
        }
    }

    func message(_ plan: AdapterPlan, _ model: ModelRecord) throws -> Saed_AdapterInfo {
        let views = registry.views.filter { $0.adapter.record.id == plan.record.id }
        return try .with {
            $0.name = plan.record.name
            $0.model = model.name
            $0.contentHash = plan.record.contentHash.hex
            $0.state = plan.state.rawValue
            $0.addedMs = milliseconds(plan.record.added)
            $0.views = views.map { message($0.name) }
            if plan.isBase {
                $0.method = ViewName.baseAdapter
                $0.contentHash = ""
            }
            if let facts = plan.facts {
                $0.method = facts.method.rawValue
                $0.prompts = UInt32(facts.visionPrompts)
                $0.visionDepth = UInt32(facts.visionDepth)
                $0.textPrompts = UInt32(facts.textPrompts)
                $0.textDepth = UInt32(facts.textDepth)
                $0.path = facts.path
                $0.parameters = UInt64(facts.parameters)
                $0.classPosition = facts.method == .coop ? facts.classPosition.rawValue : ""
                let owners = views.compactMap { ViewName($0.record.name)?.adapter }
                $0.sharesWith = owners.first { $0 != plan.record.name } ?? ""
            }
            for view in views {
                let counts = try store.counts(of: view.record.id)
                $0.snapshots += UInt64(counts.images)
                if view.ownsSnapshots { $0.queued += UInt64(max(0, store.imageCount - counts.images)) }
            }
        }
    }
}
