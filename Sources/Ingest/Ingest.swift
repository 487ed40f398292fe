// The whole way of an image, put together: watcher, intake, back-fill, compute thread, committer.
//
//     drop folder -> watcher -> intake -> [fresh]   \
//                                 |                  compute -> committer -> store
//                    catalog <----'  -> back-fill [backlog] /
//
// Invariant: an image is in the catalog before it is worked on, and a snapshot is in the catalog before it is told
// of. What the process forgets when it is killed, the catalog's `imagesLackingSnapshot` remembers.

import Basics
import CMalloc
import Decoding
import Foundation
import Imaging
import Kernels
import Store
import Synchronization

/// Settings of `Ingest`.
public struct IngestOptions: Sendable {
    public var dropFolder: String
    public var quarantineFolder: String
    public var threads = 0
    public var batch = 8
    public var batchWait = Duration.milliseconds(4)
    public var decodeThreads = 2
    public var limits = DecodeLimits()
    /// How untrusted images are decoded; nil: in this process.
    public var sandbox: ImageDecoder.Sandbox?
    public var watch = WatchOptions()
    public var releaseAfter = Duration.seconds(600)
    /// Images that an automatic control covers; 0: none is made.
    public var controlImages = 256
    public var pulse: Pulse?

    public init(dropFolder: String, quarantineFolder: String) {
        self.dropFolder = dropFolder
        self.quarantineFolder = quarantineFolder
    }
}

/// How much is to be done.
public struct WorkCounts: Sendable, Equatable {
    /// Files seen and not dealt with.
    public var files: Int
    /// Snapshots that are missing: (image, view) pairs.
    public var snapshots: Int
    /// Images in the pipeline now.
    public var running: Int

    public var queued: Int { files + snapshots }
    var isNothing: Bool { queued == 0 && running == 0 }
}

/// Turns dropped files into snapshots.
public final class Ingest: Sendable {
    public let store: Store
    public let registry: Registry
    public let activity: Activity
    public let options: IngestOptions
    public let decoder: ImageDecoder
    let watcher: DropWatcher
    private let engine: Engine
    private let committer: Committer
    private let intake: Intake
    private let backfill: Backfill
    public let controls: AutomaticControls
    private let ledger: Ledger
    private let hindrance: Hindrance
    private let isBusy = Atomic(false)
    /// Looks in a row at which nothing was to do.
    private let idleLooks = Atomic(0)
    private let meter = RateMeter()
    /// When progress was last told.
    private let told = Mutex(ContinuousClock.now)
    /// A long back-fill is told of so often.
    private static let progressInterval = Duration.seconds(10)

    /// - Throws: `WatchError` where the drop folder can't be watched.
    public init(store: Store, registry: Registry, activity: Activity, options: IngestOptions) throws {
        self.store = store
        self.registry = registry
        self.activity = activity
        self.options = options
        let decoder = ImageDecoder(limits: options.limits, sandbox: options.sandbox)
        self.decoder = decoder
        if options.threads > 0 { Team.configure(threads: options.threads) }
        let ledger = Ledger()
        self.ledger = ledger
        let hindrance = Hindrance(activity: activity)
        self.hindrance = hindrance
        var watch = options.watch
        // A fresh drop stands behind these, each of which is read, hashed, decoded and noted first.
        watch.deliveriesMax = min(watch.deliveriesMax, 8)
        watcher = try DropWatcher(folder: options.dropFolder, known: CatalogFiles(store: store), options: watch) {
            activity.emit(.warning("\($0)"))
        }
        // The controls are made last.
        let refusing = Mutex<AutomaticControls?>(nil)
        committer = Committer(
            store: store, activity: activity, hindrance: hindrance, pulse: options.pulse,
            onCommitted: { [meter] batch in
                if !batch.plan.isAutomatic { meter.add(batch.items.count) }
                for item in batch.items { ledger.finished(item.image.id) }
            },
            onRefused: { item in
                guard item.plans.allSatisfy(\.isAutomatic), let controls = refusing.withLock({ $0 }) else { return ledger.skip(item.image.id) }
                controls.giveUp(item)
            })
        engine = Engine(
            committer: committer,
            options: Engine.Options(batch: options.batch, linger: options.batchWait, releaseAfter: options.releaseAfter, pulse: options.pulse),
            onFailure: { plans, items, error in
                registry.suspend(plans, reason: "\(error)")
                for item in items { ledger.finished(item.image.id) }
            },
            onRelease: {
                store.trim()
                decoder.trim()
                Kernels.releaseScratch()
                malloc_trim(0)
            })
        // The intake knows how to quarantine; the back-fill is made first.
        let failing = Mutex<Intake?>(nil)
        let originals = Originals(store: store, dropFolder: watcher.folder, decoder: decoder)
        backfill = Backfill(
            store: store, registry: registry, ledger: ledger, engine: engine, originals: originals, threads: options.decodeThreads,
            onBroken: { image, error in
                let intake = failing.withLock { $0 }
                for path in (try? store.paths(of: image.id)) ?? [] {
                    intake?.fail(path.path, "image", "\(error)", leave: false)
                }
            },
            onTrouble: { activity.emit(.warning($0)) })
        intake = Intake(
            watcher: watcher, store: store, registry: registry, activity: activity, hindrance: hindrance, ledger: ledger, engine: engine,
            quarantine: Quarantine(folder: options.quarantineFolder, dropFolder: watcher.folder), decoder: decoder,
            onNewWork: { [backfill] in backfill.wake() }, onNoRoom: { [backfill] in backfill.leave($0) })
        failing.withLock { [intake] in $0 = intake }
        ledger.onWanted { [backfill] in backfill.wake() }
        controls = AutomaticControls(
            store: store, registry: registry, ledger: ledger, engine: engine, originals: originals, imagesMax: options.controlImages,
            isIdle: { [watcher] in Ingest.counts(watcher, store, registry, ledger).isNothing },
            onTrouble: { activity.emit(.warning($0)) })
        refusing.withLock { [controls] in $0 = controls }
        registry.onRetried { [weak intake] in intake?.endWaiting($0, $1) }
        for plan in registry.allViews { try registry.prepareStore(for: plan, library: engine.library) }
        registry.onChange { [backfill, controls, engine, registry] in
            for plan in registry.allViews { try? registry.prepareStore(for: plan, library: engine.library) }
            backfill.wake()
            controls.wake()
        }
    }

    public func start() {
        committer.start()
        engine.start()
        backfill.start()
        controls.start()
        intake.start()
    }

    /// The end has begun: nobody waits any more for a disk that is full, and whoever does gives up. Before `stop`, when those
    /// who ask are sent away: a request that waited for the disk, or for one who does, would hold up the end.
    public func giveUpWaiting() { hindrance.giveUp() }

    /// Ends in order; what was computed is committed, nothing is lost. Takes at most a batch's time.
    public func stop() {
        activity.emit(.stopping)
        // A full disk must not hold up the end.
        hindrance.giveUp()
        controls.giveUp()
        intake.stop()
        engine.stop()
        backfill.stop()
        controls.stop()
        committer.stop()
    }

    /// Absolute, symbolic links resolved.
    public var dropFolder: String { watcher.folder }
    public var loaded: [LoadedPart] { engine.library.loaded }
    /// What keeps the store from being written now, for `status`.
    public var hindered: String? { hindrance.reason }
    /// Snapshots a second, lately.
    public var rate: Double { meter.perSecond }

    /// What is to be done now. Cheap.
    public func counts() -> WorkCounts { Ingest.counts(watcher, store, registry, ledger) }

    private static func counts(_ watcher: DropWatcher, _ store: Store, _ registry: Registry, _ ledger: Ledger) -> WorkCounts {
        // Files before snapshots: an image that goes from one to the other in between is counted.
        let files = max(watcher.snapshotOfPending(), watcher.isApplied ? 0 : 1)
        let skipped = ledger.skipped.filter { id in
            guard let image = try? store.image(id) else { return false }
            return !image.absent
        }
        let snapshots = registry.workingViews.reduce(0) { sum, plan in
            let lacking = (try? store.lackingCount(in: plan.record.id)) ?? 0
            let given = lacking == 0 ? 0 : skipped.count { (try? store.hasSnapshot(of: $0, in: plan.record.id)) == false }
            return sum + max(0, lacking - given)
        }
        return WorkCounts(files: files, snapshots: snapshots, running: ledger.running)
    }

    /// As `counts`, after everything that happened in the drop folder before the call has been noticed.
    public func settledCounts() -> WorkCounts {
        watcher.synchronise()
        // What the intake has in its hand may come back to the watcher (`postpone`): only when its hand is empty
        // does a second look count everything.
        if watcher.isApplied { watcher.synchronise() }
        return counts()
    }

    /// Looks at a path now, where watching would take its time.
    public func look(at path: String) { watcher.look(at: path) }

    /// Runs a query's work on the compute thread.
    public func compute<Value: Sendable>(_ body: @escaping @Sendable (ModelLibrary) throws -> Value) async throws -> Value {
        try await engine.perform(body)
    }

    /// The same for a thread that may block: never an event loop or the cooperative pool.
    func computeBlocking<Value: Sendable>(_ body: @escaping @Sendable (ModelLibrary) throws -> Value) throws -> Value {
        try engine.performBlocking(body)
    }

    /// Tells of the change between work and rest; called now and then by the daemon.
    @discardableResult
    public func noteIdle() -> WorkCounts {
        makeDamagedAgain()
        let counts = counts()
        let busy = counts.queued > 0
        if isBusy.exchange(busy, ordering: .relaxed) != busy {
            activity.emit(busy ? .busy : .idle)
            told.withLock { $0 = .now }
        } else if busy, isTimeToTell() {
            for plan in registry.workingViews {
                // A catalog that can't be read now says so elsewhere.
                let left = (try? store.lackingCount(in: plan.record.id)) ?? 0
                if left > 0 { activity.emit(.backfill(view: plan.name, left: left)) }
            }
        }
        // Two looks: between two files of a copy there may be a moment without work.
        if !counts.isNothing {
            idleLooks.store(0, ordering: .relaxed)
        } else if idleLooks.add(1, ordering: .relaxed).newValue > 1 {
            controls.noteIdle()
        }
        return counts
    }

    /// What a reader met damaged lacks a snapshot again. Where that can't be noted now, it is the next time.
    private func makeDamagedAgain() {
        guard let count = try? store.discardDamaged(), count > 0 else { return }
        activity.emit(.warning("\(count) damaged snapshots are made again from their originals"))
        backfill.wake()
    }

    private func isTimeToTell() -> Bool {
        told.withLock { last in
            guard last + Ingest.progressInterval <= .now else { return false }
            last = .now
            return true
        }
    }
}
