// The doctor on a real machine, above all where the daemon can't be asked.

import Foundation
import Programs
import Testing

@Suite struct DoctorTests {
    private func findings(_ finished: Finished) throws -> [String: (state: String, text: String, remedy: String?)] {
        let list = try #require(try finished.json()["findings"] as? [[String: Any]], "\(finished.errors)")
        return Dictionary(
            list.map { ($0["check"] as? String ?? "", ($0["state"] as? String ?? "", $0["text"] as? String ?? "", $0["remedy"] as? String)) },
            uniquingKeysWith: { first, _ in first })
    }

    @Test func withoutADaemonItSaysHowToStartOneAndLooksAtTheRest() throws {
        let rig = try Rig(start: false)
        let finished = try rig.saectl("doctor", "--json", allowFailure: true)
        #expect(finished.status == 1)
        let found = try findings(finished)
        let socket = try #require(found["socket"])
        #expect(socket.state == "bad" && socket.text == "no daemon answers at '\(rig.root.path)/saed.sock': there is no such socket")
        #expect(socket.remedy?.hasPrefix("start one with `saed run --root \(rig.root.path)`") == true)
        #expect(found["disk"] != nil && found["memory"] != nil && found["processor"] != nil)
        #expect(found["drop folder"]?.remedy == "it is made when the daemon starts")
        // A root that is not there at all.
        let nowhere = try findings(try run(Place.saectl, ["doctor", "--json", "--root", rig.root.path + "/none/such"]))
        #expect(nowhere["socket"]?.text.hasSuffix("there is no folder '\(rig.root.path)/none'") == true)
    }

    @Test func aSocketThatAKilledDaemonLeftIsTold() throws {
        let rig = try Rig.tiny()
        rig.kill()
        let found = try findings(try rig.saectl("doctor", "--json", allowFailure: true))
        #expect(found["socket"]?.text.hasSuffix("its file is there, but nobody listens: a daemon was killed and left it") == true)
        #expect(found["drop folder"]?.state == "ok" && found["inotify"]?.state == "ok")
        // As it says: started again, it answers.
        try rig.start()
        #expect(try findings(try rig.saectl("doctor", "--json"))["socket"]?.state == "ok")
    }

    @Test(.enabled(if: Nobody.canBe, "needs root, to be somebody else"))
    func whoMayNotOpenTheSocketIsToldWhatIsInTheWay() throws {
        let rig = try Rig.tiny()
        let nobody = try Nobody(rig, opening: false)
        let socket = rig.root.path + "/saed.sock"
        // root's own group is nobody's to join.
        var found = try findings(try nobody.saectl("doctor", "--json"))
        #expect(found["permissions"]?.text == "the socket '\(socket)' (srw-rw---- root root) may not be opened by 'nobody'")
        // A group of its own, as packages make it.
        try #require(chown(socket, 0, 1) == 0)  // daemon
        found = try findings(try nobody.saectl("doctor", "--json"))
        #expect(found["permissions"]?.text.hasSuffix("may not be opened by 'nobody': it is not in the group 'daemon', whose members may") == true)
        #expect(found["permissions"]?.remedy == "sudo usermod -aG daemon nobody, then log out and in again")
        #expect(found["drop folder"]?.state == "note")
        // The folder above.
        try #require(chmod(rig.root.path, 0o700) == 0)
        let program = rig.root.path + "-saectl"
        try FileManager.default.copyItem(atPath: Place.saectl.path, toPath: program)
        defer { try? FileManager.default.removeItem(atPath: program) }
        let closed = try run(
            URL(fileURLWithPath: "/usr/bin/setpriv"),
            ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", program, "doctor", "--json", "--root", rig.root.path])
        #expect(try findings(closed)["permissions"]?.text == "no daemon can be asked: the folder '\(rig.root.path)' (drwx------ root root) may not be entered by 'nobody'")
    }

    /// It answers, but not to everybody.
    @Test(.enabled(if: Nobody.canBe, "needs root, to be somebody else"))
    func whoIsNoReaderIsTold() throws {
        let rig = try Rig.tiny(configuration: Rig.quick + "\n[access]\nreaders = []\n")
        let found = try findings(try Nobody(rig).saectl("doctor", "--json"))
        #expect(found["socket"]?.state == "ok")
        #expect(found["daemon"]?.text.contains("user 'nobody' may not ask for 'status'") == true)
    }
}
