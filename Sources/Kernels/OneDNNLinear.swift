// Products by oneDNN, which has code for every processor: W packed once in the layout that it prefers.

import CDNNL
import Synchronization

/// Safe to share between threads: after `init` only the cache of prepared products changes, under a lock.
final class OneDNNLinear: @unchecked Sendable {
    private let inputs, outputs: Int
    private let packing: OpaquePointer
    private let packed: FloatBuffer
    private let bias: FloatBuffer?
    private let products = Mutex<[(shape: Shape, product: Product)]>([])

    /// Row counts differ by batch size and little else.
    private static let productsMax = 16
    /// Rows that one thread takes at a time: an image's tokens. Their inputs and outputs stay in its second-level
    /// cache; with half as many, oneDNN reads the weights too often (4 % slower).
    private static let pieceRows = 197

    /// - Throws: `KernelError.product`.
    init(inputs: Int, outputs: Int, layout: PackedLinear.Layout, weights: UnsafePointer<Float>, bias: [Float]?) throws(KernelError) {
        self.inputs = inputs
        self.outputs = outputs
        var status: Int32 = 0
        guard let packing = saed_packing_create(Int64(inputs), Int64(outputs), Int64(OneDNNLinear.pieceRows), &status)
        else { throw .product(inputs: inputs, outputs: outputs, status: Int(status)) }
        packed = FloatBuffer(count: (saed_packing_bytes(packing) + 3) / 4)
        status = saed_packing_pack(packing, layout == .inOut ? SAED_IN_OUT : SAED_OUT_IN, weights, packed.pointer)
        guard status == 0 else {
            saed_packing_free(packing)
            throw .product(inputs: inputs, outputs: outputs, status: Int(status))
        }
        self.packing = packing
        self.bias = bias.map { values in
            let buffer = FloatBuffer(count: values.count)
            buffer.pointer.update(from: values, count: values.count)
            return buffer
        }
    }

    deinit { saed_packing_free(packing) }

    var byteCount: Int { packed.byteCount + (bias?.byteCount ?? 0) }

    /// The weights again, `[inputs, outputs]`.
    func unpack(into weights: UnsafeMutablePointer<Float>) {
        let status = saed_packing_unpack(packing, SAED_IN_OUT, packed.pointer, weights)
        precondition(status == 0, "oneDNN can't unpack weights [\(inputs), \(outputs)]: dnnl_status \(status)")
    }

    func apply(
        _ x: UnsafePointer<Float>, _ xStride: Int, rows: Int, into y: UnsafeMutablePointer<Float>, _ yStride: Int,
        activation: Activation, accumulate: Bool
    ) {
        let pieces = pieceCount(rows: rows), pieceRows = (rows + pieces - 1) / pieces
        let whole = product(Shape(rows: pieceRows, activation: activation, accumulate: accumulate))
        let rest =
            rows % pieceRows == 0 ? whole : product(Shape(rows: rows % pieceRows, activation: activation, accumulate: accumulate))
        Team.parallelRows(rows, block: pieceRows) { piece in
            let product = piece.count == pieceRows ? whole : rest
            run(product, x + piece.lowerBound * xStride, xStride, rows: piece.count, y + piece.lowerBound * yStride, yStride, accumulate)
        }
    }

    /// So many that all threads have the same to do, none less than 16 rows (then reading the weights would be
    /// most of the work).
    private func pieceCount(rows: Int) -> Int {
        let threads = Team.threads
        let enough = (rows + OneDNNLinear.pieceRows - 1) / OneDNNLinear.pieceRows
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
    func implementation(rows: Int) -> String {
        String(cString: saed_product_name(product(Shape(rows: rows, activation: .none, accumulate: false)).handle))
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
            if products.count > OneDNNLinear.productsMax { products.removeFirst() }
            return product
        }
    }
}
