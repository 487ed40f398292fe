// DEFLATE (RFC 1951), whole and in one go. `saectl` links no zlib for the sake of its start, and reads compressed data
// only where a terminal wants sixels.

/// Decompresses a raw stream that gives exactly so many bytes; nil where it is damaged or gives another number.
package func inflated(_ data: ArraySlice<UInt8>, bytes: Int) -> [UInt8]? {
    var out: [UInt8]? = []
    data.withUnsafeBufferPointer { input in
        out = [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
            var inflater = Inflater(input: input, output: buffer, most: bytes)
            count = inflater.run() ? inflater.written : 0
        }
    }
    return out?.count == bytes ? out : nil
}

private struct Inflater {
    let input: UnsafeBufferPointer<UInt8>
    let output: UnsafeMutableBufferPointer<UInt8>
    let most: Int
    private(set) var written = 0
    private var place = 0
    private var bits: UInt64 = 0
    private var bitCount = 0

    init(input: UnsafeBufferPointer<UInt8>, output: UnsafeMutableBufferPointer<UInt8>, most: Int) {
        (self.input, self.output, self.most) = (input, output, most)
    }

    /// Whether the stream was sound.
    mutating func run() -> Bool {
        while true {
            guard let isLast = take(1), let kind = take(2) else { return false }
            let isSound = switch kind {
            case 0: stored()
            case 1: compressed(.fixedLiterals, .fixedDistances)
            case 2: dynamic()
            default: false
            }
            guard isSound else { return false }
            if isLast == 1 { return true }
        }
    }

    /// Makes `bits` hold 48 at least, zeros behind the end of the input.
    private mutating func fill() {
        while bitCount <= 48 {
            if place < input.count { bits |= UInt64(input[place]) << UInt64(bitCount) }
            place += 1
            bitCount += 8
        }
    }

    /// nil where the input has ended.
    private mutating func take(_ count: Int) -> Int? {
        fill()
        let value = Int(bits & (1 << UInt64(count) - 1))
        return drop(count) ? value : nil
    }

    private mutating func drop(_ count: Int) -> Bool {
        bits >>= UInt64(count)
        bitCount -= count
        return place - bitCount / 8 <= input.count
    }

    private mutating func symbol(_ code: Code) -> Int? {
        fill()
        let entry = code.table[Int(bits & 0x7FFF)]
        guard entry != 0, drop(Int(entry & 15)) else { return nil }
        return Int(entry >> 4)
    }

    private mutating func stored() -> Bool {
        guard drop(bitCount % 8), let length = take(16), let check = take(16), length == ~check & 0xFFFF, length <= most - written else { return false }
        for _ in 0..<length {
            guard let byte = take(8) else { return false }
            output[written] = UInt8(byte)
            written += 1
        }
        return true
    }

    private mutating func dynamic() -> Bool {
        guard let literals = take(5), let distances = take(5), let lengths = take(4) else { return false }
        var codeLengths = [UInt8](repeating: 0, count: 19)
        for i in 0..<lengths + 4 {
            guard let length = take(3) else { return false }
            codeLengths[Inflater.lengthOrder[i]] = UInt8(length)
        }
        guard let code = Code(codeLengths) else { return false }
        let count = literals + 257 + distances + 1
        var all: [UInt8] = []
        while all.count < count {
            guard let symbol = symbol(code) else { return false }
            switch symbol {
            case ..<16: all.append(UInt8(symbol))
            case 16:
                guard let last = all.last, let more = take(2) else { return false }
                all += repeatElement(last, count: more + 3)
            default:
                guard let more = take(symbol == 17 ? 3 : 7) else { return false }
                all += repeatElement(0, count: more + (symbol == 17 ? 3 : 11))
            }
        }
        guard all.count == count, let literalCode = Code(Array(all[..<(literals + 257)])), let distanceCode = Code(Array(all[(literals + 257)...])) else {
            return false
        }
        return compressed(literalCode, distanceCode)
    }

    private mutating func compressed(_ literals: Code, _ distances: Code) -> Bool {
        while true {
            guard let symbol = symbol(literals) else { return false }
            if symbol < 256 {
                guard written < most else { return false }
                output[written] = UInt8(symbol)
                written += 1
                continue
            }
            if symbol == 256 { return true }
            guard symbol < 286, let moreLength = take(Inflater.lengthBits[symbol - 257]), let distanceSymbol = self.symbol(distances), distanceSymbol < 30,
                let moreDistance = take(Inflater.distanceBits[distanceSymbol])
            else { return false }
            let length = Inflater.lengthBase[symbol - 257] + moreLength, distance = Inflater.distanceBase[distanceSymbol] + moreDistance
            guard distance <= written, length <= most - written else { return false }
            for _ in 0..<length {
                output[written] = output[written - distance]
                written += 1
            }
        }
    }

    private static let lengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    private static let lengthBase = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258]
    private static let lengthBits = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
    private static let distanceBase = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
    ]
    private static let distanceBits = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13]
}

/// A canonical Huffman code, looked up by the next 15 bits at once.
private struct Code {
    /// `symbol << 4 | length`; 0: no such code.
    let table: [UInt16]

    static let fixedLiterals = Code((0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 })!  // whole, by RFC 1951, 3.2.6
    static let fixedDistances = Code([UInt8](repeating: 5, count: 30))!

    /// nil for lengths that claim more codes than there are. Fewer are fine: one distance code alone has one bit.
    init?(_ lengths: [UInt8]) {
        var counts = [Int](repeating: 0, count: 16)
        for length in lengths where length > 0 { counts[Int(length)] += 1 }
        var next = [Int](repeating: 0, count: 17)
        for length in 1...15 {
            next[length + 1] = (next[length] + counts[length]) << 1
            guard next[length] + counts[length] <= 1 << length else { return nil }
        }
        var table = [UInt16](repeating: 0, count: 1 << 15)
        for (symbol, length) in lengths.enumerated() where length > 0 {
            let length = Int(length)
            // Codes come with their first bit first, numbers with their last.
            var code = next[length], reversed = 0
            next[length] += 1
            for _ in 0..<length {
                reversed = reversed << 1 | code & 1
                code >>= 1
            }
            for entry in stride(from: reversed, to: 1 << 15, by: 1 << length) { table[entry] = UInt16(symbol << 4 | length) }
        }
        self.table = table
    }
}
