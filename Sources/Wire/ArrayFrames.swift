// Large arrays travel outside protobuf: a part announces them, array frames carry their bytes.
//
// Payload of an array frame: u32 number (that of the ArrayHeader), u32 zero, then a whole number of elements,
// little-endian. The 8 bytes in front keep f64 aligned for a client that maps the payload.

/// One array frame's payload, taken apart.
public struct ArrayChunk: Sendable, Equatable {
    public static let prefixBytes = 8
    /// The most bytes in one frame that this side sends: small enough that progress, errors and other requests'
    /// answers get in between.
    public static let bytesMax = 1 << 20

    public var number: UInt32
    public var bytes: ArraySlice<UInt8>

    public init(number: UInt32, bytes: ArraySlice<UInt8>) {
        self.number = number
        self.bytes = bytes
    }

    public init(payload: [UInt8]) throws(FrameError) {
        guard payload.count >= ArrayChunk.prefixBytes else { throw .payload(.array, "\(payload.count) bytes, at least 8 are needed") }
        guard payload[4..<8].allSatisfy({ $0 == 0 }) else { throw .payload(.array, "bytes 4 to 7 are not zero") }
        number = UInt32(payload[0]) | UInt32(payload[1]) << 8 | UInt32(payload[2]) << 16 | UInt32(payload[3]) << 24
        bytes = payload[ArrayChunk.prefixBytes...]
    }

    public static func prefix(number: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(8 * $0)) } + [0, 0, 0, 0]
    }
}

extension Saed_DType {
    /// Bytes of one element, nil for a type that this side doesn't know.
    public var elementBytes: Int? {
        switch self {
        case .u8: 1
        case .f16: 2
        case .i32, .u32, .f32: 4
        case .i64, .f64: 8
        case .unspecified, .UNRECOGNIZED: nil
        }
    }
}

/// What a receiver knows of the arrays of one answer; checks that headers and chunks fit together.
public struct ArrayLedger: Sendable {
    /// Why 64: an export has 7 arrays; a number that grows without end is a fault.
    public static let arraysMax = 64

    private struct Entry {
        var header: Saed_ArrayHeader
        var elementBytes: Int
        var received = 0
        /// nil: it grows.
        var expected: Int?
        /// Bytes of one step along the first dimension.
        var rowBytes: Int
    }
    private var entries: [UInt32: Entry] = [:]

    public init() {}

    public mutating func announce(_ header: Saed_ArrayHeader) throws(FrameError) {
        guard entries[header.number] == nil else { throw .order("array \(header.number) is announced twice") }
        guard entries.count < ArrayLedger.arraysMax else { throw .order("more than \(ArrayLedger.arraysMax) arrays in one answer") }
        guard header.shape.count <= 8 else { throw .payload(.part, "array '\(header.name)' has \(header.shape.count) dimensions, at most 8 are allowed") }
        guard let elementBytes = header.dtype.elementBytes else {
            throw .payload(.part, "array '\(header.name)' has a type that isn't known (\(header.dtype.rawValue))")
        }
        let inner = try product(header.shape.dropFirst(header.growing ? 1 : 0), elementBytes, header)
        guard !header.growing || !header.shape.isEmpty else { throw .payload(.part, "array '\(header.name)' grows but has no dimension") }
        entries[header.number] = Entry(
            header: header, elementBytes: elementBytes, expected: header.growing ? nil : inner, rowBytes: header.growing ? inner : elementBytes)
    }

    /// Counts the bytes of one chunk.
    /// - Returns: the array that they belong to.
    @discardableResult
    public mutating func receive(number: UInt32, byteCount: Int) throws(FrameError) -> Saed_ArrayHeader {
        guard var entry = entries[number] else { throw .order("a chunk of array \(number), which was not announced") }
        guard byteCount % entry.elementBytes == 0 else {
            throw .payload(.array, "\(byteCount) bytes are no whole number of elements of array '\(entry.header.name)'")
        }
        let (received, overflow) = entry.received.addingReportingOverflow(byteCount)
        guard !overflow, received <= entry.expected ?? .max else {
            throw .payload(.array, "array '\(entry.header.name)' has \(entry.expected ?? .max) bytes, more came")
        }
        entry.received = received
        entries[number] = entry
        return entry.header
    }

    /// The answer ended: is every array complete?
    /// - Returns: the shapes, by number.
    public func finish() throws(FrameError) -> [UInt32: [Int]] {
        var shapes: [UInt32: [Int]] = [:]
        for (number, entry) in entries {
            var shape = entry.header.shape.map { Int(clamping: $0) }  // `announce` let nothing larger in
            if let expected = entry.expected {
                guard entry.received == expected else {
                    throw .payload(.array, "array '\(entry.header.name)' has \(expected) bytes, \(entry.received) came")
                }
            } else {
                guard entry.rowBytes > 0 ? entry.received % entry.rowBytes == 0 : entry.received == 0 else {
                    throw .payload(.array, "array '\(entry.header.name)' ended inside a row")
                }
                shape[0] = entry.rowBytes > 0 ? entry.received / entry.rowBytes : 0
            }
            shapes[number] = shape
        }
        return shapes
    }

    private func product(_ shape: ArraySlice<UInt64>, _ elementBytes: Int, _ header: Saed_ArrayHeader) throws(FrameError) -> Int {
        var bytes = elementBytes
        for dimension in shape {
            // Checked one by one too: beside a dimension of 0 any size would pass.
            guard let dimension = Int(exactly: dimension), case let (next, overflow) = bytes.multipliedReportingOverflow(by: dimension), !overflow
            else { throw .payload(.part, "array '\(header.name)' of shape \(header.shape) is too large") }
            bytes = next
        }
        return bytes
    }
}
