// An export's answer, as it streams in, to the .npz file that scipy and numpy read.
//
// The bytes of every array go to an unlinked file beside the output, because an .npz holds one array after the other
// and the daemon sends all of them image by image: memory stays small whatever the export's size.

import Glibc
import Wire

/// What was exported.
public struct ExportSummary: Sendable, Equatable {
    public let images: Int
    public let rows: Int
    public let entries: Int

    public init(images: Int, rows: Int, entries: Int) {
        (self.images, self.rows, self.entries) = (images, rows, entries)
    }
}

/// Collects the pieces of one answer.
public final class ExportFile {
    private struct Spool {
        let header: Saed_ArrayHeader
        let type: NpyType
        let fd: CInt
        var bytes = 0
    }

    /// The arrays that an export has whatever is asked for.
    private static let required = ["tokens_per_image", "token_kind", "indptr", "indices", "data"]

    private let path: String
    private var spools: [String: Spool] = [:]
    private var header: Saed_ExportHeader?
    private var paths: [String] = []
    private var ids: [String] = []
    private var labels: [String] = []

    public init(path: String) { self.path = path }

    deinit { spools.values.forEach { close($0.fd) } }

    /// Images that came so far, of how many.
    public var progress: (done: Int, total: Int) { (ids.count, Int(clamping: header?.images ?? 0)) }

    public func receive(_ piece: ReplyPiece) throws {
        switch piece {
        case .progress: break
        case let .part(reply):
            guard case let .export(export)? = reply.body else { break }
            if export.hasHeader { header = export.header }
            for image in export.images {
                paths.append(image.path)
                ids.append(image.id)
                labels.append(image.label)
            }
        case let .array(announced): try announce(announced)
        case let .chunk(header, bytes):
            guard let spool = spools[header.name] else { break }
            guard writeAll(spool.fd, bytes) else { throw OutputError(path: path, errno: errno, step: "write '\(header.name)'") }
            spools[header.name]?.bytes += bytes.count
        }
    }

    /// Writes the file.
    /// - Throws: `WireFailure` where the daemon's answer is incomplete, `OutputError`.
    public func finish() throws -> ExportSummary {
        guard let header else { throw ExportFile.incomplete("it has no header") }
        for name in ExportFile.required where spools[name] == nil { throw ExportFile.incomplete("array '\(name)' did not come") }
        let rows = elements("token_kind"), entries = elements("data")
        guard elements("tokens_per_image") == ids.count, elements("indptr") == rows + 1, elements("indices") == entries else {
            throw ExportFile.incomplete("its arrays don't fit together")
        }
        var npz = try NpzWriter(path: path)
        try npz.add("paths", texts: paths)
        try npz.add("image_ids", texts: ids)
        try npz.add("labels", texts: labels)
        try npz.add("shape", .i64, shape: [2], [Int64(rows), Int64(header.latents)])
        if !header.classes.isEmpty || spools["logits"] != nil { try npz.add("classes", texts: header.classes) }
        for (name, spool) in spools.sorted(by: { $0.key < $1.key }) {
            try npz.add(name, spool.type, shape: try shape(of: spool), file: spool.fd)
        }
        try npz.finish()
        return ExportSummary(images: ids.count, rows: rows, entries: entries)
    }

    private func announce(_ header: Saed_ArrayHeader) throws {
        guard let type = NpyType(header.dtype) else { throw ExportFile.incomplete("array '\(header.name)' has an unknown type") }
        guard spools[header.name] == nil else { throw ExportFile.incomplete("array '\(header.name)' came twice") }
        // Beside the output: /tmp may be in memory.
        let temporary = path + ".\(getpid()).\(header.number).part"
        let fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw OutputError(path: path, errno: errno, step: "open") }
        unlink(temporary)
        spools[header.name] = Spool(header: header, type: type, fd: fd)
    }

    private func elements(_ name: String) -> Int { spools[name].map { $0.bytes / $0.type.bytes } ?? 0 }

    private func shape(of spool: Spool) throws -> [Int] {
        var shape = spool.header.shape.map { Int(clamping: $0) }
        guard spool.header.growing else { return shape }
        let row = shape.dropFirst().reduce(spool.type.bytes, *)
        shape[0] = row > 0 ? spool.bytes / row : 0
        return shape
    }

    private static func incomplete(_ what: String) -> WireFailure {
        WireFailure(.internal, "the daemon's export can't be used: \(what)", remedy: "use client and daemon of the same release")
    }
}

extension NpyType {
    init?(_ dtype: Saed_DType) {
        switch dtype {
        case .u8: self = .u8
        case .i32: self = .i32
        case .i64: self = .i64
        case .u32: self = .u32
        case .f16: self = .f16
        case .f32: self = .f32
        case .f64: self = .f64
        case .unspecified, .UNRECOGNIZED: return nil
        }
    }
}
