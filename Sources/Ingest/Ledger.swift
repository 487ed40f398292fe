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
        /// In work when someone else wanted them: a view came since they were taken.
        var wanted: Set<ImageRecord.ID> = []
        /// Of `open`, those in work for a control that nobody asked for.
        var quiet: Set<ImageRecord.ID> = []

        mutating func close(_ image: ImageRecord.ID) {
            open[image] = nil
            quiet.remove(image)
        }
    }

    private let state = Mutex(State())

    private let onWanted = Mutex<(@Sendable () -> Void)?>(nil)

    package init() {}

    /// Told when an image is done that `claim` refused meanwhile: it may lack more by now.
    package func onWanted(_ body: @escaping @Sendable () -> Void) { onWanted.withLock { $0 = body } }

    /// Takes an image for `views` snapshots; false where someone has it, or it is skipped.
    /// - Parameter quiet: it is no work that anyone waits for: `running` doesn't count it.
    package func claim(_ image: ImageRecord.ID, views: Int, quiet: Bool = false) -> Bool {
        state.withLock { state in
            guard !state.skipped.contains(image) else { return false }
            guard state.open[image] == nil else {
                if !quiet { state.wanted.insert(image) }
                return false
            }
            state.open[image] = views
            if quiet { state.quiet.insert(image) }
            return true
        }
    }

    /// One view's snapshot is committed, or given up.
    package func finished(_ image: ImageRecord.ID) {
        let isWanted = state.withLock { state in
            guard let left = state.open[image] else { return false }
            if left > 1 { state.open[image] = left - 1 } else { state.close(image) }
            return left <= 1 && state.wanted.remove(image) != nil
        }
        if isWanted { onWanted.withLock { $0 }?() }
    }

    /// Lets go of an image whatever is missing.
    package func release(_ image: ImageRecord.ID) {
        let isWanted = state.withLock { state in
            state.close(image)
            return state.wanted.remove(image) != nil
        }
        if isWanted { onWanted.withLock { $0 }?() }
    }

    /// Leaves an image out until something new is heard of it: its file can't be read now.
    package func skip(_ image: ImageRecord.ID) {
        state.withLock { state in
            state.close(image)
            state.skipped.insert(image)
        }
    }

    /// Something changed in the drop folder: what could not be read may be readable now.
    package func unskipAll() { state.withLock { $0.skipped = [] } }

    package var running: Int { state.withLock { $0.open.count - $0.quiet.count } }
    /// Images in work for controls.
    package var runningQuietly: Int { state.withLock { $0.quiet.count } }
    package var skipped: [ImageRecord.ID] { state.withLock { Array($0.skipped) } }
}
