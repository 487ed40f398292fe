// The watcher's picture of the drop folder: a tree of folders only, and records of those files that are on
// their way. Renaming a folder, with a million files below it, is moving one node.

/// One component of a path, compared byte by byte: Swift's own equality would take "é" written as one or as
/// two code points for the same file; Linux keeps two.
struct FileName: Hashable {
    let text: String

    init(_ text: String) { self.text = text }

    static func == (a: FileName, b: FileName) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

    func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

/// A folder. Used on the watcher's thread only.
final class FolderNode {
    var name: FileName
    weak var parent: FolderNode?
    let isRoot: Bool
    var children: [FileName: FolderNode] = [:]
    var records: [FileName: FileRecord] = [:]
    /// inotify's number, -1 while not watched.
    var watch: Int32 = -1
    var device: UInt64 = 0
    var inode: UInt64 = 0
    /// No watch, by choice or need: looked at every `pollInterval`, with all below it.
    var isPolled = false
    /// The model or SAE folder this is or lies in.
    var bundle: Bundle?
    /// Something in or below it could not be looked at (`WatchEngine.disturb`).
    var wasDisturbed = false
    /// The last poll that saw it.
    var lastPoll = 0

    init(name: FileName, parent: FolderNode?) {
        self.name = name
        self.parent = parent
        isRoot = parent == nil
    }

    /// Relative to the drop folder, empty for itself; nil while the node does not hang in the tree.
    var path: String? {
        if isRoot { return "" }
        var names: [String] = []
        var node = self
        while !node.isRoot {
            names.append(node.name.text)
            guard let parent = node.parent else { return nil }
            node = parent
        }
        return names.reversed().joined(separator: "/")
    }

    func path(of name: FileName) -> String? {
        guard let path else { return nil }
        return path.isEmpty ? name.text : path + "/" + name.text
    }
}

/// A file that is settling, ready, or with the consumer.
final class FileRecord {
    enum State: Equatable {
        case settling
        /// Settled, in a lane, its event not emitted yet.
        case ready
        /// Delivered under this id.
        case inFlight(UInt64)
        /// Off the books; a lane or the heap may still hold it.
        case gone
    }

    var folder: FolderNode?
    var name: FileName
    var state = State.settling
    /// As last observed; nil where events alone have told so far.
    var stamp: FileStamp?
    var rest: Duration
    /// The last sign of change.
    var changed: ContinuousClock.Instant
    /// Someone was seen writing and not yet closing.
    var isWriting = false
    /// Bytes were seen going in: a file that has bytes without is one linked into place.
    var wasModified = false
    /// Something may be known under its path, so its end must be told.
    var isTaken: Bool
    /// Only delivered if the catalog's stamp differs: it may have been opened for writing and left as it was.
    var needsComparison = false
    var isBacklog = false
    /// When its entry in the heap comes up.
    var entered: ContinuousClock.Instant?
    var attempt = 1

    init(folder: FolderNode, name: FileName, rest: Duration, changed: ContinuousClock.Instant, isTaken: Bool) {
        self.folder = folder
        self.name = name
        self.rest = rest
        self.changed = changed
        self.isTaken = isTaken
    }

    var path: String? { folder?.path(of: name) }
    var due: ContinuousClock.Instant { changed + rest }
}

/// A folder delivered as one.
final class Bundle {
    struct Writer: Hashable {
        let folder: ObjectIdentifier
        let name: FileName
    }

    let node: FolderNode
    var rest: Duration
    var changed: ContinuousClock.Instant
    /// Changes since the last look.
    var isDue = true
    /// Files seen being written and not yet closed.
    var writers: Set<Writer> = []
    /// Of the content at the last look, for where no events tell of changes.
    var observed: UInt64?

    init(node: FolderNode, rest: Duration, changed: ContinuousClock.Instant) {
        self.node = node
        self.rest = rest
        self.changed = changed
    }

    var due: ContinuousClock.Instant { changed + rest }
}
