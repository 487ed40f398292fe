// Files as the trainers write them, good and bad: torch.save of Dassl's dictionaries (optimizer, scheduler and numpy
// results beside the state), PEFT's folders, fine-tuned towers in three layouts. tools/reference/adapter_files.py wrote
// them for one tiny seeded model; the references are those of AdapterParityTests.

import Basics
import CLIP
import Checkpoints
import Foundation
import Testing

@Suite(.serialized) struct AdapterFileTests {
    static let files = Golden.folder + "/adapters/"
    static let prompts = [
        "maple-words", "maple-placeholders", "vpt", "ivlp", "coop", "coop-classes", "cocoop",
    ]
    static let weights = [
        "lora-attention", "lora-everything", "finetuned-hf", "finetuned-openai", "finetuned-open-clip",
    ]

    static func path(_ golden: AdapterCase) -> String { files + golden.json["file"]!.string }

    /// The model that all files are for, or one of the same shape with other weights.
    static func model(_ folder: TemporaryFolder, seed: UInt64 = 60) throws -> CLIPModel {
        let golden = try AdapterCase("vpt")
        let config = try CLIPConfig(path: folder.write("config-of-case.json", golden.json["config"]!.text))
        try SeededCLIP(config, seed: seed).write(to: folder.path + "/tiny\(seed)")
        return try CLIPModel.load(folder: folder.path + "/tiny\(seed)")
    }

    @Test(arguments: prompts + weights)
    func trainersFilesMatchTheReference(_ name: String) throws {
        let golden = try AdapterCase(name)
        let folder = try TemporaryFolder()
        let model = try AdapterFileTests.model(folder)
        let path = AdapterFileTests.path(golden)
        #expect(try Adapter.recognize(path: path) == golden.method)
        let adapter = try Adapter.load(path: path, model: model)
        #expect(adapter.summary.epoch == golden.json["epoch"].flatMap { $0 == .null ? nil : $0.integer })
        try golden.compare(adapter, model, golden.pixels(model))

        try adapter.export(to: folder.path + "/own")
        #expect(try Adapter.inspect(path: folder.path + "/own").contentHash == adapter.summary.contentHash)
        let own = try Adapter.load(path: folder.path + "/own", model: model)
        #expect(own.summary.contentHash == adapter.summary.contentHash)
        #expect(own.summary.parameters == adapter.summary.parameters)
        #expect(own.summary.epoch == adapter.summary.epoch)
        try golden.compare(own, model, golden.pixels(model))
    }

    @Test func aSummaryTellsWhatWasTrained() throws {
        let maple = try Adapter.inspect(path: AdapterFileTests.files + "maple-words.pth.tar")
        #expect(maple.method == .maple && maple.epoch == 5)
        func tokens(_ of: AdapterSummary) -> [Int] { [of.visionPrompts, of.visionDepth, of.textPrompts, of.textDepth] }
        #expect(tokens(maple) == [2, 3, 2, 3])
        #expect(maple.parameters == 3 * (2 * 24 + 32 * 24 + 32))
        #expect(maple.shapes == "vision width 32, at least 3 blocks; text width 24")
        let vpt = try Adapter.inspect(path: AdapterFileTests.files + "vpt.pth.tar")
        #expect(tokens(vpt) == [3, 3, 0, 0])
        #expect(vpt.textHash != nil, "its one template is its own")
        let coop = try Adapter.inspect(path: AdapterFileTests.files + "coop-classes.pth.tar")
        #expect(coop.method == .coop && coop.contextClasses == 3 && coop.visionHash == nil)
        let cocoop = try Adapter.inspect(path: AdapterFileTests.files + "cocoop.pth.tar")
        #expect(cocoop.visionHash == nil && cocoop.textHash != nil)
        let lora = try Adapter.inspect(path: AdapterFileTests.files + "lora-attention")
        #expect(lora.visionHash != nil && lora.textHash == nil)
        #expect(lora.parameters == 3 * 2 * 2 * 4 * 32)
        let whole = try Adapter.inspect(path: AdapterFileTests.files + "finetuned-openai.pt")
        #expect(whole.visionHash != nil && whole.textHash != nil)
        #expect(whole.shapes == "vision width 32, 3 blocks")
        let tower = try Adapter.inspect(path: AdapterFileTests.files + "finetuned-open-clip.safetensors")
        #expect(tower.textHash == nil)
        #expect(tower.visionHash == whole.visionHash, "the same tower in a torch archive and in safetensors")
    }

    /// What has no effect (optimizer, epoch, the training classes' suffix, wrappers' prefixes) is not in the hash; what
    /// has one is.
    @Test func theHashIsThatOfTheEffect() throws {
        let golden = try AdapterCase("odd-coop-end")
        let folder = try TemporaryFolder()
        let plain = folder.path + "/plain.safetensors"
        try golden.write(plain)
        try golden.write(folder.path + "/wrapped.safetensors", prefix: "module.")
        let end = try Adapter.inspect(path: plain)
        #expect(try Adapter.inspect(path: folder.path + "/wrapped.safetensors").contentHash == end.contentHash)
        #expect(try Adapter.inspect(path: plain, classPosition: .front).contentHash != end.contentHash)
        try golden.write(folder.path + "/other.safetensors") { _, values in values[0] += 1e-3 }
        #expect(try Adapter.inspect(path: folder.path + "/other.safetensors").contentHash != end.contentHash)
    }

    @Test func whatAnAdapterLeavesAloneIsShared() throws {
        let folder = try TemporaryFolder()
        let model = try AdapterFileTests.model(folder)
        let base = AdaptedVision(tower: try model.vision())
        func adapter(_ file: String) throws -> Adapter {
            try Adapter.load(path: AdapterFileTests.files + file, model: model)
        }
        let maple = try adapter("maple-words.pth.tar")
        #expect(try maple.vision(model).tower === base.tower)
        #expect(maple.byteCount == 0)
        let coop = try adapter("coop.pth.tar")
        #expect(try coop.vision(model).tower === base.tower && coop.vision(model).layout == base.layout)

        let lora = try adapter("lora-attention")
        let first = try lora.vision(model)
        #expect(first.tower !== base.tower)
        #expect(first.embeddingIdentity == base.embeddingIdentity)
        #expect(try lora.vision(model).tower === first.tower, "packed once")
        // Queries, keys and values of three blocks.
        #expect(lora.byteCount >= 3 * 4 * (32 * 96 + 96) && lora.byteCount < base.tower.byteCount)
        #expect(first.tower.byteCount == base.tower.byteCount)
        lora.release()
        #expect(lora.byteCount == 0)

        let tuned = try adapter("finetuned-hf.safetensors")
        #expect(
            try tuned.vision(model).embeddingIdentity == base.embeddingIdentity, "its patch embedding is the base's")
        #expect(tuned.byteCount > lora.byteCount && tuned.byteCount < base.tower.byteCount)
        #expect(try adapter("finetuned-openai.pt").vision(model).embeddingIdentity != base.embeddingIdentity)
    }

    /// Loading reads what it must compare and packs nothing.
    @Test(arguments: prompts + weights) func loadingPacksNoTower(_ name: String) throws {
        let folder = try TemporaryFolder()
        let model = try AdapterFileTests.model(folder)
        _ = try Adapter.load(path: AdapterFileTests.path(try AdapterCase(name)), model: model)
        #expect(model.byteCount == 0)
    }

    /// Ours taken in steps gives the base's own numbers, to the bit.
    @Test func noPromptsChangeNothing() throws {
        let folder = try TemporaryFolder()
        let model = try AdapterFileTests.model(folder)
        let tower = try model.vision()
        let vision = AdaptedVision(tower: tower)
        // More images than are computed at once at five tokens.
        let batch = 350
        let pixels = SeededWeights(seed: 3).values("pixels", count: batch * 3 * 256, scale: 2)
        let hook = HookPoint(block: 1)
        var whole = [Float](repeating: 0, count: batch * 5 * 32)
        var steps = whole
        var stream = whole
        tower.run(pixels: pixels, batch: batch, to: hook, into: &whole)
        vision.begin(pixels: pixels, batch: batch, into: &stream)
        vision.start(stream, batch: batch, into: &steps)
        vision.run(&steps, batch: batch, blocks: 0..<1)
        vision.run(&steps, batch: batch, blocks: 1..<2)
        #expect(whole == steps)
        var a = [Float](repeating: 0, count: batch * 16)
        var b = a
        tower.finish(&whole, batch: batch, from: hook, into: &a)
        vision.finish(&steps, batch: batch, from: hook, into: &b)
        #expect(a == b)
    }
}
