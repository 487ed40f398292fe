// Why, what if, in words, on one page: asked of the embedded model, of adapters whose effect is known because it was
// planted, and of what can't be answered.

import Checkpoints
import Foundation
import Testing

@Suite(.serialized) struct LookTests {
    private static let adapters = Place.models.appendingPathComponent("adapters")
    private static let heldout = Place.models.appendingPathComponent("heldout/images")

    private func rig(_ folders: String...) throws -> Rig {
        let rig = try Rig()
        for folder in folders { try rig.saectl("add", Self.heldout.appendingPathComponent(folder).path, "--label", folder, "--wait") }
        return rig
    }

    /// The SAE's direction of a latent.
    private func direction(_ latent: Int) throws -> [Float] {
        let weights = try openTensors(Place.models.appendingPathComponent("saes/scenes/sae_weights.safetensors").path)
        let shape = try #require(weights.info("W_dec")).shape
        let all = try weights.tensor("W_dec", shape: shape)
        return Array(all[latent * shape[1]..<(latent + 1) * shape[1]])
    }

    /// The embedded vision tower with one latent's direction written by the hook's block to every token.
    private func plant(_ latent: Int, amount: Float, in folder: URL) throws -> URL {
        let model = try openTensors(Place.models.appendingPathComponent("scenes/model.safetensors").path)
        let direction = try direction(latent)
        let tensors = try model.names.filter { $0.hasPrefix("vision_model.") || $0.hasPrefix("visual_projection") }.sorted().map { name in
            let shape = try #require(model.info(name)).shape
            var values = try model.tensor(name, shape: shape)
            if name == "vision_model.encoder.layers.4.mlp.fc2.bias" { for i in values.indices { values[i] += amount * direction[i] } }
            return SafetensorsTensor(name, shape: shape, values: values)
        }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try writeSafetensors(folder.appendingPathComponent("model.safetensors").path, tensors)
        return folder
    }

    @Test func anExplanationAddsUpAndBeginsWithWhatWasPlanted() throws {
        let rig = try rig("red_star", "blue_ring", "green_heart")
        for (name, latent) in [("hearts", 35), ("stars", 30)] {
            // About their usual peak: the SAE reads a faint direction as many others.
            let folder = try plant(latent, amount: 80, in: rig.source.appendingPathComponent(name))
            try rig.saectl("adapter", "add", folder.path, "--model", "scenes", "--name", name)
        }
        try rig.saectl("adapter", "add", Self.adapters.appendingPathComponent("maple.pth.tar").path, "--name", "maple")
        try rig.wait()
        let images = try rig.list().keys.sorted()
        #expect(images.count == 6)
        var planted = 0
        for image in images {
            for (adapter, latent) in [("hearts", 35), ("stars", 30), ("maple", -1)] {
                let answer = try rig.json("explain", (image as NSString).lastPathComponent, "base..\(adapter)", "--top", "10")
                let change = try #require(answer["change"] as? Double)
                let parts = try #require(answer["parts"] as? [[String: Any]]).compactMap { $0["change"] as? Double }
                #expect(parts.count == 5 && abs(parts.reduce(0, +) - change) < 1e-4, "\(parts), \(change)")
                #expect(abs(try #require(answer["adapted_margin"] as? Double) - #require(answer["base_margin"] as? Double) - change) < 1e-9)
                let latents = try #require(answer["latents"] as? [[String: Any]])
                // The plant is read as what it is, and matters, where setting that one latent back, which is a run and no
                // estimate, undoes half of the change: a blue ring is no star either way.
                let own = latents.first { $0["latent"] as? Int == latent }
                if abs(change) >= 1, abs(own?["alone"] as? Double ?? 0) >= abs(change) / 2 {
                    #expect(latents.first?["latent"] as? Int == latent, "\(image) under \(adapter)")
                    planted += 1
                }
                // What the patches add up to is what the listed and the other latents contribute there.
                let patches = try #require(answer["patch_contributions"] as? [[Double]])
                #expect(patches.count == 12 && patches.allSatisfy { $0.count == 12 })
                let back = try #require(answer["set_back"] as? [[String: Any]])
                #expect(back.compactMap { $0["what"] as? String } == ["listed", "random", "all"])
            }
        }
        #expect(planted >= 6)
        // With the SAE's error kept, all latents set back are the base's own stream but for that error.
        let kept = try rig.json("explain", (images[0] as NSString).lastPathComponent, "base..hearts", "--error-term")
        #expect(kept["error_term"] as? Bool == true)
        #expect((kept["latents"] as? [[String: Any]])?.first?["latent"] as? Int == 35)
        let picture = rig.root.appendingPathComponent("why.png")
        try rig.saectl("explain", (images[0] as NSString).lastPathComponent, "base..hearts", "-o", picture.path)
        #expect(try Data(contentsOf: picture).starts(with: [0x89, 0x50, 0x4E, 0x47]))
    }

    @Test func steeringByOneChangesNothingAndAStarBecomesAHeart() throws {
        let rig = try rig("red_star")
        try rig.saectl("adapter", "add", Self.adapters.appendingPathComponent("vpt.pth.tar").path, "--name", "vpt")
        try rig.wait()
        let image = try #require(rig.list().keys.sorted().first)
        let name = (image as NSString).lastPathComponent
        let same = try rig.json("steer", name, "--latent", "30", "--latent", "45:4,10", "--scale", "1.0", "--view", "scenes/base/scenes")
        for view in try #require(same["views"] as? [[String: Any]]) {
            #expect(view["moved"] as? Double == 0)
            for row in try #require(view["classes"] as? [[String: Any]]) {
                #expect(row["logit_before"] as? Double == row["logit_after"] as? Double)
                #expect(row["probability_before"] as? Double == row["probability_after"] as? Double)
            }
        }
        let heart = try rig.json("steer", name, "--latent", "30", "--scale", "0", "--latent", "35", "--to", "60", "--view", "scenes/base/scenes")
        let views = try #require(heart["views"] as? [[String: Any]])
        #expect(views.compactMap { $0["view"] as? String } == ["scenes/base/scenes", "scenes/vpt/scenes"])
        #expect((views[0]["answer_before"] as? String) == "red star" && (views[0]["answer_after"] as? String) == "red heart", "\(views[0])")
        #expect(try #require(views[0]["moved"] as? Double) > #require(views[0]["moved_random"] as? Double))
        // A random edit is drawn from a seed.
        #expect(try rig.saectl("steer", name, "--latent", "30", "--scale", "0", "--seed", "5", "--json").output
            == rig.saectl("steer", name, "--latent", "30", "--scale", "0", "--seed", "5", "--json").output)
    }

    @Test func wordsLeadToLatentsAndImagesAndBack() throws {
        let rig = try Rig()
        try rig.saectl("add", Self.heldout.path, "--wait")
        try rig.saectl("sae", "random", "chance", "--like", "scenes")
        try rig.wait()
        let names = try rig.json("name", "--all", "--view", "scenes/base/scenes")
        let sure = try #require(names["sure"] as? Int), unsure = try #require(names["unsure"] as? Int)
        #expect(sure >= 20 && sure + unsure + (names["silent"] as? Int ?? 0) == 47)
        // Directions that mean nothing get hardly any name.
        let chance = try rig.json("name", "--all", "--view", "scenes/base/chance")
        #expect(try #require(chance["sure"] as? Int) <= 2, "\(chance["sure"] ?? "")")
        let all = try #require(names["names"] as? [[String: Any]])
        let stars = all.filter { $0["word"] as? String == "star" && $0["sure"] as? Bool == true }.compactMap { $0["latent"] as? Int }
        #expect(!stars.isEmpty)
        #expect(all.filter { $0["sure"] as? Bool == false }.allSatisfy { !($0["reason"] as? String ?? "").isEmpty })
        // Kept, and shown by others.
        rig.stop()
        try rig.start()
        let found = try rig.json("find", "a red star", "--view", "scenes/base/scenes")
        let images = try #require(found["images"] as? [[String: Any]])
        #expect(images.prefix(2).allSatisfy { ($0["label"] as? String) == "red_star" }, "\(images.prefix(2).map { $0["label"] ?? "" })")
        let latents = try #require(found["latents"] as? [[String: Any]])
        #expect(latents.contains { (($0["name"] as? [String: Any])?["word"] as? String) == "star" })
        #expect(try #require(images[0]["score"] as? Double) > #require(found["mean_image_score"] as? Double))
        // Words of one's own.
        let list = rig.root.appendingPathComponent("words.txt")
        try Data("# mine\nred\nstar\nbrick\n".utf8).write(to: list)
        let own = try rig.json("name", "\(stars[0])", "--words", list.path, "--view", "scenes/base/scenes")
        #expect(((own["names"] as? [[String: Any]])?.first?["word"] as? String) == "star" && own["words"] as? Int == 3)

        let red = try #require(images[0]["paths"] as? [String]).first.map { ($0 as NSString).lastPathComponent } ?? ""
        let like = try rig.json("similar", red, "--view", "scenes/base/scenes")
        let similar = try #require(like["images"] as? [[String: Any]])
        let scores = similar.compactMap { $0["score"] as? Double }
        #expect(scores.count == 10 && scores == scores.sorted(by: >) && scores[9] > (like["random_score"] as? Double ?? 1))
        #expect(!similar.contains { ($0["id"] as? String) == images[0]["id"] as? String })
        let patch = try rig.json("similar", "\(red):4,10", "--view", "scenes/base/scenes", "--limit", "3")
        #expect((patch["images"] as? [[String: Any]])?.allSatisfy { $0["patch"] is [String: Any] } == true)
    }

    @Test func pagesHoldAllTheyShow() throws {
        let rig = try Rig()
        try rig.saectl("add", Place.models.appendingPathComponent("shifted/images").path, "--dataset", "shifted", "--wait")
        try rig.saectl("adapter", "add", Self.adapters.appendingPathComponent("maple.pth.tar").path, "--name", "maple")
        try rig.wait()
        let report = rig.root.appendingPathComponent("report.html"), atlas = rig.root.appendingPathComponent("atlas.html")
        let said = try rig.json("report", "base..maple", "-o", report.path, "--latents", "6", "--images", "5")
        let page = try String(contentsOf: report, encoding: .utf8)
        #expect(page.utf8.count == said["bytes"] as? Int && page.utf8.count < 20 << 20)
        #expect((said["summary"] as? [String])?.first?.contains("300 images of 100 classes") == true)
        #expect(said["latents"] as? Int == 6 && said["images_shown"] as? Int == 5)
        let of = try rig.json("atlas", "scenes/base/scenes", "-o", atlas.path)
        #expect(try #require(of["latents"] as? Int) > 40 && #require(of["named"] as? Int) >= 10, "\(of)")
        for text in [page, try String(contentsOf: atlas, encoding: .utf8)] {
            #expect(text.lowercased().hasPrefix("<!doctype html>"))
            #expect(text.contains("Content-Security-Policy") && !text.contains("src=\"http") && !text.contains("href=\"http"))
        }
        // To standard output as well, and nothing else there.
        let out = try rig.saectl("report", "base..maple", "-o", "-", "--no-ablation", "--latents", "2", "--images", "2").output
        #expect(out.lowercased().hasPrefix("<!doctype html>") && out.hasSuffix("</html>\n"))
    }

    @Test func whatCannotBeAnsweredIsSaidInOneLine() throws {
        let rig = try rig("red_star")
        try rig.saectl("adapter", "add", Self.adapters.appendingPathComponent("vpt.pth.tar").path, "--name", "vpt")
        try rig.wait()
        let image = (try #require(rig.list().keys.sorted().first) as NSString).lastPathComponent
        let silent = try #require(
            (rig.json("name", "--all", "--view", "scenes/base/scenes")["names"] as? [[String: Any]])?.first { ($0["word"] as? String ?? "").isEmpty }?["latent"] as? Int)
        let long = Array(repeating: "red star", count: 60).joined(separator: " ")
        let cases: [([String], String)] = [
            (["find", "a xylophone", "--view", "scenes/base/scenes"], "never learned 'xylophone'"),
            (["find", "", "--view", "scenes/base/scenes"], "empty"),
            (["find", long, "--view", "scenes/base/scenes"], "tokens in its sentence, the model reads"),
            (["explain", "no-such-image", "base..vpt"], "no image is called 'no-such-image'"),
            (["explain", image, "base..nothing"], "no view is called 'nothing'"),
            (["explain", image, "base..vpt", "--class", "zebra"], "'zebra' is none of the 100 classes"),
            (["explain", image, "base..vpt", "--class", "red star", "--against", "red star"], "are the same"),
            (["steer", image, "--latent", "30:40,2", "--scale", "0", "--view", "scenes/base/scenes"], "patch 40,2 is outside the grid of 12 x 12"),
            (["steer", image, "--latent", "9999", "--scale", "0", "--view", "scenes/base/scenes"], "latent 9999 is not one of the SAE's 47"),
            (["steer", image, "--latent", "30", "--view", "scenes/base/scenes"], "--scale"),
            (["similar", "\(image):90,1", "--view", "scenes/base/scenes"], "patch 90,1 is outside the grid"),
            (["name", "47", "--view", "scenes/base/scenes"], "latent 47 is not one of the SAE's 47"),
            (["sheet", "\(silent)", "--view", "scenes/base/scenes", "-o", rig.root.path + "/s.png"], "is active on none"),
            (["report", "base..vpt", "-o", "/no/such/folder/report.html"], "can't write '/no/such/folder/report.html'"),
            (["atlas", "scenes/base/scenes", "-o", rig.root.path], "can't write"),
            (["atlas", "scenes/none/scenes", "-o", rig.root.path + "/a.html"], "no view is called"),
        ]
        for (arguments, text) in cases {
            let answer = try rig.saectl(arguments: arguments, allowFailure: true)
            #expect(answer.status != 0 && answer.errors.contains(text), "\(arguments): \(answer.errors)")
            // How a command is written may take several lines below it.
            let said = answer.errors.components(separatedBy: "\nUsage:")[0]
            #expect(!said.contains("Fatal") && said.split(separator: "\n").count <= 4, "\(answer.errors)")
        }
        // A latent that is silent here can be set, and scaling it is no error but changes nothing, which is said.
        let nothing = try rig.json("steer", image, "--latent", "\(silent)", "--scale", "3", "--view", "scenes/base/scenes")
        #expect((nothing["notes"] as? [String])?.contains { $0.contains("nothing changes for latent \(silent)") } == true)
        // Switched off, it says how to have it back; gone, what there is.
        try rig.saectl("adapter", "deactivate", "vpt")
        let off = try rig.saectl("explain", image, "base..vpt", allowFailure: true)
        #expect(off.status == 1 && off.errors.contains("adapter 'vpt' is not active") && off.errors.contains("adapter activate vpt"), "\(off.errors)")
        try rig.saectl("adapter", "rm", "vpt")
        let gone = try rig.saectl("explain", image, "base..vpt", allowFailure: true)
        #expect(gone.status == 1 && gone.errors.contains("no view is called"), "\(gone.errors)")
        #expect(rig.daemon?.isRunning == true)
    }
}
