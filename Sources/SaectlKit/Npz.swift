// numpy's .npz: a zip of .npy files, stored without compression, written without holding an array in memory.
//
// Formats: NPY 1.0 (numpy.lib.format), PKWARE's APPNOTE 6.3 (local header, central directory, zip64 where a size or
// offset does not fit 32 bits).

import Glibc

/// Element types by numpy's names.
public enum NpyType: String, Sendable {
    case u8 = "|u1"
    case i32 = "<i4"
    case i64 = "<i8"
    case u32 = "<u4"
    case f16 = "<f2"
    case f32 = "<f4"
    case f64 = "<f8"

    public var bytes: Int {
        switch self {
        case .u8: 1
        case .f16: 2
        case .i32, .u32, .f32: 4
        case .i64, .f64: 8
        }
    }
}

/// Why an output file could not be written.
public struct OutputError: Error, Sendable, CustomStringConvertible {
    public let path: String
    public let errno: CInt
    public let step: String
    public var description: String { "can't write '\(path)': \(step): \(String(cString: strerror(errno)))" }
}

/// The head of an .npy file.
/// - Parameter descr: numpy's type, "<f4" or "<U17".
public func npyHeader(descr: String, shape: [Int]) -> [UInt8] {
    let dimensions = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = "{'descr': '\(descr)', 'fortran_order': False, 'shape': (\(dimensions)), }"
    // numpy leaves room for the first dimension to grow to 21 digits; the same header is the same file.
    if let first = shape.first { text += String(repeating: " ", count: max(0, 21 - "\(first)".utf8.count)) }
    // Magic, version and length take 10 bytes; data begins at a multiple of 64.
    let padding = (64 - (10 + text.utf8.count + 1) % 64) % 64
    text += String(repeating: " ", count: padding) + "\n"
    let length = text.utf8.count
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + Array(text.utf8)
}

/// Writes a zip of stored entries to a temporary file beside the output and renames it there at the end.
public struct NpzWriter: ~Copyable {
    private struct Entry {
        let name: String
        let crc: UInt32
        let size: Int
        let offset: Int
    }

    private let path: String
    private let temporary: String
    private let fd: CInt
    private var offset = 0
    private var entries: [Entry] = []
    private var finished = false
    /// Sizes and offsets above this take zip64 fields.
    private let plainMax: Int

    /// - Parameter plainMax: lower than zip's own limit only in tests.
    public init(path: String, plainMax: Int = 0xFFFF_FFFE) throws(OutputError) {
        self.path = path
        self.plainMax = plainMax
        temporary = path + ".\(getpid()).part"
        fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard fd >= 0 else { throw OutputError(path: path, errno: errno, step: "open") }
    }

    deinit {
        close(fd)
        if !finished { unlink(temporary) }
    }

    /// An array whose elements are in memory.
    public mutating func add<T: BitwiseCopyable>(_ name: String, _ type: NpyType, shape: [Int], _ values: [T]) throws(OutputError) {
        precondition(values.count * MemoryLayout<T>.stride == shape.reduce(type.bytes, *), "\(values.count) values for \(shape)")
        try begin(name, header: npyHeader(descr: type.rawValue, shape: shape), dataBytes: values.count * MemoryLayout<T>.stride) {
            (writer, crc) throws(OutputError) in
            try writer.write(values.withUnsafeBytes { Array($0) }, &crc)
        }
    }

    /// Texts, as numpy's fixed-width unicode: the longest decides the width.
    public mutating func add(_ name: String, texts: [String]) throws(OutputError) {
        // numpy drops zeros at the end of an element; none of these texts has one inside. Its width is at least 1.
        let width = max(1, texts.map(\.unicodeScalars.count).max() ?? 1)
        try begin(name, header: npyHeader(descr: "<U\(width)", shape: [texts.count]), dataBytes: texts.count * width * 4) {
            (writer, crc) throws(OutputError) in
            var buffer: [UInt8] = []
            for text in texts {
                for scalar in text.unicodeScalars { buffer.append(littleEndian: scalar.value) }
                buffer.append(contentsOf: repeatElement(0, count: 4 * (width - text.unicodeScalars.count)))
                if buffer.count > 1 << 18 {
                    try writer.write(buffer, &crc)
                    buffer.removeAll(keepingCapacity: true)
                }
            }
            try writer.write(buffer, &crc)
        }
    }

    /// An array whose bytes lie in a file, from its beginning.
    public mutating func add(_ name: String, _ type: NpyType, shape: [Int], file: CInt) throws(OutputError) {
        let dataBytes = shape.reduce(type.bytes, *)
        try begin(name, header: npyHeader(descr: type.rawValue, shape: shape), dataBytes: dataBytes) { (writer, crc) throws(OutputError) in
            var place = 0
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            while place < dataBytes {
                let count = pread(file, &buffer, min(buffer.count, dataBytes - place), off_t(place))
                guard count > 0 else { throw OutputError(path: writer.path, errno: count < 0 ? errno : EIO, step: "read '\(name)' back") }
                try writer.write(count == buffer.count ? buffer : Array(buffer[..<count]), &crc)
                place += count
            }
        }
    }

    /// The central directory, then the rename: only now does the output exist.
    public mutating func finish() throws(OutputError) {
        let start = offset
        var unused: UInt32 = 0
        for entry in entries { try write(central(entry), &unused) }
        let size = offset - start
        try write(ending(start: start, size: size), &unused)
        guard rename(temporary, path) == 0 else { throw OutputError(path: path, errno: errno, step: "rename") }
        finished = true
    }

    // MARK: zip

    private mutating func begin(
        _ name: String, header: [UInt8], dataBytes: Int, _ data: (inout NpzWriter, inout UInt32) throws(OutputError) -> Void
    ) throws(OutputError) {
        let file = Array((name + ".npy").utf8)
        let start = offset
        let size = header.count + dataBytes
        var local: [UInt8] = []
        local.append(littleEndian: 0x0403_4B50 as UInt32)
        local.append(littleEndian: UInt16(45))
        local.append(littleEndian: UInt16(0x0800))  // names are UTF-8
        local.append(littleEndian: UInt16(0))  // stored
        local.append(littleEndian: UInt32(0x0021_0000))  // 1980-01-01: equal exports are equal files
        local.append(littleEndian: UInt32(0))  // the sum, written when it is known
        let large = size > plainMax
        local.append(littleEndian: large ? .max : UInt32(size))
        local.append(littleEndian: large ? .max : UInt32(size))
        local.append(littleEndian: UInt16(file.count))
        local.append(littleEndian: UInt16(large ? 20 : 0))
        local += file
        if large {
            local.append(littleEndian: UInt16(1))
            local.append(littleEndian: UInt16(16))
            local.append(littleEndian: UInt64(size))
            local.append(littleEndian: UInt64(size))
        }
        var unused: UInt32 = 0
        try write(local, &unused)
        var crc: UInt32 = 0
        try write(header, &crc)
        try data(&self, &crc)
        precondition(offset - start - local.count == size, "'\(name)' has \(offset - start - local.count) bytes, not \(size)")
        var sum: [UInt8] = []
        sum.append(littleEndian: crc)
        guard pwrite(fd, sum, 4, off_t(start + 14)) == 4 else { throw OutputError(path: path, errno: errno, step: "write") }
        entries.append(Entry(name: name + ".npy", crc: crc, size: size, offset: start))
    }

    private func central(_ entry: Entry) -> [UInt8] {
        var extra: [UInt8] = []
        let largeSize = entry.size > plainMax, largeOffset = entry.offset > plainMax
        if largeSize {
            extra.append(littleEndian: UInt64(entry.size))
            extra.append(littleEndian: UInt64(entry.size))
        }
        if largeOffset { extra.append(littleEndian: UInt64(entry.offset)) }
        var record: [UInt8] = []
        record.append(littleEndian: 0x0201_4B50 as UInt32)
        record.append(littleEndian: UInt16(45 | 3 << 8))
        record.append(littleEndian: UInt16(45))
        record.append(littleEndian: UInt16(0x0800))
        record.append(littleEndian: UInt16(0))
        record.append(littleEndian: UInt32(0x0021_0000))
        record.append(littleEndian: entry.crc)
        record.append(littleEndian: largeSize ? .max : UInt32(entry.size))
        record.append(littleEndian: largeSize ? .max : UInt32(entry.size))
        record.append(littleEndian: UInt16(entry.name.utf8.count))
        record.append(littleEndian: UInt16(extra.isEmpty ? 0 : extra.count + 4))
        record.append(littleEndian: UInt16(0))
        record.append(littleEndian: UInt16(0))
        record.append(littleEndian: UInt16(0))
        record.append(littleEndian: UInt32(0o100644 << 16))
        record.append(littleEndian: largeOffset ? .max : UInt32(entry.offset))
        record += Array(entry.name.utf8)
        if !extra.isEmpty {
            record.append(littleEndian: UInt16(1))
            record.append(littleEndian: UInt16(extra.count))
            record += extra
        }
        return record
    }

    private func ending(start: Int, size: Int) -> [UInt8] {
        var record: [UInt8] = []
        let large = start > plainMax || size > plainMax
        if large {
            record.append(littleEndian: 0x0606_4B50 as UInt32)
            record.append(littleEndian: UInt64(44))
            record.append(littleEndian: UInt16(45 | 3 << 8))
            record.append(littleEndian: UInt16(45))
            record.append(littleEndian: UInt64(0))  // disk numbers
            record.append(littleEndian: UInt64(entries.count))
            record.append(littleEndian: UInt64(entries.count))
            record.append(littleEndian: UInt64(size))
            record.append(littleEndian: UInt64(start))
            record.append(littleEndian: 0x0706_4B50 as UInt32)
            record.append(littleEndian: UInt32(0))
            record.append(littleEndian: UInt64(start + size))
            record.append(littleEndian: UInt32(1))
        }
        record.append(littleEndian: 0x0605_4B50 as UInt32)
        record.append(littleEndian: UInt32(0))
        record.append(littleEndian: UInt16(entries.count))
        record.append(littleEndian: UInt16(entries.count))
        record.append(littleEndian: large ? .max : UInt32(size))
        record.append(littleEndian: large ? .max : UInt32(start))
        record.append(littleEndian: UInt16(0))
        return record
    }

    private mutating func write(_ bytes: [UInt8], _ crc: inout UInt32) throws(OutputError) {
        crc = crc32(bytes, continuing: crc)
        guard writeAll(fd, bytes[...]) else { throw OutputError(path: path, errno: errno, step: "write") }
        offset += bytes.count
    }
}

/// Writes all, or returns false with errno.
func writeAll(_ fd: CInt, _ bytes: ArraySlice<UInt8>) -> Bool {
    bytes.withUnsafeBytes { buffer in
        var written = 0
        while written < buffer.count {
            let count = Glibc.write(fd, buffer.baseAddress! + written, buffer.count - written)
            guard count > 0 || errno == EINTR else { return false }
            written += max(0, count)
        }
        return true
    }
}

extension [UInt8] {
    fileprivate mutating func append(littleEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}

// MARK: CRC-32, eight bytes at a time

/// Tables for "slicing by 8": entry [k][b] is the sum of byte b followed by k zeros.
private let crcTables: [[UInt32]] = {
    var tables = [(0..<256).map { (byte: UInt32) in (0..<8).reduce(byte) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 } }]
    for level in 1..<8 { tables.append(tables[level - 1].map { tables[0][Int($0 & 255)] ^ ($0 >> 8) }) }
    return tables
}()

/// zip's CRC-32 (polynomial 0xEDB88320), going on from an earlier sum.
package func crc32(_ bytes: [UInt8], continuing earlier: UInt32 = 0) -> UInt32 {
    let tables = crcTables.flatMap { $0 }
    return bytes.withUnsafeBytes { bytes in
        tables.withUnsafeBufferPointer { table in
            var sum = ~earlier
            var place = 0
            while place + 8 <= bytes.count {
                let low = sum ^ UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
                let high = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place + 4, as: UInt32.self))
                sum = table[1792 + Int(low & 255)] ^ table[1536 + Int(low >> 8 & 255)] ^ table[1280 + Int(low >> 16 & 255)] ^ table[1024 + Int(low >> 24)]
                sum ^= table[768 + Int(high & 255)] ^ table[512 + Int(high >> 8 & 255)] ^ table[256 + Int(high >> 16 & 255)] ^ table[Int(high >> 24)]
                place += 8
            }
            while place < bytes.count {
                sum = table[Int((sum ^ UInt32(bytes[place])) & 255)] ^ (sum >> 8)
                place += 1
            }
            return ~sum
        }
    }
}
