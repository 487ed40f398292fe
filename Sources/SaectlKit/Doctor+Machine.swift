// The machine: file systems, watches, memory, processor, clock.

import CFileCalls
import Glibc
import Wire

/// A folder's file system.
package struct StorageFacts: Sendable, Equatable {
    /// "store", "drop folder".
    package var what: String
    package var path: String
    /// The kernel's number, nil where it can't be asked.
    package var type: Int?
    package var freeBytes: UInt64
    /// Of files; nil where the file system has no bound.
    package var freeFiles: UInt64?

    package init(what: String, path: String, type: Int?, freeBytes: UInt64, freeFiles: UInt64?) {
        (self.what, self.path, self.type, self.freeBytes, self.freeFiles) = (what, path, type, freeBytes, freeFiles)
    }
}

package struct MachineFacts: Sendable, Equatable {
    /// fs.inotify.max_user_watches; nil where it can't be read.
    package var watches: Int?
    /// fs.inotify.max_user_instances.
    package var instances: Int?
    package var availableBytes: UInt64?
    /// The processor's, as /proc/cpuinfo names them; empty where it does not.
    package var flags: Set<Substring> = []
    /// Seconds since 1970.
    package var now: Int
}

extension Doctor {
    /// Below this a long back-fill fills the disk.
    private static let freeBytesMin: UInt64 = 1 << 30
    private static let freeFilesMin: UInt64 = 1000

    private static let networkFileSystems: [Int: String] = [
        0x6969: "NFS", 0xFF53_4D42: "CIFS", 0xFE53_4D42: "SMB", 0x517B: "SMB", 0x0102_1997: "9p", 0x00C3_6400: "Ceph", 0x5346_414F: "AFS",
        0x0BD0_0BD0: "Lustre", 0x6573_5546: "FUSE", 0x4750_4653: "GPFS", 0x7461_636F: "OCFS2",
    ]

    package static func storage(_ storage: StorageFacts, usedByStore: UInt64?) -> [Finding] {
        var findings: [Finding] = []
        let isStore = storage.what == "store"
        if let type = storage.type, let name = networkFileSystems[type] {
            findings.append(
                isStore
                    ? Finding(
                        "file system", .bad, "the store lies on \(name) ('\(storage.path)'), whose locks and syncs its catalog can't rely on: a crash may damage it",
                        remedy: "stop saed, move the store to a local disk, and name that as paths.store")
                    : Finding(
                        "file system", .note, "the \(storage.what) lies on \(name), which tells nothing of other machines' changes: it is read through instead",
                        remedy: "watch.poll_interval says how often; a local folder is noticed at once"))
        }
        let used = isStore ? usedByStore.map { ", \(sizeText($0)) used by the store" } ?? "" : ""
        let text = "\(sizeText(storage.freeBytes)) free at '\(storage.path)'\(used)"
        if let files = storage.freeFiles, files < freeFilesMin {
            findings.append(
                Finding(
                    "disk", .bad, "\(count(files, "file")) more fit on the file system of '\(storage.path)', however large (inodes)",
                    remedy: "delete some: df -i shows where they are few; or move the root to another file system"))
        }
        if storage.freeBytes < freeBytesMin / 10 {
            findings.append(Finding("disk", .bad, text, remedy: "free some space: saectl gc, or delete what else is there; nothing is lost meanwhile, new images wait"))
        } else if storage.freeBytes < freeBytesMin {
            findings.append(Finding("disk", .note, text, remedy: "free some space before the next large drop: saectl gc"))
        } else {
            findings.append(Finding("disk", .ok, text))
        }
        return findings
    }

    package static func machine(_ facts: DoctorFacts) -> [Finding] {
        var findings: [Finding] = []
        if let folders = facts.drop?.folders { findings.append(watches(facts.machine, folders: folders, facts.drop?.path ?? "")) }
        if let finding = instances(facts.machine) { findings.append(finding) }
        findings.append(memory(facts.machine, facts.answer?.status))
        findings.append(processor(facts.machine, facts.answer?.version))
        if let finding = clock(facts.machine) { findings.append(finding) }
        return findings
    }

    /// The kernel's limit of watches, beside the folders that need one each.
    private static func watches(_ machine: MachineFacts, folders: Int, _ path: String) -> Finding {
        guard let limit = machine.watches else {
            return Finding("inotify", .note, "the kernel's limit of watches can't be read", remedy: "large folders may be scanned instead of watched")
        }
        let text = "\(folders) of \(limit) watches are needed for '\(path)'"
        guard folders * 10 >= limit * 8 else { return Finding("inotify", .ok, text) }
        let more = max(524_288, 4 * folders)
        return Finding(
            "inotify", folders < limit ? .note : .bad, text,
            remedy: "sudo sysctl fs.inotify.max_user_watches=\(more), and for the next boot: echo fs.inotify.max_user_watches=\(more) | sudo tee /etc/sysctl.d/60-saed.conf")
    }

    private static func instances(_ machine: MachineFacts) -> Finding? {
        guard let limit = machine.instances, limit < 16 else { return nil }
        return Finding(
            "inotify", .note, "each user may have \(limit) inotify instances, and every desktop program wants one", remedy: "sudo sysctl fs.inotify.max_user_instances=128")
    }

    private static func memory(_ machine: MachineFacts, _ status: Saed_StatusReply?) -> Finding {
        guard let free = machine.availableBytes else { return Finding("memory", .note, "can't be read") }
        let used = status.map { ", saed uses \(sizeText($0.residentBytes)), \(sizeText($0.residentPeakBytes)) at most so far" } ?? ""
        let text = "\(sizeText(free)) available\(used)"
        return free > 1 << 30
            ? Finding("memory", .ok, text)
            : Finding("memory", .note, text, remedy: "a ViT-B/16 with a large SAE wants 1.5 GiB: compute.batch = 1 and compute.decode_threads = 1 save some")
    }

    private static func processor(_ machine: MachineFacts, _ version: Saed_VersionReply?) -> Finding {
        let set = version?.instructionSet ?? (machine.flags.isSuperset(of: ["avx512f", "avx512bw", "avx512dq", "avx512vl"]) ? "avx512" : machine.flags.isSuperset(of: ["avx2", "fma", "f16c"]) ? "avx2" : "")
        return set.uppercased().contains("AVX512")
            ? Finding("processor", .ok, set)
            : Finding("processor", .note, "\(set.isEmpty ? "no vector instructions known" : set): towers run at a half or less of what AVX-512 gives", remedy: "none: answers are the same")
    }

    /// Images are told to have settled by the times of their files.
    private static func clock(_ machine: MachineFacts) -> Finding? {
        // The end of 2025: this program is younger.
        guard machine.now < 1_767_225_600 else { return nil }
        return Finding("clock", .bad, "it says \(timeText(milliseconds: Int64(machine.now) * 1000)): events and files get wrong times", remedy: "set it: sudo timedatectl set-ntp true")
    }
}

// MARK: looking

extension StorageFacts {
    /// - Returns: nil where the path can't be looked at.
    init?(_ what: String, path: String) {
        var info = statvfs()
        guard statvfs(path, &info) == 0 else { return nil }
        let type = saed_file_system(path)
        self.init(
            what: what, path: path, type: type < 0 ? nil : Int(type), freeBytes: UInt64(info.f_bavail) * UInt64(info.f_frsize),
            freeFiles: info.f_files > 0 ? UInt64(info.f_favail) : nil)
    }
}

extension MachineFacts {
    static func look() -> MachineFacts {
        func lines(_ path: String) -> [String] { (try? readLines(path, bytesMax: 16 << 20)) ?? [] }
        let memory = lines("/proc/meminfo").first { $0.hasPrefix("MemAvailable:") }
        let flags = lines("/proc/cpuinfo").first { $0.hasPrefix("flags") || $0.hasPrefix("Features") }
        return MachineFacts(
            watches: lines("/proc/sys/fs/inotify/max_user_watches").first.flatMap { Int($0) },
            instances: lines("/proc/sys/fs/inotify/max_user_instances").first.flatMap { Int($0) },
            availableBytes: memory?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }.map { $0 << 10 },
            flags: Set((flags ?? "").split { $0 == " " || $0 == "\t" }.map { Substring(String($0)) }), now: time(nil))
    }
}

extension DoctorFacts {
    /// Looks at everything. The root is the one that the daemon tells, or that was named, or that packages use.
    init(_ socket: SocketPath, ask: () throws -> (Saed_StatusReply, Saed_VersionReply)) {
        let seen = SocketFacts(socket), names = UnitNames(socket: seen.path, runtimeFolder: SocketPath.variable("XDG_RUNTIME_DIR"))
        self.init(socket: seen, unitNames: names, user: .own, listed: Identity(listed: geteuid()), machine: .look())
        if let names { units = UnitFacts.look(names) ?? [] }
        if seen.error == nil {
            do { answer = try ask() } catch { refusal = "it gives no answer: \(error)" }
        }
        guard let root = answer?.status.root ?? socket.root.map(absolutePath) ?? names?.root else { return }
        let store = access(root + "/store", F_OK) == 0 ? root + "/store" : root
        // Whom the daemon runs as: the process itself, or else who owns what it keeps.
        let daemon = answer.flatMap { Identity(process: Int($0.status.pid)) } ?? FileFacts(at: store).map { Identity(listed: $0.owner) }
        let path = answer?.status.drop ?? root + "/drop"
        drop = DropFacts(path: path, daemon: daemon, foldersMax: (machine.watches ?? 1 << 20) + 1)
        storage = [StorageFacts("store", path: store)].compactMap { $0 }
        // One file system is told of once.
        if let other = StorageFacts("drop folder", path: path), !storage.contains(where: { $0.freeBytes == other.freeBytes && $0.type == other.type }) { storage.append(other) }
    }
}
