// A server that plays a daemon at work: images come while a client listens, and it may go and come back.

import Foundation
import Synchronization
import Wire
import WireNIO

/// Knows images by number (`Live.id`), each committed under the base view or not.
final class PlayedIngest: RequestHandler {
    private struct State {
        var committed: Set<Int> = []
        var noticed: [Int] = []
        var failures: [Saed_Failure] = []
        var listeners: [AsyncStream<Saed_Event>.Continuation] = []
    }

    private let state = Mutex(State())

    init(noticed: [Int], committed: [Int], failures: [Saed_Failure] = []) {
        state.withLock { ($0.noticed, $0.committed, $0.failures) = (noticed, Set(committed), failures) }
    }

    var listenerCount: Int { state.withLock { $0.listeners.count } }

    /// Images from long ago, one a second; live ones are of now.
    private static func event(_ number: Int, at time: Int64) -> Saed_Event { Live.committed(number, "/drop/images/\(number).jpg", label: "star", at: time) }

    func commit(_ number: Int) {
        state.withLock { state in
            if !state.noticed.contains(number) { state.noticed.append(number) }
            state.committed.insert(number)
            for listener in state.listeners { listener.yield(PlayedIngest.event(number, at: PlayedIngest.now)) }
        }
    }

    func tell(_ event: Saed_Event) { state.withLock { state in state.listeners.forEach { $0.yield(event) } } }

    static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1000) }

    /// Those up to 100 are old, the others of now.
    private func firstSeen(_ number: Int) -> Int64 { number <= 100 ? Live.now + Int64(number) * 1000 : PlayedIngest.now }

    private func info(_ number: Int) -> Saed_ImageInfo {
        .with { ($0.id, $0.paths, $0.label, $0.firstSeenMs) = (Live.id(number), ["/drop/images/\(number).jpg"], "star", firstSeen(number)) }
    }

    func handle(_ request: Saed_Request, from peer: Peer, into reply: ReplyStream) async throws {
        var part = Saed_Reply()
        switch request.body {
        case .status:
            part.status = Live.status
            part.status.drop = "/drop"
            part.status.views = [Live.status.views[0]]
            part.status.failures = UInt64(state.withLock { $0.failures.count })
        case let .images(images):
            let all = state.withLock { $0.noticed }
            part.images.images = all.dropFirst(Int(images.offset)).prefix(Int(images.limit)).map { number in .with { $0.image = info(number) } }
            part.images.total = UInt64(all.count)
        case let .failures(failures):
            part.failures.failures = Array(state.withLock { $0.failures }.prefix(Int(failures.limit)))
        case let .show(show):
            guard let number = state.withLock({ $0.committed.first { Live.id($0) == show.image.text } }) else { throw WireFailure(.notFound, "no snapshot") }
            part.show = .with {
                ($0.image, $0.view) = (info(number), Live.base)
                $0.kinds = [.with { ($0.kind, $0.tokens, $0.l0) = (.patch, 4, Double(200 + number) / 4) }]
                $0.classes = [.with { ($0.name, $0.probability, $0.logit) = ("star", 0.75, 3) }, .with { ($0.name, $0.probability, $0.logit) = ("square", 0.25, 1.5) }]
            }
        case let .latents(latents):
            guard ["", "base"].contains(latents.view.adapter) else { throw WireFailure(.notFound, "no view '\(latents.view.adapter)'", remedy: "see `saectl views`") }
            part.latents.view = Live.base
        case .watch:
            for await event in AsyncStream(Saed_Event.self, { continuation in state.withLock { $0.listeners.append(continuation) } }) {
                part.event = event
                try await reply.part(part)
            }
            return
        case .heatmap:
            part.heatmap = .with { ($0.width, $0.height, $0.layout, $0.values) = (64, 45, .with { ($0.rows, $0.columns) = (1, 2) }, [0, 1.5]) }
            try await reply.part(part)
            let png = try await reply.array("png", .u8, shape: [0], growing: true)
            let file = (#filePath as NSString).deletingLastPathComponent + "/Golden/pictures/rgb.png"
            return try await reply.write(png, [UInt8](Data(contentsOf: URL(fileURLWithPath: file))))
        default: throw WireFailure(.unsupported, "not played")
        }
        try await reply.part(part)
    }
}
