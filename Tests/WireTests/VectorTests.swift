// protocol/vectors: what this side makes of every vector is what the file says, whole and byte by byte, and the
// messages in it are those that Python's protobuf wrote.

import Basics
import Foundation
import Programs
import SwiftProtobuf
import Testing
import Wire

struct Vector: Decodable, Sendable, CustomTestStringConvertible {
    struct Delivered: Decodable, Sendable {
        let kind: String
        let request: UInt32
        let length: Int
        let sha256: String
        let message: String?
    }

    let file: String
    let receiver: String
    let about: String
    let frames: [Delivered]
    let error: String?

    var testDescription: String { "\(file): \(about)" }

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("protocol/vectors")

    static func all() throws -> [Vector] {
        try JSONDecoder().decode([Vector].self, from: Data(contentsOf: folder.appendingPathComponent("vectors.json")))
    }

    func bytes() throws -> [UInt8] { [UInt8](try Data(contentsOf: Vector.folder.appendingPathComponent(file))) }
}

@Suite struct VectorTests {
    static let types: [any Message.Type] = [
        Saed_Hello.self, Saed_Welcome.self, Saed_Request.self, Saed_Reply.self, Saed_Progress.self, Saed_Error.self,
    ]

    @Test(arguments: try Vector.all(), [1, 7, Int.max])
    func everyVectorIsUnderstoodAsTheFileSays(_ vector: Vector, step: Int) throws {
        var parser = FrameParser(receiver: vector.receiver == "daemon" ? .daemon : .client)
        var frames: [Frame] = []
        var failure: FrameError?
        let bytes = try vector.bytes()
        do throws(FrameError) {
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + min(step, bytes.count))
                try parser.feed(bytes[start..<end]) { (frame) throws(FrameError) in frames.append(frame) }
                start = end
            }
            try parser.finish()
        } catch {
            failure = error
        }
        #expect(failure.map { WireFailure($0).code.vectorName } == vector.error)
        #expect(frames.map(\.kind.name) == vector.frames.map(\.kind))
        #expect(frames.map(\.request) == vector.frames.map(\.request))
        #expect(frames.map(\.payload.count) == vector.frames.map(\.length))
        #expect(frames.map { ContentHash(of: $0.payload).hex } == vector.frames.map(\.sha256))
    }

    @Test(arguments: try Vector.all())
    func messagesReadAsPythonWroteThem(_ vector: Vector) throws {
        let json = try #require(
            JSONSerialization.jsonObject(with: Data(contentsOf: Vector.folder.appendingPathComponent("vectors.json"))) as? [[String: Any]])
        let entry = try #require(json.first { $0["file"] as? String == vector.file })
        let expected = try #require(entry["frames"] as? [[String: Any]])
        var parser = FrameParser(receiver: vector.receiver == "daemon" ? .daemon : .client)
        var frames: [Frame] = []
        try? parser.feed(vector.bytes()[...]) { (frame) throws(FrameError) in frames.append(frame) }
        for (frame, expected) in zip(frames, expected) {
            guard let name = expected["message"] as? String, let object = expected["json"] else { continue }
            let type = try #require(VectorTests.types.first { $0.protoMessageName == "saed." + name })
            let text = try JSONSerialization.data(withJSONObject: object)
            let wanted = try type.init(jsonUTF8Bytes: [UInt8](text))
            let got = try type.init(serializedBytes: frame.payload)
            #expect(got.isEqualTo(message: wanted))
            // Fields in order, no unknown ones: written again it is the same bytes.
            #expect(try got.serializedBytes() as [UInt8] == frame.payload)
        }
    }

    /// The example client reads every vector as the file says, and the files are what their script writes.
    @Test(
        .enabled(if: ProcessInfo.processInfo.environment["SAED_TEST_PYTHON"] != nil, "SAED_TEST_PYTHON names no Python with protobuf"),
        arguments: [["../examples/saed_client.py", "--vectors", "."], ["make.py", "--check"]])
    func pythonAgrees(_ arguments: [String]) async throws {
        let path = try #require(ProcessInfo.processInfo.environment["SAED_TEST_PYTHON"])
        let python = try await onThread { try Program.run(path, arguments, in: Vector.folder.path) }
        let count = try Vector.all().count
        #expect(python.status == 0 && python.output.hasPrefix("\(count) vectors"), "\(python)")
    }

    @Test func thereAreGoodAndBadVectors() throws {
        let vectors = try Vector.all()
        #expect(vectors.count { $0.error == nil } >= 10 && vectors.count { $0.error != nil } >= 15)
    }
}

extension Saed_ErrorCode {
    /// As vectors.json has it: the enum's name without its prefix, in lower case.
    var vectorName: String {
        switch self {
        case .invalidArgument: "invalid_argument"
        case .unsupported: "unsupported"
        case .tooLarge: "too_large"
        default: "\(self)"
        }
    }
}
