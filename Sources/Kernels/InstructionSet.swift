// Which vector instructions the kernels use: the widest that the processor has, or a narrower one for tests.

import CDNNL

/// The instruction set of our own vector kernels (oneDNN chooses its own).
public enum InstructionSet: String, CaseIterable, Sendable {
    case portable, avx2, avx512

    /// The widest of this processor, or what SAED_ISA (portable, avx2) makes of it: for tests of what others have.
    public static let best: InstructionSet = {
        switch saed_kernels_best().pointee.isa {
        case SAED_AVX512: .avx512
        case SAED_AVX2: .avx2
        default: .portable
        }
    }()

    package var isAvailable: Bool { InstructionSet.find(self) != nil }

    package static var available: [InstructionSet] { allCases.filter(\.isAvailable) }

    private static func find(_ set: InstructionSet) -> UnsafePointer<saed_kernels>? {
        switch set {
        case .portable: saed_kernels_of(SAED_PORTABLE)
        case .avx2: saed_kernels_of(SAED_AVX2)
        case .avx512: saed_kernels_of(SAED_AVX512)
        }
    }

    /// Constant data of the C module.
    package var table: saed_kernels {
        guard let table = InstructionSet.find(self) else {
            preconditionFailure("this processor lacks \(rawValue)")
        }
        return table.pointee
    }

    /// The multiply-adds that one thread can do without touching memory: operations per call of `iterations`.
    package func fmaLoop(iterations: Int) -> Double {
        var kernels = table
        return saed_fma_loop(&kernels, Int64(iterations))
    }
}
