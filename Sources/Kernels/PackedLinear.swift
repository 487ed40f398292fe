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
    /// Rows that one thread takes at a time: an image's tokens. Their inputs and outputs stay in its second-level
    /// cache; with half as many, oneDNN reads the weights too often (4 % slower).
    private static let pieceRows = 197

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
        var status: Int32 = 0
        guard let packing = saed_packing_create(Int64(inputs), Int64(outputs), Int64(PackedLinear.pieceRows), &status)
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
        let xStride = xStride ?? inputs, yStride = yStride ?? outputs
        precondition(xStride >= inputs && yStride >= outputs, "strides \(xStride), \(yStride) for [\(inputs), \(outputs)]")
        let pieces = pieceCount(rows: rows), pieceRows = (rows + pieces - 1) / pieces
        let whole = product(Shape(rows: pieceRows, activation: activation, accumulate: accumulate))
        let rest = rows % pieceRows == 0 ? whole : product(Shape(rows: rows % pieceRows, activation: activation, accumulate: accumulate))
        Team.parallelRows(rows, block: pieceRows) { piece in
            let product = piece.count == pieceRows ? whole : rest
            run(product, x + piece.lowerBound * xStride, xStride, rows: piece.count, y + piece.lowerBound * yStride, yStride, accumulate)
        }
    }

    /// So many that all threads have the same to do, none less than 16 rows (then reading the weights would be
    /// most of the work).
    private func pieceCount(rows: Int) -> Int {
        let threads = Team.threads
        let enough = (rows + PackedLinear.pieceRows - 1) / PackedLinear.pieceRows
        return min((enough + threads - 1) / threads * threads, max(1, rows / 16))
    }

    /// oneDNN wants its rows one after the other: others are copied there and back.
    private func run(
        _ product: Product, _ x: UnsafePointer<Float>, _ xStride: Int, rows: Int, _ y: UnsafeMutablePointer<Float>, _ yStride: Int,
        _ accumulate: Bool
    ) {
        let xCopy = xStride == inputs ? 0 : rows * inputs, yCopy = yStride == outputs ? 0 : rows * outputs
        Scratch.withFloats(product.scratchCount + xCopy + yCopy) { scratch in
            let ownX = scratch + product.scratchCount, ownY = ownX + xCopy
            if xCopy > 0 {
                for row in 0..<rows { (ownX + row * inputs).update(from: x + row * xStride, count: inputs) }
            }
            if yCopy > 0 && accumulate {
                for row in 0..<rows { (ownY + row * outputs).update(from: y + row * yStride, count: outputs) }
            }
            let status = saed_product_run(
                product.handle, xCopy > 0 ? UnsafePointer(ownX) : x, packed.pointer, bias?.pointer, yCopy > 0 ? ownY : y, scratch)
            precondition(status == 0, "oneDNN failed on [\(rows), \(inputs)] x [\(inputs), \(outputs)]: dnnl_status \(status)")
            if yCopy > 0 {
                for row in 0..<rows { (y + row * yStride).update(from: ownY + row * outputs, count: outputs) }
            }
        }
    }

    /// oneDNN's name of the implementation that serves `rows`, such as `brg:avx512_core`.
    package func implementation(rows: Int, activation: Activation = .none, accumulate: Bool = false) -> String {
        String(cString: saed_product_name(product(Shape(rows: rows, activation: activation, accumulate: accumulate)).handle))
    }

    private struct Shape: Hashable {
        let rows: Int
        let activation: Activation
        let accumulate: Bool
    }

    /// Read-only once made, so that threads may share it.
    private final class Product: @unchecked Sendable {
        let handle: OpaquePointer
        /// Floats, a multiple of 16: what lies behind stays aligned.
        var scratchCount: Int { (saed_product_scratch_bytes(handle) + 63) / 64 * 16 }

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
                packing, Int64(shape.rows), shape.activation.code, shape.accumulate ? 1 : 0, bias == nil ? 0 : 1, &status)
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
