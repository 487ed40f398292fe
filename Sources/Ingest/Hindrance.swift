// What keeps the store from being written: a full disk, an I/O error, a file system that became read-only. An operator
// mends that; meanwhile whoever has something to write waits with it in hand, so that nothing is lost or out of order.

import Foundation
import Store

/// Writes to the store until the disk takes it. Told of once when it begins and once when it is over.
package final class Hindrance: @unchecked Sendable {  // what changes is under `condition`
    private let activity: Activity
    private let condition = NSCondition()
    private var waiting = 0
    private var mayRetry = true
    private var current: (reason: String, since: Date)?

    /// The longest pause between two attempts; the first is a second.
    private static let pauseMax: TimeInterval = 10

    package init(activity: Activity) { self.activity = activity }

    /// What keeps the store from being written now.
    package var reason: String? { condition.withLock { current?.reason } }

    /// From now on nobody waits: what can't be written now is made up for at the next start.
    package func giveUp() {
        condition.withLock {
            mayRetry = false
            condition.broadcast()
        }
    }

    /// - Parameters:
    ///   - mends: which errors are waited out.
    ///   - eachTime: called before each pause.
    ///   - body: called again and again until it throws no such error.
    /// - Returns: false where saed stops first.
    package func wait(
        for mends: (StoreError) -> Bool = { $0.isOfTheDisk }, eachTime: () -> Void = {}, toWrite body: () throws -> Void
    ) throws -> Bool {
        var pause: TimeInterval = 1, isWaiting = false
        defer { if isWaiting { end() } }
        while true {
            do {
                try body()
                return true
            } catch let error as StoreError where mends(error) {
                if !isWaiting { begin(error) }
                isWaiting = true
            }
            eachTime()
            guard rest(pause) else { return false }
            pause = min(pause * 2, Hindrance.pauseMax)
        }
    }

    /// - Returns: false where there is to be no other attempt.
    private func rest(_ pause: TimeInterval) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        let end = Date(timeIntervalSinceNow: pause)
        while mayRetry, condition.wait(until: end) {}
        return mayRetry
    }

    private func begin(_ error: StoreError) {
        condition.lock()
        waiting += 1
        let isFirst = current == nil
        if isFirst { current = ("the store can't be written, saed waits and tries again: \(error)", Date()) }
        let text = current?.reason ?? ""
        condition.unlock()
        if isFirst { activity.emit(.warning(text)) }
    }

    private func end() {
        condition.lock()
        waiting -= 1
        // Once saed stops it stays as it is, or every file that gives up at once would tell of it anew.
        let over = waiting == 0 && mayRetry ? current : nil
        if over != nil { current = nil }
        condition.unlock()
        guard let over else { return }
        activity.emit(.warning("the store is written again, after \(Int(-over.since.timeIntervalSinceNow.rounded())) s"))
    }
}
