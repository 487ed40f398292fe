// safetensors: u64 header length, a JSON header, then the tensors' bytes without holes.
// Checked as the reference implementation does (safetensors/src/tensor.rs): length, dtype, shape against
// offsets, offsets contiguous from 0 to the file's end.

/// A safetensors file.
///
///     let file = try SafetensorsFile(path: "sae_weights.safetensors")
///     let encoder = try file.tensor("W_enc", shape: [768, 49_152])
///
/// Checked whole at opening. Safe to share between threads.
public struct SafetensorsFile: TensorSource {
    /// The header's limit in the reference implementation.
    static let headerBytesMax = 100_000_000

    public let names: [String]
    /// The header's `__metadata__`: texts only.
    public let metadata: [String: String]

    private let file: CheckpointFile
    private let entries: [String: Entry]

    struct Entry: Sendable {
        let info: TensorInfo
        /// From the file's start.
        let offset: Int
    }

    public var path: String { file.path }

    /// - Throws: `CheckpointError`, with the offset of the first wrong byte where there is one.
    public init(path: String) throws(CheckpointError) {
        let file = try CheckpointFile(path: path)
        guard file.size >= 8 else {
            throw .malformed(
                file: path, offset: file.size, reason: "a safetensors file has at least 8 bytes, this one \(file.size)")
        }
        let length = try file.bytes(at: 0, count: 8).withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        guard length <= SafetensorsFile.headerBytesMax else {
            throw .malformed(
                file: path, offset: 0,
                reason:
                    "a header of \(length) bytes is announced, at most \(SafetensorsFile.headerBytesMax) are allowed; this is no safetensors file"
            )
        }
        let headerCount = Int(length)
        guard 8 + headerCount <= file.size else {
            throw .malformed(
                file: path, offset: file.size,
                reason: "the file ends inside its header of \(headerCount) bytes; it was truncated")
        }
        let header = try JSON.parse(try file.bytes(at: 8, count: headerCount), file: path, base: 8)
        guard case .object(let members) = header else {
            throw .malformed(file: path, offset: 8, reason: "the header must be a JSON object, not \(header.kind)")
        }
        var entries: [String: Entry] = [:]
        var metadata: [String: String] = [:]
        var ranges: [(range: Range<Int>, name: String)] = []
        for member in members {
            if member.key == "__metadata__" {
                metadata = try SafetensorsFile.metadata(member.value, path: path)
                continue
            }
            let (info, range) = try SafetensorsFile.entry(member, path: path)
            let start = 8 + headerCount + range.lowerBound
            guard entries.updateValue(Entry(info: info, offset: start), forKey: member.key) == nil else {
                throw .malformed(file: path, offset: nil, reason: "tensor '\(member.key)' is named twice")
            }
            ranges.append((range, member.key))
        }
        try SafetensorsFile.checkCoverage(
            ranges, dataCount: file.size - 8 - headerCount, dataStart: 8 + headerCount, path: path)
        self.file = file
        self.entries = entries
        self.metadata = metadata
        self.names = entries.keys.sorted()
    }

    public func info(_ name: String) -> TensorInfo? { entries[name]?.info }

    public func read(_ name: String, shape: [Int], into out: UnsafeMutablePointer<Float>) throws(CheckpointError) {
        try check(name, shape: shape)
        let entry = entries[name]!  // check found it
        try file.read(entry.info.dtype, count: entry.info.count, at: entry.offset, into: out)
    }

    private static func metadata(_ value: JSON, path: String) throws(CheckpointError) -> [String: String] {
        var texts: [String: String] = [:]
        guard case .object(let members) = value else {
            throw .malformed(
                file: path, offset: nil, reason: "'__metadata__' must be an object of texts, not \(value.kind)")
        }
        for member in members {
            guard case .string(let text) = member.value else {
                throw .malformed(
                    file: path, offset: nil,
                    reason: "'__metadata__' must hold texts; '\(member.key)' is \(member.value.kind)")
            }
            texts[member.key] = text
        }
        return texts
    }

    /// One tensor of the header: `{"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}`.
    private static func entry(_ member: JSON.Member, path: String) throws(CheckpointError) -> (TensorInfo, Range<Int>) {
        func wrong(_ reason: String) -> CheckpointError {
            .malformed(file: path, offset: nil, reason: "tensor '\(member.key)' \(reason)")
        }
        guard case .string(let typeName)? = member.value["dtype"] else { throw wrong("has no dtype") }
        guard let dtype = DType(safetensorsName: typeName) else { throw wrong("has the unknown dtype '\(typeName)'") }
        guard let shape = integers(member.value["shape"]), let count = elementCount(shape) else {
            throw wrong("has no valid shape")
        }
        guard let offsets = integers(member.value["data_offsets"]), offsets.count == 2, 0 <= offsets[0],
            offsets[0] <= offsets[1]
        else {
            throw wrong("has no valid data_offsets")
        }
        let (byteCount, overflow) = count.multipliedReportingOverflow(by: dtype.byteCount)
        guard !overflow, byteCount == offsets[1] - offsets[0] else {
            throw wrong("is \(shape) of \(dtype), which its \(offsets[1] - offsets[0]) bytes don't hold")
        }
        return (TensorInfo(shape: shape, dtype: dtype), offsets[0]..<offsets[1])
    }

    private static func integers(_ value: JSON?) -> [Int]? {
        guard case .array(let elements)? = value else { return nil }
        var integers: [Int] = []
        for element in elements {
            guard case .int(let number) = element else { return nil }
            integers.append(number)
        }
        return integers
    }

    private static func checkCoverage(
        _ ranges: [(range: Range<Int>, name: String)], dataCount: Int, dataStart: Int, path: String
    ) throws(CheckpointError) {
        var end = 0
        for (range, name) in ranges.sorted(by: {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }) {
            guard range.lowerBound == end else {
                throw .malformed(
                    file: path, offset: nil,
                    reason:
                        "tensor '\(name)' starts at data byte \(range.lowerBound), but the tensors before it end at \(end)"
                )
            }
            end = range.upperBound
        }
        guard end <= dataCount else {
            throw .malformed(
                file: path, offset: dataStart + dataCount,
                reason: "the file ends here, but its tensors end at byte \(dataStart + end); it was truncated")
        }
        guard end == dataCount else {
            throw .malformed(
                file: path, offset: dataStart + end, reason: "\(dataCount - end) bytes follow the last tensor")
        }
    }
}

/// Several safetensors files under one `model.safetensors.index.json`.
public struct ShardedSafetensors: TensorSource {
    static let shardsMax = 1000

    public let path: String
    public let names: [String]
    private let shards: [String: SafetensorsFile]
    private let shardOf: [String: String]

    /// - Parameter path: the index. Shards lie beside it; a name that leads elsewhere is refused.
    public init(index path: String) throws(CheckpointError) {
        let config = try ConfigFile(path: path)
        guard case .object(let members)? = config["weight_map"] else {
            throw config.error("weight_map", "must be an object from tensor to file")
        }
        let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        var shards: [String: SafetensorsFile] = [:]
        var shardOf: [String: String] = [:]
        for member in members {
            guard case .string(let name) = member.value else {
                throw config.error("weight_map.\(member.key)", "must be a file name, not \(member.value.kind)")
            }
            guard !name.isEmpty, !name.contains("/"), !name.hasPrefix("."), !name.utf8.contains(0) else {
                throw config.error(
                    "weight_map.\(member.key)", "is '\(name)'; a shard must be a plain name beside the index")
            }
            if shards[name] == nil {
                guard shards.count < ShardedSafetensors.shardsMax else {
                    throw config.error("weight_map", "names more than \(ShardedSafetensors.shardsMax) files")
                }
                shards[name] = try SafetensorsFile(
                    path: folder.isEmpty && !path.hasPrefix("/") ? name : folder + "/" + name)
            }
            guard let shard = shards[name], shard.info(member.key) != nil else {
                throw .missingTensor(tensor: member.key, file: shards[name]?.path ?? name)
            }
            shardOf[member.key] = name
        }
        self.path = path
        self.shards = shards
        self.shardOf = shardOf
        self.names = shardOf.keys.sorted()
    }

    /// The shards' paths, sorted.
    package var files: [String] { shards.values.map(\.path).sorted() }

    private func shard(of name: String) -> SafetensorsFile? { shardOf[name].flatMap { shards[$0] } }

    public func info(_ name: String) -> TensorInfo? { shard(of: name)?.info(name) }

    public func file(of name: String) -> String { shard(of: name)?.path ?? path }

    public func read(_ name: String, shape: [Int], into out: UnsafeMutablePointer<Float>) throws(CheckpointError) {
        guard let shard = shard(of: name) else { throw .missingTensor(tensor: name, file: path) }
        try shard.read(name, shape: shape, into: out)
    }
}
