// What the catalog has already, as the watcher asks for it: a scan delivers only what is new or changed and
// finds what is gone, in one pass over both sorted lists and with a page of memory.

/// A file the catalog knows.
public struct KnownFile: Sendable, Hashable {
    public let path: String
    public let stamp: FileStamp

    public init(path: String, stamp: FileStamp) {
        self.path = path
        self.stamp = stamp
    }
}

/// The catalog's paths. Called on the watcher's thread; must reflect every event the consumer was given
/// before it last called `next`, and every file it called `done` for.
public protocol KnownFiles: Sendable {
    func file(at path: String) -> FileStamp?
    /// At most `limit` files whose path sorts after `path`, ascending by UTF-8 bytes (SQLite's BINARY order).
    func files(after path: String, limit: Int) -> [KnownFile]
}

/// For a consumer without memory: everything found is new.
public struct NothingKnown: KnownFiles {
    public init() {}
    public func file(at path: String) -> FileStamp? { nil }
    public func files(after path: String, limit: Int) -> [KnownFile] { [] }
}

/// Walks the known files below a folder in order, a page at a time.
struct KnownCursor {
    private let known: any KnownFiles
    /// `folder/`, or empty for all.
    private let prefix: String
    private var page: [KnownFile] = []
    private var next = 0
    private var isLastPage = false
    static let pageSize = 1024

    init(_ known: any KnownFiles, below folder: String) {
        self.known = known
        prefix = folder.isEmpty ? "" : folder + "/"
    }

    /// The next one not popped yet, nil at the end.
    mutating func peek() -> KnownFile? {
        if next == page.count, !isLastPage {
            page = known.files(after: page.last?.path ?? prefix, limit: KnownCursor.pageSize)
            next = 0
            isLastPage = page.count < KnownCursor.pageSize
        }
        guard next < page.count, prefix.isEmpty || page[next].path.utf8.starts(with: prefix.utf8) else { return nil }
        return page[next]
    }

    mutating func pop() { next += 1 }
}

/// Whether `a` sorts before `b` by bytes. A folder's name counts with its '/', so that walking a tree in
/// this order meets the paths of files in this order.
func precedesByBytes(_ a: String, _ b: String) -> Bool {
    var a = a, b = b
    return a.withUTF8 { a in
        b.withUTF8 { b in
            let common = min(a.count, b.count)
            for i in 0..<common where a[i] != b[i] { return a[i] < b[i] }
            return a.count < b.count
        }
    }
}
