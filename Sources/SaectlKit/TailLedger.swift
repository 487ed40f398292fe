// What `tail` has told. Events come while they happen; what was missed (a daemon that was away, a client too slow) is
// found in what the daemon keeps. The two overlap: each snapshot and each failure is told once.

import Wire

package struct TailLedger {
    private let filter: History.Filter
    private var told: Set<Happening.Key> = []
    /// Found by looking back, and when: the event of the same commit may still come.
    private var found: [Happening.Key: Int64] = [:]
    /// Failures have no id: a path and about the time. The catalog's differs from the event's by milliseconds.
    private var failures: [String: Int64] = [:]
    private static let sameFailureMilliseconds: Int64 = 2000
    /// Images that were noticed and not committed since.
    private var waiting: Set<String> = []
    /// When images were noticed: each may be committed under several views.
    private var noticedTimes: [String: Int64] = [:]

    /// Why a million: some 150 MB, days of work, after which nobody looks for the first of them.
    private static let rememberedMax = 1_000_000

    package init(filter: History.Filter) { self.filter = filter }

    package func isTold(_ key: Happening.Key) -> Bool { told.contains(key) }

    /// Images to look for after a gap, whenever they were first seen.
    package var noticed: [String] { waiting.sorted() }

    /// Milliseconds from the moment in which a committed image was noticed; nil where that was not heard.
    package func took(_ event: Saed_Event) -> Int64? {
        event.kind == .committed ? noticedTimes[event.image].map { max(0, event.timeMs - $0) } : nil
    }

    /// Whether an event is to be printed.
    package mutating func hear(_ event: Saed_Event) -> Bool {
        switch event.kind {
        case .pathAdded:
            waiting.insert(event.image)
            if noticedTimes.count >= TailLedger.rememberedMax { noticedTimes = [:] }
            noticedTimes[event.image] = event.timeMs
        case .pathRemoved, .committed: waiting.remove(event.image)
        default: break
        }
        guard filter.wants(event) else { return false }
        if let key = Happening(event).key {
            // An image that was removed for good and came again is committed again: that is told again.
            if let when = found.removeValue(forKey: key), event.timeMs <= when { return false }
            remember(key)
            return true
        }
        return event.kind != .failed || isNewFailure(event)
    }

    /// Which of what looking back found are to be printed.
    /// - Parameter time: when it was looked, in milliseconds since 1970.
    package mutating func catchUp(_ past: [Happening], at time: Int64) -> [Happening] {
        found = found.filter { $0.value > time - 60_000 }
        return past.filter { happening in
            guard let key = happening.key else { return isNewFailure(happening.event) }
            guard !told.contains(key) else { return false }
            remember(key)
            found[key] = time
            waiting.remove(key.image)
            return true
        }
    }

    private mutating func remember(_ key: Happening.Key) {
        if told.count >= TailLedger.rememberedMax { told = [] }
        told.insert(key)
    }

    private mutating func isNewFailure(_ event: Saed_Event) -> Bool {
        if failures.count >= TailLedger.rememberedMax { failures = [:] }
        if let time = failures[event.path], abs(time - event.timeMs) < TailLedger.sameFailureMilliseconds { return false }
        failures[event.path] = event.timeMs
        return true
    }
}
