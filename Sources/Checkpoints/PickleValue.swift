// What a pickle holds, as a graph of plain nodes.
//
// Nodes live in one array and refer to each other by index. A pickle may share and nest as it likes (cycles,
// a list of lists of lists that would expand to 2^60 elements, a million levels): nothing here is expanded
// and freeing it does not recurse.

/// A value of a pickle: a plain value, a list, a dictionary, a tensor, or an object of some Python class,
/// read as the dictionary of its fields.
///
///     let width = archive.metadata["cfg"]?["d_in"]?.int
public struct PickleValue: Sendable {
    let graph: PickleGraph
    let index: Int

    private var node: PickleNode { graph.nodes[index] }

    private func value(_ index: Int) -> PickleValue { PickleValue(graph: graph, index: index) }

    public var isNone: Bool {
        if case .none = node { true } else { false }
    }

    public var bool: Bool? {
        if case .bool(let value) = node { value } else { nil }
    }

    public var int: Int? {
        if case .int(let value) = node { value } else { nil }
    }

    /// A float, or an integer as one.
    public var double: Double? {
        switch node {
        case .float(let value): value
        case .int(let value): Double(value)
        default: nil
        }
    }

    public var string: String? {
        if case .string(let value) = node { value } else { nil }
    }

    /// A list's, tuple's or set's elements.
    public var elements: [PickleValue]? {
        switch node {
        case .list(let elements), .tuple(let elements), .set(let elements): elements.map(value)
        default: nil
        }
    }

    /// A dictionary's items, or an object's fields; keys that are no texts are left out.
    public var fields: [(key: String, value: PickleValue)]? {
        let items: [PickleItem]
        switch node {
        case .dictionary(let own): items = own
        case .object(let object): items = graph.fields(of: object)
        default: return nil
        }
        return items.compactMap { item in
            guard case .string(let key) = graph.nodes[item.key] else { return nil }
            return (key, value(item.value))
        }
    }

    /// The value of a key of a dictionary or a field of an object; where it is given twice, the last.
    public subscript(key: String) -> PickleValue? { fields?.last { $0.key == key }?.value }

    /// `sae.config.Config` for an object of that class; `torch.float32` for a name that is only mentioned.
    public var className: String? {
        switch node {
        case .object(let object): object.className
        case .global(let name): name
        default: nil
        }
    }

    public var isTensor: Bool {
        if case .tensor = node { true } else { false }
    }

    /// The call that would have made this value.
    var unmade: PickleCall? {
        if case .unmade(let call) = node { call } else { nil }
    }

    var tensor: TorchTensor? {
        if case .tensor(let tensor) = node { tensor } else { nil }
    }
}

/// Fixed once the pickle is read.
final class PickleGraph: Sendable {
    let nodes: [PickleNode]

    init(nodes: [PickleNode]) { self.nodes = nodes }

    /// The state that a class instance was given: a dictionary, or `(dictionary or None, dictionary of slots)`.
    func fields(of object: PickleObject) -> [PickleItem] {
        var items = object.items
        guard let state = object.state else { return items }
        switch nodes[state] {
        case .dictionary(let own): items += own
        case .tuple(let parts):
            for part in parts {
                if case .dictionary(let own) = nodes[part] { items += own }
            }
        default: break
        }
        return items
    }
}

struct PickleItem: Sendable {
    let key: Int
    let value: Int
}

struct PickleObject: Sendable {
    let className: String
    /// What a dictionary-like class was filled with.
    var items: [PickleItem] = []
    /// What BUILD gave it.
    var state: Int?
}

/// A tensor as the pickle describes it; bytes are in the archive's `data/KEY`.
struct TorchTensor: Sendable {
    let storage: TorchStorage
    /// In elements.
    let offset: Int
    let shape: [Int]
    /// In elements.
    let strides: [Int]
    let dtype: DType
}

struct TorchStorage: Sendable, Hashable {
    let key: String
    /// nil: untyped, counted in bytes.
    let dtype: DType?
    let count: Int
    var byteCount: Int { count * (dtype?.byteCount ?? 1) }
}

enum PickleNode: Sendable {
    case none
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(String)
    case bytes([UInt8])
    case list([Int])
    case tuple([Int])
    case set([Int])
    case dictionary([PickleItem])
    case global(String)
    case object(PickleObject)
    case storage(TorchStorage)
    case tensor(TorchTensor)
    /// What a call that is not made would have given.
    case unmade(PickleCall)
}

/// A call that is not made.
struct PickleCall: Sendable {
    let name: String
    /// Of its opcode in data.pkl.
    let offset: Int
}
