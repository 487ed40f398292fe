// The image embeddings of a view side by side, so that a question about all images reads one file from end to end
// and not one snapshot an image (protocol/STORE.md, "Embeddings").
//
// Rows are the raw f32 embeddings of the snapshots; what the table answers is normalised (divided by the Euclidean
// norm, which each row keeps). An embedding of length zero, or one whose length is no number, is as far from
// everything as can be: its cosines are 0.

import Basics
import Glibc
import Synchronization

/// An image and how near its embedding is.
public struct EmbeddingMatch: Sendable, Equatable {
    public var image: ImageRecord.ID
    /// Cosine of the query and the image's embedding, -1 to 1.
    public var cosine: Float

    public init(image: ImageRecord.ID, cosine: Float) {
        self.image = image
        self.cosine = cosine
    }
}

/// The normalised embeddings of the present images of a view, as of one moment.
///
///     let table = try store.embeddings(in: view.id)
///     let best = table.nearest(to: text, count: 10)
///
/// A value over a mapped file: cheap to copy, safe to share, good after images came or went (it then tells of the
/// moment that it was made in).
public struct EmbeddingTable: Sendable {
    /// Values of an embedding.
    public let width: Int
    /// The images, ascending: `images[i]` is row `i`.
    public let images: [ImageRecord.ID]
    /// Of `images`, where they lie in the file.
    private let places: [Int32]
    private let rows: EmbeddingRows
    private let derived: Derived

    /// What is computed at its first use.
    private final class Derived: Sendable {
        let mean = Mutex<[Float]?>(nil)
    }

    init(images: [ImageRecord.ID], places: [Int32], rows: EmbeddingRows) {
        width = rows.width
        (self.images, self.places, self.rows) = (images, places, rows)
        derived = Derived()
    }

    public var count: Int { images.count }

    /// The row of an image, or nil where it is absent or the view has no snapshot of it.
    public func row(of image: ImageRecord.ID) -> Int? {
        var low = 0, high = images.count
        while low < high {
            let middle = (low + high) / 2
            if images[middle].rawValue < image.rawValue { low = middle + 1 } else { high = middle }
        }
        return low < images.count && images[low] == image ? low : nil
    }

    /// By image id, up to the last image's: its row, -1 where it has none. For callers that look up most of them.
    package var rowsByImage: [Int32] {
        var found = [Int32](repeating: -1, count: images.last.map { Int($0.rawValue) + 1 } ?? 0)
        for (row, image) in images.enumerated() { found[Int(image.rawValue)] = Int32(row) }
        return found
    }

    /// An image's normalised embedding `[width]`, or nil where it has none.
    public func embedding(of image: ImageRecord.ID) -> [Float]? { row(of: image).map { embedding(at: $0) } }

    /// An image's embedding as the snapshot has it, bit for bit.
    public func rawEmbedding(of image: ImageRecord.ID) -> [Float]? {
        row(of: image).map { Array(UnsafeBufferPointer(start: rows.values(Int(places[$0])), count: width)) }
    }

    /// A row's normalised embedding `[width]`.
    public func embedding(at row: Int) -> [Float] {
        let values = rows.values(Int(places[row])), scale = rows.scale(Int(places[row]))
        return [Float](unsafeUninitializedCapacity: width) { out, filled in
            for i in 0..<width { out[i] = values[i] * scale }
            filled = width
        }
    }

    /// Adds `weight` times a row's normalised embedding to `sum` `[width]`.
    public func add(_ row: Int, times weight: Float, to sum: inout [Float]) {
        precondition(sum.count == width, "\(sum.count) values for embeddings of \(width)")
        let values = rows.values(Int(places[row])), factor = rows.scale(Int(places[row])) * weight
        sum.withUnsafeMutableBufferPointer { sum in for i in 0..<width { sum[i] += factor * values[i] } }
    }

    /// The product of a vector and every row's normalised embedding, `[count]`: cosines where the vector has length 1.
    ///
    /// Cost: one pass over the file, 2 kB an image of 512 values: some 25 ms for 100,000 images.
    public func products(with vector: [Float]) -> [Float] {
        precondition(vector.count == width, "a vector of \(vector.count) values for embeddings of \(width)")
        return [Float](unsafeUninitializedCapacity: count) { out, filled in
            vector.withUnsafeBufferPointer { vector in
                for row in 0..<count {
                    let place = Int(places[row]), scale = rows.scale(place)
                    out[row] = scale > 0 ? dotProduct(vector.baseAddress!, rows.values(place), width) * scale : 0
                }
            }
            filled = count
        }
    }

    /// The images whose embeddings are nearest to a vector, nearest first; ties go to the lower image.
    ///
    /// - Parameters:
    ///   - query: `[width]`, of any length above zero; a vector of zeros is near nothing, all cosines are 0.
    ///   - isWanted: only these images.
    public func nearest(
        to query: [Float], count: Int, where isWanted: (ImageRecord.ID) -> Bool = { _ in true }
    ) -> [EmbeddingMatch] {
        nearest(cosines: products(with: normalised(query)), count: count, where: isWanted)
    }

    /// The same where the cosines are at hand, as `products` gives them.
    public func nearest(
        cosines: [Float], count wanted: Int, where isWanted: (ImageRecord.ID) -> Bool = { _ in true }
    ) -> [EmbeddingMatch] {
        precondition(cosines.count == count, "\(cosines.count) cosines of \(count) images")
        guard wanted > 0 else { return [] }
        // Ascending by image, so that what comes later loses a tie. Sorted, best first.
        var best: [EmbeddingMatch] = []
        for row in 0..<count {
            let cosine = cosines[row]
            if best.count == wanted, let last = best.last, !(cosine > last.cosine) { continue }
            guard isWanted(images[row]) else { continue }
            var low = 0, high = best.count
            while low < high {
                let middle = (low + high) / 2
                if best[middle].cosine >= cosine { low = middle + 1 } else { high = middle }
            }
            if best.count == wanted { best.removeLast() }
            best.insert(EmbeddingMatch(image: images[row], cosine: cosine), at: low)
        }
        return best
    }

    /// The mean of the normalised embeddings `[width]`; zeros where there is no image. Computed at its first use.
    public var mean: [Float] {
        derived.mean.withLock { mean in
            if let mean { return mean }
            var sum = [Double](repeating: 0, count: width)
            for row in 0..<count {
                let values = rows.values(Int(places[row])), scale = Double(rows.scale(Int(places[row])))
                sum.withUnsafeMutableBufferPointer { sum in for i in 0..<width { sum[i] += scale * Double(values[i]) } }
            }
            let made = sum.map { Float($0 / Double(max(1, count))) }
            mean = made
            return made
        }
    }
}

/// A vector of length 1 in the same direction; zeros where it has none.
package func normalised(_ vector: [Float]) -> [Float] {
    let length = vector.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    return length > 0 && length.isFinite ? vector.map { Float(Double($0) / length) } : vector.map { _ in 0 }
}

/// The sum of products, in 16 lanes so that it is not one long chain of additions.
@inline(__always)
func dotProduct(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
    var s0 = SIMD4<Float>.zero, s1 = s0, s2 = s0, s3 = s0
    var i = 0
    @inline(__always) func lane(_ p: UnsafePointer<Float>, _ at: Int) -> SIMD4<Float> {
        UnsafeRawPointer(p + at).loadUnaligned(as: SIMD4<Float>.self)
    }
    while i + 16 <= count {
        s0 += lane(a, i) * lane(b, i)
        s1 += lane(a, i + 4) * lane(b, i + 4)
        s2 += lane(a, i + 8) * lane(b, i + 8)
        s3 += lane(a, i + 12) * lane(b, i + 12)
        i += 16
    }
    var sum = ((s0 + s1) + (s2 + s3)).sum()
    while i < count {
        sum += a[i] * b[i]
        i += 1
    }
    return sum
}

/// The rows of an embedding file, mapped: header, then rows, each with a checksum of its own. Grows at its end.
final class EmbeddingRows: Sendable {
    static let magic = Array("SAEDEMB\0".utf8)
    static let version = 1
    static let headerBytes = 128
    /// Of a row, before the values: u32 checksum of all that follows, f32 length, u64 image.
    static let rowHeaderBytes = 16

    let width: Int
    /// The image of each row, in the order of their coming.
    let images: [Int64]
    /// 1 / length of each row, 0 where it has none.
    private let scales: [Float]
    /// nil where there is no row.
    private let file: MappedFile?

    static func rowBytes(_ width: Int) -> Int { rowHeaderBytes + 4 * width }

    static func header(_ shape: SegmentHeader) -> [UInt8] {
        var header = ByteWriter(capacity: headerBytes)
        header.put(magic)
        header.put(UInt32(version))
        header.put(UInt32(headerBytes))
        header.put(UInt32(shape.embeddingWidth))
        header.put(UInt32(rowBytes(shape.embeddingWidth)))
        header.pad(to: 40)
        header.put(shape.recipe.bytes)
        header.pad(to: headerBytes - 8)
        header.put(XXH64.hash(header.bytes))
        return header.bytes
    }

    static func row(image: Int64, _ embedding: [Float]) -> [UInt8] {
        let length = embedding.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        var body = ByteWriter(capacity: rowBytes(embedding.count))
        body.put(Float(length))
        body.put(UInt64(bitPattern: image))
        body.put(array: embedding)
        var row = ByteWriter(capacity: rowBytes(embedding.count))
        row.put(UInt32(truncatingIfNeeded: XXH64.hash(body.bytes)))
        row.put(body.bytes)
        return row.bytes
    }

    /// Maps what is sound of a file: rows up to the first that fails its checksum.
    ///
    /// - Parameter known: rows of the same file that were checked before.
    /// - Returns: nil where there is no file of this view, or its header is damaged.
    init?(path: String, shape: SegmentHeader, after known: EmbeddingRows? = nil) {
        guard let file = try? MappedFile(path: path), file.bytes.count >= EmbeddingRows.headerBytes,
            Array(file.bytes[..<EmbeddingRows.headerBytes]) == EmbeddingRows.header(shape)
        else { return nil }
        let width = shape.embeddingWidth, size = EmbeddingRows.rowBytes(width)
        let count = (file.bytes.count - EmbeddingRows.headerBytes) / size
        var images = known?.images ?? [], scales = known?.scales ?? []
        images.reserveCapacity(count)
        scales.reserveCapacity(count)
        for place in images.count..<max(images.count, count) {
            let at = EmbeddingRows.headerBytes + place * size
            let content = UnsafeRawBufferPointer(rebasing: file.bytes[at + 4..<at + size])
            guard UInt32(truncatingIfNeeded: XXH64.hash(content)) == UInt32(truncatingIfNeeded: file.word(at)) else { break }
            let length = Float(bitPattern: UInt32(truncatingIfNeeded: file.word(at + 4)))
            scales.append(length > 0 && length.isFinite && (1 / length).isFinite ? 1 / length : 0)
            images.append(Int64(bitPattern: file.long(at + 8)))
        }
        (self.width, self.images, self.scales, self.file) = (width, images, scales, file)
    }

    /// No rows.
    init(width: Int) {
        (self.width, images, scales, file) = (width, [], [], nil)
    }

    var byteCount: Int { EmbeddingRows.headerBytes + images.count * EmbeddingRows.rowBytes(width) }

    /// The raw values of a row. Rows begin at multiples of 4 of a page-aligned mapping.
    @inline(__always)
    func values(_ place: Int) -> UnsafePointer<Float> {
        // A row exists only where a file does.
        let start = file!.bytes.baseAddress! + EmbeddingRows.headerBytes + place * EmbeddingRows.rowBytes(width)
        return (start + EmbeddingRows.rowHeaderBytes).assumingMemoryBound(to: Float.self)
    }

    @inline(__always)
    func scale(_ place: Int) -> Float { scales[place] }

    func release() { file?.release() }
}
