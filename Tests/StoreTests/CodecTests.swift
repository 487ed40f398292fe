// The pieces that the format is made of, against references of others.

import Basics
import Foundation
import Store
import Testing

@Suite struct CodecTests {
    // Reference: python-xxhash 3.6 (the C library), xxhash.xxh64(data, seed=0).
    @Test(arguments: [
        ([UInt8](), 0xEF46_DB37_51D8_E999), (Array("a".utf8), 0xD24E_C4F1_A98C_6E5B), (Array("abc".utf8), 0x44BC_2CF5_AD77_0999),
        (Array("Call me Ishmael. Some years ago--never mind how long precisely-".utf8), 0x02A2_E854_70D6_FD96),
        ((0..<101).map { UInt8(truncatingIfNeeded: $0 * 7) }, 0x4231_2F4D_55D9_BD17),
    ] as [([UInt8], UInt64)])
    func xxh64MatchesTheCLibrary(_ data: [UInt8], _ expected: UInt64) {
        #expect(XXH64.hash(data) == expected)
    }

    // Reference: the compiler's Float16.
    @Test func everyHalfAboveZeroWidensExactly() {
        for bits in UInt16(1)..<0x7C00 {
            #expect(Half.float(bits) == Float(Float16(bitPattern: bits)))
            #expect(Half.bits(Half.float(bits)) == bits)
        }
    }

    @Test func floatsRoundToTheNearestHalfTiesToEvenAndNeverToZero() {
        // All halves, the midpoints between them, and one f32 step to either side of each.
        for bits in UInt16(1)..<0x7BFF {
            let low = Float(Float16(bitPattern: bits)), high = Float(Float16(bitPattern: bits + 1))
            let middle = (low + high) / 2
            for value in [low.nextDown, low.nextUp, middle.nextDown, middle, middle.nextUp] {
                #expect(Half.bits(value) == max(1, Float16(value).bitPattern), "\(value)")
            }
        }
        #expect(Half.bits(Float.leastNonzeroMagnitude) == 1)
        #expect(Half.bits(0x1p-26) == 1)
        #expect(Half.bits(65_504) == 0x7BFF)
        #expect(!Half.isExact(65_536) && Half.isExact(0) && Half.isExact(0.5) && !Half.isExact(0.1))
    }
}
