// Events: in order to every listener; one that is too slow is told how many it missed, and holds up nobody.

import Ingest
import Testing

@Suite struct ActivityTests {
    private func names(_ stream: AsyncStream<TimedEvent>, most: Int = .max) async -> [String] {
        var names: [String] = []
        for await timed in stream {
            switch timed.event {
            case let .warning(text): names.append(text)
            case let .missed(count): names.append("missed \(count)")
            default: names.append("other")
            }
            if names.count == most { break }
        }
        return names
    }

    @Test func everyListenerHearsAllInOrder() async {
        let activity = Activity()
        let one = activity.listen(), two = activity.listen()
        for i in 0..<100 { activity.emit(.warning("\(i)")) }
        activity.finish()
        let expected = (0..<100).map(String.init)
        #expect(await names(one) == expected)
        #expect(await names(two) == expected)
    }

    @Test func aSlowListenerIsToldHowManyItMissed() async {
        let activity = Activity()
        let slow = activity.listen(capacity: 3), quick = activity.listen()
        for i in 0..<8 { activity.emit(.warning("\(i)")) }
        // Room again for two: the count, then the event after it.
        #expect(await names(slow, most: 3) == ["0", "1", "2"])
        activity.emit(.warning("8"))
        activity.finish()
        #expect(await names(slow) == ["missed 5", "8"])
        #expect(await names(quick).count == 9)
    }

    @Test func nobodyListeningCostsNothing() async {
        let activity = Activity()
        activity.emit(.busy)
        let late = activity.listen()
        activity.emit(.warning("after"))
        activity.finish()
        #expect(await names(late) == ["after"])
    }
}
