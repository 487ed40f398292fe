// Clients that misbehave: garbage, an oversized frame, a hang-up in the middle, one that never reads. Each gets one
// error frame or is let go; the others notice nothing.

import Foundation
import Programs
import Testing

/// A raw connection to the daemon's socket.
private final class RawConnection {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard connected == 0 else { throw Trouble("connect: \(String(cString: strerror(errno)))") }
        var patience = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) { _ = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) } }

    /// All that comes until the other side ends.
    func readToEnd() -> [UInt8] {
        var all: [UInt8] = [], buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return all }
            all += buffer[..<count]
        }
    }
}

@Suite struct HostileClientTests {
    /// A frame's header: magic, version 1, kind, flags, request, length.
    private func header(kind: UInt8, request: UInt32, length: UInt32) -> [UInt8] {
        func bytes(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        return Array("SAED".utf8) + [1, kind, 0, 0] + bytes(request) + bytes(length)
    }

    @Test func garbageGetsOneErrorAndIsLetGo() throws {
        let rig = try Rig.tiny()
        let socket = rig.root.appendingPathComponent("saed.sock").path
        for (bytes, code) in [
            (Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), "magic"),
            ([UInt8](repeating: 0xFF, count: 4096), "magic"),
            (header(kind: 1, request: 0, length: 0xFFFF_FFFF), "4294967295"),
            (header(kind: 1, request: 0, length: 0) + header(kind: 3, request: 1, length: 64 << 20), "67108864"),
        ] {
            let connection = try RawConnection(socket)
            connection.send(bytes)
            let answer = connection.readToEnd()
            let text = String(decoding: answer, as: UTF8.self)
            #expect(answer.starts(with: Array("SAED".utf8)), "\(text)")
            #expect(text.localizedCaseInsensitiveContains(code) || text.contains("SAED"), "\(text)")
            #expect(try rig.saectl("version").status == 0)
        }
        // One line each in the log.
        let refused = rig.log.split(separator: "\n").filter { $0.contains("refused") }
        #expect(refused.count == 4, "\(rig.log)")
        try stillWorks(rig)
    }

    @Test func aHangUpInTheMiddleDisturbsNobody() throws {
        let rig = try Rig.tiny()
        let socket = rig.root.appendingPathComponent("saed.sock").path
        for i in 0..<20 {
            let connection = try RawConnection(socket)
            connection.send(header(kind: 1, request: 0, length: 0))
            // A request of which half comes, or a whole header's half.
            connection.send(i % 2 == 0 ? header(kind: 3, request: 1, length: 500) + [UInt8](repeating: 10, count: 100) : Array(header(kind: 3, request: 1, length: 5).prefix(9)))
        }
        // A client that is killed while it follows.
        let follower = try Background(Place.saectl, ["watch", "--root", rig.root.path])
        try eventually("it runs") { follower.isRunning }
        follower.end()
        try stillWorks(rig)
    }

    @Test func aClientThatNeverReadsHoldsUpNobody() throws {
        let rig = try Rig.tiny()
        let socket = rig.root.appendingPathComponent("saed.sock").path
        // Each asks for much and reads nothing; each holds its own connection only.
        var hung: [RawConnection] = []
        for _ in 0..<8 {
            let connection = try RawConnection(socket)
            connection.send(header(kind: 1, request: 0, length: 0))
            // Body field 1, 'status': an empty message; pipelined many times.
            for request in 1...50 { connection.send(header(kind: 3, request: UInt32(request), length: 2) + [0x0A, 0]) }
            hung.append(connection)
        }
        try stillWorks(rig)
        #expect(hung.count == 8)
        hung = []
        #expect(rig.stop() == 0)
    }

    /// Pings whose answers nobody reads: neither the handlers' back pressure nor the limit of bytes ends that one.
    @Test func aClientThatReadsNothingIsLetGoInTime() throws {
        let rig = try Rig.tiny(configuration: Rig.quick + "\n[limits]\nunread_time = \"1s\"\n")
        let connection = try RawConnection(rig.root.appendingPathComponent("saed.sock").path)
        connection.send(header(kind: 1, request: 0, length: 0))
        let ping = header(kind: 10, request: 0, length: 64) + [UInt8](repeating: 7, count: 64)
        connection.send(Array(repeating: ping, count: 20_000).flatMap { $0 })
        try eventually("it is let go") { rig.log.contains("that limits.unread_time allows") }
        // The one that asks is left.
        try eventually("its connection is closed") { try Rig.connections(rig) == 1 }
        let clients = try #require(try rig.json("status")["clients"] as? [String: Any])
        #expect((clients["refused"] as? [String: Any])?["limits.unread_time"] as? Int == 1, "\(clients)")
        try stillWorks(rig)
    }

    @Test func aRequestLargerThanConfiguredIsRefused() throws {
        let rig = try Rig.tiny(configuration: Rig.quick + "\n[limits]\nrequest_bytes = 4096\n")
        let connection = try RawConnection(rig.root.appendingPathComponent("saed.sock").path)
        connection.send(header(kind: 1, request: 0, length: 0) + header(kind: 3, request: 1, length: 4097))
        #expect(String(decoding: connection.readToEnd(), as: UTF8.self).contains("a request of 4097 bytes, limits.request_bytes allows 4096"))
        try stillWorks(rig)
    }

    /// Text features of many classes are one piece of work on the compute thread, minutes of it: who asked and is killed
    /// must not hold up everyone's images until it is done.
    @Test func aClientThatIsKilledFreesTheComputeThread() throws {
        let rig = try Rig.tiny()
        let classes = rig.root.appendingPathComponent("classes.txt"), templates = rig.root.appendingPathComponent("templates.txt")
        try Data((0..<50_000).map { "c\($0)" }.joined(separator: "\n").utf8).write(to: classes)
        try Data((0..<80).map { "\($0) {}" }.joined(separator: "\n").utf8).write(to: templates)
        let asking = try Background(
            Place.saectl, ["classes", "set", classes.path, "--model", "tiny", "--templates", templates.path, "--root", rig.root.path])
        try eventually("the list is set, its features are in work") { rig.log.contains("50000 classes set") }
        try rig.put(Picture.png(1), "images/waits.png")
        usleep(500_000)
        #expect(asking.isRunning, "the work is too short to be given up")
        let gone = Date()
        asking.end()
        try rig.wait()
        #expect(try rig.storedSnapshots() == 1)
        #expect(Date().timeIntervalSince(gone) < 5, "features of 4,000,000 prompts take far longer")
        try eventually("its request has ended") {
            ((try rig.json("status")["clients"] as? [String: Any])?["requests"] as? Int) == 1
        }
    }

    // MARK: users

    /// Limits are a user's, roles are a user's: of someone else than the daemon's own user, whom neither binds.
    @Test(.enabled(if: Nobody.canBe, "needs root, to be somebody else"))
    func aUserWhoTakesTooMuchIsRefusedAndTheOthersAreNot() throws {
        let rig = try Rig.tiny(configuration: Rig.quick + "\n[limits]\nuser_connections = 2\n[access]\nreaders = [\"nobody\"]\n")
        let nobody = try Nobody(rig)
        var watching = try [nobody.background("watch"), nobody.background("watch")]
        try eventually("both are in") { try Rig.connections(rig) == 3 }
        for _ in 0..<5 {
            let third = try nobody.saectl("status")
            #expect(third.status == 1)
            #expect(third.errors == "saectl: 2 connections of user 65534 are open, limits.user_connections allows no more: close one\n")
        }
        // The owner gets in, sees it, and it cost one line.
        let clients = try #require(try rig.json("status")["clients"] as? [String: Any])
        #expect((clients["refused"] as? [String: Any])?["limits.user_connections"] as? Int == 5, "\(clients)")
        #expect(rig.log.components(separatedBy: "connections of user 65534").count == 1 + 1, "\(rig.log)")
        watching.removeLast().end()
        try eventually("there is room again") { try nobody.saectl("status").status == 0 }
        // A reader within the limits is still no admin.
        let admin = try nobody.saectl("gc")
        #expect(admin.status == 1 && admin.errors.contains("user 'nobody' may not ask for 'gc'"), "\(admin.errors)")
        try stillWorks(rig)
    }

    @Test(.enabled(if: Nobody.canBe, "needs root, to be somebody else"))
    func whoMayNotAskIsToldSoAndWhoAsksTooMuchAtOnceIsToldThat() throws {
        let rig = try Rig.tiny(configuration: Rig.quick + "\n[limits]\nuser_requests = 1\n[access]\nreaders = []\nadmins = [\"nobody\"]\n")
        let nobody = try Nobody(rig)
        let watching = try nobody.background("watch")
        try eventually("it is in") { try rig.json("status")["clients"].flatMap { ($0 as? [String: Any])?["requests"] as? Int } == 2 }
        // An admin may read; the limit holds for an admin too.
        let second = try nobody.saectl("gc")
        #expect(second.status == 1 && second.errors == "saectl: 1 requests of user 65534 are open, limits.user_requests allows no more: wait for one to end\n")
        watching.end()
        try eventually("it has ended") { try nobody.saectl("gc").status == 0 }
    }

    private func stillWorks(_ rig: Rig, location: SourceLocation = #_sourceLocation) throws {
        try rig.put(Picture.png(1), "images/works.png")
        try rig.wait(location: location)
        #expect(try rig.storedSnapshots() == 1, sourceLocation: location)
    }

    /// The client that any language could have, against the running daemon.
    @Test(.enabled(if: Place.python != nil, "SAED_TEST_PYTHON names no Python with protobuf"))
    func thePythonExampleTalksToTheDaemon() throws {
        let rig = try Rig.tiny()
        try rig.put(Picture.png(1), "images/zebra/1.png")
        try rig.wait()
        let client = Place.checkout.appendingPathComponent("protocol/examples/saed_client.py").path
        let socket = rig.root.appendingPathComponent("saed.sock").path
        let python = try #require(Place.python)
        func ask(_ request: String, _ more: String...) throws -> Finished { try run(python, [client, socket, request] + more) }

        let status = try ask(#"{"status": {}}"#)
        #expect(status.status == 0, "\(status.errors)")
        let reply = try #require(try status.json()["status"] as? [String: Any])
        #expect(reply["images"] as? String == "1" && reply["state"] as? String == "ready")
        let show = try ask(#"{"show": {"image": {"text": "1.png"}, "top": 3}}"#)
        let shown = try #require(try show.json()["show"] as? [String: Any], "\(show.errors)")
        let latent = try #require((shown["latents"] as? [[String: Any]])?.first?["latent"] as? Int)
        // An array comes as raw frames.
        let png = rig.root.appendingPathComponent("map.png")
        let map = try ask(#"{"heatmap": {"image": {"text": "1.png"}, "latent": \#(latent)}}"#, "--save", "png=\(png.path)")
        #expect(map.status == 0, "\(map.errors)")
        #expect(try Data(contentsOf: png).starts(with: [0x89, 0x50, 0x4E, 0x47]))
        let wrong = try ask(#"{"show": {"image": {"text": "none.png"}}}"#)
        #expect(wrong.status == 1 && wrong.errors.contains("no image is called 'none.png'"), "\(wrong.errors)")
    }
}
