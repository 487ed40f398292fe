// Bulk conversion of the 16-bit float formats: what checkpoints and snapshots are kept in.

import CDNNL

/// IEEE binary16 to f32, exact.
public func widenHalf(_ from: UnsafePointer<UInt16>, into to: UnsafeMutablePointer<Float>, count: Int) {
    widenHalf(from, into: to, count: count, using: .best)
}

package func widenHalf(
    _ from: UnsafePointer<UInt16>, into to: UnsafeMutablePointer<Float>, count: Int, using set: InstructionSet
) {
    set.table.widen_half(from, to, Int64(count))
}

/// f32 to IEEE binary16, rounded to nearest even; from 65520 on the answer is infinity, NaN stays NaN.
public func narrowHalf(_ from: UnsafePointer<Float>, into to: UnsafeMutablePointer<UInt16>, count: Int) {
    narrowHalf(from, into: to, count: count, using: .best)
}

package func narrowHalf(
    _ from: UnsafePointer<Float>, into to: UnsafeMutablePointer<UInt16>, count: Int, using set: InstructionSet
) {
    set.table.narrow_half(from, to, Int64(count))
}

/// bfloat16 to f32, exact: its bits are the upper half of f32's.
public func widenBFloat16(_ from: UnsafePointer<UInt16>, into to: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { to[i] = Float(bitPattern: UInt32(from[i]) << 16) }
}
