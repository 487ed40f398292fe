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
        // Where two names are exchanged, or another file took the name at once, something is there again.
        if hold.folder.path != nil { arrive(hold.name, in: hold.folder, as: .renamed) }
    }

    /// What a rename replaces; `moved` or the new file's event tells the consumer.
    private func displace(_ name: FileName, in node: FolderNode) {
        if let record = node.records[name] { drop(record) }
        if let child = node.children[name] { dismantle(child) }
    }

    private func moveFile(_ hold: Hold, to name: FileName, in node: FolderNode, path: String) {
        displace(name, in: node)
        if let facts = FileFacts.of(absolute(path)), facts.kind != .file {
            left(hold)
            return arrive(name, in: node, as: .renamed)
        }
        if let record = hold.record {
            record.name = name
            record.folder = node
            node.records[name] = record
            if record.isTaken { emit(.moved(from: hold.from, to: path, isFolder: false)) }
            record.isTaken = true  // what it replaced may be known
            switch record.state {
            case .settling:
                // Renamed after it was closed: in place now.
                if !record.isWriting, record.attempt == 1 { record.rest = min(record.rest, options.settleRenamed) }
                settleAgain(record, rest: record.rest)
            case .ready: enqueue(record)  // its lane entry may have come up while it hung nowhere
            case .inFlight, .gone: break
            }
        } else {
            emit(.moved(from: hold.from, to: path, isFolder: false))
        }
    }

    private func moveFolder(_ hold: Hold, to name: FileName, in node: FolderNode, path: String) {
        emit(.moved(from: hold.from, to: path, isFolder: true))
        if let told = fingerprints.removeValue(forKey: FileName(hold.from)) { fingerprints[FileName(path)] = told }
        let facts = FileFacts.of(absolute(path))
        guard let child = hold.node, facts?.kind == .folder, facts?.stamp.inode == child.inode, facts?.device == child.device
        else {
            // Not scanned yet, or another folder is there by now: its content is looked at afresh.
            if let child = hold.node { dismantle(child) }
            if let existing = node.children[name] {
                scanArrival(of: existing)
            } else {
                arrive(name, in: node, as: .renamed)
            }
            return
        }
        if let existing = node.children[name] {
            dismantle(existing)
            // A scan ahead of the events may have given the folder's watch to that node.
            if child.watch < 0 { child.wasDisturbed = watch(child) }
        }
        child.name = name
        child.parent = node
        node.children[name] = child
        if child.isPolled, !node.isPolled, !polled.contains(where: { $0 === child }) { polled.append(child) }
        if let bundle = child.bundle, bundle.isDue { touch(bundle, rest: options.settleRenamed) }
        if child.wasDisturbed {
            child.wasDisturbed = false
            scanArrival(of: child)
        }
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
            if let hold = holds.removeValue(forKey: cookie) { left(hold) }
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
