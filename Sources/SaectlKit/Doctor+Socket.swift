// Why a daemon can't be asked: the socket's folders, the socket, who may open it, whether anybody listens, and what the
// service manager says. Facts first, so that every case can be played.

import Glibc
import Wire

/// What is seen of a socket from outside.
package struct SocketFacts: Sendable, Equatable {
    package var path: String
    /// The folders on the way, from the top; the first that is missing or may not be entered ends them.
    package var folders: [FileFacts] = []
    package var missingFolder: String?
    /// What stands there.
    package var file: FileFacts?
    /// Of `connect`; nil: a daemon took the connection.
    package var error: CInt?
    /// Others at which somebody answers.
    package var others: [String] = []
    /// How to start one there, where no unit does.
    package var start: String

    package init(path: String, start: String) { (self.path, self.start) = (path, start) }
}

/// A unit of the service manager.
package struct UnitFacts: Sendable, Equatable {
    package var name: String
    /// "loaded", "not-found", "masked".
    package var load: String
    /// "active", "failed", "inactive", ...
    package var active: String
    /// "enabled", "disabled", "masked", "static", ...
    package var file: String
    /// Why it failed: "exit-code", "watchdog", ...
    package var result: String
}

/// Units of a socket at one of the places that packages use.
package struct UnitNames: Sendable, Equatable {
    /// Without its ending: "saed", "saed@shop".
    package let name: String
    package let isUsers: Bool

    /// - Returns: nil for sockets elsewhere: a daemon that somebody started by hand.
    package init?(socket: String, runtimeFolder: String?) {
        if let own = runtimeFolder, socket == own.trimmingTrailingSlashes + "/saed/saed.sock" {
            (name, isUsers) = ("saed", true)
        } else if socket == SocketPath.system {
            (name, isUsers) = ("saed", false)
        } else if socket.hasPrefix("/run/saed-"), socket.hasSuffix("/saed.sock") {
            let instance = socket.dropFirst("/run/saed-".count).dropLast("/saed.sock".count)
            // It goes through a shell.
            guard !instance.isEmpty, instance.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "_.:-".contains($0)) }) else { return nil }
            (name, isUsers) = ("saed@\(instance)", false)
        } else {
            return nil
        }
    }

    /// What precedes the unit's name on a command line.
    package var control: String { isUsers ? "systemctl --user" : "sudo systemctl" }
    package var journal: String { isUsers ? "journalctl --user -u \(name)" : "journalctl -u \(name)" }
    /// Where the packages put its root.
    package var root: String? {
        if isUsers { return SocketPath.variable("HOME").map { $0.trimmingTrailingSlashes + "/saed" } }
        return "/var/lib/" + (name == "saed" ? "saed" : "saed-" + name.dropFirst("saed@".count))
    }
}

extension Doctor {
    /// - Parameter listed: the same user with the groups that the next login has.
    package static func findings(_ socket: SocketFacts, _ user: Identity, listed: Identity, units: UnitNames?) -> [Finding] {
        guard let error = socket.error else { return [Finding("socket", .ok, "a daemon answers at '\(socket.path)'")] }
        var findings = [reason(socket, error, user, listed: listed, units)]
        if !socket.others.isEmpty {
            let names = socket.others.map { "'\($0)'" }.joined(separator: ", ")
            findings.append(Finding("other daemons", .note, "a saed answers at \(names)", remedy: "ask that one: saectl --socket \(quoted(socket.others[0]))"))
        }
        return findings
    }

    private static func reason(_ socket: SocketFacts, _ error: CInt, _ user: Identity, listed: Identity, _ units: UnitNames?) -> Finding {
        let start = units.map { "\($0.control) enable --now \($0.name).socket" } ?? socket.start
        if let folder = socket.missingFolder {
            return Finding("socket", .bad, "no daemon answers at '\(socket.path)': there is no folder '\(folder)'", remedy: start)
        }
        if error == EACCES, let folder = socket.folders.last, !folder.allows(.enter, to: user) {
            return closed(
                folder, .enter, "no daemon can be asked: the folder '\(folder.path)' (\(folder.text)) may not be entered by '\(user.name)'", user, listed: listed,
                otherwise: "sudo chmod o+x \(quoted(folder.path))")
        }
        guard let file = socket.file else {
            return Finding("socket", .bad, "no daemon answers at '\(socket.path)': there is no such socket", remedy: start)
        }
        guard file.kind == .socket else {
            return Finding("socket", .bad, "'\(socket.path)' is no socket (\(file.text))", remedy: "move it away, then \(start)")
        }
        switch error {
        case EACCES:
            return closed(
                file, .write, "the socket '\(socket.path)' (\(file.text)) may not be opened by '\(user.name)'", user, listed: listed,
                otherwise: "let its group in: SocketMode=0660 in the socket's unit, or sudo chmod g+rw \(quoted(file.path))")
        case ECONNREFUSED:
            let again = units.map { "\($0.control) restart \($0.name).socket \($0.name).service; \($0.journal) says what ended it" } ?? socket.start
            return Finding(
                "socket", .bad, "no daemon answers at '\(socket.path)': its file is there, but nobody listens: a daemon was killed and left it",
                remedy: again + " (the file is replaced)")
        case EAGAIN:
            return Finding(
                "socket", .bad, "the daemon at '\(socket.path)' takes no connection: too many wait already", remedy: "see its log: it may hang; restart it")
        default: return Finding("socket", .bad, "'\(socket.path)' can't be connected to: \(String(cString: strerror(error)))", remedy: "see the daemon's log")
        }
    }

    /// A file that its group could open, or not even that.
    private static func closed(
        _ file: FileFacts, _ rights: FileFacts.Rights, _ text: String, _ user: Identity, listed: Identity, otherwise: String
    ) -> Finding {
        // Nobody should be asked to join root's group.
        let mayGroup = FileFacts.Rights(rawValue: file.mode >> 3 & 7).isSuperset(of: rights) && file.group != 0
        guard mayGroup, !user.groups.contains(file.group) else {
            return Finding("permissions", .bad, text, remedy: otherwise)
        }
        if listed.groups.contains(file.group) {
            return Finding(
                "permissions", .bad, text + ": it is in the group '\(file.groupName)', but this login began before that",
                remedy: "log out and in again; in this terminal alone: newgrp \(file.groupName)")
        }
        return Finding(
            "permissions", .bad, text + ": it is not in the group '\(file.groupName)', whose members may",
            remedy: "sudo usermod -aG \(file.groupName) \(user.name), then log out and in again")
    }

    /// What the service manager says of the two units; nothing where it has none of that name.
    package static func findings(_ facts: [UnitFacts], _ units: UnitNames) -> [Finding] {
        facts.compactMap { unit in
            let control = "\(units.control)", name = unit.name
            if unit.load == "masked" || unit.file == "masked" {
                return Finding("units", .bad, "\(name) is masked: it can't be started", remedy: "\(control) unmask \(name), then \(control) enable --now \(units.name).socket")
            }
            guard unit.load == "loaded" else { return nil }
            if unit.active == "failed" {
                return Finding(
                    "units", .bad, "\(name) has failed (\(unit.result))",
                    remedy: "\(units.journal) -x -n 50 says why; then \(control) restart \(name)")
            }
            guard name.hasSuffix(".socket") else { return Finding("units", .ok, "\(name) is \(unit.active)") }
            if unit.active != "active" {
                return Finding("units", .bad, "\(name) is \(unit.active): nobody listens", remedy: "\(control) enable --now \(name)")
            }
            if unit.file == "disabled" {
                return Finding("units", .note, "\(name) listens, but not after the next boot", remedy: "\(control) enable \(name)")
            }
            return Finding("units", .ok, "\(name) listens")
        }
    }

    /// As a shell reads it.
    package static func quoted(_ text: String) -> String {
        let isPlain = !text.isEmpty && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-+:@%".contains($0)) }
        return isPlain ? text : "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}

// MARK: looking

extension SocketFacts {
    /// Looks, and tries to connect.
    init(_ socket: SocketPath) {
        self.init(path: absolutePath(socket.path), start: socket.remedy)
        var folder = ""
        for part in ["/"] + path.split(separator: "/").dropLast().map(String.init) {
            folder = part == "/" ? "/" : (folder == "/" ? "" : folder) + "/" + part
            guard let facts = FileFacts(at: folder) else {
                if errno == ENOENT { missingFolder = folder }
                break
            }
            folders.append(facts)
            if access(folder, X_OK) != 0 { break }
        }
        file = FileFacts(at: path, following: false)
        error = SocketFacts.connectError(path)
        guard error != nil else { return }
        others = SocketFacts.known.filter { $0 != path && SocketFacts.connectError($0) == nil }
    }

    /// Where packages put sockets.
    private static var known: [String] {
        var found = [SocketPath.system]
        if let own = SocketPath.variable("XDG_RUNTIME_DIR"), !own.isEmpty { found.append(own.trimmingTrailingSlashes + "/saed/saed.sock") }
        if let folder = opendir("/run") {
            while let entry = readdir(folder) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
                if name.hasPrefix("saed-") { found.append("/run/\(name)/saed.sock") }
            }
            closedir(folder)
        }
        return found
    }

    private static func connectError(_ path: String) -> CInt? {
        do throws(SocketError) {
            close(try UnixSocket.connect(path: path))
            return nil
        } catch {
            if case .connect(_, let errno) = error { return errno }
            return EINVAL
        }
    }
}

extension UnitFacts {
    /// - Returns: nil where no service manager runs.
    static func look(_ units: UnitNames) -> [UnitFacts]? {
        guard access("/run/systemd/system", F_OK) == 0 else { return nil }
        let scope = units.isUsers ? "--user " : ""
        let command = "systemctl \(scope)show -p Id,LoadState,ActiveState,UnitFileState,Result \(units.name).socket \(units.name).service 2>/dev/null"
        guard let pipe = popen(command, "r") else { return nil }
        defer { pclose(pipe) }
        var text = "", buffer = [CChar](repeating: 0, count: 512)
        while fgets(&buffer, Int32(buffer.count), pipe) != nil { text += String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
        return parse(text)
    }

    /// `systemctl show`: lines KEY=VALUE, an empty line between units.
    package static func parse(_ text: String) -> [UnitFacts] {
        var facts: [UnitFacts] = [], values: [Substring: String] = [:]
        let lines: [Substring] = text.split(separator: "\n", omittingEmptySubsequences: false) + [""]
        for line in lines {
            if let at = line.firstIndex(of: "=") {
                values[line[..<at]] = String(line[line.index(after: at)...])
            } else if let name = values["Id"] {
                facts.append(
                    UnitFacts(
                        name: name, load: values["LoadState"] ?? "", active: values["ActiveState"] ?? "", file: values["UnitFileState"] ?? "",
                        result: values["Result"] ?? ""))
                values = [:]
            }
        }
        return facts
    }
}
