// Removing an image by its user's will: its files in the drop folder go, and with them its place in every view.

import Foundation
import Store

extension Ingest {
    /// Deletes an image's files and notes that they are gone; its snapshots are then freed by `Store.purge`.
    ///
    /// - Returns: the paths that were deleted, below the drop folder.
    /// - Throws: `IngestError` where a file can't be deleted: those before it are gone, the image stays.
    @discardableResult
    public func remove(_ image: ImageRecord) throws -> [String] {
        var removed: [String] = []
        for path in try store.paths(of: image.id) {
            let file = dropFolder + "/" + path.path
            // What lies there by now may be another image, dropped and not yet read.
            guard try isUnchanged(file, path) else {
                throw IngestError(.conflict, "'\(file)' was changed since saed read it", remedy: "ask again when it has been read: saectl wait")
            }
            // No event tells of what is noted here.
            watcher.willRemove(path.path)
            guard unlink(file) == 0 || errno == ENOENT else {
                throw IngestError(
                    .unavailable, "'\(dropFolder)/\(path.path)' can't be deleted (\(String(cString: strerror(errno))))",
                    remedy: "let saed's user write in its folder, or delete it yourself")
            }
            if try store.removePath(path.path) { activity.emit(.pathRemoved(path: path.path, image: image.hash)) }
            removed.append(path.path)
        }
        return removed
    }

    private func isUnchanged(_ file: String, _ path: PathRecord) throws -> Bool {
        guard let content = try DroppedContent(path: file, bytesMax: options.limits.bytesMax) else {
            // Gone already, or a link: that is taken away, never what it points to.
            return true
        }
        return try store.image(path.image)?.hash == content.hash
    }
}
