// A drop folder with a watcher and the simplest right consumer: it reads what it is told to read, keeps what the
// events imply, and answers as a catalog for what it has.

import Foundation
import Ingest
import Synchronization
import Testing

/// A folder of its own, removed at the end.
final class TemporaryFolder: Sendable {
    let path: String

    init() {
        var template = Array((NSTemporaryDirectory() + "/saed-watch-XXXXXX").utf8CString)
        path = template.withUnsafeMutableBufferPointer { String(cString: realpath(mkdtemp($0.baseAddress!), nil)) }
        chmod(path, 0o755)
    }

    deinit {
        // Tests take permissions away.
        for case let name as String in FileManager.default.enumerator(atPath: path) ?? .init() {
            var status = stat()
            if lstat(path + "/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { chmod(path + "/" + name, 0o755) }
        }
        try? FileManager.default.removeItem(atPath: path)
    }

    subscript(relative: String) -> String { path + "/" + relative }

    func makeFolder(_ relative: String) {
        try? FileManager.default.createDirectory(atPath: self[relative], withIntermediateDirectories: true)
    }

    /// As a program does: open, write, close.
    func write(_ relative: String, _ text: String) {
        let file = fopen(self[relative], "w")
        #expect(file != nil, "cannot write \(relative): \(String(cString: strerror(errno)))")
        guard let file else { return }
        fputs(text, file)
        fclose(file)
    }

    func move(_ from: String, _ to: String) {
        #expect(rename(self[from], self[to]) == 0, "rename \(from) to \(to): \(String(cString: strerror(errno)))")
    }

    /// Regular files below, those with names that are no drops left out, with their content.
    func content(of sub: String = "") -> [String: String] {
        var content: [String: String] = [:]
        let base = sub.isEmpty ? path : self[sub]
        for case let name as String in FileManager.default.enumerator(atPath: base) ?? .init() {
            guard !name.split(separator: "/").contains(where: { IgnoredNames.contains(String($0)) }) else { continue }
            if let text = readRegular(base + "/" + name) { content[name] = text }
        }
        return content
    }
}

func readRegular(_ path: String) -> String? {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, let data = FileManager.default.contents(atPath: path)
    else { return nil }
    return String(decoding: data, as: UTF8.self)
}

// Of libc, but not in Swift's Glibc module.

/// Gives two names each other's file, renameat2(2) with RENAME_EXCHANGE. - Returns: 0 on success.
@discardableResult
func exchange(_ a: String, _ b: String) -> Int32 {
    typealias Call = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
    return unsafeBitCast(dlsym(nil, "renameat2"), to: Call.self)(AT_FDCWD, a, AT_FDCWD, b, 2)
}

/// This thread's file accesses are checked as another user's from now on, setfsuid(2).
func setFileUser(_ user: UInt32) {
    typealias Call = @convention(c) (UInt32) -> Int32
    _ = unsafeBitCast(dlsym(nil, "setfsuid"), to: Call.self)(user)
}

/// Settle times of some milliseconds: what a test waits for is an event, not these.
func quickOptions(_ change: (inout WatchOptions) -> Void = { _ in }) -> WatchOptions {
    var options = WatchOptions()
    options.settle = .milliseconds(60)
    options.settleEmpty = .milliseconds(80)
    options.settleFolder = .milliseconds(100)
    options.settlePolled = .milliseconds(30)
    options.pollInterval = .milliseconds(40)
    change(&options)
    return options
}

/// What the consumer has, answering as the catalog.
final class Catalog: KnownFiles {
    struct Entry: Equatable { var stamp: FileStamp, text: String }
    let entries = Mutex<[String: Entry]>([:])

    /// As the store does, it keeps no paths of SAEs.
    func file(at path: String) -> FileStamp? { path.hasPrefix("saes/") ? nil : entries.withLock { $0[path]?.stamp } }

    func files(after path: String, limit: Int) -> [KnownFile] {
        entries.withLock { entries in
            entries.filter { !$0.key.hasPrefix("saes/") && path.utf8.lexicographicallyPrecedes($0.key.utf8) }
                .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
                .prefix(limit).map { KnownFile(path: $0.key, stamp: $0.value.stamp) }
        }
    }

    var content: [String: String] { entries.withLock { $0.mapValues(\.text) } }
}

final class Consumer {
    let drop: TemporaryFolder
    let catalog: Catalog
    let watcher: DropWatcher
    let warnings = WarningLog()
    private(set) var events: [DropEvent] = []

    /// Follows on from an earlier consumer if its catalog is given.
    init(_ drop: TemporaryFolder, options: WatchOptions = quickOptions(), catalog: Catalog = Catalog()) throws {
        self.drop = drop
        self.catalog = catalog
        watcher = try DropWatcher(folder: drop.path, known: catalog, options: options) { [warnings] in warnings.add($0) }
        watcher.start()
    }

    deinit { watcher.stop() }

    /// Applies one event. - Returns: nil when none came in time.
    func step(timeout: Duration = .milliseconds(20)) -> DropEvent? {
        guard let event = watcher.next(timeout: timeout) else { return nil }
        events.append(event)
        switch event {
        case let .file(file): take(file)
        case let .moved(from, to, isFolder): catalog.entries.withLock { move(&$0, from, to, isFolder) }
        case let .removed(path, isFolder):
            catalog.entries.withLock { entries in
                entries = entries.filter { $0.key != path && !(isFolder && $0.key.hasPrefix(path + "/")) }
            }
        case .folderSettled, .refused, .scanFinished: break
        }
        return event
    }

    private func take(_ file: DroppedFile) {
        guard let text = readRegular(drop[file.path]) else { return watcher.vanished(file) }
        catalog.entries.withLock { $0[file.path] = .init(stamp: file.stamp, text: text) }
        watcher.done(file)
    }

    private func move(_ entries: inout [String: Catalog.Entry], _ from: String, _ to: String, _ isFolder: Bool) {
        guard isFolder else {
            if let entry = entries.removeValue(forKey: from) { entries[to] = entry }
            return
        }
        let moving = entries.filter { $0.key.hasPrefix(from + "/") }
        entries = entries.filter { !$0.key.hasPrefix(from + "/") && !$0.key.hasPrefix(to + "/") }
        for (path, entry) in moving { entries[to + path.dropFirst(from.count)] = entry }
    }

    /// Consumes until `isReached` or half a minute has gone by, which fails the test.
    func until(_ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ isReached: (DropEvent) -> Bool) {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            if let event = step(), isReached(event) { return }
        }
        Issue.record("\(what): not within 30 s; had \(events.suffix(20))", sourceLocation: sourceLocation)
    }

    /// Consumes until nothing is pending.
    func quiesce(sourceLocation: SourceLocation = #_sourceLocation) {
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            watcher.synchronise()
            let isQuiet = watcher.snapshotOfPending() == 0
            while step(timeout: .milliseconds(isQuiet ? 1 : 5)) != nil {}
            if isQuiet {
                watcher.synchronise()
                if watcher.snapshotOfPending() == 0 { return }
            }
        }
        Issue.record("still pending after 60 s: \(watcher.snapshotOfPending())", sourceLocation: sourceLocation)
    }

    /// Consumes until the catalog has what the folder has: for polling, where nothing says that a change is unseen.
    func converge(sourceLocation: SourceLocation = #_sourceLocation) {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline, catalog.content != drop.content() { _ = step() }
        #expect(catalog.content == drop.content(), sourceLocation: sourceLocation)
    }

    func forgetEvents() { events = [] }

    var files: [String] {
        events.compactMap { if case let .file(file) = $0 { file.path } else { nil } }
    }
}

final class WarningLog: Sendable {
    private let warnings = Mutex<[WatchWarning]>([])
    func add(_ warning: WatchWarning) { warnings.withLock { $0.append(warning) } }
    var all: [WatchWarning] { warnings.withLock { $0 } }
}

extension DropEvent {
    func isFile(_ path: String) -> Bool { if case let .file(file) = self { file.path == path } else { false } }
    var isScanFinished: Bool { self == .scanFinished }
}
