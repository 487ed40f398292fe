// What one user, one connection and one request may hold, each with small limits: what is refused, in which words, and
// that the rest goes on.

import Foundation
import Testing
import Wire
import WireNIO

@Suite(.timeLimit(.minutes(1))) struct LimitTests {
    private let user = getuid()

    private func limited(_ rig: Rig, _ limit: WireLimit) async throws -> WireFailure {
        try await rig.events.first { if case .limited(_, limit, let failure) = $0 { failure } else { nil } }
    }

    private func works(_ client: RawClient, _ id: UInt32 = 99) async throws {
        try await client.send([.request(id) { $0.status = .init() }])
        #expect(try await client.answer(id).filter { $0.request == id }.map(\.kind) == [.part, .end])
    }

    @Test func aUsersConnectionsHaveALimitOfTheirOwn() async throws {
        let rig = try await Rig {
            $0.userConnections = 2
            $0.trusted = []
        }
        let first = try await rig.connect()
        var second: RawClient? = try await rig.connect()
        let third = try RawClient(path: rig.path)
        #expect(
            try await third.receive()?.failure
                == WireFailure(.unavailable, "2 connections of user \(user) are open, limits.user_connections allows no more", remedy: "close one"))
        #expect(try await third.receive() == nil)
        let usage = rig.clients.usage
        #expect(usage.connections == 2 && usage.users == 1 && usage.requests == 0 && usage.refused == [.userConnections: 1])
        try await works(first)
        #expect(second != nil)
        second = nil
        _ = try await rig.events.first { if case .disconnected(let peer) = $0 { peer.connection == 2 ? true : nil } else { nil } }
        try await works(try await rig.connect())
        await rig.stop()
        #expect(rig.clients.usage.connections == 0 && rig.clients.usage.users == 0)
    }

    /// The daemon closes such a connection before its client has sent anything: what it said must not be lost over that.
    @Test func aBlockingClientHearsWhyItIsTurnedAway() async throws {
        let rig = try await Rig {
            $0.userConnections = 0
            $0.trusted = []
        }
        for round in 0..<50 {
            let path = rig.path
            let error = try await onThread { () -> (any Error)? in
                do {
                    let client = try WireClient(path: path, name: "t")
                    if round % 2 == 1 { usleep(5000) }
                    _ = try client.ask(.with { $0.status = .init() })
                    return nil
                } catch { return error }
            }
            #expect((error as? WireFailure)?.message == "0 connections of user \(user) are open, limits.user_connections allows no more", "\(error as Any)")
        }
        await rig.stop()
    }

    @Test func trustedUsersGetInWhenAllIsTaken() async throws {
        let rig = try await Rig {
            $0.connections = 1
            $0.connectionsReserved = 1
            $0.userConnections = 0
            $0.userRequests = 0
        }
        let clients = try await [rig.connect(), rig.connect()]
        try await works(clients[1])
        #expect(try await RawClient(path: rig.path).receive()?.failure?.message == "2 connections are open, limits.connections allows no more")
        #expect(clients.count == 2)
        await rig.stop()
    }

    @Test func aUsersRequestsAreCountedOverConnections() async throws {
        let rig = try await Rig {
            $0.userRequests = 3
            $0.trusted = []
        }
        let one = try await rig.connect(), other = try await rig.connect()
        try await one.send([.request(1) { $0.watch = .init() }, .request(2) { $0.watch = .init() }])
        for _ in 0..<2 { #expect(try await one.receive()?.kind == .part) }
        try await other.send([.request(1) { $0.watch = .init() }])
        #expect(try await other.receive()?.kind == .part)
        try await other.send([.request(2) { $0.status = .init() }])
        #expect(
            try await other.receive()?.failure
                == WireFailure(.unavailable, "3 requests of user \(user) are open, limits.user_requests allows no more", remedy: "wait for one to end"))
        // One that has ended makes room, at once.
        try await one.send([Frame(.cancel, request: 2)])
        #expect(try await one.receive()?.failure?.code == .cancelled)
        try await works(other)
        #expect(rig.clients.usage.requests == 3 - 1)
        await rig.stop()
    }

    /// Who asks and hangs up again and again must not pile up what its handlers still do.
    @Test func aRequestCountsUntilItsHandlerHasReturned() async throws {
        let rig = try await Rig {
            $0.userRequests = 1
            $0.trusted = []
        }
        do {
            let client = try await rig.connect()
            try await client.send([.request(1) { $0.verify = .init() }])  // goes on when it is cancelled
            _ = try await rig.toy.log.first { $0 == .started("verify") ? true : nil }
        }
        _ = try await rig.events.first { if case .disconnected = $0 { true } else { nil } }
        let client = try await rig.connect()
        try await client.send([.request(1) { $0.status = .init() }])
        #expect(try await client.receive()?.failure?.message.hasPrefix("1 requests of user") == true)
        rig.toy.release.signal()
        _ = try await rig.toy.log.first { $0 == .ended("verify") ? true : nil }
        while rig.clients.usage.requests > 0 { await Task.yield() }
        try await works(client)
        await rig.stop()
    }

    @Test func aLargerRequestThanAllowedEndsItsConnection() async throws {
        let rig = try await Rig { $0.requestBytes = 1000 }
        let client = try RawClient(path: rig.path)
        try await client.send([Frame(.hello, payload: WireFormat.bytes(Saed_Hello()))])
        let welcome = try WireFormat.message(Saed_Welcome.self, of: #require(try await client.receive()))
        #expect(welcome.requestBytesMax == 1000)
        try await client.send(raw: FrameHeader(kind: FrameKind.request.rawValue, request: 1, length: 1001).encoded)
        #expect(
            try await client.receive()?.failure
                == WireFailure(.tooLarge, "a request of 1001 bytes, limits.request_bytes allows 1000", remedy: "ask for less at a time: split it into pieces"))
        #expect(((try? await client.receive()) ?? nil) == nil)
        // What saectl's own client makes of it.
        let path = rig.path
        let asked = try await onThread { () -> String in
            let client = try WireClient(path: path, name: "t")
            _ = try client.ask(.with { $0.status = .init() })
            do {
                _ = try client.ask(.with { $0.follow.paths = [String(repeating: "x", count: 2000)] })
                return "answered"
            } catch { return "\(error)" }
        }
        #expect(asked == "the request has 2006 bytes, the daemon takes 1000: ask in smaller pieces")
        await rig.stop()
    }

    @Test func aRequestPastItsTimeEndsWithOneErrorAndItsHandlerIsCancelled() async throws {
        let rig = try await Rig { $0.requestTime = .milliseconds(50) }
        let client = try await rig.connect()
        // One that waits, one that sends: both short here.
        try await client.send([.request(1) { $0.heatmap = .init() }, .request(2) { $0.watch = .init() }])
        let frames = try await client.answer(1)
        #expect(
            frames.last?.failure
                == WireFailure(
                    .deadline, "'heatmap' took longer than the 50ms that limits.request_time allows",
                    remedy: "ask for less at a time, or ask when saed has less to do"))
        #expect(try await rig.toy.log.first { $0 == .cancelled("heatmap") ? true : nil })
        #expect(try await limited(rig, .requestTime).code == .deadline)
        // A stream has no end of its own; the connection goes on.
        try await client.send([Frame(.ping, payload: [1])])
        while let frame = try await client.receive(), frame.kind != .pong { #expect(frame.kind == .part) }
        #expect(!rig.toy.log.values.contains(.cancelled("watch")))
        await rig.stop()
    }

    /// A thousand years, for never.
    @Test func aTimeBeyondAllClocksIsNoTimeAtAll() async throws {
        let never = Duration.seconds(1_000 * 365 * 86_400)
        let rig = try await Rig { ($0.requestTime, $0.longRequestTime, $0.unreadTime, $0.idleTime) = (never, never, never, never) }
        let client = try await rig.connect()
        try await client.send([.request(1) { $0.status = .init() }])
        #expect(try await client.answer(1).last?.failure == nil)
        await rig.stop()
    }

    /// Its client is told in time, though the handler does not hear of it.
    @Test func aDeadlineIsToldAlsoWhereTheHandlerGoesOn() async throws {
        let rig = try await Rig { $0.longRequestTime = .milliseconds(50) }
        let client = try await rig.connect()
        try await client.send([.request(1) { $0.verify = .init() }])
        #expect(try await client.answer(1).last?.failure?.message == "'verify' took longer than the 50ms that limits.long_request_time allows")
        try await works(client, 1)
        rig.toy.release.signal()
        await rig.stop()
    }

    @Test func aClientThatStopsReadingIsGivenUpAndItsMemoryFreed() async throws {
        let rig = try await Rig { $0.unreadTime = .milliseconds(400) }
        let neighbour = try await rig.connect()
        let client = try await rig.connect()
        try await client.send([.request(1) { $0.sheet.top = 1024 }])
        let failure = try await limited(rig, .unreadTime)
        #expect(failure.code == .deadline && failure.message.hasSuffix("bytes of answers lay unread for the 400ms that limits.unread_time allows"))
        #expect(try await rig.toy.log.first { $0 == .cancelled("sheet") ? true : nil })
        _ = try await rig.events.first { if case .disconnected(let peer) = $0 { peer.connection == 2 ? true : nil } else { nil } }
        #expect(rig.clients.usage.connections == 1 && rig.clients.usage.requests == 0)
        try await works(neighbour)
        _ = client
        await rig.stop()
    }

    @Test func aSlowReaderThatReadsIsNotGivenUp() async throws {
        let rig = try await Rig { $0.unreadTime = .seconds(5) }
        let client = try await rig.connect()
        try await client.send([.request(1) { $0.sheet.top = 30 }])
        var bytes = 0
        while let frame = try await client.receive(), frame.kind != .end {
            bytes += frame.kind == .array ? frame.payload.count - ArrayChunk.prefixBytes : 0
            // Longer than its time in all, each pause shorter.
            try await Task.sleep(for: .milliseconds(250))
        }
        #expect(bytes == 30 << 20)
        await rig.stop()
    }

    @Test func noMoreIsAskedWhileTooMuchLiesUnread() async throws {
        let rig = try await Rig { $0.unreadBytesMax = 1 << 20 }
        let client = try await rig.connect()
        try await client.send((1...3).map { id in .request(UInt32(id)) { $0.sheet.top = 64 } })
        var taken = -1
        while taken != rig.toy.sent.load(ordering: .relaxed) {
            taken = rig.toy.sent.load(ordering: .relaxed)
            try await Task.sleep(for: .milliseconds(200))
        }
        try await client.send([.request(4) { $0.status = .init() }])
        let failure = try await limited(rig, .unreadBytes)
        #expect(failure.code == .unavailable && failure.message.hasSuffix("bytes of answers wait unread on this connection, limits.unread_bytes allows 1048576"))
        await rig.stop()
    }

    @Test func anIdleConnectionIsClosedAndOneThatWaitsIsNot() async throws {
        let rig = try await Rig { $0.idleTime = .seconds(1) }
        let idle = try await rig.connect(), waiting = try RawClient(path: rig.path)
        // At once: a busy machine must not find it idle in between.
        try await waiting.send([Frame(.hello, payload: WireFormat.bytes(Saed_Hello())), .request(1) { $0.watch = .init() }])
        #expect(try await waiting.receive()?.kind == .welcome)
        #expect(try await waiting.receive()?.kind == .part)
        #expect(
            try await idle.receive()?.failure
                == WireFailure(.deadline, "nothing was asked for the 1s that limits.idle_time allows", remedy: "connect again when there is something to ask"))
        #expect(try await idle.receive() == nil)
        try await works(waiting)
        // When the last request has ended, its time runs.
        try await waiting.send([Frame(.cancel, request: 1)])
        #expect(try await waiting.answer(1).last?.failure?.code == .cancelled)
        #expect(try await waiting.receive()?.failure?.code == .deadline)
        await rig.stop()
    }

    @Test func limitsThatChangeHoldForConnectionsToCome() async throws {
        let rig = try await Rig { $0.requestsOpen = 4 }
        let before = try await rig.connect()
        rig.clients.limits.requestsOpen = 1
        let after = try await rig.connect()
        for client in [before, after] { try await client.send((1...2).map { id in .request(UInt32(id)) { $0.watch = .init() } }) }
        for _ in 0..<2 { #expect(try await before.receive()?.kind == .part) }
        let frames = try await [after.receive(), after.receive()].compactMap { $0 }
        #expect(frames.contains { $0.failure?.message == "1 requests are open on this connection, limits.requests allows no more" })
        await rig.stop()
    }

    @Test func everyRequestHasAPace() {
        #expect(Saed_Request.with { $0.status = .init() }.pace == .short)
        #expect(Saed_Request.with { $0.ablate = .init() }.pace == .long)
        for lasting in [Saed_Request.with { $0.wait = .init() }, .with { $0.watch = .init() }, .with { $0.follow = .init() }] {
            #expect(lasting.pace == .lasting)
        }
    }
}
