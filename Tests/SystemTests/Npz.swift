// Reads what `saectl export` writes: a zip of stored .npy arrays. By hand, so that comparing two exports needs no
// Python; that numpy reads them too is another test.

import Foundation
import Testing

struct Npz {
    struct Array {
        let descr: String
        let shape: [Int]
        let bytes: [UInt8]

        func values<T: BitwiseCopyable>(_ type: T.Type) -> [T] {
            bytes.withUnsafeBytes { raw in
                (0..<raw.count / MemoryLayout<T>.stride).map { raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self) }
            }
        }

        /// Of `<U`: numpy fills up with zeros.
        var texts: [String] {
            let scalars = values(UInt32.self), width = shape[0] == 0 ? 0 : scalars.count / shape[0]
            return (0..<shape[0]).map { row in
                var text = ""
                for scalar in scalars[row * width..<(row + 1) * width] where scalar != 0 { text.unicodeScalars.append(Unicode.Scalar(scalar)!) }
                return text
            }
        }
    }

    let arrays: [String: Array]

    subscript(name: String) -> Array {
        get throws { try #require(arrays[name], "no array '\(name)' among \(arrays.keys.sorted())") }
    }

    init(_ file: URL) throws {
        let data = [UInt8](try Data(contentsOf: file))
        func number(_ at: Int, _ bytes: Int) -> Int { (0..<bytes).reduce(0) { $0 | Int(data[at + $1]) << (8 * $1) } }
        var found: [String: Array] = [:], at = 0
        while at + 30 < data.count, number(at, 4) == 0x0403_4B50 {
            let nameLength = number(at + 26, 2), extra = number(at + 28, 2)
            let name = String(decoding: data[at + 30..<at + 30 + nameLength], as: UTF8.self)
            var size = number(at + 22, 4)
            // zip64: the extra field has the sizes, the uncompressed one first.
            if size == 0xFFFF_FFFF { size = number(at + 30 + nameLength + 4, 8) }
            let start = at + 30 + nameLength + extra
            let header = start + 10 + number(start + 8, 2)
            let text = String(decoding: data[start + 10..<header], as: UTF8.self)
            let descr = text.components(separatedBy: "'descr': '")[1].components(separatedBy: "'")[0]
            let shape = text.components(separatedBy: "'shape': (")[1].components(separatedBy: ")")[0]
                .split(separator: ",").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
            found[String(name.dropLast(4))] = Array(descr: descr, shape: shape, bytes: Swift.Array(data[header..<start + size]))
            at = start + size
        }
        arrays = found
    }

    /// By path without the root: labels, kinds, and each row's indices and the bits of its values. Two exports of the
    /// same images under the same view are equal in it whatever order the images came in.
    func byImage(_ root: URL) throws -> [String: [[UInt64]]] {
        let paths = try self["paths"].texts, tokens = try self["tokens_per_image"].values(Int64.self)
        let indptr = try self["indptr"].values(Int64.self), indices = try self["indices"].values(Int32.self)
        let data = try self["data"].values(UInt32.self)
        var row = 0, result: [String: [[UInt64]]] = [:]
        for (image, path) in paths.enumerated() {
            result[path.replacingOccurrences(of: root.path, with: "")] = (row..<row + Int(tokens[image])).map { token in
                (Int(indptr[token])..<Int(indptr[token + 1])).map { UInt64(UInt32(bitPattern: indices[$0])) << 32 | UInt64(data[$0]) }
            }
            row += Int(tokens[image])
        }
        return result
    }
}
