// A server in the test's own process that answers as a daemon would, and remembers what it was asked.

import Synchronization
import Wire
import WireNIO

/// Plays a daemon with two images, one of which fails.
final class PlayedDaemon: RequestHandler {
    let drop: String
    let seen = Mutex<[Saed_Request]>([])

    init(drop: String) { self.drop = drop }

    func handle(_ request: Saed_Request, from peer: Peer, into reply: ReplyStream) async throws {
        seen.withLock { $0.append(request) }
        var part = Saed_Reply()
        switch request.body {
        case .status:
            part.status = .with {
                $0.version = "9.9.9"
                $0.state = "ready"
                $0.drop = drop
                $0.queued = 3
                $0.views = [.with {
                    $0.name = .with { ($0.model, $0.adapter, $0.sae) = ("scenes", "base", "scenes") }
                    $0.snapshots = 42
                    $0.l0 = [.with { ($0.kind, $0.l0) = (.patch, 12.5) }]
                }]
            }
        case let .wait(wait):
            try await reply.progress(done: 1, total: 4, what: "2.jpg")
            part.wait = .with {
                $0.idle = !wait.hasTimeoutMs
                $0.queued = 3
                $0.pending = ["2.jpg"]
            }
        case let .follow(follow):
            for path in follow.paths {
                part.follow.files = [.with {
                    $0.path = path
                    $0.state = path.hasSuffix("bad.jpg") ? .failed : .done
                    $0.reason = path.hasSuffix("bad.jpg") ? "the JPEG ends early: send it whole" : ""
                    $0.image = "ab"
                }]
                try await reply.part(part)
            }
            return
        case .heatmap:
            part.heatmap = .with {
                ($0.width, $0.height, $0.layout) = (4, 2, .with { ($0.rows, $0.columns) = (1, 2) })
                $0.values = [0, 1.5]
            }
            try await reply.part(part)
            let png = try await reply.array("png", .u8, shape: [0], growing: true)
            try await reply.write(png, Array("not ".utf8))
            try await reply.write(png, Array("a PNG".utf8))
            return
        case .images:
            for number in 0..<3000 {
                part.images.images = [.with { $0.image = .with { ($0.id, $0.paths) = (String(number), ["/drop/images/a rather long name \(number).jpg"]) } }]
                part.images.total = 3000
                try await reply.part(part)
            }
            return
        case .latents: part.latents = .with { $0.dictionary = 8 }
        case .watch:
            part.event = .with { ($0.kind, $0.path) = (.pathAdded, "/a\n.jpg") }
            try await reply.part(part)
            return
        case .classesSet: part.classesSet = .with { ($0.model, $0.classes, $0.templates) = ("scenes", 2, 1) }
        case .adapters:
            for adapter in Sample.adapters {
                part.adapters.adapters = [adapter]
                try await reply.part(part)
            }
            return
        case let .adapterAdd(add):
            part.adapterAdd = .with { ($0.adapter, $0.backfill, $0.note) = (Sample.adapters[1], 400, add.classPosition) }
        case let .adapterChange(change):
            part.adapterChange = .with {
                $0.adapter = Sample.adapters[1]
                if change.action == .activate { $0.backfill = 1 }
                if change.action == .remove { $0.note = "its file was moved to /srv/removed" }
            }
        case let .adapterExport(export):
            part.adapterExport.files = [.with { ($0.name, $0.bytes) = ("adapter.json", 2) }, .with { ($0.name, $0.bytes) = ("adapter.safetensors", 9) }]
            try await reply.part(part)
            let json = try await reply.array(export.name == "evil" ? "../adapter.json" : "adapter.json", .u8, shape: [2])
            try await reply.write(json, Array("{}".utf8))
            guard export.name != "half" else { throw WireFailure(.internal, "the store is gone") }
            let tensors = try await reply.array("adapter.safetensors", .u8, shape: [9])
            try await reply.write(tensors, Array("four".utf8))
            try await reply.write(tensors, Array("-five".utf8))
            return
        case .compare: part.compare = Sample.compare
        case .remap:
            // In two parts, the second of which has the classes but the first.
            try await reply.progress(done: 1, total: 2, what: "ablation")
            part.remap = Sample.remap
            part.remap.classes = [Sample.remap.classes[0]]
            try await reply.part(part)
            part.remap = .with { $0.classes = Array(Sample.remap.classes.dropFirst()) }
        case .ablate: part.ablate = Sample.ablate
        case let .classify(classify): part.classify = classify.target == "shifted" ? Sample.classify : Sample.classifyImage
        case let .disagree(disagree): part.disagree = disagree.hasLabel ? .with { $0.compared = 7 } : Sample.disagree
        case .saeRandom: part.saeRandom = .with { $0.sae = .with { ($0.name, $0.model, $0.hook) = ("random", "scenes", "blocks.4.resid_post") } }
        case let .explain(explain):
            part.explain = Sample.explain
            if explain.picture { return try await send(part, "png", explain.top == 1 ? [] : ["a P", "NG"], to: reply) }
        case .steer: part.steer = Sample.steer
        case let .find(find): part.find = find.text == "none" ? .with { $0.text = "none" } : Sample.find
        case let .name(name):
            if name.hasLatent {
                part.name = Sample.nameOne
            } else {
                try await reply.progress(done: 1, total: 3, what: "latent 7")
                part.name = .with { $0.names = Array(Sample.nameAll.names.prefix(1)) }
                try await reply.part(part)
                part.name = Sample.nameAll
                part.name.names.removeFirst()
            }
        case let .similar(similar): part.similar = similar.limit == 7 ? .init() : similar.hasPatch ? Sample.similarPatch : Sample.similar
        case let .report(report):
            try await reply.progress(done: 1, total: 2, what: "remap")
            part.report = Sample.report
            return try await send(part, "html", ["<html>", "report"], to: reply, breakingOff: report.dataset == "gone")
        case .atlas:
            part.atlas = Sample.atlas
            return try await send(part, "html", ["<html>", "atlas"], to: reply)
        default: throw WireFailure(.ambiguous, "'1.jpg' names 2 images", remedy: "name one of them", candidates: ["a/1.jpg", "b/1.jpg"])
        }
        try await reply.part(part)
    }

    private func send(_ part: Saed_Reply, _ name: String, _ pieces: [String], to reply: ReplyStream, breakingOff: Bool = false) async throws {
        try await reply.part(part)
        guard !pieces.isEmpty else { return }
        let file = try await reply.array(name, .u8, shape: [0], growing: true)
        for piece in pieces {
            try await reply.write(file, Array(piece.utf8))
            if breakingOff { throw WireFailure(.internal, "the store is gone") }
        }
    }
}
