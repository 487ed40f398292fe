// Reference: the safetensors package; tools/reference/checkpoints.py made mixed.safetensors.

import Checkpoints
import Foundation
import Testing

@Suite struct SafetensorsTests {
    @Test func tensorsEqualWhatSafetensorsReads() throws {
        let file = try SafetensorsFile(path: Golden.path("mixed.safetensors"))
        for tensor in try Golden.tensors(of: "mixed.safetensors") {
            #expect(
                try file.tensor(tensor.name, shape: tensor.shape).map(\.bitPattern) == tensor.values.map(\.bitPattern),
                "\(tensor.name)")
        }
        #expect(file.metadata == ["format": "pt"])
        #expect(file.info("ids") == TensorInfo(shape: [4], dtype: .i64))
        #expect(file.names == ["W_enc", "brain", "double", "half", "ids", "scalar"])
    }

    /// Every f16 widens to the value that the compiler's own conversion gives.
    @Test func everyHalfWidensExactly() throws {
        let folder = try TemporaryFolder()
        let halves = (0...UInt16.max).map { Float16(bitPattern: $0) }
        let data: [UInt8] = halves.flatMap { (half: Float16) -> [UInt8] in
            [UInt8(half.bitPattern & 255), UInt8(half.bitPattern >> 8)]
        }
        let path = try folder.write(
            "all.safetensors", file(#"{"x":{"dtype":"F16","shape":[65536],"data_offsets":[0,131072]}}"#, data))
        let values = try SafetensorsFile(path: path).tensor("x", shape: [65536])
        let different = (0..<65536).first { i in
            let expected = Float(halves[i])
            return expected.isNaN ? !values[i].isNaN : values[i].bitPattern != expected.bitPattern
        }
        #expect(different == nil)
    }

    @Test(arguments: [DType.f32, .f16, .bf16])
    func whatIsWrittenIsReadBack(_ dtype: DType) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/written.safetensors"
        // Exact in all three types.
        let values: [Float] = [0, -0.5, 1, 1.5, -2, 240]
        try writeSafetensors(
            path,
            [
                SafetensorsTensor("a", shape: [2, 3], dtype: dtype, values: values),
                SafetensorsTensor("none", shape: [0, 3], dtype: dtype, values: []),
            ],
            metadata: ["made by": "a \"test\""])
        let file = try SafetensorsFile(path: path)
        #expect(try file.tensor("a", shape: [2, 3]) == values)
        #expect(file.info("none")?.shape == [0, 3])
        #expect(file.metadata == ["made by": "a \"test\""])
    }

    @Test func narrowingRoundsToNearestEven() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/rounded.safetensors"
        // Halfway between two bf16: 1 + 2^-8 goes down to 1 (even), 1 + 3 * 2^-8 up to 1 + 2^-6.
        let values: [Float] = [1.00390625, 1.01171875, -1.0039072, .nan]
        try writeSafetensors(path, [SafetensorsTensor("x", shape: [4], dtype: .bf16, values: values)])
        let read = try SafetensorsFile(path: path).tensor("x", shape: [4])
        let expected: [Float] = [1, 1.015625, -1.0078125]
        #expect(Array(read[..<3]) == expected)
        #expect(read[3].isNaN)
    }

    private func file(_ header: String, _ data: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + Array(header.utf8) + data
    }

    @Test(arguments: [
        (
            #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 4,
            " at byte 66: the file ends here, but its tensors end at byte 70; it was truncated"
        ),
        (#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 9, " at byte 70: 1 bytes follow the last tensor"),
        (
            #"{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8,
            ": tensor 'x' is [3] of f32, which its 8 bytes don't hold"
        ),
        (
            #"{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8,
            ": tensor 'x' starts at data byte 4, but the tensors before it end at 0"
        ),
        (
            #"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#,
            6,
            ": tensor 'y' starts at data byte 2, but the tensors before it end at 4"
        ),
        (
            #"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            8, ": tensor 'x' is named twice"
        ),
        (#"{"x":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}"#, 4, ": tensor 'x' has the unknown dtype 'F4'"),
        (#"{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, ": tensor 'x' has no valid shape"),
        (
            #"{"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#, 4,
            ": tensor 'x' has no valid shape"
        ),
        (
            #"{"x":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}"#, 4,
            ": tensor 'x' is [4611686018427387904] of f32, which its 4 bytes don't hold"
        ),
        (#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, ": tensor 'x' has no valid data_offsets"),
        (#"{"x":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, 4, ": tensor 'x' has no valid shape"),
        ("{\"x\":", 0, " at byte 13: the JSON ends early"),
        ("[1, 2]", 0, " at byte 8: the header must be a JSON object, not a list"),
        ("{\"x\" 1}", 0, " at byte 13: ':' was expected after JSON key 'x'"),
    ])
    func aWrongHeaderIsRefused(_ header: String, _ dataCount: Int, _ what: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("bad.safetensors", file(header, [UInt8](repeating: 0, count: dataCount)))
        #expect(message(without: folder.path) { _ = try SafetensorsFile(path: path) } == "'bad.safetensors'\(what)")
    }

    @Test func aHeaderLengthThatCantBeIsRefused() throws {
        let folder = try TemporaryFolder()
        let huge = try folder.write("huge.safetensors", [UInt8](repeating: 0xFF, count: 16))
        #expect(
            message(without: folder.path) { _ = try SafetensorsFile(path: huge) }
                == "'huge.safetensors' at byte 0: a header of 18446744073709551615 bytes is announced, at most 100000000 are allowed; this is no safetensors file"
        )
        let cut = try folder.write("cut.safetensors", [64, 0, 0, 0, 0, 0, 0, 0, 0x7B])
        #expect(
            message(without: folder.path) { _ = try SafetensorsFile(path: cut) }
                == "'cut.safetensors' at byte 9: the file ends inside its header of 64 bytes; it was truncated")
        let empty = try folder.write("empty.safetensors", [])
        #expect(
            message(without: folder.path) { _ = try SafetensorsFile(path: empty) }
                == "'empty.safetensors' at byte 0: a safetensors file has at least 8 bytes, this one 0")
    }

    @Test func nestingIsLimited() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("deep.safetensors", file(String(repeating: "[", count: 100_000), []))
        #expect(
            message(without: folder.path) { _ = try SafetensorsFile(path: path) }
                == "'deep.safetensors' at byte 72: JSON is nested more than 64 deep")
    }

    @Test func aFileCutAfterOpeningIsAnErrorNotASignal() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/cut.safetensors"
        try writeSafetensors(
            path, [SafetensorsTensor("x", shape: [100_000], values: [Float](repeating: 1, count: 100_000))])
        let file = try SafetensorsFile(path: path)
        #expect(truncate(path, 4096) == 0)
        #expect(
            message(without: folder.path) { _ = try file.tensor("x", shape: [100_000]) }
                == "'cut.safetensors' at byte 4096: the file ends here, 395976 bytes early; it was truncated")
    }

    @Test func aWeightThatIsNoNumberIsNamed() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/nan.safetensors"
        var values = [Float](repeating: 1, count: 10_000)
        values[8765] = .nan
        values[9000] = .infinity
        try writeSafetensors(path, [SafetensorsTensor("w", shape: [10_000], values: values)])
        #expect(
            message(without: folder.path) { _ = try SafetensorsFile(path: path).finiteTensor("w", shape: [10_000]) }
                == "'nan.safetensors': tensor 'w' has nan at index 8765; every weight must be a finite number")
    }

    @Test func shardsAreFoundByTheirIndex() throws {
        let folder = try TemporaryFolder()
        try writeSafetensors(folder.path + "/a.safetensors", [SafetensorsTensor("x", shape: [1], values: [1])])
        try writeSafetensors(folder.path + "/b.safetensors", [SafetensorsTensor("y", shape: [2], values: [2, 3])])
        _ = try folder.write(
            "model.safetensors.index.json",
            #"{"metadata": {"total_size": 12}, "weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}"#)
        let source = try openTensors(folder.path)
        #expect(source.names == ["x", "y"])
        #expect(try source.tensor("y", shape: [2]) == [2, 3])
        #expect(
            message(without: folder.path) { _ = try source.tensor("y", shape: [3]) }
                == "'b.safetensors': tensor 'y' is [2], its configuration says [3]")
    }

    @Test(arguments: [
        (
            #"{"weight_map": {"x": "../a.safetensors"}}"#,
            "'index.json': 'weight_map.x' is '../a.safetensors'; a shard must be a plain name beside the index"
        ),
        (
            #"{"weight_map": {"x": "/etc/passwd"}}"#,
            "'index.json': 'weight_map.x' is '/etc/passwd'; a shard must be a plain name beside the index"
        ),
        (#"{"weight_map": {"x": "none.safetensors"}}"#, "'none.safetensors' can't be read: No such file or directory"),
        (#"{"weight_map": {"z": "a.safetensors"}}"#, "'a.safetensors' has no tensor 'z'"),
        (#"{"weight_map": []}"#, "'index.json': 'weight_map' must be an object from tensor to file"),
        (#"{"weight_map": {"x": 3}}"#, "'index.json': 'weight_map.x' must be a file name, not 3"),
    ])
    func aWrongIndexIsRefused(_ index: String, _ what: String) throws {
        let folder = try TemporaryFolder()
        try writeSafetensors(folder.path + "/a.safetensors", [SafetensorsTensor("x", shape: [1], values: [1])])
        let path = try folder.write("index.json", index)
        #expect(message(without: folder.path) { _ = try ShardedSafetensors(index: path) } == what)
    }

    @Test func whatIsNoFileIsRefused() throws {
        let folder = try TemporaryFolder()
        #expect(
            message(without: folder.path) { _ = try openTensors(folder.path) }.hasSuffix(
                "it has no 'model.safetensors' and no 'model.safetensors.index.json'"))
        #expect(mkfifo(folder.path + "/pipe.pt", 0o600) == 0)
        #expect(
            message(without: folder.path) { _ = try openTensors(folder.path + "/pipe.pt") }
                == "'pipe.pt' can't be read: it is not a regular file")
        let text = try folder.write("text.pt", "hello")
        #expect(
            message(without: folder.path) { _ = try openTensors(text) }
                == "'text.pt': this is neither a torch archive (zip) nor safetensors")
    }
}
