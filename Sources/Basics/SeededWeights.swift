// Weights of any size from a seed, the same in Swift and in Python (tools/reference/seeded.py): full-size
// models for tests and benchmarks without a download, and golden outputs of kilobytes beside them.
//
// Value i of the tensor `name` under `seed`:
//   key = fnv1a64(utf8(name)) XOR (seed * 0x9E3779B97F4A7C15)        (all modulo 2^64)
//   z   = mix(key + (i + 1) * 0x9E3779B97F4A7C15)                     mix: SplitMix64's finaliser
//   u   = (z >> 40) * 2^-24                                           24 bits: exact in f32
//   v   = offset + (2 u - 1) * scale                                  computed in f32, in this order

/// A deterministic source of weights, uniform in `[offset - scale, offset + scale)`.
public struct SeededWeights: Sendable {
    public let seed: UInt64

    public init(seed: UInt64) { self.seed = seed }

    private static let step: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// Fills `out` with the values `first..<first + out.count` of the tensor `name`.
    public func fill(_ name: String, scale: Float, offset: Float = 0, first: Int = 0, into out: UnsafeMutableBufferPointer<Float>) {
        let key = SeededWeights.fnv1a64(name) ^ (seed &* SeededWeights.step)
        for i in 0..<out.count {
            let z = SeededWeights.mix(key &+ UInt64(first + i + 1) &* SeededWeights.step)
            let u = Float(z >> 40) * 0x1p-24
            out[i] = offset + (2 * u - 1) * scale
        }
    }

    public func values(_ name: String, count: Int, scale: Float, offset: Float = 0) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { buffer, filled in
            fill(name, scale: scale, offset: offset, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            filled = count
        }
    }

    static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    static func fnv1a64(_ text: String) -> UInt64 {
        text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    }
}
