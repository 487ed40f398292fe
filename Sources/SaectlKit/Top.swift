// `saectl top`: the loop between screen, keys, events and looks at the daemon.

import Glibc
import Wire

public struct Top {
    /// Why 100 ms: a daemon commits faster than anyone reads, and a frame costs a millisecond.
    private static let frameMilliseconds: Int64 = 100

    private let connect: @Sendable () throws -> WireClient
    private let intervalMilliseconds: Int

    /// - Parameter interval: seconds between two looks; events are shown when they come.
    public init(interval: Double, connect: @escaping @Sendable () throws -> WireClient) {
        (self.connect, intervalMilliseconds) = (connect, Int(interval * 1000))
    }

    /// One look, as text and as JSON.
    /// - Throws: `WireFailure`, `WireClientError`, and what `connect` does.
    public static func once(_ client: WireClient, for terminal: Terminal) throws -> (text: String, json: JSON) {
        var state = TopState()
        let look = try TopLook(client: client, past: 10)
        state.now = wallMilliseconds()
        state.take(look, at: state.now)
        let lines = TopFrame(state, width: terminal.columns, height: nil, for: terminal).lines
        return (lines.map { $0 + "\n" }.joined(), state.json)
    }

    /// Shows what the daemon does until the user has seen enough.
    public func run() {
        let screen = FullScreen()
        let feed = Feed(connect: connect)
        let watch = TopWatch(intervalMilliseconds: intervalMilliseconds, past: screen.size.height, connect: connect)
        var state = TopState()
        var everything = true, wasDown = false
        state.now = wallMilliseconds()
        while true {
            if !state.isPaused || everything {
                if !state.isPaused { state.now = wallMilliseconds() }
                let (width, height) = screen.size
                screen.draw(TopFrame(state, width: width, height: height, for: .out).lines, everything: everything)
                everything = false
            }
            // Keys come at once; what the daemon does, at most ten times a second.
            let began = wallMilliseconds()
            _ = waitForAny(screen.descriptors + [(feed.wake.fd, CInt(POLLIN)), (watch.wake.fd, CInt(POLLIN))], milliseconds: intervalMilliseconds)
            let rest = began + Top.frameMilliseconds - wallMilliseconds()
            if rest > 0 { _ = waitForAny(screen.descriptors, milliseconds: Int(min(rest, Top.frameMilliseconds))) }
            for input in screen.take() {
                switch input {
                case .key(UInt8(ascii: "q")), .key(UInt8(ascii: "Q")), .closed, .signal(SIGINT): return screen.restore()
                case .key(UInt8(ascii: "p")), .key(UInt8(ascii: " ")):
                    state.isPaused.toggle()
                    everything = true
                case .key(UInt8(ascii: "s")):
                    state.sort = state.sort.next
                    everything = true
                case .key(0x0C), .redraw: everything = true  // Ctrl-L
                case .key: break
                case let .signal(signal): screen.end(by: signal)
                }
            }
            for news in feed.take() {
                switch news {
                case .up:
                    state.begin(at: wallMilliseconds())
                    // What was committed meanwhile.
                    if wasDown { watch.want(answers: [], past: screen.size.height) }
                    (wasDown, _) = (false, watch.hurry())
                case let .down(reason): (wasDown, _) = (true, state.lose(reason))
                case let .event(event): state.hear(event)
                }
            }
            for news in watch.take() {
                switch news {
                case let .look(look, time): state.take(look, at: time)
                case let .trouble(reason): state.lose(reason)
                }
            }
            watch.want(answers: state.unanswered(min(screen.size.height, TopWatch.answersMax)))
        }
    }
}
