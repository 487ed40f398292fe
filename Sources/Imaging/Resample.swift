// Pillow's Image.resize, bit for bit, for the part of the result that is wanted: any window of the output can be
// computed alone, since every output pixel depends only on its own window of the source.
//
// Method (Pillow's Resample.c): weights of a filter stretched by the scale when shrinking (antialiasing), normalised
// in f64, rounded to 22 fractional bits; columns first, rounded to 8 bits, then rows. Sums are integers, so that
// neither order nor vector width can change a byte; the f64 weights must be computed in exactly Pillow's order.

import CImageShims

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension RGBImage {
    /// The window `columns` x `rows` of this image resized to `width` x `height`.
    ///
    /// Memory: the window, and one intermediate as large as the source's part that the window needs, narrowed one way.
    ///
    /// - Parameter portable: no CPU-specific code, for tests; the result is the same.
    package func resized(
        width newWidth: Int, height newHeight: Int, filter: ResampleFilter,
        columns: Range<Int>, rows: Range<Int>, portable: Bool = false
    ) -> RGBImage {
        precondition(!columns.isEmpty && columns.lowerBound >= 0 && columns.upperBound <= newWidth)
        precondition(!rows.isEmpty && rows.lowerBound >= 0 && rows.upperBound <= newHeight)
        // A pass that would keep the size is left out.
        let horizontal = newWidth == width
            ? nil : ResampleAxis(from: width, to: newWidth, filter: filter, outputs: columns)
        let vertical = newHeight == height
            ? nil : ResampleAxis(from: height, to: newHeight, filter: filter, outputs: rows)
        // Pillow's rule since version 13; both orders round differently.
        let lostRows = height - newHeight
        let verticalFirst = lostRows > 0 && lostRows > (width - newWidth) * 2

        let passes = ResamplePasses(portable: portable)
        let result = pixels.withUnsafeBufferPointer { pixels in
            let needed = PixelBlock(pixels, width: width, height: height).part(
                columns: horizontal?.sources ?? columns, rows: vertical?.sources ?? rows)
            return switch (horizontal, vertical) {
            case (nil, nil): needed.copied()
            case let (horizontal?, nil): passes.columns(needed, horizontal)
            case let (nil, vertical?): passes.rows(needed, vertical)
            case let (horizontal?, vertical?) where verticalFirst:
                passes.rows(needed, vertical).withUnsafeBufferPointer {
                    passes.columns(PixelBlock($0, width: needed.width, height: rows.count), horizontal)
                }
            case let (horizontal?, vertical?):
                passes.columns(needed, horizontal).withUnsafeBufferPointer {
                    passes.rows(PixelBlock($0, width: columns.count, height: needed.height), vertical)
                }
            }
        }
        return RGBImage(width: columns.count, height: rows.count, pixels: result)
    }
}

/// A rectangle of RGB pixels in someone else's storage, which must outlive it.
private struct PixelBlock {
    let start: UnsafePointer<UInt8>
    let width, height: Int
    /// Bytes from one row to the next.
    let stride: Int
    /// Bytes that may be read from `start` on; at least up to the block's last pixel.
    let readable: Int

    /// A whole image. `pixels` isn't empty: no image is.
    init(_ pixels: UnsafeBufferPointer<UInt8>, width: Int, height: Int) {
        precondition(pixels.count == width * height * 3)
        self.init(
            start: pixels.baseAddress!, width: width, height: height, stride: width * 3, readable: pixels.count)
    }

    private init(start: UnsafePointer<UInt8>, width: Int, height: Int, stride: Int, readable: Int) {
        self.start = start
        self.width = width
        self.height = height
        self.stride = stride
        self.readable = readable
    }

    func part(columns: Range<Int>, rows: Range<Int>) -> PixelBlock {
        let offset = rows.lowerBound * stride + columns.lowerBound * 3
        return PixelBlock(
            start: start + offset, width: columns.count, height: rows.count, stride: stride,
            readable: readable - offset)
    }

    func copied() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: height * width * 3) { target, initialized in
            for y in 0..<height {
                (target.baseAddress! + y * width * 3).update(from: start + y * stride, count: width * 3)
            }
            initialized = height * width * 3
        }
    }
}

/// The two passes; each result is `[rows, columns, 3]` without gaps. Blocks begin where their axis's sources begin.
private struct ResamplePasses {
    let portable: Bool

    func columns(_ block: PixelBlock, _ axis: ResampleAxis) -> [UInt8] {
        let outBytes = axis.count * 3
        let slack = Int(SAED_RESAMPLE_SLACK_BYTES)
        return [UInt8](unsafeUninitializedCapacity: block.height * outBytes) { target, initialized in
            let target = target.baseAddress!  // neither side is 0
            // The kernel reads a little beyond a row: harmless bytes of the next one, but for the last rows.
            let spare = block.readable - block.width * 3 - slack
            let direct = spare < 0 ? 0 : min(spare / block.stride + 1, block.height)
            axis.withShim { shim in
                saed_resample_columns(
                    block.start, block.stride, direct, target, outBytes, &shim, portable ? 1 : 0)
                for y in direct..<block.height {
                    var row = [UInt8](repeating: 0, count: block.width * 3 + slack)
                    row.withUnsafeMutableBufferPointer {
                        $0.baseAddress!.update(from: block.start + y * block.stride, count: block.width * 3)
                        saed_resample_columns(
                            $0.baseAddress!, 0, 1, target + y * outBytes, outBytes, &shim, portable ? 1 : 0)
                    }
                }
            }
            initialized = block.height * outBytes
        }
    }

    func rows(_ block: PixelBlock, _ axis: ResampleAxis) -> [UInt8] {
        let rowBytes = block.width * 3
        return [UInt8](unsafeUninitializedCapacity: axis.count * rowBytes) { target, initialized in
            let target = target.baseAddress!  // neither side is 0
            axis.withShim { shim in
                for i in 0..<axis.count {
                    saed_resample_rows(
                        block.start + Int(shim.starts[i]) * block.stride, block.stride, rowBytes,
                        target + i * rowBytes, shim.weights + i * Int(shim.stride), shim.taps[i], portable ? 1 : 0)
                }
            }
            initialized = axis.count * rowBytes
        }
    }
}

/// The weights of one axis, for a range of its outputs.
struct ResampleAxis {
    /// First source index of each output, counted from `sources.lowerBound`.
    private let starts: [Int32]
    /// How many weights each output has.
    private let taps: [Int32]
    /// `[outputs, stride]`, 22 fractional bits; 0 after each output's last.
    private let weights: [Int32]
    /// A multiple of 4: the kernel takes four weights at a time.
    private let stride: Int
    /// The source indices that any output needs.
    let sources: Range<Int>
    var count: Int { starts.count }

    /// Weights for outputs `outputs` of an axis of `count` pixels that becomes `newCount`.
    init(from count: Int, to newCount: Int, filter: ResampleFilter, outputs: Range<Int>) {
        // Pillow passes the box as C floats; above 2^24 pixels that rounds, and so must we.
        let scale = Double(Float(count)) / Double(newCount)
        let filterScale = max(scale, 1)
        let support = filter.support * filterScale
        let stride = (Int(support.rounded(.up)) * 2 + 4) & ~3
        let inverseScale = 1 / filterScale

        var starts: [Int] = []
        var taps: [Int32] = []
        var fixed = [Int32](repeating: 0, count: outputs.count * stride)
        var exact = [Double](repeating: 0, count: stride)
        var low = Int.max
        var high = 0
        for (i, output) in outputs.enumerated() {
            let center = (Double(output) + 0.5) * scale
            let first = max(Int(center - support + 0.5), 0)
            let used = min(Int(center + support + 0.5), count) - first
            var total = 0.0
            for t in 0..<used {
                let weight = filter.weight((Double(t + first) - center + 0.5) * inverseScale)
                exact[t] = weight
                total += weight
            }
            for t in 0..<used {
                let weight = (total == 0 ? exact[t] : exact[t] / total) * Double(1 << 22)
                fixed[i * stride + t] = Int32(weight < 0 ? weight - 0.5 : weight + 0.5)
            }
            starts.append(first)
            taps.append(Int32(used))
            low = min(low, first)
            high = max(high, first + used)
        }
        self.starts = starts.map { Int32($0 - low) }
        self.taps = taps
        self.stride = stride
        weights = fixed
        sources = low..<high
    }

    /// Calls `body` with the C form, whose pointers live as long as the call.
    func withShim<R>(_ body: (inout saed_resample_axis) -> R) -> R {
        starts.withUnsafeBufferPointer { starts in
            taps.withUnsafeBufferPointer { taps in
                weights.withUnsafeBufferPointer { weights in
                    var shim = saed_resample_axis(
                        starts: starts.baseAddress, taps: taps.baseAddress, weights: weights.baseAddress,
                        stride: Int32(stride), count: Int32(starts.count))
                    return body(&shim)
                }
            }
        }
    }
}

extension ResampleFilter {
    /// Half the filter's width, in source pixels when enlarging.
    var support: Double {
        switch self {
        case .bilinear: 1
        case .bicubic: 2
        case .lanczos: 3
        }
    }

    /// The filter at `x`; the operations are Pillow's, in Pillow's order.
    func weight(_ x: Double) -> Double {
        switch self {
        case .bilinear:
            return max(1 - abs(x), 0)
        case .bicubic:
            let a = -0.5
            let x = abs(x)
            if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
            if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
            return 0
        case .lanczos:
            func sinc(_ x: Double) -> Double { x == 0 ? 1 : sin(x * .pi) / (x * .pi) }
            return -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0
        }
    }
}
