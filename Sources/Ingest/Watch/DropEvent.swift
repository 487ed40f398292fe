// What the watcher tells its one consumer: settled facts about the drop folder, in the order they became
// true. Paths are relative to the drop folder, components joined by '/', never starting with one.

/// How a file looked when it was last seen: equal stamps mean unchanged content.
public struct FileStamp: Hashable, Sendable {
    /// Bytes.
    public let size: Int64
    /// Modification time, nanoseconds since 1970.
    public let mtime: Int64
    public let inode: UInt64

    public init(size: Int64, mtime: Int64, inode: UInt64) {
        self.size = size
        self.mtime = mtime
        self.inode = inode
    }
}

/// A settled regular file: nobody writes it, its size and time have rested.
///
/// It stays on the watcher's books until the consumer says what became of it: `DropWatcher.done`,
/// `.vanished` or `.postpone`.
public struct DroppedFile: Sendable, Hashable {
    /// Names this delivery; a file delivered again has another.
    public let id: UInt64
    public let path: String
    public let stamp: FileStamp
    public let device: UInt64
    /// Found by a scan among many, not dropped just now: may wait for what is.
    public let isBacklog: Bool
    /// 1, and one more each time the consumer postponed it.
    public let attempt: Int
}

/// One settled fact.
///
/// The consumer applies `moved` and `removed` to its catalog before it asks for the next event; a path it
/// knows nothing of is then no error. Files it was given and has not committed yet are forgotten where their
/// path is among those: what is still there is delivered again, under its new path.
public enum DropEvent: Sendable, Hashable {
    /// New or changed content; once per change.
    case file(DroppedFile)
    /// `models/NAME` or `saes/NAME`: a folder delivered as one, changed and now at rest.
    case folderSettled(path: String)
    /// Renamed inside the drop folder; what was at `to` is replaced. A folder takes all below it along.
    case moved(from: String, to: String, isFolder: Bool)
    /// Deleted or moved out. A folder takes all below it along.
    case removed(path: String, isFolder: Bool)
    /// Something that can never be a drop, or cannot be read now.
    case refused(path: String, reason: Refusal)
    /// Every folder has been looked at: after the start, and again after each rescan. All that was found
    /// is delivered or counted by `DropWatcher.snapshotOfPending()`.
    case scanFinished
}

/// Why something in the drop folder is not taken; the description says what to do.
public enum Refusal: Error, Sendable, Hashable, CustomStringConvertible {
    case fifo, socket, device
    case linkOutside(target: String)
    case linkToNothing(target: String)
    /// A symbolic link to a folder that holds the link, or links that lead to each other.
    case folderLoop(target: String)
    /// Retried by itself when its permissions change.
    case unreadable(isFolder: Bool, reason: String)
    /// Linux allows any bytes in a name, the catalog and the protocol only UTF-8.
    case nameNotText

    public var description: String {
        switch self {
        case .fifo: "is a FIFO; only regular files can be dropped"
        case .socket: "is a socket; only regular files can be dropped"
        case .device: "is a device; only regular files can be dropped"
        case let .linkOutside(target):
            "is a symbolic link out of the drop folder, to '\(target)'; copy or move the file itself into the folder"
        case let .linkToNothing(target):
            "is a symbolic link to '\(target)', which does not exist; drop the file itself"
        case let .folderLoop(target):
            "is a symbolic link to '\(target)', a loop; remove the link"
        case let .unreadable(isFolder, reason):
            "cannot be read (\(reason)); allow it with chmod \(isFolder ? "a+rx" : "a+r"), then it is taken by itself"
        case .nameNotText:
            "has a name that is not UTF-8; rename it (convmv renames whole trees)"
        }
    }
}

/// What the operator should know; nothing is lost, but something is slower or waits.
public enum WatchWarning: Sendable, Hashable, CustomStringConvertible {
    case watchLimit(path: String)
    case networkFileSystem(path: String, name: String)
    case noInotify(reason: String)
    case overflow
    case folderGone(path: String)
    case folderBack(path: String)

    public var description: String {
        switch self {
        case let .watchLimit(path):
            "no inotify watch left for '\(path)': this part is polled instead; raise "
                + "/proc/sys/fs/inotify/max_user_watches and restart"
        case let .networkFileSystem(path, name):
            "'\(path)' is on \(name), which reports no changes made elsewhere: it is polled (watch.poll_interval)"
        case let .noInotify(reason):
            "inotify cannot be used (\(reason)): the drop folder is polled; if too many programs watch, raise "
                + "/proc/sys/fs/inotify/max_user_instances and restart"
        case .overflow:
            "more changes than the kernel queues (/proc/sys/fs/inotify/max_queued_events): scanning the drop folder again"
        case let .folderGone(path):
            "the drop folder '\(path)' is gone; waiting for it to come back, nothing is taken as deleted"
        case let .folderBack(path):
            "the drop folder '\(path)' is back: scanning it"
        }
    }
}

public enum WatchError: Error, Sendable, CustomStringConvertible {
    case notAFolder(path: String, reason: String)

    public var description: String {
        switch self {
        case let .notAFolder(path, reason):
            "the drop folder '\(path)' cannot be watched (\(reason)); create it and let this user read it"
        }
    }
}
