// The tree of folders and its watches.

import Foundation

extension WatchEngine {
    /// A folder that is there: hung into the tree, watched, then scanned (in this order: what comes after the
    /// watch raises an event, what came before is found by the scan).
    /// - Returns: the node; nil where the folder is gone again or forms a loop.
    func arriveFolder(_ name: FileName, in node: FolderNode, path: String, _ facts: FileFacts) -> FolderNode? {
        if let existing = node.children[name] {
            if existing.inode == facts.stamp.inode, existing.device == facts.device { return existing }
            dismantle(existing)
        }
        guard let child = hang(name, in: node, path: path, facts) else { return nil }
        scanArrival(of: child)
        return child
    }

    /// The node of a folder, new or as it is, watched but not scanned.
    func hang(_ name: FileName, in node: FolderNode, path: String, _ facts: FileFacts) -> FolderNode? {
        if let existing = node.children[name] {
            if existing.inode == facts.stamp.inode, existing.device == facts.device { return existing }
            dismantle(existing)
        }
        var ancestor: FolderNode? = node
        while let above = ancestor {
            // Without symbolic links only a bind mount gets here.
            if above.inode == facts.stamp.inode, above.device == facts.device {
                refuse(path, .folderLoop(target: above.path ?? ""))
                return nil
            }
            ancestor = above.parent
        }
        let child = FolderNode(name: name, parent: node)
        child.device = facts.device
        child.inode = facts.stamp.inode
        child.lastPoll = pollNumber
        child.bundle = node.bundle
        if Place(of: name, in: node) == .bundle {
            let bundle = Bundle(node: child, rest: options.settleFolder, changed: now)
            child.bundle = bundle
            bundles.append(bundle)
        }
        node.children[name] = child
        guard watch(child) else {
            dismantle(child)
            return nil
        }
        return child
    }

    /// Adds the folder's watch, or marks it as polled.
    /// - Returns: false where it is gone.
    func watch(_ node: FolderNode) -> Bool {
        guard let path = node.path else { return false }
        if node.parent?.isPolled ?? false || inotify == nil || folders.count >= options.watchesMax {
            if inotify != nil, folders.count >= options.watchesMax { warnOfLimit(path) }
            markPolled(node)
            return true
        }
        if node.isRoot || node.device != node.parent?.device, let name = FileSystems.remoteName(of: absolute(path)) {
            warn(.networkFileSystem(path: absolute(path), name: name))
            markPolled(node)
            return true
        }
        var failure: Int32 = 0
        guard let watch = inotify?.add(absolute(path), failure: &failure) else { return unwatchable(node, path, failure) }
        // The same inode has the same number: an older picture of this folder gives it up.
        if let former = folders[watch], former !== node { former.watch = -1 }
        folders[watch] = node
        node.watch = watch
        return true
    }

    private func unwatchable(_ node: FolderNode, _ path: String, _ failure: Int32) -> Bool {
        switch failure {
        case ENOENT, ENOTDIR, ELOOP: return false
        case EACCES: return true  // the scan says so; the parent tells when it changes
        case ENOSPC: warnOfLimit(path)
        default: warn(.noInotify(reason: errorText(failure)))
        }
        markPolled(node)
        return true
    }

    private func warnOfLimit(_ path: String) {
        guard !hasWarnedOfLimit else { return }
        hasWarnedOfLimit = true
        warn(.watchLimit(path: absolute(path)))
    }

    private func markPolled(_ node: FolderNode) {
        node.isPolled = true
        guard !(node.parent?.isPolled ?? false) else { return }
        if polled.isEmpty { nextPoll = now + options.pollInterval }
        polled.append(node)
    }

    /// Takes a folder with all below it out of the tree, its watches and records with it.
    func dismantle(_ node: FolderNode) {
        if let parent = node.parent, parent.children[node.name] === node { parent.children[node.name] = nil }
        node.parent = nil
        for child in node.children.values { dismantle(child) }
        for record in node.records.values { drop(record) }
        if node.watch >= 0, folders[node.watch] === node {
            inotify?.remove(node.watch)
            folders[node.watch] = nil
        }
        node.watch = -1
        if let bundle = node.bundle, bundle.node === node { bundles.removeAll { $0 === bundle } }
        if node.isPolled { polled.removeAll { $0 === node } }
    }

    /// Whether the folder is still where the events read so far say. If not, a rename is in the queue.
    func isInPlace(_ node: FolderNode) -> Bool {
        guard let path = node.path, let facts = FileFacts.of(absolute(path)) else { return false }
        return facts.stamp.inode == node.inode && facts.device == node.device
    }

    /// Something in the folder could not be looked at, because it is being renamed or hangs nowhere: it is scanned
    /// again when it, or a folder above it, has its new name.
    func disturb(_ node: FolderNode) {
        var next: FolderNode? = node
        while let node = next {
            node.wasDisturbed = true
            next = node.parent
        }
    }

    /// On request: the first folder of the path that is not known, or the file.
    func look(at path: String) {
        var node = rootNode
        for component in path.split(separator: "/").map({ FileName(String($0)) }) {
            guard let child = node.children[component] else {
                if node.records[component] == nil { arrive(component, in: node, as: .renamed) }
                return
            }
            node = child
        }
        scanArrival(of: node)
    }
}
