// Folders delivered as one: models/NAME and saes/NAME. Any sign of change below makes a bundle due; at rest all
// its files are looked at, and it is told when it differs from what was told last.

import Foundation

extension WatchEngine {
    /// Below this a folder in a model is no model.
    private static let depthMax = 64

    func touch(_ bundle: Bundle, rest: Duration) {
        bundle.changed = now
        bundle.rest = max(rest, WatchOptions.pairing)
        bundle.isDue = true
    }

    /// An event in a bundle. Ignored names count too: a download into x.part is a reason to wait.
    func handle(_ event: InotifyEvent, _ name: FileName, in node: FolderNode, of bundle: Bundle) {
        let writer = Bundle.Writer(folder: ObjectIdentifier(node), name: name)
        let mask = event.mask
        touch(bundle, rest: options.settleFolder)
        if mask.contains(.modify) { bundle.writers.insert(writer) }
        if !mask.isDisjoint(with: [.closeWrite, .delete, .movedFrom]) { bundle.writers.remove(writer) }
        if !mask.isDisjoint(with: [.delete, .movedFrom]), mask.contains(.isFolder), let child = node.children[name] {
            dismantle(child)
            bundle.writers = bundle.writers.filter { $0.folder != ObjectIdentifier(child) }
        }
        if !mask.isDisjoint(with: [.create, .movedTo]) { arrive(name, in: node, as: .created) }
        if mask.contains(.attributes), let path = node.path(of: name) {
            refused[FileName(path)] = nil
            if mask.contains(.isFolder), let child = node.children[name], child.watch < 0, watch(child) { scanArrival(of: child) }
        }
    }

    /// A scan comes by one of its folders.
    func scanned(_ bundle: Bundle, at node: FolderNode, _ purpose: Scan.Purpose) {
        if purpose != .poll {
            touch(bundle, rest: bundle.rest)
        } else if bundle.node === node, !bundle.isDue, let path = node.path {
            let look = look(at: bundle)
            if look.fingerprint != fingerprints[FileName(path)] { touch(bundle, rest: options.settlePolled) }
        }
    }

    func settleDueBundles() {
        for bundle in bundles where bundle.isDue && bundle.due <= now {
            guard let path = bundle.node.path else {
                touch(bundle, rest: bundle.rest)
                continue
            }
            settle(bundle, path)
        }
    }

    private func settle(_ bundle: Bundle, _ path: String) {
        let look = look(at: bundle)
        if look.isBeingWritten || look.isWriterUnknown && !bundle.writers.isEmpty {
            return touch(bundle, rest: options.settleFolder)
        }
        if bundle.node.isPolled, bundle.observed != look.fingerprint {
            bundle.observed = look.fingerprint
            return touch(bundle, rest: options.settlePolled)
        }
        bundle.isDue = false
        bundle.writers = []
        // An empty folder is one whose files are yet to come, or whose files are gone.
        guard look.files > 0 else {
            if fingerprints.removeValue(forKey: FileName(path)) != nil { emit(.removed(path: path, isFolder: true)) }
            return
        }
        guard fingerprints[FileName(path)] != look.fingerprint else { return }
        fingerprints[FileName(path)] = look.fingerprint
        emit(.folderSettled(path: path))
    }

    /// The bundle at the path, or those below it, are gone: the same content coming back is news.
    func forgetFingerprints(at path: String) {
        fingerprints = fingerprints.filter { $0.key != FileName(path) && !$0.key.text.utf8.starts(with: (path + "/").utf8) }
    }

    // MARK: Its content

    struct BundleLook {
        var files = 0
        var isBeingWritten = false
        var isWriterUnknown = false
        /// Of all paths, sizes and times.
        var fingerprint: UInt64 { UInt64(bitPattern: Int64(hasher.finalize())) }
        fileprivate var hasher = Hasher()
    }

    private func look(at bundle: Bundle) -> BundleLook {
        var look = BundleLook()
        guard let path = bundle.node.path else { return look }
        visit(path, depth: 0, isPolled: bundle.node.isPolled, root: path, &look)
        return look
    }

    private func visit(_ folder: String, depth: Int, isPolled: Bool, root: String, _ look: inout BundleLook) {
        var failure: Int32 = 0
        guard depth < WatchEngine.depthMax, let listing = FolderListing(path: absolute(folder), failure: &failure) else {
            if failure == EACCES { refuse(folder, .unreadable(isFolder: true, reason: errorText(failure))) }
            return
        }
        for position in 0..<listing.count {
            switch listing[position] {
            case let .notText(name): refuse(folder + "/" + name, .nameNotText)
            case let .folder(name) where !IgnoredNames.contains(name):
                visit(folder + "/" + name, depth: depth + 1, isPolled: isPolled, root: root, &look)
            case let .file(name) where !IgnoredNames.contains(name):
                visitFile(folder + "/" + name, isPolled: isPolled, root: root, &look)
            case .folder, .file: break
            }
        }
    }

    private func visitFile(_ path: String, isPolled: Bool, root: String, _ look: inout BundleLook) {
        guard let facts = FileFacts.of(absolute(path)) else { return }
        guard facts.kind == .file else { return examineSpecial(path, facts.kind) }
        switch WriterProbe(path: absolute(path)) {
        case let .unreadable(reason): refuse(path, .unreadable(isFolder: false, reason: reason))
        case .writer: look.isBeingWritten = true
        case .unknown: look.isWriterUnknown = true
        case .noWriter, .gone, .notRegular: break
        }
        look.files += 1
        // Relative to the bundle, so that renaming it changes nothing.
        look.hasher.combine(String(path.dropFirst(root.count)))
        look.hasher.combine(facts.stamp.size)
        look.hasher.combine(facts.stamp.mtime)
        if !isPolled { look.hasher.combine(facts.stamp.inode) }
    }
}
