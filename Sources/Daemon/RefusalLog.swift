// Which refusals of clients are worth a line: a program that runs away is refused a thousand times a second, and must
// not fill the log as well.

import Synchronization

/// Says yes once a minute for each user and reason.
package final class RefusalLog: Sendable {
    package struct Key: Hashable, Sendable {
        let user: UInt32
        /// A limit's name; empty for garbage, of which a few lines a minute are told: each is another fault.
        let reason: String

        package init(user: UInt32, reason: String) { (self.user, self.reason) = (user, reason) }
    }

    private struct Told {
        var since: ContinuousClock.Instant
        var lines = 0
        var passedOver = 0
    }

    private static let window = Duration.seconds(60)
    private static let faultsMax = 10
    /// More than the users of a machine; a bound all the same.
    private static let keysMax = 1000

    private let told = Mutex<[Key: Told]>([:])

    package init() {}

    /// Remembered now.
    package var users: Int { told.withLock { $0.count } }

    /// - Returns: what the line ends with: how many were passed over since the last; nil where there is to be no line.
    package func note(_ key: Key, now: ContinuousClock.Instant = .now) -> String? {
        told.withLock { told in
            if told.count >= RefusalLog.keysMax { told = told.filter { now - $0.value.since < RefusalLog.window } }
            var own = told[key] ?? Told(since: now)
            let isOver = now - own.since >= RefusalLog.window
            if isOver { (own.since, own.lines) = (now, 0) }
            defer { told[key] = own }
            guard own.lines < (key.reason.isEmpty ? RefusalLog.faultsMax : 1) else {
                own.passedOver += 1
                return nil
            }
            own.lines += 1
            defer { own.passedOver = 0 }
            return own.passedOver == 0 ? "" : " (and \(own.passedOver) more like it since the last such line)"
        }
    }
}
