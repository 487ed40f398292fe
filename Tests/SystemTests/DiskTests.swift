// Disks that are full, that fail, that hold another daemon's store or a later version's: nothing acknowledged is lost,
// nothing dropped is forgotten, one line says what to do, and saed goes on by itself.

import Foundation
import Testing

@Suite(.serialized) struct DiskTests {
    private static let view = "tiny/base/plain"
    private static let needsMount = "mounting a file system needs root, and a container that allows it"

    private func picture(_ number: Int) -> Data { Picture.png(number) }

    /// Names of what is dropped in a test, by content; all of it lies in `images/`.
    private func undisturbed(_ names: [String: Int]) throws -> Outcome {
        let rig = try Rig.tiny()
        for (name, number) in names { try rig.put(picture(number), "images/\(name)") }
        try rig.wait()
        return try Outcome(rig, [DiskTests.view])
    }

    private func notices(_ rig: Rig) throws -> [String] { try #require(try rig.json("status")["notices"] as? [String]) }

    private func lines(_ rig: Rig, _ text: String) -> [Substring] { rig.log.split(separator: "\n").filter { $0.contains(text) } }

    /// Images beside the drop folder, so that moving them in takes no space.
    private func stage(_ numbers: Range<Int>, _ rig: Rig) throws -> URL {
        let folder = rig.source.appendingPathComponent("staged")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for number in numbers { try picture(number).write(to: folder.appendingPathComponent("\(number).png")) }
        return folder
    }

    /// What was answered before is answered now, and all that is kept is sound.
    private func check(_ rig: Rig, _ before: Outcome, _ what: Comment) throws {
        let now = try Outcome(rig, [DiskTests.view])
        for (key, rows) in before.rows where now.rows[key] != rows { Issue.record("\(key) is not what it was \(what)") }
        #expect(try rig.json("verify")["sound"] as? Bool == true, what)
    }

    private func expectEqual(_ made: Outcome, _ expected: Outcome, location: SourceLocation = #_sourceLocation) {
        let other = Set(made.rows.keys).union(expected.rows.keys).filter { made.rows[$0] != expected.rows[$0] }
        #expect(other.isEmpty, "\(other.count) snapshots differ", sourceLocation: location)
        #expect(made.aggregates == expected.aggregates, sourceLocation: location)
    }

    @Test(.enabled(if: SmallDisk.canMount, Comment(rawValue: needsMount)))
    func aFullDiskIsWaitedOut() throws {
        let disk = try SmallDisk(megabytes: 24)
        let rig = try Rig(configuration: Rig.quick, on: disk)
        try rig.addTiny()
        for number in 0..<6 { try rig.put(picture(number), "images/a/\(number).png") }
        try rig.wait()
        let before = try Outcome(rig, [DiskTests.view])
        let staged = try stage(6..<66, rig)
        try rig.putOld(Data("no image".utf8), "source.txt.part")
        try disk.fill()

        // More than fits, and what happens to the drop folder meanwhile.
        try FileManager.default.moveItem(at: staged, to: rig.images.appendingPathComponent("b"))
        try eventually("the disk is told of") { try notices(rig).contains { $0.contains("no space left on the device; free some") } }
        try FileManager.default.moveItem(at: rig.images.appendingPathComponent("a/1.png"), to: rig.images.appendingPathComponent("a/renamed.png"))
        try FileManager.default.removeItem(at: rig.images.appendingPathComponent("a/2.png"))
        try FileManager.default.moveItem(at: rig.drop.appendingPathComponent("source.txt.part"), to: rig.images.appendingPathComponent("broken.png"))
        #expect(try rig.saectl("wait", "--timeout", "3", allowFailure: true).status == 1)
        #expect(lines(rig, "can't be written").count == 1, "\(rig.log)")
        try check(rig, before, "on the full disk")

        // Full already when the daemon starts, after a kill and after an orderly end.
        rig.kill()
        try rig.start()
        try eventually("the disk is told of again") { try notices(rig).contains { $0.contains("no space left") } }
        #expect(rig.stop() == 0, "\(rig.log)")
        try rig.start()
        try check(rig, before, "after starting on the full disk")

        try disk.free()
        try rig.wait()
        #expect(try notices(rig).isEmpty)
        #expect(lines(rig, "the store is written again").count == 1, "\(rig.log)")
        var names: [String: Int] = ["a/renamed.png": 1]
        for number in [0, 3, 4, 5] { names["a/\(number).png"] = number }
        for number in 6..<66 { names["b/\(number).png"] = number }
        #expect(try Set(rig.list().keys) == Set(names.keys.map { "images/" + $0 }))
        #expect(try rig.failures().keys.sorted() == ["images/broken.png"])
        let made = try Outcome(rig, [DiskTests.view]), expected = try undisturbed(names)
        expectEqual(made, expected)
        #expect(try rig.json("verify")["sound"] as? Bool == true)
    }

    @Test(.enabled(if: SmallDisk.canMount, Comment(rawValue: needsMount)))
    func aBacklogOnAFullDiskHoldsUpNeitherQuestionsNorTheEnd() throws {
        let disk = try SmallDisk(megabytes: 8)
        defer { withExtendedLifetime(disk) {} }
        let rig = try Rig.tiny()
        let classes = rig.root.appendingPathComponent("classes.txt")
        try Data("one\ntwo\nthree\n".utf8).write(to: classes)
        try rig.saectl("classes", "set", classes.path)
        try rig.put(picture(0), "images/0.png")
        try rig.wait()
        #expect(rig.stop() == 0, "\(rig.log)")
        // Segments alone lie on the small disk: images are noted, and one batch after the other is made that can't be written.
        let segments = rig.root.appendingPathComponent("store/segments"), moved = disk.place.appendingPathComponent("segments")
        try FileManager.default.copyItem(at: segments, to: moved)
        try FileManager.default.removeItem(at: segments)
        try FileManager.default.createSymbolicLink(at: segments, withDestinationURL: moved)
        try rig.start()
        func steered() throws -> String { try rig.saectl("steer", "0.png", "--latent", "3", "--to", "40", "--view", DiskTests.view, "--json").output }
        let before = try steered()
        try disk.fill()
        for number in 1...64 { try rig.put(picture(number), "images/\(number).png") }
        // One batch that is being written, one that waits for it, one that waits for that, and 16 images behind them.
        try eventually("a backlog") {
            let status = try rig.json("status")
            return (status["running"] as? Int ?? 0) >= 19 && (status["notices"] as? [String] ?? []).contains { $0.contains("no space left") }
        }
        // Both run on the compute thread: the upper tower, and the text tower for another list.
        #expect(try steered() == before)
        try Data("three\ntwo\n".utf8).write(to: classes)
        try rig.saectl("classes", "set", classes.path)
        // A block that was begun may take one or two small ones.
        #expect(try rig.storedSnapshots() <= 65 - 19, "the backlog was still there")
        #expect(rig.stop() == 0, "\(rig.log)")
        try disk.free()
        try rig.start()
        try rig.wait()
        #expect(try rig.storedSnapshots() == 65)
        #expect(try rig.json("verify")["sound"] as? Bool == true)
    }

    @Test(.enabled(if: SmallDisk.canMount, Comment(rawValue: needsMount)))
    func whatADyingDiskAcknowledgedIsOnItsMedium() throws {
        let disk = try SmallDisk(megabytes: 24)
        let rig = try Rig(configuration: Rig.quick, storeOn: disk)
        try rig.addTiny()
        for number in 0..<6 { try rig.put(picture(number), "images/a/\(number).png") }
        try rig.wait()
        let before = try Outcome(rig, [DiskTests.view])
        let staged = try stage(6..<66, rig)
        let watch = try rig.watching()
        try disk.breakDown()
        try FileManager.default.moveItem(at: staged, to: rig.images.appendingPathComponent("b"))
        try eventually("the error is told of") { try notices(rig).contains { $0.contains("can't be written") && $0.contains("Input/output error") } }
        _ = try rig.saectl("wait", "--timeout", "3", allowFailure: true)
        #expect(rig.daemon?.isRunning == true)
        #expect(lines(rig, "can't be written").count == 1 && rig.log.contains("Input/output error"), "\(rig.log)")
        let committed = Set(watch.events.filter { $0["event"] as? String == "committed" }.compactMap { $0["image"] as? String })
        print("committed on the failing disk: \(committed.count) of 60")
        try check(rig, before, "on the failing disk")

        rig.kill()
        try disk.replaceMedium()
        try rig.start()
        let kept = try Outcome(rig, [DiskTests.view])
        for (key, rows) in before.rows where kept.rows[key] != rows { Issue.record("\(key) is not what it was") }
        try rig.wait()
        var names: [String: Int] = [:]
        for number in 0..<6 { names["a/\(number).png"] = number }
        for number in 6..<66 { names["b/\(number).png"] = number }
        let made = try Outcome(rig, [DiskTests.view]), expected = try undisturbed(names)
        expectEqual(made, expected)
        #expect(committed.allSatisfy { made.rows["\($0) \(DiskTests.view)"] != nil })
        #expect(try rig.json("verify")["sound"] as? Bool == true)
        #expect(try rig.failures().isEmpty)
    }

    @Test func bytesThatAreCutOffAreMadeAgainAtTheNextStart() throws {
        let rig = try Rig.tiny()
        for number in 0..<6 { try rig.put(picture(number), "images/\(number).png") }
        try rig.wait()
        let before = try Outcome(rig, [DiskTests.view])
        rig.stop()
        let file = try FileHandle(forWritingTo: try segment(rig))
        try file.truncate(atOffset: try file.seekToEnd() - 10)
        try file.close()
        try rig.start()
        #expect(lines(rig, "is shorter than the catalog says").count == 1 && lines(rig, "1 damaged snapshots are made again").count == 1, "\(rig.log)")
        try rig.wait()
        try check(rig, before, "after the segment was cut")
        #expect(try Outcome(rig, [DiskTests.view]).aggregates == before.aggregates)
        #expect(try rig.storedSnapshots() == 6)
    }

    private func segment(_ rig: Rig) throws -> URL {
        let files = try #require(FileManager.default.enumerator(at: rig.root.appendingPathComponent("store"), includingPropertiesForKeys: nil))
        return try #require(files.compactMap { $0 as? URL }.first { $0.pathExtension == "seg" })
    }

    @Test func aStoreOpenInAnotherDaemonIsRefused() throws {
        let rig = try Rig.tiny()
        let pid = try #require(rig.daemon?.identifier)
        let store = rig.root.appendingPathComponent("store").path
        // A root of its own that leads to the first one's store.
        let other = try Rig(configuration: Rig.quick + "[paths]\nstore = \"\(store)\"\n", start: false)
        let second = try run(Place.saed, ["run", "--root", other.root.path])
        #expect(second.status == 1)
        #expect(second.errors == "saed: '\(store)': the store is open in process \(pid); stop it first, or give another --root or paths.store\n")
        #expect(try rig.json("status")["pid"] as? Int == Int(pid))
    }

    @Test(arguments: ["catalog.sqlite", "seg"])
    func aStoreOfALaterVersionIsRefusedAndStaysAsItIs(name: String) throws {
        let rig = try Rig.tiny()
        try rig.put(picture(1), "images/1.png")
        try rig.wait()
        rig.stop()
        let isCatalog = name == "catalog.sqlite"
        let file = isCatalog ? rig.root.appendingPathComponent("store/catalog.sqlite") : try segment(rig)
        // SQLite's user_version, big-endian; a segment's version, little-endian.
        var bytes = try Data(contentsOf: file)
        bytes[isCatalog ? 63 : 8] = 7
        try bytes.write(to: file)
        // An uncommitted tail would be cut off from a store of this version.
        let tail = try FileHandle(forWritingTo: try segment(rig))
        try tail.seekToEnd()
        try tail.write(contentsOf: Data([1, 2, 3]))
        try tail.close()
        let before = try content(rig)
        let refused = try run(Place.saed, ["run", "--root", rig.root.path])
        #expect(refused.status == 1)
        #expect(refused.errors == "saed: '\(file.path)': written by a later saed (format 7, this one reads up to 1); update saed\n")
        let after = try content(rig)
        let changed = Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }
        #expect(changed.isEmpty)
    }

    /// Every file of the store, but for LOCK, which names the last process that opened it, and SQLite's own.
    private func content(_ rig: Rig) throws -> [String: Data] {
        let store = rig.root.appendingPathComponent("store")
        var content: [String: Data] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: store.path) where path != "LOCK" && !path.hasSuffix("-wal") && !path.hasSuffix("-shm") {
            content[path] = try? Data(contentsOf: store.appendingPathComponent(path))
        }
        return content
    }
}
