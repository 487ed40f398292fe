// Events of a daemon that may go and come back, heard on a thread of their own, so that a program can wait for keys, a
// clock and a daemon at once.

import Glibc
import Synchronization
import Wire

/// Listens to a daemon for as long as the program runs, and connects again when it is gone.
///
///     let feed = Feed { try WireClient(path: path, name: "saectl") }
///     poll on feed.wake, then:
///     for news in feed.take() { ... }
public final class Feed: Sendable {
    public enum News: Sendable {
        /// A connection stands and the daemon was asked for its events; it listens some milliseconds later, so what
        /// happens in these must be looked for.
        case up
        /// There is none any more, or none yet; told once until there is.
        case down(reason: String)
        case event(Saed_Event)
    }

    /// Why 0.5 s: a daemon that is started again should be seen at once, and a connection that is refused costs nothing.
    private static let pauseMicroseconds: UInt32 = 500_000
    /// Where one connects and is turned away again and again: more would add to what it is turned away for.
    private static let pauseMicrosecondsMax: UInt32 = 16_000_000
    /// Why so many: some minutes of the fastest daemon. What doesn't fit waits in the daemon, which counts what it leaves out.
    private static let waitingMax = 65_536

    /// Readable where there is news.
    public var wake: Wake { inbox.wake }
    private let inbox = Inbox<News>()
    private let connect: @Sendable () throws -> WireClient

    /// Begins to listen.
    public init(connect: @escaping @Sendable () throws -> WireClient) {
        self.connect = connect
        inBackground { [self] in listen() }
    }

    /// What came since the last call.
    public func take() -> [News] { inbox.take() }

    private func listen() -> Never {
        var isDown = false, pause = Feed.pauseMicroseconds
        while true {
            let began = wallMilliseconds()
            var isConnected = false
            do {
                let client = try connect()
                isConnected = true
                isDown = false
                tell(.up)
                try client.ask(.with { $0.watch = .init() }) { piece in
                    if case let .part(reply) = piece, case let .event(event)? = reply.body { tell(.event(event)) }
                }
                throw WireClientError.disconnected(errno: 0)
            } catch {
                if !isDown { tell(.down(reason: "\(error)")) }
                isDown = true
            }
            let wasTurnedAway = isConnected && wallMilliseconds() - began < 1000
            pause = wasTurnedAway ? min(2 * pause, Feed.pauseMicrosecondsMax) : Feed.pauseMicroseconds
            usleep(pause)
        }
    }

    private func tell(_ item: News) {
        while inbox.count >= Feed.waitingMax { usleep(10_000) }
        inbox.put(item)
    }
}

/// What one thread has for another, which polls.
final class Inbox<Item: Sendable>: Sendable {
    /// Readable where there is something.
    let wake = Wake()
    private let items = Mutex<[Item]>([])

    var count: Int { items.withLock { $0.count } }

    func put(_ item: Item) {
        items.withLock { $0.append(item) }
        wake.up()
    }

    /// What came since the last call.
    func take() -> [Item] {
        wake.clear()
        return items.withLock { items in
            defer { items = [] }
            return items
        }
    }
}

/// A descriptor that one thread makes readable for another, and for signal handlers.
public struct Wake: Sendable {
    /// To poll on.
    public let fd: CInt
    private let input: CInt

    /// Ends the program where there are no descriptors left.
    public init() {
        var ends: [CInt] = [-1, -1]
        precondition(pipe(&ends) == 0, "no pipe: \(String(cString: strerror(errno)))")
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (fd, input) = (ends[0], ends[1])
    }

    /// A full pipe is readable as it is.
    public func up(_ byte: UInt8 = 0) {
        var byte = byte
        _ = write(input, &byte, 1)
    }

    /// - Returns: the bytes that it was woken with.
    @discardableResult
    public func clear() -> [UInt8] {
        var bytes: [UInt8] = [], buffer = [UInt8](repeating: 0, count: 256)
        while case let count = read(fd, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        return bytes
    }
}

/// Waits until one of the descriptors is readable (or, where nothing is asked of it, broken), or the time is up.
/// - Returns: for each whether it is.
public func waitForAny(_ descriptors: [(fd: CInt, events: CInt)], milliseconds: Int) -> [Bool] {
    var polled = descriptors.map { pollfd(fd: $0.fd, events: Int16($0.events), revents: 0) }
    guard poll(&polled, nfds_t(polled.count), CInt(clamping: milliseconds)) > 0 else { return descriptors.map { _ in false } }
    return polled.map { $0.revents != 0 }
}

private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// A thread that ends with its body or the program. By pthread: Foundation's would double the start of `saectl`.
func inBackground(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let work = Unmanaged.passRetained(Work(body)).toOpaque()
    let status = pthread_create(&thread, nil, { work in
        if let work { Unmanaged<Work>.fromOpaque(work).takeRetainedValue().body() }
        return nil
    }, work)
    precondition(status == 0, "no thread: \(String(cString: strerror(status)))")
    pthread_detach(thread)
}
