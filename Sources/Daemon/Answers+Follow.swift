// Requests that last: wait until nothing is queued, follow files to their end, watch what happens.

import Basics
import Foundation
import Ingest
import Store
import Synchronization
import Wire
import WireNIO

extension Answers {
    /// How often a waiting client is told of progress.
    private static let tick = Duration.milliseconds(100)

    // MARK: wait

    func wait(_ body: Saed_WaitRequest, _ reply: ReplyStream) async throws {
        let deadline = body.hasTimeoutMs ? ContinuousClock.now + .milliseconds(Int64(clamping: body.timeoutMs)) : nil
        let failedBefore = try await blocking { try self.store.catalog.failureCount() }
        var most = 0
        while true {
            let (counts, controls) = try await blocking { (self.ingest.settledCounts(), body.controls ? try self.ingest.controls.left() : 0) }
            let left = counts.queued + controls
            most = max(most, left)
            let idle = left == 0
            let over = deadline.map { $0 <= .now } ?? false
            if idle || over {
                let failed = try await blocking { try self.store.catalog.failureCount() }
                let pending = idle ? [] : try await blocking { try self.pending(counts, controls: controls) }
                try await reply.part(
                    .with {
                        $0.wait.idle = idle
                        $0.wait.queued = UInt64(left)
                        $0.wait.pending = pending
                        $0.wait.failed = UInt64(max(0, failed - failedBefore))
                    })
                return
            }
            try await reply.progress(
                done: most - left, total: most, what: counts.queued == 0 ? "snapshots of controls" : counts.files > counts.snapshots ? "files" : "snapshots", perSecond: ingest.rate)
            try await Task.sleep(for: min(Answers.tick, deadline.map { max(.milliseconds(1), $0 - .now) } ?? Answers.tick))
        }
    }

    /// Some of what is queued, for people.
    private func pending(_ counts: WorkCounts, controls: Int) throws -> [String] {
        var names: [String] = []
        if counts.files > 0 {
            names.append("\(counts.files == 1 ? "a file or folder" : "\(counts.files) files or folders") in the drop folder that came just now or is still written")
        }
        for plan in registry.workingViews {
            for image in try store.imagesLackingSnapshot(in: plan.record.id, limit: 5) {
                names.append("\(image.path ?? image.hash.short) in \(plan.name)")
            }
        }
        if controls > 0 { names = names.prefix(9) + ["\(controls) snapshots of controls"] }
        return Array(names.prefix(10))
    }

    // MARK: follow

    /// Each path's end is told once: committed under every view, failed, or gone.
    func follow(_ body: Saed_FollowRequest, _ reply: ReplyStream) async throws {
        let folder = body.folder.isEmpty || body.folder.hasSuffix("/") ? body.folder : body.folder + "/"
        let followed = Followed(body.paths, folder: folder)
        // Listening begins before the first look, so that nothing falls between them.
        let events = ingest.activity.listen(capacity: 65_536)
        let listening = Task { for await event in events { followed.hear(event.event, absolute: self.absolute) } }
        defer { listening.cancel() }
        try await blocking { for path in body.paths { self.ingest.look(at: self.relative(folder + path) ?? path) } }
        var failed = 0
        while true {
            let ended = try await blocking { () -> [Saed_FileOutcome] in
                try followed.takeTouched().compactMap { sent in
                    let outcome = try self.outcome(of: self.relative(folder + sent) ?? sent, sent: sent) { followed.note($0, of: sent) }
                    if outcome != nil { followed.end(sent) }
                    return outcome
                }
            }
            failed += ended.count { $0.state == .failed }
            for start in stride(from: 0, to: ended.count, by: 1000) {
                try await reply.part(.with { $0.follow.files = Array(ended[start..<min(ended.count, start + 1000)]) })
            }
            let open = followed.openCount
            try await reply.progress(done: followed.total - open, total: followed.total, failed: failed, perSecond: ingest.rate)
            if open == 0 { return }
            // A thousand commits within a tick are one look. What ends without an event (taken away before it was
            // noticed) is seen when nothing is left to do.
            var ticks = 0
            repeat {
                try await Task.sleep(for: Answers.tick)
                ticks += 1
                if ticks % 10 == 0, try await blocking({ self.ingest.settledCounts() }).queued == 0 { followed.touchAll() }
            } while !followed.isTouched
        }
    }

    /// What became of a path, nil while it is under way.
    /// - Parameter found: told the image before its snapshots are looked for: a commit after that is heard.
    private func outcome(of path: String, sent: String, found: (ContentHash) -> Void) throws -> Saed_FileOutcome? {
        func ended(_ state: Saed_FileState, image: String = "", reason: String = "") -> Saed_FileOutcome {
            .with {
                $0.path = sent
                $0.state = state
                $0.image = image
                $0.reason = reason
            }
        }
        if let record = try store.path(path), let image = try store.image(record.image) {
            found(image.hash)
            let lacking = try registry.workingViews.contains { try !store.hasSnapshot(of: image.id, in: $0.record.id) }
            return lacking ? nil : ended(.done, image: image.hash.hex)
        }
        let exists = FileManager.default.fileExists(atPath: absolute(path))
        if let failure = try store.catalog.failure(path: path), !exists || failure.quarantine == nil {
            return ended(.failed, reason: failure.reason)
        }
        guard exists else { return ended(.gone, reason: "taken away before it was read") }
        if let name = path.split(separator: "/").first(where: { IgnoredNames.contains(String($0)) }) {
            return ended(.failed, reason: "'\(name)' is a name for files that are still being written, or hidden; rename it")
        }
        return nil
    }

    // MARK: watch

    func watch(_ reply: ReplyStream) async throws {
        for await timed in ingest.activity.listen() {
            try await reply.part(.with { $0.event = message(timed) })
        }
    }

    private func message(_ timed: TimedEvent) -> Saed_Event {
        var event = Saed_Event()
        event.timeMs = milliseconds(timed.time.timeIntervalSince1970)
        switch timed.event {
        case let .committed(image, path, label, view, latents, _):
            event.kind = .committed
            event.image = image.hex
            event.path = path.map(absolute) ?? ""
            event.label = label ?? ""
            event.view = message(view)
            event.count = UInt64(latents)
        case let .pathAdded(path, image, label):
            event.kind = .pathAdded
            event.path = absolute(path)
            event.image = image.hex
            event.label = label ?? ""
        case let .pathMoved(from, to, image):
            event.kind = .pathMoved
            event.image = image?.hex ?? ""
            event.path = absolute(to)
            event.text = absolute(from)
        case let .pathRemoved(path, image):
            event.kind = .pathRemoved
            event.image = image?.hex ?? ""
            event.path = absolute(path)
        case let .failed(path, reason, quarantine):
            event.kind = .failed
            event.path = absolute(path)
            event.text = quarantine.map { "\(reason) (now at \($0))" } ?? reason
        case let .modelAdded(name):
            event.kind = .modelAdded
            event.text = name
        case let .modelRemoved(name):
            event.kind = .modelRemoved
            event.text = name
        case let .saeAdded(name, model):
            event.kind = .saeAdded
            event.text = "\(name) of \(model)"
        case let .saeRemoved(name):
            event.kind = .saeRemoved
            event.text = name
        case let .adapterAdded(name, model):
            event.kind = .adapterAdded
            event.text = "\(name) of \(model)"
        case let .adapterChanged(name, model, state):
            event.kind = .adapterChanged
            event.text = "\(name) of \(model): \(state.rawValue)"
        case let .adapterRemoved(name, model):
            event.kind = .adapterRemoved
            event.text = "\(name) of \(model)"
        case let .backfill(view, left):
            event.kind = .backfill
            event.view = message(view)
            event.count = UInt64(left)
            event.text = "\(left) images to encode"
        case let .classesSet(model, count):
            event.kind = .classesSet
            event.text = model
            event.count = UInt64(count)
        case let .warning(text):
            event.kind = .warning
            event.text = text
        case .busy: event.kind = .busy
        case .idle: event.kind = .idle
        case .rescanned: event.kind = .rescanned
        case .stopping: event.kind = .stopping
        case let .missed(count):
            event.kind = .missed
            event.count = UInt64(count)
        }
        return event
    }
}

/// Paths that a client follows: those without an end yet, the images that they lead to, and those of which
/// something was heard since the last look.
private final class Followed: Sendable {
    private struct State {
        var open: Set<String>
        var byImage: [ContentHash: Set<String>] = [:]
        var touched: Set<String>
    }

    private let state: Mutex<State>
    private let folder: String
    let total: Int

    init(_ paths: [String], folder: String) {
        let open = Set(paths)
        // The first look is at all of them.
        state = Mutex(State(open: open, touched: open))
        self.folder = folder
        total = open.count
    }

    func hear(_ event: IngestEvent, absolute: (String) -> String) {
        state.withLock { state in
            switch event {
            case let .committed(image, _, _, _, _, _): state.touched.formUnion(state.byImage[image] ?? [])
            case let .pathAdded(path, _, _), let .pathRemoved(path, _), let .failed(path, _, _):
                let path = absolute(path)
                let sent = path.hasPrefix(folder) ? String(path.dropFirst(folder.count)) : path
                if state.open.contains(sent) { state.touched.insert(sent) }
            case .pathMoved, .missed, .modelRemoved, .saeRemoved, .saeAdded, .modelAdded, .adapterAdded, .adapterChanged, .adapterRemoved:
                // Anything may have changed.
                state.touched = state.open
            default: break
            }
        }
    }

    func takeTouched() -> Set<String> {
        state.withLock { state in
            defer { state.touched = [] }
            return state.touched.intersection(state.open)
        }
    }

    func touchAll() { state.withLock { $0.touched = $0.open } }
    var isTouched: Bool { state.withLock { !$0.touched.isEmpty } }
    var openCount: Int { state.withLock { $0.open.count } }

    func note(_ image: ContentHash, of path: String) { state.withLock { _ = $0.byImage[image, default: []].insert(path) } }
    func end(_ path: String) { state.withLock { _ = $0.open.remove(path) } }
}
