// Adapters as a person handles them: dropped, added, switched, removed, replaced, broken.

import Basics
import Checkpoints
import Foundation
import Testing

/// A LoRA of the tiny model's vision tower, as PEFT writes it.
struct TinyLoRA {
    var width = 32
    var seed: UInt64 = 11
    var rank = 2
    /// One value that is no number.
    var isBroken = false

    @discardableResult
    func write(_ name: String, in folder: URL) throws -> URL {
        let place = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        var generator = SplitMix(seed)
        var tensors: [SafetensorsTensor] = []
        for layer in 0..<2 {
            for part in ["q_proj", "v_proj"] {
                let key = "base_model.model.vision_model.encoder.layers.\(layer).self_attn.\(part)"
                var a = (0..<rank * width).map { _ in Float.random(in: -0.6...0.6, using: &generator) }
                if isBroken { a[3] = .nan }
                tensors.append(SafetensorsTensor(key + ".lora_A.weight", shape: [rank, width], values: a))
                tensors.append(
                    SafetensorsTensor(
                        key + ".lora_B.weight", shape: [width, rank],
                        values: (0..<rank * width).map { _ in Float.random(in: -0.6...0.6, using: &generator) }))
            }
        }
        try writeSafetensors(place.appendingPathComponent("adapter_model.safetensors").path, tensors)
        let text = """
            {"peft_type": "LORA", "r": \(rank), "lora_alpha": \(2 * rank), "target_modules": ["q_proj", "v_proj"], "bias": "none", \
            "use_rslora": false, "use_dora": false, "fan_in_fan_out": false, "modules_to_save": null}
            """
        try Data(text.utf8).write(to: place.appendingPathComponent("adapter_config.json"))
        return place
    }
}

@Suite struct AdapterTests {
    private func adapters(_ rig: Rig) throws -> [String: [String: Any]] {
        let list = try rig.json("adapters")["adapters"] as? [[String: Any]] ?? []
        return Dictionary(list.compactMap { item in (item["name"] as? String).map { ($0, item) } }, uniquingKeysWith: { first, _ in first })
    }

    /// With keys in order.
    private func text(_ value: Any?) throws -> String {
        String(decoding: try JSONSerialization.data(withJSONObject: try #require(value), options: [.sortedKeys]), as: UTF8.self)
    }

    /// Hits of one image alone, whatever other images there are.
    private func withoutFrequency(_ hits: Any?) throws -> [[String: Any]] {
        try #require(hits as? [[String: Any]]).map { hit in hit.filter { $0.key != "frequency" } }
    }

    /// Moves a folder into the drop folder's prompts/ in one step.
    private func drop(_ folder: URL, as name: String, _ rig: Rig) throws {
        let prompts = rig.drop.appendingPathComponent("prompts")
        try FileManager.default.createDirectory(at: prompts, withIntermediateDirectories: true)
        try FileManager.default.moveItem(at: folder, to: prompts.appendingPathComponent(name))
    }

    @Test func aDroppedAdapterGivesEveryImageASecondViewAndItsSnapshotsOutliveIt() throws {
        let rig = try Rig.tiny()
        for i in 0..<5 { try rig.put(Picture.png(i), "images/\(i).png") }
        try rig.wait()
        try drop(TinyLoRA().write("lora", in: rig.source), as: "lora", rig)
        try eventually("the view comes") { try rig.viewNames() == ["tiny/base/plain", "tiny/lora/plain"] }
        try rig.wait()
        #expect(try rig.storedSnapshots() == 10)
        let lora = try #require(try adapters(rig)["lora"])
        #expect(lora["method"] as? String == "lora" && lora["state"] as? String == "active" && lora["snapshots"] as? Int == 5)
        // The adapter does something, and base stays what it was.
        let base = try rig.json("show", "1.png", "--view", "tiny/base/plain"), adapted = try rig.json("show", "1.png", "--view", "tiny/lora/plain")
        #expect(try text(base["latents"]) != text(adapted["latents"]))
        // Without an adapter named it is base.
        #expect(try text(rig.json("show", "1.png")["latents"]) == text(base["latents"]))
        // A new image gets both.
        try rig.put(Picture.png(9), "images/9.png")
        try rig.wait()
        #expect(try rig.storedSnapshots() == 12)
        // The file goes: the view is inactive, not lost.
        let place = rig.drop.appendingPathComponent("prompts/lora"), away = rig.root.appendingPathComponent("away")
        try FileManager.default.moveItem(at: place, to: away)
        try eventually("the view goes") { try rig.viewNames() == ["tiny/base/plain"] }
        #expect(try adapters(rig)["lora"]?["state"] as? String == "missing")
        let watch = try rig.watching()
        try FileManager.default.moveItem(at: away, to: place)
        try eventually("the view is back") { try rig.viewNames() == ["tiny/base/plain", "tiny/lora/plain"] }
        try rig.wait()
        #expect(try rig.storedSnapshots() == 12)
        #expect(!watch.events.contains { $0["event"] as? String == "committed" }, "nothing computed is computed again")
    }

    @Test func anAdapterIsAddedSwitchedAndRemoved() throws {
        let rig = try Rig.tiny()
        for i in 0..<3 { try rig.put(Picture.png(i), "images/\(i).png") }
        try rig.wait()
        let source = try TinyLoRA().write("mine", in: rig.source)
        let added = try rig.json("adapter", "add", source.path, "--model", "tiny", "--name", "lora")
        #expect(added["backfill"] as? Int == 3)
        #expect(FileManager.default.fileExists(atPath: rig.drop.appendingPathComponent("prompts/lora/adapter_config.json").path))
        try rig.wait()
        #expect(try rig.storedSnapshots() == 6)
        // The same again changes nothing; another of that name is refused.
        try rig.saectl("adapter", "add", source.path, "--model", "tiny", "--name", "lora")
        let other = try TinyLoRA(seed: 5).write("other", in: rig.source)
        let refused = try rig.saectl("adapter", "add", other.path, "--model", "tiny", "--name", "lora", allowFailure: true)
        #expect(refused.status == 1 && refused.errors.contains("another adapter called 'lora'"), "\(refused.errors)")
        try rig.saectl("adapter", "deactivate", "lora")
        #expect(try rig.viewNames() == ["tiny/base/plain"])
        // What a person switched off stays off, although its file is delivered again at a start.
        rig.stop()
        try rig.start()
        try rig.put(Picture.png(7), "images/7.png")
        try rig.wait()
        #expect(try adapters(rig)["lora"]?["state"] as? String == "deactivated")
        #expect(try rig.storedSnapshots() == 4)
        try rig.saectl("adapter", "activate", "lora")
        try rig.wait()
        #expect(try rig.storedSnapshots() == 8, "the new image only is made")
        let exported = rig.root.appendingPathComponent("exported")
        try rig.saectl("adapter", "export", "lora", "-o", exported.path)
        let again = try rig.json("adapter", "add", exported.path, "--model", "tiny", "--name", "copy")
        #expect((again["adapter"] as? [String: Any])?["shares_with"] as? String == "lora", "\(again)")
        try rig.wait()
        #expect(try rig.viewNames() == ["tiny/base/plain", "tiny/copy/plain", "tiny/lora/plain"])
        // The first of two of the same content goes: the other keeps the snapshots.
        try rig.saectl("adapter", "rm", "lora")
        #expect(FileManager.default.fileExists(atPath: rig.root.appendingPathComponent("removed/prompts/lora/adapter_config.json").path))
        #expect(try rig.viewNames() == ["tiny/base/plain", "tiny/copy/plain"])
        #expect(try adapters(rig)["copy"]?["snapshots"] as? Int == 4)
        try rig.saectl("adapter", "rm", "copy")
        #expect(try adapters(rig).keys.sorted() == ["base"])
        let unknown = try rig.saectl("adapter", "rm", "copy", allowFailure: true)
        #expect(unknown.status == 1 && unknown.errors.contains("no adapter is called 'copy'"), "\(unknown.errors)")
        let base = try rig.saectl("adapter", "rm", "base", allowFailure: true)
        #expect(base.status == 1 && base.errors.contains("'base' is the model without an adapter"), "\(base.errors)")
    }

    @Test func anAdapterReplacedWhileItsBackFillRunsLeavesOnlyTheNewOnes() throws {
        let rig = try Rig.tiny()
        for i in 0..<40 { try rig.put(Picture.png(i), "images/\(i).png") }
        try rig.wait()
        let target = rig.drop.appendingPathComponent("prompts/lora/adapter_model.safetensors")
        try drop(TinyLoRA(seed: 1).write("one", in: rig.source), as: "lora", rig)
        try eventually("its view comes") { try rig.viewNames().count == 2 }
        let first = try #require(try adapters(rig)["lora"]?["content_hash"] as? String)
        let second = try TinyLoRA(seed: 2).write("two", in: rig.source).appendingPathComponent("adapter_model.safetensors")
        guard rename(second.path, target.path) == 0 else { throw Trouble("rename: \(errno)") }
        try eventually("it is replaced") { try adapters(rig)["lora"]?["content_hash"] as? String != first }
        try rig.wait()
        #expect(try adapters(rig)["lora"]?["snapshots"] as? Int == 40)
        #expect(try rig.failures().isEmpty)
        // As a fresh daemon sees it.
        let fresh = try Rig.tiny()
        try fresh.put(Picture.png(3), "images/3.png")
        try fresh.saectl("adapter", "add", TinyLoRA(seed: 2).write("two", in: fresh.source).path, "--model", "tiny", "--name", "lora")
        try fresh.wait()
        let view = ["show", "3.png", "--view", "tiny/lora/plain", "--json"]
        #expect(try text(withoutFrequency(rig.saectl(arguments: view).json()["latents"])) == text(withoutFrequency(fresh.saectl(arguments: view).json()["latents"])))
    }

    @Test func aBackFillThatIsKilledGoesOnAtTheNextStart() throws {
        let rig = try Rig.tiny()
        for i in 0..<200 { try rig.put(Picture.png(i), "images/\(i).png") }
        try rig.wait()
        try rig.saectl("adapter", "add", TinyLoRA().write("lora", in: rig.source).path, "--name", "lora")
        try eventually("some are made") { try rig.storedSnapshots() > 200 }
        rig.kill()
        try rig.start()
        let watch = try rig.watching()
        try rig.wait()
        #expect(try rig.storedSnapshots() == 400)
        #expect(try adapters(rig)["lora"]?["snapshots"] as? Int == 200)
        // Only what was missing was made: never the base's again.
        #expect(!watch.events.contains { $0["event"] as? String == "committed" && $0["view"] as? String == "tiny/base/plain" })
    }

    @Test func anAdapterRemovedWhileItsBackFillRunsLeavesTheBaseAlone() throws {
        let rig = try Rig.tiny()
        for i in 0..<40 { try rig.put(Picture.png(i), "images/\(i).png") }
        try rig.wait()
        let source = try TinyLoRA().write("lora", in: rig.source)
        try rig.saectl("adapter", "add", source.path, "--name", "lora")
        try rig.saectl("adapter", "rm", "lora")
        try rig.put(Picture.png(50), "images/50.png")
        try rig.wait()
        #expect(try rig.viewNames() == ["tiny/base/plain"])
        #expect(try rig.storedSnapshots() == 41)
        #expect(try adapters(rig).keys.sorted() == ["base"] && rig.failures().isEmpty)
        // What was forgotten can come again.
        try rig.saectl("adapter", "add", source.path, "--name", "lora")
        try rig.wait()
        #expect(try rig.storedSnapshots() == 82)
    }

    @Test func whereACoOpHasItsClassNameOutlivesARestart() throws {
        let rig = try Rig()
        try rig.saectl("add", Place.models.appendingPathComponent("heldout/images/red_star").path, "--label", "red star", "--wait")
        let coop = Place.models.appendingPathComponent("adapters/coop.pth.tar").path
        try rig.saectl("adapter", "add", coop, "--name", "coop", "--class-position", "front")
        let before = try #require(try adapters(rig)["coop"])
        // It changes the text side alone: the base's snapshots are its own.
        #expect(before["shares_with"] as? String == "base" && before["snapshots"] as? Int == 2)
        rig.stop()
        try rig.start()
        try rig.wait()
        let after = try #require(try adapters(rig)["coop"])
        #expect(after["class_position"] as? String == "front" && after["content_hash"] as? String == before["content_hash"] as? String)
    }

    @Test func anAdapterFindsItsModelByItsShapes() throws {
        let rig = try Rig.tiny()
        try rig.saectl("model", "add", TinyModel(width: 48, seed: 3).write("wide", in: rig.source).path, "--name", "wide")
        try rig.saectl("sae", "add", TinySAE(width: 48, model: nil).write("wide-sae", in: rig.source).path, "--model", "wide", "--name", "s")
        try rig.put(Picture.png(1), "images/1.png")
        try drop(TinyLoRA(width: 48).write("broad", in: rig.source), as: "broad", rig)
        // Outside of prompts/ a pair of files is one adapter, named as its folder.
        let narrow = try TinyLoRA().write("narrow", in: rig.source)
        for file in ["adapter_model.safetensors", "adapter_config.json"] {
            try rig.put(Data(contentsOf: narrow.appendingPathComponent(file)), "downloads/narrow/\(file)")
        }
        try eventually("both are bound") { try rig.viewNames().count == 4 }
        try rig.wait()
        #expect(try rig.viewNames() == ["tiny/base/plain", "tiny/narrow/plain", "wide/base/s", "wide/broad/s"])
        #expect(try rig.storedSnapshots() == 4 && rig.failures().isEmpty)
        // A view is named by its adapter alone where that tells it.
        #expect(try rig.json("show", "1.png", "--view", "broad")["view"] as? String == "wide/broad/s")
        let other = try rig.saectl("compare", "tiny/base/plain..wide/broad/s", allowFailure: true)
        #expect(other.status == 1 && other.errors.contains("different models"), "\(other.errors)")
    }

    @Test func whatCanNotBeUsedIsSaid() throws {
        let rig = try Rig.tiny()
        try rig.put(Picture.png(1), "images/1.png")
        try rig.wait()
        func refused(_ folder: URL, location: SourceLocation = #_sourceLocation) throws -> String {
            let answer = try rig.saectl("adapter", "add", folder.path, "--model", "tiny", "--name", "bad", allowFailure: true)
            #expect(answer.status == 1, sourceLocation: location)
            return answer.errors
        }
        let wide = try refused(TinyLoRA(width: 48).write("wide", in: rig.source))
        #expect(wide.contains("48") && wide.contains("32") && wide.contains("tiny"), "\(wide)")
        let broken = try refused(TinyLoRA(isBroken: true).write("broken", in: rig.source))
        #expect(broken.contains("lora_A") && broken.lowercased().contains("nan"), "\(broken)")
        let half = try TinyLoRA().write("half", in: rig.source)
        let file = half.appendingPathComponent("adapter_model.safetensors")
        let bytes = try Data(contentsOf: file)
        try bytes.prefix(bytes.count / 2).write(to: file)
        #expect(try refused(half).contains("adapter_model.safetensors"))
        #expect(try adapters(rig).keys.sorted() == ["base"])
        // Dropped, it goes to quarantine with its reason; nothing else is disturbed.
        try rig.putOld(bytes.prefix(bytes.count / 2), "prompts/half.pth.tar-3")
        try eventually("it fails") { try rig.failures()["prompts/half.pth.tar-3"] != nil }
        #expect(try rig.failures()["prompts/half.pth.tar-3"]?["quarantine"] is String)
        // A pickle that would run something: the golden file of the checkpoint tests.
        try rig.putOld(Data(contentsOf: Place.golden("CheckpointsTests/Golden/calls_system.pt")), "prompts/hostile.pth.tar")
        try eventually("it fails too") { try rig.failures()["prompts/hostile.pth.tar"] != nil }
        #expect(try rig.viewNames() == ["tiny/base/plain"])
        try rig.put(Picture.png(2), "images/2.png")
        try rig.wait()
        #expect(try rig.storedSnapshots() == 2)
    }

    @Test func anAdapterWaitsForItsModel() throws {
        let rig = try Rig(configuration: Rig.quick)
        try drop(TinyLoRA().write("lora", in: rig.source), as: "lora", rig)
        try eventually("it waits") { try rig.failures()["prompts/lora"] != nil }
        #expect((try rig.failures()["prompts/lora"]?["reason"] as? String)?.contains("there is no model yet") == true)
        try rig.addTiny()
        try rig.put(Picture.png(1), "images/1.png")
        try rig.wait()
        #expect(try rig.viewNames() == ["tiny/base/plain", "tiny/lora/plain"])
        #expect(try rig.storedSnapshots() == 2)
        #expect(try rig.failures().isEmpty)
    }
}
