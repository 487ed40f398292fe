// The drop folder: may this user drop, may the daemon read what is dropped, does the file system tell of changes.

import Glibc

/// What is seen of a drop folder from outside.
package struct DropFacts: Sendable, Equatable {
    package var path: String
    /// nil: it can't be seen, for this reason.
    package var folder: FileFacts?
    package var error: CInt = 0
    /// Its `images`, where most is dropped.
    package var images: FileFacts?
    /// Whom the daemon runs as, where that is known.
    package var daemon: Identity?
    /// Files and folders that were looked at, at most `DropFacts.lookedMax`.
    package var looked = 0
    /// Those of them that the daemon can't read.
    package var unreadable: [String] = []
    /// Folders, each of which needs a watch; nil: they were not counted.
    package var folders: Int?

    /// Some hundredths of a second.
    package static let lookedMax = 5000

    package init(path: String, daemon: Identity?) { (self.path, self.daemon) = (path, daemon) }
}

extension Doctor {
    package static func findings(_ drop: DropFacts, _ user: Identity, listed: Identity) -> [Finding] {
        guard let folder = drop.folder else {
            let why = String(cString: strerror(drop.error))
            return [
                Finding(
                    "drop folder", drop.error == ENOENT ? .bad : .note, "'\(drop.path)' can't be seen (\(why))",
                    remedy: drop.error == ENOENT ? "it is made when the daemon starts" : "sudo saectl doctor looks as root")
            ]
        }
        var findings = [mayDrop(drop.images ?? folder, user, listed: listed)]
        if let daemon = drop.daemon { findings += mayRead(drop, folder, daemon) }
        return findings
    }

    private static func mayDrop(_ folder: FileFacts, _ user: Identity, listed: Identity) -> Finding {
        if folder.allows([.write, .enter], to: user) { return Finding("drop folder", .ok, "'\(folder.path)' can be written") }
        let text = "'\(user.name)' may not write in '\(folder.path)' (\(folder.text)), and so can't drop images"
        let mayGroup = FileFacts.Rights(rawValue: folder.mode >> 3 & 7).isSuperset(of: [.write, .enter]) && folder.group != 0
        guard mayGroup, !user.groups.contains(folder.group) else {
            return Finding("drop folder", .note, text, remedy: "to let this user drop: sudo setfacl -m u:\(user.name):rwx \(quoted(folder.path))")
        }
        return Finding(
            "drop folder", .note, text,
            remedy: listed.groups.contains(folder.group)
                ? "its group is '\(folder.groupName)', which this login began before joining: log out and in again"
                : "sudo usermod -aG \(folder.groupName) \(user.name), then log out and in again")
    }

    private static func mayRead(_ drop: DropFacts, _ folder: FileFacts, _ daemon: Identity) -> [Finding] {
        let place = quoted(folder.path), own = [folder] + (drop.images.map { [$0] } ?? [])
        if let closed = own.first(where: { !$0.allows([.read, .enter], to: daemon) }) {
            return [
                Finding(
                    "dropped files", .bad, "saed (user '\(daemon.name)') may not read '\(closed.path)' (\(closed.text)): nothing dropped there is seen",
                    remedy: "sudo setfacl -m u:\(daemon.name):rwx \(quoted(closed.path))")
            ]
        }
        var findings: [Finding] = []
        if let first = drop.unreadable.first {
            findings.append(
                Finding(
                    "dropped files", .bad,
                    "saed (user '\(daemon.name)') can't read \(count(drop.unreadable.count, "of the dropped files, '\(first)'", "of the dropped files, such as '\(first)'"))",
                    remedy: "sudo setfacl -R -m u:\(daemon.name):rwX \(place), and for those to come: sudo setfacl -R -d -m u:\(daemon.name):rwX \(place)"))
        } else {
            findings.append(Finding("dropped files", .ok, "saed (user '\(daemon.name)') can read what was looked at there (\(count(drop.looked, "file or folder", "files and folders")))"))
        }
        if let closed = own.first(where: { !$0.allows([.write, .enter], to: daemon) }) {
            findings.append(
                Finding(
                    "quarantine", .note, "saed (user '\(daemon.name)') may not write in '\(closed.path)' (\(closed.text)): broken files stay there instead of going to the quarantine",
                    remedy: "sudo setfacl -m u:\(daemon.name):rwx \(quoted(closed.path))"))
        }
        return findings
    }
}

// MARK: looking

extension DropFacts {
    /// - Parameter foldersMax: counting stops there.
    init(path: String, daemon: Identity?, foldersMax: Int) {
        self.init(path: path, daemon: daemon)
        guard let folder = FileFacts(at: path) else {
            error = errno
            return
        }
        self.folder = folder
        images = FileFacts(at: path + "/images")
        walk(foldersMax)
    }

    /// Links are not followed; names that the daemon passes over are.
    private mutating func walk(_ foldersMax: Int) {
        var open = [path], folders = 0
        while let next = open.popLast(), folders < foldersMax {
            guard let listing = opendir(next) else { continue }
            folders += 1
            while let entry = readdir(listing) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
                guard !name.hasPrefix(".") else { continue }
                let own = next + "/" + name, isFolder = entry.pointee.d_type == DT_DIR
                if isFolder { open.append(own) }
                guard let daemon, looked < DropFacts.lookedMax, isFolder || entry.pointee.d_type == DT_REG, let facts = FileFacts(at: own) else { continue }
                looked += 1
                if !facts.allows(isFolder ? [.read, .enter] : [.read], to: daemon) { unreadable.append(own) }
            }
            closedir(listing)
        }
        self.folders = folders
    }
}
