// Models, SAEs and class lists: dropped or added, in any order, taken away and brought back.

import Foundation
import Testing

@Suite struct LibraryTests {
    @Test func anSAEWaitsForItsModelAndBackFillsWhatIsThere() throws {
        let rig = try Rig(configuration: Rig.quick)
        try rig.put(Picture.png(1), "images/a.png")
        try TinySAE().write("plain", in: rig.source)
        try FileManager.default.createDirectory(at: rig.drop.appendingPathComponent("saes"), withIntermediateDirectories: true)
        try FileManager.default.moveItem(at: rig.source.appendingPathComponent("plain"), to: rig.drop.appendingPathComponent("saes/plain"))
        try eventually("the SAE waits") { try rig.failures()["saes/plain"] != nil }
        let reason = try #require(try rig.failures()["saes/plain"]?["reason"] as? String)
        #expect(reason == "waits where it is: no model has width 32, which this SAE reads; add its model: saectl model add DIR --name NAME")
        let notices = try #require(try rig.json("status")["notices"] as? [String])
        #expect(notices.contains { $0.contains("saes/plain") && $0.contains("waits") }, "\(notices)")
        #expect(FileManager.default.fileExists(atPath: rig.drop.appendingPathComponent("saes/plain/cfg.json").path))
        // Nothing to be done without a view; `wait` knows.
        try rig.wait()
        try TinyModel().write("tiny", in: rig.source)
        try FileManager.default.createDirectory(at: rig.drop.appendingPathComponent("models"), withIntermediateDirectories: true)
        try FileManager.default.moveItem(at: rig.source.appendingPathComponent("tiny"), to: rig.drop.appendingPathComponent("models/tiny"))
        try rig.wait()
        #expect(try rig.viewNames() == ["tiny/base/plain"])
        #expect(try rig.storedSnapshots() == 1)
        #expect(try rig.failures().isEmpty)
        #expect((try rig.json("status")["notices"] as? [String])?.isEmpty == true)
    }

    @Test func addingAnSAEBackFillsAndTwoViewsMustBeTold() throws {
        let rig = try Rig.tiny()
        for i in 0..<5 { try rig.put(Picture.png(i), "images/\(i).png") }
        try rig.wait()
        let added = try rig.json("sae", "add", TinySAE(seed: 8, block: 1).write("other", in: rig.source).path, "--model", "tiny", "--name", "other")
        #expect(added["backfill"] as? Int == 5)
        try rig.wait()
        #expect(try rig.viewNames() == ["tiny/base/other", "tiny/base/plain"])
        #expect(try rig.storedSnapshots() == 10)
        let asked = try rig.saectl("latents", "--json", allowFailure: true)
        #expect(asked.status == 1)
        let error = try #require(try asked.json()["error"] as? [String: Any])
        #expect(error["code"] as? String == "ambiguous" && error["candidates"] as? [String] == ["tiny/base/other", "tiny/base/plain"])
        #expect(asked.errors.contains("tiny/base/other") && asked.errors.contains("--view"), "\(asked.errors)")
        #expect(try rig.json("latents", "--view", "tiny/base/other")["images"] as? Int == 5)
        // A new image gets both.
        try rig.put(Picture.png(9), "images/9.png")
        try rig.wait()
        #expect(try rig.storedSnapshots() == 12)
        let unknown = try rig.saectl("latents", "--view", "tiny/base/none", allowFailure: true)
        #expect(unknown.status == 1 && unknown.errors.contains("no view is called 'tiny/base/none'"), "\(unknown.errors)")
    }

    @Test func aSecondModelNeedsNames() throws {
        let rig = try Rig.tiny()
        try rig.put(Picture.png(1), "images/1.png")
        try rig.saectl("model", "add", TinyModel(width: 48, seed: 3).write("wide", in: rig.source).path, "--name", "wide")
        try rig.saectl("sae", "add", TinySAE(width: 48, model: nil).write("wide-sae", in: rig.source).path, "--model", "wide", "--name", "s")
        try rig.wait()
        #expect(try rig.viewNames() == ["tiny/base/plain", "wide/base/s"])
        #expect(try rig.storedSnapshots() == 2)
        let classes = try rig.saectl("classes", allowFailure: true)
        #expect(classes.status == 1 && classes.errors.contains("tiny") && classes.errors.contains("wide") && classes.errors.contains("--model"), "\(classes.errors)")
        let list = rig.root.appendingPathComponent("list.txt")
        try Data("zebra\nhorse\n".utf8).write(to: list)
        let templates = rig.root.appendingPathComponent("templates.txt")
        try Data("a {}.\nthe {} there.\n".utf8).write(to: templates)
        try rig.saectl("classes", "set", list.path, "--model", "wide", "--templates", templates.path)
        let set = try rig.json("classes", "--model", "wide")
        #expect(set["classes"] as? [String] == ["zebra", "horse"] && set["templates"] as? [String] == ["a {}.", "the {} there."])
        let show = try rig.json("show", "1.png", "--view", "wide/base/s")
        #expect((show["classes"] as? [Any])?.count == 2)
        let bare = try rig.json("show", "1.png", "--view", "tiny/base/plain")
        #expect((bare["classes_note"] as? String)?.contains("saectl classes set") == true)
        try rig.saectl("classes", "set", list.path, "--model", "wide", "--templates", "imagenet")
        #expect((try rig.json("classes", "--model", "wide")["templates"] as? [String])?.count == 80)
    }

    @Test func aClassListIsDropped() throws {
        let rig = try Rig.tiny()
        try rig.put(Data("zebra\n\nhorse\n".utf8), "classes/anything.txt")
        try eventually("it is set") { (try rig.json("classes")["classes"] as? [String]) == ["zebra", "horse"] }
        #expect(try rig.json("classes")["templates"] as? [String] == ["a photo of a {}."])
        // What is set by hand later stays over a restart, although the file is still there.
        let list = rig.root.appendingPathComponent("list.txt")
        try Data("one\ntwo\nthree\n".utf8).write(to: list)
        try rig.saectl("classes", "set", list.path)
        rig.stop()
        try rig.start()
        try rig.wait()
        #expect(try rig.json("classes")["classes"] as? [String] == ["one", "two", "three"])
        try rig.putOld(Data("same\nsame\n".utf8), "classes/bad.txt")
        try eventually("it fails") { try rig.failures()["classes/bad.txt"] != nil }
        #expect((try rig.failures()["classes/bad.txt"]?["reason"] as? String)?.contains("comes twice") == true)
    }

    @Test func aPatchSAECheckpointIsDropped() throws {
        let rig = try Rig(configuration: Rig.quick)
        // Width 7 and 53 latents, as Tests/SAETests has them; hook point by the file.
        try rig.put(Data(contentsOf: Place.golden("SAETests/Golden/patchsae.pt")), "saes/patch.pt")
        try eventually("it is read and waits") { try rig.failures()["saes/patch.pt"] != nil }
        let reason = try #require(try rig.failures()["saes/patch.pt"]?["reason"] as? String)
        #expect(reason.contains("no model has width 7"), "\(reason)")
    }

    @Test func aModelThatGoesTakesItsViewsAndBringsThemBack() throws {
        let rig = try Rig.tiny()
        let list = rig.root.appendingPathComponent("list.txt")
        try Data("zebra\nhorse\n".utf8).write(to: list)
        try rig.saectl("classes", "set", list.path)
        for i in 0..<3 { try rig.put(Picture.png(i), "images/\(i).png") }
        try rig.wait()
        let model = rig.drop.appendingPathComponent("models/tiny"), away = rig.root.appendingPathComponent("away")
        try FileManager.default.moveItem(at: model, to: away)
        try eventually("the view goes") { try rig.viewNames().isEmpty }
        #expect((try rig.json("models")["models"] as? [Any])?.isEmpty == true)
        let asked = try rig.saectl("latents", allowFailure: true)
        #expect(asked.status == 1 && asked.errors.contains("there is no view yet"), "\(asked.errors)")
        try rig.put(Picture.png(7), "images/7.png")
        try rig.wait()
        try FileManager.default.moveItem(at: away, to: model)
        try eventually("the view is back") { try rig.viewNames() == ["tiny/base/plain"] }
        try rig.wait()
        // Three kept, one made.
        #expect(try rig.storedSnapshots() == 4)
        #expect(try rig.json("classes")["classes"] as? [String] == ["zebra", "horse"])
        // An SAE alone, too.
        let sae = rig.drop.appendingPathComponent("saes/plain")
        try FileManager.default.moveItem(at: sae, to: away)
        try eventually("the view goes with its SAE") { try rig.viewNames().isEmpty }
        try FileManager.default.moveItem(at: away, to: sae)
        try eventually("and is back") { try rig.viewNames() == ["tiny/base/plain"] }
        try rig.wait()
        #expect(try rig.storedSnapshots() == 4)
    }

    @Test func replacingAModelInPlaceStartsANewView() throws {
        let rig = try Rig.tiny()
        try rig.put(Picture.png(1), "images/1.png")
        try rig.wait()
        let before = try #require((try rig.json("models")["models"] as? [[String: Any]])?.first?["content_hash"] as? String)
        let model = rig.drop.appendingPathComponent("models/tiny")
        try FileManager.default.removeItem(at: model)
        try TinyModel(seed: 99).write("tiny", in: rig.drop.appendingPathComponent("models"))
        try eventually("the new model is in force") {
            let hash = (try rig.json("models")["models"] as? [[String: Any]])?.first?["content_hash"] as? String
            return hash != nil && hash != before
        }
        try rig.wait()
        #expect(try rig.viewNames() == ["tiny/base/plain"])
        #expect(try rig.json("latents")["images"] as? Int == 1)
    }

    @Test func theEmbeddedModelComesAndGoesWithItsSetting() throws {
        let rig = try Rig(configuration: "[models]\nembedded = true\n")
        #expect(try rig.viewNames() == ["scenes/base/scenes"])
        rig.stop()
        try Data("[models]\nembedded = false\n".utf8).write(to: rig.root.appendingPathComponent("saed.toml"))
        try rig.start()
        #expect(try rig.viewNames().isEmpty)
        let none = try rig.saectl("classes", allowFailure: true)
        #expect(none.status == 1 && none.errors.contains("there is no model yet"), "\(none.errors)")
        rig.stop()
        try Data("[models]\nembedded = true\n".utf8).write(to: rig.root.appendingPathComponent("saed.toml"))
        try rig.start()
        #expect(try rig.viewNames() == ["scenes/base/scenes"])
        #expect((try rig.json("classes")["classes"] as? [String])?.isEmpty == false)
    }
}
