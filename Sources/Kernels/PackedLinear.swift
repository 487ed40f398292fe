// y = x W + b with W packed once: the products that nearly all of a tower's time goes into. Our own tiles compute
// them where the processor has AVX-512, oneDNN elsewhere (see TiledLinear.swift for why, ProductChoice.swift for when not).

import CDNNL
import Synchronization

public enum KernelError: Error, CustomStringConvertible, Sendable {
    /// oneDNN would not make a product.
    case product(inputs: Int, outputs: Int, status: Int)

    public var description: String {
        switch self {
        case let .product(inputs, outputs, status):
            "oneDNN has no f32 product [rows, \(inputs)] x [\(inputs), \(outputs)] here (dnnl_status \(status)"
                + (status == 1 ? ", out of memory)" : "); saed needs oneDNN 2.6 or later")
        }
    }
}

public enum Activation: Sendable, Hashable {
    case none
    /// `x * sigmoid(1.702 x)`: OpenAI's weights.
    case quickGELU
    /// `x * (1 + erf(x / sqrt 2)) / 2`.
    case gelu
    case relu

    var code: saed_activation {
        switch self {
        case .none: SAED_NONE
        case .quickGELU: SAED_QUICK_GELU
        case .gelu: SAED_GELU
        case .relu: SAED_RELU
        }
    }
}

/// Who computes a product.
package enum ProductLibrary: Sendable, Hashable, CustomStringConvertible {
    case tiles(InstructionSet)
    case oneDNN

    package static var best: ProductLibrary { ProductChoice.own.library }
    /// All that this processor can use, for tests.
    package static var available: [ProductLibrary] { InstructionSet.available.map { .tiles($0) } + [.oneDNN] }

    package var description: String {
        switch self {
        case .tiles(let set): "tiles \(set)"
        case .oneDNN: "oneDNN"
        }
    }
}

/// The weights of `y = x W + b`, held once, packed.
///
///     let linear = try PackedLinear(inputs: 768, outputs: 3072, layout: .outIn, weights: { $0.update(from: w, count: 768 * 3072) }, bias: b)
///     linear.apply(x, rows: 1576, into: y, activation: .quickGELU)
///
/// Safe to share between threads.
public final class PackedLinear: Sendable {
    public enum Layout: Sendable {
        /// `[inputs, outputs]`.
        case inOut
        /// `[outputs, inputs]`, as torch's Linear keeps it.
        case outIn
    }

    private enum Product: Sendable {
        case tiled(TiledLinear)
        case oneDNN(OneDNNLinear)
    }

    public let inputs, outputs: Int
    private let product: Product
    private let reverse = Mutex<PackedLinear?>(nil)

    /// - Parameters:
    ///   - weights: fills `inputs * outputs` floats in `layout`, in memory that is released after packing.
    ///   - bias: `outputs` floats.
    /// - Throws: what `weights` throws, or `KernelError.product`.
    public convenience init(
        inputs: Int, outputs: Int, layout: Layout, weights: (UnsafeMutablePointer<Float>) throws -> Void,
        bias: [Float]? = nil
    ) throws {
        try self.init(inputs: inputs, outputs: outputs, layout: layout, weights: weights, bias: bias, using: .best)
    }

    package init(
        inputs: Int, outputs: Int, layout: Layout, weights: (UnsafeMutablePointer<Float>) throws -> Void, bias: [Float]?,
        using library: ProductLibrary
    ) throws {
        precondition(inputs > 0 && outputs > 0, "a product [\(inputs), \(outputs)]")
        precondition(bias.map { $0.count == outputs } ?? true, "\(bias?.count ?? 0) biases for \(outputs) outputs")
        self.inputs = inputs
        self.outputs = outputs
        let plain = FloatBuffer(count: inputs * outputs)
        try weights(plain.pointer)
        switch library {
        case .tiles(let set):
            let panels = Panels(inputs: inputs, outputs: outputs, layout: layout, weights: plain.pointer, set: set)
            product = .tiled(TiledLinear(panels: panels, bias: bias))
        case .oneDNN:
            product = .oneDNN(
                try OneDNNLinear(inputs: inputs, outputs: outputs, layout: layout, weights: plain.pointer, bias: bias))
        }
    }

    /// Bytes held: the packed weights and the bias.
    public var byteCount: Int {
        switch product {
        case .tiled(let linear): linear.byteCount
        case .oneDNN(let linear): linear.byteCount
        }
    }

    /// The weights again, `[inputs, outputs]`.
    package func unpack(into weights: UnsafeMutablePointer<Float>) {
        switch product {
        case .tiled(let linear): linear.panels.unpack(into: weights)
        case .oneDNN(let linear): linear.unpack(into: weights)
        }
    }

    /// `x W^T`, without a bias: what a gradient at y becomes at x. Packed at the first call and held from then on.
    package func transposed() -> PackedLinear {
        reverse.withLock { reverse in
            if let reverse { return reverse }
            let library: ProductLibrary = switch product {
            case .tiled(let linear): .tiles(linear.panels.set)
            case .oneDNN: .oneDNN
            }
            // [inputs, outputs] of this one is [outputs, inputs] of that one.
            guard let made = try? PackedLinear(
                inputs: outputs, outputs: inputs, layout: .outIn, weights: { unpack(into: $0) }, bias: nil, using: library)
            else { preconditionFailure("no product [\(outputs), \(inputs)], though there is one of [\(inputs), \(outputs)]") }
            reverse = made
            return made
        }
    }

    /// Bytes of `transposed()`; 0 before its first call.
    package var transposedByteCount: Int { reverse.withLock { $0?.byteCount ?? 0 } }

    /// `y = activation(x W + b)`, or `y += activation(x W + b)` with `accumulate` (the residual connection).
    ///
    /// - Parameters:
    ///   - x: `[rows, inputs]`, rows `xStride` floats apart (default `inputs`).
    ///   - y: `[rows, outputs]`, rows `yStride` floats apart (default `outputs`); may not overlap x.
    public func apply(
        _ x: UnsafePointer<Float>, rows: Int, into y: UnsafeMutablePointer<Float>, activation: Activation = .none,
        accumulate: Bool = false, xStride: Int? = nil, yStride: Int? = nil
    ) {
        guard rows > 0 else { return }
        let xStride = xStride ?? inputs, yStride = yStride ?? outputs
        precondition(xStride >= inputs && yStride >= outputs, "strides \(xStride), \(yStride) for [\(inputs), \(outputs)]")
        switch product {
        case .tiled(let linear):
            linear.apply(x, xStride, rows: rows, into: y, yStride, activation: activation, accumulate: accumulate)
        case .oneDNN(let linear):
            linear.apply(x, xStride, rows: rows, into: y, yStride, activation: activation, accumulate: accumulate)
        }
    }

    /// The name of what computes `rows` rows: `tiles avx512`, or oneDNN's own such as `brg:avx512_core`.
    package func implementation(rows: Int) -> String {
        switch product {
        case .tiled(let linear): linear.implementation
        case .oneDNN(let linear): linear.implementation(rows: rows)
        }
    }
}
