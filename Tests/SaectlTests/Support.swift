// Temporary folders, random numbers, and a small zip reader that is independent of the writer under test.

import Foundation
import Testing

/// A folder of its own, removed at the end.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/saectl-test-XXXXXX".utf8CString)
        path = String(cString: try #require(mkdtemp(&template)))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    @discardableResult
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = path + "/" + name
        try FileManager.default.createDirectory(atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

    func read(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + "/" + name))) }

    /// Everything below, hidden files included, sorted.
    var listing: [String] { (FileManager.default.enumerator(atPath: path)?.allObjects as? [String] ?? []).sorted() }
}

/// A zip's stored entries by way of its central directory, zip64 fields included; every checksum is computed bit by bit.
struct Zip {
    let entries: [(name: String, data: [UInt8])]

    init(_ bytes: [UInt8]) throws {
        func number(_ place: Int, _ size: Int) -> Int { (0..<size).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) } }
        let end = bytes.count - 22
        try #require(end >= 0 && number(end, 4) == 0x0605_4B50, "no end record")
        var count = number(end + 10, 2), place = number(end + 16, 4)
        if place == 0xFFFF_FFFF {
            try #require(number(end - 20, 4) == 0x0706_4B50)
            let record = number(end - 20 + 8, 8)
            try #require(number(record, 4) == 0x0606_4B50 && number(record + 4, 8) == 44)
            count = number(record + 32, 8)
            place = number(record + 48, 8)
            try #require(number(record + 40, 8) == record - place)
        }
        var found: [(String, [UInt8])] = []
        for _ in 0..<count {
            try #require(number(place, 4) == 0x0201_4B50 && number(place + 10, 2) == 0)
            let nameBytes = number(place + 28, 2), extraBytes = number(place + 30, 2)
            var size = number(place + 24, 4), offset = number(place + 42, 4)
            let extra = place + 46 + nameBytes
            if extraBytes > 0 {
                try #require(number(extra, 2) == 1 && number(extra + 2, 2) == extraBytes - 4)
                var field = extra + 4
                if size == 0xFFFF_FFFF {
                    size = number(field, 8)
                    try #require(number(field + 8, 8) == size)
                    field += 16
                }
                if offset == 0xFFFF_FFFF { offset = number(field, 8) }
            }
            try #require(number(offset, 4) == 0x0403_4B50 && number(offset + 14, 4) == number(place + 16, 4))
            let localName = number(offset + 26, 2), localExtra = number(offset + 28, 2)
            let start = offset + 30 + localName + localExtra
            let data = Array(bytes[start..<start + size])
            try #require(Zip.crc(data) == UInt32(number(place + 16, 4)), "checksum")
            found.append((String(decoding: bytes[place + 46..<extra], as: UTF8.self), data))
            place = extra + extraBytes + number(place + 32, 2)
        }
        entries = found
    }

    func data(_ name: String) -> [UInt8]? { entries.first { $0.name == name }?.data }

    static func crc(_ bytes: [UInt8]) -> UInt32 {
        var sum: UInt32 = .max
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
        }
        return ~sum
    }
}
