// Reference: numpy.savez; tools/reference/npz.py wrote Golden/arrays.npz. The .npy inside are the same bytes.

import Foundation
import SaectlKit
import Testing

@Suite struct NpzTests {
    private func write(to path: String, plainMax: Int = 0xFFFF_FFFE) throws {
        var npz = try NpzWriter(path: path, plainMax: plainMax)
        try npz.add("u8", .u8, shape: [5], [UInt8](0..<5))
        try npz.add("i32", .i32, shape: [2, 3], [1, -2, 3, 4, 5, -6] as [Int32])
        try npz.add("i64", .i64, shape: [3], [0, 1 << 40, -1] as [Int64])
        let spool = open(path + ".spool", O_RDWR | O_CREAT, 0o600)
        defer { close(spool) }
        let floats: [Float] = [0.5, -1.25, 3.0e38, Float(bitPattern: 1)]  // the last is numpy's 1.0e-45
        #expect(floats.withUnsafeBytes { Foundation.write(spool, $0.baseAddress, $0.count) } == 16)
        try npz.add("f32", .f32, shape: [2, 1, 2], file: spool)
        unlink(path + ".spool")
        try npz.add("f64", .f64, shape: [0], [] as [Double])
        try npz.add("empty", .f32, shape: [0, 7], [] as [Float])
        try npz.add("texts", texts: ["zebra/1.jpg", "", "zèbre", "縞馬\u{1F993}"])
        #expect(!FileManager.default.fileExists(atPath: path))
        try npz.finish()
    }

    @Test func everyEntryIsWhatNumpyWrites() throws {
        let folder = try TemporaryFolder()
        try write(to: folder.path + "/x.npz")
        let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/arrays.npz")
        let ours = try Zip(folder.read("x.npz")), numpys = try Zip([UInt8](Data(contentsOf: golden)))
        #expect(ours.entries.map(\.name) == numpys.entries.map(\.name))
        for (our, numpys) in zip(ours.entries, numpys.entries) { #expect(our.data == numpys.data, "\(our.name)") }
        #expect(folder.listing == ["x.npz"])
    }

    /// Files above 4 GiB, at a size that a test can write.
    @Test func zip64FieldsAreThereWhereTheyAreNeeded() throws {
        let folder = try TemporaryFolder()
        try write(to: folder.path + "/small.npz")
        let small = try Zip(folder.read("small.npz"))
        for plainMax in [0, 140, 300, 700] {
            try write(to: folder.path + "/x.npz", plainMax: plainMax)
            let bytes = try folder.read("x.npz")
            #expect(try Zip(bytes).entries.map(\.data) == small.entries.map(\.data), "above \(plainMax)")
            unlink(folder.path + "/x.npz")
        }
    }

    @Test func whatIsNotFinishedLeavesNothing() throws {
        let folder = try TemporaryFolder()
        do {
            var npz = try NpzWriter(path: folder.path + "/x.npz")
            try npz.add("a", .u8, shape: [1], [1 as UInt8])
        }
        #expect(folder.listing == [])
        #expect(throws: OutputError.self) {
            var npz = try NpzWriter(path: folder.path + "/none/x.npz")
            try npz.finish()
        }
    }

    @Test func checksumsAreZips() {
        #expect(crc32(Array("123456789".utf8)) == 0xCBF4_3926)  // the check value of the CRC catalogue
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 / 13) }
        for cut in [0, 1, 7, 8, 9, 500, 1000] {
            #expect(crc32(Array(bytes[cut...]), continuing: crc32(Array(bytes[..<cut]))) == Zip.crc(bytes))
        }
    }
}
