// What commonly goes wrong, looked for from outside: each finding says what is wrong and how to mend it.

import Glibc
import Wire

/// One thing that was looked at.
public struct Finding: Sendable, Equatable {
    public enum State: String, Sendable { case ok, note, bad }
    public let check: String
    public let state: State
    public let text: String
    /// What to do; empty where all is well.
    public let remedy: String

    init(_ check: String, _ state: State, _ text: String, remedy: String = "") {
        (self.check, self.state, self.text, self.remedy) = (check, state, text, remedy)
    }
}

public enum Doctor {
    /// Of what the daemon says of itself.
    public static func findings(_ status: Saed_StatusReply, _ version: Saed_VersionReply) -> [Finding] {
        [
            release(version), state(status), models(status), failures(status), drop(status), disk(status), watches(status), memory(status), processor(version),
        ]
    }

    /// Of a daemon that could not be asked.
    public static func unreachable(_ reason: String) -> Finding { Finding("daemon", .bad, reason) }

    private static func release(_ version: Saed_VersionReply) -> Finding {
        version.version == SaedVersion.current
            ? Finding("release", .ok, "saed and saectl are \(version.version)")
            : Finding(
                "release", .note, "saed is \(version.version), saectl \(SaedVersion.current)", remedy: "restart the daemon after an upgrade, or update saectl")
    }

    private static func state(_ status: Saed_StatusReply) -> Finding {
        if let notice = status.notices.first {
            let more = status.notices.count > 1 ? " (and \(status.notices.count - 1) more: saectl status)" : ""
            return Finding("state", .bad, notice + more, remedy: "see its text")
        }
        return Finding("state", .ok, "\(status.state), \(status.queued == 0 ? "nothing queued" : "\(status.queued) queued")")
    }

    private static func models(_ status: Saed_StatusReply) -> Finding {
        status.views.isEmpty
            ? Finding("models", .bad, "there is no view: images wait", remedy: "add a model and an SAE: saectl model add, saectl sae add")
            : Finding("models", .ok, "\(count(status.models.count, "model")), \(count(status.saes.count, "SAE")), \(count(status.views.count, "view"))")
    }

    private static func failures(_ status: Saed_StatusReply) -> Finding {
        status.failures == 0
            ? Finding("files", .ok, "every dropped file could be used")
            : Finding("files", .note, "\(count(status.failures, "file")) could not be used", remedy: "saectl failures says why; mend and drop them again")
    }

    private static func drop(_ status: Saed_StatusReply) -> Finding {
        if access(status.drop, F_OK) != 0 {
            return Finding("drop folder", .bad, "'\(status.drop)' can't be seen from here (\(String(cString: strerror(errno))))", remedy: "look from the daemon's own machine, or ask for the right to enter it")
        }
        return access(status.drop, W_OK) == 0
            ? Finding("drop folder", .ok, "'\(status.drop)' can be written")
            : Finding("drop folder", .note, "this user may not write in '\(status.drop)'", remedy: "to drop files, become a member of the group that owns it")
    }

    /// Below this a long back-fill fills the disk.
    private static let freeBytesMin: UInt64 = 1 << 30

    private static func disk(_ status: Saed_StatusReply) -> Finding {
        var info = statvfs()
        guard statvfs(status.root, &info) == 0 else {
            return Finding("disk", .note, "'\(status.root)' can't be looked at (\(String(cString: strerror(errno))))", remedy: "look from the daemon's own machine")
        }
        let free = UInt64(info.f_bavail) * UInt64(info.f_frsize)
        let text = "\(sizeText(free)) free at '\(status.root)', \(sizeText(status.store.bytes)) used by the store"
        if info.f_files > 0, info.f_favail < 1000 {
            return Finding("disk", .bad, "\(info.f_favail) files more fit on the file system of '\(status.root)'", remedy: "delete some, or move the root to a larger file system")
        }
        if free < freeBytesMin / 10 { return Finding("disk", .bad, text, remedy: "free some space: saectl gc, or delete what else is there; nothing is lost meanwhile, new images wait") }
        if free < freeBytesMin { return Finding("disk", .note, text, remedy: "free some space before the next large drop: saectl gc") }
        return Finding("disk", .ok, text)
    }

    /// The kernel's limit of watches, beside the folders that need one each.
    private static func watches(_ status: Saed_StatusReply) -> Finding {
        guard let limit = number(inFile: "/proc/sys/fs/inotify/max_user_watches") else {
            return Finding("inotify", .note, "the kernel's limit of watches can't be read", remedy: "large folders may be scanned instead of watched")
        }
        let folders = folders(below: status.drop, atMost: limit + 1)
        let text = "\(folders) of \(limit) watches are needed for '\(status.drop)'"
        return folders * 10 < limit * 8
            ? Finding("inotify", .ok, text)
            : Finding("inotify", folders < limit ? .note : .bad, text, remedy: "raise it: sysctl fs.inotify.max_user_watches=\(max(524_288, 4 * folders))")
    }

    private static func memory(_ status: Saed_StatusReply) -> Finding {
        guard let kibibytes = number(inFile: "/proc/meminfo", after: "MemAvailable:") else { return Finding("memory", .note, "can't be read") }
        let free = UInt64(kibibytes) << 10, text = "\(sizeText(free)) available, saed uses \(sizeText(status.residentBytes)), \(sizeText(status.residentPeakBytes)) at most so far"
        return free > 1 << 30
            ? Finding("memory", .ok, text)
            : Finding("memory", .note, text, remedy: "a ViT-B/16 with a large SAE wants 1.5 GiB: compute.batch = 1 and decode_threads = 1 save some")
    }

    private static func processor(_ version: Saed_VersionReply) -> Finding {
        let set = version.instructionSet
        return set.uppercased().contains("AVX512")
            ? Finding("processor", .ok, set)
            : Finding("processor", .note, "\(set.isEmpty ? "no vector instructions known" : set): towers run at a half or less of what AVX-512 gives", remedy: "none: answers are the same")
    }

    // MARK: Looking

    private static func number(inFile path: String, after key: String = "") -> Int? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var buffer = [CChar](repeating: 0, count: 256)
        while fgets(&buffer, Int32(buffer.count), file) != nil {
            let line = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard line.hasPrefix(key) else { continue }
            return Int(line.dropFirst(key.count).drop { $0 == " " }.prefix { $0.isNumber })
        }
        return nil
    }

    /// Folders in a tree, links not followed.
    private static func folders(below path: String, atMost limit: Int) -> Int {
        var found = 0, open = [path]
        while let next = open.popLast(), found < limit {
            guard let folder = opendir(next) else { continue }
            found += 1
            while let entry = readdir(folder) {
                guard entry.pointee.d_type == DT_DIR else { continue }
                let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
                if name != ".", name != ".." { open.append(next + "/" + name) }
            }
            closedir(folder)
        }
        return found
    }
}

extension [Finding] {
    public var json: JSON {
        [
            "ok": .bool(!contains { $0.state == .bad }),
            "findings": JSON(map { ["check": JSON($0.check), "state": JSON($0.state.rawValue), "text": JSON($0.text), "remedy": .optional($0.remedy)] }),
        ]
    }

    public func text(for terminal: Terminal) -> String {
        var table = Table(["".left, "CHECK".left, "FOUND".flexible])
        for finding in self { table.add([finding.state == .ok ? "ok" : finding.state == .note ? "note" : "BAD", finding.check, finding.text]) }
        let remedies = filter { !$0.remedy.isEmpty }.map { "\($0.check): \($0.remedy)".printable + "\n" }.joined()
        return table.text(for: terminal) + (remedies.isEmpty ? "" : "\n" + remedies)
    }
}
