// Renames. inotify tells the two halves of one with the same cookie; the first is held until the second comes.
// Alone, the first half is something that left the folder, the second something that came in.

import Foundation

/// The first half of a rename.
struct Hold {
    let from: String
    /// Where it hung; for looking whether something else is there now.
    let folder: FolderNode
    let name: FileName
    let isFolder: Bool
    /// The folder with all below it, its watches kept.
    let node: FolderNode?
    let record: FileRecord?
    let isAnnounced: Bool
}

extension WatchEngine {
    func movedFrom(_ name: FileName, in node: FolderNode, path: String, isFolder: Bool, cookie: UInt32) {
        refused[FileName(path)] = nil
        told[FileName(path)] = nil
        let child = isFolder ? node.children.removeValue(forKey: name) : nil
        child?.parent = nil
        let record = isFolder ? nil : node.records.removeValue(forKey: name)
        record?.folder = nil
        holds[cookie] = Hold(
            from: path, folder: node, name: name, isFolder: isFolder, node: child, record: record,
            isAnnounced: shared.takeAnnouncement(of: path))
        holdOrder.append((cookie, now + WatchOptions.pairing))
    }

    func movedTo(_ name: FileName, in node: FolderNode, isFolder: Bool, cookie: UInt32) {
        guard let hold = holds[cookie], hold.isFolder == isFolder, let to = node.path(of: name) else {
            displace(name, in: node)
            return arrive(name, in: node, as: .renamed)
        }
        holds[cookie] = nil
        let ended = endHolds(around: hold.from) + endHolds(around: to)
        let place = Place(of: name, in: node)
        if Place(of: hold.name, in: hold.folder) != place || place == .holder {
            // What it is for changes with the place: not the same drop any more.
            left(hold)
            displace(name, in: node)
            arrive(name, in: node, as: .renamed)
        } else if isFolder {
            moveFolder(hold, to: name, in: node, path: to)
        } else {
            moveFile(hold, to: name, in: node, path: to)
        }
        for hold in ended + [hold] { lookAgain(where: hold) }
    }

    /// What left this path, or one above or below it, did so before and is told before.
    private func endHolds(around path: String) -> [Hold] {
        let ended = holds.filter { WatchEngine.overlap($0.value.from, path) }
        for (cookie, hold) in ended {
            holds[cookie] = nil
            left(hold)
        }
        return Array(ended.values)
    }

    private static func overlap(_ a: String, _ b: String) -> Bool {
        let a = a + "/", b = b + "/"
        return a.utf8.starts(with: b.utf8) || b.utf8.starts(with: a.utf8)
    }

    /// Where two names are exchanged, or another file took the name at once, something is there again.
    private func lookAgain(where hold: Hold) {
        if hold.folder.path != nil { arrive(hold.name, in: hold.folder, as: .renamed) }
    }

    /// What a rename replaces; `moved` or the new file's event tells the consumer.
    private func displace(_ name: FileName, in node: FolderNode) {
        if let record = node.records[name] { drop(record) }
        if let child = node.children[name] { dismantle(child) }
    }

    /// `moved` is told only where the catalog has this very file under its old name. Otherwise (it is still with
    /// the consumer; a scan ahead of the events saw another file there) the old path is gone and the new one a drop:
    /// more work, never a wrong path.
    private func moveFile(_ hold: Hold, to name: FileName, in node: FolderNode, path: String) {
        displace(name, in: node)
        let facts = FileFacts.of(absolute(path))
        if let facts, facts.kind != .file {
            left(hold)
            return arrive(name, in: node, as: .renamed)
        }
        guard let facts, knownForSure(at: hold.from)?.inode == facts.stamp.inode else {
            let wasTaken = hold.record?.isTaken ?? true
            if wasTaken, !hold.isAnnounced { emit(.removed(path: hold.from, isFolder: false)) }
            // Made even if it can't be seen: where a folder above was renamed since, the record follows.
            let record = hold.record ?? self.record(name, in: node, isTaken: true)
            follow(record, to: name, in: node)
            return
        }
        emit(.moved(from: hold.from, to: path, isFolder: false))
        if let record = hold.record { follow(record, to: name, in: node) }
    }

    private func follow(_ record: FileRecord, to name: FileName, in node: FolderNode) {
        record.name = name
        record.folder = node
        node.records[name] = record
        record.isTaken = true  // what it replaced may be known
        // Renamed after it was closed: in place now.
        let isComplete = !record.isWriting && record.attempt == 1
        record.stamp = nil
        settleAgain(record, rest: isComplete ? min(record.rest, options.settleRenamed) : record.rest)
    }

    private func moveFolder(_ hold: Hold, to name: FileName, in node: FolderNode, path: String) {
        let facts = FileFacts.of(absolute(path))
        guard let child = hold.node, let facts, facts.kind == .folder,
            facts.stamp.inode == child.inode, facts.device == child.device, node.children[name]?.inode != child.inode
        else {
            // Not scanned yet; or a scan ahead of the events has seen what came later, here or at the old place.
            left(hold)
            return arrive(name, in: node, as: .renamed)
        }
        displace(name, in: node)
        emit(.moved(from: hold.from, to: path, isFolder: true))
        if let told = fingerprints.removeValue(forKey: FileName(hold.from)) { fingerprints[FileName(path)] = told }
        child.name = name
        child.parent = node
        node.children[name] = child
        if child.isPolled, !node.isPolled, !polled.contains(where: { $0 === child }) { polled.append(child) }
        if let bundle = child.bundle, bundle.isDue { touch(bundle, rest: options.settleRenamed) }
        settleFilesWithConsumer(below: child)
        if child.wasDisturbed { scanArrival(of: child, isDeep: true) }
    }

    /// The consumer has them under paths that are no more.
    private func settleFilesWithConsumer(below node: FolderNode) {
        for record in node.records.values {
            if case .inFlight = record.state { settleAgain(record, rest: options.settleRenamed) }
        }
        for child in node.children.values { settleFilesWithConsumer(below: child) }
    }

    /// It left the folder, or its place in it.
    private func left(_ hold: Hold) {
        if let node = hold.node { dismantle(node) }
        if let record = hold.record { drop(record) }
        if hold.isFolder { forgetFingerprints(at: hold.from) }
        guard !hold.isAnnounced, hold.record?.isTaken ?? true else { return }
        emit(.removed(path: hold.from, isFolder: hold.isFolder))
    }

    func expireHolds() {
        while let (cookie, expires) = holdOrder.first, expires <= now || holds[cookie] == nil {
            _ = holdOrder.popFirst()
            guard let hold = holds.removeValue(forKey: cookie) else { continue }
            left(hold)
            lookAgain(where: hold)
        }
    }
}

/// What a name in a folder stands for, as far as the watcher treats it differently.
enum Place {
    /// Files one by one.
    case plain
    /// `models` and `saes`: what a folder in it is, depends on its name.
    case holder
    /// `models/NAME`, `saes/NAME`.
    case bundle
    case insideBundle

    init(of name: FileName, in node: FolderNode) {
        if node.bundle != nil {
            self = .insideBundle
        } else if node.isRoot {
            self = BundlePlaces.holders.contains(name.text) ? .holder : .plain
        } else if let parent = node.parent, parent.isRoot, BundlePlaces.holders.contains(node.name.text) {
            self = .bundle
        } else {
            self = .plain
        }
    }
}
