// JSON as the Python world writes it: headers, configurations, vocabularies of 50,000 entries.
//
// Integers stay exact, object keys keep their order, `NaN` and `Infinity` are read because Python's json
// writes them, a key given twice counts as Python counts it (the last one). Nesting is limited, so that a
// hostile header can't exhaust the stack.

package enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    package struct Member: Sendable, Equatable {
        package let key: String
        package let value: JSON

        package init(_ key: String, _ value: JSON) {
            self.key = key
            self.value = value
        }
    }

    /// The value of a key; nil where there is none or this is no object. Linear: for small objects.
    package subscript(key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.key == key }?.value
    }

    /// "a number", "a list": for messages.
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .string(let value): "\"\(value)\""
        case .array: "a list"
        case .object: "an object"
        }
    }

    /// - Throws: `malformed` with the offset of the first wrong byte, counted from `base`.
    package static func parse(_ bytes: [UInt8], file: String, base: Int = 0) throws(CheckpointError) -> JSON {
        var parser = JSONParser(bytes: bytes, file: file, base: base)
        return try parser.document()
    }
}

private struct JSONParser {
    let bytes: [UInt8]
    let file: String
    let base: Int
    var at = 0
    static let depthMax = 64

    init(bytes: [UInt8], file: String, base: Int) {
        self.bytes = bytes
        self.file = file
        self.base = base
    }

    mutating func document() throws(CheckpointError) -> JSON {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
        let value = try value(depth: 0)
        skipSpace()
        guard at == bytes.count else { throw wrong("something follows the end of the JSON value") }
        return value
    }

    private func wrong(_ reason: String) -> CheckpointError {
        .malformed(file: file, offset: base + at, reason: reason)
    }

    private mutating func skipSpace() {
        while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09 {
            at += 1
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard at < bytes.count, bytes[at] == byte else { return false }
        at += 1
        return true
    }

    private mutating func take(word: String) -> Bool {
        guard bytes[at...].starts(with: word.utf8) else { return false }
        at += word.utf8.count
        return true
    }

    private mutating func value(depth: Int) throws(CheckpointError) -> JSON {
        guard depth < JSONParser.depthMax else { throw wrong("JSON is nested more than \(JSONParser.depthMax) deep") }
        skipSpace()
        guard at < bytes.count else { throw wrong("the JSON ends early") }
        switch bytes[at] {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t") where take(word: "true"): return .bool(true)
        case UInt8(ascii: "f") where take(word: "false"): return .bool(false)
        case UInt8(ascii: "n") where take(word: "null"): return .null
        case UInt8(ascii: "N") where take(word: "NaN"): return .double(.nan)
        case UInt8(ascii: "I") where take(word: "Infinity"): return .double(.infinity)
        case UInt8(ascii: "-") where take(word: "-Infinity"): return .double(-.infinity)
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(CheckpointError) -> JSON {
        at += 1
        var members: [JSON.Member] = []
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object([]) }
        repeat {
            skipSpace()
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else {
                throw wrong("a JSON key in quotes was expected")
            }
            let key = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw wrong("':' was expected after JSON key '\(key)'") }
            members.append(JSON.Member(key, try value(depth: depth + 1)))
            skipSpace()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw wrong("',' or '}' was expected in a JSON object") }
        return .object(members)
    }

    private mutating func array(depth: Int) throws(CheckpointError) -> JSON {
        at += 1
        var elements: [JSON] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array([]) }
        repeat {
            elements.append(try value(depth: depth + 1))
            skipSpace()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw wrong("',' or ']' was expected in a JSON list") }
        return .array(elements)
    }

    private mutating func number() throws(CheckpointError) -> JSON {
        let start = at
        var isInteger = true
        scan: while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"): break
            case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): isInteger = false
            default: break scan
            }
            at += 1
        }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        if isInteger, let value = Int(text) { return .int(value) }
        if let value = Double(text), !text.isEmpty { return .double(value) }
        at = start
        throw wrong("no JSON value starts here")
    }

    private mutating func string() throws(CheckpointError) -> String {
        let start = at + 1
        at = start
        while at < bytes.count, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\"), bytes[at] >= 0x20 {
            at += 1
        }
        if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
            defer { at += 1 }
            return try text(bytes[start..<at])
        }
        var buffer = Array(bytes[start..<at])
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return try text(buffer[...])
            case UInt8(ascii: "\\"): try escape(into: &buffer)
            case 0..<0x20:
                at -= 1
                throw wrong("a control character stands in a JSON string")
            default: buffer.append(byte)
            }
        }
        throw wrong("a JSON string does not end")
    }

    private func text(_ utf8: ArraySlice<UInt8>) throws(CheckpointError) -> String {
        guard let text = String(validating: utf8, as: UTF8.self) else { throw wrong("a JSON string is not UTF-8") }
        return text
    }

    private mutating func escape(into buffer: inout [UInt8]) throws(CheckpointError) {
        guard at < bytes.count else { throw wrong("a JSON string does not end") }
        let byte = bytes[at]
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): buffer.append(byte)
        case UInt8(ascii: "b"): buffer.append(0x08)
        case UInt8(ascii: "f"): buffer.append(0x0C)
        case UInt8(ascii: "n"): buffer.append(0x0A)
        case UInt8(ascii: "r"): buffer.append(0x0D)
        case UInt8(ascii: "t"): buffer.append(0x09)
        case UInt8(ascii: "u"): try unicodeEscape(into: &buffer)
        default:
            at -= 1
            throw wrong("an unknown escape stands in a JSON string")
        }
    }

    private mutating func unicodeEscape(into buffer: inout [UInt8]) throws(CheckpointError) {
        var code = try hexDigits()
        if (0xD800..<0xDC00).contains(code), bytes[at...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) {
            at += 2
            let low = try hexDigits()
            guard (0xDC00..<0xE000).contains(low) else { throw wrong("half a surrogate pair stands in a JSON string") }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw wrong("half a surrogate pair stands in a JSON string") }
        buffer.append(contentsOf: Array(String(Character(scalar)).utf8))
    }

    private mutating func hexDigits() throws(CheckpointError) -> UInt32 {
        guard at + 4 <= bytes.count, bytes[at..<at + 4].allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
            let code = UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
        else { throw wrong("four hexadecimal digits were expected after \\u") }
        at += 4
        return code
    }
}
