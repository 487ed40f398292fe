// How many images a second were committed lately.

import Foundation
import Synchronization

/// Counts over the last ten seconds.
final class RateMeter: Sendable {
    private let marks = Mutex<[(time: ContinuousClock.Instant, count: Int)]>([])
    private static let window = Duration.seconds(10)

    func add(_ count: Int) {
        let now = ContinuousClock.now
        marks.withLock { marks in
            marks.append((now, count))
            marks.removeAll { $0.time < now - RateMeter.window }
        }
    }

    /// 0 where nothing was committed in that time.
    var perSecond: Double {
        let now = ContinuousClock.now
        return marks.withLock { marks in
            marks.removeAll { $0.time < now - RateMeter.window }
            guard let first = marks.first, marks.count > 1 else { return 0 }
            // The first mark opens the interval; what it counted came before.
            let count = marks.dropFirst().reduce(0) { $0 + $1.count }
            return Double(count) / max(0.001, (now - first.time).seconds)
        }
    }
}
