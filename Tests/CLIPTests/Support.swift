// Golden outputs, model folders for one test, and how two arrays are compared.

import Basics
import CLIP
import Checkpoints
import Foundation
import Testing

enum Golden {
    static let folder = Bundle.module.bundlePath + "/Golden"
    /// The repository, for the embedded model.
    static let repository = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(
        separator: "/")

    static func json(_ name: String) throws -> JSON {
        let path = folder + "/" + name + ".json"
        return try JSON.parse(try readSmallFile(path), file: path)
    }
}

/// What tools/reference/clip.py wrote for one model.
struct ParityCase {
    struct Hook {
        let block: Int
        let maxAbs: Float
        /// One a token.
        let norms: [Float]
        let samples: [Float]
    }

    let config: CLIPConfig
    let seed: UInt64
    let batch: Int
    let dtype: DType
    let prompts: [[Int32]]
    let hooks: [Hook]
    let imageEmbeddings, textEmbeddings, logits: [Float]

    init(_ name: String) throws {
        let json = try Golden.json(name)
        let folder = try TemporaryFolder()
        let file = try folder.write("config.json", json["config"]!.text)
        config = try CLIPConfig(path: file)
        seed = UInt64(json["seed"]!.integer)
        batch = json["batch"]!.integer
        dtype = DType(rawValue: json["dtype"]!.string)!
        prompts = json["prompts"]!.elements.map { $0.elements.map { Int32($0.integer) } }
        hooks = ParityCase.hooks(json)
        imageEmbeddings = json["imageEmbeddings"]!.floats
        textEmbeddings = json["textEmbeddings"]!.floats
        logits = json["logits"]!.floats
    }

    static func hooks(_ json: JSON) -> [Hook] {
        json["hooks"]!.elements.map {
            Hook(
                block: $0["block"]!.integer, maxAbs: $0["maxAbs"]!.float, norms: $0["norms"]!.floats,
                samples: $0["samples"]!.floats)
        }
    }

    /// The values that clip.py keeps of an array of `count`.
    static func sampled(_ values: [Float]) -> [Float] { (0..<256).map { values[($0 * 7919 + 13) % values.count] } }
}

extension JSON {
    var integer: Int { if case .int(let value) = self { value } else { -1 } }
    var string: String { if case .string(let value) = self { value } else { "" } }
    var elements: [JSON] { if case .array(let value) = self { value } else { [] } }
    var float: Float {
        switch self {
        case .int(let value): Float(value)
        case .double(let value): Float(value)
        default: .nan
        }
    }
    var floats: [Float] { elements.map(\.float) }

    /// As JSON text again.
    var text: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .string(let value): quoted(value)
        case .array(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { quoted($0.key) + ":" + $0.value.text }.joined(separator: ",") + "}"
        }
    }
}

/// How far `found` is from `expected`: in the root mean square, and at its worst place, both relative.
struct Difference: CustomStringConvertible {
    let relativeL2, relativeMax: Double
    let worst: Int
    let found, expected: Float

    /// - Parameter scale: what the largest difference is compared with; default the largest expected magnitude.
    init(_ found: [Float], _ expected: [Float], scale: Float? = nil) {
        var square = 0.0
        var norm = 0.0
        var worst = 0
        for (index, (a, b)) in zip(found, expected).enumerated() {
            let d = Double(a) - Double(b)
            square += d * d
            norm += Double(b) * Double(b)
            if abs(a - b) > abs(found[worst] - expected[worst]) || (a - b).isNaN { worst = index }
        }
        let largest = scale ?? expected.map(abs).max() ?? 0
        relativeL2 = found.count == expected.count ? (square / norm).squareRoot() : .infinity
        relativeMax = Double(abs(found[worst] - expected[worst]) / largest)
        self.worst = worst
        self.found = found[worst]
        self.expected = expected[worst]
    }

    func isWithin(_ tolerance: Double) -> Bool { relativeL2 < tolerance && relativeMax < tolerance }

    var description: String {
        "relative L2 \(relativeL2), relative maximum \(relativeMax) at \(worst): \(found) for \(expected)"
    }
}

/// A folder that goes away with the test.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "saed-clip-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        let file = path + "/" + name
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }
}

/// The message of what a closure throws, with the folder's path left out.
func message(without folder: String, _ body: () throws -> Void) -> String {
    do {
        try body()
        return "nothing was thrown"
    } catch {
        return "\(error)".replacingOccurrences(of: folder + "/", with: "").replacingOccurrences(
            of: folder, with: "FOLDER")
    }
}

/// A model small enough to write in a test.
let smallConfig = CLIPConfig(
    vision: CLIPConfig.Vision(CLIPConfig.Tower(width: 48, layers: 3, heads: 3, mlp: 96), imageSize: 32, patch: 8),
    text: CLIPConfig.Text(
        CLIPConfig.Tower(width: 32, layers: 2, heads: 2, mlp: 64), vocabulary: 520, contextLength: 20, eosTokenID: 519),
    projection: 24)
