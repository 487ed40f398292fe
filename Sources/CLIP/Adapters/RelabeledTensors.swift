// Tensors of one source under other names, and a source with some tensors changed: what adapted towers are packed from.

import Checkpoints

/// Tensors under Hugging Face's names, from a file that names or lays them out differently.
struct RelabeledTensors: TensorSource {
    /// Where a tensor comes from.
    enum Part: Sendable {
        case whole(String)
        /// Rows of queries, keys or values (0, 1, 2) in a fused projection.
        case third(String, Int)
        case transposed(String)
        /// One value, written with a dimension or without.
        case scalar(String)

        /// The file's own name.
        var tensor: String {
            switch self {
            case .whole(let name), .third(let name, _), .transposed(let name), .scalar(let name): name
            }
        }

        func shape(in source: any TensorSource) -> [Int]? {
            guard let shape = source.info(tensor)?.shape else { return nil }
            switch self {
            case .whole: return shape
            case .third: return shape.isEmpty || shape[0] % 3 != 0 ? shape : [shape[0] / 3] + shape.dropFirst()
            case .transposed: return shape.reversed()
            case .scalar: return shape == [1] ? [] : shape
            }
        }
    }

    private let source: any TensorSource
    private let parts: [String: Part]
    let names: [String]

    init(_ source: any TensorSource, _ parts: [String: Part]) {
        self.source = source
        self.parts = parts
        names = parts.keys.sorted()
    }

    var path: String { source.path }

    func info(_ name: String) -> TensorInfo? {
        guard let part = parts[name], let info = source.info(part.tensor), let shape = part.shape(in: source) else {
            return nil
        }
        return TensorInfo(shape: shape, dtype: info.dtype)
    }

    func file(of name: String) -> String { parts[name].map { source.file(of: $0.tensor) } ?? source.path }

    func read(_ name: String, shape: [Int], into out: UnsafeMutablePointer<Float>) throws(CheckpointError) {
        guard let part = parts[name] else { throw .missingTensor(tensor: name, file: path) }
        switch part {
        case .whole(let tensor): try source.read(tensor, shape: shape, into: out)
        case .scalar(let tensor):
            try source.read(tensor, shape: source.info(tensor)?.shape == [1] ? [1] : [], into: out)
        case .third(let tensor, let index):
            let fused = try source.tensor(tensor, shape: [3 * shape[0]] + shape.dropFirst())
            let count = shape.reduce(1, *)
            fused.withUnsafeBufferPointer { out.update(from: $0.baseAddress! + index * count, count: count) }
        case .transposed(let tensor):
            let (rows, columns) = (shape[0], shape[1])
            let other = try source.tensor(tensor, shape: [columns, rows])
            for row in 0..<rows {
                for column in 0..<columns { out[row * columns + column] = other[column * rows + row] }
            }
        }
    }
}

/// A model's tensors with an adapter's changes: some replaced, some with a low-rank product added.
struct ChangedTensors: TensorSource {
    let base: any TensorSource
    let replaced: (any TensorSource)?
    let replacedNames: Set<String>
    let lowRank: [String: LowRank]

    var path: String { replaced?.path ?? base.path }
    var names: [String] { base.names }
    func info(_ name: String) -> TensorInfo? { base.info(name) }
    func file(of name: String) -> String { source(of: name).file(of: name) }

    private func source(of name: String) -> any TensorSource {
        if let replaced, replacedNames.contains(name) { replaced } else { base }
    }

    func read(_ name: String, shape: [Int], into out: UnsafeMutablePointer<Float>) throws(CheckpointError) {
        try source(of: name).read(name, shape: shape, into: out)
        guard let change = lowRank[name] else { return }
        let inputs = change.a.count / change.rank
        for row in 0..<change.b.count / change.rank {
            for k in 0..<change.rank {
                let factor = change.scale * change.b[row * change.rank + k]
                for i in 0..<inputs { out[row * inputs + i] += factor * change.a[k * inputs + i] }
            }
        }
    }
}
