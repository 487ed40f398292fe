// Looking at folders. A scan goes entry by entry between other work, in the order of paths' bytes; one that
// consults the catalog walks its sorted paths beside, and what is known but was not met is looked for and, if
// missing, told as removed.

import Foundation

/// A walk of a folder and all below it.
final class Scan {
    enum Purpose {
        /// Everything in it is new: it came while we watch.
        case arrival
        /// Only what the catalog doesn't know.
        case whole
        /// As `whole`, for the polled folders, which have no other source of news.
        case poll
    }

    final class Frame {
        let node: FolderNode
        let listing: FolderListing
        var next = 0

        init(node: FolderNode, listing: FolderListing) {
            self.node = node
            self.listing = listing
        }
    }

    let purpose: Purpose
    var cursor: KnownCursor?
    var frames: [Frame] = []
    /// Files recorded so far.
    var found = 0
    /// Folders still to be walked.
    var roots: [FolderNode] = []
    /// Goes into folders that have been scanned before.
    var isDeep: Bool

    init(purpose: Purpose, cursor: KnownCursor?) {
        self.purpose = purpose
        self.cursor = cursor
        isDeep = purpose != .arrival
    }

    /// A handful of files is a drop like any other; many are a backlog that fresh drops may overtake.
    static let liveFilesMax = 32
}

extension WatchEngine {
    private static let stepsMax = 512

    func scanArrival(of node: FolderNode, isDeep: Bool = false) {
        let scan = Scan(purpose: .arrival, cursor: nil)
        scan.isDeep = isDeep
        scan.roots = [node]
        arrivals.append(scan)
    }

    /// Whether a scan can go on now.
    var mayScan: Bool {
        guard shared.queue.counts.events < WatchOptions.eventsMax else { return false }
        if arrival != nil || !arrivals.isEmpty, records < options.recordsMax { return true }
        return wholeScan != nil || pollScan != nil ? records < max(1, options.recordsMax / 2) : false
    }

    func runScans() {
        for _ in 0..<WatchEngine.stepsMax where mayScan {
            if arrival == nil { arrival = arrivals.popFirst() }
            if let scan = arrival, records < options.recordsMax {
                if !step(scan) { arrival = nil }
            } else if let scan = wholeScan, records < max(1, options.recordsMax / 2) {
                if !step(scan), wholeScan === scan { finishWholeScan() }
            } else if let scan = pollScan, records < max(1, options.recordsMax / 2) {
                if !step(scan), pollScan === scan {
                    pollScan = nil
                    forgetTold()
                }
            }
        }
    }

    var isPollDue: Bool { !polled.isEmpty && now >= nextPoll && pollScan == nil && wholeScan == nil && !isRootGone }

    func startPoll() {
        guard isPollDue, shared.queue.isApplied else { return }
        nextPoll = now + options.pollInterval
        pollNumber += 1
        let scan = Scan(purpose: .poll, cursor: nil)
        scan.roots = polled
        pollScan = scan
    }

    // MARK: One step

    /// - Returns: false when the scan is done.
    private func step(_ scan: Scan) -> Bool {
        guard let frame = scan.frames.last else {
            if scan.cursor?.peek() != nil {
                checkKnown(in: scan)
                return true
            }
            guard let root = scan.roots.popLast() else { return false }
            guard let path = root.path else { return true }
            if scan.purpose == .poll { scan.cursor = KnownCursor(known, below: path) }
            open(root, in: scan)
            return true
        }
        guard let folder = frame.node.path else {
            disturb(frame.node)  // scanned again if it comes back
            scan.frames.removeLast()
            return true
        }
        guard frame.next < frame.listing.count else {
            scan.frames.removeLast()
            if scan.purpose == .poll { forgetUnseen(below: frame.node) }
            return true
        }
        let entry = frame.listing[frame.next]
        let prefix = folder.isEmpty ? "" : folder + "/"
        let target = switch entry {
        case let .file(name), let .notText(name): prefix + name
        case let .folder(name): prefix + name + "/"
        }
        if let next = scan.cursor?.peek(), precedesByBytes(next.path, target) {
            checkKnown(in: scan)
            return true
        }
        frame.next += 1
        visit(entry, in: frame.node, prefix: prefix, scan)
        return true
    }

    private func visit(_ entry: FolderListing.Entry, in node: FolderNode, prefix: String, _ scan: Scan) {
        switch entry {
        case let .notText(name): refuse(prefix + name, .nameNotText)
        case let .folder(name), let .file(name):
            guard !IgnoredNames.contains(name) else { return }
            guard let facts = FileFacts.of(absolute(prefix + name)) else { return isInPlace(node) ? () : disturb(node) }
            switch facts.kind {
            case .folder:
                let isNew = node.children[FileName(name)] == nil
                guard isInPlace(node) else { return disturb(node) }
                guard let child = hang(FileName(name), in: node, path: prefix + name, facts) else { return }
                child.lastPoll = pollNumber
                // An arrival's folder that is known already has a scan of its own.
                if isNew || scan.isDeep { open(child, in: scan) }
            case .file: if node.bundle == nil { visitFile(FileName(name), in: node, path: prefix + name, facts, scan) }
            default: examineSpecial(prefix + name, facts.kind)
            }
        }
    }

    func open(_ node: FolderNode, in scan: Scan) {
        guard let path = node.path else { return }
        var failure: Int32 = 0
        guard let listing = FolderListing(path: absolute(path), failure: &failure) else {
            if failure == ENOENT || failure == ENOTDIR { return disturb(node) }
            return refuse(path, .unreadable(isFolder: true, reason: errorText(failure)))
        }
        // Another folder has its place by now: a rename is in the queue of events.
        guard listing.inode == node.inode, listing.device == node.device else { return disturb(node) }
        node.wasDisturbed = false
        if let bundle = node.bundle { scanned(bundle, at: node, scan.purpose) }
        scan.frames.append(Scan.Frame(node: node, listing: listing))
    }

    // MARK: Files

    private func visitFile(_ name: FileName, in node: FolderNode, path: String, _ facts: FileFacts, _ scan: Scan) {
        var inCatalog: FileStamp?
        if let next = scan.cursor?.peek(), next.path.utf8.elementsEqual(path.utf8) {
            inCatalog = next.stamp
            scan.cursor?.pop()
        }
        if let record = node.records[name] {
            if node.isPolled, let stamp = record.stamp, stamp != facts.stamp {
                record.stamp = facts.stamp
                settleAgain(record, rest: options.settlePolled)
            }
            return
        }
        if let record = carried.removeValue(forKey: FileName(path)) {
            if isSame(record.stamp, facts.stamp, in: node) {
                record.folder = node
                record.name = name
                node.records[name] = record
                return
            }
            drop(record)
        }
        if scan.purpose != .arrival {
            // The page may be older than the last commits.
            if isSame(inCatalog, facts.stamp, in: node) { return }
            inCatalog = known.file(at: path) ?? told[FileName(path)]
            if isSame(inCatalog, facts.stamp, in: node) { return }
        }
        scan.found += 1
        let record = record(name, in: node, isTaken: scan.purpose != .arrival && inCatalog != nil)
        record.stamp = facts.stamp
        record.isBacklog = scan.purpose == .whole || scan.found > Scan.liveFilesMax
        // What has rested while nobody watched need not rest again; clocks of other machines are not believed.
        let rest = node.isPolled ? options.settlePolled : max(.zero, options.settle - facts.age)
        settleAgain(record, rest: rest)
    }

    /// Inode numbers of network file systems may change from mount to mount.
    private func isSame(_ stamp: FileStamp?, _ other: FileStamp, in node: FolderNode) -> Bool {
        guard let stamp else { return false }
        return stamp.size == other.size && stamp.mtime == other.mtime && (stamp.inode == other.inode || node.isPolled)
    }

    /// The next known path was not met by the scan: gone, unless something has happened since.
    private func checkKnown(in scan: Scan) {
        guard let file = scan.cursor?.peek() else { return }
        scan.cursor?.pop()
        guard isGone(file.path) else { return }
        // Without the drop folder everything would look deleted.
        guard let facts = FileFacts.of(root), facts.stamp.inode == rootNode.inode, facts.device == rootNode.device else {
            return rootIsGone()
        }
        emit(.removed(path: file.path, isFolder: false))
    }

    /// Whether no file is at the path any more. What merely can't be looked at now is not gone.
    func isGone(_ path: String) -> Bool {
        var failure: Int32 = 0
        guard let facts = FileFacts.of(absolute(path), failure: &failure) else { return failure == ENOENT || failure == ENOTDIR }
        if facts.kind != .file { return true }
        // There, but perhaps through a symbolic link that took a folder's place.
        var parent = path[...]
        while let slash = parent.lastIndex(of: "/") {
            parent = parent[..<slash]
            if FileFacts.of(absolute(String(parent)))?.kind == .link { return true }
        }
        return false
    }

    /// Folders that a poll did not meet are gone; their files are told by the catalog's side of the walk.
    private func forgetUnseen(below node: FolderNode) {
        for child in node.children.values where child.lastPoll != pollNumber {
            let path = child.path
            let isBundle = child.bundle?.node === child
            dismantle(child)
            guard isBundle, let path else { continue }
            fingerprints[FileName(path)] = nil
            emit(.removed(path: path, isFolder: true))
        }
    }

    /// Tells the end of files that the catalog keeps no path of, so that walking beside it can't.
    private func forgetTold() {
        for path in told.keys where isGone(path.text) {
            told[path] = nil
            emit(.removed(path: path.text, isFolder: false))
        }
    }

    private func finishWholeScan() {
        wholeScan = nil
        forgetTold()
        for record in carried.values { drop(record) }  // renamed or gone meanwhile; found as new if it is there
        carried = [:]
        let present = Set(bundles.compactMap { $0.node.path.map(FileName.init) })
        for path in fingerprints.keys where !present.contains(path) {
            fingerprints[path] = nil
            emit(.removed(path: path.text, isFolder: true))
        }
        emit(.scanFinished)
    }
}
