// Tables, numbers, JSON, progress, and where the socket is.

import Foundation
import SaectlKit
import Testing

@Suite struct PrintingTests {
    @Test func tablesAlignAndGiveWayAtTheFlexibleColumn() {
        var table = Table(["LATENT".right, "LABEL".left, "PATH".path])
        table.add(["7", "zèbre", "/srv/saed/drop/images/zebra/1.jpg"])
        table.add(["4321", "縞馬", "/x\u{1B}[2J.jpg"])
        #expect(table.text(width: nil) == """
            LATENT  LABEL  PATH
                 7  zèbre  /srv/saed/drop/images/zebra/1.jpg
              4321  縞馬   /x\\x1b[2J.jpg

            """)
        #expect(table.text(width: 36) == """
            LATENT  LABEL  PATH
                 7  zèbre  …p/images/zebra/1.jpg
              4321  縞馬   /x\\x1b[2J.jpg

            """)
        // Too narrow for anything: columns keep what they need to be read.
        #expect(table.text(width: 10).contains("  …zebra/1.jpg\n"))
    }

    @Test func numbersAreShortAndRight() {
        #expect(1234.5678.fixed(2) == "1234.57" && (-0.001).fixed(2) == "0.00" && (-2.5).fixed(1) == "-2.5" && 7.0.fixed(0) == "7")
        #expect(1e300.fixed(1) == "1e+300" && Double.nan.fixed(1) == "nan" && 4e15.fixed(3) == "4000000000000000.0")
        #expect([0, 0.00012, 0.1234567, 1.5, 42.123, 420.55, 123456].map(\.brief) == ["0", "1.2e-4", "0.1235", "1.500", "42.12", "420.6", "123456"])
        #expect([0, 0.00005, 0.005, 0.5, 1].map(\.percent) == ["0 %", "<0.01 %", "0.50 %", "50.0 %", "100.0 %"])
        #expect([0, 1023, 1024, 150 << 20, 5 << 40].map(sizeText) == ["0 B", "1023 B", "1.0 KiB", "150 MiB", "5.0 TiB"])
        #expect([5, 60, 3700, 90_000].map(durationText(seconds:)) == ["5 s", "1 min", "1 h 1 min", "1 d 1 h"])
        #expect(count(1, "class", "classes") == "1 class" && count(0, "image") == "0 images")
    }

    @Test func jsonIsSortedAndReadsBack() throws {
        let json: JSON = [
            "b": [1, 2], "a": ["x": .null, "y": "\"\\\n\u{01}\u{7F}é\u{1F993}"], "c": [], "d": [:], "e": JSON(0.1), "f": JSON(Float(0.1)),
            "g": JSON(Double.infinity), "h": JSON(1e-7), "i": ["k"], "j": true,
        ]
        let text = json.text()
        #expect(text.hasPrefix("{\n  \"a\": {\n    \"x\": null,\n    \"y\": \"\\\"\\\\\\n\\u0001\\u007fé"))
        #expect(text.contains("\n  \"b\": [1, 2],\n  \"c\": [],\n  \"d\": {},\n  \"e\": 0.1,\n  \"f\": 0.1,\n  \"g\": null,"))
        #expect(text.contains("\n  \"i\": [\n    \"k\"\n  ],"))
        let object = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        let line = try #require(JSONSerialization.jsonObject(with: Data(json.text(pretty: false).utf8)) as? [String: Any])
        #expect(!json.text(pretty: false).contains("\n"))
        #expect(NSDictionary(dictionary: object) == NSDictionary(dictionary: line))
        #expect((object["a"] as? [String: Any])?["y"] as? String == "\"\\\n\u{01}\u{7F}é\u{1F993}")
        #expect(object["h"] as? Double == 1e-7)
    }

    @Test func progressFitsItsLine() {
        func line(_ done: UInt64, _ total: UInt64, width: Int?) -> String {
            ProgressBar.line(done: done, total: total, failed: 1, what: "zebra/a very long name.jpg", perSecond: 2, unit: "images", width: width)
        }
        #expect(line(3, 10, width: nil) == "3/10 images, 2.0/s, 3 s left, 1 failed (zebra/a very long name.jpg)")
        let bar = line(5, 10, width: 79)
        #expect(bar.hasPrefix("[") && bar.contains("] 5/10 images, 2.0/s, 2 s left, 1 failed") && bar.cells <= 79)
        #expect(bar.count { $0 == "#" } == bar.count { $0 == "-" } || bar.count { $0 == "#" } + 1 == bar.count { $0 == "-" })
        for width in 5..<120 { #expect(line(123_456, 1_000_000, width: width).cells <= width) }
    }

    @Test func controlCharactersNeverReachATerminal() {
        #expect("a\u{1B}[31m\n\u{9B}\u{7F}é".printable == "a\\x1b[31m\\x0a\\x9b\\x7fé")
        #expect("a\u{202E}gpj.\u{2028}".printable == "a\\u202egpj.\\u2028")
    }

    @Test func theSocketIsFoundInTheOrderOfTheContract() {
        func path(socket: String? = nil, root: String? = nil, _ environment: [String: String] = [:], existing: Set<String> = []) -> String {
            SocketPath(socket: socket, root: root, environment: { environment[$0] }, exists: { existing.contains($0) }).path
        }
        let all = ["SAED_SOCKET": "/env", "XDG_RUNTIME_DIR": "/run/user/7/"]
        #expect(path(socket: "/s", root: "/r", all) == "/s")
        #expect(path(root: "/r/", all) == "/r/saed.sock")
        #expect(path(all) == "/env")
        #expect(path(["XDG_RUNTIME_DIR": "/run/user/7/"]) == "/run/user/7/saed/saed.sock")
        // A system daemon is found by a user who has a runtime folder but no daemon of their own.
        #expect(path(["XDG_RUNTIME_DIR": "/run/user/7"], existing: ["/run/saed/saed.sock"]) == "/run/saed/saed.sock")
        #expect(path(["XDG_RUNTIME_DIR": "/run/user/7"], existing: ["/run/saed/saed.sock", "/run/user/7/saed/saed.sock"]) == "/run/user/7/saed/saed.sock")
        #expect(path() == "/run/saed/saed.sock")
    }

    @Test func listsOfNamesLeaveOutWhatIsNoName() throws {
        let folder = try TemporaryFolder()
        #expect(try readLines(folder.write("a.txt", "zebra\r\n\n  plains zebra \n# not this\nhorse")) == ["zebra", "plains zebra", "horse"])
        #expect(throws: InputError.self) { try readLines(folder.path + "/none.txt") }
        let error = #expect(throws: InputError.self) { try readLines(folder.write("b.txt", [0xFF, 0xFE, 0x00])) }
        #expect(error?.reason == "is no UTF-8 text")
    }
}
