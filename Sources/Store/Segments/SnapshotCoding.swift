// A snapshot as one or two frames (protocol/STORE.md, "Snapshot"): `latents`, then `activations` where kept.
//
// Token kinds are apart: class, patches, prompts, each with its counts, index gaps and values. Multi-byte
// columns are split into byte planes, low byte first: the high planes are nearly constant and compress
// well, the low ones are noise that zstd then copies. 29,300 latents of B/16 take about 80 kB.

import Basics

/// Turns snapshots into frames and back, for one view's shapes. Stateless.
struct SnapshotCoder {
    let shape: SegmentHeader
    let level: Int32
    /// Whether activations are kept beside sparse latents.
    let keepActivations: Bool

    struct Encoded {
        var bytes: [UInt8]
        /// Length of the first frame.
        var headLength: Int
        /// Latents are not stored: they come from the activations.
        var dense: Bool
        /// Values are f32: one is above 65,504.
        var wide: Bool
    }

    /// What a `latents` frame holds.
    struct Head {
        var image: ContentHash
        var dense: Bool
        var wide: Bool
        var activationsFollow: Bool
        var embedding: [Float]
        /// nil in the dense form.
        var latents: SparseRows?
    }

    private var indexBytes: Int { shape.latents <= 1 << 16 ? 2 : 4 }

    func encode(_ snapshot: Snapshot, zstd: ZstdCodec) throws(StoreError) -> Encoded {
        let wide = try validate(snapshot)
        let keep = keepActivations && snapshot.activations != nil
        let sparse = Frame.encode(
            .latents, head(snapshot, wide: wide, dense: false, activationsFollow: keep), codec: zstd, level: level)
        guard let activations = snapshot.activations else {
            return Encoded(bytes: sparse, headLength: sparse.count, dense: false, wide: wide)
        }
        // f32 activations compress by a tenth at best: below that there is no need to try.
        guard keep || sparse.count > activations.count * 4 * 8 / 10 else {
            return Encoded(bytes: sparse, headLength: sparse.count, dense: false, wide: wide)
        }
        let planes = activations.withUnsafeBytes { Planes.split($0, width: 4) }
        let body = Frame.encode(.activations, planes, codec: zstd, level: level)
        let denseHead = Frame.encode(
            .latents, head(snapshot, wide: wide, dense: true, activationsFollow: true), codec: zstd, level: level)
        if sparse.count > denseHead.count + body.count {
            return Encoded(bytes: denseHead + body, headLength: denseHead.count, dense: true, wide: wide)
        }
        return keep
            ? Encoded(bytes: sparse + body, headLength: sparse.count, dense: false, wide: wide)
            : Encoded(bytes: sparse, headLength: sparse.count, dense: false, wide: wide)
    }

    /// Checks everything that a reader relies on; says whether values need f32.
    private func validate(_ snapshot: Snapshot) throws(StoreError) -> Bool {
        func refuse(_ reason: String) -> StoreError { .invalidSnapshot(image: snapshot.image.short, reason: reason) }
        let latents = snapshot.latents
        guard snapshot.layout == shape.layout else {
            throw refuse("its layout is \(snapshot.layout), the view's is \(shape.layout)")
        }
        guard latents.rows == shape.layout.count, latents.width == shape.latents else {
            throw refuse("latents are \(latents.rows) x \(latents.width), the view's \(shape.layout.count) x \(shape.latents)")
        }
        guard snapshot.embedding.count == shape.embeddingWidth else {
            throw refuse("the embedding has \(snapshot.embedding.count) values, the view's \(shape.embeddingWidth)")
        }
        if let activations = snapshot.activations, activations.count != shape.layout.count * shape.activationWidth {
            throw refuse("\(activations.count) activations, \(shape.layout.count) x \(shape.activationWidth) expected")
        }
        guard snapshot.embedding.allSatisfy(\.isFinite) else { throw refuse("the embedding is not finite") }
        var largest: Float = 0
        for row in 0..<latents.rows {
            var previous = -1
            for k in latents.range(of: row) {
                let index = Int(latents.indices[k]), value = latents.values[k]
                guard index > previous, index < shape.latents else {
                    throw refuse("token \(row): latent \(index) after \(previous) of \(shape.latents)")
                }
                guard value > 0, value.isFinite else { throw refuse("token \(row), latent \(index): value \(value)") }
                previous = index
                largest = max(largest, value)
            }
        }
        return largest > Half.largest
    }

    private func head(_ snapshot: Snapshot, wide: Bool, dense: Bool, activationsFollow: Bool) -> [UInt8] {
        let latents = snapshot.latents
        var writer = ByteWriter(capacity: 64 + snapshot.embedding.count * 4 + (dense ? 0 : latents.count * 8))
        writer.put(snapshot.image.bytes)
        writer.put(UInt8(dense ? 1 : 0))
        writer.put(UInt8(wide ? 1 : 0))
        writer.put(UInt8(indexBytes))
        writer.put(UInt8(activationsFollow ? 1 : 0))
        writer.put(UInt32(snapshot.embedding.count))
        writer.put(array: snapshot.embedding)
        guard !dense else { return writer.bytes }
        for kind in TokenKind.allCases { putSection(latents, tokens: shape.layout.tokens(of: kind), wide: wide, into: &writer) }
        return writer.bytes
    }

    /// Counts of every token (u32), gaps, values.
    private func putSection(_ latents: SparseRows, tokens: Range<Int>, wide: Bool, into writer: inout ByteWriter) {
        let counts = tokens.map { UInt32(latents.range(of: $0).count) }
        counts.withUnsafeBytes { writer.put(Planes.split($0, width: 4)) }
        let entries = latents.indptr[tokens.lowerBound]..<latents.indptr[tokens.upperBound]
        var gaps = [UInt32](repeating: 0, count: entries.count)
        for token in tokens {
            var next: UInt32 = 0
            for k in latents.range(of: token) {
                gaps[k - entries.lowerBound] = latents.indices[k] - next
                next = latents.indices[k] + 1
            }
        }
        if indexBytes == 2 {
            gaps.map { UInt16(truncatingIfNeeded: $0) }.withUnsafeBytes { writer.put(Planes.split($0, width: 2)) }
        } else {
            gaps.withUnsafeBytes { writer.put(Planes.split($0, width: 4)) }
        }
        let values = latents.values[entries]
        if wide {
            values.withUnsafeBytes { writer.put(Planes.split($0, width: 4)) }
        } else {
            values.map(Half.bits).withUnsafeBytes { writer.put(Planes.split($0, width: 2)) }
        }
    }

    func decodeHead(_ payload: [UInt8]) throws(MalformedBytes) -> Head {
        try payload.withRaw { (raw) throws(MalformedBytes) in
            var reader = ByteReader(raw)
            guard let image = ContentHash(bytes: [UInt8](try reader.take(32, "image hash"))) else {
                throw MalformedBytes(reason: "no image hash", offset: 0)
            }
            let dense = try reader.get(UInt8.self, "form") == 1
            let wide = try reader.get(UInt8.self, "value type") == 1
            let indexBytes = Int(try reader.get(UInt8.self, "index width"))
            let activationsFollow = try reader.get(UInt8.self, "flags") & 1 == 1
            let width = Int(try reader.get(UInt32.self, "embedding width"))
            guard indexBytes == self.indexBytes, width == shape.embeddingWidth else {
                throw MalformedBytes(reason: "the snapshot's shapes are not its segment's", offset: 34)
            }
            let embedding = try reader.array(Float.self, count: width, "embedding")
            var head = Head(
                image: image, dense: dense, wide: wide, activationsFollow: activationsFollow, embedding: embedding, latents: nil)
            guard !dense else { return head }
            var latents = SparseRows(width: shape.latents)
            latents.indptr.reserveCapacity(shape.layout.count + 1)
            for kind in TokenKind.allCases {
                try readSection(&reader, tokens: shape.layout.tokens(of: kind).count, wide: wide, into: &latents)
            }
            guard reader.left == 0 else { throw MalformedBytes(reason: "\(reader.left) bytes too many", offset: reader.offset) }
            head.latents = latents
            return head
        }
    }

    /// The embedding alone.
    func decodeEmbedding(_ payload: [UInt8]) throws(MalformedBytes) -> [Float] {
        try payload.withRaw { (raw) throws(MalformedBytes) in
            var reader = ByteReader(raw)
            _ = try reader.take(36, "snapshot")
            guard Int(try reader.get(UInt32.self, "embedding width")) == shape.embeddingWidth else {
                throw MalformedBytes(reason: "the snapshot's shapes are not its segment's", offset: 36)
            }
            return try reader.array(Float.self, count: shape.embeddingWidth, "embedding")
        }
    }

    private func readSection(
        _ reader: inout ByteReader, tokens: Int, wide: Bool, into latents: inout SparseRows
    ) throws(MalformedBytes) {
        let counts = Planes.join(try reader.take(tokens * 4, "token counts"), as: UInt32.self)
        let total = counts.reduce(0) { $0 + Int($1) }
        let gaps: [UInt32] =
            indexBytes == 2
            ? Planes.join(try reader.take(total * 2, "latent gaps"), as: UInt16.self).map(UInt32.init)
            : Planes.join(try reader.take(total * 4, "latent gaps"), as: UInt32.self)
        let start = reader.offset
        if wide {
            let bits = Planes.join(try reader.take(total * 4, "values"), as: UInt32.self)
            latents.values.append(contentsOf: bits.lazy.map(Float.init(bitPattern:)))
        } else {
            let bits = Planes.join(try reader.take(total * 2, "values"), as: UInt16.self)
            latents.values.append(contentsOf: bits.lazy.map(Half.float))
        }
        latents.indices.reserveCapacity(latents.indices.count + total)
        var k = 0
        for count in counts {
            var next: UInt64 = 0
            for _ in 0..<count {
                let index = next + UInt64(gaps[k])
                guard index < UInt64(shape.latents) else {
                    throw MalformedBytes(reason: "latent \(index) of \(shape.latents)", offset: start)
                }
                latents.indices.append(UInt32(index))
                next = index + 1
                k += 1
            }
            latents.indptr.append(latents.indices.count)
        }
    }

    /// `[tokens, width]`.
    func decodeActivations(_ payload: [UInt8]) throws(MalformedBytes) -> [Float] {
        guard payload.count == shape.layout.count * shape.activationWidth * 4 else {
            throw MalformedBytes(reason: "\(payload.count) bytes of activations", offset: 0)
        }
        return payload.withUnsafeBytes { Planes.join($0, as: UInt32.self) }.map(Float.init(bitPattern:))
    }
}

/// Columns of multi-byte values as one plane a byte, low byte first.
enum Planes {
    static func split(_ data: UnsafeRawBufferPointer, width: Int) -> [UInt8] {
        let count = data.count / width
        return [UInt8](unsafeUninitializedCapacity: data.count) { out, filled in
            for plane in 0..<width {
                let column = out.baseAddress! + plane * count
                for i in 0..<count { column[i] = data[i &* width &+ plane] }
            }
            filled = data.count
        }
    }

    static func join<T: FixedWidthInteger & BitwiseCopyable>(_ data: UnsafeRawBufferPointer, as type: T.Type) -> [T] {
        let width = MemoryLayout<T>.size
        let count = data.count / width
        return [T](unsafeUninitializedCapacity: count) { out, filled in
            for i in 0..<count {
                var value: T = 0
                for plane in 0..<width { value |= T(truncatingIfNeeded: data[plane &* count &+ i]) << T(8 &* plane) }
                out[i] = value
            }
            filled = count
        }
    }
}
