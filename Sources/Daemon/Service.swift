// The daemon as a service: how it listens, reloads, and tells its manager how it is. ServiceGroup runs the parts.

import Foundation
import Ingest
import Logging
import ServiceLifecycle
import Systemd
import UnixSignals
import Wire
import WireNIO

/// What clients do wrong, in the log.
private func observe(_ event: WireEvent, _ log: Logger, _ refusals: RefusalLog) {
    switch event {
    case let .connected(peer): log.trace("\(peer) connected")
    case let .disconnected(peer): log.trace("\(peer) gone")
    case let .refused(peer, failure):
        guard let more = refusals.note(.init(user: peer.uid, reason: "")) else { return }
        log.log(.clientRefused, .warning, "\(peer) was refused: \(failure)\(more)", ["SAED_PEER": "\(peer)"])
    case let .limited(peer, .idleTime, failure): log.debug("\(peer) was let go: \(failure)")
    case let .limited(peer, limit, failure):
        guard let more = refusals.note(.init(user: peer.uid, reason: limit.key)) else { return }
        log.log(.limitReached, .warning, "\(peer) was refused: \(failure)\(more)", ["SAED_PEER": "\(peer)", "SAED_SETTING": limit.key])
    case let .requestFailed(peer, request, failure): log.debug("\(peer): \(request): \(failure)")
    }
}

/// Ingest as a service: starts, tells of rest and work, and stops when asked.
struct IngestService: Service {
    let ingest: Ingest

    func run() async throws {
        ingest.start()
        await cancelWhenGracefulShutdown {
            var told = ""
            while !Task.isCancelled {
                let counts = ingest.noteIdle()
                let line = IngestService.status(counts, rate: ingest.rate, views: ingest.registry.workingViews.count)
                if line != told {
                    ServiceManager.notify(.status(line))
                    told = line
                }
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

    /// The line in `systemctl status`.
    static func status(_ counts: WorkCounts, rate: Double, views: Int) -> String {
        let kinds = views == 1 ? "1 view" : "\(views) views"
        guard counts.queued > 0 else { return "\(kinds), all work is done" }
        let speed = rate > 0 ? String(format: ", %.1f a second", rate) : ""
        return "\(kinds), \(counts.files) files and \(counts.snapshots) snapshots to do\(speed)"
    }
}

/// The server as a service. Services stop in reverse order: no request comes in while the ingest ends.
///
/// It listens only here, when signals are handled already: who has an answer may send SIGTERM.
struct ServerService: Service {
    let answers: Answers
    /// Listened at where no socket was inherited.
    let socket: String
    let inherited: InheritedSocket?
    let drop: String
    let log: Logger
    let started: ContinuousClock.Instant

    func run() async throws {
        let server = try await listen()
        answers.warmUp()
        log.log(.ready, .notice, "saed \(SaedVersion.current) is ready", [
            "SAED_VERSION": SaedVersion.current, "SAED_SOCKET": path, "SAED_DROP": drop,
            "SAED_DURATION_USEC": "\((ContinuousClock.now - started).microseconds)",
        ])
        ServiceManager.notify(.ready)
        try? await gracefulShutdown()
        ServiceManager.notify(.stopping, .status("stopping"))
        // The server's end waits for its handlers, and those may wait for a full disk.
        answers.ingest.giveUpWaiting()
        await server.stop()
    }

    private func listen() async throws -> WireServer {
        let name = "saed \(SaedVersion.current)"
        let log = log, refusals = RefusalLog()
        let tell: @Sendable (WireEvent) -> Void = { observe($0, log, refusals) }
        if let inherited {
            return try await WireServer.listen(inherited: inherited.descriptor, name: name, clients: answers.clients, handler: answers, observe: tell)
        }
        return try await WireServer.listen(at: socket, name: name, clients: answers.clients, handler: answers, observe: tell)
    }

    private var path: String { inherited.map { $0.path ?? $0.name } ?? socket }
}

/// Reads the settings again on SIGHUP. Only under a service manager: in a terminal, SIGHUP is its end.
struct ReloadService: Service {
    let daemon: Daemon
    let logs: Logs
    let answers: Answers

    func run() async throws {
        guard ServiceManager.isPresent else {
            try? await gracefulShutdown()
            return
        }
        var current = daemon.configuration
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            ServiceManager.notify(.reloading)
            current = reload(current)
            ServiceManager.notify(.ready)
        }
    }

    /// - Returns: the settings that are asked for now. Those that wait for a restart are told of once a change.
    private func reload(_ current: Configuration) -> Configuration {
        let log = logs.daemon, file = daemon.configurationFile
        do throws(ConfigurationError) {
            let wanted = try Daemon.read(configurationFile: file, root: daemon.root)
            let (live, restart) = wanted.changes(from: current)
            logs.apply(wanted)
            answers.reload(wanted)
            let changed = live.isEmpty ? "nothing" : live.joined(separator: ", ")
            log.log(.reloaded, .notice, "settings were read again; changed now: \(changed)", ["SAED_CONFIG": file ?? "", "SAED_CHANGED": changed])
            if !restart.isEmpty {
                let names = restart.joined(separator: ", ")
                log.log(
                    .needsRestart, .warning, "changed, but used only after a restart: \(names)",
                    ["SAED_CONFIG": file ?? "", "SAED_SETTINGS": names])
            }
            return wanted
        } catch {
            log.log(.reloadFailed, .error, "settings stay as they were: \(error)", ["SAED_CONFIG": file ?? ""])
            return current
        }
    }
}
