// An export's pieces as a daemon streams them, and what numpy finds in the file.

import Foundation
import Programs
import SaectlKit
import Testing
import Wire

@Suite struct ExportFileTests {
    private static let pythonHasScipy: Bool = {
        guard let path = ProcessInfo.processInfo.environment["SAED_TEST_PYTHON"] else { return false }
        return (try? Program.run(path, ["-c", "import numpy, scipy.sparse"]).status) == 0
    }()

    /// Two images of three tokens; arrays come image by image, in turns.
    private func pieces(latents: UInt32 = 8, drop: String? = nil) -> [ReplyPiece] {
        var reply = Saed_Reply()
        reply.export.header = .with {
            $0.latents = latents
            $0.images = 2
            $0.classes = ["zebra", "horse"]
        }
        var pieces: [ReplyPiece] = [.part(reply)]
        var headers: [String: Saed_ArrayHeader] = [:]
        for (number, (name, type, shape)) in [
            ("tokens_per_image", Saed_DType.i64, [0] as [UInt64]), ("token_kind", .u8, [0]), ("indptr", .i64, [0]), ("indices", .i32, [0]),
            ("data", .f32, [0]), ("logits", .f32, [0, 2]),
        ].enumerated() where name != drop {
            headers[name] = .with {
                $0.number = UInt32(number)
                $0.name = name
                $0.dtype = type
                $0.shape = shape
                $0.growing = true
            }
            pieces.append(.array(headers[name]!))
        }
        func chunk<T: BitwiseCopyable>(_ name: String, _ values: [T]) {
            guard let header = headers[name] else { return }
            pieces.append(.chunk(header, values.withUnsafeBytes { Array($0) }[...]))
        }
        chunk("indptr", [0 as Int64])
        for (number, path) in ["/drop/images/zebra/1.jpg", "/drop/images/2.jpg"].enumerated() {
            reply = Saed_Reply()
            reply.export.images = [.with {
                $0.id = String(repeating: "\(number)", count: 64)
                $0.path = path
                $0.label = number == 0 ? "zebra" : ""
            }]
            pieces.append(.part(reply))
            chunk("tokens_per_image", [3 as Int64])
            chunk("token_kind", [0, 1, 1] as [UInt8])
            chunk("indptr", [1, 1, 2].map { Int64($0 + 2 * number) })
            chunk("indices", [5, 7] as [Int32])
            chunk("data", [0.5, Float(number + 1)])
            chunk("logits", [Float(number), 2])
        }
        return pieces
    }

    private func write(_ pieces: [ReplyPiece], to path: String) throws -> ExportSummary {
        let file = ExportFile(path: path)
        for piece in pieces { try file.receive(piece) }
        return try file.finish()
    }

    @Test func theFileHasTheKeysInTheOrderOfTheImages() throws {
        let folder = try TemporaryFolder()
        let summary = try write(pieces(), to: folder.path + "/x.npz")
        #expect(summary == ExportSummary(images: 2, rows: 6, entries: 4))
        #expect(folder.listing == ["x.npz"])
        let zip = try Zip(folder.read("x.npz"))
        #expect(Set(zip.entries.map(\.name)) == Set(
            ["paths", "image_ids", "labels", "shape", "classes", "tokens_per_image", "token_kind", "indptr", "indices", "data", "logits"].map { $0 + ".npy" }))
        func values<T: BitwiseCopyable>(_ name: String, of type: T.Type) throws -> [T] {
            let data = try #require(zip.data(name + ".npy"))
            let start = 10 + Int(data[8]) + Int(data[9]) << 8
            return data[start...].withUnsafeBytes { bytes in
                (0..<bytes.count / MemoryLayout<T>.stride).map { bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self) }
            }
        }
        #expect(try values("shape", of: Int64.self) == [6, 8])
        #expect(try values("indptr", of: Int64.self) == [0, 1, 1, 2, 3, 3, 4])
        #expect(try values("indices", of: Int32.self) == [5, 7, 5, 7])
        #expect(try values("data", of: Float.self) == [0.5, 1, 0.5, 2])
        #expect(try values("token_kind", of: UInt8.self) == [0, 1, 1, 0, 1, 1])
        #expect(try values("logits", of: Float.self) == [0, 2, 1, 2])
        let header = try #require(zip.data("logits.npy")).prefix(80)
        #expect(String(decoding: header.dropFirst(10), as: UTF8.self).hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"))
    }

    @Test(arguments: ["tokens_per_image", "token_kind", "indptr", "indices", "data"])
    func anIncompleteAnswerLeavesNoFile(_ missing: String) throws {
        let folder = try TemporaryFolder()
        let failure = #expect(throws: WireFailure.self) { try write(pieces(drop: missing), to: folder.path + "/x.npz") }
        #expect(failure?.message == "the daemon's export can't be used: array '\(missing)' did not come")
        #expect(folder.listing == [])
    }

    @Test func arraysThatDisagreeLeaveNoFile() throws {
        let folder = try TemporaryFolder()
        var pieces = pieces()
        pieces.removeLast(2)  // logits and data of the second image
        #expect(throws: WireFailure.self) { try write(pieces, to: folder.path + "/x.npz") }
        #expect(folder.listing == [])
    }

    /// numpy and scipy themselves, where tools/test made a Python with them.
    @Test(.enabled(if: ExportFileTests.pythonHasScipy, "SAED_TEST_PYTHON names no Python with tools/reference/requirements-npz.txt"))
    func numpyAndScipyLoadIt() throws {
        let folder = try TemporaryFolder()
        _ = try write(pieces(), to: folder.path + "/x.npz")
        let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let python = try #require(ProcessInfo.processInfo.environment["SAED_TEST_PYTHON"])
        let read = try Program.run(python, [checkout.appendingPathComponent("tools/reference/npz.py").path, "--check", folder.path + "/x.npz"])
        let found = read.json
        #expect(found["entries"] as? Int == 4 && found["sum"] as? Double == 4 && found["images"] as? Int == 2, "\(read)")
    }
}
