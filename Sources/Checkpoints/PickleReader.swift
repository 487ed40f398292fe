// A pickle reader that runs nothing: protocols 2 to 5, the opcodes that torch.save and dataclasses produce.
//
// A pickle is a program for a stack machine. GLOBAL names a thing, REDUCE calls it, NEWOBJ and BUILD make
// an object of a class. Here a global is only its name. Calls are answered for the few names in
// PickleCalls.swift, which build plain values; any other is refused by name or leaves a value unmade. An object of
// an unknown class is the dictionary of its fields.

struct PickleReader {
    /// Limits that no checkpoint comes near.
    static let bytesMax = 64 << 20
    static let nodesMax = 4_000_000
    static let stackMax = 1_000_000

    private let bytes: [UInt8]
    let file: String
    var at = 0
    /// Where the opcode at hand starts: for messages.
    var opcodeStart = 0
    var nodes: [PickleNode] = []
    private var stack: [Int] = []
    private var marks: [Int] = []
    private var memo: [Int: Int] = [:]

    private init(bytes: [UInt8], file: String) {
        self.bytes = bytes
        self.file = file
    }

    static func read(_ bytes: [UInt8], file: String) throws(CheckpointError) -> PickleValue {
        var reader = PickleReader(bytes: bytes, file: file)
        let root = try reader.run()
        return PickleValue(graph: PickleGraph(nodes: reader.nodes), index: root)
    }

    func malformed(_ reason: String) -> CheckpointError {
        .malformed(file: file, offset: nil, reason: "byte \(opcodeStart) of data.pkl: \(reason)")
    }

    func refused(_ what: String) -> CheckpointError { .refused(file: file, offset: opcodeStart, what: what) }

    // MARK: The machine

    private mutating func run() throws(CheckpointError) -> Int {
        while true {
            opcodeStart = at
            let opcode = try byte()
            if opcode == UInt8(ascii: ".") {
                guard stack.count == 1, marks.isEmpty else {
                    throw malformed("the pickle stops with \(stack.count) values on its stack")
                }
                return stack[0]
            }
            try step(opcode)
        }
    }

    private mutating func step(_ opcode: UInt8) throws(CheckpointError) {
        switch opcode {
        case 0x80:  // PROTO
            let version = try byte()
            guard (2...5).contains(version) else { throw malformed("pickle protocol \(version); 2 to 5 are read") }
        case 0x95: _ = try count(8)  // FRAME: a hint for readers of streams
        case UInt8(ascii: "N"): try push(.none)
        case 0x88: try push(.bool(true))
        case 0x89: try push(.bool(false))
        case UInt8(ascii: "J"): try push(.int(Int(Int32(truncatingIfNeeded: try unsigned(4)))))
        case UInt8(ascii: "K"): try push(.int(Int(try byte())))
        case UInt8(ascii: "M"): try push(.int(Int(try unsigned(2))))
        case 0x8A: try push(try long(Int(try byte())))
        case 0x8B: try push(try long(try count(4)))
        case UInt8(ascii: "G"): try push(.float(Double(bitPattern: (try unsigned(8)).byteSwapped)))
        case 0x8C: try push(.string(try text(Int(try byte()))))
        case UInt8(ascii: "X"): try push(.string(try text(try count(4))))
        case 0x8D: try push(.string(try text(try count(8))))
        case UInt8(ascii: "C"): try push(.bytes(Array(try take(Int(try byte())))))
        case UInt8(ascii: "B"): try push(.bytes(Array(try take(try count(4)))))
        case 0x8E, 0x96: try push(.bytes(Array(try take(try count(8)))))
        case UInt8(ascii: "}"): try push(.dictionary([]))
        case UInt8(ascii: "]"): try push(.list([]))
        case UInt8(ascii: ")"): try push(.tuple([]))
        case 0x8F: try push(.set([]))
        case 0x91: try push(.set(try popMark()))  // FROZENSET
        case UInt8(ascii: "("):
            guard marks.count < PickleReader.stackMax else {
                throw malformed("more than \(PickleReader.stackMax) marks")
            }
            marks.append(stack.count)
        case UInt8(ascii: "t"): try push(.tuple(try popMark()))
        case 0x85: try push(.tuple(try pop(1)))
        case 0x86: try push(.tuple(try pop(2)))
        case 0x87: try push(.tuple(try pop(3)))
        case UInt8(ascii: "l"): try push(.list(try popMark()))
        case UInt8(ascii: "d"): try push(.dictionary(try items(try popMark())))
        case UInt8(ascii: "a"): try append(try pop(1))
        case UInt8(ascii: "e"), 0x90: try append(try popMark())  // APPENDS, ADDITEMS
        case UInt8(ascii: "s"): try setItems(try pop(2))
        case UInt8(ascii: "u"): try setItems(try popMark())
        case UInt8(ascii: "0"): _ = try pop(1)
        case UInt8(ascii: "1"): _ = try popMark()
        case UInt8(ascii: "2"): try pushIndex(try top())
        default: try stepNames(opcode)
        }
    }

    /// Memo, names, calls and objects.
    private mutating func stepNames(_ opcode: UInt8) throws(CheckpointError) {
        switch opcode {
        case UInt8(ascii: "q"): memo[Int(try byte())] = try top()
        case UInt8(ascii: "r"): memo[try count(4)] = try top()
        case 0x94: memo[memo.count] = try top()
        case UInt8(ascii: "h"): try recall(Int(try byte()))
        case UInt8(ascii: "j"): try recall(try count(4))
        case UInt8(ascii: "c"):
            let module = try line()
            try push(.global(module + "." + (try line())))
        case 0x93:  // STACK_GLOBAL
            let parts = try pop(2)
            guard case .string(let module) = nodes[parts[0]], case .string(let name) = nodes[parts[1]] else {
                throw malformed("a global's name is no text")
            }
            try push(.global(module + "." + name))
        case UInt8(ascii: "R"):
            let parts = try pop(2)
            try push(try call(parts[0], parts[1]))
        case 0x81:  // NEWOBJ
            let parts = try pop(2)
            try push(try newObject(parts[0]))
        case 0x92:  // NEWOBJ_EX
            let parts = try pop(3)
            try push(try newObject(parts[0]))
        case UInt8(ascii: "b"):
            let state = try pop(1)[0]
            try build(try top(), state)
        case UInt8(ascii: "Q"):
            let id = try pop(1)[0]
            try push(.storage(try storage(id)))
        default:
            throw refused("uses opcode 0x\(String(opcode, radix: 16))")
        }
    }

    // MARK: Operands

    private mutating func take(_ count: Int) throws(CheckpointError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.count - at else { throw malformed("the pickle ends early") }
        defer { at += count }
        return bytes[at..<at + count]
    }

    private mutating func byte() throws(CheckpointError) -> UInt8 { try take(1).first! }

    private mutating func unsigned(_ width: Int) throws(CheckpointError) -> UInt64 {
        try take(width).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private mutating func count(_ width: Int) throws(CheckpointError) -> Int {
        guard let count = Int(exactly: try unsigned(width)) else { throw malformed("the pickle ends early") }
        return count
    }

    /// Two's complement, little-endian.
    private mutating func long(_ count: Int) throws(CheckpointError) -> PickleNode {
        let digits = try take(count)
        // Integers past 64 bits (random generators' states) are of no use here; as bytes they do no harm.
        guard count <= 8 else { return .bytes(Array(digits)) }
        let value = digits.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let unused = 64 - 8 * count
        return .int(count == 0 ? 0 : Int(Int64(bitPattern: value << UInt64(unused)) >> Int64(unused)))
    }

    private mutating func text(_ count: Int) throws(CheckpointError) -> String {
        // Python may write lone surrogates; they become U+FFFD.
        String(decoding: try take(count), as: UTF8.self)
    }

    private mutating func line() throws(CheckpointError) -> String {
        guard let end = bytes[at...].firstIndex(of: 0x0A), end - at <= 4096 else {
            throw malformed("a global's name does not end")
        }
        defer { at += 1 }
        return String(decoding: try take(end - at), as: UTF8.self)
    }

    // MARK: Stack

    private mutating func push(_ node: PickleNode) throws(CheckpointError) {
        guard nodes.count < PickleReader.nodesMax else { throw malformed("more than \(PickleReader.nodesMax) values") }
        nodes.append(node)
        try pushIndex(nodes.count - 1)
    }

    private mutating func pushIndex(_ index: Int) throws(CheckpointError) {
        guard stack.count < PickleReader.stackMax else {
            throw malformed("more than \(PickleReader.stackMax) values on the stack")
        }
        stack.append(index)
    }

    private func top() throws(CheckpointError) -> Int {
        guard let index = stack.last, stack.count > marks.last ?? 0 else { throw malformed("the stack is empty") }
        return index
    }

    private mutating func pop(_ count: Int) throws(CheckpointError) -> [Int] {
        guard stack.count - count >= marks.last ?? 0 else { throw malformed("the stack is empty") }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private mutating func popMark() throws(CheckpointError) -> [Int] {
        guard let mark = marks.popLast() else { throw malformed("no mark is set") }
        defer { stack.removeLast(stack.count - mark) }
        return Array(stack[mark...])
    }

    private mutating func recall(_ key: Int) throws(CheckpointError) {
        guard let index = memo[key] else { throw malformed("memo \(key) is not set") }
        try pushIndex(index)
    }

    // MARK: Containers

    private func items(_ flat: [Int]) throws(CheckpointError) -> [PickleItem] {
        guard flat.count % 2 == 0 else { throw malformed("a dictionary has a key without a value") }
        return stride(from: 0, to: flat.count, by: 2).map { PickleItem(key: flat[$0], value: flat[$0 + 1]) }
    }

    private mutating func setItems(_ flat: [Int]) throws(CheckpointError) {
        let added = try items(flat)
        let target = try top()
        switch nodes[target] {
        case .dictionary(var own):
            nodes[target] = .none  // so that appending does not copy
            own += added
            nodes[target] = .dictionary(own)
        case .object(var object):
            nodes[target] = .none
            object.items += added
            nodes[target] = .object(object)
        case .unmade: break
        default: throw malformed("items are set on what is no dictionary")
        }
    }

    private mutating func append(_ added: [Int]) throws(CheckpointError) {
        let target = try top()
        switch nodes[target] {
        case .list(var own):
            nodes[target] = .none
            own += added
            nodes[target] = .list(own)
        case .set(var own):
            nodes[target] = .none
            own += added
            nodes[target] = .set(own)
        case .object, .unmade: break  // a list-like class: its elements are of no use as fields
        default: throw malformed("elements are appended to what is no list")
        }
    }

    private mutating func build(_ target: Int, _ state: Int) throws(CheckpointError) {
        switch nodes[target] {
        case .object(var object):
            object.state = state
            nodes[target] = .object(object)
        case .unmade: break
        case .dictionary: break  // OrderedDict's own attributes, such as a state dict's `_metadata`
        default: throw refused("sets the state of what is no object")
        }
    }
}
