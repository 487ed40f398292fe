// The pages' data as JSON within a <script>: arrays in a fixed order rather than objects, every text once (in `strings`,
// meant by its place), numbers to six digits. Bytes that could end the element, or a line of JavaScript, are escaped.

struct JSONWriter {
    private(set) var bytes: [UInt8] = []
    private var needsComma = false
    private var places: [String: Int] = [:]
    private(set) var strings: [String] = []

    // MARK: Structure

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    mutating func array(_ body: (inout JSONWriter) -> Void) { nest("[", "]", body) }
    mutating func object(_ body: (inout JSONWriter) -> Void) { nest("{", "}", body) }

    mutating func array<T>(_ items: some Sequence<T>, _ body: (inout JSONWriter, T) -> Void) {
        array { writer in for item in items { body(&writer, item) } }
    }

    private mutating func nest(_ open: Unicode.Scalar, _ close: Unicode.Scalar, _ body: (inout JSONWriter) -> Void) {
        separate()
        bytes.append(UInt8(ascii: open))
        needsComma = false
        body(&self)
        bytes.append(UInt8(ascii: close))
        needsComma = true
    }

    /// A key of an object; its value follows.
    mutating func key(_ name: StaticString) {
        separate()
        name.withUTF8Buffer { bytes += [UInt8(ascii: "\"")] + $0 + [UInt8(ascii: "\""), UInt8(ascii: ":")] }
        needsComma = false
    }

    // MARK: Values

    mutating func null() {
        separate()
        bytes += "null".utf8
    }

    mutating func bool(_ value: Bool) {
        separate()
        bytes += (value ? "1" : "0").utf8
    }

    mutating func int(_ value: some BinaryInteger) {
        separate()
        bytes += String(value).utf8
    }

    mutating func ints(_ values: [Int]) { array(values) { $0.int($1) } }

    /// Six digits, so that what a page rounds for people is rounded once: `0.8871234` is `887123e-6`. What is not finite is null.
    mutating func number(_ value: Double?) {
        guard let value, value.isFinite else { return null() }
        separate()
        guard value != 0 else { return bytes.append(UInt8(ascii: "0")) }
        var exponent = -5
        var size = abs(value)
        while size >= 10 { size /= 10; exponent += 1 }
        while size < 1 { size *= 10; exponent -= 1 }
        var digits = Int((size * 100_000).rounded())
        while digits % 10 == 0 { digits /= 10; exponent += 1 }
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        bytes += String(digits).utf8
        if exponent > 0 && exponent <= 3 {
            bytes += repeatElement(UInt8(ascii: "0"), count: exponent)
        } else if exponent != 0 {
            bytes.append(UInt8(ascii: "e"))
            bytes += String(exponent).utf8
        }
    }

    /// The place of a text in `strings`; -1: none.
    mutating func text(_ value: String?) {
        guard let value else { return int(-1) }
        if let place = places[value] { return int(place) }
        places[value] = strings.count
        int(strings.count)
        strings.append(value)
    }

    /// A text in place.
    mutating func string(_ value: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            // `</script>` and `<!--` can't appear; neither can a control character.
            case 0..<0x20, 0x7F, UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"): escape(byte)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// A text of base64's alphabet, which needs no escaping.
    mutating func grid(_ value: [UInt8]) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        bytes += value
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ byte: UInt8) {
        let digits = Array("0123456789abcdef".utf8)
        bytes += "\\u00".utf8
        bytes.append(digits[Int(byte >> 4)])
        bytes.append(digits[Int(byte & 15)])
    }
}
