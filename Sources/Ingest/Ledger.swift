// Which images are being worked on, so that the intake and the back-fill never make the same snapshot twice at
// the same time, and which can't be made for now.

import Basics
import Store
import Synchronization

/// Images in the pipeline, by the number of views still to commit.
package final class Ledger: Sendable {
    private struct State {
        var open: [ImageRecord.ID: Int] = [:]
        var skipped: Set<ImageRecord.ID> = []
    }

    private let state = Mutex(State())

    package init() {}

    /// Takes an image for `views` snapshots; false where someone has it, or it is skipped.
    package func claim(_ image: ImageRecord.ID, views: Int) -> Bool {
        state.withLock { state in
            guard state.open[image] == nil, !state.skipped.contains(image) else { return false }
            state.open[image] = views
            return true
        }
    }

    /// One view's snapshot is committed, or given up.
    package func finished(_ image: ImageRecord.ID) {
        state.withLock { state in
            guard let left = state.open[image] else { return }
            state.open[image] = left > 1 ? left - 1 : nil
        }
    }

    /// Lets go of an image whatever is missing.
    package func release(_ image: ImageRecord.ID) {
        state.withLock { _ = $0.open.removeValue(forKey: image) }
    }

    /// Leaves an image out until something new is heard of it: its file can't be read now.
    package func skip(_ image: ImageRecord.ID) {
        state.withLock { state in
            state.open[image] = nil
            state.skipped.insert(image)
        }
    }

    /// Something changed in the drop folder: what could not be read may be readable now.
    package func unskipAll() { state.withLock { $0.skipped = [] } }

    package var running: Int { state.withLock { $0.open.count } }
    package var skipped: [ImageRecord.ID] { state.withLock { Array($0.skipped) } }
}
