// How the daemon is: status, version, failures.

import Basics
import Foundation
import Glibc
import Ingest
import Kernels
import Store
import Wire
import WireNIO

extension Answers {
    func status() async throws -> Saed_StatusReply {
        try await blocking {
            let counts = self.ingest.counts()
            let memory = residentBytes()
            let plans = self.registry.views
            return try .with {
                $0.version = SaedVersion.current
                $0.pid = UInt32(getpid())
                $0.startedMs = self.milliseconds(self.started.timeIntervalSince1970)
                $0.uptimeMs = UInt64(max(0, -self.started.timeIntervalSinceNow * 1000))
                $0.state = "ready"
                $0.root = self.root
                $0.drop = self.ingest.dropFolder
                $0.queued = UInt64(counts.queued)
                $0.running = UInt64(counts.running)
                $0.backfill = UInt64(max(0, counts.snapshots - counts.running))
                $0.images = UInt64(self.store.imageCount)
                $0.paths = UInt64(try self.store.pathCount())
                $0.failures = UInt64(try self.store.catalog.failureCount())
                $0.models = try self.models()
                $0.saes = try self.saes(model: "")
                $0.views = try plans.map(self.message)
                $0.loaded = self.ingest.loaded.map { part in
                    .with {
                        $0.kind = part.kind.rawValue
                        $0.name = part.name
                        $0.bytes = UInt64(part.bytes)
                    }
                }
                let views = try plans.filter(\.ownsSnapshots).map { try self.store.counts(of: $0.record.id) }
                $0.store.segments = UInt64(views.reduce(0) { $0 + $1.segments })
                $0.store.snapshots = UInt64(views.reduce(0) { $0 + $1.images + $1.absent })
                $0.store.bytes = UInt64(views.reduce(0) { $0 + $1.bytes } + fileBytes(self.store.folder + "/catalog.sqlite"))
                // What automatic controls take of the disk is in it too.
                $0.store.bytes += try self.registry.automaticViews.reduce(0) { try $0 + UInt64(self.store.counts(of: $1.record.id).bytes) }
                $0.residentBytes = UInt64(memory.now)
                $0.residentPeakBytes = UInt64(memory.peak)
                $0.threads = UInt32(Team.threads)
                $0.imagesPerSecond = self.ingest.rate
                $0.notices = try self.notices(plans)
                let usage = self.clients.usage
                $0.clients.connections = UInt32(usage.connections)
                $0.clients.users = UInt32(usage.users)
                $0.clients.requests = UInt32(usage.requests)
                $0.clients.refused = usage.refused.sorted { $0.key.rawValue < $1.key.rawValue }.map { limit, count in
                    .with {
                        $0.limit = limit.key
                        $0.count = UInt64(count)
                    }
                }
            }
        }
    }

    /// What wants a person's attention.
    private func notices(_ plans: [ViewPlan]) throws -> [String] {
        var notices: [String] = []
        if let warning = productWarning { notices.append(warning) }
        if try registry.models.isEmpty {
            notices.append("no model yet: saectl model add DIR --name NAME")
        } else if plans.isEmpty {
            notices.append("no SAE yet: saectl sae add PATH --model NAME --name NAME")
        }
        for drop in registry.waitingDrops { notices.append("'\(drop.path)' waits: \(drop.reason)") }
        for view in registry.suspendedViews { notices.append("view '\(view.view)' makes no snapshots: \(view.reason)") }
        if let hindered = ingest.hindered { notices.append(hindered) }
        if !store.damaged.isEmpty {
            notices.append("\(store.damaged.count) snapshots were found damaged; they are made again from their originals")
        }
        return notices
    }

    func version() -> Saed_VersionReply {
        .with {
            $0.version = SaedVersion.current
            $0.protocolMajor = UInt32(FrameHeader.version)
            $0.protocolMinor = WireFormat.minor
            $0.components = [
                .with { $0.name = "oneDNN"; $0.version = Team.libraryVersion },
                .with { $0.name = "SQLite"; $0.version = store.catalog.sqliteVersion },
            ]
            $0.instructionSet = InstructionSet.best.rawValue
        }
    }

    func failures(_ body: Saed_FailuresRequest, _ reply: ReplyStream) async throws {
        let limit = body.limit == 0 ? 100 : Int(body.limit)
        let (records, total) = try await blocking {
            (try self.store.catalog.failures(limit: limit, offset: Int(body.offset)), try self.store.catalog.failureCount())
        }
        // Reasons are short, so a thousand fit a frame many times over.
        for some in records.pages(of: 1000) {
            try await reply.part(
                .with {
                    $0.failures.total = UInt64(total)
                    $0.failures.failures = some.map { record in
                        .with {
                            $0.path = absolute(record.path)
                            $0.reason = record.reason
                            $0.timeMs = milliseconds(record.time)
                            $0.quarantine = record.quarantine ?? ""
                            $0.bytes = UInt64(fileBytes(record.quarantine ?? absolute(record.path)))
                        }
                    }
                })
        }
    }
}

private func fileBytes(_ path: String) -> Int {
    var info = stat()
    return lstat(path, &info) == 0 ? Int(info.st_size) : 0
}

/// Memory of this process: what is resident now, and the most it ever was.
private func residentBytes() -> (now: Int, peak: Int) {
    guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return (0, 0) }
    func kilobytes(_ key: String) -> Int {
        for line in text.split(separator: "\n") where line.hasPrefix(key) {
            return Int(line.dropFirst(key.count).split(separator: " ").first?.trimmingCharacters(in: .whitespaces) ?? "") ?? 0
        }
        return 0
    }
    return (kilobytes("VmRSS:\t") << 10, kilobytes("VmHWM:\t") << 10)
}
