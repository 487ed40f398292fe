// JSON for programs: keys in snake_case and sorted, two spaces, a newline at the end. docs/JSON.md has every shape.

/// A JSON value.
public enum JSON: Equatable, Sendable, ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    /// Printed with as many digits as an f32 needs.
    case single(Float)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    public init(stringLiteral value: String) { self = .string(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(Dictionary(elements, uniquingKeysWith: { $1 }))
    }

    public init(_ value: some BinaryInteger) { self = .integer(Int(clamping: value)) }
    public init(_ value: Double) { self = .number(value) }
    public init(_ value: Float) { self = .single(value) }
    public init(_ value: String) { self = .string(value) }
    public init(_ values: [JSON]) { self = .array(values) }
    public init(_ values: [String]) { self = .array(values.map(JSON.string)) }

    /// The text, over several lines, or on one.
    public func text(pretty: Bool = true) -> String {
        var out = ""
        write(to: &out, indent: pretty ? 0 : nil)
        return out
    }

    private func write(to out: inout String, indent: Int?) {
        switch self {
        case .null: out += "null"
        case let .bool(value): out += value ? "true" : "false"
        case let .integer(value): out += String(value)
        // JSON has no infinities; Swift's shortest form that reads back as the same number is JSON's too.
        case let .number(value): out += value.isFinite ? "\(value)" : "null"
        case let .single(value): out += value.isFinite ? "\(value)" : "null"
        case let .string(value): JSON.quote(value, to: &out)
        case let .array(values):
            // Rows of numbers stay on one line: a grid of values is read as a grid.
            let flat = indent == nil || values.allSatisfy(\.isPlain)
            JSON.list(values, "[", "]", flat ? nil : indent, separator: indent == nil ? "," : ", ", to: &out) { value, out, indent in
                value.write(to: &out, indent: indent)
            }
        case let .object(values):
            let pairs = values.sorted { $0.key < $1.key }
            JSON.list(pairs, "{", "}", indent, separator: ",", to: &out) { pair, out, inner in
                JSON.quote(pair.key, to: &out)
                out += indent == nil ? ":" : ": "
                pair.value.write(to: &out, indent: inner)
            }
        }
    }

    private var isPlain: Bool {
        switch self {
        case .null, .bool, .integer, .number, .single: true
        case .string, .array, .object: false
        }
    }

    private static func list<T>(
        _ values: [T], _ open: String, _ close: String, _ indent: Int?, separator: String, to out: inout String,
        _ each: (T, inout String, Int?) -> Void
    ) {
        out += open
        guard !values.isEmpty else {
            out += close
            return
        }
        for (place, value) in values.enumerated() {
            if let indent {
                out += (place == 0 ? "\n" : ",\n") + String(repeating: " ", count: indent + 2)
            } else if place > 0 {
                out += separator
            }
            each(value, &out, indent.map { $0 + 2 })
        }
        if let indent { out += "\n" + String(repeating: " ", count: indent) }
        out += close
    }

    private static func quote(_ text: String, to out: inout String) {
        out += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\t": out += "\\t"
            case "\r": out += "\\r"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        out += "\""
    }
}
