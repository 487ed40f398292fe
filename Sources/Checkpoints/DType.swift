// Element types of stored tensors, and how they widen to f32.

/// An element type. Only the four floating ones can be read as weights.
public enum DType: String, Sendable, Hashable, Codable, CaseIterable, CustomStringConvertible {
    case f32, f16, bf16, f64
    case i64, i32, i16, i8, u64, u32, u16, u8, bool

    public var byteCount: Int {
        switch self {
        case .f64, .i64, .u64: 8
        case .f32, .i32, .u32: 4
        case .f16, .bf16, .i16, .u16: 2
        case .i8, .u8, .bool: 1
        }
    }

    public var isFloating: Bool {
        switch self {
        case .f32, .f16, .bf16, .f64: true
        default: false
        }
    }

    public var description: String { rawValue }

    /// safetensors' own name: `F32`, `BF16`, `BOOL`.
    var safetensorsName: String { rawValue.uppercased() }

    init?(safetensorsName: String) {
        guard let type = DType.allCases.first(where: { $0.safetensorsName == safetensorsName }) else { return nil }
        self = type
    }
}

/// What is known of a tensor before it is read.
public struct TensorInfo: Sendable, Hashable {
    public let shape: [Int]
    public let dtype: DType

    public init(shape: [Int], dtype: DType) {
        self.shape = shape
        self.dtype = dtype
    }

    /// Elements.
    public var count: Int { shape.reduce(1, *) }
}

/// The product of sizes from a file, or nil where one is negative or the product overflows.
func elementCount(_ shape: [Int]) -> Int? {
    var count = 1
    for size in shape {
        guard size >= 0 else { return nil }
        let (product, overflow) = count.multipliedReportingOverflow(by: size)
        if overflow { return nil }
        count = product
    }
    return count
}

/// Widens little-endian elements to f32. f16, bf16 and f32 exactly; f64 is rounded to nearest.
/// `source` need not be aligned and holds `count` elements of a floating type.
func widen(_ source: UnsafeRawPointer, _ dtype: DType, count: Int, into out: UnsafeMutablePointer<Float>) {
    switch dtype {
    case .f32:
        UnsafeMutableRawPointer(out).copyMemory(from: source, byteCount: count * 4)
    case .bf16:
        for i in 0..<count {
            let bits = UInt32(source.loadUnaligned(fromByteOffset: 2 &* i, as: UInt16.self))
            out[i] = Float(bitPattern: bits &<< 16)
        }
    case .f16:
        for i in 0..<count { out[i] = widenHalf(source.loadUnaligned(fromByteOffset: 2 &* i, as: UInt16.self)) }
    case .f64:
        for i in 0..<count { out[i] = Float(source.loadUnaligned(fromByteOffset: 8 &* i, as: Double.self)) }
    default:
        preconditionFailure("\(dtype) is no weight")
    }
}

/// f16 to f32 without a branch, so that the loop vectorises on any CPU: normal numbers have their exponent
/// rebased by a multiplication (which also keeps inf and NaN), subnormal ones by a subtraction.
/// Method: Maratyszcza's FP16.
@inline(__always)
func widenHalf(_ half: UInt16) -> Float {
    let word = UInt32(half) &<< 16
    let sign = word & 0x8000_0000
    let twice = word &+ word
    let normal = Float(bitPattern: (twice &>> 4) &+ 0x7000_0000) * 0x1p-112
    let subnormal = Float(bitPattern: (twice &>> 17) | 0x3F00_0000) - 0.5
    return Float(bitPattern: sign | (twice < 0x0800_0000 ? subnormal.bitPattern : normal.bitPattern))
}

/// f32 to bf16, to nearest even; NaN stays NaN.
func narrowBrain(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(bits >> 16) | 0x40 }
    return UInt16((bits &+ 0x7FFF &+ ((bits >> 16) & 1)) >> 16)
}
