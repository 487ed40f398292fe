// numpy's .npz: a zip of stored (not compressed) .npy members, written as a stream.
//
// Reproduces numpy/lib/format.py (version 1.0 headers, padded to 64 bytes) and PKWARE's APPNOTE 6.3: sizes
// are known before the data, the CRC only after it, so a data descriptor follows each member (flag bit 3);
// members and archives of 4 GiB and more use zip64.

import Foundation

/// Types of array elements.
public enum NumpyType: Sendable, Equatable {
    case uint8, int32, int64, float32
    /// `characters` UTF-32 code points, padded with zeros.
    case text(characters: Int)

    public var byteCount: Int {
        switch self {
        case .uint8: 1
        case .int32, .float32: 4
        case .int64: 8
        case let .text(characters): 4 * characters
        }
    }

    /// numpy's `descr`.
    public var description: String {
        switch self {
        case .uint8: "|u1"
        case .int32: "<i4"
        case .int64: "<i8"
        case .float32: "<f4"
        case let .text(characters): "<U\(characters)"
        }
    }
}

/// An array's name, type and shape, known before its data.
public struct ArrayDescription: Sendable, Equatable {
    public var name: String
    public var type: NumpyType
    /// Empty for a scalar.
    public var shape: [Int]

    public init(_ name: String, _ type: NumpyType, _ shape: [Int]) {
        self.name = name
        self.type = type
        self.shape = shape
    }

    public var byteCount: Int { shape.reduce(type.byteCount, *) }
}

/// Takes arrays one after the other: an npz file, or a socket.
public protocol ArraySink {
    /// Begins an array; exactly its `byteCount` bytes follow through `write`, row-major, little-endian.
    mutating func begin(_ array: ArrayDescription) throws
    mutating func write(_ bytes: UnsafeRawBufferPointer) throws
}

extension ArraySink {
    /// A whole array at once.
    public mutating func put<T: BitwiseCopyable>(_ array: ArrayDescription, _ values: [T]) throws {
        precondition(values.count * MemoryLayout<T>.stride == array.byteCount, "'\(array.name)': \(values.count) values")
        try begin(array)
        try values.withUnsafeBytes { try write($0) }
    }

    /// Text as numpy's fixed-width unicode.
    public mutating func put(_ name: String, text: [String]) throws {
        // numpy has no width 0: an array of empty strings is <U1.
        let width = max(1, text.map(\.unicodeScalars.count).max() ?? 1)
        var points: [UInt32] = []
        points.reserveCapacity(text.count * width)
        for line in text {
            points += line.unicodeScalars.map(\.value)
            points += repeatElement(0, count: width - line.unicodeScalars.count)
        }
        try put(ArrayDescription(name, .text(characters: width), [text.count]), points)
    }
}

/// Writes an .npz through a callback that takes bytes in order.
///
///     var npz = NPZWriter { bytes in try file.write(contentsOf: Data(bytes)) }
///     try npz.put(ArrayDescription("data", .float32, [3]), [1, 2, 3] as [Float])
///     try npz.finish()
public struct NPZWriter: ArraySink {
    private struct Member {
        var name: [UInt8]
        var size: Int
        var offset: Int
        var crc: UInt32 = 0
    }

    private let output: (UnsafeRawBufferPointer) throws -> Void
    /// Sizes and offsets from here on need zip64. Tests lower it.
    private let zip64From: Int
    private var offset = 0
    private var members: [Member] = []
    /// Bytes of the current member that are still to come.
    private var expected = 0
    private var crc = CRC32()

    public init(_ output: @escaping (UnsafeRawBufferPointer) throws -> Void) { self.init(zip64From: 0xFFFF_FFFF, output) }

    package init(zip64From: Int, _ output: @escaping (UnsafeRawBufferPointer) throws -> Void) {
        self.zip64From = zip64From
        self.output = output
    }

    public mutating func begin(_ array: ArrayDescription) throws {
        try endMember()
        let header = NPZWriter.npyHeader(array)
        let member = Member(name: Array("\(array.name).npy".utf8), size: header.count + array.byteCount, offset: offset)
        var local = LittleEndian()
        let zip64 = member.size >= zip64From
        local.put(UInt32(0x0403_4B50))
        local.put(UInt16(zip64 ? 45 : 20))
        local.put(UInt16(0x0808))  // bit 3: CRC follows the data; bit 11: names are UTF-8
        local.put(UInt16(0))
        local.put(LittleEndian.dosTime)
        local.put(UInt32(0))
        // With bit 3 the sizes stand in the descriptor; zip64's field announces its 8-byte form.
        local.put(UInt32(zip64 ? 0xFFFF_FFFF : 0))
        local.put(UInt32(zip64 ? 0xFFFF_FFFF : 0))
        local.put(UInt16(member.name.count))
        local.put(UInt16(zip64 ? 20 : 0))
        local.bytes += member.name
        if zip64 {
            local.put(UInt16(1))
            local.put(UInt16(16))
            local.put(UInt64(0))
            local.put(UInt64(0))
        }
        members.append(member)
        crc = CRC32()
        expected = member.size
        try emit(local.bytes)
        try header.withUnsafeBytes { try write($0) }
    }

    public mutating func write(_ bytes: UnsafeRawBufferPointer) throws {
        precondition(bytes.count <= expected, "\(bytes.count - expected) bytes too many for '\(String(decoding: members.last?.name ?? [], as: UTF8.self))'")
        crc.update(bytes)
        expected -= bytes.count
        offset += bytes.count
        try output(bytes)
    }

    /// Writes the central directory. Nothing may follow.
    public mutating func finish() throws {
        try endMember()
        let start = offset
        var central = LittleEndian()
        for member in members { central.putCentral(member.name, size: member.size, offset: member.offset, crc: member.crc, zip64From: zip64From) }
        let size = central.bytes.count
        if start + size >= zip64From || members.count >= 0xFFFF {
            central.putZip64End(members: members.count, start: start, size: size)
        }
        central.put(UInt32(0x0605_4B50))
        central.put(UInt32(0))
        central.put(UInt16(min(members.count, 0xFFFF)))
        central.put(UInt16(min(members.count, 0xFFFF)))
        central.put(UInt32(min(size, 0xFFFF_FFFF)))
        central.put(UInt32(min(start, 0xFFFF_FFFF)))
        central.put(UInt16(0))
        try emit(central.bytes)
    }

    private mutating func endMember() throws {
        guard var member = members.popLast() else { return }
        precondition(expected == 0, "'\(String(decoding: member.name, as: UTF8.self))' lacks \(expected) bytes")
        member.crc = crc.value
        members.append(member)
        var descriptor = LittleEndian()
        descriptor.put(UInt32(0x0807_4B50))
        descriptor.put(member.crc)
        if member.size >= zip64From {
            descriptor.put(UInt64(member.size))
            descriptor.put(UInt64(member.size))
        } else {
            descriptor.put(UInt32(member.size))
            descriptor.put(UInt32(member.size))
        }
        try emit(descriptor.bytes)
    }

    private mutating func emit(_ bytes: [UInt8]) throws {
        offset += bytes.count
        try bytes.withUnsafeBytes { try output($0) }
    }

    /// Magic, version 1.0, and the dictionary padded with spaces so that data begins at a multiple of 64.
    static func npyHeader(_ array: ArrayDescription) -> [UInt8] {
        let shape = array.shape.map(String.init).joined(separator: ", ") + (array.shape.count == 1 ? "," : "")
        let text = "{'descr': '\(array.type.description)', 'fortran_order': False, 'shape': (\(shape)), }"
        let padding = (64 - (10 + text.utf8.count + 1) % 64) % 64
        let dictionary = Array((text + String(repeating: " ", count: padding) + "\n").utf8)
        return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(dictionary.count & 255), UInt8(dictionary.count >> 8)] + dictionary
    }
}

private struct LittleEndian {
    var bytes: [UInt8] = []

    /// 1980-01-01, 00:00: the same content gives the same file.
    static let dosTime: UInt32 = 0x0021_0000

    mutating func put<T: FixedWidthInteger>(_ value: T) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }

    mutating func putCentral(_ name: [UInt8], size: Int, offset: Int, crc: UInt32, zip64From: Int) {
        let zip64 = size >= zip64From || offset >= zip64From
        put(UInt32(0x0201_4B50))
        put(UInt16(zip64 ? 45 : 20))
        put(UInt16(zip64 ? 45 : 20))
        put(UInt16(0x0808))
        put(UInt16(0))
        put(LittleEndian.dosTime)
        put(crc)
        put(UInt32(zip64 ? 0xFFFF_FFFF : size))
        put(UInt32(zip64 ? 0xFFFF_FFFF : size))
        put(UInt16(name.count))
        put(UInt16(zip64 ? 28 : 0))
        put(UInt16(0))
        put(UInt16(0))
        put(UInt16(0))
        put(UInt32(0))
        put(UInt32(zip64 ? 0xFFFF_FFFF : offset))
        bytes += name
        if zip64 {
            put(UInt16(1))
            put(UInt16(24))
            put(UInt64(size))
            put(UInt64(size))
            put(UInt64(offset))
        }
    }

    mutating func putZip64End(members: Int, start: Int, size: Int) {
        put(UInt32(0x0606_4B50))
        put(UInt64(44))
        put(UInt16(45))
        put(UInt16(45))
        put(UInt32(0))
        put(UInt32(0))
        put(UInt64(members))
        put(UInt64(members))
        put(UInt64(size))
        put(UInt64(start))
        put(UInt32(0x0706_4B50))
        put(UInt32(0))
        put(UInt64(start + size))
        put(UInt32(1))
    }
}

/// CRC-32 of zip and PNG (polynomial 0xEDB88320), eight bytes at a step.
struct CRC32 {
    private var state: UInt32 = 0xFFFF_FFFF

    var value: UInt32 { ~state }

    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            tables[byte] = (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
        }
        for at in 256..<8 * 256 { tables[at] = (tables[at - 256] >> 8) ^ tables[Int(tables[at - 256] & 255)] }
        return tables
    }()

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var crc = state
        var at = 0
        CRC32.tables.withUnsafeBufferPointer { table in
            while at + 8 <= bytes.count {
                let low = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)) ^ crc
                let high = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self))
                crc = table[7 * 256 + Int(low & 255)] ^ table[6 * 256 + Int(low >> 8 & 255)]
                crc ^= table[5 * 256 + Int(low >> 16 & 255)] ^ table[4 * 256 + Int(low >> 24)]
                crc ^= table[3 * 256 + Int(high & 255)] ^ table[2 * 256 + Int(high >> 8 & 255)]
                crc ^= table[256 + Int(high >> 16 & 255)] ^ table[Int(high >> 24)]
                at += 8
            }
            while at < bytes.count {
                crc = table[Int((crc ^ UInt32(bytes[at])) & 255)] ^ (crc >> 8)
                at += 1
            }
        }
        state = crc
    }
}
