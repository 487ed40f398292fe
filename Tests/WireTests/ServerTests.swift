// The server over a real socket. What must be survived: a client that pipelines, cancels, is slow, sends garbage or an
// oversized frame, asks too much at a time, says nothing, hangs up in the middle.

import Foundation
import Synchronization
import Testing
import Wire
import WireNIO

@Suite(.timeLimit(.minutes(2))) struct ServerTests {
    @Test func pipelinedRequestsAreAnsweredAsTheyGetReady() async throws {
        let rig = try await Rig()
        let client = try RawClient(path: rig.path)
        // Hello, a slow request and a quick one in one write, nothing awaited.
        try await client.send([
            Frame(.hello, payload: WireFormat.bytes(Saed_Hello.with { $0.client = "test" })),
            .request(1) { $0.wait.timeoutMs = 2000 }, .request(2) { $0.status = .init() },
        ])
        let frames = try await client.answer(1)
        #expect(frames.map(\.kind) == [.welcome, .part, .end, .part, .end])
        #expect(frames.map(\.request) == [0, 2, 2, 1, 1])
        #expect(try WireFormat.message(Saed_Reply.self, of: frames[1]).status.queued == 7)
        await rig.stop()
    }

    @Test func progressAndPartsKeepTheirOrder() async throws {
        let rig = try await Rig()
        let client = try await rig.connect()
        try await client.send([.request(5) { $0.images.limit = 100 }])
        let frames = try await client.answer(5)
        #expect(frames.map(\.kind) == Array(repeating: [FrameKind.progress, .part], count: 100).flatMap { $0 } + [.end])
        let totals = try frames.filter { $0.kind == .part }.map { try WireFormat.message(Saed_Reply.self, of: $0).images.total }
        #expect(totals == Array(0..<100))
        await rig.stop()
    }

    @Test func aCancelledRequestStopsAndItsConnectionGoesOn() async throws {
        let rig = try await Rig()
        let client = try await rig.connect()
        try await client.send([.request(1) { $0.watch = .init() }])
        #expect(try await client.receive()?.kind == .part)
        try await client.send([Frame(.cancel, request: 1), Frame(.cancel, request: 77)])
        let failure = try #require(try await client.receive()?.failure)
        #expect(failure.code == .cancelled && failure.message == "cancelled by the client")
        #expect(rig.toy.log.values == [.started("watch"), .cancelled("watch")])
        // The id is free again.
        try await client.send([.request(1) { $0.status = .init() }])
        #expect(try await client.answer(1).map(\.kind) == [.part, .end])
        await rig.stop()
    }

    @Test func errorsOfHandlersReachTheClient() async throws {
        let rig = try await Rig()
        let client = try await rig.connect()
        try await client.send([
            .request(1) { $0.failures = .init() }, .request(2) { $0.models = .init() }, .request(3) { $0.saes = .init() },
            .request(4) { $0.views = .init() }, .request(5) { _ in },
            Frame(.request, request: 6, payload: [0xFF, 0xFF, 0xFF]),
        ])
        var failures: [UInt32: WireFailure] = [:]
        while failures.count < 6, let frame = try await client.receive() {
            if let failure = frame.failure { failures[frame.request] = failure }
        }
        #expect(failures[1] == WireFailure(.notFound, "nothing failed", remedy: "drop something broken", candidates: ["a", "b"]))
        #expect(failures[2] == WireFailure(.internal, "the toy is broken", remedy: "see the daemon's log"))
        #expect(failures[3]?.code == .tooLarge && failures[3]?.message.hasPrefix("one part of the answer has 524") == true)
        #expect(failures[4]?.message.hasSuffix("array 'indptr' has 24 bytes, 16 came") == true)
        #expect(failures[5]?.code == .unsupported)
        #expect(failures[6] == WireFailure(.invalidArgument, "the payload is no Request message", remedy: "mend the client: see protocol/saed.proto"))
        // None of that cost the connection.
        try await client.send([.request(7) { $0.status = .init() }])
        #expect(try await client.answer(7).map(\.kind) == [.part, .end])
        await rig.stop()
    }

    static let offences: [(String, [UInt8], Saed_ErrorCode)] = [
        ("http", Array("GET / HTTP/1.1\r\n\r\n".utf8), .invalidArgument),
        ("zeros", [UInt8](repeating: 0, count: 4096), .invalidArgument),
        ("request before hello", Frame.request(1) { $0.status = .init() }.encoded, .invalidArgument),
        ("oversized", FrameHeader(kind: FrameKind.hello.rawValue, request: 0, length: .max).encoded, .tooLarge),
        ("newer version", FrameHeader(version: 2, kind: 1, request: 0, length: 0).encoded, .unsupported),
        ("hello that is no message", Frame(.hello, payload: [0xFF]).encoded, .invalidArgument),
        ("long name", Frame(.hello, payload: WireFormat.bytes(Saed_Hello.with { $0.client = String(repeating: "n", count: 129) })).encoded, .invalidArgument),
    ]

    @Test(arguments: offences.indices)
    func garbageGetsOneErrorFrameAndTheEndAndDisturbsNobody(_ place: Int) async throws {
        let (name, bytes, code) = ServerTests.offences[place]
        let rig = try await Rig()
        let neighbour = try await rig.connect()
        try await neighbour.send([.request(1) { $0.watch = .init() }])
        #expect(try await neighbour.receive()?.kind == .part)

        let client = try RawClient(path: rig.path)
        try await client.send(raw: bytes)
        let frame = try #require(try await client.receive())
        #expect(frame.kind == .error && frame.request == 0 && frame.failure?.code == code, "\(name)")
        // Then the end: orderly, or as a reset where the server left bytes unread.
        #expect(((try? await client.receive()) ?? nil) == nil)
        let logged = try await rig.events.first { if case let .refused(_, failure) = $0 { failure } else { nil } }
        #expect(logged == frame.failure)

        try await neighbour.send([.request(2) { $0.status = .init() }])
        #expect(try await neighbour.answer(2).map(\.kind) == [.part, .end])
        await rig.stop()
    }

    @Test func anOversizedFrameCancelsWhatItsConnectionHadOpen() async throws {
        let rig = try await Rig()
        let client = try await rig.connect()
        try await client.send([.request(1) { $0.watch = .init() }])
        #expect(try await client.receive()?.kind == .part)
        try await client.send(raw: FrameHeader(kind: FrameKind.request.rawValue, request: 2, length: 1 << 20 | 1).encoded)
        #expect(try await client.receive()?.failure?.code == .tooLarge)
        #expect(try await rig.toy.log.first { $0 == .cancelled("watch") ? true : nil })
        await rig.stop()
    }

    @Test func anIdThatIsStillOpenIsAnOffence() async throws {
        let rig = try await Rig()
        let client = try await rig.connect()
        try await client.send([.request(1) { $0.watch = .init() }, .request(1) { $0.status = .init() }])
        let frames = try await client.answer(0)
        #expect(frames.last?.failure?.message == "request id 1 is still open")
        await rig.stop()
    }

    @Test func aClientThatHangsUpCancelsItsRequestsAndNothingElse() async throws {
        let rig = try await Rig()
        let neighbour = try await rig.connect()
        try await neighbour.send([.request(1) { $0.sheet.top = 3 }])
        do {
            let client = try await rig.connect()
            // The last frame stops in the middle.
            try await client.send([.request(1) { $0.watch = .init() }, .request(2) { $0.sheet.top = 4000 }])
            try await client.send(raw: Array(Frame.request(3) { $0.status = .init() }.encoded.prefix(11)))
            #expect(try await client.receive() != nil)
        }
        #expect(try await rig.toy.log.first { $0 == .cancelled("watch") ? true : nil })
        #expect(try await rig.toy.log.first { $0 == .cancelled("sheet") ? true : nil })
        let logged = try await rig.events.first { if case let .refused(_, failure) = $0 { failure } else { nil } }
        #expect(logged == WireFailure(FrameError.truncated(have: 11)))
        let bytes = try await neighbour.answer(1).filter { $0.kind == .array }.map { $0.payload.count - ArrayChunk.prefixBytes }.reduce(0, +)
        #expect(bytes == 3 << 20)
        await rig.stop()
    }

    /// The answer to a socket that is closed already fails at once, while the frames behind it are still being parsed.
    @Test func clientsThatHangUpBeforeTheyAreAnsweredDisturbNobody() async throws {
        let rig = try await Rig()
        let neighbour = try await rig.connect()
        let hello = Frame(.hello, payload: WireFormat.bytes(Saed_Hello.with { $0.client = "hasty" }))
        let bytes = ([hello] + (1...10).flatMap { id in [Frame(.ping), .request(UInt32(id)) { $0.watch = .init() }] }).flatMap(\.encoded)
        for length in [bytes.count, bytes.count - 3, hello.encoded.count] {
            for _ in 0..<100 { try await RawClient(path: rig.path).send(raw: Array(bytes.prefix(length))) }
        }
        var gone = 0
        _ = try await rig.events.first { event -> Bool? in
            if case .disconnected = event { gone += 1 }
            return gone == 300 ? true : nil
        }
        try await neighbour.send([.request(2) { $0.status = .init() }])
        #expect(try await neighbour.answer(2).map(\.kind) == [.part, .end])
        await rig.stop()
    }

    /// 1 GiB for a client that doesn't read: the handler must be held back when the buffers are full.
    @Test func aSlowReaderHoldsItsHandlerBackInBoundedMemory() async throws {
        let rig = try await Rig { $0.outboundBytes = 1 << 20 }
        let before = residentBytes()
        let client = try await rig.connect()
        try await client.send([.request(1) { $0.sheet.top = 1024 }, .request(2) { $0.status = .init() }])
        #expect(try await rig.toy.log.first { $0 == .started("sheet") ? true : nil })
        // Until it stops moving: what is taken by then lies in the server's and the kernel's buffers.
        var taken = -1
        while taken != rig.toy.sent.load(ordering: .relaxed) {
            taken = rig.toy.sent.load(ordering: .relaxed)
            try await Task.sleep(for: .milliseconds(300))
        }
        #expect(taken < 16 << 20)
        #expect(residentBytes() - before < 64 << 20)
        // It reads on, and everything comes.
        var bytes = 0
        var ended: Set<UInt32> = []
        while ended.count < 2, let frame = try await client.receive() {
            if frame.kind == .array { bytes += frame.payload.count - ArrayChunk.prefixBytes }
            if frame.kind == .end { ended.insert(frame.request) }
        }
        #expect(bytes == 1 << 30)
        await rig.stop()
    }

    @Test func aCancelReachesARequestThatIsHeldBack() async throws {
        let rig = try await Rig()
        let client = try await rig.connect()
        try await client.send([.request(1) { $0.sheet.top = 1024 }])
        var taken = -1
        while taken != rig.toy.sent.load(ordering: .relaxed) {
            taken = rig.toy.sent.load(ordering: .relaxed)
            try await Task.sleep(for: .milliseconds(200))
        }
        try await client.send([Frame(.cancel, request: 1)])
        #expect(try await rig.toy.log.first { $0 == .cancelled("sheet") ? true : nil })
        #expect(try await client.answer(1).last?.failure?.code == .cancelled)
        await rig.stop()
    }

    @Test func requestsBeyondTheLimitAreRefusedAloneAndTheRestGoesOn() async throws {
        let rig = try await Rig { $0.requestsOpen = 3 }
        let client = try await rig.connect()
        try await client.send((1...5).map { id in .request(UInt32(id)) { $0.watch = .init() } })
        var refused: [UInt32] = []
        var events = 0
        while refused.count < 2 || events < 3, let frame = try await client.receive() {
            if let failure = frame.failure {
                #expect(failure.code == .unavailable && failure.message == "3 requests are open on this connection, limits.requests allows no more")
                refused.append(frame.request)
            } else {
                events += 1
            }
        }
        #expect(refused == [4, 5])
        try await client.send([Frame(.cancel, request: 2)])
        #expect(try await client.answer(2).last?.failure?.code == .cancelled)
        try await client.send([.request(6) { $0.status = .init() }])
        #expect(try await client.answer(6).map(\.kind) == [.part, .end])
        await rig.stop()
    }

    @Test func connectionsBeyondTheLimitAreRefused() async throws {
        let rig = try await Rig {
            $0.connections = 2
            $0.trusted = []
        }
        let first = try await rig.connect()
        var second: RawClient? = try await rig.connect()
        let third = try RawClient(path: rig.path)
        #expect(try await third.receive()?.failure?.message == "2 connections are open, limits.connections allows no more")
        #expect(second != nil)
        second = nil
        // Both the one that left and the refused one must be gone first.
        var gone = 0
        _ = try await rig.events.first { event -> Bool? in
            if case .disconnected = event { gone += 1 }
            return gone == 2 ? true : nil
        }
        let fourth = try await rig.connect()
        try await fourth.send([.request(1) { $0.status = .init() }])
        #expect(try await fourth.answer(1).map(\.kind) == [.part, .end])
        _ = first
        await rig.stop()
    }

    @Test func silenceInsteadOfHelloEnds() async throws {
        let rig = try await Rig { $0.handshakeSeconds = 1 }
        let client = try RawClient(path: rig.path)
        #expect(try await client.receive()?.failure == WireFailure(.deadline, "no hello frame within 1 s", remedy: "send hello first"))
        #expect(try await client.receive() == nil)
        await rig.stop()
    }

    @Test func pingsAreAnsweredAndUnreadPongsEndTheConnection() async throws {
        let rig = try await Rig { $0.unreadBytesMax = 1 << 16 }
        let client = try await rig.connect()
        try await client.send([Frame(.ping, payload: [1, 2, 3])])
        #expect(try await client.receive() == Frame(.pong, payload: [1, 2, 3]))
        let flood = Array(repeating: Frame(.ping, payload: [UInt8](repeating: 7, count: 64)).encoded, count: 1000).flatMap { $0 }
        await #expect(throws: WireClientError.self) { for _ in 0..<1000 { try await client.send(raw: flood) } }
        let failure = try await rig.events.first { if case let .limited(_, .unreadBytes, failure) = $0 { failure } else { nil } }
        #expect(failure.code == .tooLarge && failure.message.hasSuffix("bytes of answers wait unread, limits.unread_bytes allows 65536"))
        await rig.stop()
    }

    @Test func kindsAndFlagsOfLaterVersionsArePassedOver() async throws {
        let rig = try await Rig()
        let client = try await rig.connect()
        try await client.send(
            raw: FrameHeader(kind: 0x90, flags: 0xFF00, request: 9, length: 3).encoded + [1, 2, 3]
                + Frame.request(1) { $0.status = .init() }.encoded)
        #expect(try await client.answer(1).map(\.kind) == [.part, .end])
        await rig.stop()
    }

    @Test func theHandlerKnowsWhoAsks() async throws {
        let rig = try await Rig()
        let path = rig.path
        let version = try await onThread {
            try WireClient(path: path, name: "saectl 0.1.0").ask(.with { $0.version = .init() }).version
        }
        #expect(version.version == "saectl 0.1.0")
        #expect(version.protocolMajor == UInt32(getpid()) && version.protocolMinor == getuid())
        await rig.stop()
    }

    @Test func stoppingCancelsSaysSoAndRemovesTheSocket() async throws {
        let rig = try await Rig()
        let client = try await rig.connect()
        try await client.send([.request(1) { $0.watch = .init() }])
        #expect(try await client.receive()?.kind == .part)
        async let stopped: Void = rig.server.stop()
        let frames = try await client.answer(1)
        await stopped
        #expect(frames.last?.failure == WireFailure(.unavailable, "saed is stopping", remedy: "ask again when it is back"))
        #expect(try await rig.toy.log.first { $0 == .cancelled("watch") ? true : nil })
        #expect(!FileManager.default.fileExists(atPath: rig.path))
        try? FileManager.default.removeItem(atPath: rig.folder)
    }
}
