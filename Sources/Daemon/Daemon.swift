// The daemon's life: folders, store, registry, ingest, server, signals; and the same backwards.

import Basics
import Decoding
import Foundation
import Imaging
import Ingest
import Logging
import ServiceLifecycle
import Store
import UnixSignals
import Wire
import WireNIO

/// A saed daemon on one root folder.
public struct Daemon: Sendable {
    public let root: String
    public let configuration: Configuration

    /// - Parameters:
    ///   - root: made where there is none.
    ///   - configurationFile: nil: ROOT/saed.toml where there is one, else defaults.
    /// - Throws: `ConfigurationError`.
    public init(root: String, configurationFile: String?) throws(ConfigurationError) {
        let absolute = root.hasPrefix("/") ? root : FileManager.default.currentDirectoryPath + "/" + root
        self.root = (absolute as NSString).standardizingPath
        let own = self.root + "/saed.toml"
        if let configurationFile {
            configuration = try Configuration.read(file: configurationFile).resolved(root: self.root)
        } else if FileManager.default.fileExists(atPath: own) {
            configuration = try Configuration.read(file: own).resolved(root: self.root)
        } else {
            configuration = Configuration().resolved(root: self.root)
        }
    }

    /// Runs until SIGTERM or SIGINT. What was computed is committed before it returns.
    public func run() async throws {
        let log = makeLog()
        try makeFolders()

        let activity = Activity()
        // Before anything can happen, so that nothing goes unlogged.
        let events = activity.listen()
        let store = try openStore(log)
        let registry = try Registry(store: store, activity: activity)
        try prepare(registry, log)
        let ingest = try Ingest(store: store, registry: registry, activity: activity, options: ingestOptions)
        // What keeps images from being decoded is told now, and once.
        try ingest.decoder.check()
        let answers = Answers(ingest: ingest, configuration: configuration, root: root, log: log)

        let logging = Task {
            for await event in events {
                EventLog(log: log).write(event.event)
                if case .idle = event.event { answers.prepareTables() }
            }
        }
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: IngestService(ingest: ingest)),
                    .init(service: ServerService(answers: answers, socket: configuration.socket, drop: ingest.dropFolder, log: log)),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: Logger(label: "lifecycle") { _ in SwiftLogNoOpLogHandler() }))
        do {
            try await group.run()
        } catch {
            activity.finish()
            await logging.value
            throw error
        }
        activity.finish()
        await logging.value
        try store.close()
        log.notice("saed has stopped")
    }

    private func makeLog() -> Logger {
        var log = Logger(label: "saed") { _ in StderrLog() }
        log.logLevel = Logger.Level(rawValue: configuration.logLevel) ?? .info
        return log
    }

    private func makeFolders() throws {
        for folder in [root, configuration.drop, configuration.drop + "/images"] {
            do {
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            } catch {
                throw ConfigurationError(description: "'\(folder)' can't be made: \(error.localizedDescription); give another --root, or let this user write there")
            }
        }
    }

    private func openStore(_ log: Logger) throws -> Store {
        var options = StoreOptions()
        options.keepActivations = configuration.keepActivations
        let store = try Store.open(folder: configuration.store, options: options)
        if !store.recovery.isClean {
            for (file, bytes) in store.recovery.truncated.sorted(by: { $0.key < $1.key }) {
                log.notice("'\(file)': \(bytes) bytes that were not committed were cut off")
            }
            for file in store.recovery.short { log.error("'\(file)' is shorter than the catalog says; its missing snapshots are made again") }
        }
        let again = try store.discardDamaged()
        if again > 0 { log.warning("\(again) damaged snapshots are made again") }
        return store
    }

    private func prepare(_ registry: Registry, _ log: Logger) throws {
        try registry.dropMissing()
        guard configuration.embedded else { return try Embedded.remove(from: registry) }
        guard let folder = Embedded.folder() else {
            log.warning("the model that comes with saed was not found; set SAED_MODELS to its folder, or models.embedded = false")
            return
        }
        for trouble in Embedded.register(in: registry, folder: folder) { log.error("\(trouble)") }
    }

    private var sandbox: ImageDecoder.Sandbox {
        // The program that runs, also where its file was replaced since.
        let own = ["/proc/self/exe", "decode-worker", "--memory-max", String(configuration.imageMemoryMax)]
        // Tests put one that misbehaves in its place.
        let other = ProcessInfo.processInfo.environment["SAED_DECODER"].map { [$0, String(configuration.imageMemoryMax)] }
        return .init(command: other ?? own, timeMax: configuration.imageTimeMax, memoryBytesMax: configuration.imageMemoryMax)
    }

    private var ingestOptions: IngestOptions {
        var options = IngestOptions(dropFolder: configuration.drop, quarantineFolder: configuration.quarantine)
        options.threads = configuration.threads
        options.batch = configuration.batch
        options.batchWait = configuration.batchWait
        options.decodeThreads = configuration.decodeThreads
        options.limits = DecodeLimits(pixelsMax: configuration.imagePixelsMax, bytesMax: configuration.imageBytesMax)
        if configuration.sandbox { options.sandbox = sandbox }
        options.watch.settle = configuration.settle
        options.watch.settleRenamed = configuration.settleRenamed
        options.watch.pollInterval = configuration.pollInterval
        options.releaseAfter = configuration.releaseAfter
        return options
    }
}

/// What clients do wrong, in the log.
private func observe(_ event: WireEvent, _ log: Logger) {
    switch event {
    case let .connected(peer): log.trace("\(peer) connected")
    case let .disconnected(peer): log.trace("\(peer) gone")
    case let .refused(peer, failure): log.warning("\(peer) was refused: \(failure)")
    case let .requestFailed(peer, request, failure): log.debug("\(peer): \(request): \(failure)")
    }
}

/// Ingest as a service: starts, tells of rest and work, and stops when asked.
private struct IngestService: Service {
    let ingest: Ingest

    func run() async throws {
        ingest.start()
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                ingest.noteIdle()
                try? await Task.sleep(for: .milliseconds(500))
            }
        }
        // Blocking joins of threads belong on a thread that may block.
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                ingest.stop()
                continuation.resume()
            }
        }
    }
}

/// The server as a service. Services stop in reverse order: no request comes in while the ingest ends.
///
/// It listens only here, when signals are handled already: who has an answer may send SIGTERM.
private struct ServerService: Service {
    let answers: Answers
    let socket: String
    let drop: String
    let log: Logger

    func run() async throws {
        let server = try await WireServer.listen(
            at: socket, name: "saed \(SaedVersion.current)", handler: answers, observe: { observe($0, log) })
        answers.warmUp()
        log.notice("saed \(SaedVersion.current) is ready", metadata: ["SAED_SOCKET": "\(socket)", "SAED_DROP": "\(drop)"])
        try? await gracefulShutdown()
        await server.stop()
    }
}
