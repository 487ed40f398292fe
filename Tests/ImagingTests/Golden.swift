// The golden files that tools/reference/imaging.py wrote with Pillow and transformers, and comparisons with them that
// say where the largest difference is.

import CZlib
import Foundation
import Imaging
import Testing

struct Golden: Decodable, Sendable {
    struct Picture: Decodable, Sendable {
        let width, height: Int
        let crc: UInt32
        /// zlib, base64; only small ones.
        let pixels: String?
    }

    struct Tensor: Decodable, Sendable {
        let shape: [Int]
        let crc: UInt32
    }

    struct Entry: Decodable, Sendable {
        let rgb, oriented: Picture
        let crops: [String: Picture]
        let tensors: [String: Tensor]
    }

    struct Mask: Decodable, Sendable {
        let side, grid: Int
        let values: [Float]
        let crc: UInt32
    }

    struct Refusal: Decodable, Sendable {
        let error: String
    }

    /// [width, height, new width, new height, filter, CRC-32]
    let resizes: [[Int]]
    let masks: [Mask]
    let images: [String: Entry]
    let bad: [String: Refusal]

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Golden")
    /// A missing or broken file must stop the tests, not make them pass over nothing.
    static let all: Golden = {
        do {
            return try JSONDecoder().decode(Golden.self, from: json)
        } catch {
            preconditionFailure("\(folder.path)/imaging.json: \(error); run tools/reference/imaging.py")
        }
    }()
    static let json = (try? Data(contentsOf: folder.appendingPathComponent("imaging.json"))) ?? Data()
    static let imageNames = all.images.keys.sorted()
    static let badNames = all.bad.keys.sorted()

    /// `configs` or `tensor_configs`: name to preprocessor_config.json.
    static func configs(_ key: String) throws -> [String: PreprocessConfig] {
        let whole = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
        let configs = try #require(whole[key] as? [String: [String: Any]])
        return try configs.mapValues { try PreprocessConfig(json: JSONSerialization.data(withJSONObject: $0)) }
    }

    static func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: folder.appendingPathComponent(name)))
    }

    static func decode(_ name: String, _ options: DecodeOptions = DecodeOptions()) throws -> RGBImage {
        try decodeImage(bytes(name), options: options)
    }
}

func crc<Value: BitwiseCopyable>(_ values: [Value]) -> UInt32 {
    values.withUnsafeBytes {
        UInt32(truncatingIfNeeded: crc32_z(0, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count))
    }
}

/// Expects `image` to equal the golden one; says where and by how much it differs, where the golden pixels are known.
func expectEqual(
    _ image: RGBImage, _ golden: Golden.Picture, _ what: String, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    #expect(
        image.width == golden.width && image.height == golden.height,
        "\(what): \(image.width) x \(image.height), should be \(golden.width) x \(golden.height)",
        sourceLocation: sourceLocation)
    guard crc(image.pixels) != golden.crc else { return }
    var place = "(pixels not recorded)"
    if let text = golden.pixels, image.width == golden.width, image.height == golden.height {
        let compressed = try #require(Data(base64Encoded: text))
        var expected = [UInt8](repeating: 0, count: image.pixels.count)
        var count = uLong(expected.count)
        let status = compressed.withUnsafeBytes {
            uncompress(&expected, &count, $0.bindMemory(to: UInt8.self).baseAddress, uLong($0.count))
        }
        #expect(status == Z_OK)
        place = largestDifference(image.pixels, expected, width: image.width)
    }
    Issue.record("\(what): not Pillow's pixels: \(place)", sourceLocation: sourceLocation)
}

func largestDifference(_ found: [UInt8], _ expected: [UInt8], width: Int) -> String {
    let differences = zip(found, expected).map { abs(Int($0) - Int($1)) }
    guard let largest = differences.max(), largest > 0, let at = differences.firstIndex(of: largest) else {
        return "no difference"
    }
    return "largest difference \(largest) at x \(at / 3 % width), y \(at / 3 / width), channel \(at % 3): "
        + "\(found[at]), should be \(expected[at]); \(differences.filter { $0 > 0 }.count) of \(found.count) differ"
}

/// SplitMix64: the same numbers on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// The image that imaging.py's `pattern` makes.
func patternImage(width: Int, height: Int) -> RGBImage {
    let pixels = (0..<width * height * 3).map { i in
        let x = i / 3 % width, y = i / 3 / width
        return UInt8((x * 7 + y * 13 + i % 3 * 29 + x * y % 251 * 3 + (x / 3 + y / 2) % 2 * 90) % 256)
    }
    return RGBImage(width: width, height: height, pixels: pixels)
}

/// Noise with some structure, `[height, width, 3]`.
func randomImage(width: Int, height: Int, _ generator: inout SeededGenerator) -> RGBImage {
    let pixels = (0..<width * height * 3).map { i in
        let x = i / 3 % width, y = i / 3 / width
        return (x / 3 + y / 2) % 4 == 0
            ? UInt8(truncatingIfNeeded: x * 7) : UInt8.random(in: 0...255, using: &generator)
    }
    return RGBImage(width: width, height: height, pixels: pixels)
}
