// XXH64 (Yann Collet's xxHash, specification 0.1.1), seed 0: the checksum of everything the store writes.
// Chosen over CRC-32 for speed without special instructions: an index is checked at memory speed.

package enum XXH64 {
    private static let p1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let p2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let p3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let p4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let p5: UInt64 = 0x27D4_EB2F_1656_67C5

    package static func hash(_ data: UnsafeRawBufferPointer) -> UInt64 {
        var offset = 0
        let count = data.count
        var h: UInt64
        if count >= 32 {
            var a = p1 &+ p2, b = p2, c: UInt64 = 0, d = 0 &- p1
            while offset + 32 <= count {
                a = round(a, word(data, offset))
                b = round(b, word(data, offset + 8))
                c = round(c, word(data, offset + 16))
                d = round(d, word(data, offset + 24))
                offset += 32
            }
            h = rotate(a, 1) &+ rotate(b, 7) &+ rotate(c, 12) &+ rotate(d, 18)
            for lane in [a, b, c, d] { h = (h ^ round(0, lane)) &* p1 &+ p4 }
        } else {
            h = p5
        }
        h &+= UInt64(count)
        while offset + 8 <= count {
            h = rotate(h ^ round(0, word(data, offset)), 27) &* p1 &+ p4
            offset += 8
        }
        if offset + 4 <= count {
            let value = UInt64(UInt32(littleEndian: data.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
            h = rotate(h ^ (value &* p1), 23) &* p2 &+ p3
            offset += 4
        }
        while offset < count {
            h = rotate(h ^ (UInt64(data[offset]) &* p5), 11) &* p1
            offset += 1
        }
        h = (h ^ (h >> 33)) &* p2
        h = (h ^ (h >> 29)) &* p3
        return h ^ (h >> 32)
    }

    package static func hash(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { hash($0) } }

    @inline(__always)
    private static func round(_ accumulator: UInt64, _ input: UInt64) -> UInt64 {
        rotate(accumulator &+ input &* p2, 31) &* p1
    }

    @inline(__always)
    private static func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 { (value &<< bits) | (value &>> (64 &- bits)) }

    @inline(__always)
    private static func word(_ data: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        UInt64(littleEndian: data.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
