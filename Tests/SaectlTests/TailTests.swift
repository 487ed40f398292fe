// What `tail` prints, and that nothing is told twice or never.

import Foundation
import SaectlKit
import Testing
import Wire

@Suite struct TailTests {
    @Test func aLineSaysWhatHappened() {
        _ = Live.inUTC
        let lines = Live.events.map { $0.happening.text(drop: "/srv/saed/drop", for: Terminal(columns: nil)) }
        let time = "2023-11-14 22:13:20  "
        #expect(lines == [
            time + "images/star/7.jpg  scenes/base/scenes  red star 98.2 %, margin 3.21  207 latents  0.42 s",
            time + "a b/8\\x0a.jpg  scenes/maple/scenes  star 51.0 %, margin 0.04 (label square)  208 latents",
            time + "000000000000  scenes/base/scenes  209 latents",
            time + "/elsewhere/10.jpg  scenes/base/scenes  it 100.0 %  210 latents",
            time + "images/bad.jpg  failed: the JPEG ends early: send it whole (now at /srv/saed/quarantine/bad.jpg)",
            time + "images/b.jpg  moved from images/a.jpg",
            time + "images/b.jpg  removed",
            time + "backfill of scenes/maple/scenes: 40 images to encode",
            time + "warning  the disk is nearly full",
            time + "adapter_added  maple of scenes",
            time + "missed 12 events: too fast for this client",
        ])
        let json = Live.events.prefix(3).map { $0.happening.json.text(pretty: false) }
        #expect(json[0] == #"{"answer":{"margin":3.214,"name":"red star","probability":0.982},"count":207,"event":"committed","image":"\#(Live.id(7))","#
            + #""label":"Red_star","past":false,"path":"/srv/saed/drop/images/star/7.jpg","time_ms":1700000000000,"took_ms":420,"view":"scenes/base/scenes"}"#)
        #expect(json[2].hasPrefix(#"{"answer":null,"count":209"#) && json[2].contains(#""past":true"#))
    }

    @Test func aSnapshotIsToldOnceWhetherHeardOrFound() {
        let ledger = Told()
        let first = Live.committed(1, "/1.jpg", at: 1000), second = Live.committed(2, "/2.jpg", at: 2000)
        #expect(ledger.hear(first))
        #expect(ledger.catchUp([Happening(first, isPast: true), Happening(second, isPast: true)], at: 2500).map(\.event.image) == [Live.id(2)])
        // Its event was on its way.
        #expect(!ledger.hear(second))
        // Removed for good, and here again.
        #expect(ledger.hear(Live.committed(2, "/2.jpg", at: 9000)) && ledger.hear(Live.committed(1, "/1.jpg", at: 9000)))
        #expect(ledger.catchUp([Happening(first, isPast: true), Happening(second, isPast: true)], at: 9500).isEmpty)
        // The same image under another view is another snapshot.
        #expect(ledger.hear(Live.committed(1, "/1.jpg", view: Live.maple, at: 9600)))
    }

    @Test func aFailureIsToldOnceThoughItsTimesDiffer() {
        let ledger = Told()
        let event = Saed_Event.with { ($0.kind, $0.path, $0.timeMs) = (.failed, "/bad.jpg", 10_000) }
        #expect(ledger.hear(event))
        #expect(ledger.catchUp([Happening(Live.failure("/bad.jpg", "", at: 9_950))], at: 10_100).isEmpty)
        #expect(ledger.catchUp([Happening(Live.failure("/other.jpg", "", at: 9_950)), Happening(Live.failure("/bad.jpg", "", at: 60_000))], at: 61_000).count == 2)
    }

    @Test func imagesThatWereNoticedAreLookedForAfterAGap() {
        let ledger = Told()
        for number in 1...3 { #expect(!ledger.hear(.with { ($0.kind, $0.image) = (.pathAdded, Live.id(number)) })) }
        #expect(ledger.hear(Live.committed(1, "", at: 1)) && ledger.hear(.with { ($0.kind, $0.image) = (.pathRemoved, Live.id(2)) }))
        #expect(ledger.noticed == [Live.id(3)])
        #expect(ledger.catchUp([Happening(Live.committed(3, "", at: 1))], at: 2).count == 1 && ledger.noticed.isEmpty)
    }

    @Test func whatACommitTookIsCountedFromWhenItsPathWasNoticed() {
        let ledger = Told()
        _ = ledger.hear(.with { ($0.kind, $0.image, $0.timeMs) = (.pathAdded, Live.id(1), 1000) })
        for (view, time) in [(Live.base, 1400), (Live.maple, 1900)] as [(Saed_ViewName, Int64)] {
            #expect(ledger.hear(Live.committed(1, "", view: view, at: time)) && ledger.took(Live.committed(1, "", view: view, at: time)) == time - 1000)
        }
        #expect(ledger.took(Live.committed(2, "", at: 5000)) == nil)
    }

    @Test func filtersLeaveWhatWasAskedFor() {
        func wanted(_ filter: History.Filter) -> [String] { Live.events.filter { filter.wants($0.happening.event) }.map(\.name) }
        #expect(wanted(.init()) == Live.events.map(\.name).filter { $0 != "missed" })
        #expect(wanted(.init(failuresOnly: true)) == ["failed"])
        #expect(wanted(.init(view: Live.maple)) == ["wrong"])
        for kind in [Saed_EventKind.pathAdded, .busy, .idle, .rescanned, .stopping] { #expect(!History.Filter().wants(.with { $0.kind = kind })) }
    }
}

/// A ledger that expectations can change.
private final class Told {
    private var ledger = TailLedger(filter: .init())
    func hear(_ event: Saed_Event) -> Bool { ledger.hear(event) }
    func catchUp(_ past: [Happening], at time: Int64) -> [Happening] { ledger.catchUp(past, at: time) }
    func took(_ event: Saed_Event) -> Int64? { ledger.took(event) }
    var noticed: [String] { ledger.noticed }
}
