// What an adaptation changed, asked of the embedded model and the adapters that come with it, whose answers are known.

import Foundation
import Testing

@Suite(.serialized) struct AdaptationTests {
    private static let adapters = Place.models.appendingPathComponent("adapters")

    private func figures() throws -> [String: Any] {
        let data = try Data(contentsOf: Place.models.appendingPathComponent("figures.json"))
        let all = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        return try #require(all["adapters"] as? [String: Any])
    }

    @Test func adaptersWinBackWhatTheShiftCost() throws {
        let rig = try Rig()
        try rig.saectl("add", Place.models.appendingPathComponent("shifted/images").path, "--dataset", "shifted", "--wait")
        for name in ["maple", "vpt", "coop"] {
            try rig.saectl("adapter", "add", Self.adapters.appendingPathComponent(name + ".pth.tar").path, "--name", name)
        }
        try rig.wait()
        // CoOp changes the text side alone: three views see 300 images each, the fourth sees as base does.
        #expect(try rig.storedSnapshots() == 900)
        let accuracy = try #require(try figures()["accuracy"] as? [String: [String: [String: Any]]])
        var right: [String: Int] = [:]
        for name in ["base", "maple", "vpt", "coop"] {
            let answer = try rig.json("classify", "shifted", "--view", "scenes/\(name)/scenes")
            let found = try #require(answer["right"] as? Int)
            right[name] = found
            #expect(answer["labelled"] as? Int == 300)
            // As PyTorch counts; one image of three hundred may lie on the line.
            let expected = try #require(accuracy[name]?["shifted_files"]?["right"] as? Int)
            #expect(abs(found - expected) <= 1, "\(name): \(found), \(expected) expected")
        }
        let base = try #require(right["base"]), maple = try #require(right["maple"])
        let disagreement = try rig.json("images", "--disagree", "base..maple", "--dataset", "shifted", "--limit", "1000")
        let fixed = try #require(disagreement["fixed"] as? Int), broken = try #require(disagreement["broken"] as? Int)
        #expect(maple - base == fixed - broken)
        #expect((disagreement["images"] as? [Any])?.count == disagreement["total"] as? Int)
        // The same figures wherever they are printed.
        let remap = try rig.json("remap", "base..maple", "--dataset", "shifted", "--rounds", "200")
        #expect(remap["base_accuracy"] as? Double == Double(base) / 300 && remap["adapted_accuracy"] as? Double == Double(maple) / 300)
        let explained = try #require(remap["explained"] as? [[String: Any]])
        let groups = explained.compactMap { $0["group"] as? String }
        #expect(groups == ["kept", "re-assigned", "newly used", "left", "all of them", "random latents", "every latent", "whole vision side"])
        #expect((remap["figures"] as? [[String: Any]])?.compactMap { $0["what"] as? String }.prefix(2) == ["finding", "shuffled labels"])
        #expect(remap["k"] as? Int == 11, "a quarter of the dictionary's latents")
        // A prompt token is a token of its own kind: compare's denominators are class and patches on both sides.
        let compare = try rig.json("compare", "base..coop", "--dataset", "shifted")
        #expect(compare["cosine"] as? Double == 1 && compare["k"] as? Int == 11)
        #expect((compare["notes"] as? [String])?.contains { $0.contains("see the same") } == true)
        // As published: for base, whose layout has no prompts, the mean is what `latent` calls the mean with the class token.
        let published = try rig.json("compare", "base..maple", "--as-published")
        let change = try #require((published["changed"] as? [[String: Any]])?.first)
        let figures = try #require(change["published"] as? [String: Double])
        let latent = try rig.json("latent", "\(try #require(change["latent"] as? Int))", "--view", "scenes/base/scenes")
        let withClass = try #require((latent["statistics"] as? [String: Any])?["mean_with_class"] as? Double)
        #expect(abs(try #require(figures["base_mean"]) - withClass) <= 1e-6 * withClass)
        #expect(try #require(figures["adapted_sparsity"]) <= 1 && figures["adapted_mean"] != figures["base_mean"])
        #expect(((try rig.json("compare", "base..maple")["changed"] as? [[String: Any]])?.first)?["published"] is NSNull)
        // Every latent on is the reconstruction, none on is its bias alone.
        let ablation = try rig.json("ablate", "--view", "scenes/vpt/scenes", "--dataset", "shifted", "--top", "10,all")
        let points = try #require(ablation["points"] as? [[String: Any]])
        #expect(points.last?["all"] as? Bool == true && points.last?["on"] as? Double == points.last?["on_random"] as? Double)
        #expect(try #require(points.last?["on"] as? Double) > 0.5)
        #expect(try #require(points.first?["off"] as? Double) < #require(points.first?["off_random"] as? Double))
    }

    @Test func whatWasPlantedIsFound() throws {
        let rig = try Rig()
        try rig.saectl("add", Place.models.appendingPathComponent("heldout/images").path, "--wait")
        for name in ["shape", "shape-control"] {
            try rig.saectl("adapter", "add", Self.adapters.appendingPathComponent(name).path, "--name", name)
        }
        try rig.saectl("sae", "random", "chance", "--like", "scenes")
        try rig.wait()
        let specific = try #require(try figures()["specific_latents"] as? [[String: Any]])
        /// Classes of a latent's own value that it left, over the latents of a factor.
        func left(_ adapter: String, _ factor: String) throws -> Int {
            let remap = try rig.json("remap", "base..\(adapter)", "--k", "20", "--top", "47", "--no-ablation")
            let moved = try #require(remap["latents"] as? [[String: Any]])
            #expect((remap["figures"] as? [[String: Any]])?.compactMap { $0["what"] as? String } == ["finding", "shuffled labels", "random directions"])
            return specific.filter { $0["factor"] as? String == factor }.reduce(0) { sum, latent in
                let value = latent["value"] as? String ?? ""
                let classes = moved.first { $0["latent"] as? Int == latent["latent"] as? Int }?["left"] as? [String] ?? []
                return sum + classes.count { $0.split(separator: " ").contains(Substring(value)) }
            }
        }
        let colour = try left("shape", "colour"), shape = try left("shape", "shape")
        let colourControl = try left("shape-control", "colour"), shapeControl = try left("shape-control", "shape")
        let found = Comment("left under shape: \(colour) of colour, \(shape) of shape; under its control: \(colourControl), \(shapeControl)")
        // Where only shape matters, colours leave their classes and shapes stay; where both do, neither leaves.
        #expect(colour >= 20 && colour >= 5 * shape, found)
        #expect(colour >= 5 * colourControl, found)
        #expect(shape <= 14 && shapeControl <= 3, found)
    }

    @Test func equalAdaptersShowNoRemapping() throws {
        let rig = try Rig()
        try rig.saectl("add", Place.models.appendingPathComponent("shifted/images").path, "--dataset", "shifted", "--wait")
        let vpt = Self.adapters.appendingPathComponent("vpt.pth.tar").path
        try rig.saectl("adapter", "add", vpt, "--name", "one")
        try rig.saectl("adapter", "add", vpt, "--name", "two")
        try rig.saectl("adapter", "add", Self.adapters.appendingPathComponent("vpt-2.pth.tar").path, "--name", "seed")
        try rig.wait()
        #expect(try rig.storedSnapshots() == 900, "what two adapters see alike is made once")
        let same = try rig.json("remap", "one..two", "--dataset", "shifted")
        let figures = try #require((same["figures"] as? [[String: Any]])?.first)
        #expect(figures["overlap"] as? Double == 1 && figures["reassigned"] as? Double == 0 && figures["left"] as? Double == 0)
        #expect(same["change"] as? Double == 0 && (same["latents"] as? [Any])?.isEmpty == true)
        let interval = try #require(same["change_interval"] as? [String: Double])
        #expect(interval["low"] == 0 && interval["high"] == 0)
        // The same training from another seed: accuracy does not move beyond its interval.
        let seeds = try rig.json("remap", "one..seed", "--dataset", "shifted", "--no-ablation")
        let change = try #require(seeds["change_interval"] as? [String: Double])
        #expect(try #require(change["low"]) <= 0 && #require(change["high"]) >= 0, "\(change)")
    }

    @Test func questionsThatMakeNoSenseAreAnsweredInOneLine() throws {
        let rig = try Rig()
        try rig.saectl("add", Place.models.appendingPathComponent("heldout/images/red_star").path, "--label", "red star", "--wait")
        try rig.saectl("adapter", "add", Self.adapters.appendingPathComponent("vpt.pth.tar").path, "--name", "vpt")
        try rig.wait()
        let cases: [([String], String)] = [
            (["compare", "base..nothing"], "no view is called 'nothing'"),
            (["compare", "base..vpt", "--dataset", "none"], "no data set is called 'none'"),
            (["compare", "base..vpt", "--class", "zebra"], "no image has the label 'zebra'"),
            (["remap", "base..vpt", "--rounds", "4000000000"], "at most 10,000 rounds"),
            (["remap", "base..vpt", "--class", "zebra"], "zebra"),
            (["remap", "base..vpt", "--control", "scenes"], "is no control"),
            (["ablate", "--by", "colour"], "class-count"),
            (["classify", "nothing-like-it"], "neither an image nor a data set"),
            (["sae", "random", "x", "--like", "none"], "no SAE is called 'none'"),
        ]
        for (arguments, text) in cases {
            let answer = try rig.saectl(arguments: arguments, allowFailure: true)
            #expect(answer.status != 0 && answer.errors.contains(text), "\(arguments): \(answer.errors)")
        }
    }
}
