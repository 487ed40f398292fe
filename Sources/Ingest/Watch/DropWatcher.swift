// The watcher's public face. One thread of its own holds all state (`WatchEngine`); calls from other threads
// go through a mailbox, events through a bounded queue.
//
// What is promised: every regular file that comes to rest in the drop folder is delivered, after its last
// change, once per change while nothing goes wrong, and again rather than not at all where something does
// (overflow of the kernel's queue, a folder moved during the first scan). The consumer recognises what it has
// by stamp or hash, so a second delivery costs a lookup.

import Foundation
import Synchronization

/// Watches a folder and all below it, and tells one consumer what has settled there.
///
///     let watcher = try DropWatcher(folder: "/srv/saed/drop", known: catalog) { log.warning("\($0)") }
///     watcher.start()
///     while let event = watcher.next() {
///         if case let .file(file) = event { ingest(file); watcher.done(file) }
///     }
///
/// Files being written, hidden names and names such as `x.part` are not delivered; folders `models/NAME` and
/// `saes/NAME` are delivered as one. Symbolic links are never followed: one that leads to a place inside is
/// ignored, since the place is watched itself; one that leads out is refused.
///
/// A file changed through another of its hard links raises no event for this name: the next scan notices it.
/// Where a part is polled, a rename is `removed` and `file`.
public final class DropWatcher: Sendable {
    private let engine: WatchEngine
    private let shared: WatchShared
    private let finished = DispatchSemaphore(value: 0)
    private let isStarted = Mutex(false)
    private let prologue = Mutex<(@Sendable () -> Void)?>(nil)

    /// The drop folder, absolute, symbolic links resolved.
    public let folder: String

    /// - Parameters:
    ///   - known: what needs no delivery at the start; asked on the watcher's thread.
    ///   - warn: told what an operator should know; called on the watcher's thread.
    public init(
        folder: String, known: any KnownFiles = NothingKnown(), options: WatchOptions = WatchOptions(),
        warn: @escaping @Sendable (WatchWarning) -> Void = { _ in }
    ) throws(WatchError) {
        guard let resolved = realpath(folder, nil) else {
            throw .notAFolder(path: folder, reason: errorText(errno))
        }
        defer { free(resolved) }
        self.folder = String(cString: resolved)
        guard let facts = FileFacts.of(self.folder), facts.kind == .folder else {
            throw .notAFolder(path: folder, reason: "not a folder")
        }
        guard let waker = Waker() else { throw .notAFolder(path: folder, reason: errorText(errno)) }
        shared = WatchShared(waker: waker)
        engine = WatchEngine(root: self.folder, known: known, options: options, shared: shared, warn: warn)
    }

    /// Begins watching and scanning. Once.
    public func start() {
        let first = isStarted.withLock { started in
            defer { started = true }
            return !started
        }
        guard first else { return }
        let begin = prologue.withLock { $0 }
        let thread = Thread { [engine, shared, finished] in
            Thread.current.name = "watch"
            begin?()
            engine.run()
            shared.queue.close()
            finished.signal()
        }
        thread.stackSize = 4 << 20
        thread.start()
    }

    /// Ends watching; `next` returns what is queued, then nil. Waits for the watcher's thread.
    public func stop() {
        guard isStarted.withLock({ $0 }) else { return shared.queue.close() }
        shared.send(.stop)
        finished.wait()
        finished.signal()  // for another who stops
    }

    /// The next event; waits for it. One consumer only. By asking, it says that its catalog (`known`) reflects
    /// the events before.
    /// - Returns: nil after `stop`.
    public func next() -> DropEvent? { shared.queue.next(until: nil) }

    /// As `next()`, but nil as well when the time is over.
    public func next(timeout: Duration) -> DropEvent? {
        let seconds = Double(timeout.components.seconds) + Double(timeout.components.attoseconds) * 1e-18
        return shared.queue.next(until: Date(timeIntervalSinceNow: seconds))
    }

    /// The file is dealt with: committed (`known` answers for it) or moved away.
    public func done(_ file: DroppedFile) { shared.send(.done(file.id)) }

    /// The file was not where it was delivered. If it was renamed since, it is delivered under its new path.
    public func vanished(_ file: DroppedFile) { shared.send(.vanished(file.id)) }

    /// Delivers the file again (`attempt` one higher) after it has rested so long. For content that looks cut
    /// off and is young: some scanners and SMB servers close a file and go on writing seconds later.
    public func postpone(_ file: DroppedFile, rest: Duration) { shared.send(.postpone(file.id, rest)) }

    /// Announces that the consumer is about to move the path out of the folder or to delete it: no event then.
    /// Forgotten after ten seconds if it doesn't happen.
    public func willRemove(_ path: String) { shared.announce(path) }

    /// Looks at one path now, as if it had just been renamed into place: where polling would take its time.
    public func look(at path: String) { shared.send(.look(path)) }

    /// Returns when everything that happened in the folder before the call is counted or queued.
    public func synchronise() {
        guard isStarted.withLock({ $0 }) else { return }
        let reached = DispatchSemaphore(value: 0)
        shared.send(.synchronise(reached))
        // A stopped watcher reads no mail; it signals its end instead.
        while reached.wait(timeout: .now() + .milliseconds(100)) == .timedOut {
            if finished.wait(timeout: .now()) == .success {
                finished.signal()
                return
            }
        }
    }

    /// Files (and model and SAE folders) seen and not yet given to the consumer, one more for each scan that goes
    /// on. Zero means that the consumer has everything, up to what `synchronise` would still find.
    public func snapshotOfPending() -> Int { shared.pending.load(ordering: .acquiring) + shared.queue.counts.files }

    /// Whether the consumer has come back for more after the last event there is. What it said of it (`postpone`)
    /// is counted by `snapshotOfPending` after the next `synchronise`.
    package var isApplied: Bool { shared.queue.isApplied }

    /// For tests: stops reading events, so that the kernel's queue overflows as it would under load.
    package func pauseReading(_ isPaused: Bool) { shared.send(.pause(isPaused)) }

    /// For tests: what an overflow leads to.
    package func requestRescan() { shared.send(.rescan) }

    /// For tests: run first on the watcher's thread.
    package func onThreadStart(_ body: @escaping @Sendable () -> Void) { prologue.withLock { $0 = body } }
}

/// What the watcher's thread shares with others.
final class WatchShared: Sendable {
    enum Command: Sendable {
        case stop
        case done(UInt64), vanished(UInt64), postpone(UInt64, Duration)
        case look(String)
        case synchronise(DispatchSemaphore)
        case pause(Bool)
        case rescan
    }

    let waker: Waker
    let queue: EventQueue
    /// Not yet in the queue; the first scan counts before it begins.
    let pending = Atomic(1)
    private let mail = Mutex<[Command]>([])
    private let announced = Mutex<[FileName: ContinuousClock.Instant]>([:])

    init(waker: Waker) {
        self.waker = waker
        queue = EventQueue(wake: { waker.wake() })
    }

    func send(_ command: Command) {
        let isFirst = mail.withLock { mail in
            mail.append(command)
            return mail.count == 1
        }
        if isFirst { waker.wake() }
    }

    func takeMail() -> [Command] {
        mail.withLock { mail in
            defer { mail = [] }
            return mail
        }
    }

    func announce(_ path: String) {
        let now = ContinuousClock.now
        announced.withLock { announced in
            if announced.count > 1000 { announced = announced.filter { $0.value > now } }
            announced[FileName(path)] = now + .seconds(10)
        }
    }

    /// Whether the end of this path was announced; forgets it.
    func takeAnnouncement(of path: String) -> Bool {
        announced.withLock { announced in
            guard !announced.isEmpty, let until = announced.removeValue(forKey: FileName(path)) else { return false }
            return until > .now
        }
    }
}
