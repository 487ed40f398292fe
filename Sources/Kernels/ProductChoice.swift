// Which library computes products here. oneDNN writes its code at run time; where the system forbids a process to make
// memory executable (systemd's MemoryDenyWriteExecute, SELinux's execmem), its products can't be made, or, worse, return
// at once with nothing computed (oneDNN 2.6 under AVX2). So it is tried once, before the first product, and our own
// tiles stand in for it where it fails: they are compiled code, tested on every instruction set, and as exact.

import Glibc

/// The library that is used, and what an operator should know of the choice.
package struct ProductChoice: Sendable, Equatable {
    package var library: ProductLibrary
    /// Why oneDNN is not used where it would be faster, and what to do; nil where all is as it should be.
    package var warning: String?

    /// - Parameters:
    ///   - canMakeExecutable: whether memory that was written can be made executable.
    ///   - isRight: whether oneDNN's product of some matrices is that of a plain loop; asked only where memory can.
    package static func choose(_ set: InstructionSet, canMakeExecutable: () -> Bool, isRight: () -> Bool) -> ProductChoice {
        // Measured faster than oneDNN (TiledLinear.swift), and needs nothing from the system.
        if set == .avx512 { return ProductChoice(library: .tiles(.avx512)) }
        guard canMakeExecutable() else {
            return ProductChoice(
                library: .tiles(set),
                warning: "memory can't be made executable here, so oneDNN is not used and images take longer: "
                    + "remove MemoryDenyWriteExecute=yes from the unit (SELinux: allow execmem), then restart saed")
        }
        guard isRight() else {
            return ProductChoice(
                library: .tiles(set),
                warning: "oneDNN \(Team.libraryVersion) computes wrong products here, so it is not used and images take longer: "
                    + "install another release of it, then restart saed")
        }
        return ProductChoice(library: .oneDNN)
    }

    /// Of this process; some milliseconds at the first call, nothing where the processor has AVX-512.
    package static let own = choose(.best, canMakeExecutable: memoryCanBeMadeExecutable, isRight: oneDNNIsRight)

    /// As oneDNN's code generator does it: a page that is written first.
    package static func memoryCanBeMadeExecutable() -> Bool {
        let bytes = Int(sysconf(Int32(_SC_PAGESIZE)))
        guard let page = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), page != MAP_FAILED else { return false }
        defer { munmap(page, bytes) }
        page.storeBytes(of: 0, as: UInt8.self)
        return mprotect(page, bytes, PROT_READ | PROT_WRITE | PROT_EXEC) == 0
    }

    /// One product of a tower's depth against a plain loop over some of its rows.
    package static func oneDNNIsRight() -> Bool {
        let inputs = 256, outputs = 64, rows = 197, tested = 4
        func values(_ count: Int, _ step: Int) -> [Float] { (0..<count).map { Float(($0 * step) % 97) / 97 - 0.5 } }
        let x = values(rows * inputs, 31), weight = values(inputs * outputs, 57), bias = values(outputs, 11)
        guard let linear = try? PackedLinear(
            inputs: inputs, outputs: outputs, layout: .inOut, weights: { $0.update(from: weight, count: weight.count) }, bias: bias, using: .oneDNN)
        else { return false }
        // What is left unwritten shows.
        var y = [Float](repeating: .nan, count: rows * outputs)
        linear.apply(x, rows: rows, into: &y, activation: .relu)
        for row in stride(from: 0, to: rows, by: rows / tested) {
            for column in 0..<outputs {
                var sum = bias[column]
                for k in 0..<inputs { sum += x[row * inputs + k] * weight[k * outputs + column] }
                // Sums of 256 products up to 0.25; another order of summing moves the last digits. NaN is not within.
                guard abs(y[row * outputs + column] - max(0, sum)) < 1e-3 else { return false }
            }
        }
        return true
    }
}

/// What an operator should know of how products are computed here; nil where all is as it should be. Some milliseconds at
/// the first call.
public var productWarning: String? { ProductChoice.own.warning }
