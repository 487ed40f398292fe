// The one consumer of the drop folder's events: notes images in the catalog, registers models, SAEs and class
// lists, and moves what can't be used to quarantine. It never waits for compute: an image that finds no room in
// the pipeline is left to the back-fill, which takes the newest first.

import Basics
import Decoding
import CLIP
import Foundation
import Imaging
import Store

/// Consumes `DropWatcher`'s events on a thread of its own.
final class Intake: @unchecked Sendable {  // `thread` is set once before it starts; the rest is used on it alone or is Sendable
    let watcher: DropWatcher
    private let store: Store
    private let registry: Registry
    private let activity: Activity
    private let hindrance: Hindrance
    private let ledger: Ledger
    private let engine: Engine
    private let quarantine: Quarantine
    private let decoder: ImageDecoder
    private let onNewWork: @Sendable () -> Void
    private let onNoRoom: @Sendable (Prepared) -> Void
    private let ended = DispatchSemaphore(value: 0)
    private var isFirstScan = true

    /// A file that looks cut off is looked at again while it is younger than this: some scanners and SMB servers
    /// close a file and go on writing seconds later.
    private static let patience: TimeInterval = 8

    init(
        watcher: DropWatcher, store: Store, registry: Registry, activity: Activity, hindrance: Hindrance, ledger: Ledger, engine: Engine,
        quarantine: Quarantine, decoder: ImageDecoder, onNewWork: @escaping @Sendable () -> Void,
        onNoRoom: @escaping @Sendable (Prepared) -> Void
    ) {
        self.watcher = watcher
        self.store = store
        self.registry = registry
        self.activity = activity
        self.hindrance = hindrance
        self.ledger = ledger
        self.engine = engine
        self.quarantine = quarantine
        self.decoder = decoder
        self.onNewWork = onNewWork
        self.onNoRoom = onNoRoom
    }

    func start() {
        let thread = Thread { [self] in
            Thread.current.name = "intake"
            watcher.start()
            while let event = watcher.next() { handle(event) }
            ended.signal()
        }
        thread.stackSize = 4 << 20
        thread.start()
    }

    /// Ends after the event in hand.
    func stop() {
        watcher.stop()
        ended.wait()
    }

    private func absolute(_ path: String) -> String { watcher.folder + "/" + path }

    private func handle(_ event: DropEvent) {
        switch event {
        case let .file(file): take(file)
        case let .folderSettled(path): takeFolder(path)
        case let .moved(from, to, isFolder):
            var found = Found()
            guarded("'\(from)'") { try move(from, to, isFolder, &found) }
        case let .removed(path, isFolder):
            var found = Found()
            guarded("'\(path)'") { try remove(path, isFolder, &found) }
        case let .refused(path, reason): fail(path, "refused", "\(reason)", leave: reason.isPassing)
        case .scanFinished:
            if !isFirstScan { activity.emit(.rescanned) }
            isFirstScan = false
        }
    }

    /// Waits while the catalog can't be written. Any other error stops one event, not the intake.
    /// - Returns: false where saed stops first; the next start's scan makes up for it.
    @discardableResult
    private func guarded(_ what: String, _ body: () throws -> Void) -> Bool {
        do {
            return try hindrance.wait(toWrite: body)
        } catch {
            activity.emit(.warning("\(what): \(error)"))
            return true
        }
    }

    // MARK: Files

    private func take(_ file: DroppedFile) {
        let path = absolute(file.path)
        guard let head = FileKind.readHead(path) else { return unread(file) }
        switch DropRole(path: file.path, kind: FileKind(head: head, size: file.stamp.size)) {
        case let .image(label): takeImage(file, label: label)
        case let .sae(name) where file.path.split(separator: "/").count == 2:
            register(file.path) { try registry.addDroppedSAE(name: name, path: path) }
            watcher.done(file)
        case let .classList(name):
            register(file.path) { try registry.addDroppedClasses(name: name, path: path) }
            watcher.done(file)
        case let .adapter(name) where !DropRole.isInBundle(file.path): takeAdapter(file, name, path)
        case .model, .sae, .adapter:
            // A file of a folder that is delivered as one; the folder's own event deals with it.
            watcher.done(file)
        case let .unusable(reason):
            fail(file.path, "unusable", reason, leave: false)
            watcher.done(file)
        }
    }

    /// A file that could not be read as it was delivered: gone or changed, or in a place that can't be read now.
    private func unread(_ file: DroppedFile) {
        if FileManager.default.fileExists(atPath: absolute(file.path)) {
            watcher.postpone(file, rest: .seconds(min(60, file.attempt * file.attempt)))
        } else {
            watcher.vanished(file)
        }
    }

    private func takeImage(_ file: DroppedFile, label: String?) {
        let content: DroppedContent
        let plans = registry.workingViews
        do throws(ImagingError) {
            guard let read = try DroppedContent(path: absolute(file.path), bytesMax: decoder.limits.bytesMax) else {
                return unread(file)
            }
            content = read
        } catch {
            fail(file.path, "too_large", "\(error)", leave: false)
            watcher.done(file)
            return
        }
        do {
            // Content that is known needs no decoding; a path is all that is new.
            if let known = try store.image(hash: content.hash) {
                try note(file, ImageFacts(hash: content.hash, width: known.width, height: known.height, format: known.format), label)
                onNewWork()
            } else {
                let prepared = try decoder.prepare(content.bytes, for: Set(plans.map(\.facts.preprocess)))
                let facts = ImageFacts(
                    hash: content.hash, width: prepared.width, height: prepared.height, format: prepared.format.rawValue)
                let image = try note(file, facts, label)
                hand(image, plans: plans, crops: prepared.crops, lane: file.isBacklog ? .backlog : .fresh)
            }
            watcher.done(file)
        } catch DecodeFailure.image(let error) {
            refuse(file, error)
        } catch let failure as DecodeFailure where failure.isOfTheFile {
            fail(file.path, "decoder", "\(failure)", leave: false)
            watcher.done(file)
        } catch is CancellationError {
            // saed stops; the next start's scan finds the file.
        } catch {
            // Nothing decodes now: nothing is lost, the file is delivered again.
            activity.emit(.warning("'\(file.path)': \(error); trying again"))
            watcher.postpone(file, rest: .seconds(2))
        }
    }

    @discardableResult
    private func note(_ file: DroppedFile, _ facts: ImageFacts, _ label: String?) throws -> ImageRecord {
        var noted: PathChange?
        let isWritten = try hindrance.wait {
            noted = try store.upsertPath(
                file.path,
                file: .init(size: file.stamp.size, mtimeNanoseconds: file.stamp.mtime, inode: Int64(bitPattern: file.stamp.inode)),
                image: facts, label: label)
            if try store.catalog.failure(path: file.path) != nil { try store.catalog.clearFailures(path: file.path) }
        }
        guard isWritten, let change = noted else { throw CancellationError() }
        // What hindered this path before, or an image of this content, does so no more.
        ledger.unskipAll()
        if change.kind != .same {
            activity.emit(.pathAdded(path: file.path, image: facts.hash, label: change.image.label))
        }
        return change.image
    }

    private func hand(_ image: ImageRecord, plans: [ViewPlan], crops: [PreprocessConfig: RGBImage], lane: Lane) {
        guard !plans.isEmpty, ledger.claim(image.id, views: plans.count) else { return onNewWork() }
        let prepared = Prepared(item: WorkItem(image: image, plans: plans, lane: lane), crops: crops)
        if !engine.queue.tryPush(prepared, lane: lane) {
            onNoRoom(prepared)
        } else if registry.workingViews.map(\.record.id) != plans.map(\.record.id) {
            // A view came while this image was decoded.
            onNewWork()
        }
    }

    /// A broken image: looked at again while it may still be written, then quarantined.
    private func refuse(_ file: DroppedFile, _ error: ImagingError) {
        let age = Date().timeIntervalSince1970 - Double(file.stamp.mtime) * 1e-9
        switch error {
        case .truncated, .corrupt:
            // A partly written file of any format may look either way.
            if age < Intake.patience, file.attempt < 4 {
                watcher.postpone(file, rest: .seconds(2))
                return
            }
        default: break
        }
        fail(file.path, "image", "\(error)", leave: false)
        watcher.done(file)
    }

    // MARK: Models, SAEs, adapters, class lists

    /// A checkpoint outside `prompts/NAME/`. Of a pair of files the weights speak for both.
    private func takeAdapter(_ file: DroppedFile, _ name: String, _ path: String) {
        guard AdapterPlace.isHalf(path) else {
            register(file.path) { try registry.addDroppedAdapter(name: name, path: path) }
            return watcher.done(file)
        }
        let isConfiguration = path.hasSuffix(".json")
        if let folder = AdapterPlace.pair(of: path) {
            if !isConfiguration { register(file.path) { try registry.addDroppedAdapter(name: name, path: folder) } }
        } else if !isConfiguration, file.attempt < 4 {
            return watcher.postpone(file, rest: .seconds(2))
        } else if !isConfiguration {
            fail(file.path, "unusable", "its configuration (adapter_config.json, or our adapter.json) does not lie beside it; drop both", leave: false)
        }
        watcher.done(file)
    }

    private func takeFolder(_ path: String) {
        let parts = path.split(separator: "/").map(String.init)
        guard parts.count == 2 else { return }
        switch parts[0] {
        case "models":
            register(path) {
                try registry.addModel(name: parts[1], folder: absolute(path))
                return nil
            }
        case "saes":
            register(path) { try registry.addDroppedSAE(name: parts[1], path: absolute(path)) }
        case "prompts":
            // What was there may have been taken out of the folder.
            guarded("'\(path)'") { try registry.dropMissingAdapters() }
            register(path) { try registry.addDroppedAdapter(name: parts[1], path: absolute(path)) }
        default: return
        }
    }

    /// - Parameter body: registers what lies at the path; returns why it has to wait.
    private func register(_ path: String, _ body: () throws -> String?) {
        do {
            // What was registered halfway the last time is finished by the next.
            _ = try hindrance.wait {
                if let reason = try body() {
                    try noteWaiting(path, reason)
                } else {
                    try store.catalog.clearFailures(path: path)
                }
            }
            onNewWork()
        } catch let error as StoreError {
            activity.emit(.warning("'\(path)': \(error)"))
        } catch {
            fail(path, "unusable", "\(error)", leave: false)
        }
    }

    // MARK: Renames and removals

    /// What the catalog had at a path. A change that the disk stopped in its midst is tried again, and by then it has nothing.
    private struct Found {
        var isKnown = false
        var image: ContentHash?
    }

    private func move(_ from: String, _ to: String, _ isFolder: Bool, _ found: inout Found) throws {
        if !isFolder { found.image = try found.image ?? image(at: from) }
        if isFolder {
            try store.renameFolder(from, to: to, label: DropRole.label)
        } else {
            try store.renamePath(from, to: to, label: DropRole.label(of: to))
        }
        if isLibrary(from) { try removeLibrary(from) }
        activity.emit(.pathMoved(from: from, to: to, image: found.image))
        ledger.unskipAll()
        onNewWork()
    }

    private func remove(_ path: String, _ isFolder: Bool, _ found: inout Found) throws {
        if !isFolder { found.image = try found.image ?? image(at: path) }
        let isKnown = isFolder ? try store.removeFolder(path) > 0 : try store.removePath(path)
        found.isKnown = found.isKnown || isKnown
        if isLibrary(path) { try removeLibrary(path) }
        // What could not be used where it lay is no failure once it is gone.
        registry.forgetWaiting(absolute(path))
        if let failure = try store.catalog.failure(path: path), failure.quarantine == nil { try store.catalog.clearFailures(path: path) }
        if found.isKnown { activity.emit(.pathRemoved(path: path, image: found.image)) }
        ledger.unskipAll()
        onNewWork()
    }

    private func image(at path: String) throws -> ContentHash? {
        try store.path(path).flatMap { try store.image($0.image) }?.hash
    }

    private func isLibrary(_ path: String) -> Bool {
        // Adapters may lie anywhere.
        BundlePlaces.holders.contains(String(path.prefix { $0 != "/" })) || registry.holdsAdapter(at: absolute(path))
    }

    private func removeLibrary(_ path: String) throws {
        // Also when models/ itself goes: whatever has lost its files becomes inactive.
        try registry.dropMissing()
    }

    // MARK: Failures

    /// It stays where it is, and is listed among the failures until its model comes.
    private func noteWaiting(_ path: String, _ reason: String) throws {
        let text = "waits where it is: \(reason)"
        // Told once, not at every start.
        guard try store.catalog.failure(path: path)?.reason != text else { return }
        try store.catalog.clearFailures(path: path)
        try store.catalog.addFailure(path: path, kind: "waiting", reason: text, quarantine: nil)
        activity.emit(.failed(path: path, reason: text, quarantine: nil))
    }

    /// What became of a drop that waited, once a model came.
    func endWaiting(_ absolutePath: String, _ error: (any Error)?) {
        guard absolutePath.hasPrefix(watcher.folder + "/") else { return }
        let path = String(absolutePath.dropFirst(watcher.folder.count + 1))
        if let error {
            fail(path, "unusable", "\(error)", leave: false)
        } else {
            guarded("'\(path)'") { try store.catalog.clearFailures(path: path) }
        }
    }

    /// Notes why a path can't be used and moves it to quarantine, unless it is to be left. Noted first, and where it will lie
    /// before it is moved: a kill in between must not leave a file there of which nothing tells.
    func fail(_ path: String, _ kind: String, _ reason: String, leave: Bool) {
        var failure: FailureRecord?
        let isNoted = guarded("'\(path)'") {
            try store.catalog.clearFailures(path: path)
            failure = try store.catalog.addFailure(path: path, kind: kind, reason: reason, quarantine: nil)
        }
        guard isNoted else { return }
        func note(_ place: String?) {
            guard let failure else { return }
            guarded("'\(path)'") { try store.catalog.note(quarantine: place, of: failure.id) }
        }
        let place = leave ? nil : quarantined(path, noting: note)
        if place != nil {
            guarded("'\(path)'") {
                // No event tells of our own move: what the catalog had at this path is gone with it.
                let image = try image(at: path)
                if try store.removePath(path) { activity.emit(.pathRemoved(path: path, image: image)) }
                if isLibrary(path) { try removeLibrary(path) }
            }
        } else if !leave {
            note(nil)
        }
        activity.emit(.failed(path: path, reason: reason, quarantine: place))
    }

    /// Where the path lies now; nil where it could not be moved.
    private func quarantined(_ path: String, noting: (String) -> Void) -> String? {
        watcher.willRemove(path)
        do throws(QuarantineError) {
            return try quarantine.move(path, noting: noting)
        } catch {
            activity.emit(.warning("\(error)"))
            return nil
        }
    }
}

/// What the catalog knows already, for the watcher's scans.
struct CatalogFiles: KnownFiles {
    let store: Store

    func file(at path: String) -> FileStamp? {
        guard let record = try? store.path(path) else { return nil }
        return stamp(record)
    }

    func files(after path: String, limit: Int) -> [KnownFile] {
        guard let records = try? store.paths(after: path, limit: limit) else { return [] }
        return records.map { KnownFile(path: $0.path, stamp: stamp($0)) }
    }

    private func stamp(_ record: PathRecord) -> FileStamp {
        FileStamp(size: record.size, mtime: record.mtimeNanoseconds, inode: UInt64(bitPattern: record.inode))
    }
}

extension Refusal {
    /// What may mend by itself where it is (a chmod, a rename); the rest goes to quarantine.
    var isPassing: Bool {
        switch self {
        case .unreadable, .nameNotText: true
        case .fifo, .socket, .device, .linkOutside, .linkToNothing, .folderLoop: false
        }
    }
}
