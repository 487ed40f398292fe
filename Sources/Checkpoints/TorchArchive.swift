// torch.save's zip: `NAME/data.pkl` describes the values, `NAME/data/KEY` are the storages' bytes.

/// A torch archive, read without running anything of it.
///
///     let archive = try TorchArchive(path: "sae.pt")
///     let encoder = try archive.tensor("W_enc", shape: [768, 49_152])
///     let width = archive.metadata["cfg"]?["d_in"]?.int
///
/// `names` are the keys of the state dict: the entry `state_dict` (or `model_state_dict`, `model`) where the
/// archive has one, otherwise the whole; nested dictionaries give dotted names. What lies beside a state dict
/// (optimizer, scheduler, results) is not needed and not read. Tensors that are views with
/// strides are read in their own order. Checked whole at opening; safe to share between threads.
public struct TorchArchive: TensorSource {
    public let names: [String]
    /// All that was saved; configuration objects are dictionaries here.
    public let metadata: PickleValue

    private let file: CheckpointFile
    private let tensors: [String: Entry]

    private struct Entry: Sendable {
        let tensor: TorchTensor
        /// Of the storage, from the file's start.
        let offset: Int
    }

    public var path: String { file.path }

    /// - Throws: `refused` with the name of what the pickle would call; `malformed`, `unreadable`.
    public init(path: String) throws(CheckpointError) {
        let file = try CheckpointFile(path: path)
        let zip = try ZipDirectory(file)
        let root = try TorchArchive.root(of: zip, path: path)
        if let order = zip.entries[root + "byteorder"] {
            let text = String(decoding: try file.bytes(at: order.offset, count: min(order.size, 16)), as: UTF8.self)
            guard text == "little" else {
                throw .malformed(
                    file: path, offset: order.offset,
                    reason: "byte order '\(text)'; only 'little' is read, save it on an ordinary machine")
            }
        }
        let pickle = zip.entries[root + "data.pkl"]!  // root(of:) found it
        guard pickle.size <= PickleReader.bytesMax else {
            throw .malformed(
                file: path, offset: pickle.offset,
                reason: "data.pkl is \(pickle.size) bytes, at most \(PickleReader.bytesMax) are read")
        }
        let metadata = try PickleReader.read(try file.bytes(at: pickle.offset, count: pickle.size), file: path)
        var tensors: [String: Entry] = [:]
        for (name, tensor) in try TorchArchive.stateDict(metadata, path: path) {
            let key = root + "data/" + tensor.storage.key
            guard let storage = zip.entries[key] else {
                throw .malformed(
                    file: path, offset: nil, reason: "tensor '\(name)' lies in '\(key)', which the zip does not have")
            }
            guard storage.size >= tensor.storage.byteCount else {
                throw .malformed(
                    file: path, offset: storage.offset,
                    reason: "'\(key)' is \(storage.size) bytes, tensor '\(name)' needs \(tensor.storage.byteCount)")
            }
            tensors[name] = Entry(tensor: tensor, offset: storage.offset)
        }
        self.file = file
        self.metadata = metadata
        self.tensors = tensors
        self.names = tensors.keys.sorted()
    }

    public func info(_ name: String) -> TensorInfo? {
        tensors[name].map { TensorInfo(shape: $0.tensor.shape, dtype: $0.tensor.dtype) }
    }

    public func read(_ name: String, shape: [Int], into out: UnsafeMutablePointer<Float>) throws(CheckpointError) {
        try check(name, shape: shape)
        let entry = tensors[name]!  // check found it
        let tensor = entry.tensor
        // What lies contiguous at the end of the shape is read at once; the dimensions before it are walked.
        var run = 1
        var outer = tensor.shape.count
        while outer > 0, tensor.shape[outer - 1] == 1 || tensor.strides[outer - 1] == run {
            outer -= 1
            run *= tensor.shape[outer]
        }
        if run == 0 || tensor.shape.contains(0) { return }
        if outer == 0 {
            return try file.read(
                tensor.dtype, count: run, at: entry.offset + tensor.offset * tensor.dtype.byteCount, into: out)
        }
        try readStrided(entry, outer: outer, run: run, into: out)
    }

    /// A transposed or sliced tensor: its storage is read once and gathered.
    private func readStrided(_ entry: Entry, outer: Int, run: Int, into out: UnsafeMutablePointer<Float>)
        throws(CheckpointError)
    {
        let tensor = entry.tensor
        let extent = zip(tensor.shape, tensor.strides).reduce(1) { $0 + ($1.0 - 1) * $1.1 }
        let span = UnsafeMutablePointer<Float>.allocate(capacity: extent)
        defer { span.deallocate() }
        try file.read(
            tensor.dtype, count: extent, at: entry.offset + tensor.offset * tensor.dtype.byteCount, into: span)
        var index = [Int](repeating: 0, count: outer)
        var source = 0
        var target = out
        while true {
            target.update(from: span + source, count: run)
            target += run
            var dimension = outer - 1
            while dimension >= 0 {
                index[dimension] += 1
                source += tensor.strides[dimension]
                if index[dimension] < tensor.shape[dimension] { break }
                source -= index[dimension] * tensor.strides[dimension]
                index[dimension] = 0
                dimension -= 1
            }
            if dimension < 0 { return }
        }
    }

    /// `archive/` of `archive/data.pkl`.
    private static func root(of zip: ZipDirectory, path: String) throws(CheckpointError) -> String {
        let pickles = zip.entries.keys.filter { $0.hasSuffix("/data.pkl") && $0.split(separator: "/").count == 2 }
        guard let pickle = pickles.first, pickles.count == 1 else {
            throw .malformed(
                file: path, offset: nil,
                reason: "the zip has \(pickles.count) entries named 'NAME/data.pkl'; torch.save writes one")
        }
        let root = String(pickle.dropLast("data.pkl".count))
        if zip.entries[root + "constants.pkl"] != nil {
            throw .malformed(
                file: path, offset: nil, reason: "this is a TorchScript program; save its state_dict() with torch.save")
        }
        return root
    }

    private static let stateDictKeys = ["state_dict", "model_state_dict", "model"]

    private static func stateDict(_ root: PickleValue, path: String) throws(CheckpointError) -> [(String, TorchTensor)]
    {
        if let call = root.unmade { throw refused(call, path: path) }
        guard let fields = root.fields else {
            throw .malformed(file: path, offset: nil, reason: "it holds no dictionary of tensors; save a state_dict()")
        }
        // Beside a 'state_dict' tensors are results of the training; a 'model' may be a layer's name.
        let hasTensors = fields.contains { $0.value.isTensor }
        let keys = hasTensors ? stateDictKeys.filter { $0 != "model" } : stateDictKeys
        let source = keys.lazy.compactMap { root[$0] }.first { $0.fields != nil } ?? root
        var found: [(String, TorchTensor)] = []
        var visits = 0
        try collect(source, prefix: "", depth: 0, into: &found, visits: &visits, path: path)
        guard !found.isEmpty else {
            throw .malformed(file: path, offset: nil, reason: "it holds no tensors; save a state_dict()")
        }
        return found
    }

    private static func refused(_ call: PickleCall, path: String) -> CheckpointError {
        .refused(file: path, offset: call.offset, what: "would call '\(call.name)'")
    }

    private static let visitsMax = 1_000_000

    private static func collect(
        _ value: PickleValue, prefix: String, depth: Int, into found: inout [(String, TorchTensor)], visits: inout Int,
        path: String
    ) throws(CheckpointError) {
        // Shared and cyclic dictionaries could go on for ever; a state dict is flat or nearly so.
        guard depth < 4 else { return }
        for (key, field) in value.fields ?? [] {
            visits += 1
            guard visits <= visitsMax else {
                throw .malformed(file: path, offset: nil, reason: "more than \(visitsMax) values in its state dict")
            }
            if let call = field.unmade { throw refused(call, path: path) }
            if let tensor = field.tensor {
                found.append((prefix + key, tensor))
            } else if field.fields != nil {
                try collect(
                    field, prefix: prefix + key + ".", depth: depth + 1, into: &found, visits: &visits, path: path)
            }
        }
    }
}
