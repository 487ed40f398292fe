// The socket's file: who may open it, what may be replaced, what not.

import Foundation
import Testing
import Wire
import WireNIO

@Suite(.timeLimit(.minutes(1))) struct ListenTests {
    @Test func theSocketHasItsModeWhateverTheUmask() async throws {
        let rig = try await Rig()
        var status = stat()
        #expect(lstat(rig.path, &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o660)
        await rig.stop()
    }

    @Test func aSocketThatAKilledProcessLeftIsReplaced() async throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let left = try UnixSocket.listen(path: folder + "/s.sock", mode: 0o600)
        // Other tests start programs: one that is between fork and exec holds a copy of the descriptor, and closing
        // ours alone would leave the socket listening.
        #expect(shutdown(left, CInt(SHUT_RDWR)) == 0)
        close(left)
        #expect(throws: SocketError.connect(path: folder + "/s.sock", errno: ECONNREFUSED)) {
            _ = try UnixSocket.connect(path: folder + "/s.sock")
        }
        let server = try await WireServer.listen(at: folder + "/s.sock", name: "toy", handler: Toy())
        let reply = try await onThread { try WireClient(path: folder + "/s.sock", name: "t").ask(.with { $0.status = .init() }) }
        #expect(reply.status.queued == 7)
        await server.stop()
    }

    @Test func aSocketThatAnswersIsLeftAlone() async throws {
        let rig = try await Rig()
        await #expect(throws: SocketError.inUse(path: rig.path)) {
            try await WireServer.listen(at: rig.path, name: "second", handler: Toy())
        }
        let client = try await rig.connect()
        try await client.send([.request(1) { $0.status = .init() }])
        #expect(try await client.answer(1).map(\.kind) == [.part, .end])
        await rig.stop()
    }

    @Test func whatIsNoSocketIsLeftAlone() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/file"
        try "precious".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: SocketError.notASocket(path: path)) { try UnixSocket.listen(path: path, mode: 0o660) }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
    }

    @Test func aPathTooLongForASocketIsNamed() {
        let path = "/tmp/" + String(repeating: "x", count: 103)
        #expect(path.utf8.count == UnixSocket.pathBytesMax + 1)
        #expect(throws: SocketError.pathTooLong(path, most: 107)) { try UnixSocket.listen(path: path, mode: 0o660) }
        #expect(SocketError.pathTooLong("/x", most: 107).description.hasSuffix("at most 107 are allowed; choose a shorter folder"))
    }

    @Test func anInheritedSocketIsServedAndItsFileKept() async throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let fd = try UnixSocket.listen(path: folder + "/s.sock", mode: 0o600)
        let server = try await WireServer.listen(inherited: fd, name: "toy", handler: Toy())
        let reply = try await onThread { try WireClient(path: folder + "/s.sock", name: "t").ask(.with { $0.status = .init() }) }
        #expect(reply.status.queued == 7)
        await server.stop()
        #expect(FileManager.default.fileExists(atPath: folder + "/s.sock"))
    }

    @Test func stoppingLeavesASuccessorsSocket() async throws {
        let rig = try await Rig()
        unlink(rig.path)
        let successor = try await WireServer.listen(at: rig.path, name: "successor", handler: Toy())
        await rig.server.stop()
        let path = rig.path
        let reply = try await onThread { try WireClient(path: path, name: "t").ask(.with { $0.status = .init() }) }
        #expect(reply.status.queued == 7)
        await successor.stop()
        #expect(!FileManager.default.fileExists(atPath: rig.path))
    }
}
