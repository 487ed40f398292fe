// The watcher's thread: its state and its loop. Extensions by topic: +Events (what inotify says), +Moves, +Folders
// (the tree and its watches), +Scan, +Settle (from record to event), +Bundles.
//
// Order is what keeps this right: events are read before deadlines are looked at, a watch is added before its
// folder is scanned, and a scan that consults the catalog starts only when the consumer has applied all events,
// because a catalog that lags would hide what went and came back.

import Foundation

/// Unchecked: everything mutable is touched by the one thread in `run` only.
final class WatchEngine: @unchecked Sendable {
    let root: String
    let known: any KnownFiles
    let options: WatchOptions
    let shared: WatchShared
    let warn: @Sendable (WatchWarning) -> Void

    var now = ContinuousClock.now
    var inotify: Inotify?
    var rootNode = FolderNode(name: FileName(""), parent: nil)
    /// By inotify's number.
    var folders: [Int32: FolderNode] = [:]

    var heap = DeadlineHeap()
    /// Ready files: what was dropped just now goes before what a scan found.
    var live = Fifo<FileRecord>()
    var backlog = Fifo<FileRecord>()
    var inFlight: [UInt64: FileRecord] = [:]
    var lastID: UInt64 = 0
    /// All records, and those of them that are settling or ready.
    var records = 0
    var unsettled = 0
    /// With the consumer when everything else was forgotten for a rescan; by path.
    var carried: [FileName: FileRecord] = [:]

    var holds: [UInt32: Hold] = [:]
    var holdOrder = Fifo<(cookie: UInt32, expires: ContinuousClock.Instant)>()

    var arrivals = Fifo<Scan>()
    var arrival: Scan?
    var wholeScan: Scan?
    var pollScan: Scan?
    var isRescanWanted = false

    /// The topmost folders of what is polled.
    var polled: [FolderNode] = []
    var nextPoll = ContinuousClock.now
    var pollNumber = 0
    var hasWarnedOfLimit = false

    var bundles: [Bundle] = []
    /// What each bundle looked like when it was last told, by path; outlives rescans.
    var fingerprints: [FileName: UInt64] = [:]
    /// Files the consumer is done with and the catalog keeps no path of (an SAE, a class list): scans must not
    /// deliver them again, and tell when they are gone.
    var told: [FileName: FileStamp] = [:]
    /// What was refused and how it looked then, so that a rescan does not repeat it.
    var refused: [FileName: RefusedLook] = [:]

    /// Events so far, and those paths of which the consumer may not have heard the latest yet.
    var emitted = 0
    var outdated: [FileName: Int] = [:]
    var outdatedFolders: [(event: Int, prefix: String)] = []

    var isRootGone = false
    var rootDevice: UInt64 = 0
    var nextRootCheck = ContinuousClock.now
    var isPaused = false

    struct RefusedLook: Equatable {
        let inode: UInt64
        let ctime: Int64
    }

    init(
        root: String, known: any KnownFiles, options: WatchOptions, shared: WatchShared,
        warn: @escaping @Sendable (WatchWarning) -> Void
    ) {
        self.root = root
        self.known = known
        self.options = options
        self.shared = shared
        self.warn = warn
    }

    func run() {
        rescan()
        while true {
            waitForSomething()
            now = .now
            var waiters: [DispatchSemaphore] = []
            for command in shared.takeMail() {
                switch command {
                case .stop: return
                case let .synchronise(reached): waiters.append(reached)
                default: obey(command)
                }
            }
            if !isPaused {
                advance()
                // What is counted for a waiter includes all that the kernel had queued when it asked.
                if !waiters.isEmpty { while mayRead, readEvents() {} }
            }
            publish()
            for waiter in waiters { waiter.signal() }
        }
    }

    private func advance() {
        // A bound, so that a storm of events doesn't keep settled files waiting.
        for _ in 0..<16 where mayRead { if !readEvents() { break } }
        expireHolds()
        checkRoot()
        if isRescanWanted, !isRootGone, shared.queue.isApplied { rescan() }
        startPoll()
        runScans()
        settleDueRecords()
        settleDueBundles()
        deliver()
    }

    private func obey(_ command: WatchShared.Command) {
        switch command {
        case let .done(id): if let record = inFlight[id] { finish(record) }
        case let .vanished(id): if let record = inFlight[id] { settleAgain(record, rest: options.settleRenamed) }
        case let .postpone(id, rest):
            if let record = inFlight[id] {
                record.attempt += 1
                settleAgain(record, rest: rest)
            }
        case let .look(path): look(at: path)
        case .rescan: wantRescan()
        case let .pause(isPaused): self.isPaused = isPaused
        case .stop, .synchronise: break  // the loop's own
        }
    }

    // MARK: Waiting

    /// Whether events are to be read. While a rescan waits there is no use: it will see all for itself. When too
    /// much is on the books or in the queue, the kernel's queue is the limit; unless nothing here can move on,
    /// in which case the events are what it waits for.
    var mayRead: Bool {
        guard inotify != nil, !isRescanWanted, shared.queue.counts.events < WatchOptions.eventsMax else { return false }
        return records < options.recordsMax || live.isEmpty && backlog.isEmpty && inFlight.isEmpty
    }

    private func waitForSomething() {
        var descriptors = [pollfd(fd: shared.waker.descriptor, events: Int16(POLLIN), revents: 0)]
        if !isPaused, mayRead, let inotify {
            descriptors.append(pollfd(fd: inotify.descriptor, events: Int16(POLLIN), revents: 0))
        }
        _ = poll(&descriptors, nfds_t(descriptors.count), millisecondsToWait())
        if descriptors[0].revents != 0 { shared.waker.clear() }
    }

    private func millisecondsToWait() -> Int32 {
        if isPaused { return -1 }
        if mayScan { return 0 }
        var until = nextRootCheck
        if let due = heap.earliest { until = min(until, due) }
        if !holds.isEmpty { until = min(until, now + WatchOptions.pairing) }
        if !polled.isEmpty, !isPollDue { until = min(until, nextPoll) }
        for bundle in bundles where bundle.isDue { until = min(until, bundle.due) }
        let wait = until - .now
        guard wait > .zero else { return 0 }
        // Rounded up: waking a little early would spin until the time has come.
        return Int32(clamping: wait.components.seconds * 1000 + wait.components.attoseconds / 1_000_000_000_000_000 + 1)
    }

    private func publish() {
        let scans = arrivals.count + [arrival, wholeScan, pollScan].count { $0 != nil }
        let waiting = isRescanWanted && !isRootGone ? 1 : 0
        shared.pending.store(
            unsettled + holds.count + scans + waiting + bundles.count { $0.isDue }, ordering: .releasing)
    }

    // MARK: Starting over

    /// Forgets all but what is with the consumer and looks at the whole folder: at the start, after an overflow,
    /// and when the folder came back. The new inotify instance holds no old event.
    func rescan() {
        isRescanWanted = false
        for record in inFlight.values { if let path = record.path { carried[FileName(path)] = record } }
        forgetTree()
        guard let facts = FileFacts.of(root), facts.kind == .folder else { return rootIsGone() }
        rootNode = FolderNode(name: FileName(""), parent: nil)
        rootNode.device = facts.device
        rootNode.inode = facts.stamp.inode
        rootDevice = facts.device
        openInotify()
        guard watch(rootNode) else { return rootIsGone() }
        wholeScan = Scan(purpose: .whole, cursor: KnownCursor(known, below: ""))
        open(rootNode, in: wholeScan!)
    }

    func forgetTree() {
        for hold in holds.values {
            if let record = hold.record { drop(record) }
            if let node = hold.node { dismantle(node) }
        }
        holds = [:]
        holdOrder = Fifo()
        for record in carried.values {
            record.folder?.records[record.name] = nil
            record.folder = nil
        }
        inotify = nil  // with all its watches
        dismantle(rootNode)
        (heap, live, backlog) = (DeadlineHeap(), Fifo(), Fifo())
        (arrivals, arrival, wholeScan, pollScan) = (Fifo(), nil, nil, nil)
        (folders, polled, bundles) = ([:], [], [])
        hasWarnedOfLimit = false
    }

    private func openInotify() {
        guard options.mode == .automatic else { return }
        var failure: Int32 = 0
        inotify = Inotify(failure: &failure)
        if inotify == nil { warn(.noInotify(reason: errorText(failure))) }
    }

    func wantRescan() { isRescanWanted = true }

    // MARK: The drop folder itself

    /// Deleted, renamed or unmounted. Nothing is taken as deleted: an unmounted disk must not empty the catalog.
    func rootIsGone() {
        guard !isRootGone else { return }
        isRootGone = true
        isRescanWanted = true
        for record in inFlight.values { if let path = record.path { carried[FileName(path)] = record } }
        forgetTree()
        nextRootCheck = now
        warn(.folderGone(path: root))
    }

    /// A renamed parent tells nothing to inotify, so the folder is looked for from time to time.
    private func checkRoot() {
        guard now >= nextRootCheck else { return }
        nextRootCheck = now + (isRootGone ? .milliseconds(200) : .seconds(10))
        let facts = FileFacts.of(root)
        guard isRootGone else {
            if facts?.stamp.inode != rootNode.inode || facts?.device != rootNode.device { rootIsGone() }
            return
        }
        guard let facts, facts.kind == .folder else { return }
        var failure: Int32 = 0
        // The bare mount point of a disk that is not mounted is an empty folder on another device.
        guard let listing = FolderListing(path: root, failure: &failure), facts.device == rootDevice || listing.count > 0
        else { return }
        isRootGone = false
        nextRootCheck = now + .seconds(10)
        warn(.folderBack(path: root))
    }

    // MARK: Small things

    func absolute(_ path: String) -> String { path.isEmpty ? root : root + "/" + path }

    func emit(_ event: DropEvent) {
        emitted += 1
        switch event {
        case let .moved(from, to, isFolder): for path in [from, to] { outdate(path, isFolder) }
        case let .removed(path, isFolder): outdate(path, isFolder)
        case .file, .folderSettled, .refused, .scanFinished: break
        }
        shared.queue.append(event)
    }

    private func outdate(_ path: String, _ isFolder: Bool) {
        outdated[FileName(path)] = emitted  // a folder's own path too: a file and a folder can exchange names
        if isFolder { outdatedFolders.append((emitted, path + "/")) }
    }

    /// The file that the catalog has at a path; nil as well where it has not been told all about this path yet.
    func knownForSure(at path: String) -> FileStamp? {
        let applied = shared.queue.applied
        if let newest = outdated[FileName(path)] {
            if newest > applied { return nil }
            outdated[FileName(path)] = nil
        }
        if applied == emitted { outdated = [:] }
        outdatedFolders.removeAll { $0.event <= applied }
        if outdatedFolders.contains(where: { path.utf8.starts(with: $0.prefix.utf8) }) { return nil }
        return known.file(at: path)
    }

    func refuse(_ path: String, _ reason: Refusal) {
        let facts = FileFacts.of(absolute(path))
        let look = RefusedLook(inode: facts?.stamp.inode ?? 0, ctime: facts?.ctime ?? 0)
        guard refused[FileName(path)] != look else { return }
        // Bounded: beyond this many, a rescan may say some of it again.
        if refused.count >= 10_000 { refused = [:] }
        refused[FileName(path)] = look
        emit(.refused(path: path, reason: reason))
    }
}
