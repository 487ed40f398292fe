// SIGTERM in the middle of work, deletions, a second daemon: after the next start everything is there once, equal to what
// an undisturbed run makes. kill -9 has a suite of its own: NothingLostTests.

import Foundation
import Testing

@Suite(.serialized) struct KillTests {
    private static let count = 60
    /// Slow enough that a kill finds work: some 40 ms an image.
    private static let model = TinyModel(width: 192, layers: 12, imageSize: 96)
    private static let configuration = Rig.quick + "batch = 4\n"

    private func material(_ rig: Rig) throws -> URL {
        let folder = rig.root.appendingPathComponent("material")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for i in 0..<KillTests.count { try Picture.png(i, width: 96, height: 80).write(to: folder.appendingPathComponent("\(i).png")) }
        return folder
    }

    private func rig() throws -> Rig {
        let rig = try Rig(configuration: KillTests.configuration)
        try rig.addTiny(KillTests.model, sae: TinySAE(width: 192))
        return rig
    }

    /// What a run without any trouble makes.
    private func undisturbed() throws -> [String: [[UInt64]]] {
        let rig = try rig()
        try FileManager.default.moveItem(at: material(rig), to: rig.images.appendingPathComponent("all"))
        try rig.wait()
        return try export(rig)
    }

    private func export(_ rig: Rig) throws -> [String: [[UInt64]]] {
        let file = rig.root.appendingPathComponent("all.npz")
        try rig.saectl("export", "--all", "-o", file.path)
        return try Npz(file).byImage(rig.root)
    }

    private func check(_ rig: Rig, _ expected: [String: [[UInt64]]]) throws {
        #expect(try rig.list().count == KillTests.count)
        // Exactly one each: the store counts more if one was made twice, fewer if one is missing.
        #expect(try rig.storedSnapshots() == KillTests.count)
        #expect(try rig.json("status")["images"] as? Int == KillTests.count)
        let failures = try rig.failures()
        #expect(failures.isEmpty, "\(failures)")
        let made = try export(rig)
        #expect(made.count == expected.count && expected.count == KillTests.count)
        for (path, rows) in expected where made[path] != rows { Issue.record("\(path) differs from the undisturbed run") }
    }

    @Test func sigtermInTheMiddleEndsCleanlyAndTheNextStartGoesOn() throws {
        let expected = try undisturbed()
        let rig = try rig()
        try FileManager.default.moveItem(at: material(rig), to: rig.images.appendingPathComponent("all"))
        try eventually("work has begun") { try rig.storedSnapshots() > 0 }
        #expect(rig.stop() == 0)
        #expect(rig.log.contains("saed has stopped"))
        try rig.start()
        try rig.wait()
        try check(rig, expected)
    }

    @Test func whatIsDeletedWhileItIsQueuedHoldsUpNothing() throws {
        let rig = try rig()
        let all = rig.images.appendingPathComponent("all")
        try FileManager.default.moveItem(at: material(rig), to: all)
        try eventually("work has begun") { try rig.storedSnapshots() > 0 }
        for i in stride(from: 0, to: KillTests.count, by: 2) { try FileManager.default.removeItem(at: all.appendingPathComponent("\(i).png")) }
        try rig.wait()
        #expect(try rig.list().count == KillTests.count / 2)
        #expect(try rig.json("latents", "--limit", "1")["images"] as? Int == KillTests.count / 2)
        // All of it back: only what was not made yet is made.
        let before = try rig.storedSnapshots()
        #expect(before >= KillTests.count / 2)
        for i in stride(from: 0, to: KillTests.count, by: 2) { try rig.put(Picture.png(i, width: 96, height: 80), "images/all/\(i).png") }
        try rig.wait()
        #expect(try rig.storedSnapshots() == KillTests.count)
        let failures = try rig.failures()
        #expect(failures.isEmpty, "\(failures)")
    }

    @Test func aSecondDaemonOnTheSameRootIsRefused() throws {
        let rig = try Rig(configuration: Rig.quick)
        let pid = try #require(rig.daemon?.identifier)
        let second = try run(Place.saed, ["run", "--root", rig.root.path])
        #expect(second.status == 1)
        let lines = second.errors.split(separator: "\n")
        #expect(lines.count == 1 && lines[0].contains("process \(pid)") && lines[0].hasPrefix("saed: "), "\(second.errors)")
        // The first one noticed nothing.
        #expect(try rig.json("status")["pid"] as? Int == Int(pid))
    }

    @Test func aFreshImageGoesBeforeABacklog() throws {
        // A model of some 30 ms an image, so that 150 images are a backlog.
        let model = TinyModel(width: 128, layers: 8, imageSize: 96)
        let rig = try Rig(configuration: Rig.quick + "batch = 2\n")
        try rig.addTiny(model, sae: TinySAE(width: 128))
        let watch = try rig.watching()
        let folder = rig.root.appendingPathComponent("material")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let count = 150
        for i in 0..<count { try Picture.png(i).write(to: folder.appendingPathComponent("\(i).png")) }
        try FileManager.default.moveItem(at: folder, to: rig.images.appendingPathComponent("backlog"))
        try eventually("the backlog is at work") { watch.events.contains { $0["event"] as? String == "committed" } }
        let before = watch.events.count { $0["event"] as? String == "committed" }
        try rig.put(Picture.png(100_000), "images/fresh.png")
        try rig.wait()
        let commits = watch.events.filter { $0["event"] as? String == "committed" }.compactMap { $0["path"] as? String }
        #expect(commits.count == count + 1)
        let place = try #require(commits.firstIndex { $0.hasSuffix("/fresh.png") })
        // In its turn it would be the last; the newest half first would still be too late.
        #expect(place - before < (count - before) / 2, "\(before) were done, the fresh image came as number \(place + 1) of \(commits.count)")
        print("\(before) were done, the fresh image came as number \(place + 1) of \(commits.count)")
    }

    @Test func memoryAndModelsAreReturnedWhenIdle() throws {
        let rig = try Rig(configuration: Rig.quick + "[idle]\nrelease_after = \"1s\"\n")
        let model = TinyModel(width: 256, layers: 6, imageSize: 64)
        try rig.addTiny(model, sae: TinySAE(width: 256, latents: 8192))
        try rig.put(Picture.png(1), "images/1.png")
        try rig.wait()
        try eventually("the model is loaded") { try !loaded(rig).isEmpty || rig.storedSnapshots() == 1 }
        let peak = try #require(try rig.json("status")["resident_peak_bytes"] as? Int)
        try eventually("nothing is loaded any more") { try loaded(rig).isEmpty }
        let rest = try #require(try rig.json("status")["resident_bytes"] as? Int)
        // The weights alone are 12 MB packed.
        #expect(rest < peak - 8 << 20, "\(rest >> 20) MiB of \(peak >> 20) MiB")
        try rig.put(Picture.png(2), "images/2.png")
        try rig.wait()
        #expect(try rig.storedSnapshots() == 2)
    }

    private func loaded(_ rig: Rig) throws -> [[String: Any]] { try rig.json("status")["loaded"] as? [[String: Any]] ?? [] }
}
