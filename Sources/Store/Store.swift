// The store: where snapshots are kept and found again.
//
//   store/LOCK                     one process at a time
//   store/catalog.sqlite           what exists; the commit point
//   store/segments/VIEW/N.seg      frames of snapshots, append-only
//   store/segments/VIEW/N.idx      a sealed segment's postings and aggregates; derived from the frames
//   store/segments/VIEW/N.sum      postings that only an SAE could make again, until the segment is sealed
//   store/tables/                  class tables, zero-shot answers, embeddings, strongest images; derived from segments
//
// Invariants: bytes are synced before the catalog names them; nothing that the catalog does not name exists;
// nothing whose checksum fails is used. Every statistic is a fold over postings of present images.
// Lock order: `writer`, then a view's `rebuilding`, then its `contents`, then `images`.

import Basics
import Foundation
import GRDB
import Synchronization

/// How a store is opened.
public struct StoreOptions: Sendable {
    /// A segment is sealed when it has so many images (at most 65,535) ...
    public var sealImages = 1024
    /// ... or so many bytes ...
    public var sealBytes = 64 << 20
    /// ... or so many bytes of postings in memory: what bounds an open segment's memory.
    public var sealPostingBytes = 48 << 20
    /// zstd's level; 3 writes 29,300 latents in about a millisecond.
    public var compressionLevel: Int32 = 3
    /// Keep given activations beside the latents.
    public var keepActivations = false
    /// Changed images that a class table is corrected for, at about a millisecond each; beyond, it is made anew.
    package var correctedImagesMax = 128
    /// Where some images of a sealed segment are asked about: up to so many are read one by one, at about a millisecond
    /// each; for more, all of its postings are walked, which takes some 80 ms.
    package var singleImagesMax = 64
    /// Rows of images that are gone are left in an embedding file until they are so many, and more than half.
    package var deadEmbeddingsMax = 1024
    /// Where images went, the strongest of so many of a view's latents are looked up again; of more, all are found anew.
    package var lostLatentsMax: Int?
    package var faults: FaultInjector?

    public init() {}
}

/// What opening found and mended.
public struct RecoveryReport: Sendable, Equatable {
    /// Segment files with an uncommitted tail, which was cut off, and its bytes.
    public var truncated: [String: Int] = [:]
    /// Segment files that end before what was committed.
    public var short: [String] = []
    /// Files in segment folders that the catalog does not name; they are left alone.
    public var unnamed: [String] = []

    public var isClean: Bool { truncated.isEmpty && short.isEmpty && unnamed.isEmpty }
}

/// A snapshot that cannot be read.
public struct DamagedSnapshot: Sendable, Hashable {
    public let view: ViewRecord.ID
    public let image: ImageRecord.ID

    public init(view: ViewRecord.ID, image: ImageRecord.ID) {
        self.view = view
        self.image = image
    }
}

/// Snapshots by view and image, and the postings and aggregates over them.
///
///     let store = try Store.open(folder: root + "/store", options: StoreOptions())
///     let change = try store.upsertPath("images/cat/1.jpg", file: file, image: image, label: "cat")
///     try store.append([snapshot], to: view.id)               // durable when it returns
///     let same = try store.snapshot(of: change.image.id, in: view.id)
///     try store.close()
///
/// All calls are synchronous and may come from any thread (not from an event loop: they read and write
/// files). Writers queue; readers see the last commit and never wait for a sync.
public final class Store: Sendable {
    /// A token counts as clearly active above this value (PatchSAE's count over tau).
    public static let tau: Float = 0.2

    public let folder: String
    public let options: StoreOptions
    /// Models, SAEs, views, class lists, failures, settings.
    public let catalog: Catalog
    /// What opening found and mended.
    public let recovery: RecoveryReport

    let zstd = ZstdPool { ZstdCodec() }
    /// Held by whatever changes the store.
    let writer = NSLock()
    let images: Mutex<ImageTable>
    private let lock: Mutex<StoreLock?>
    private struct State { var views: [ViewRecord.ID: ViewStore] = [:]; var readers: [String: File] = [:]; var closed = false }
    private let state = Mutex(State())
    private let changes = Atomic<UInt64>(0)
    private let imageChanges = Atomic<UInt64>(0)
    private let damage = Mutex<Set<DamagedSnapshot>>([])

    /// Opens a store, making it where there is none. Cuts off what a crash left uncommitted.
    ///
    /// - Throws: `locked` with the other process's pid; `newerVersion`; `notAStoreFile`.
    public static func open(folder: String, options: StoreOptions = StoreOptions()) throws(StoreError) -> Store {
        try File.makeFolder(folder)
        try refuseLaterVersion(folder: folder)
        try File.makeFolder(folder + "/segments")
        let lock = try StoreLock(folder: folder)
        let catalog = try Catalog(path: folder + "/catalog.sqlite")
        let recovery = try recover(folder: folder, catalog: catalog)
        let images = try catalog.read { try ImageTable.load($0) }
        let store = Store(folder: folder, options: options, catalog: catalog, recovery: recovery, lock: lock, images: images)
        for snapshot in try missing(from: recovery.short, folder: folder, catalog: catalog) { store.report(damaged: snapshot) }
        return store
    }

    private init(
        folder: String, options: StoreOptions, catalog: Catalog, recovery: RecoveryReport, lock: StoreLock, images: ImageTable
    ) {
        precondition(options.sealImages > 0 && options.sealImages <= Int(UInt16.max), "sealImages \(options.sealImages)")
        self.folder = folder
        self.options = options
        self.catalog = catalog
        self.recovery = recovery
        self.lock = Mutex(lock)
        self.images = Mutex(images)
    }

    /// Waits for the writer, checkpoints and closes the catalog, and lets go of the lock. Later calls throw.
    public func close() throws(StoreError) {
        writer.lock()
        defer { writer.unlock() }
        guard state.withLock({ state in
            defer { state.closed = true; state.views = [:]; state.readers = [:] }
            return !state.closed
        }) else { return }
        do {
            do {
                try catalog.pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
            } catch {
                // On a full or failing disk all that was committed stays in the WAL.
                guard Catalog.storeError(error, catalog.path).isOfTheDisk else { throw error }
            }
            try catalog.pool.close()
        } catch {
            throw Catalog.storeError(error, catalog.path)
        }
        lock.withLock { $0 = nil }
    }

    /// Gives memory back: postings of open segments, mapped pages, open files, contexts, SQLite's caches.
    /// What is needed again is made again.
    public func trim() {
        writer.lock()
        defer { writer.unlock() }
        let views = state.withLock { state in
            state.readers = [:]
            return Array(state.views.values)
        }
        for view in views {
            view.summarizers.drop()
            view.tables.withLock { $0 = [:] }
            view.answers.withLock { $0 = [:] }
            view.embeddings.withLock { $0 = nil }
            view.strongest.withLock { $0 = nil }
            view.contents.withLock { contents in
                for at in contents.segments.indices {
                    contents.segments[at].index?.release()
                    contents.segments[at].summaries = contents.segments[at].summaries.map { _ in nil }
                    contents.segments[at].summaryBytes = 0
                }
            }
        }
        zstd.drop()
        catalog.pool.releaseMemory()
    }

    /// Lets snapshots of a view that keep activations in place of latents be read. nil takes it back.
    public func setEncoder(_ encoder: LatentEncoder?, for view: ViewRecord.ID) throws(StoreError) {
        try self.view(view).contents.withLock { $0.encoder = encoder }
    }

    /// Grows with every commit that can change a statistic: what a caller caches is good while it stands still.
    public var changeCount: UInt64 { changes.load(ordering: .acquiring) }

    /// Counts changes of images, their paths and labels alone.
    package var imageChangeCount: UInt64 { imageChanges.load(ordering: .acquiring) }

    func noteImageChange() { imageChanges.add(1, ordering: .acquiringAndReleasing) }
    func noteChange() { changes.add(1, ordering: .acquiringAndReleasing) }

    /// Snapshots that were met damaged since opening. `discardDamaged` makes their images lack a snapshot again.
    public var damaged: [DamagedSnapshot] { damage.withLock { Array($0) } }

    func report(damaged snapshot: DamagedSnapshot) { damage.withLock { _ = $0.insert(snapshot) } }
    func forget(damaged snapshots: Set<DamagedSnapshot>) { damage.withLock { $0.subtract(snapshots) } }

    // MARK: Views in memory

    /// A view's segments, loaded from the catalog at its first use.
    func view(_ id: ViewRecord.ID) throws(StoreError) -> ViewStore {
        let known = state.withLock { ($0.views[id], $0.closed) }
        if known.1 { throw .closed }
        if let view = known.0 { return view }
        let record = try catalog.view(id)
        let loaded = ViewStore(record: record, folder: "\(folder)/segments/\(id)", segments: try loadSegments(of: id))
        return state.withLock { state in
            // Another thread may have been faster; there must be one object a view.
            if let view = state.views[id] { return view }
            state.views[id] = loaded
            return loaded
        }
    }

    var loadedViews: [ViewStore] { state.withLock { Array($0.views.values) } }

    private func loadSegments(of view: ViewRecord.ID) throws(StoreError) -> [Segment] {
        let short = Set(recovery.short)
        return try catalog.read { db in
            try SegmentRecord.fetchAll(db, sql: "SELECT * FROM segments WHERE view = ? ORDER BY id", arguments: [view]).map { record in
                var images = [Int64](repeating: Segment.hole, count: record.slots)
                let rows = try Row.fetchCursor(
                    db, sql: "SELECT slot, image FROM snapshots WHERE segment = ?", arguments: [record.id])
                while let row = try rows.next() {
                    let slot: Int = row[0]
                    if slot < images.count { images[slot] = row[1] }
                }
                var segment = Segment(id: record.id, length: record.length, sealed: record.sealed, images: images)
                segment.frozen = short.contains("\(view)/\(record.id).seg")
                if !record.sealed { segment.summaries = images.map { _ in nil } }
                return segment
            }
        }
    }

    /// A segment's file, open for reading; at most 64 stay open.
    func reader(_ path: String) throws(StoreError) -> File {
        if let file = state.withLock({ $0.readers[path] }) { return file }
        let file = try File(path: path, flags: O_RDONLY)
        state.withLock { state in
            if state.readers.count >= 64 { state.readers = [:] }
            state.readers[path] = file
        }
        return file
    }

    func forgetReader(_ path: String) { state.withLock { _ = $0.readers.removeValue(forKey: path) } }
}
