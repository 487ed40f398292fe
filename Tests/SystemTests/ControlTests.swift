// The control of random directions that nobody asks for: it comes by itself once an adapter is there, stands beside
// findings, outlives restarts and kills, and goes with its SAE or by the setting. It is in nobody's way meanwhile.

import Foundation
import Testing

@Suite(.serialized) struct ControlTests {
    private static let maple = Place.models.appendingPathComponent("adapters/maple.pth.tar").path

    private func dropped(_ rig: Rig) throws {
        try rig.saectl("add", Place.models.appendingPathComponent("shifted/images").path, "--dataset", "shifted", "--wait")
        let prompts = rig.drop.appendingPathComponent("prompts")
        try FileManager.default.createDirectory(at: prompts, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: Self.maple, toPath: prompts.appendingPathComponent("maple.pth.tar").path)
        try eventually("the adapter's view") { try rig.viewNames().contains("scenes/maple/scenes") }
        try rig.wait()
    }

    private func control(_ answer: [String: Any]) throws -> [String: Any] { try #require(answer["control"] as? [String: Any]) }

    /// The SAEs that were made by themselves.
    private func automatic(_ rig: Rig) throws -> [[String: Any]] {
        (try rig.json("saes")["saes"] as? [[String: Any]] ?? []).filter { $0["automatic"] as? Bool == true }
    }

    private func folders(_ rig: Rig) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: rig.root.path + "/store/controls")) ?? []
    }

    @Test func itComesByItselfAndStandsBesideFindings() throws {
        let rig = try Rig(configuration: "[controls]\nimages = 200\n")
        try dropped(rig)
        // Never left out without a word, whatever there is of it.
        let early = try control(rig.json("compare", "base..maple", "--dataset", "shifted"))
        #expect((early["text"] as? String)?.hasPrefix("control: random directions") == true && early["wanted"] as? Int == 200)
        try rig.saectl("wait", "--controls", "--timeout", "120")

        let compare = try rig.json("compare", "base..maple", "--dataset", "shifted")
        let beside = try control(compare)
        #expect(beside["automatic"] as? Bool == true && beside["shown"] as? Bool == true)
        #expect(beside["images"] as? Int == 200 && beside["wanted"] as? Int == 200 && compare["images"] as? Int == 300)
        let overlap = try #require(compare["overlap"] as? [[String: Any]])
        #expect(overlap.allSatisfy { $0["control"] is Double && $0["same_images"] is Double })
        #expect(compare["control_cosine"] is Double && compare["same_images_cosine"] is Double)
        let text = try rig.saectl("compare", "base..maple", "--dataset", "shifted").output
        #expect(text.contains("SAME IMAGES") && text.contains("on 200 of the 300 images"))

        let remap = try rig.json("remap", "base..maple", "--dataset", "shifted", "--no-ablation", "--rounds", "100")
        let figures = try #require(remap["figures"] as? [[String: Any]])
        #expect(figures.compactMap { $0["what"] as? String } == ["finding", "shuffled labels", "finding, same images", "random directions"])
        #expect(figures.compactMap { $0["images"] as? Int }.suffix(2) == [200, 200])
        #expect(try control(remap)["images"] as? Int == 200)
        // The page says it too.
        let page = rig.root.appendingPathComponent("report.html")
        try rig.saectl("report", "base..maple", "--dataset", "shifted", "--no-ablation", "--images", "1", "--latents", "1", "-o", page.path)
        #expect(try String(contentsOf: page, encoding: .utf8).contains("on 200 of the 300 images"))

        // Of one class, and of one image that is in the sample or not.
        let label = try #require((rig.list().values.first?["label"] as? String))
        let ofClass = try control(rig.json("compare", "base..maple", "--class", label))
        let images = try #require(ofClass["images"] as? Int)
        #expect(images >= 1 && images < 20 && (ofClass["text"] as? String)?.contains("so few say little") == true, "\(ofClass)")

        // Nothing else chooses it or lists it as if someone had made it.
        #expect(try rig.viewNames() == ["scenes/base/scenes", "scenes/maple/scenes"])
        try rig.saectl("show", try #require(rig.list().keys.first), "--view", "maple")
        try rig.saectl("find", "a red star")
        #expect(try rig.storedSnapshots() == 600)
        let listed = try automatic(rig)
        #expect(listed.count == 1 && listed[0]["control_of"] as? String == "scenes" && listed[0]["control_images"] as? Int == 200)
        let verified = try rig.json("verify")
        #expect(verified["sound"] as? Bool == true && verified["snapshots"] as? Int == 1000)

        // One made by hand goes before it, and it goes.
        try rig.saectl("sae", "random", "chance", "--like", "scenes")
        try rig.wait()
        let full = try control(rig.json("compare", "base..maple", "--dataset", "shifted"))
        #expect(full["automatic"] as? Bool == false && full["images"] as? Int == 300 && full["view"] as? String == "scenes/maple/chance")
        try rig.saectl("wait", "--controls", "--timeout", "120")
        try eventually("the automatic one is gone") { try automatic(rig).isEmpty && folders(rig).isEmpty }
    }

    @Test func itOutlivesAKillAndGoesByTheSetting() throws {
        let rig = try Rig(configuration: "[controls]\nimages = 120\n[idle]\nrelease_after = \"2s\"\n")
        try dropped(rig)
        // In whatever it is at.
        usleep(700_000)
        rig.kill()
        try rig.start()
        try rig.saectl("wait", "--controls", "--timeout", "120")
        func figure() throws -> Double {
            let compare = try rig.json("compare", "base..maple")
            let beside = try control(compare)
            #expect(beside["images"] as? Int == 120, "\(beside)")
            return try #require(compare["control_cosine"] as? Double)
        }
        let before = try figure()
        rig.kill()
        try rig.start()
        // Found again, not made again.
        #expect(try control(rig.json("compare", "base..maple"))["images"] as? Int == 120)
        #expect(try figure() == before)
        try eventually("weights are let go of", timeout: 30) { (try rig.json("status")["loaded"] as? [Any])?.isEmpty == true }

        // Removed images leave it, others take their places.
        let gone = try #require(rig.list().keys.sorted().first)
        try rig.saectl("rm", gone)
        try rig.saectl("wait", "--controls", "--timeout", "120")
        #expect(try control(rig.json("compare", "base..maple"))["images"] as? Int == 120)

        #expect(rig.stop() == 0)
        try Data("[controls]\nimages = 0\n".utf8).write(to: rig.root.appendingPathComponent("saed.toml"))
        try rig.start()
        try eventually("it is gone") { try automatic(rig).isEmpty && folders(rig).isEmpty }
        let off = try control(rig.json("compare", "base..maple"))
        #expect(off["shown"] as? Bool == false)
        #expect(off["text"] as? String == "control: none (controls.images is 0); saectl sae random NAME --like scenes makes one of random directions")
        #expect(try rig.json("verify")["snapshots"] as? Int == 598)
    }
}
