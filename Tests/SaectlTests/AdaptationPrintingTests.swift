// What people and programs read about adaptation, why and what if: whole texts and whole JSON, in Golden/. A text is there twice: as a
// terminal of 80 columns with UTF-8 shows it, and as a pipe with an ASCII locale gets it.
//
// SAED_WRITE_GOLDEN=1 writes them anew: read what changed before committing it.

import Foundation
import SaectlKit
import Testing
import Wire

struct Printed: Sendable, CustomTestStringConvertible {
    let name: String
    let text: @Sendable (Terminal) -> String
    let json: @Sendable () -> JSON

    var testDescription: String { name }

    static let all = [
        Printed(name: "adapters") { adaptersText(Sample.adapters, for: $0) } json: { ["adapters": JSON(Sample.adapters.map(\.json))] },
        Printed(name: "compare") { Sample.compare.text(for: $0) } json: { Sample.compare.json },
        Printed(name: "remap") { Sample.remap.text(top: 2, for: $0) } json: { Sample.remap.json },
        Printed(name: "remap-class") { Sample.remapOfOneClass.text(top: 10, for: $0) } json: { Sample.remapOfOneClass.json },
        Printed(name: "ablate") { Sample.ablate.text(top: 10, for: $0) } json: { Sample.ablate.json },
        Printed(name: "classify-image") { Sample.classifyImage.text(top: 10, for: $0) } json: { Sample.classifyImage.json },
        Printed(name: "classify") { Sample.classify.text(top: 1, for: $0) } json: { Sample.classify.json },
        Printed(name: "classify-unlabelled") { Sample.classifyUnlabelled.text(top: 10, for: $0) } json: { Sample.classifyUnlabelled.json },
        Printed(name: "disagree") { Sample.disagree.text(for: $0) + Sample.disagree.summary + "\n" } json: { Sample.disagree.json },
        Printed(name: "explain") { Sample.explain.text(output: "why.png", for: $0) } json: { Sample.explain.json(output: "why.png") },
        Printed(name: "explain-nothing") { Sample.explainNothing.text(output: nil, for: $0) } json: { Sample.explainNothing.json(output: nil) },
        Printed(name: "steer") { Sample.steer.text(for: $0) } json: { Sample.steer.json },
        Printed(name: "find") { Sample.find.text(for: $0) } json: { Sample.find.json },
        Printed(name: "name-one") { Sample.nameOne.text(isOne: true, for: $0) } json: { Sample.nameOne.json },
        Printed(name: "name-all") { Sample.nameAll.text(isOne: false, for: $0) } json: { Sample.nameAll.json },
        Printed(name: "similar") { Sample.similar.text(for: $0) } json: { Sample.similar.json },
        Printed(name: "similar-patch") { Sample.similarPatch.text(for: $0) } json: { Sample.similarPatch.json },
        Printed(name: "report") { Sample.report.text(path: "report.html", for: $0) } json: { Sample.report.json(path: "/srv/report.html") },
        Printed(name: "atlas") { Sample.atlas.text(path: "atlas.html", for: $0) } json: { Sample.atlas.json(path: "/srv/atlas.html") },
    ]
}

@Suite struct AdaptationPrintingTests {
    private static let folder = (#filePath as NSString).deletingLastPathComponent + "/Golden/printed/"

    private func check(_ file: String, _ text: String) throws {
        let path = AdaptationPrintingTests.folder + file
        if ProcessInfo.processInfo.environment["SAED_WRITE_GOLDEN"] == "1" {
            try FileManager.default.createDirectory(atPath: AdaptationPrintingTests.folder, withIntermediateDirectories: true)
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
        let golden = try String(contentsOfFile: path, encoding: .utf8)
        guard text != golden else { return }
        let ours = text.split(separator: "\n", omittingEmptySubsequences: false), theirs = golden.split(separator: "\n", omittingEmptySubsequences: false)
        let line = zip(ours, theirs).enumerated().first { $1.0 != $1.1 }?.offset ?? min(ours.count, theirs.count)
        Issue.record("\(file), line \(line + 1): '\(ours.dropFirst(line).first ?? "end")' instead of '\(theirs.dropFirst(line).first ?? "end")'")
    }

    @Test(arguments: Printed.all) func textsAndJSONAreAsCommitted(_ printed: Printed) throws {
        try check(printed.name + ".terminal.txt", printed.text(Terminal(columns: 80)))
        try check(printed.name + ".pipe.txt", printed.text(Terminal(columns: nil, usesUnicode: false)))
        try check(printed.name + ".json", printed.json().text() + "\n")
    }

    @Test(arguments: Printed.all) func aTerminalsLinesFitAndAPipeGetsASCII(_ printed: Printed) throws {
        for columns in [80, 100, 132] {
            for line in printed.text(Terminal(columns: columns)).split(separator: "\n") where line.count > columns {
                Issue.record("\(printed.name) at \(columns) columns: \(line.count) cells: \(line)")
            }
        }
        let piped = printed.text(Terminal(columns: nil, usesUnicode: false))
        #expect(piped.utf8.allSatisfy { $0 < 0x80 && ($0 >= 0x20 || $0 == 0x0A) })
        #expect(!printed.text(Terminal(columns: 80)).contains("\u{1B}"), "colour without usesColour")
    }

    @Test func coloursOnlyWhereTheyAreWanted() {
        let coloured = Sample.compare.text(for: Terminal(columns: 80, usesColour: true))
        #expect(coloured.contains("\u{1B}[1m") && coloured.contains("\u{1B}[33mnote: 3 images"))
        let plain = coloured.replacing(/\u{1B}\[\d+m/, with: "")
        #expect(plain == Sample.compare.text(for: Terminal(columns: 80)))
    }

    @Test func everyJSONIsReadable() throws {
        for printed in Printed.all {
            let object = try JSONSerialization.jsonObject(with: Data(printed.json().text().utf8))
            #expect(object is [String: Any])
        }
        // What has no figure is null, not 0.
        let unlabelled = try #require(
            JSONSerialization.jsonObject(with: Data(Sample.classifyUnlabelled.json.text().utf8)) as? [String: Any])
        #expect(unlabelled["accuracy"] is NSNull && unlabelled["interval"] is NSNull)
    }

    /// docs/JSON.md is a contract: a key that it doesn't name can't be relied on.
    @Test(arguments: Printed.all) func everyKeyIsDocumented(_ printed: Printed) throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("docs/JSON.md"), encoding: .utf8)
        func keys(_ value: JSON) -> Set<String> {
            switch value {
            case let .object(members): members.reduce(into: Set(members.keys)) { $0.formUnion(keys($1.value)) }
            case let .array(values): values.reduce(into: []) { $0.formUnion(keys($1)) }
            default: []
            }
        }
        let found = keys(printed.json())
        #expect(found.count > 5)
        let unnamed = found.filter { !page.contains("`\($0)`") && !($0.hasSuffix("_interval") && page.contains("`*_interval`")) }
        #expect(unnamed == [])
    }

    @Test func barsAndCurvesHaveTheirWidth() {
        let blocks = Terminal(columns: 80), ascii = Terminal(columns: 80, usesUnicode: false)
        #expect([0, 0.001, 0.5, 0.55, 1, 7, -1, .nan].map { blocks.bar($0, cells: 4) } == ["", "▏", "██", "██▎", "████", "████", "", ""])
        #expect([0, 0.001, 0.5, 1].map { ascii.bar($0, cells: 4) } == ["", "#", "##", "####"])
        #expect(blocks.curve([0, 0.5, 1, 2, -1, .nan]) == "▁▅██▁▁" && ascii.curve([0, 1]) == "_#")
        #expect(blocks.way(from: 0, to: 1, cells: 6) == "○────●" && ascii.way(from: 1, to: 0.4, cells: 6) == "..*--o")
        #expect(blocks.way(from: 0.5, to: 0.5, cells: 5) == "··●··" && blocks.way(from: -3, to: .nan, cells: 2) == "●·")
        let bars = [2, 1, 0.5, 0.01, 0, -0.01, -0.5, -1, -9, .nan].map { blocks.signedBar($0, most: 2, side: 2) }
        #expect(bars == ["  │██", "  │█", "  │▌", "  │▏", "  │", " ▕│", " ▐│", " █│", "██│", "  │"])
        #expect(ascii.signedBar(-2, most: 2, side: 3) == "###|" && ascii.signedBar(0.01, most: 2, side: 2) == "  |." && ascii.signedBar(1, most: 0, side: 1) == " |")
    }

    @Test func mapsShowBothSigns() {
        let values: [Float] = [1, -0.5, 0, 0.26, .nan, -0.1]
        func map(_ terminal: Terminal) -> String { terminal.maps(values, columns: 3, above: "for a", below: "against a long name") }
        #expect(map(Terminal(columns: 80)) == """
            for a      against a long name
              0 1 2      0 1 2
            0 ██····   0 ··▒▒··
            1 ░░····   1 ······

            """)
        #expect(map(Terminal(columns: 13, usesUnicode: false)) == """
            for a   agai…
              012     012
            0 #..   0 .+.
            1 :..   1 ...

            """)
        #expect(map(Terminal(columns: 5)) == "for a\n  012\n0 █··\n1 ░··\nagai…\n  012\n0 ·▒·\n1 ···\n")
        #expect(map(Terminal(columns: 4)) == "")
        #expect(Terminal(columns: nil).maps([0, 0], columns: 2, above: "a", below: "b") == "")
        #expect(Terminal(columns: nil).maps([0, 1, 2], columns: 2, above: "a", below: "b") == "")
    }

    @Test func theLocaleSaysWhetherBlocksCanBeShown() {
        func unicode(_ environment: [String: String]) -> Bool { Terminal.localeIsUTF8 { environment[$0] } }
        #expect(unicode(["LANG": "de_DE.UTF-8"]) && unicode(["LANG": "C.utf8"]) && unicode(["LC_CTYPE": "en_US.UTF-8@euro", "LANG": "C"]))
        #expect(!unicode([:]) && !unicode(["LANG": "C"]) && !unicode(["LANG": "de_DE.ISO-8859-1"]) && !unicode(["LC_ALL": "C", "LANG": "C.UTF-8"]))
        // Set but empty is not set.
        #expect(unicode(["LC_ALL": "", "LANG": "C.UTF-8"]))
    }

    @Test func optionalColumnsGiveWayBeforeAnythingIsCut() {
        var table = Table(["A".left, "B".right.optional, "C".right.optional, "NAME".flexible])
        table.add(["aaaa", "bbbb", "cccc", "a name of 21 letters."])
        #expect(table.text(for: Terminal(columns: 40)) == "A        B     C  NAME\naaaa  bbbb  cccc  a name of 21 letters.\n")
        #expect(table.text(for: Terminal(columns: 32)) == "A        B     C  NAME\naaaa  bbbb  cccc  a name of 21 …\n")
        #expect(table.text(for: Terminal(columns: 26)) == "A        B  NAME\naaaa  bbbb  a name of 21 …\n(no room for c)\n")
        #expect(table.text(for: Terminal(columns: 10)) == "A     NAME\naaaa  a name of 2…\n(no room for b, c)\n")
        #expect(table.text(for: Terminal(columns: nil)).hasSuffix("  a name of 21 letters.\n"))
        // What yields gives way before what stands left of it.
        table = Table(["NAME".flexible, "WHY".flexible.yielding])
        table.add(["a name of 21 letters.", "a reason of 23 letters."])
        #expect(table.text(for: Terminal(columns: 36)).hasSuffix("\na name of 21 letters.  a reason of …\n"))
        #expect(table.text(for: Terminal(columns: 30)).hasSuffix("\na name of 21 le…  a reason of…\n"))
    }

    @Test func rangesNameTwoViews() throws {
        func sides(_ text: String) throws -> [String] { let range = try ViewRange(text); return [range.base.text, range.adapted.text] }
        #expect(try sides("base..maple") == ["/base/", "/maple/"])
        #expect(try sides("..maple") == ["/base/", "/maple/"])
        #expect(try sides("scenes/base/s..scenes/maple/s") == ["scenes/base/s", "scenes/maple/s"])
        #expect(try sides("scenes/vpt..//s") == ["scenes/vpt/", "//s"])
        #expect(try sides("a.b..c.d") == ["/a.b/", "/c.d/"])
        for text in ["", "maple", "a...b", "a..b..c", "..."] {
            let mistake = #expect(throws: ViewRange.Mistake.self) { try ViewRange(text) }
            #expect(mistake?.description.hasPrefix("two views are written BASE..ADAPTED") == true, "\(text)")
        }
        for (text, side) in [("base..", "'' on the right"), ("a/b/c/d..x", "'a/b/c/d' on the left")] {
            let mistake = #expect(throws: ViewRange.Mistake.self) { try ViewRange(text) }
            #expect(mistake?.description == side + " is no view: write ADAPTER, MODEL/ADAPTER or MODEL/ADAPTER/SAE")
        }
    }
}
