// Reference: the bytes that numpy's own writer makes of the same arrays (npy.json, by
// tools/reference/concepts.py), and PKWARE's APPNOTE 6.3 through a reader written here for the test.

import Basics
import Concepts
import Foundation
import Store
import Testing

/// Reads a zip through its central directory, and checks local headers and descriptors against it.
private struct Zip {
    var members: [(name: String, data: [UInt8], crc: UInt32)] = []
    var usesZip64 = false

    init(_ bytes: [UInt8]) throws {
        func number(_ at: Int, _ size: Int) -> Int { (0..<size).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) } }
        let end = bytes.count - 22
        try #require(number(end, 4) == 0x0605_4B50)
        var count = number(end + 10, 2), at = number(end + 16, 4), size = number(end + 12, 4)
        if at == 0xFFFF_FFFF || number(end - 20, 4) == 0x0706_4B50 {
            let record = number(end - 20 + 8, 8)
            try #require(number(record, 4) == 0x0606_4B50)
            (count, size, at) = (number(record + 32, 8), number(record + 40, 8), number(record + 48, 8))
            usesZip64 = true
        }
        let start = at
        for _ in 0..<count {
            try #require(number(at, 4) == 0x0201_4B50)
            #expect(number(at + 10, 2) == 0, "stored")
            var packed = number(at + 20, 4), offset = number(at + 42, 4)
            let crc = UInt32(number(at + 16, 4)), nameLength = number(at + 28, 2), extra = number(at + 30, 2)
            let name = String(decoding: bytes[at + 46..<at + 46 + nameLength], as: UTF8.self)
            let wide = extra > 0
            if wide {
                try #require(number(at + 46 + nameLength, 2) == 1)
                (packed, offset) = (number(at + 46 + nameLength + 4, 8), number(at + 46 + nameLength + 20, 8))
                usesZip64 = true
            }
            try #require(number(offset, 4) == 0x0403_4B50 && number(offset + 6, 2) & 8 == 8)
            let data = offset + 30 + number(offset + 26, 2) + number(offset + 28, 2)
            // Where the sizes are wide, so is the descriptor, and the local header announces it.
            let announced = number(offset + 28, 2) > 0
            let descriptor = data + packed
            #expect(number(descriptor, 4) == 0x0807_4B50 && number(descriptor + 4, 4) == Int(crc))
            #expect(number(descriptor + 8, announced ? 8 : 4) == packed)
            members.append((name, Array(bytes[data..<descriptor]), crc))
            at += 46 + nameLength + extra
        }
        #expect(at == start + size)
    }
}

@Suite struct ExportTests {
    private struct Npy: Decodable { var hex: String; var crc: UInt32 }

    private func write(zip64From limit: Int = 0xFFFF_FFFF, _ body: (inout NPZWriter) throws -> Void) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var npz = NPZWriter(zip64From: limit) { bytes += $0 }
        try body(&npz)
        try npz.finish()
        return bytes
    }

    @Test(arguments: [0xFFFF_FFFF, 100]) func membersAreWhatNumpyWrites(zip64From: Int) throws {
        let golden = try GoldenFile.read("npy", as: [String: Npy].self)
        let zip = try Zip(
            try write(zip64From: zip64From) { npz in
                try npz.put("text", text: ["a", "héé😀", ""])
                try npz.put("empty", text: ["", ""])
                try npz.put(ArrayDescription("scalar", .int64, []), [197] as [Int64])
                try npz.put(ArrayDescription("bytes", .uint8, [3]), [0, 1, 2] as [UInt8])
                try npz.put(ArrayDescription("matrix", .float32, [2, 3]), [0, 1, 2, 3, 4, 5] as [Float])
                try npz.put(ArrayDescription("cube", .float32, [1, 2, 3]), [Float](repeating: 0, count: 6))
                try npz.put(ArrayDescription("ints", .int32, [2]), [1, -2] as [Int32])
                try npz.put(ArrayDescription("none", .int32, [0]), [] as [Int32])
            })
        #expect(zip.usesZip64 == (zip64From == 100))
        #expect(zip.members.count == golden.count)
        for member in zip.members {
            let expected = try #require(golden[String(member.name.dropLast(4))])
            #expect(member.data.map { String(format: "%02x", $0) }.joined() == expected.hex, "\(member.name)")
            #expect(member.crc == expected.crc, "\(member.name)")
        }
    }

    /// Keeps arrays apart, as a socket's client would.
    private struct Collector: ArraySink {
        var arrays: [(description: ArrayDescription, bytes: [UInt8])] = []
        mutating func begin(_ array: ArrayDescription) { arrays.append((array, [])) }
        mutating func write(_ bytes: UnsafeRawBufferPointer) { arrays[arrays.count - 1].bytes += bytes }

        func values<T: BitwiseCopyable>(_ name: String, _ type: T.Type) throws -> [T] {
            let bytes = try #require(arrays.first { $0.description.name == name }).bytes
            return bytes.withUnsafeBytes { raw in
                (0..<raw.count / MemoryLayout<T>.size).map { raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self) }
            }
        }

        func text(_ name: String) throws -> [String] {
            let array = try #require(arrays.first { $0.description.name == name })
            let width = array.description.type.byteCount / 4
            let points = try values(name, UInt32.self)
            return (0..<points.count / width).map { row in
                String(String.UnicodeScalarView(points[row * width..<(row + 1) * width].filter { $0 != 0 }.compactMap(Unicode.Scalar.init)))
            }
        }
    }

    @Test func exportHoldsTheSnapshotsInTheOrderAskedFor() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        let numbers = [33, 0, 7]
        var request = ExportRequest(view: store.view, images: numbers.map { store.images[$0] })
        request.head = (["cat", "dog"], { [$0[0], $0[0] + 1] })
        request.activations = true
        request.recompute = { image in (0..<32).map { Float(image.id.rawValue) + Float($0) / 64 } }
        var sink = Collector()
        try store.concepts.export(request, into: &sink)
        #expect(
            sink.arrays.map(\.description.name) == [
                "paths", "image_ids", "labels", "tokens_per_image", "token_kind", "indptr", "indices", "data", "shape",
                "activations", "logits", "classes",
            ])
        #expect(sink.arrays.allSatisfy { $0.bytes.count == $0.description.byteCount })
        #expect(try sink.text("paths") == numbers.map { "images/\(store.golden.labels[$0] ?? "none")/\($0).png" })
        #expect(try sink.text("image_ids") == numbers.map { GoldenStore.hash($0).hex })
        #expect(try sink.text("labels") == numbers.map { store.golden.labels[$0] ?? "" })
        #expect(try sink.values("tokens_per_image", Int64.self) == [8])
        #expect(try sink.values("token_kind", UInt8.self) == Array(repeating: [0, 1, 1, 1, 1, 1, 1, 2], count: 3).flatMap { $0 })
        #expect(try sink.values("shape", Int64.self) == [24, 12])
        let snapshots = numbers.map { store.golden.snapshot($0).latents }
        #expect(try sink.values("indices", Int32.self) == snapshots.flatMap { $0.indices.map(Int32.init) })
        #expect(try sink.values("data", Float.self) == snapshots.flatMap(\.values))
        let counts = snapshots.flatMap { rows in (0..<8).map { Int64(rows.range(of: $0).count) } }
        #expect(try sink.values("indptr", Int64.self) == counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) })
        #expect(try sink.values("logits", Float.self) == [33, 34, 0, 1, 7, 8])
        #expect(try sink.values("activations", Float.self)[32...33] == [1, 1 + 1 / 64])
        #expect(try sink.text("classes") == ["cat", "dog"])
    }

    @Test func anExportThatCannotBeWholeDoesNotBegin() throws {
        let folder = try TemporaryFolder()
        let store = try GoldenStore(folder.path)
        let new = try store.concepts.store.upsertPath(
            "images/new.png", file: FileStamp(size: 1, mtimeNanoseconds: 1, inode: 1),
            image: ImageFacts(hash: ContentHash(of: "new"), width: 1, height: 1, format: "png"), label: nil).image
        var sink = Collector()
        #expect(throws: ConceptsError.noSnapshot(image: "images/new.png", view: "m/base/s")) {
            try store.concepts.export(ExportRequest(view: store.view, images: [store.images[0], new]), into: &sink)
        }
        #expect(sink.arrays.isEmpty)
        var request = ExportRequest(view: store.view, images: [store.images[0]])
        request.isCancelled = { true }
        #expect(throws: CancellationError.self) { try store.concepts.export(request, into: &sink) }
    }
}
