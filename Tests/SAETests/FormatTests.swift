// Files as their own projects write them (tools/reference/sae.py: torch.save as PatchSAE does it, sae_lens itself),
// and what is refused. Reference of the answers: numpy in f64.

import Basics
import Checkpoints
import Foundation
import SAE
import Testing

private let golden = GoldenSAE.shared

@Suite struct FormatTests {
    private func path(_ name: String) -> String { GoldenSAE.folder + "/" + name }
    private let x = golden.inputs("small", rows: 9, width: 7)

    @Test(arguments: ["patchsae.pt", "saelens6", "saelens6_plain", "saelens5"])
    func answersMatchTheF64Reference(_ name: String) throws {
        let expected = try #require(golden.files[name])
        let sae = try SparseAutoencoder.load(path: path(name))
        let z = sae.encode(x, rows: 9)
        expected.latents.expect(z)

        var xHat = [Float](repeating: .nan, count: x.count)
        try sae.decode(z, into: &xHat)
        for (index, pair) in zip(xHat, expected.reconstruction).enumerated() {
            #expect(abs(Double(pair.0) - pair.1) <= 1e-5, "component \(index)")
        }

        var quality = ReconstructionQuality(width: 7)
        // In two parts: summaries must not depend on how rows arrive.
        x.withUnsafeBufferPointer { x in
            xHat.withUnsafeBufferPointer { xHat in
                quality.add(x.baseAddress!, reconstruction: xHat.baseAddress!, latents: z.slice(rows: 0..<4))
                quality.add(x.baseAddress! + 28, reconstruction: xHat.baseAddress! + 28, latents: z.slice(rows: 4..<9))
            }
        }
        #expect(abs(quality.explainedVariance - expected.explainedVariance) <= 1e-5)
        #expect(abs(quality.explainedVarianceAboutZero - expected.explainedVarianceAboutZero) <= 1e-5)
        #expect(quality.l0 == Double(z.count) / 9)
    }

    @Test func configurationsAreRead() throws {
        let patch = try SparseAutoencoder.inspect(path: path("patchsae.pt"))
        #expect(patch.format == .patchSAE && patch.storedAs == .f32)
        #expect(patch.config == SAEConfig(width: 7, latents: 53, hook: SAEHook(block: -2), modelName: "openai/clip-vit-base-patch16"))
        let six = try SparseAutoencoder.inspect(path: path("saelens6"))
        #expect(six.format == .saeLens)
        #expect(six.config == SAEConfig(width: 7, latents: 53, hook: SAEHook(block: 3), modelName: "scenes"))
        #expect(try SparseAutoencoder.inspect(path: path("saelens6_plain")).config.subtractDecoderBias == false)
        let five = try SparseAutoencoder.inspect(path: path("saelens5"))
        #expect(five.config.hook == SAEHook(block: 2) && five.storedAs == .f16)
        #expect(Set([patch, six, five].map(\.contentHash)).count == 3)
    }

    @Test func aHookIsBoundToAModel() throws {
        let config = SAEConfig(width: 768, latents: 10, hook: SAEHook(block: -2))
        func hook(_ config: SAEConfig, width: Int = 768, layers: Int = 12, override: HookPoint? = nil) throws(SAEError) -> HookPoint {
            try config.hook(inModel: "b16", width: width, layers: layers, override: override, path: "s.pt")
        }
        #expect(try hook(config) == HookPoint(block: 10))
        #expect(try hook(config, override: HookPoint(block: 4)) == HookPoint(block: 4))
        #expect(message { try hook(config, width: 512) }
            == "'s.pt' is for activations of width 768, model 'b16' has 512; add it to the model it was trained on (--model)")
        #expect(message { try hook(config, layers: 1) }
            == "'s.pt' belongs to blocks.-2.resid_post, but model 'b16' has 1 blocks (0 to 0); give another with --hook blocks.L.resid_post")
        #expect(message { try hook(SAEConfig(width: 768, latents: 10, hook: nil)) }
            == "'s.pt' does not say which hook it belongs to; give it with --hook blocks.L.resid_post")
        #expect(try SparseAutoencoder.load(path: path("patchsae.pt"), hook: HookPoint(block: 1)).config.hook == SAEHook(block: 1))
    }

    @Test(arguments: ["gated", "jumprelu", "topk"])
    func otherArchitecturesAreRefusedByName(_ name: String) {
        #expect(message { try SparseAutoencoder.load(path: path(name)) }
            == "'\(path(name))/cfg.json' is an SAE of architecture '\(name)'; supported is 'standard' (ReLU)")
    }

    /// One changed line of sae_lens' own configuration each; the message names the setting.
    @Test(arguments: [
        ("\"normalize_activations\": \"none\"", "\"normalize_activations\": \"layer_norm\"", "has 'normalize_activations': \"layer_norm\", which saed does not compute; supported is \"none\""),
        ("\"normalize_activations\": \"none\"", "\"normalize_activations\": true", "has 'normalize_activations': true"),
        ("\"reshape_activations\": \"none\"", "\"reshape_activations\": \"hook_z\"", "has 'reshape_activations': \"hook_z\""),
        ("\"architecture\": \"standard\"", "\"architecture\": \"standard\", \"activation_fn_str\": \"topk\"", "is an SAE of architecture 'topk'"),
        ("\"architecture\": \"standard\"", "\"architecture\": \"matryoshka_transcoder\"", "is an SAE of architecture 'matryoshka_transcoder'"),
        ("blocks.3.hook_resid_post", "blocks.3.hook_mlp_out", "belongs to the hook 'blocks.3.hook_mlp_out'"),
        ("\"d_in\": 7", "\"d_in\": 8", "tensor 'W_enc' is [7, 53], its configuration says [8, 53]"),
        ("\"d_in\": 7, ", "", "'d_in' is missing"),
        ("\"apply_b_dec_to_input\": true", "\"apply_b_dec_to_input\": \"yes\"", "'apply_b_dec_to_input' must be true or false"),
        ("{\"d_in\"", "{\"d_in", "at byte"),
    ])
    func settingsThatWouldChangeTheNumbersAreRefused(_ old: String, _ new: String, _ part: String) throws {
        let folder = try Scratch()
        try folder.copy(path("saelens6/sae_weights.safetensors"))
        let cfg = try String(contentsOfFile: path("saelens6/cfg.json"), encoding: .utf8)
        #expect(cfg.contains(old))
        try folder.write("cfg.json", Data(cfg.replacingOccurrences(of: old, with: new).utf8))
        let text = message { try SparseAutoencoder.load(path: folder.path) }
        #expect(text.contains(part), "\(text)")
        #expect(message { _ = try SparseAutoencoder.inspect(path: folder.path) } == text)
    }

    @Test func aWeightThatIsNoNumberIsRefused() throws {
        for (name, place) in [("W_enc", 5), ("b_enc", 52), ("W_dec", 0), ("b_dec", 6)] {
            let folder = try Scratch()
            try folder.copy(path("saelens6/cfg.json"))
            let source = try SafetensorsFile(path: path("saelens6/sae_weights.safetensors"))
            let tensors = try source.names.map { tensor in
                let shape = source.info(tensor)!.shape
                var values = try source.tensor(tensor, shape: shape)
                if tensor == name { values[place] = .nan }
                return SafetensorsTensor(tensor, shape: shape, values: values)
            }
            try writeSafetensors(folder.path + "/sae_weights.safetensors", tensors)
            let text = message { _ = try SparseAutoencoder.inspect(path: folder.path) }
            #expect(text.contains("tensor '\(name)' has nan at index \(place)"), "\(text)")
        }
    }

    @Test func whatIsNoSAESaysSo() throws {
        #expect(message { try SparseAutoencoder.load(path: path("nowhere.pt")) }
            == "'\(path("nowhere.pt"))' can't be read: no such file or folder")
        let folder = try Scratch()
        #expect(message { try SparseAutoencoder.load(path: folder.path) }
            == "'\(folder.path)' is no SAE that saed reads: the folder has no 'cfg.json'; it reads PatchSAE's '.pt' and SAELens' folder ('cfg.json' with 'sae_weights.safetensors')")
        try folder.copy(path("saelens6/cfg.json"))
        #expect(message { try SparseAutoencoder.load(path: folder.path) }.contains("the folder has no 'sae_weights.safetensors'"))
        let pt = try Data(contentsOf: URL(fileURLWithPath: path("patchsae.pt")))
        try folder.write("short.pt", pt.prefix(pt.count - 100))
        #expect(throws: SAEError.self) { try SparseAutoencoder.load(path: folder.path + "/short.pt") }
    }

    private func message(_ body: () throws -> some Any) -> String {
        do {
            _ = try body()
            return "no error"
        } catch { return "\(error)" }
    }
}

/// A folder for one test.
private final class Scratch {
    let path = NSTemporaryDirectory() + "saetests-" + UUID().uuidString

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ data: Data) throws { try data.write(to: URL(fileURLWithPath: path + "/" + name)) }
    func copy(_ file: String) throws {
        try FileManager.default.copyItem(atPath: file, toPath: path + "/" + (file as NSString).lastPathComponent)
    }
}
