// The parser against a naive model, over random streams in random pieces.

import Foundation
import Testing
import Wire

@Suite struct FrameParserTests {
    /// What a stream comes to: the frames delivered, and the error that ended it.
    struct Outcome: Equatable {
        var frames: [Frame] = []
        var error: FrameError?
    }

    private func parse(_ bytes: [UInt8], _ receiver: FrameReceiver, cuts: [Int] = []) -> Outcome {
        var parser = FrameParser(receiver: receiver)
        var outcome = Outcome()
        let places = [0] + cuts.sorted() + [bytes.count]
        do throws(FrameError) {
            for (start, end) in zip(places, places.dropFirst()) {
                try parser.feed(bytes[start..<end]) { (frame) throws(FrameError) in outcome.frames.append(frame) }
            }
            try parser.finish()
        } catch {
            outcome.error = error
        }
        return outcome
    }

    private func randomFrame(_ random: inout Seeded) -> Frame {
        let kinds: [FrameKind] = [.hello, .request, .cancel, .ping, .pong]
        let kind = kinds.randomElement(using: &random)!
        let request: UInt32 = kind == .request || kind == .cancel ? .random(in: 1 ... .max, using: &random) : 0
        let most = min(FrameLimits.payloadBytesMax(kind), Bool.random(using: &random) ? 40 : 3000)
        let payload = (0..<Int.random(in: 0...most, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        return Frame(kind, request: request, payload: payload)
    }

    @Test func framesComeOutAsTheyWentInHoweverTheyAreSplit() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = Seeded(state: seed)
        for _ in 0..<200 {
            let frames = (0..<Int.random(in: 0...12, using: &random)).map { _ in randomFrame(&random) }
            let bytes = frames.flatMap(\.encoded)
            let cuts = (0..<Int.random(in: 0...40, using: &random)).map { _ in Int.random(in: 0...bytes.count, using: &random) }
            #expect(parse(bytes, .daemon, cuts: cuts) == Outcome(frames: frames), "seed \(seed)")
        }
        let frames = (0..<5).map { _ in randomFrame(&random) }
        let bytes = frames.flatMap(\.encoded)
        #expect(parse(bytes, .daemon, cuts: Array(0..<bytes.count)) == Outcome(frames: frames), "byte by byte, seed \(seed)")
    }

    @Test func damagedBytesGiveTheSameErrorHoweverTheyAreSplit() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = Seeded(state: seed)
        var failures = 0
        for _ in 0..<500 {
            var bytes = (0..<3).flatMap { _ in randomFrame(&random).encoded }
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            }
            if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
            let whole = parse(bytes, .daemon)
            let cuts = (0..<20).map { _ in Int.random(in: 0...bytes.count, using: &random) }
            #expect(parse(bytes, .daemon, cuts: cuts) == whole, "seed \(seed)")
            if whole.error != nil { failures += 1 }
        }
        // Most damage hits payloads; a parser that accepted everything would count none.
        #expect(failures > 50, "seed \(seed)")
    }

    @Test func afterAnErrorNothingIsAccepted() throws {
        var parser = FrameParser(receiver: .daemon)
        #expect(throws: FrameError.magic([0x47])) { try parser.feed([0x47, 0x45][...]) { _ in } }
        var delivered = 0
        #expect(throws: FrameError.magic([0x47])) {
            try parser.feed(Frame(.ping).encoded[...]) { (_) throws(FrameError) in delivered += 1 }
        }
        #expect(delivered == 0)
    }

    /// A thousand headers that promise 4 MiB each must not cost 4 GiB.
    @Test func aLengthAloneAllocatesNothing() throws {
        let header = FrameHeader(kind: FrameKind.part.rawValue, request: 1, length: UInt32(FrameLimits.replyBytesMax)).encoded
        let before = residentBytes()
        var parsers = (0..<1000).map { _ in FrameParser(receiver: .client) }
        for place in parsers.indices { try parsers[place].feed(header[...]) { _ in } }
        #expect(residentBytes() - before < 64 << 20)
        #expect(throws: FrameError.truncated(have: 16)) { try parsers[0].finish() }
    }

    @Test func limitsAreMetExactly() throws {
        for kind in FrameKind.allCases {
            let receiver: FrameReceiver = [.hello, .request, .cancel].contains(kind) ? .daemon : .client
            let request: UInt32 = [.hello, .welcome, .ping, .pong].contains(kind) ? 0 : 1
            let most = FrameLimits.payloadBytesMax(kind)
            let whole = Frame(kind, request: request, payload: [UInt8](repeating: 1, count: most))
            #expect(parse(whole.encoded, receiver) == Outcome(frames: [whole]))
            let over = FrameHeader(kind: kind.rawValue, request: request, length: UInt32(most + 1)).encoded
            #expect(parse(over, receiver) == Outcome(error: .tooLarge(kind: kind.name, length: most + 1, most: most)))
        }
    }

    @Test func messagesSayWhatIsWrongAndWhatToDo() {
        #expect(
            FrameError.magic(Array("GE".utf8)).description == "a frame begins with 53 41 45 44 ('SAED'), not with 47 45")
        #expect(
            WireFailure(FrameError.tooLarge(kind: "request", length: 1 << 21, most: 1 << 20)).description
                == "a 'request' frame of 2097152 bytes; at most 1048576 are allowed: "
                + "ask for less at a time: split the request into pieces below 1048576 bytes")
        #expect(FrameError.request(.request, 0).description == "a 'request' frame without a request id")
    }
}
