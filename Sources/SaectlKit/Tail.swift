// `saectl tail`: the last of what the daemon did, then what it does, without a gap or a line twice when a daemon is
// started again in between.

import Glibc
import Wire

/// Prints what a daemon did and does.
public struct Tail {
    public struct Options: Sendable {
        public var last: Int
        public var follow: Bool
        public var filter: History.Filter

        public init(last: Int, follow: Bool, filter: History.Filter) { (self.last, self.follow, self.filter) = (last, follow, filter) }
    }

    /// Why again after 1 s: the daemon begins to listen some milliseconds after it was asked, and what happened in
    /// these it tells nobody.
    private static let secondLookMilliseconds: Int64 = 1000
    /// Most that looking back after a gap prints of each kind.
    private static let caughtUpMax = 10_000

    private let options: Options
    private let connect: @Sendable () throws -> WireClient
    private let print: (Happening, String) -> Void
    private let note: (String) -> Void
    private var ledger: TailLedger
    private var client: WireClient
    private var drop = ""
    private var views: [Saed_ViewInfo] = []

    /// - Parameters:
    ///   - print: gets each happening, and the drop folder.
    ///   - note: gets what people should know beside it.
    /// - Throws: `WireFailure`, `WireClientError`, and what `connect` does.
    public init(
        _ options: Options, connect: @escaping @Sendable () throws -> WireClient, print: @escaping (Happening, String) -> Void,
        note: @escaping (String) -> Void
    ) throws {
        (self.options, self.connect, self.print, self.note) = (options, connect, print, note)
        ledger = TailLedger(filter: options.filter)
        client = try connect()
        try readStatus()
    }

    private mutating func readStatus() throws {
        let status = try client.ask(.with { $0.status = .init() }).status
        (drop, views) = (status.drop, status.views)
    }

    /// Returns when what is over was printed and nothing is to be followed, or when nobody reads any more.
    public mutating func run() throws {
        // Listening begins before the look back, so that nothing falls between them.
        let feed = options.follow ? Feed(connect: connect) : nil
        let began = wallMilliseconds()
        let past = try History(client).last(options.last, views: views.map(\.name), filter: options.filter)
        for happening in ledger.catchUp(past, at: wallMilliseconds()) { print(happening, drop) }
        guard let feed else { return }
        var gap = Gap(since: began, due: [wallMilliseconds() + Tail.secondLookMilliseconds])
        var heardUntil = began
        var isDown = false
        while true {
            let pause = gap.due.min().map { max(0, $0 - wallMilliseconds()) } ?? 60_000
            // Asked for nothing, stdout tells only that its reader has gone.
            if waitForAny([(feed.wake.fd, CInt(POLLIN)), (STDOUT_FILENO, 0)], milliseconds: Int(pause))[1] { return }
            for news in feed.take() {
                switch news {
                case .up:
                    guard isDown else { continue }
                    isDown = false
                    note("a daemon answers again")
                    gap.due = [wallMilliseconds(), wallMilliseconds() + Tail.secondLookMilliseconds]
                case let .down(reason):
                    if !isDown { note("\(reason); waiting for it to come back") }
                    isDown = true
                    gap = Gap(since: gap.due.isEmpty ? heardUntil : gap.since, due: [])
                case let .event(event):
                    if event.kind == .missed { gap = Gap(since: gap.due.isEmpty ? heardUntil : gap.since, due: [wallMilliseconds()]) }
                    heardUntil = max(heardUntil, event.timeMs)
                    if ledger.hear(event) { print(answered(event), drop) }
                }
            }
            while let due = gap.due.min(), due <= wallMilliseconds() {
                gap.due.removeAll { $0 == due }
                do {
                    try catchUp(since: gap.since)
                } catch is WireClientError {
                    // The connection is gone: the feed says so, and when there is one again.
                    gap.due = []
                } catch let failure as WireFailure where failure.code == .unavailable {
                    gap.due.append(wallMilliseconds() + Tail.secondLookMilliseconds)
                }
            }
        }
    }

    /// What must be looked for: from when on, and when to look.
    private struct Gap {
        var since: Int64
        var due: [Int64]
    }

    /// An event with the answer that the daemon has for its image now.
    private mutating func answered(_ event: Saed_Event) -> Happening {
        guard event.kind == .committed else { return Happening(event) }
        // A line without an answer is better than none: the image may be gone, or the daemon.
        let answer: Happening.Answer?
        do {
            answer = try History(client).committed(event.image, view: event.view)?.answer
        } catch is WireClientError {
            // A connection that lay idle may have been closed while the one that listens stands.
            if let again = try? connect() { client = again }
            answer = try? History(client).committed(event.image, view: event.view)?.answer
        } catch {
            answer = nil
        }
        return Happening(event, answer: answer, tookMilliseconds: ledger.took(event))
    }

    private mutating func catchUp(since: Int64) throws {
        client = try connect()
        try readStatus()
        let history = History(client)
        let names = options.filter.view.map { [$0] } ?? views.map(\.name)
        var past = try history.last(
            Tail.caughtUpMax, views: names, filter: options.filter, since: since, skipping: { ledger.isTold($0) })
        if !options.filter.failuresOnly {
            for image in ledger.noticed.prefix(Tail.caughtUpMax) {
                for view in names where !ledger.isTold(.init(image: image, view: view.text)) {
                    if let happening = try history.committed(image, view: view) { past.append(happening) }
                }
            }
        }
        for happening in ledger.catchUp(past, at: wallMilliseconds()) { print(happening, drop) }
    }
}

/// Milliseconds since 1970.
func wallMilliseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
}
