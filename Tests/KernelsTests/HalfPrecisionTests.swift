// Reference: Swift's own Float16, and bit patterns by definition. Widening is tested on all 65,536 values.

import Kernels
import Testing

@Suite struct HalfPrecisionTests {
    @Test(arguments: InstructionSet.available)
    func everyHalfWidensExactly(_ set: InstructionSet) {
        let halves = (0...UInt16.max).map { $0 }
        var wide = [Float](repeating: 0, count: halves.count)
        widenHalf(halves, into: &wide, count: halves.count, using: set)
        for (half, float) in zip(halves, wide) {
            let exact = Float(Float16(bitPattern: half))
            #expect(exact.isNaN ? float.isNaN : float.bitPattern == exact.bitPattern, "\(half)")
        }
    }

    @Test(arguments: InstructionSet.available)
    func narrowingRoundsToNearestEven(_ set: InstructionSet) {
        let seed = UInt64.random(in: 0...UInt64.max)
        var state = seed
        var floats: [Float] = [0, -0, 65504, 65519.996, 65520, -65520, 1e9, .infinity, -.infinity, 0x1p-24, 0x1p-25, 0x1.000002p-25, 6e-8]
        for half in stride(from: UInt16(0), to: 0x7BFF, by: 1) {  // each half, and the middle to the next
            let low = Float(Float16(bitPattern: half)), high = Float(Float16(bitPattern: half + 1))
            floats += [low, (low + high) / 2, ((low + high) / 2).nextUp, ((low + high) / 2).nextDown, -(low + high) / 2]
        }
        for _ in 0..<100_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            floats.append(Float(bitPattern: UInt32(truncatingIfNeeded: state >> 32)))
        }
        var halves = [UInt16](repeating: 0, count: floats.count)
        narrowHalf(floats, into: &halves, count: floats.count, using: set)
        for (float, half) in zip(floats, halves) {
            let exact = Float16(float)
            #expect(exact.isNaN ? Float16(bitPattern: half).isNaN : half == exact.bitPattern, "\(float), seed \(seed)")
        }
    }

    @Test func bfloatIsTheUpperHalf() {
        var wide = [Float](repeating: 0, count: 4)
        widenBFloat16([0x3F80, 0xC000, 0x7F80, 0x0001], into: &wide, count: 4)
        #expect(wide == [1, -2, .infinity, Float(bitPattern: 0x0001_0000)])
    }
}
