// Little-endian bytes: a writer that grows, and a reader that never runs past its end.

import Basics

/// Appends little-endian values.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    var count: Int { bytes.count }

    mutating func put<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func put(_ value: Float) { put(value.bitPattern) }

    mutating func put(_ raw: UnsafeRawBufferPointer) { bytes.append(contentsOf: raw) }

    mutating func put(_ raw: [UInt8]) { bytes.append(contentsOf: raw) }

    /// All values of an array, as they lie in memory (the store runs on little-endian machines only).
    mutating func put<T: BitwiseCopyable>(array: [T]) { array.withUnsafeBytes { bytes.append(contentsOf: $0) } }

    mutating func pad(to count: Int) {
        if bytes.count < count { bytes.append(contentsOf: repeatElement(0, count: count - bytes.count)) }
    }

    mutating func align(_ alignment: Int) { pad(to: (bytes.count + alignment - 1) / alignment * alignment) }
}

/// Thrown inside a decoder; the caller turns it into `StoreError.damaged` with the file and place.
struct MalformedBytes: Error {
    let reason: String
    let offset: Int
}

/// Reads little-endian values; every read checks what is left.
struct ByteReader {
    let data: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(_ data: UnsafeRawBufferPointer) { self.data = data }

    var left: Int { data.count - offset }

    mutating func take(_ count: Int, _ what: String) throws(MalformedBytes) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= left else {
            throw MalformedBytes(reason: "\(what) needs \(count) bytes, \(left) are left", offset: offset)
        }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: data[offset..<offset + count])
    }

    mutating func get<T: FixedWidthInteger>(_ type: T.Type, _ what: String) throws(MalformedBytes) -> T {
        T(littleEndian: try take(MemoryLayout<T>.size, what).loadUnaligned(as: T.self))
    }

    mutating func array<T: BitwiseCopyable>(_ type: T.Type, count: Int, _ what: String) throws(MalformedBytes) -> [T] {
        let (size, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<T>.size)
        guard count >= 0, !overflow else { throw MalformedBytes(reason: "\(what) has \(count) entries", offset: offset) }
        let raw = try take(size, what)
        return [T](unsafeUninitializedCapacity: count) { buffer, filled in
            UnsafeMutableRawBufferPointer(buffer).copyMemory(from: raw)
            filled = count
        }
    }
}

extension Array where Element == UInt8 {
    /// As `withUnsafeBytes`, which does not carry a typed error.
    func withRaw<T, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> T) throws(E) -> T {
        try withUnsafeBufferPointer { (buffer) throws(E) in try body(UnsafeRawBufferPointer(buffer)) }
    }
}
