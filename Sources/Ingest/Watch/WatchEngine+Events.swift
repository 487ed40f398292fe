// What each inotify event means.

import Foundation

extension WatchEngine {
    /// - Returns: whether there may be more to read.
    func readEvents() -> Bool {
        guard let inotify else { return false }
        return inotify.read { handle($0) }
    }

    private func handle(_ event: InotifyEvent) {
        if event.mask.contains(.overflow) {
            if !isRescanWanted { warn(.overflow) }
            return wantRescan()
        }
        // Of a watch given back, or a folder dismantled: nothing to do.
        guard let node = folders[event.watch] else { return }
        if event.mask.contains(.ignored) {
            folders[event.watch] = nil
            node.watch = -1
            if node.isRoot { rootIsGone() }
            return
        }
        if event.mask.contains(.unmount) { return node.isRoot ? rootIsGone() : wantRescan() }
        guard let name = event.name else {
            if node.isRoot, !event.mask.isDisjoint(with: [.deleteSelf, .moveSelf]) { rootIsGone() }
            return  // for other folders the parent's event tells
        }
        guard let path = node.path(of: FileName(name)) else { return disturb(node) }
        if !event.nameIsText {
            if !event.mask.isDisjoint(with: [.create, .movedTo]) { refuse(path, .nameNotText) }
        } else if let bundle = node.bundle {
            handle(event, FileName(name), in: node, of: bundle)
        } else if !IgnoredNames.contains(name) {
            handle(event, FileName(name), in: node, path: path)
        }
    }

    private func handle(_ event: InotifyEvent, _ name: FileName, in node: FolderNode, path: String) {
        let mask = event.mask, isFolder = mask.contains(.isFolder)
        if mask.contains(.create) {
            if !isFolder, FileFacts.isMissing(absolute(path)) {
                // Renamed or deleted since, or a folder above was, of which the next events tell. That it is new
                // is known only now.
                let record = record(name, in: node, isTaken: false)
                record.isWriting = true
                settleAgain(record, rest: options.settle)
            } else {
                arrive(name, in: node, as: .created)
            }
        } else if mask.contains(.movedTo) {
            movedTo(name, in: node, isFolder: isFolder, cookie: event.cookie)
        } else if mask.contains(.movedFrom) {
            movedFrom(name, in: node, path: path, isFolder: isFolder, cookie: event.cookie)
        } else if mask.contains(.delete) {
            deleted(name, in: node, path: path, isFolder: isFolder)
        } else if mask.contains(.attributes) {
            attributesChanged(name, in: node, path: path, isFolder: isFolder)
        } else if !isFolder {
            written(name, in: node, path: path, isClosed: mask.contains(.closeWrite))
        }
    }

    // MARK: Something is there

    enum Arrival {
        /// By open(O_CREAT), mkdir, link, mknod, symlink.
        case created
        /// Renamed into place, or looked at on request: complete as far as names can tell.
        case renamed
    }

    func arrive(_ name: FileName, in node: FolderNode, as arrival: Arrival) {
        guard let path = node.path(of: name), !IgnoredNames.contains(name.text) else { return }
        guard let facts = FileFacts.of(absolute(path)) else {
            // Gone again or renamed, of which another event tells; unless it is a folder above that was renamed.
            return isInPlace(node) ? () : disturb(node)
        }
        if facts.kind == .folder, !isInPlace(node) { return disturb(node) }
        switch facts.kind {
        case .folder: _ = arriveFolder(name, in: node, path: path, facts)
        case .file: if node.bundle == nil { arriveFile(name, in: node, facts, as: arrival) }
        default: examineSpecial(path, facts.kind)
        }
    }

    private func arriveFile(_ name: FileName, in node: FolderNode, _ facts: FileFacts, as arrival: Arrival) {
        // link(2) gives a name to what is complete; only open(O_CREAT) begins with one link and a writer.
        let isComplete = arrival == .renamed || facts.links > 1
        let record = record(name, in: node, isTaken: arrival == .renamed)
        record.stamp = nil
        record.isWriting = !isComplete
        record.needsComparison = false
        settleAgain(record, rest: isComplete ? options.settleRenamed : options.settle)
    }

    // MARK: Its content or attributes changed

    private func written(_ name: FileName, in node: FolderNode, path: String, isClosed: Bool) {
        guard let record = node.records[name] else {
            let record = self.record(name, in: node, isTaken: true)
            record.isWriting = !isClosed
            record.wasModified = !isClosed
            // Closed without a change seen: opened for writing and left alone, or written through mmap.
            record.needsComparison = isClosed
            return settleAgain(record, rest: options.settle)
        }
        if isClosed, record.state != .settling {
            record.isWriting = false
            if let facts = FileFacts.of(absolute(path)), facts.stamp == record.stamp { return }
        }
        record.isWriting = !isClosed
        record.stamp = nil
        if !isClosed {
            record.wasModified = true
            record.needsComparison = false
        }
        settleAgain(record, rest: options.settle)
    }

    private func attributesChanged(_ name: FileName, in node: FolderNode, path: String, isFolder: Bool) {
        let wasRefused = refused.removeValue(forKey: FileName(path)) != nil
        if isFolder {
            guard wasRefused, let child = node.children[name] else { return }
            _ = watch(child)
            scanArrival(of: child)
            return
        }
        guard let facts = FileFacts.of(absolute(path)), facts.kind == .file else { return }
        if let record = node.records[name] {
            if record.state != .settling, facts.stamp == record.stamp { return }
            settleAgain(record, rest: record.rest)
        } else if wasRefused || known.file(at: path) != facts.stamp {
            let record = self.record(name, in: node, isTaken: true)
            record.stamp = facts.stamp
            settleAgain(record, rest: wasRefused ? options.settleRenamed : options.settle)
        }
    }

    // MARK: It is gone

    func deleted(_ name: FileName, in node: FolderNode, path: String, isFolder: Bool) {
        let isAnnounced = shared.takeAnnouncement(of: path)
        refused[FileName(path)] = nil
        if isFolder {
            guard let child = node.children[name] else { return }
            dismantle(child)
            forgetFingerprints(at: path)
            if !isAnnounced { emit(.removed(path: path, isFolder: true)) }
        } else {
            told[FileName(path)] = nil
            let record = node.records[name]
            if let record { drop(record) }
            if record?.isTaken ?? true, !isAnnounced { emit(.removed(path: path, isFolder: false)) }
        }
    }

    // MARK: Neither file nor folder

    /// Symbolic links and what can't be read; nothing here is opened.
    func examineSpecial(_ path: String, _ kind: FileFacts.Kind) {
        switch kind {
        case .fifo: refuse(path, .fifo)
        case .socket: refuse(path, .socket)
        case .device: refuse(path, .device)
        case .link: examineLink(path)
        case .file, .folder: break
        }
    }

    private func examineLink(_ path: String) {
        var text = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        guard readlink(absolute(path), &text, Int(PATH_MAX)) >= 0 else { return }  // gone again
        let target = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        guard let resolved = realpath(absolute(path), nil) else {
            return refuse(path, errno == ELOOP ? .folderLoop(target: target) : .linkToNothing(target: target))
        }
        defer { free(resolved) }
        let place = String(cString: resolved)
        if isBelow(absolute(path), place) {
            refuse(path, .folderLoop(target: target))
        } else if !isBelow(place, root) {
            refuse(path, .linkOutside(target: target))
        }
    }

    /// By bytes: String.hasPrefix compares characters, and a name may begin with a combining one.
    private func isBelow(_ path: String, _ folder: String) -> Bool {
        path.utf8.starts(with: (folder == "/" ? folder : folder + "/").utf8)
    }
}
