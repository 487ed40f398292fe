// Golden files, and files made for one test.

import Checkpoints
import Foundation
import Testing

enum Golden {
    static let folder = Bundle.module.bundlePath + "/Golden"

    static func path(_ name: String) -> String { folder + "/" + name }

    struct Tensor {
        let name: String
        let shape: [Int]
        let values: [Float]
    }

    /// What torch read back from a file, from expected.json.
    static func tensors(of file: String) throws -> [Tensor] {
        let json = try JSON.parse(try readSmallFile(path("expected.json")), file: "expected.json")
        guard case .object(let members)? = json[file] else { throw TestFailure("expected.json has no '\(file)'") }
        return try members.map { member in
            guard case .array(let shape)? = member.value["shape"], case .array(let values)? = member.value["values"]
            else {
                throw TestFailure("expected.json: '\(member.key)'")
            }
            return Tensor(
                name: member.key, shape: try shape.map { Int(try number($0)) },
                values: try values.map { Float(try number($0)) })
        }
    }

    private static func number(_ json: JSON) throws -> Double {
        switch json {
        case .int(let value): Double(value)
        case .double(let value): value
        default: throw TestFailure("a number was expected")
        }
    }
}

struct TestFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A folder that goes away with the test.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "saed-checkpoints-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = path + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }

    func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }
}

/// The message of what a closure throws, with the folder's path left out.
func message(without folder: String, _ body: () throws -> Void) -> String {
    do {
        try body()
        return "nothing was thrown"
    } catch {
        return "\(error)".replacingOccurrences(of: folder + "/", with: "")
    }
}
