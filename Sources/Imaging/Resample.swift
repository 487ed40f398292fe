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
    /// Memory: the window, and one intermediate of the window's columns by the source rows that it needs.
    ///
    /// - Parameter portable: no CPU-specific code, for tests; the result is the same.
    func resized(
        width newWidth: Int, height newHeight: Int, filter: ResampleFilter,
        columns: Range<Int>, rows: Range<Int>, portable: Bool = false
    ) -> RGBImage {
        precondition(!columns.isEmpty && columns.lowerBound >= 0 && columns.upperBound <= newWidth)
        precondition(!rows.isEmpty && rows.lowerBound >= 0 && rows.upperBound <= newHeight)
        // A pass that would keep the size is left out, as in Pillow.
        let horizontal = newWidth == width
            ? nil : ResampleAxis(from: width, to: newWidth, filter: filter, outputs: columns)
        let vertical = newHeight == height
            ? nil : ResampleAxis(from: height, to: newHeight, filter: filter, outputs: rows)
        let sourceRows = vertical?.sources ?? rows

        let narrow = narrowed(to: horizontal, columns, rows: sourceRows, portable)
        guard let vertical else { return RGBImage(width: columns.count, height: rows.count, pixels: narrow) }
        return RGBImage(
            width: columns.count, height: rows.count,
            pixels: vertical.combineRows(
                narrow, rowBytes: columns.count * 3, firstRow: sourceRows.lowerBound, portable))
    }

    /// `[rows, columns, 3]` after the horizontal pass; a copy where there is none.
    private func narrowed(
        to axis: ResampleAxis?, _ columns: Range<Int>, rows: Range<Int>, _ portable: Bool
    ) -> [UInt8] {
        let rowBytes = width * 3
        let outBytes = columns.count * 3
        return pixels.withUnsafeBufferPointer { source in
            [UInt8](unsafeUninitializedCapacity: rows.count * outBytes) { target, initialized in
                // Not nil: neither is empty.
                let (source, target) = (source.baseAddress!, target.baseAddress!)
                defer { initialized = rows.count * outBytes }
                guard let axis else {
                    for (i, y) in rows.enumerated() {
                        (target + i * outBytes).update(
                            from: source + y * rowBytes + columns.lowerBound * 3, count: outBytes)
                    }
                    return
                }
                axis.withShim { shim in
                    for (i, y) in rows.enumerated() {
                        let row = source + y * rowBytes
                        let out = target + i * outBytes
                        if y + 1 < height && rowBytes >= Int(SAED_RESAMPLE_SLACK_BYTES) {
                            saed_resample_columns(row, out, &shim, portable ? 1 : 0)
                        } else {
                            // Nothing may be read beyond the image's last byte.
                            withPadding(row, rowBytes) { saed_resample_columns($0, out, &shim, portable ? 1 : 0) }
                        }
                    }
                }
            }
        }
    }

    private func withPadding(_ row: UnsafePointer<UInt8>, _ count: Int, _ body: (UnsafePointer<UInt8>) -> Void) {
        let slack = Int(SAED_RESAMPLE_SLACK_BYTES)
        let padded = [UInt8](unsafeUninitializedCapacity: count + slack) { buffer, initialized in
            let base = buffer.baseAddress!  // the slack alone makes it non-empty
            base.update(from: row, count: count)
            (base + count).initialize(repeating: 0, count: slack)
            initialized = count + slack
        }
        padded.withUnsafeBufferPointer { body($0.baseAddress!) }
    }
}

/// The weights of one axis, for a range of its outputs.
struct ResampleAxis {
    /// First source index of each output.
    private let starts: [Int32]
    /// How many weights each output has.
    private let taps: [Int32]
    /// `[outputs, stride]`, 22 fractional bits; 0 after each output's last.
    private let weights: [Int32]
    /// Even: the kernel takes two weights at a time.
    private let stride: Int
    /// The source indices that any output needs.
    let sources: Range<Int>

    /// Weights for outputs `outputs` of an axis of `count` pixels that becomes `newCount`.
    init(from count: Int, to newCount: Int, filter: ResampleFilter, outputs: Range<Int>) {
        // Pillow passes the box as C floats; above 2^24 pixels that rounds, and so must we.
        let scale = Double(Float(count)) / Double(newCount)
        let filterScale = max(scale, 1)
        let support = filter.support * filterScale
        let stride = (Int(support.rounded(.up)) * 2 + 2) & ~1
        let inverseScale = 1 / filterScale

        var starts: [Int32] = []
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
            starts.append(Int32(first))
            taps.append(Int32(used))
            low = min(low, first)
            high = max(high, first + used)
        }
        self.starts = starts
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

    /// The vertical pass over rows of `rowBytes` bytes, the first of which is source row `firstRow`.
    func combineRows(_ rows: [UInt8], rowBytes: Int, firstRow: Int, _ portable: Bool) -> [UInt8] {
        rows.withUnsafeBufferPointer { rows in
            [UInt8](unsafeUninitializedCapacity: starts.count * rowBytes) { target, initialized in
                // Not nil: neither is empty.
                let (source, target) = (rows.baseAddress!, target.baseAddress!)
                weights.withUnsafeBufferPointer { weights in
                    for (i, start) in starts.enumerated() {
                        saed_resample_rows(
                            source + (Int(start) - firstRow) * rowBytes, rowBytes, rowBytes,
                            target + i * rowBytes, weights.baseAddress! + i * stride, taps[i], portable ? 1 : 0)
                    }
                }
                initialized = starts.count * rowBytes
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
