// Looks at a daemon for `saectl top`, on a thread of its own: a daemon that answers late must not keep the screen from
// keys.

import Glibc
import Synchronization
import Wire

/// Looks again and again, and when it is asked to.
package final class TopWatch: Sendable {
    package enum News: Sendable {
        case look(TopLook, time: Int64)
        case trouble(String)
    }

    /// What the next look shall find beside the status.
    private struct Wants {
        var past = 0
        var answers: [Happening] = []
    }

    /// Answers that one look asks for: some tens of milliseconds.
    package static let answersMax = 32

    package var wake: Wake { inbox.wake }
    private let inbox = Inbox<News>()
    private let prod = Wake()
    private let wants = Mutex(Wants())
    private let connect: @Sendable () throws -> WireClient
    private let intervalMilliseconds: Int

    package init(intervalMilliseconds: Int, past: Int, connect: @escaping @Sendable () throws -> WireClient) {
        (self.connect, self.intervalMilliseconds) = (connect, intervalMilliseconds)
        wants.withLock { $0.past = past }
        inBackground { [self] in run() }
    }

    package func take() -> [News] { inbox.take() }

    /// The next look asks for these answers, and for so many images of the past.
    package func want(answers: [Happening], past: Int = 0) {
        wants.withLock { wants in
            wants.answers = answers
            wants.past = max(wants.past, past)
        }
    }

    /// Looks now.
    package func hurry() { prod.up() }

    private func run() -> Never {
        var client: WireClient?
        while true {
            let wanted = wants.withLock { wants in
                defer { wants = Wants() }
                return wants
            }
            do {
                let open = try client ?? connect()
                client = open
                let look = try TopLook(client: open, past: wanted.past, answers: wanted.answers)
                inbox.put(.look(look, time: wallMilliseconds()))
            } catch {
                client = nil
                wants.withLock { $0.past = max($0.past, wanted.past) }
                inbox.put(.trouble("\(error)"))
            }
            _ = waitForAny([(prod.fd, CInt(POLLIN))], milliseconds: intervalMilliseconds)
            prod.clear()
        }
    }
}

extension TopLook {
    private static let failuresListed = 5

    /// - Parameters:
    ///   - past: so many of the last images.
    ///   - answers: snapshots whose answer is wanted.
    /// - Throws: `WireFailure`, `WireClientError`.
    package init(client: WireClient, past: Int, answers: [Happening] = []) throws {
        self.init()
        status = try client.ask(.with { $0.status = .init() }).status
        let history = History(client)
        if status.failures > 0 { failures = try history.failures(TopLook.failuresListed) }
        diskFreeBytes = TopLook.freeBytes(status.root)
        for happening in answers.prefix(TopWatch.answersMax) {
            guard let found = try history.committed(happening.event.image, view: happening.event.view) else { continue }
            answered.append(found)
        }
        guard past > 0 else { return }
        self.past = try history.last(past, views: status.views.map(\.name)).filter { $0.event.kind == .committed }
    }

    /// nil where the folder is another machine's or another container's.
    private static func freeBytes(_ folder: String) -> UInt64? {
        var status = statvfs()
        guard !folder.isEmpty, statvfs(folder, &status) == 0 else { return nil }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }
}
