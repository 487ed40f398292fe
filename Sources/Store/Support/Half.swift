// IEEE binary16 for values above zero, by hand: x86-64 without F16C has no instruction for it, and a library
// call a value costs more than the rest of writing a snapshot. Tested against `Float16` over all 65,536 halves.

/// Binary16 of positive finite values.
package enum Half {
    /// The largest binary16; larger values need f32.
    package static let largest: Float = 65_504
    /// 2^-24, the smallest above zero.
    package static let smallest: Float = 0x1p-24

    /// The nearest half, ties to even; a value too small for any becomes the smallest subnormal, because
    /// an active latent must stay active.
    ///
    /// - Parameter value: above zero, at most `largest`.
    @inline(__always)
    package static func bits(_ value: Float) -> UInt16 {
        if value < 0x1p-14 {
            let steps = (value * 0x1p24).rounded(.toNearestOrEven)
            return max(1, UInt16(steps))
        }
        let bits = value.bitPattern
        let rounded = bits &+ 0xFFF &+ ((bits >> 13) & 1)
        return UInt16(truncatingIfNeeded: (rounded >> 13) &- (112 << 10))
    }

    /// - Parameter bits: a half that is not negative, infinite or NaN.
    @inline(__always)
    package static func float(_ bits: UInt16) -> Float {
        let b = UInt32(bits)
        // A subnormal goes through an integer: its f32 bits are normal only after the multiplication.
        return b < 0x400 ? Float(b) * 0x1p-24 : Float(bitPattern: (b << 13) &+ (112 << 23))
    }

    /// The value that is kept for `value`.
    @inline(__always)
    package static func rounded(_ value: Float) -> Float { float(bits(value)) }

    /// Whether a half holds exactly this value (zero included).
    @inline(__always)
    package static func isExact(_ value: Float) -> Bool {
        value == 0 || (value > 0 && value <= largest && rounded(value) == value)
    }
}
