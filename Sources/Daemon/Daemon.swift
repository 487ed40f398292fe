// The daemon's life: folders, store, registry, ingest, server, signals; and the same backwards.

import Basics
import Decoding
import Foundation
import Imaging
import Ingest
import Kernels
import Logging
import ServiceLifecycle
import Store
import Systemd
import UnixSignals
import WireNIO

/// A saed daemon on one root folder.
public struct Daemon: Sendable {
    public let root: String
    public let configuration: Configuration
    /// Read at the start and again at each reload; nil: defaults.
    let configurationFile: String?

    /// - Parameters:
    ///   - root: made where there is none.
    ///   - configurationFile: nil: ROOT/saed.toml where there is one, else defaults.
    /// - Throws: `ConfigurationError`.
    public init(root: String, configurationFile: String?) throws(ConfigurationError) {
        let absolute = root.hasPrefix("/") ? root : FileManager.default.currentDirectoryPath + "/" + root
        self.root = (absolute as NSString).standardizingPath
        let own = self.root + "/saed.toml"
        self.configurationFile = configurationFile ?? (FileManager.default.fileExists(atPath: own) ? own : nil)
        configuration = try Daemon.read(configurationFile: self.configurationFile, root: self.root)
    }

    static func read(configurationFile: String?, root: String) throws(ConfigurationError) -> Configuration {
        guard let configurationFile else { return Configuration().resolved(root: root) }
        return try Configuration.read(file: configurationFile).resolved(root: root)
    }

    /// Says why a daemon could not start or go on, where its log goes.
    public static func tell(_ error: any Error) {
        if Journal.isOurs {
            Logs(Configuration()).daemon.log(.startFailed, .critical, "\(error)")
        } else {
            FileHandle.standardError.write(Data("saed: \(error)\n".utf8))
        }
    }

    /// Runs until SIGTERM or SIGINT. What was computed is committed before it returns.
    public func run() async throws {
        let started = ContinuousClock.now
        // First: a program that is started later must not get it.
        let inherited = try inheritedSocket()
        let logs = Logs(configuration), log = logs.daemon
        try makeFolders()

        let activity = Activity()
        // Before anything can happen, so that nothing goes unlogged.
        let events = activity.listen()
        ServiceManager.notify(.status("opening the store"))
        let (store, registry) = try await open(activity, log)
        let ingest = try Ingest(store: store, registry: registry, activity: activity, options: ingestOptions)
        if let warning = productWarning { log.log(.slowProducts, .warning, warning) }
        // What keeps images from being decoded is told now, and once.
        try ingest.decoder.check()
        let answers = Answers(ingest: ingest, configuration: configuration, root: root, clients: WireClients(configuration.clientLimits), log: log)

        let logging = Task {
            for await event in events {
                EventLog(log: log, images: logs.images).write(event.event)
                if case .idle = event.event { answers.prepareTables() }
            }
        }
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: IngestService(ingest: ingest)),
                    .init(service: ReloadService(daemon: self, logs: logs, answers: answers)),
                    .init(
                        service: ServerService(
                            answers: answers, socket: configuration.socket, inherited: inherited, drop: ingest.dropFolder, log: log,
                            started: started)),
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
        log.log(.stopped, .notice, "saed has stopped")
    }

    private func inheritedSocket() throws -> InheritedSocket? {
        let sockets = try InheritedSocket.take()
        guard sockets.count <= 1 else {
            throw ConfigurationError(description: "\(sockets.count) sockets were handed over, saed listens at one: give the socket unit one ListenStream=")
        }
        return sockets.first
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

    /// Waits while the disk is full: a service manager would give up after a few starts that failed.
    private func open(_ activity: Activity, _ log: Logger) async throws -> (Store, Registry) {
        var isTold = false
        while true {
            var opened: Store?
            do {
                let store = try openStore(log)
                opened = store
                let registry = try Registry(store: store, activity: activity)
                try prepare(registry, log)
                return (store, registry)
            } catch let error as StoreError {
                // A store that can't even be opened for another reason is the wrong one, or not ours to write.
                guard opened == nil ? error.isOfAFullDisk : error.isOfTheDisk else { throw error }
                // Its lock would keep the next attempt out.
                try? opened?.close()
                if !isTold { log.log(.warning, .warning, "the store can't be opened, saed waits and tries again: \(error)") }
                isTold = true
                // The wait may be longer than any time to start; the manager's patience ends where nothing is heard.
                ServiceManager.notify(.status("waiting for the disk"), .extendTimeout(.seconds(30)))
                try await Task.sleep(for: .seconds(2))
            }
        }
    }

    private func openStore(_ log: Logger) throws -> Store {
        var options = StoreOptions()
        options.keepActivations = configuration.keepActivations
        let store = try Store.open(folder: configuration.store, options: options)
        if !store.recovery.isClean {
            for (file, bytes) in store.recovery.truncated.sorted(by: { $0.key < $1.key }) {
                log.log(
                    .bytesCut, .notice, "'\(file)': \(bytes) bytes that were not committed were cut off",
                    ["SAED_FILE": file, "SAED_BYTES": "\(bytes)"])
            }
            for file in store.recovery.short {
                log.log(
                    .segmentShort, .error, "'\(file)' is shorter than the catalog says; its missing snapshots are made again",
                    ["SAED_FILE": file])
            }
        }
        // Where the disk is full, the ingest does it later.
        let again = (try? store.discardDamaged()) ?? 0
        if again > 0 { log.log(.snapshotsDamaged, .warning, "\(again) damaged snapshots are made again", ["SAED_SNAPSHOTS": "\(again)"]) }
        return store
    }

    private func prepare(_ registry: Registry, _ log: Logger) throws {
        try registry.dropMissing()
        guard configuration.embedded else { return try Embedded.remove(from: registry) }
        guard let folder = Embedded.folder() else {
            log.log(
                .embeddedMissing, .warning,
                "the model that comes with saed was not found; set SAED_MODELS to its folder, or models.embedded = false")
            return
        }
        for trouble in try Embedded.register(in: registry, folder: folder) { log.log(.embeddedBroken, .error, trouble) }
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
        options.controlImages = configuration.controlImages
        if let watchdog = Watchdog() { options.pulse = Pulse(every: watchdog.pause, beat: watchdog.feed) }
        return options
    }
}

extension StoreError {
    fileprivate var isOfAFullDisk: Bool {
        if case .diskFull = self { true } else { false }
    }
}
