// What a pickle may call, and what each call becomes here: plain values, tensors, dictionaries.

extension PickleReader {
    /// REDUCE. The few calls that stand for plain values are answered. A call into Python's own modules that start
    /// programs or evaluate text is refused by name; the value of any other is left unmade, which matters only to who
    /// asks for it (a trainer's optimizer, a numpy scalar among its results).
    mutating func call(_ callable: Int, _ argumentTuple: Int) throws(CheckpointError) -> PickleNode {
        guard case .global(let name) = nodes[callable] else { throw refused("would call something that has no name") }
        guard case .tuple(let arguments) = nodes[argumentTuple] else {
            throw malformed("'\(name)' is called without a tuple of arguments")
        }
        switch name {
        case "torch._utils._rebuild_tensor_v2": return .tensor(try rebuildTensor(name, arguments, dtype: nil))
        case "torch._utils._rebuild_tensor_v3":
            guard arguments.count > 6, case .global(let type) = nodes[arguments[6]],
                let dtype = PickleReader.dtypes[type]
            else {
                throw malformed("'\(name)' has no known dtype")
            }
            return .tensor(try rebuildTensor(name, arguments, dtype: dtype))
        case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
            guard let first = arguments.first, case .tensor(let tensor) = nodes[first] else {
                throw malformed("'\(name)' has no tensor")
            }
            return .tensor(tensor)
        case "collections.OrderedDict": return .dictionary(try pairs(arguments.first))
        case "collections.defaultdict": return .dictionary([])
        case "torch.Size": return .tuple(arguments.first.map(elements) ?? [])
        case "builtins.set", "builtins.frozenset", "__builtin__.set", "__builtin__.frozenset":
            return .set(arguments.first.map(elements) ?? [])
        case "_codecs.encode": return try encodedBytes(arguments)
        case "torch.device", "types.SimpleNamespace", "argparse.Namespace":
            return .object(PickleObject(className: name))
        case "copyreg._reconstructor", "copy_reg._reconstructor":
            guard let first = arguments.first else { throw malformed("'\(name)' has no class") }
            return try newObject(first)
        case _ where name.hasPrefix("pathlib.") && name.hasSuffix("Path"): return .string(path(arguments))
        case _ where isEnumeration(name, arguments):
            nodes.append(.string("value"))
            return .object(
                PickleObject(className: name, items: [PickleItem(key: nodes.count - 1, value: arguments[0])]))
        case _ where PickleReader.isDangerous(name): throw refused("would call '\(name)'")
        default: return .unmade(PickleCall(name: name, offset: opcodeStart))
        }
    }

    /// NEWOBJ: an instance of a class, empty until BUILD gives it its fields.
    func newObject(_ cls: Int) throws(CheckpointError) -> PickleNode {
        guard case .global(let name) = nodes[cls] else { throw refused("makes an object of a class that has no name") }
        if name == "collections.OrderedDict" || name == "builtins.dict" { return .dictionary([]) }
        guard !PickleReader.isDangerous(name) else { throw refused("would make a '\(name)'") }
        return .object(PickleObject(className: name))
    }

    /// BINPERSID: `('storage', torch.FloatStorage, key, location, count)`.
    func storage(_ id: Int) throws(CheckpointError) -> TorchStorage {
        guard case .tuple(let parts) = nodes[id], parts.count == 5, case .string("storage") = nodes[parts[0]],
            case .global(let type) = nodes[parts[1]], case .string(let key) = nodes[parts[2]],
            case .int(let count) = nodes[parts[4]]
        else { throw malformed("a storage is described wrongly") }
        let isUntyped = type == "torch.storage.UntypedStorage" || type == "torch.UntypedStorage"
        let dtype = PickleReader.storages[type]
        guard isUntyped || dtype != nil else { throw refused("has a storage of type '\(type)'") }
        guard count >= 0, !count.multipliedReportingOverflow(by: dtype?.byteCount ?? 1).overflow else {
            throw malformed("storage '\(key)' has \(count) elements")
        }
        return TorchStorage(key: key, dtype: dtype, count: count)
    }

    /// `_rebuild_tensor_v2(storage, offset, size, strides, requires_grad, hooks)`.
    private func rebuildTensor(_ name: String, _ arguments: [Int], dtype: DType?) throws(CheckpointError) -> TorchTensor
    {
        guard arguments.count >= 4, case .storage(let storage) = nodes[arguments[0]],
            case .int(let offset) = nodes[arguments[1]],
            let shape = integers(arguments[2]), let strides = integers(arguments[3]), shape.count == strides.count,
            shape.count <= 16, offset >= 0, shape.allSatisfy({ $0 >= 0 }), strides.allSatisfy({ $0 >= 0 })
        else { throw malformed("'\(name)' has wrong arguments") }
        guard let type = dtype ?? storage.dtype else { throw malformed("'\(name)' has a storage without a type") }
        let available = storage.byteCount / type.byteCount
        // More elements than the storage has: an expanded tensor (stride 0), which can announce any size.
        guard let count = elementCount(shape), count <= available else {
            throw malformed("a tensor \(shape) is larger than its storage of \(available) elements")
        }
        guard let extent = extent(offset, shape, strides), extent <= available else {
            throw malformed(
                "a tensor \(shape) with strides \(strides) at \(offset) leaves its storage of \(available) elements")
        }
        return TorchTensor(storage: storage, offset: offset, shape: shape, strides: strides, dtype: type)
    }

    /// One past the last element that a strided tensor touches; nil where that overflows.
    private func extent(_ offset: Int, _ shape: [Int], _ strides: [Int]) -> Int? {
        if shape.contains(0) { return offset }
        var last = offset
        for (size, stride) in zip(shape, strides) {
            let (step, tooFar) = (size - 1).multipliedReportingOverflow(by: stride)
            let (sum, tooLarge) = last.addingReportingOverflow(step)
            if tooFar || tooLarge { return nil }
            last = sum
        }
        return last == .max ? nil : last + 1
    }

    private func elements(_ index: Int) -> [Int] {
        switch nodes[index] {
        case .list(let own), .tuple(let own), .set(let own): own
        default: []
        }
    }

    private func integers(_ index: Int) -> [Int]? {
        guard case .tuple(let own) = nodes[index] else { return nil }
        var values: [Int] = []
        for element in own {
            guard case .int(let value) = nodes[element] else { return nil }
            values.append(value)
        }
        return values
    }

    private func pairs(_ index: Int?) throws(CheckpointError) -> [PickleItem] {
        var items: [PickleItem] = []
        for pair in index.map(elements) ?? [] {
            let parts = elements(pair)
            guard parts.count == 2 else { throw malformed("an OrderedDict is filled with what is no pair") }
            items.append(PickleItem(key: parts[0], value: parts[1]))
        }
        return items
    }

    /// How protocol 2 writes bytes: `_codecs.encode('...', 'latin1')`.
    private func encodedBytes(_ arguments: [Int]) throws(CheckpointError) -> PickleNode {
        guard arguments.count == 2, case .string(let text) = nodes[arguments[0]],
            case .string("latin1") = nodes[arguments[1]]
        else {
            throw refused("would call '_codecs.encode' for another code than latin1")
        }
        return .bytes(text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
    }

    private func path(_ arguments: [Int]) -> String {
        let parts = arguments.compactMap { index -> String? in
            if case .string(let text) = nodes[index] { text } else { nil }
        }
        guard let first = parts.first else { return "." }
        return parts.dropFirst().reduce(first) { $0.hasSuffix("/") ? $0 + $1 : $0 + "/" + $1 }
    }

    /// An enumeration's member is pickled as a call of its class with one plain value. Its class can't be told
    /// from a function except by habit: a capital letter, and not in Python's own library.
    private func isEnumeration(_ name: String, _ arguments: [Int]) -> Bool {
        guard arguments.count == 1, !PickleReader.isDangerous(name),
            name.split(separator: ".").last?.first?.isUppercase == true
        else { return false }
        switch nodes[arguments[0]] {
        case .int, .string, .float, .bool: return true
        default: return false
        }
    }

    /// Whether a name belongs to a module of Python's own that starts programs, opens files or the network, or
    /// evaluates text. Making an "object" of such a class has no place in a configuration.
    private static func isDangerous(_ name: String) -> Bool {
        guard let module = name.split(separator: ".").first else { return true }
        return dangerousModules.contains(String(module))
    }

    private static let dangerousModules: Set<String> = [
        "__builtin__", "_frozen_importlib", "_io", "_operator", "_posixsubprocess", "_socket", "_thread", "asyncio",
        "bdb",
        "builtins", "cgi", "code", "codeop", "commands", "concurrent", "ctypes", "dbm", "distutils", "ensurepip",
        "ftplib", "functools",
        "gc", "glob", "http", "imaplib", "imp", "importlib", "inspect", "io", "logging", "mailbox", "marshal", "mmap",
        "multiprocessing", "nt",
        "operator", "os", "pdb", "pickle", "pip", "pkgutil", "platform", "popen2", "poplib", "posix", "profile", "pty",
        "pydoc", "runpy",
        "sched", "select", "shelve", "shutil", "signal", "smtplib", "socket", "socketserver", "sqlite3", "ssl",
        "subprocess", "sys", "tarfile",
        "tempfile", "threading", "timeit", "trace", "types", "urllib", "venv", "webbrowser", "xmlrpc", "zipfile",
        "zipimport",
    ]

    private static let dtypes: [String: DType] = [
        "torch.float32": .f32, "torch.float16": .f16, "torch.bfloat16": .bf16, "torch.float64": .f64,
        "torch.int64": .i64, "torch.int32": .i32, "torch.int16": .i16, "torch.int8": .i8,
        "torch.uint64": .u64, "torch.uint32": .u32, "torch.uint16": .u16, "torch.uint8": .u8, "torch.bool": .bool,
    ]

    private static let storages: [String: DType] = [
        "torch.FloatStorage": .f32, "torch.HalfStorage": .f16, "torch.BFloat16Storage": .bf16,
        "torch.DoubleStorage": .f64,
        "torch.LongStorage": .i64, "torch.IntStorage": .i32, "torch.ShortStorage": .i16, "torch.CharStorage": .i8,
        "torch.ByteStorage": .u8, "torch.BoolStorage": .bool,
    ]
}
