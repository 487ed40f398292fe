// The embedding table of a view: kept in `tables/VIEW.emb`, extended by every append once it exists, and at a
// question by what it lacks. Derived: damaged or gone, it is made again from the snapshots.

import Basics
import Foundation
import Glibc

/// An embedding file in use.
struct KeptEmbeddings: Sendable {
    /// What is mapped and checked of it.
    var rows: EmbeddingRows
    /// By image id: its row, the last where there are several; -1 where it has none.
    var places: [Int32]
    /// Bytes of the file that hold whole rows; what lies behind is written over.
    var end: Int
    /// The last answer, good while the store's change count is `changes`.
    var table: EmbeddingTable?
    var changes: UInt64 = 0

    init(_ rows: EmbeddingRows) {
        self.rows = rows
        places = []
        end = rows.byteCount
        note(from: 0)
    }

    func place(of image: Int64) -> Int32 { image >= 0 && image < places.count ? places[Int(image)] : -1 }

    /// Takes rows up to `rows.images.count` in.
    mutating func note(from first: Int) {
        for place in first..<rows.images.count where rows.images[place] >= 0 {
            let image = Int(rows.images[place])
            if image >= places.count { places.append(contentsOf: repeatElement(-1, count: image + 1 - places.count)) }
            places[image] = Int32(place)
        }
    }
}

extension Store {
    /// The normalised embeddings of the present images of a view, as of now.
    ///
    /// The first call of all reads every snapshot's embedding, 0.05 to 0.3 ms an image; from then on each append adds
    /// its own. The first after a start checks the file's checksums, some 100 ms for 100,000 images of 512 values.
    /// While nothing changes a call costs microseconds, else some milliseconds. Damaged snapshots are left out, and
    /// listed in `damaged`.
    public func embeddings(in id: ViewRecord.ID) throws(StoreError) -> EmbeddingTable {
        let view = try self.view(id)
        if let table = view.embeddings.withLock({ kept in kept?.changes == changeCount ? kept?.table : nil }) { return table }
        view.embedding.lock()
        defer { view.embedding.unlock() }
        let changes = changeCount
        var kept = keptEmbeddings(of: view) ?? KeptEmbeddings(EmbeddingRows(width: view.shape.embeddingWidth))
        map(&kept, of: view)
        let table = images.withLock { $0 }
        let present = view.segments.flatMap(\.images).filter { $0 != Segment.hole && table.isPresent($0) }.sorted()
        let dead = kept.rows.images.count - present.count { kept.place(of: $0) >= 0 }
        if dead > options.deadEmbeddingsMax, dead > present.count {
            try compact(&kept, to: present.filter { kept.place(of: $0) >= 0 }, of: view)
        }
        let missing = present.filter { kept.place(of: $0) < 0 }
        if try !read(missing, into: &kept, of: view) {
            // A purge of the view took the file away in the middle: what is left is read once more, into another.
            _ = try read(present.filter { kept.place(of: $0) < 0 }, into: &kept, of: view)
        }
        // A damaged snapshot has no row.
        let images = missing.isEmpty ? present : present.filter { kept.place(of: $0) >= 0 }
        let answer = EmbeddingTable(
            images: images.map(ImageRecord.ID.init(rawValue:)), places: images.map { kept.place(of: $0) }, rows: kept.rows)
        (kept.table, kept.changes) = (answer, changes)
        view.embeddings.withLock { $0 = kept }
        return answer
    }

    private func embeddingPath(_ view: ViewStore) -> String { "\(folder)/tables/\(view.record.id).emb" }

    /// What is in use, or the file's sound rows where none is. The caller holds `embedding`.
    private func keptEmbeddings(of view: ViewStore) -> KeptEmbeddings? {
        let path = embeddingPath(view)
        // A purge of the view takes the file away.
        guard File.exists(path) else { return nil }
        return view.embeddings.withLock { $0 } ?? EmbeddingRows(path: path, shape: view.shape).map(KeptEmbeddings.init)
    }

    /// Maps rows that were written since.
    /// - Returns: false where the file is not what it was; `kept` then begins anew.
    @discardableResult
    private func map(_ kept: inout KeptEmbeddings, of view: ViewStore) -> Bool {
        guard kept.end > kept.rows.byteCount else { return true }
        guard let longer = EmbeddingRows(path: embeddingPath(view), shape: view.shape, after: kept.rows) else {
            kept = KeptEmbeddings(EmbeddingRows(width: view.shape.embeddingWidth))
            return false
        }
        let before = kept.rows.images.count
        kept.rows = longer
        kept.end = longer.byteCount
        kept.note(from: before)
        return true
    }

    /// Reads embeddings from snapshots, writes them to the file and maps it.
    /// - Returns: as `map`.
    private func read(_ missing: [Int64], into kept: inout KeptEmbeddings, of view: ViewStore) throws(StoreError) -> Bool {
        for start in stride(from: 0, to: missing.count, by: 256) {
            var rows: [UInt8] = []
            for image in missing[start..<min(start + 256, missing.count)] {
                do throws(StoreError) {
                    guard let embedding = try embedding(of: .init(rawValue: image), view: view) else { continue }
                    rows += EmbeddingRows.row(image: image, embedding)
                } catch {
                    guard case .damaged = error else { throw error }
                }
            }
            if !rows.isEmpty { try write(rows, to: &kept, of: view) }
        }
        return map(&kept, of: view)
    }

    private func write(_ rows: [UInt8], to kept: inout KeptEmbeddings, of view: ViewStore) throws(StoreError) {
        let path = embeddingPath(view)
        try File.makeFolder(folder + "/tables")
        let isNew = kept.rows.images.isEmpty && kept.end == EmbeddingRows.headerBytes
        let file = try File(path: path, flags: O_RDWR | O_CREAT, faults: options.faults)
        if isNew {
            // Whatever lay there was no file of this view.
            try file.truncate(to: 0)
            try file.write(EmbeddingRows.header(view.shape), at: 0)
        }
        try file.write(rows, at: kept.end)
        kept.end += rows.count
    }

    /// Writes the file anew with only these images' rows.
    private func compact(_ kept: inout KeptEmbeddings, to images: [Int64], of view: ViewStore) throws(StoreError) {
        let path = embeddingPath(view), temporary = path + ".tmp"
        let width = view.shape.embeddingWidth
        do throws(StoreError) {
            let file = try File(path: temporary, flags: O_RDWR | O_CREAT | O_TRUNC, faults: options.faults)
            try file.write(EmbeddingRows.header(view.shape), at: 0)
            var end = EmbeddingRows.headerBytes
            for start in stride(from: 0, to: images.count, by: 256) {
                var bytes: [UInt8] = []
                for image in images[start..<min(start + 256, images.count)] {
                    let values = kept.rows.values(Int(kept.place(of: image)))
                    bytes += EmbeddingRows.row(image: image, Array(UnsafeBufferPointer(start: values, count: width)))
                }
                try file.write(bytes, at: end)
                end += bytes.count
            }
            guard rename(temporary, path) == 0 else { throw StoreError.system("rename", path, errno) }
        } catch {
            unlink(temporary)
            // A purge of the view took both files away: what is left of it is read anew.
            guard case .io(_, _, ENOENT, _) = error else { throw error }
            kept = KeptEmbeddings(EmbeddingRows(width: width))
            return
        }
        kept = KeptEmbeddings(EmbeddingRows(path: path, shape: view.shape) ?? EmbeddingRows(width: width))
    }

    /// Adds a committed batch to a table that exists. A table that is being made now, or a failure, costs only time
    /// later. The caller holds `writer`, so a file that is not in use is not checked here, which would take seconds:
    /// rows go behind its last, and a reader that finds damage before them reads them from their snapshots.
    func keepEmbeddings(of batch: [(image: Int64, embedding: [Float])], view: ViewStore) {
        guard view.embedding.try() else { return }
        defer { view.embedding.unlock() }
        let path = embeddingPath(view)
        guard let file = try? File(path: path, flags: O_RDWR), let size = try? file.size() else { return }
        let header = EmbeddingRows.header(view.shape)
        guard let found = try? file.read(at: 0, count: header.count), found == header else { return }
        var kept = view.embeddings.withLock { $0 }
        let row = EmbeddingRows.rowBytes(view.shape.embeddingWidth)
        let end = kept?.end ?? header.count + (size - header.count) / row * row
        let rows = batch.reduce(into: [UInt8]()) { $0 += EmbeddingRows.row(image: $1.image, $1.embedding) }
        guard (try? file.write(rows, at: end)) != nil else { return }
        kept?.end = end + rows.count
        view.embeddings.withLock { $0 = kept }
    }
}
