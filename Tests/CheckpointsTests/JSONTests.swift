// JSON and configurations. Reference for the values: Python's json, written out by hand.

import Checkpoints
import Testing

@Suite struct JSONTests {
    private func parse(_ text: String) throws -> JSON { try JSON.parse(Array(text.utf8), file: "t.json") }

    @Test func valuesAreReadAsPythonReadsThem() throws {
        let object = try parse(
            #" {"a": [1, -2.5e3, true, null], "b": "\u00e9\ud83d\ude00\n\/", "big": 9223372036854775807} "#)
        let list: [JSON] = [.int(1), .double(-2500), .bool(true), .null]
        #expect(object["a"] == .array(list))
        #expect(object["b"] == .string("é😀\n/"))
        #expect(object["big"] == .int(.max))
        #expect(try parse("-Infinity") == .double(-.infinity))
        #expect(try parse(#"{"k": 1, "k": 2}"#)["k"] == .int(2))
        #expect(try parse("18446744073709551616") == .double(0x1p64))
    }

    @Test(arguments: [
        ("{", 1, "a JSON key in quotes was expected"), ("[1 2]", 3, "',' or ']' was expected in a JSON list"),
        ("\"a", 2, "a JSON string does not end"), ("\"\\x\"", 2, "an unknown escape stands in a JSON string"),
        ("\"\\ud800\"", 7, "half a surrogate pair stands in a JSON string"), ("tru", 0, "no JSON value starts here"),
        ("1 2", 2, "something follows the end of the JSON value"), ("", 0, "the JSON ends early"),
        ("\"a\nb\"", 2, "a control character stands in a JSON string"),
    ])
    func wrongTextIsRefusedWhereItIsWrong(_ text: String, _ offset: Int, _ reason: String) {
        #expect(throws: CheckpointError.malformed(file: "t.json", offset: offset, reason: reason)) { try parse(text) }
    }

    @Test func aConfigurationNamesFileAndKey() throws {
        let folder = try TemporaryFolder()
        let config = try ConfigFile(
            path: try folder.write("c.json", #"{"a": {"n": 5, "s": "x", "f": 1.5, "none": null}, "list": [1, 2.5]}"#))
        let section = try #require(try config.section("a"))
        #expect(try section.int("n", in: 1...9) == 5)
        #expect(try section.int("none", default: 7, in: 1...9) == 7)
        #expect(try section.double("f") == 1.5)
        #expect(try config.doubles("list", count: 2) == [1, 2.5])
        for (found, expected) in [
            (
                message(without: folder.path) { _ = try section.int("n", in: 1...4) },
                "'c.json': 'a.n' is 5; 1 to 4 is allowed"
            ),
            (
                message(without: folder.path) { _ = try section.int("s", in: 1...4) },
                "'c.json': 'a.s' must be an integer, not \"x\""
            ),
            (message(without: folder.path) { _ = try section.int("gone", in: 1...4) }, "'c.json': 'a.gone' is missing"),
            (
                message(without: folder.path) { _ = try section.bool("n") },
                "'c.json': 'a.n' must be true or false, not 5"
            ),
            (message(without: folder.path) { _ = try section.string("f") }, "'c.json': 'a.f' must be a text, not 1.5"),
            (
                message(without: folder.path) { _ = try config.section("list") },
                "'c.json': 'list' must be an object, not a list"
            ),
            (
                message(without: folder.path) { _ = try config.doubles("list", count: 3) },
                "'c.json': 'list' must be a list of 3 numbers"
            ),
        ] {
            #expect(found == expected)
        }
    }
}
