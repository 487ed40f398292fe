// `export`: snapshots as numpy arrays, in the order of the images given, with bounded memory.
//
// Every array is one pass over the snapshots (a millisecond an image), because an .npz holds its arrays one
// after the other, and 100,000 images of B/16 do not fit in memory.

import Basics
import Store

/// What to export.
public struct ExportRequest {
    public var view: ViewRecord
    public var images: [ImageRecord]
    /// Also `activations`; from the snapshot where kept, else from `recompute`.
    public var activations = false
    /// `[tokens, width]` of an image whose activations were not kept; nil: such an image is an error.
    public var recompute: ((ImageRecord) throws -> [Float])?
    /// Also `logits` and `classes`: the head's classes, and its answer for a raw embedding.
    public var head: (classes: [String], logits: ([Float]) throws -> [Float])?
    /// Asked between images; true ends the export by `CancellationError`.
    public var isCancelled: () -> Bool = { false }
    /// Images done, of all passes together.
    public var progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }

    public init(view: ViewRecord, images: [ImageRecord]) {
        self.view = view
        self.images = images
    }
}

extension Concepts {
    /// Writes the arrays `paths`, `image_ids`, `labels` (text), `tokens_per_image` (int64 scalar),
    /// `token_kind` (uint8 a row: 0 class, 1 patch, 2 prompt), `indptr` (int64), `indices` (int32), `data`
    /// (float32), `shape` (int64[2]), then where asked for `activations` (`[image, token, width]` float32),
    /// `logits` (`[image, class]` float32) and `classes`. (data, indices, indptr) are scipy's CSR of `shape`,
    /// rows image-major, then token. An image without a label has an empty one.
    ///
    /// - Throws: `ConceptsError` before the first array where an image has no snapshot.
    public func export<Sink: ArraySink>(_ request: ExportRequest, into sink: inout Sink) throws {
        let layout = request.view.layout
        let images = request.images
        for image in images where try !store.hasSnapshot(of: image.id, in: request.view.id) {
            throw ConceptsError.noSnapshot(image: image.path ?? image.hash.short, view: request.view.name)
        }
        var done = 0
        let total = images.count * (3 + (request.activations ? 1 : 0) + (request.head != nil ? 1 : 0))
        func walk(activations: Bool = false, _ body: (ImageRecord, Snapshot) throws -> Void) throws {
            for image in images {
                if request.isCancelled() { throw CancellationError() }
                guard let snapshot = try store.snapshot(of: image.id, in: request.view.id, activations: activations) else {
                    throw ConceptsError.noSnapshot(image: image.path ?? image.hash.short, view: request.view.name)
                }
                try body(image, snapshot)
                done += 1
                request.progress(done, total)
            }
        }
        let rows = images.count * layout.count
        try sink.put("paths", text: images.map { $0.path ?? "" })
        try sink.put("image_ids", text: images.map(\.hash.hex))
        try sink.put("labels", text: images.map { $0.label ?? "" })
        try sink.put(ArrayDescription("tokens_per_image", .int64, []), [Int64(layout.count)])
        let kinds = (0..<layout.count).map { layout.kind(of: $0).rawValue }
        try sink.begin(ArrayDescription("token_kind", .uint8, [rows]))
        for _ in images { try kinds.withUnsafeBytes { try sink.write($0) } }

        var entries: Int64 = 0
        try sink.begin(ArrayDescription("indptr", .int64, [rows + 1]))
        try withUnsafeBytes(of: entries.littleEndian) { try sink.write($0) }
        try walk { _, snapshot in
            let ends = snapshot.latents.indptr.dropFirst().map { entries + Int64($0) }
            try ends.withUnsafeBytes { try sink.write($0) }
            entries += Int64(snapshot.latents.count)
        }
        try sink.begin(ArrayDescription("indices", .int32, [Int(entries)]))
        try walk { _, snapshot in try snapshot.latents.indices.withUnsafeBytes { try sink.write($0) } }
        try sink.begin(ArrayDescription("data", .float32, [Int(entries)]))
        try walk { _, snapshot in try snapshot.latents.values.withUnsafeBytes { try sink.write($0) } }
        try sink.put(ArrayDescription("shape", .int64, [2]), [Int64(rows), Int64(request.view.latents)])

        if request.activations {
            try sink.begin(ArrayDescription("activations", .float32, [images.count, layout.count, request.view.activationWidth]))
            try walk(activations: true) { image, snapshot in
                guard let values = try snapshot.activations ?? request.recompute?(image),
                    values.count == layout.count * request.view.activationWidth
                else { throw ConceptsError.activationsNotKept(image: image.path ?? image.hash.short, view: request.view.name) }
                try values.withUnsafeBytes { try sink.write($0) }
            }
        }
        if let head = request.head {
            try sink.begin(ArrayDescription("logits", .float32, [images.count, head.classes.count]))
            try walk { _, snapshot in
                let logits = try head.logits(snapshot.embedding)
                precondition(logits.count == head.classes.count, "\(logits.count) logits for \(head.classes.count) classes")
                try logits.withUnsafeBytes { try sink.write($0) }
            }
            try sink.put("classes", text: head.classes)
        }
    }
}
