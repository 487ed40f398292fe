// The blocking client: against the real server, and against one that misbehaves.

import Foundation
import Testing
import Wire
import WireNIO

@Suite(.timeLimit(.minutes(1))) struct ClientTests {
    @Test func oneConnectionAsksOneQuestionAfterAnother() async throws {
        let rig = try await Rig()
        let path = rig.path
        let log = try await onThread { () -> [String] in
            let client = try WireClient(path: path, name: "test")
            var log: [String] = []
            log.append("\(try client.ask(.with { $0.status = .init() }).status.queued)")
            do {
                _ = try client.ask(.with { $0.failures = .init() })
            } catch let failure as WireFailure {
                log.append(failure.description)
            }
            var parts = 0, progress = 0
            try client.ask(.with { $0.images.limit = 10 }) { piece in
                switch piece {
                case .part: parts += 1
                case .progress: progress += 1
                default: log.append("unexpected")
                }
            }
            log.append("\(parts) \(progress) \(client.welcome?.server ?? "-")")
            return log
        }
        #expect(log == ["7", "nothing failed: drop something broken", "10 10 toy"])
        await rig.stop()
    }

    @Test func arraysArriveWholeAndWithTheirShape() async throws {
        let rig = try await Rig()
        let path = rig.path
        let (bytes, shapes) = try await onThread { () -> (Int, [UInt32: [Int]]) in
            var bytes = 0
            let shapes = try WireClient(path: path, name: "test").ask(.with { $0.sheet.top = 5 }) { piece in
                if case let .chunk(header, chunk) = piece, header.name == "png", chunk.allSatisfy({ $0 == 0x5A }) { bytes += chunk.count }
            }
            return (bytes, shapes)
        }
        #expect(bytes == 5 << 20 && shapes == [0: [5 << 20]])
        await rig.stop()
    }

    @Test func aRequestThatNoFrameHoldsIsNotSent() async throws {
        let rig = try await Rig()
        let path = rig.path
        await #expect(throws: WireClientError.self) {
            try await onThread {
                _ = try WireClient(path: path, name: "t").ask(.with { $0.follow.paths = [String(repeating: "p", count: 2 << 20)] })
            }
        }
        #expect(rig.toy.log.values.isEmpty)
        await rig.stop()
    }

    /// A server of one connection that reads some bytes and writes what it is told.
    private func answer(_ bytes: [UInt8]) async throws -> String {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let listener = try UnixSocket.listen(path: folder + "/s.sock", mode: 0o600)
        async let served: Void = onThread {
            let fd = accept(listener, nil, nil)
            var buffer = [UInt8](repeating: 0, count: 4096)
            _ = read(fd, &buffer, buffer.count)
            _ = write(fd, bytes, bytes.count)
            close(fd)
            close(listener)
        }
        let message = try await onThread { () -> String in
            do {
                return "\(try WireClient(path: folder + "/s.sock", name: "t").ask(.with { $0.status = .init() }))"
            } catch {
                return "\(error)"
            }
        }
        try await served
        return message
    }

    @Test func answersThatAreNoneAreNamed() async throws {
        let welcome = Frame(.welcome, payload: WireFormat.bytes(Saed_Welcome.with { $0.requestBytesMax = 1 << 20 })).encoded
        let part = WireFormat.bytes(Saed_Reply.with { $0.status.queued = 1 })
        #expect(try await answer([]) == "the daemon ended the connection: see its log, then ask again")
        #expect(try await answer(Array("HTTP/1.1 400".utf8)).hasPrefix("what the daemon sent is no answer: a frame begins with 53 41 45 44"))
        #expect(try await answer(welcome) == "the daemon ended the connection: see its log, then ask again")
        #expect(try await answer(welcome + Frame(.end, request: 1).encoded).hasPrefix("what the daemon sent is no answer: the answer has no part"))
        #expect(
            try await answer(welcome + Frame(.part, request: 9, payload: part).encoded)
                .hasPrefix("what the daemon sent is no answer: a 'part' frame for request 9, which isn't open"))
        #expect(
            try await answer(welcome + Frame(.part, request: 1, payload: part).encoded.dropLast())
                .hasPrefix("what the daemon sent is no answer: the connection ended inside a frame"))
        #expect(
            try await answer(Frame(.part, request: 1, payload: part).encoded)
                .hasPrefix("what the daemon sent is no answer: a 'part' frame before the welcome"))
        let refusal = WireFormat.bytes(WireFailure(.unavailable, "full", remedy: "wait").wire)
        #expect(try await answer(Frame(.error, payload: refusal).encoded) == "full: wait")
    }

    @Test func nobodyThereIsSaidSo() throws {
        #expect(throws: WireClientError.socket(.connect(path: "/nowhere/s.sock", errno: ENOENT))) {
            try WireClient(path: "/nowhere/s.sock", name: "t")
        }
    }
}
