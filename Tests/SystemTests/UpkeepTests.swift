// Upkeep as an operator does it: removing, freeing, checking, and what the doctor says.

import Foundation
import Testing

@Suite struct UpkeepTests {
    @Test func removingFreesThatImageAloneAndStatisticsAreAsIfItHadNeverBeen() throws {
        let rig = try Rig.tiny()
        for number in 0..<6 { try rig.put(Picture.png(number), "images/set/\(number).png") }
        try rig.wait()
        let before = try rig.json("latents", "--limit", "96")
        try rig.put(Picture.png(50), "images/set/extra.png")
        // The same content twice goes under both names.
        try rig.put(Picture.png(50), "images/other/copy.png")
        try rig.wait()
        // Moved away for a while: kept until gc.
        try FileManager.default.moveItem(at: rig.images.appendingPathComponent("set/5.png"), to: rig.root.appendingPathComponent("5.png"))
        try eventually("the move") { try rig.list()["images/set/5.png"] == nil }
        let removed = try rig.json("rm", "extra.png")
        #expect(removed["files"] as? Int == 2 && removed["snapshots"] as? Int == 1)
        #expect(!FileManager.default.fileExists(atPath: rig.images.appendingPathComponent("other/copy.png").path))
        #expect(try rig.storedSnapshots() == 6)
        try FileManager.default.moveItem(at: rig.root.appendingPathComponent("5.png"), to: rig.images.appendingPathComponent("set/5.png"))
        try rig.wait()
        let after = try rig.json("latents", "--limit", "96")
        #expect(NSDictionary(dictionary: before) == NSDictionary(dictionary: after))
        let sound = try rig.json("verify")
        #expect(sound["sound"] as? Bool == true && sound["snapshots"] as? Int == 6)
        #expect(try rig.saectl("rm", "no-such.png", allowFailure: true).status == 1)

        try FileManager.default.removeItem(at: rig.images.appendingPathComponent("set/4.png"))
        try eventually("the removal") { try rig.list()["images/set/4.png"] == nil }
        let freed = try rig.json("gc")
        #expect(freed["snapshots"] as? Int == 1 && freed["images"] as? Int == 1)
        #expect(try rig.saectl("gc").output == "nothing to free\n")
    }

    @Test func aFileThatAnotherImageTookIsNotRemoved() throws {
        let rig = try Rig.tiny(configuration: Rig.quick.replacingOccurrences(of: "100ms", with: "30s"))
        let file = try rig.put(Picture.png(1), "images/a.png")
        try rig.wait()
        // Written in place and still settling: not what the catalog knows.
        try Picture.png(2).write(to: file)
        let answer = try rig.saectl("rm", "a.png", allowFailure: true)
        #expect(answer.status == 1 && answer.errors.contains("was changed since saed read it"), "\(answer.errors)")
        #expect(try Data(contentsOf: file) == Picture.png(2))
    }

    @Test func damageIsFoundAndNamed() throws {
        let rig = try Rig.tiny()
        for number in 0..<3 { try rig.put(Picture.png(number), "images/\(number).png") }
        try rig.wait()
        let before = try Outcome(rig, ["tiny/base/plain"])
        try damage(rig)
        let answer = try rig.saectl("verify", allowFailure: true)
        #expect(answer.status == 1 && answer.output.contains("damaged in tiny/base/plain") && answer.output.contains("not sound"), "\(answer.output)")
        // The original is there: what was damaged is made again, without a restart.
        try eventually("it is made again") { rig.log.contains("1 damaged snapshots are made again from their originals") }
        try rig.wait()
        #expect(try rig.json("verify")["sound"] as? Bool == true)
        let after = try Outcome(rig, ["tiny/base/plain"])
        #expect(after.rows == before.rows && after.aggregates == before.aggregates)
    }

    @Test func aQuestionThatMeetsDamageSaysSo() throws {
        let rig = try Rig.tiny()
        try rig.put(Picture.png(1), "images/1.png")
        try rig.wait()
        try damage(rig)
        let answer = try rig.saectl("show", "1.png", allowFailure: true)
        #expect(answer.status == 1 && answer.errors.split(separator: "\n").count <= 2 && answer.errors.contains("damaged at byte"), "\(answer.errors)")
    }

    /// Changes a byte of the last snapshot.
    private func damage(_ rig: Rig) throws {
        let folder = rig.root.appendingPathComponent("store")
        let segments = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)).compactMap { $0 as? URL }.filter { $0.pathExtension == "seg" }
        let handle = try FileHandle(forUpdating: try #require(segments.first))
        let place = try handle.seekToEnd() - 40
        try handle.seek(toOffset: place)
        let byte = try #require(try handle.read(upToCount: 1)?.first)
        try handle.seek(toOffset: place)
        try handle.write(contentsOf: [byte ^ 0x5A])
        try handle.close()
    }

    @Test func theDoctorSaysWhatIsWrong() throws {
        let rig = try Rig.tiny()
        let well = try rig.saectl("doctor")
        #expect(well.output.contains("ok") && well.output.contains("inotify"))
        try rig.putOld(Data("no image".utf8), "images/text.png")
        try rig.wait()
        let noted = try rig.json("doctor")
        let findings = try #require(noted["findings"] as? [[String: Any]])
        #expect(noted["ok"] as? Bool == true)
        #expect(findings.contains { $0["check"] as? String == "files" && $0["state"] as? String == "note" })
        rig.stop()
        let gone = try rig.saectl("doctor", allowFailure: true)
        #expect(gone.status == 1 && gone.output.contains("no daemon answers"), "\(gone.output)")
    }
}
