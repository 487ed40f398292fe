// y = x W + b with W packed once in the layout that oneDNN prefers: the products that all of the tower's time goes
// into (97 % of the processor's f32 peak at ViT-B/16's shapes).

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

/// The weights of `y = x W + b`, held once, packed.
///
///     let linear = try PackedLinear(inputs: 768, outputs: 3072, layout: .outIn, weights: { $0.update(from: w, count: 768 * 3072) }, bias: b)
///     linear.apply(x, rows: 1576, into: y, activation: .quickGELU)
///
/// Safe to share between threads: after `init` only the cache of prepared products changes, under a lock.
public final class PackedLinear: @unchecked Sendable {
    public enum Layout: Sendable {
        /// `[inputs, outputs]`.
        case inOut
        /// `[outputs, inputs]`, as torch's Linear keeps it.
        case outIn
    }

    public let inputs, outputs: Int
    private let packing: OpaquePointer
    private let packed: FloatBuffer
    private let bias: FloatBuffer?
    private let products = Mutex<[(shape: Shape, product: Product)]>([])

    /// Row counts differ by batch size and little else.
    private static let productsMax = 16
    /// oneDNN chooses the layout for a row count; any serves all row counts, this one is a batch of eight images.
    private static let typicalRows = 1576

    /// - Parameters:
    ///   - weights: fills `inputs * outputs` floats in `layout`, in memory that is released after packing.
    ///   - bias: `outputs` floats.
    /// - Throws: what `weights` throws, or `KernelError.product`.
    public init(
        inputs: Int, outputs: Int, layout: Layout, weights: (UnsafeMutablePointer<Float>) throws -> Void,
        bias: [Float]? = nil
    ) throws {
        precondition(inputs > 0 && outputs > 0, "a product [\(inputs), \(outputs)]")
        precondition(bias.map { $0.count == outputs } ?? true, "\(bias?.count ?? 0) biases for \(outputs) outputs")
        self.inputs = inputs
        self.outputs = outputs
        Team.enter()
        var status: Int32 = 0
        guard let packing = saed_packing_create(Int64(inputs), Int64(outputs), Int64(PackedLinear.typicalRows), &status)
        else { throw KernelError.product(inputs: inputs, outputs: outputs, status: Int(status)) }
        do {
            let plain = FloatBuffer(count: inputs * outputs)
            try weights(plain.pointer)
            packed = FloatBuffer(count: (saed_packing_bytes(packing) + 3) / 4)
            status = saed_packing_pack(packing, layout == .inOut ? SAED_IN_OUT : SAED_OUT_IN, plain.pointer, packed.pointer)
            guard status == 0 else { throw KernelError.product(inputs: inputs, outputs: outputs, status: Int(status)) }
        } catch {
            saed_packing_free(packing)
            throw error
        }
        self.packing = packing
        self.bias = bias.map { values in
            let buffer = FloatBuffer(count: values.count)
            buffer.pointer.update(from: values, count: values.count)
            return buffer
        }
    }

    deinit { saed_packing_free(packing) }

    /// Bytes held: the packed weights and the bias.
    public var byteCount: Int { packed.byteCount + (bias?.byteCount ?? 0) }

    /// `y = activation(x W + b)`, or `y += activation(x W + b)` with `accumulate` (the residual connection).
    ///
    /// - Parameters:
    ///   - x: `[rows, inputs]`, rows `xStride` floats apart (default `inputs`).
    ///   - y: `[rows, outputs]`, rows `yStride` floats apart (default `outputs`); may not overlap x.
    ///
    /// The first call with a row count prepares the product for it (about a millisecond); 16 stay prepared.
    public func apply(
        _ x: UnsafePointer<Float>, rows: Int, into y: UnsafeMutablePointer<Float>, activation: Activation = .none,
        accumulate: Bool = false, xStride: Int? = nil, yStride: Int? = nil
    ) {
        guard rows > 0 else { return }
        Team.enter()
        let product = self.product(Shape(
            rows: rows, xStride: xStride ?? inputs, yStride: yStride ?? outputs, activation: activation,
            accumulate: accumulate, threads: Team.threads))
        Scratch.withFloats((product.scratchBytes + 3) / 4) { scratch in
            let status = saed_product_run(product.handle, x, packed.pointer, bias?.pointer, y, scratch)
            precondition(status == 0, "oneDNN failed on [\(rows), \(inputs)] x [\(inputs), \(outputs)]: dnnl_status \(status)")
        }
    }

    /// oneDNN's name of the implementation that serves `rows`, such as `brg:avx512_core`.
    package func implementation(rows: Int) -> String {
        Team.enter()
        return String(cString: saed_product_name(product(Shape(
            rows: rows, xStride: inputs, yStride: outputs, activation: .none, accumulate: false, threads: Team.threads)).handle))
    }

    private struct Shape: Hashable {
        let rows, xStride, yStride: Int
        let activation: Activation
        let accumulate: Bool
        /// oneDNN divides the work when it prepares it.
        let threads: Int
    }

    /// Read-only once made, so that threads may share it.
    private final class Product: @unchecked Sendable {
        let handle: OpaquePointer
        var scratchBytes: Int { saed_product_scratch_bytes(handle) }

        init(_ handle: OpaquePointer) { self.handle = handle }
        deinit { saed_product_free(handle) }
    }

    /// The prepared product; the least recently used one makes room.
    private func product(_ shape: Shape) -> Product {
        products.withLock { products in
            if let index = products.lastIndex(where: { $0.shape == shape }) {
                let found = products.remove(at: index)
                products.append(found)
                return found.product
            }
            var status: Int32 = 0
            guard let handle = saed_product_create(
                packing, Int64(shape.rows), Int64(shape.xStride), Int64(shape.yStride), shape.activation.code,
                shape.accumulate ? 1 : 0, bias == nil ? 0 : 1, &status)
            else {
                preconditionFailure("oneDNN has no product for \(shape) of [\(inputs), \(outputs)]: dnnl_status \(status)")
            }
            let product = Product(handle)
            products.append((shape, product))
            if products.count > PackedLinear.productsMax { products.removeFirst() }
            return product
        }
    }
}
