// Writes safetensors: exports, seeded models, test files.

import Glibc

/// A tensor to be written; its values are asked for when their turn comes, so that a model larger than
/// memory can be written.
public struct SafetensorsTensor {
    public let name: String
    public let info: TensorInfo
    let fill: (UnsafeMutableBufferPointer<Float>) throws -> Void

    /// - Parameter fill: writes all `shape` elements, row-major. They are rounded to nearest for f16 and bf16.
    public init(
        _ name: String, shape: [Int], dtype: DType = .f32,
        fill: @escaping (UnsafeMutableBufferPointer<Float>) throws -> Void
    ) {
        precondition(dtype == .f32 || dtype == .f16 || dtype == .bf16, "\(dtype) is not written")
        self.name = name
        self.info = TensorInfo(shape: shape, dtype: dtype)
        self.fill = fill
    }

    public init(_ name: String, shape: [Int], dtype: DType = .f32, values: [Float]) {
        precondition(values.count == shape.reduce(1, *), "\(values.count) values for \(shape)")
        self.init(name, shape: shape, dtype: dtype) { buffer in _ = buffer.update(fromContentsOf: values) }
    }
}

/// Writes a file, complete or not at all: under another name first, renamed when it is synced.
/// - Throws: `unreadable` where the system refuses; what a tensor's `fill` throws. No file is left then.
public func writeSafetensors(_ path: String, _ tensors: [SafetensorsTensor], metadata: [String: String] = [:]) throws {
    let temporary = path + ".part"
    guard let file = fopen(temporary, "wb") else {
        throw CheckpointError.unreadable(file: temporary, reason: CheckpointFile.reason(errno))
    }
    var isComplete = false
    defer { if !isComplete { unlink(temporary) } }
    do {
        defer { fclose(file) }
        func write(_ bytes: UnsafeRawBufferPointer) throws {
            guard bytes.count == 0 || fwrite(bytes.baseAddress, 1, bytes.count, file) == bytes.count else {
                throw CheckpointError.unreadable(file: temporary, reason: CheckpointFile.reason(errno))
            }
        }
        try safetensorsHeader(tensors, metadata: metadata).withUnsafeBytes(write)
        for tensor in tensors {
            let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: tensor.info.count)
            defer { values.deallocate() }
            try tensor.fill(values)
            switch tensor.info.dtype {
            case .f16: try values.map { Float16($0).bitPattern }.withUnsafeBytes(write)
            case .bf16: try values.map(narrowBrain).withUnsafeBytes(write)
            default: try write(UnsafeRawBufferPointer(values))
            }
        }
        guard fflush(file) == 0, fsync(fileno(file)) == 0 else {
            throw CheckpointError.unreadable(file: temporary, reason: CheckpointFile.reason(errno))
        }
    }
    guard rename(temporary, path) == 0 else {
        throw CheckpointError.unreadable(file: path, reason: CheckpointFile.reason(errno))
    }
    isComplete = true
}

private func safetensorsHeader(_ tensors: [SafetensorsTensor], metadata: [String: String]) -> [UInt8] {
    var members: [String] = []
    if !metadata.isEmpty {
        let texts = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
        members.append("\"__metadata__\":{\(texts.joined(separator: ","))}")
    }
    var offset = 0
    for tensor in tensors {
        let end = offset + tensor.info.count * tensor.info.dtype.byteCount
        let shape = tensor.info.shape.map(String.init).joined(separator: ",")
        members.append(
            "\(quoted(tensor.name)):{\"dtype\":\"\(tensor.info.dtype.safetensorsName)\",\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}"
        )
        offset = end
    }
    var header = Array("{\(members.joined(separator: ","))}".utf8)
    // Spaces up to a multiple of 8: mapped f32 data is then aligned, as the format recommends.
    while header.count % 8 != 0 { header.append(0x20) }
    return withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init) + header
}

/// A JSON string literal.
package func quoted(_ text: String) -> String {
    var literal = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": literal += "\\\""
        case "\\": literal += "\\\\"
        case "\n": literal += "\\n"
        case _ where scalar.value < 0x20:
            let digits = String(scalar.value, radix: 16)
            literal += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: literal.unicodeScalars.append(scalar)
        }
    }
    return literal + "\""
}
