// The explanations that `journalctl -x` shows: one for each kind of entry, and only with fields that the entry has.

import Basics
import Daemon
import Foundation
import Ingest
import Logging
import Synchronization
import Testing

/// The message catalog: subject and text by MESSAGE_ID.
private func catalog() throws -> [String: String] {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../systemd/saed.catalog")
    var entries: [String: String] = [:]
    var id: String?
    for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false) {
        if line.hasPrefix("-- ") {
            let name = String(line.dropFirst(3))
            #expect(entries[name] == nil, "\(name) stands twice")
            entries[name] = ""
            id = name
        } else if let id {
            entries[id, default: ""] += line + "\n"
        }
    }
    return entries
}

@Test func everyKindOfEntryIsExplained() throws {
    let explained = try catalog()
    #expect(Set(explained.keys) == Set(MessageID.allCases.map(\.rawValue)))
    for (id, text) in explained {
        #expect(text.hasPrefix("Subject: "), "\(id)")
        let body = text.components(separatedBy: "\n\n").dropFirst().joined()
        #expect(body.count > 30, "\(id) has no text")
    }
    #expect(Set(MessageID.allCases.map(\.rawValue)).count == MessageID.allCases.count)
    #expect(MessageID.allCases.allSatisfy { $0.rawValue.count == 32 && $0.rawValue.allSatisfy(\.isHexDigit) })
}

@Test func explanationsNameOnlyFieldsThatTheEntryHas() throws {
    let explained = try catalog()
    let image = ContentHash(of: "an image")
    let view = ViewName(model: "m", adapter: "base", sae: "s")
    let events: [IngestEvent] = [
        .committed(image: image, path: "a.jpg", label: "cat", view: view, latents: 3, took: .milliseconds(2)),
        .pathAdded(path: "a.jpg", image: image, label: nil), .pathMoved(from: "a.jpg", to: "b.jpg", image: image),
        .pathRemoved(path: "a.jpg", image: nil), .failed(path: "a.jpg", reason: "no image", quarantine: nil), .modelAdded(name: "m"),
        .modelRemoved(name: "m"), .saeAdded(name: "s", model: "m"), .saeRemoved(name: "s"), .adapterAdded(name: "a", model: "m"),
        .adapterChanged(name: "a", model: "m", state: .active), .adapterRemoved(name: "a", model: "m"), .backfill(view: view, left: 7),
        .classesSet(model: "m", count: 2), .warning("disk"), .busy, .idle, .rescanned, .stopping, .missed(3),
    ]
    let heard = Heard()
    let log = Logger(label: "test") { _ in heard.handler }
    for event in events { EventLog(log: log, images: log).write(event) }
    let entries = heard.entries
    #expect(entries.count == events.count)
    for entry in entries {
        let id = try #require(entry["MESSAGE_ID"])
        let text = try #require(explained[id])
        for field in text.matches(of: /@([A-Z_]+)@/).map({ String($0.1) }) {
            #expect(entry[field] != nil, "\(field) in the explanation of \(id)")
        }
        #expect(entry.keys.allSatisfy { $0 == "MESSAGE_ID" || $0.hasPrefix("SAED_") })
    }
}

@Test func anImagesEntriesNameIt() throws {
    let heard = Heard()
    let log = Logger(label: "test") { _ in heard.handler }
    let image = ContentHash(of: "an image")
    EventLog(log: log, images: log).write(
        .committed(image: image, path: "cats/a.jpg", label: "cats", view: ViewName(model: "m", adapter: "base", sae: "s"), latents: 3, took: .microseconds(1500)))
    let entry = try #require(heard.entries.first)
    #expect(
        entry == [
            "MESSAGE_ID": MessageID.committed.rawValue, "SAED_IMAGE_ID": image.short, "SAED_PATH": "cats/a.jpg", "SAED_LABEL": "cats",
            "SAED_VIEW": "m/base/s", "SAED_LATENTS": "3", "SAED_DURATION_USEC": "1500",
        ])
}

@Test func aReloadReachesEveryCopyOfALogger() {
    var configuration = Configuration()
    let logs = Logs(configuration, toJournal: true)
    let daemon = logs.daemon, images = logs.images
    #expect(daemon.logLevel == .info && images.logLevel == .debug)
    configuration.logLevel = "warning"
    configuration.logImages = false
    logs.apply(configuration)
    #expect(daemon.logLevel == .warning && images.logLevel > .debug)
}

@Test func onATerminalImagesAreLoggedAsAnythingElse() {
    let logs = Logs(Configuration(), toJournal: false)
    #expect(logs.daemon.logLevel == .info && logs.images.logLevel == .info)
}

@Test func aReloadTellsWhatWaitsForARestart() {
    var wanted = Configuration()
    wanted.logLevel = "debug"
    wanted.batch = 4
    let (live, restart) = wanted.changes(from: Configuration())
    #expect(live == ["log.level"] && restart == ["compute.batch"])
}

/// Collects entries' metadata.
private final class Heard: Sendable {
    private let all = Mutex<[[String: String]]>([])

    var entries: [[String: String]] { all.withLock { $0 } }
    var handler: Handler { Handler(heard: self) }

    struct Handler: LogHandler {
        let heard: Heard
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let fields = (event.metadata ?? [:]).mapValues { "\($0)" }
            heard.all.withLock { $0.append(fields) }
        }
    }
}
