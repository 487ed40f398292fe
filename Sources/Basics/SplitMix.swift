// Randomness that a seed repeats: controls, intervals, synthetic stores. (Weights come from SeededWeights.)

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for a seed on every machine and with every version of Swift.
package struct SplitMix: RandomNumberGenerator, Sendable {
    package var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Uniform in `0..<bound`, `bound` at most 2^32; its bias is below bound / 2^32.
    package mutating func below(_ bound: Int) -> Int { Int(((next() >> 32) &* UInt64(bound)) >> 32) }
}
