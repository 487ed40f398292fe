// What tests drop: small images that differ, a model and SAEs from a seed. Everything is made from numbers given
// here, so that a failing test fails again.

import Basics
import CLIP
import Checkpoints
import Foundation
import Imaging
import Testing

/// Small images, each of its own content.
enum Picture {
    /// 48 x 40 blocks and stripes.
    static func png(_ seed: Int, width: Int = 48, height: Int = 40) -> Data {
        var generator = SplitMix(UInt64(bitPattern: Int64(seed)) &* 0x9E37_79B9 &+ 1)
        let colours = (0..<6).map { _ in [UInt8.random(in: 0...255, using: &generator), .random(in: 0...255, using: &generator), .random(in: 0...255, using: &generator)] }
        let step = Int.random(in: 3...9, using: &generator), lean = Int.random(in: 1...5, using: &generator)
        var pixels: [UInt8] = []
        pixels.reserveCapacity(width * height * 3)
        for y in 0..<height { for x in 0..<width { pixels += colours[((x + lean * (y / step)) / step) % 6] } }
        return Data(encodePNG(RGBImage(width: width, height: height, pixels: pixels)))
    }

    /// A JPEG of 48 x 40 or so whose content differs by a comment.
    static func jpeg(_ seed: Int) throws -> Data {
        let base = try Data(contentsOf: Place.golden("ImagingTests/Golden/jpeg_420.jpg"))
        let comment = Array("picture \(seed)".utf8)
        return base.prefix(2) + Data([0xFF, 0xFE, 0, UInt8(comment.count + 2)] + comment) + base.dropFirst(2)
    }

    /// Says that it is 60,000 x 60,000 pixels: 10 GiB of RGB from some hundred bytes.
    static func bomb() -> Data {
        var data = png(1)
        // IHDR's width and height, and its checksum.
        data.replaceSubrange(16..<24, with: [0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60])
        let sum = crc32(Array(data[12..<29]))
        data.replaceSubrange(29..<33, with: (0..<4).map { UInt8(truncatingIfNeeded: sum >> (24 - 8 * $0)) })
        return data
    }

    private static func crc32(_ bytes: [UInt8]) -> UInt32 {
        var sum = ~UInt32(0)
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? (sum >> 1) ^ 0xEDB8_8320 : sum >> 1 }
        }
        return ~sum
    }
}

/// Steele and others' SplitMix64: a seed is a sequence.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// A seeded CLIP of some 100 kB.
struct TinyModel {
    var width = 32
    var seed: UInt64 = 1
    var layers = 2
    var imageSize = 32

    var config: CLIPConfig {
        CLIPConfig(
            vision: .init(.init(width: width, layers: layers, heads: 2, mlp: 2 * width), imageSize: imageSize, patch: 8),
            text: .init(.init(width: 32, layers: 1, heads: 2, mlp: 64), vocabulary: 520, contextLength: 16, eosTokenID: 519),
            projection: 16)
    }

    /// Writes it below `folder` and returns where.
    @discardableResult
    func write(
        _ name: String, in folder: URL, skipping: Set<String> = [],
        changing: (@Sendable (String, UnsafeMutableBufferPointer<Float>) -> Void)? = nil
    ) throws -> URL {
        let place = folder.appendingPathComponent(name)
        try SeededCLIP(config, seed: seed).write(to: place.path, skipping: skipping, changing: changing)
        return place
    }
}

/// An SAE of random weights, some tenth of its latents active, in SAELens' layout.
struct TinySAE {
    var width = 32
    var latents = 96
    var seed: UInt64 = 7
    var model: String? = "tiny"
    var block = 0

    @discardableResult
    func write(_ name: String, in folder: URL, changing: (String, inout [Float]) -> Void = { _, _ in }) throws -> URL {
        let place = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        var generator = SplitMix(seed)
        func values(_ name: String, _ count: Int, _ range: ClosedRange<Float>) -> [Float] {
            var values = (0..<count).map { _ in Float.random(in: range, using: &generator) }
            changing(name, &values)
            return values
        }
        try writeSafetensors(
            place.appendingPathComponent("sae_weights.safetensors").path,
            [
                SafetensorsTensor("W_enc", shape: [width, latents], values: values("W_enc", width * latents, -0.3...0.3)),
                SafetensorsTensor("b_enc", shape: [latents], values: values("b_enc", latents, -2 ... -0.5)),
                SafetensorsTensor("W_dec", shape: [latents, width], values: values("W_dec", width * latents, -0.3...0.3)),
                SafetensorsTensor("b_dec", shape: [width], values: values("b_dec", width, -0.1...0.1)),
            ])
        let named = model.map { "\"model_name\": \"\($0)\", " } ?? ""
        let text = """
            {"d_in": \(width), "d_sae": \(latents), "dtype": "float32", "apply_b_dec_to_input": true, \
            "normalize_activations": "none", "architecture": "standard", \
            "metadata": {\(named)"hook_name": "blocks.\(block).hook_resid_post"}}
            """
        try Data(text.utf8).write(to: place.appendingPathComponent("cfg.json"))
        return place
    }
}

extension Rig {
    /// What most tests start from: no embedded model, quick settling.
    static let quick = """
        [models]
        embedded = false
        [watch]
        settle = "100ms"
        [compute]
        threads = 1

        """

    /// A daemon with the model 'tiny' and the SAE 'plain' on it.
    static func tiny(
        configuration: String = quick, environment: [String: String] = [:], model: TinyModel = TinyModel(), location: SourceLocation = #_sourceLocation
    ) throws -> Rig {
        let rig = try Rig(configuration: configuration, environment: environment)
        try rig.addTiny(model, location: location)
        return rig
    }

    func addTiny(_ model: TinyModel = TinyModel(), sae: TinySAE = TinySAE(), location: SourceLocation = #_sourceLocation) throws {
        try saectl("model", "add", model.write("tiny", in: source).path, "--name", "tiny", location: location)
        try saectl("sae", "add", sae.write("plain", in: source).path, "--model", "tiny", "--name", "plain", location: location)
    }

    /// Where material lies that was not dropped yet.
    var source: URL { root.appendingPathComponent("source") }

    /// Writes content under a hidden name and renames it: what `mv` into the folder looks like.
    @discardableResult
    func put(_ content: Data, _ path: String) throws -> URL {
        let target = drop.appendingPathComponent(path)
        let folder = target.deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let partial = folder.appendingPathComponent(".\(target.lastPathComponent).part")
        try content.write(to: partial)
        guard rename(partial.path, target.path) == 0 else { throw Trouble("rename to \(target.path): \(String(cString: strerror(errno)))") }
        return target
    }

    /// As `put`, of a file that was last written long ago: nothing waits for more of it to come.
    @discardableResult
    func putOld(_ content: Data, _ path: String) throws -> URL {
        let file = root.appendingPathComponent("old-\(UUID().uuidString)")
        try content.write(to: file)
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -3600)], ofItemAtPath: file.path)
        let target = drop.appendingPathComponent(path)
        try FileManager.default.createDirectory(at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        guard rename(file.path, target.path) == 0 else { throw Trouble("rename to \(target.path): \(String(cString: strerror(errno)))") }
        return target
    }
}

struct Trouble: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
