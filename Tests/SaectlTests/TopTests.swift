// The screen of `top`, whole, in Golden/printed/; and what holds for every size and every name.
//
// SAED_WRITE_GOLDEN=1 writes the frames anew: read what changed before committing it.

import Foundation
import SaectlKit
import Testing
import Wire

@Suite struct TopTests {
    private static let folder = (#filePath as NSString).deletingLastPathComponent + "/Golden/printed/"

    private func check(_ file: String, _ text: String) throws {
        let path = TopTests.folder + file
        if ProcessInfo.processInfo.environment["SAED_WRITE_GOLDEN"] == "1" { try text.write(toFile: path, atomically: true, encoding: .utf8) }
        let golden = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text == golden, "\(file)")
    }

    private func frame(_ state: TopState, _ width: Int?, _ height: Int?, unicode: Bool = true, colour: Bool = false) -> [String] {
        _ = Live.inUTC
        return TopFrame(state, width: width, height: height, for: Terminal(columns: width, usesColour: colour, usesUnicode: unicode)).lines
    }

    @Test(arguments: [(80, 24), (40, 10), (200, 60)]) func framesAreAsCommitted(width: Int, height: Int) throws {
        try check("top-\(width)x\(height).txt", frame(Live.busy, width, height).map { $0 + "\n" }.joined())
    }

    @Test func otherFramesAreAsCommitted() throws {
        try check("top-ascii.txt", frame(Live.busy, 80, 24, unicode: false).map { $0 + "\n" }.joined())
        try check("top-colour.txt", frame(Live.busy, 80, 24, colour: true).map { $0.replacingOccurrences(of: "\u{1B}", with: "^") + "\n" }.joined())
        try check("top-gone.txt", frame(Live.gone, 80, 24).map { $0 + "\n" }.joined())
        try check("top-never.txt", frame(Live.never, 80, 24).map { $0 + "\n" }.joined())
        try check("top-once.txt", frame(Live.busy, nil, nil).map { $0 + "\n" }.joined())
        try check("top-once.json", Live.busy.json.text() + "\n")
    }

    @Test func everyFrameFitsItsScreen() {
        for state in [Live.busy, Live.gone, Live.never, TopState()] {
            for unicode in [true, false] {
                for (width, height) in (1...24).map({ ($0 * 7 - 6, $0) }) + [(1, 1), (2, 50), (300, 3), (41, 13), (80, 24)] {
                    let lines = frame(state, width, height, unicode: unicode)
                    #expect(lines.count == height, "\(width)x\(height)")
                    for line in lines {
                        #expect(line.cells <= width, "\(width)x\(height): '\(line)'")
                        #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) && $0.value != 0x202E }, "'\(line)'")
                        if !unicode { #expect(line.utf8.allSatisfy { $0 < 0x80 }, "'\(line)'") }
                    }
                }
            }
        }
    }

    @Test func coloursChangeNoCharacter() {
        let plain = frame(Live.busy, 80, 24)
        let coloured = frame(Live.busy, 80, 24, colour: true).map { $0.replacing(#/\x1B\[[0-9]+m/#, with: "") }
        #expect(plain == coloured)
    }

    @Test func ratesAreOfWholeSecondsThatWereHeard() {
        var rates = RateHistory()
        #expect(rates.perSecond(over: 10, now: 5000) == nil)
        rates.begin(at: 10_500)
        #expect(rates.perSecond(over: 10, now: 11_900) == nil)
        for time in [11_000, 11_200, 12_000, 13_100] { rates.add(at: Int64(time)) }
        #expect(rates.perSecond(over: 10, now: 13_500) == 1.5 && rates.values(10, now: 13_500) == [2, 1])
        #expect(rates.perSecond(over: 1, now: 13_500) == 1 && rates.perSecond(over: 60, now: 73_000) == 1.0 / 60)
        for second in 0..<5000 { rates.add(at: 100_000 + Int64(second) * 1000) }
        #expect(rates.perSecond(over: 60, now: 5_100_000) == 1)
    }

    @Test func progressIsMeasuredAgainstTheMostThatWasQueued() {
        var state = TopState(), look = TopLook()
        for (queued, most) in [(0, 0), (40, 40), (10, 40), (60, 60), (0, 0), (5, 5)] as [(UInt64, UInt64)] {
            look.status.queued = queued
            state.take(look, at: 0)
            #expect(state.queuedMost == most)
        }
    }

    @Test func anImageIsListedOnceWithTheTimeOfItsCommit() {
        var state = TopState()
        let event = Live.committed(1, "/a.jpg", at: Live.now)
        state.hear(event)
        var look = TopLook()
        look.past = [Happening(Live.committed(2, "/b.jpg", at: 5), isPast: true), Happening(Live.committed(1, "/a.jpg", at: 7), isPast: true)]
        look.answered = [Happening(event, answer: .init(name: "star", probability: 1, margin: nil))]
        #expect(state.unanswered(10).count == 1)
        state.take(look, at: Live.now)
        #expect(state.images.map(\.event.timeMs) == [Live.now, 5] && state.images[0].answer?.name == "star" && state.unanswered(10).isEmpty)
        for number in 0..<1000 { state.hear(Live.committed(number, "/c.jpg", at: Live.now)) }
        #expect(state.images.count == 200 && state.images[0].event.image == Live.id(999))
    }

    @Test func viewsAreSortedAsAsked() {
        var state = Live.busy
        #expect(state.views.map(\.name.adapter) == ["base", "maple"])
        state.sort = state.sort.next
        #expect(state.sort == .queued && state.views.map(\.name.adapter) == ["maple", "base"])
        state.sort = state.sort.next
        #expect(state.views.map(\.name.adapter) == ["base", "maple"] && state.sort.next == .name)
    }
}
