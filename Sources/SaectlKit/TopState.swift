// What `saectl top` knows, and how news changes it. Nothing here asks a daemon or looks at a clock.

import Wire

/// Counts of what happened, a second each.
package struct RateHistory: Sendable, Equatable {
    /// The longest time that is asked for.
    package static let secondsMax = 300

    /// From when on everything was counted; nil: not yet.
    private var since: Int64?
    private var counts: [Int64: Int] = [:]

    package init() {}

    /// Counting begins (again) at this time, in milliseconds: what happened before or in a gap is not known.
    package mutating func begin(at time: Int64) { (since, counts) = (time, [:]) }

    package mutating func add(at time: Int64) {
        counts[time / 1000, default: 0] += 1
        guard counts.count > 2 * RateHistory.secondsMax else { return }
        counts = counts.filter { $0.key >= time / 1000 - Int64(RateHistory.secondsMax) }
    }

    /// The mean over the last whole seconds, as many of those as were counted; nil: none yet.
    package func perSecond(over seconds: Int, now: Int64) -> Double? {
        let values = self.values(seconds, now: now)
        return values.isEmpty ? nil : Double(values.reduce(0, +)) / Double(values.count)
    }

    /// Whole seconds, the last one last; fewer than asked for where not so many were counted.
    package func values(_ seconds: Int, now: Int64) -> [Int] {
        guard let since else { return [] }
        let end = now / 1000, first = max(end - Int64(seconds), (since + 999) / 1000)
        return first < end ? (first..<end).map { counts[$0] ?? 0 } : []
    }
}

package enum ViewSort: String, CaseIterable, Sendable {
    case name, queued, size

    package var next: ViewSort {
        let all = ViewSort.allCases
        return all[((all.firstIndex(of: self) ?? 0) + 1) % all.count]
    }
}

/// What a look at the daemon found.
package struct TopLook: Sendable {
    package var status = Saed_StatusReply()
    package var failures: [Saed_Failure] = []
    /// Of the store's file system; nil where it is not to be seen from here.
    package var diskFreeBytes: UInt64?
    /// The last images, the latest last, where they were asked for.
    package var past: [Happening] = []
    /// Answers that were asked for.
    package var answered: [Happening] = []

    package init() {}
}

public struct TopState: Sendable {
    /// Why 200: more than a screen has lines.
    private static let imagesMax = 200

    package private(set) var status: Saed_StatusReply?
    /// Milliseconds since 1970: of the last status, and now.
    package private(set) var statusTime: Int64 = 0
    package var now: Int64 = 0
    /// Why no daemon answers; nil: one does.
    package private(set) var trouble: String?
    package private(set) var failures: [Saed_Failure] = []
    package private(set) var diskFreeBytes: UInt64?
    /// The latest first.
    package private(set) var images: [Happening] = []
    package private(set) var rates = RateHistory()
    /// The most that was queued since nothing was: what progress is measured against.
    package private(set) var queuedMost: UInt64 = 0
    package var sort = ViewSort.name
    package var isPaused = false

    package init() {}

    /// Events are heard from now on.
    package mutating func begin(at time: Int64) { rates.begin(at: time) }

    package mutating func lose(_ reason: String) { trouble = reason }

    package mutating func hear(_ event: Saed_Event) {
        guard event.kind == .committed else { return }
        rates.add(at: event.timeMs)
        let happening = Happening(event)
        images.removeAll { $0.key == happening.key }
        images.insert(happening, at: 0)
        images.removeLast(max(0, images.count - TopState.imagesMax))
    }

    package mutating func take(_ look: TopLook, at time: Int64) {
        (status, statusTime, trouble, failures, diskFreeBytes) = (look.status, time, nil, look.failures, look.diskFreeBytes)
        queuedMost = look.status.queued == 0 ? 0 : max(queuedMost, look.status.queued)
        for found in look.answered {
            guard let place = images.firstIndex(where: { $0.key == found.key }) else { continue }
            images[place].answer = found.answer
        }
        // What was heard meanwhile is newer, and has the time of the commit.
        let known = Set(images.compactMap(\.key))
        images += look.past.reversed().filter { happening in happening.key.map { !known.contains($0) } ?? false }
        images.removeLast(max(0, images.count - TopState.imagesMax))
    }

    /// Those of the first images that have no answer yet.
    package func unanswered(_ most: Int) -> [Happening] {
        images.prefix(most).filter { $0.answer == nil && !$0.isPast }
    }

    package var views: [Saed_ViewInfo] {
        let views = status?.views ?? []
        return switch sort {
        case .name: views.sorted { $0.name.text < $1.name.text }
        case .queued: views.sorted { ($1.queued, $0.name.text) < ($0.queued, $1.name.text) }
        case .size: views.sorted { ($1.bytes, $0.name.text) < ($0.bytes, $1.name.text) }
        }
    }

    /// Snapshots a second over the last so many seconds. The daemon's own figure stands in where nothing was heard yet.
    func perSecond(over seconds: Int) -> Double? {
        rates.perSecond(over: seconds, now: now) ?? (seconds <= 10 ? status?.imagesPerSecond : nil)
    }

    /// Of what is queued; nil where nothing is done.
    var secondsLeft: Int? {
        guard let queued = status?.queued, queued > 0, let rate = perSecond(over: 10), rate > 0 else { return nil }
        return Int((Double(queued) / rate).rounded(.up))
    }
}

extension TopState {
    /// `top --json`.
    package var json: JSON {
        func rate(_ seconds: Int) -> JSON { perSecond(over: seconds).map(JSON.number) ?? .null }
        return [
            "status": status?.json ?? .null, "snapshots_per_second": ["last_10_s": rate(10), "last_60_s": rate(60)],
            "seconds_left": secondsLeft.map { JSON($0) } ?? .null,
            "disk_free_bytes": diskFreeBytes.map { JSON($0) } ?? .null,
            "images": JSON(images.map(\.json)), "failures": JSON(failures.map(\.json)),
        ]
    }
}
