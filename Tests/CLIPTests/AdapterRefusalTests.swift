// Adapters that can't be used: one clear error each.

import Basics
import CLIP
import Checkpoints
import Foundation
import Testing

@Suite(.serialized) struct AdapterRefusalTests {
    private func refusal(_ folder: String, _ body: () throws -> Void) -> String {
        message(without: folder, body).replacingOccurrences(of: AdapterFileTests.files, with: "")
    }

    @Test(arguments: [
        ("half.pth.tar", "'half.pth.tar': the zip has no end record; it was truncated"),
        (
            "legacy.pth.tar",
            "'legacy.pth.tar': this is a pickle, not a zip: written by torch before 1.6; load and save it again with a newer torch"
        ),
        (
            "calls.pth.tar",
            "'calls.pth.tar' is refused: its pickle would call 'posix.system' (at byte 1035 of data.pkl); only tensors, plain values and plain configuration objects are read, and no code is run"
        ),
    ])
    func aBadFileIsOneError(_ file: String, _ expected: String) {
        #expect(refusal("no folder") { _ = try Adapter.inspect(path: AdapterFileTests.files + file) } == expected)
    }

    @Test func notAnAdapter() throws {
        let folder = try TemporaryFolder()
        let sae = folder.path + "/sae.safetensors"
        try writeSafetensors(
            sae,
            ["W_dec", "W_enc", "b_dec", "b_enc"].map { SafetensorsTensor($0, shape: [2], values: [0, 1]) })
        #expect(try Adapter.recognize(path: sae) == nil)
        #expect(
            refusal(folder.path) { _ = try Adapter.inspect(path: sae) }
                == "'sae.safetensors': is no adapter that is known: among its 4 tensors ('W_dec', 'W_enc', 'b_dec', ...) are no prompts ('prompt_learner.ctx', 'image_encoder.VPT'), no 'lora_A' and no vision tower"
        )
    }

    @Test func bothShapesAreNamed() throws {
        let folder = try TemporaryFolder()
        try SeededCLIP(smallConfig, seed: 1).write(to: folder.path + "/scenes")
        let model = try CLIPModel.load(folder: folder.path + "/scenes")
        for (file, expected) in [
            ("maple-words.pth.tar", "vision prompts of width 32, model 'scenes' has width 48"),
            ("coop.pth.tar", "text prompts of width 24, model 'scenes' has width 32"),
            ("finetuned-hf.safetensors", "a vision tower of width 32, model 'scenes' has width 48"),
            (
                "lora-attention",
                "a tensor 'vision_model.encoder.layers.0.self_attn.q_proj.weight' [32, 32], model 'scenes' has [48, 48]"
            ),
        ] {
            let path = AdapterFileTests.files + file
            #expect(Adapter.misfit(try Adapter.inspect(path: path), model: "scenes", config: model.config) == expected)
            #expect(refusal(folder.path) { _ = try Adapter.load(path: path, model: model) } == "'\(file)': \(expected)")
        }
        // As wide, but of other depths, and without room for the context.
        let odd = try AdapterCase("odd-maple-deep")
        try odd.write(folder.path + "/deep.safetensors")
        let deep = try Adapter.inspect(path: folder.path + "/deep.safetensors")
        func config(vision: Int, text: Int, context: Int) -> CLIPConfig {
            CLIPConfig(
                vision: CLIPConfig.Vision(
                    CLIPConfig.Tower(width: 96, layers: vision, heads: 3, mlp: 96), imageSize: 32, patch: 8),
                text: CLIPConfig.Text(
                    CLIPConfig.Tower(width: 64, layers: text, heads: 2, mlp: 64), vocabulary: 520,
                    contextLength: context,
                    eosTokenID: 519),
                projection: 24)
        }
        for (sizes, expected) in [
            ((2, 3, 40), "vision prompts for 3 blocks, model 'm' has 2"),
            ((3, 2, 40), nil),
            ((3, 3, 5), "3 text prompt tokens, model 'm' has room for 5 tokens"),
            ((3, 3, 40), nil),
        ] as [((Int, Int, Int), String?)] {
            let found = Adapter.misfit(
                deep, model: "m", config: config(vision: sizes.0, text: sizes.1, context: sizes.2))
            #expect(found == expected)
        }
        try AdapterCase("odd-ivlp-text").write(folder.path + "/text.safetensors")
        let text = try Adapter.inspect(path: folder.path + "/text.safetensors")
        #expect(
            Adapter.misfit(text, model: "m", config: config(vision: 3, text: 2, context: 40))
                == "text prompts for 3 blocks, model 'm' has 2")
    }

    /// Prompts fit any model of their width; the weights beside them tell.
    @Test(arguments: [
        ("maple-words.pth.tar", "its start token's embedding ('token_prefix')"),
        ("vpt.pth.tar", "its 'text_model.final_layer_norm.weight'"),
        ("coop.pth.tar", "its start token's embedding ('token_prefix')"),
    ])
    func anotherModelOfTheSameShapeIsRefused(_ file: String, _ what: String) throws {
        let folder = try TemporaryFolder()
        let other = try AdapterFileTests.model(folder, seed: 59)
        let path = AdapterFileTests.files + file
        func expected(_ path: String) -> String {
            "'\(path)': was trained on another model of the same shape: \(what) differs from that of model 'tiny59'"
        }
        #expect(refusal(folder.path) { _ = try Adapter.load(path: path, model: other) } == expected(file))
        // The same after export.
        let own = folder.path + "/own"
        try Adapter.load(path: path, model: try AdapterFileTests.model(folder)).export(to: own)
        #expect(refusal(folder.path) { _ = try Adapter.load(path: own, model: other) } == expected("own"))
    }

    @Test func damageOfPromptsIsNamed() throws {
        let golden = try AdapterCase("odd-ivlp-deep")
        let folder = try TemporaryFolder()
        let weights = SeededWeights(seed: 1)
        func file(_ name: String, _ tensors: [(String, [Int])], bad: String? = nil) throws -> String {
            let path = folder.path + "/" + name
            try writeSafetensors(
                path,
                tensors.map { key, shape in
                    var values = weights.values(key, count: shape.reduce(1, *), scale: 1)
                    if key == bad { values[2] = .nan }
                    return SafetensorsTensor(key, shape: shape, values: values)
                })
            return path
        }
        let ivlp = golden.tensors.map { ($0.name, $0.shape) }
        let block = "image_encoder.transformer.resblocks."
        let learner = "prompt_learner."
        for (name, tensors, bad, expected) in [
            (
                "nan", ivlp, "prompt_learner.ctx",
                "'nan': tensor 'prompt_learner.ctx' has nan at index 2; every weight must be a finite number"
            ),
            (
                "gap", ivlp.filter { $0.0 != block + "1.VPT_shallow" }, nil,
                "'gap': block 2 has prompts ('\(block)2.VPT_shallow'), block 1 has none; the file is not whole"
            ),
            (
                "first", ivlp.filter { $0.0 != "image_encoder.VPT" }, nil, "'first' has no tensor 'image_encoder.VPT'"
            ),
            (
                "maple",
                [
                    (learner + "ctx", [2, 8]), (learner + "proj.weight", [6, 8]), (learner + "proj.bias", [6]),
                    (learner + "compound_prompts_text.0", [2, 8]),
                ], nil,
                "'maple' has no tensor 'prompt_learner.compound_prompt_projections.0.weight'"
            ),
            (
                "widths",
                [(learner + "ctx", [2, 8]), (learner + "proj.weight", [6, 9]), (learner + "proj.bias", [6])],
                nil, "'widths': 'prompt_learner.proj.weight' is [6, 9], its context has width 8"
            ),
            (
                "flat", [("ctx", [16])], nil, "'flat': tensor 'ctx' is [16]; 2 or 3 dimensions are expected"
            ),
            (
                "suffix", [("ctx", [4, 2, 8]), ("token_suffix", [3, 5, 8])], nil,
                "'suffix': its contexts are for 4 classes, its token_suffix for 3"
            ),
            (
                "meta", [("ctx", [2, 8]), ("meta_net.linear1.weight", [4, 6]), ("meta_net.linear1.bias", [4])], nil,
                "'meta' has no tensor 'meta_net.linear2.weight'"
            ),
        ] as [(String, [(String, [Int])], String?, String)] {
            let path = try file(name, tensors, bad: bad)
            #expect(refusal(folder.path) { _ = try Adapter.inspect(path: path) } == expected)
        }
    }

    @Test func aFineTunedTowerMustBeWhole() throws {
        let folder = try TemporaryFolder()
        try SeededCLIP(smallConfig, seed: 2).write(
            to: folder.path + "/cut", skipping: ["vision_model.encoder.layers.2.mlp.fc1.bias"])
        #expect(
            refusal(folder.path) { _ = try Adapter.inspect(path: folder.path + "/cut/model.safetensors") }
                == "'cut/model.safetensors' has no tensor 'vision_model.encoder.layers.2.mlp.fc1.bias'")
        try SeededCLIP(smallConfig, seed: 2).write(to: folder.path + "/nan") { name, values in
            if name == "vision_model.post_layernorm.weight" { values[1] = .infinity }
        }
        #expect(
            refusal(folder.path) { _ = try Adapter.inspect(path: folder.path + "/nan") }
                == "'nan/model.safetensors': tensor 'vision_model.post_layernorm.weight' has inf at index 1; every weight must be a finite number"
        )
    }

    /// Written over in place after it was read: its old hash would stand over new weights.
    @Test func aTowerThatChangesBeforeItIsPackedIsRefused() throws {
        let folder = try TemporaryFolder()
        let model = try AdapterFileTests.model(folder)
        let path = folder.path + "/tower.safetensors"
        var bytes = try readSmallFile(AdapterFileTests.files + "finetuned-open-clip.safetensors")
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let adapter = try Adapter.load(path: path, model: model)
        bytes[bytes.count - 1] ^= 4
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.write(contentsOf: Data(bytes))
        try file.close()
        #expect(
            refusal(folder.path) { _ = try adapter.vision(model) }
                == "'tower.safetensors': has changed since it was added; add it again, or put the old file back")
        #expect(adapter.byteCount == 0)
    }

    @Test func otherKindsOfPEFTAreRefusedByName() throws {
        let folder = try TemporaryFolder()
        let weights = try readSmallFile(AdapterFileTests.files + "lora-attention/adapter_model.safetensors")
        for (config, expected) in [
            (#"{"peft_type": "IA3"}"#, "'peft_type' is 'IA3'; only 'LORA' is read"),
            (#"{"peft_type": "LORA", "use_dora": true}"#, "'use_dora' is true; DoRA is not read, only plain LoRA is"),
            (
                #"{"init_lora_weights": "pissa_niter_4"}"#,
                "'init_lora_weights' is 'pissa_niter_4', which changes the base's weights too; convert it to plain LoRA"
            ),
            (
                #"{"alpha_pattern": {"(a+)+b": 2}}"#,
                "'alpha_pattern' has the pattern '(a+)+b'; only plain names of layers are read"
            ),
            (#"{"layer_replication": [[0, 1]]}"#, "'layer_replication' is set; only plain LoRA is read"),
        ] {
            try folder.write("adapter_config.json", config)
            try Data(weights).write(to: URL(fileURLWithPath: folder.path + "/adapter_model.safetensors"))
            #expect(
                refusal(folder.path) { _ = try Adapter.inspect(path: folder.path) }
                    == "'adapter_config.json': \(expected)")
        }
        try FileManager.default.removeItem(atPath: folder.path + "/adapter_config.json")
        #expect(
            refusal(folder.path) { _ = try Adapter.inspect(path: folder.path + "/adapter_model.safetensors") }
                == "'adapter_model.safetensors': it holds LoRA weights without their 'adapter_config.json', which tells how they are scaled; keep both in one folder"
        )
    }

    @Test func classSpecificContextsServeTheirClassesOnly() throws {
        let folder = try TemporaryFolder()
        let model = try AdapterFileTests.model(folder)
        let adapter = try Adapter.load(path: AdapterFileTests.files + "coop-classes.pth.tar", model: model)
        let classes = try AdapterCase("coop-classes").classes
        #expect(
            refusal(folder.path) { _ = try adapter.head(model, classes: Array(classes.dropLast()), templates: []) }
                == "'coop-classes.pth.tar': has contexts for 3 classes of its own, the class list has 2; give the classes it was trained on, in that order")
        #expect(
            refusal(folder.path) {
                _ = try adapter.head(model, classes: [classes[0], classes[2], classes[1]], templates: [])
            }
                == "'coop-classes.pth.tar': has a context of its own for each class, and class 2, 'x', is not the one it was trained with; give the classes in the trainer's order"
        )
    }

    @Test func aHeadThatDependsOnTheImageIsNotGivenAsOne() throws {
        let folder = try TemporaryFolder()
        let model = try AdapterFileTests.model(folder)
        let adapter = try Adapter.load(path: AdapterFileTests.files + "cocoop.pth.tar", model: model)
        #expect(adapter.isConditional)
        #expect(
            refusal(folder.path) { _ = try adapter.head(model, classes: ["a"], templates: ["{}"]) }
                == "'cocoop.pth.tar': has text features for each image of its own; there is no one head")
    }

    @Test func ourOwnFormatIsChecked() throws {
        let folder = try TemporaryFolder()
        let model = try AdapterFileTests.model(folder)
        let own = folder.path + "/own"
        try Adapter.load(path: AdapterFileTests.files + "maple-words.pth.tar", model: model).export(to: own)
        let config = try String(contentsOfFile: own + "/adapter.json", encoding: .utf8)
        for (old, new, expected) in [
            (
                "\"maple\"", "\"magic\"",
                "'method' is 'magic'; one of maple, vpt, ivlp, coop, cocoop, lora, finetuned is expected"
            ),
            ("\"version\": 1", "\"version\": 2", "'version' is 2; 1 to 1 is allowed"),
            ("saed adapter", "other", "'format' is 'other'; 'saed adapter' is expected"),
            ("\"tail\": \"rows\"", "\"tail\": \"head\"", "'tail' is 'head'; none, words or rows is expected"),
        ] {
            #expect(config.contains(old))
            try folder.write("own/adapter.json", config.replacingOccurrences(of: old, with: new))
            #expect(refusal(own) { _ = try Adapter.inspect(path: own) } == "'adapter.json': \(expected)")
        }
        try folder.write("own/adapter.json", config.replacingOccurrences(of: "maple", with: "cocoop"))
        #expect(
            refusal(own) { _ = try Adapter.inspect(path: own) }
                == "'FOLDER': 'adapter.json' says 'cocoop', whose tensors it lacks")
        try folder.write("own/adapter.json", config)
        try FileManager.default.removeItem(atPath: own + "/adapter.safetensors")
        #expect(
            refusal(own) { _ = try Adapter.inspect(path: own) }
                == "'adapter.safetensors' can't be read: there is none beside 'adapter.json'; an adapter needs both")
    }

    /// Any damage ends in an error or in a whole adapter, never in a crash.
    @Test func damagedBytesNeverCrash() throws {
        var state: UInt64 = 20_260_404
        func random() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        let folder = try TemporaryFolder()
        let model = try AdapterFileTests.model(folder)
        for name in ["maple-words.pth.tar", "coop-classes.pth.tar", "finetuned-open-clip.safetensors"] {
            let good = try readSmallFile(AdapterFileTests.files + name)
            for _ in 0..<60 {
                var bytes = good
                // Mostly where names and shapes are.
                for _ in 0...Int(random() % 4) {
                    bytes[Int(random()) % min(bytes.count, 4000)] = UInt8(truncatingIfNeeded: random())
                }
                if random() % 4 == 0 { bytes.removeLast(Int(random()) % bytes.count) }
                let path = folder.path + "/" + name
                try Data(bytes).write(to: URL(fileURLWithPath: path))
                guard let adapter = try? Adapter.load(path: path, model: model) else { continue }
                _ = try? adapter.vision(model)
                if !adapter.isConditional {
                    _ = try? adapter.head(model, classes: ["red_cube", "a blue ball.", "x"], templates: ["{}"])
                }
            }
        }
    }
}
