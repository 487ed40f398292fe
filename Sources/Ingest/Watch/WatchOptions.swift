// How long things must rest, what is polled, what is never looked at. A property that is a key of the TOML file names it.

/// Settings of the watcher; the defaults suit a local disk and people who copy, scan and download.
public struct WatchOptions: Sendable {
    public enum Mode: String, Sendable {
        /// inotify, but polling where the file system does not tell (NFS, SMB, FUSE, ...) or watches run out.
        case automatic
        case poll
    }

    public var mode = Mode.automatic
    /// `watch.settle`: rest after the last sign of writing. Half a second covers an editor's or scanner's
    /// quick successive saves; for those that pause longer the consumer postpones what it can't decode.
    public var settle = Duration.milliseconds(500)
    /// `watch.settle_renamed`: rest of a file renamed or linked into place, which is complete by then.
    public var settleRenamed = Duration.milliseconds(20)
    /// An empty file is mostly one whose writer has not begun.
    public var settleEmpty = Duration.seconds(2)
    /// Rest of a model's or SAE's folder, all of whose files are taken as one.
    public var settleFolder = Duration.seconds(2)
    /// Where nothing tells of writing, size and time must look equal this far apart.
    public var settlePolled = Duration.seconds(2)
    /// `watch.poll_interval`: between two scans of what is polled.
    public var pollInterval = Duration.seconds(5)
    /// Our own limit below the kernel's; beyond it folders are polled.
    public var watchesMax = Int.max
    /// Files seen but not done with; beyond it scanning pauses, then reading of events (the kernel's queue may
    /// overflow, which a rescan answers). Some 300 bytes each.
    public var recordsMax = 100_000
    /// File events waiting for the consumer: few, so that a fresh drop overtakes a backlog.
    public var deliveriesMax = 64

    /// Between a rename's two halves; they are queued together, so this is ample. The shortest rest too:
    /// what left a path is then told before what came to it.
    static let pairing = Duration.milliseconds(10)
    /// Events waiting for the consumer before the watcher stops looking for more.
    static let eventsMax = 4096

    public init() {}
}

/// Names that are never a drop: hidden ones, and those under which programs write before they rename.
public enum IgnoredNames {
    static let suffixes = [
        ".part", ".partial", ".filepart", ".crdownload", ".download", ".incomplete", ".aria2",
        ".tmp", ".temp", ".swp", ".swx", "~",
    ]
    static let names: Set<String> = ["thumbs.db", "desktop.ini", "__macosx"]

    /// - Parameter name: one component of a path, not the path.
    public static func contains(_ name: String) -> Bool {
        guard let first = name.utf8.first, first != UInt8(ascii: "."), first != UInt8(ascii: "~") else { return true }
        let lower = name.lowercased()
        return names.contains(lower) || suffixes.contains { lower.hasSuffix($0) }
    }
}

/// Where folders are delivered as one: `models/NAME` and `saes/NAME`.
enum BundlePlaces {
    static let holders: Set<String> = ["models", "saes", "prompts"]
}
