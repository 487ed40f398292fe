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
            // No event tells of what is noted here.
            watcher.willRemove(path.path)
            guard unlink(dropFolder + "/" + path.path) == 0 || errno == ENOENT else {
                throw IngestError(
                    .unavailable, "'\(dropFolder)/\(path.path)' can't be deleted (\(String(cString: strerror(errno))))",
                    remedy: "let saed's user write in its folder, or delete it yourself")
            }
            if try store.removePath(path.path) { activity.emit(.pathRemoved(path: path.path, image: image.hash)) }
            removed.append(path.path)
        }
        return removed
    }
}
