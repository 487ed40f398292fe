// Named tensors, whatever their container: safetensors, shards of it, or a torch archive.

/// The tensors of a checkpoint.
///
///     let source = try openTensors("models/scenes")
///     let bias = try source.tensor("vision_model.post_layernorm.bias", shape: [768])
///
/// Checked whole at opening: afterwards a tensor can fail only by name, shape or type, or because somebody
/// cut the file meanwhile. Safe to share between threads.
public protocol TensorSource: Sendable {
    /// The file (or the index of the shards).
    var path: String { get }
    /// Sorted.
    var names: [String] { get }
    func info(_ name: String) -> TensorInfo?
    /// Writes the tensor's elements, row-major, widened to f32 (f64 is rounded), into `out`.
    /// - Throws: `missingTensor`, `wrongShape`, `wrongType`; nothing is written then. `unreadable`,
    ///   `malformed` where the file was changed since it was opened; `out` is undefined then.
    func read(_ name: String, shape: [Int], into out: UnsafeMutablePointer<Float>) throws(CheckpointError)
    /// The file that holds a tensor, for messages: a shard's own name where there are several.
    func file(of name: String) -> String
}

extension TensorSource {
    public func file(of name: String) -> String { path }

    /// - Throws: what `read` would throw for the name, shape and type; reads nothing.
    public func check(_ name: String, shape: [Int]) throws(CheckpointError) {
        guard let info = info(name) else { throw .missingTensor(tensor: name, file: path) }
        guard info.shape == shape else {
            throw .wrongShape(tensor: name, file: file(of: name), found: info.shape, expected: shape)
        }
        guard info.dtype.isFloating else { throw .wrongType(tensor: name, file: file(of: name), found: info.dtype) }
    }

    /// A row-major f32 copy.
    public func tensor(_ name: String, shape: [Int]) throws(CheckpointError) -> [Float] {
        try check(name, shape: shape)
        var failure: CheckpointError?
        let count = shape.reduce(1, *)
        let values = [Float](unsafeUninitializedCapacity: max(count, 1)) { buffer, filled in
            do throws(CheckpointError) {
                try read(name, shape: shape, into: buffer.baseAddress!)
                filled = count
            } catch { failure = error }
        }
        if let failure { throw failure }
        return values
    }

    /// `read`, and refuses weights that are NaN or infinite.
    public func readFinite(_ name: String, shape: [Int], into out: UnsafeMutablePointer<Float>) throws(CheckpointError)
    {
        try read(name, shape: shape, into: out)
        let values = UnsafeBufferPointer(start: out, count: shape.reduce(1, *))
        if let index = firstNotFinite(values) {
            throw .notFinite(tensor: name, file: file(of: name), index: index, value: values[index])
        }
    }

    /// `tensor`, and refuses weights that are NaN or infinite.
    public func finiteTensor(_ name: String, shape: [Int]) throws(CheckpointError) -> [Float] {
        let values = try tensor(name, shape: shape)
        if let index = values.withUnsafeBufferPointer(firstNotFinite) {
            throw .notFinite(tensor: name, file: file(of: name), index: index, value: values[index])
        }
        return values
    }
}

/// The first NaN or infinity. One pass without branches over blocks that have none: an exponent of all ones
/// is what both share.
func firstNotFinite(_ values: UnsafeBufferPointer<Float>) -> Int? {
    let blockSize = 4096
    var first = 0
    while first < values.count {
        let end = min(first + blockSize, values.count)
        var bad: UInt32 = 0
        for i in first..<end { bad |= (values[i].bitPattern & 0x7F80_0000) == 0x7F80_0000 ? 1 : 0 }
        if bad != 0 { return (first..<end).first { !values[$0].isFinite } }
        first = end
    }
    return nil
}

/// Opens what a path names: a folder with `model.safetensors`, `model.safetensors.index.json` or
/// `pytorch_model.bin`; or a safetensors file, an index, or a torch archive, told by content.
public func openTensors(_ path: String) throws(CheckpointError) -> any TensorSource {
    if isFolder(path) {
        for name in ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"]
        where fileExists(path + "/" + name) {
            return try openTensors(path + "/" + name)
        }
        throw .unreadable(file: path, reason: "it has no 'model.safetensors' and no 'model.safetensors.index.json'")
    }
    if path.hasSuffix(".index.json") { return try ShardedSafetensors(index: path) }
    if path.hasSuffix(".safetensors") { return try SafetensorsFile(path: path) }
    return try openByContent(path)
}

private func openByContent(_ path: String) throws(CheckpointError) -> any TensorSource {
    let file = try CheckpointFile(path: path)
    let head = try file.bytes(at: 0, count: min(9, file.size))
    if head.count == 9, head[8] == UInt8(ascii: "{"), head[4..<8].allSatisfy({ $0 == 0 }) {
        return try SafetensorsFile(path: path)
    }
    return try TorchArchive(path: path)
}
