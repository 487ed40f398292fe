// Class lists and templates as people write them, and what is said of those that can't be used.

import Foundation
import Ingest
import Testing

@Suite struct ClassFileTests {
    private func message(_ body: () throws -> [String]) -> String {
        do {
            return "no error: \(try body())"
        } catch {
            return "\(error)"
        }
    }

    @Test func oneNameALineWithoutBlanks() throws {
        let folder = TemporaryFolder()
        folder.write("list.txt", "  tench \r\ngoldfish\n\n\tgreat white shark\n")
        #expect(try ClassFile.read(path: folder["list.txt"]) == ["tench", "goldfish", "great white shark"])
    }

    @Test func whatCanNotBeReadIsSaid() throws {
        let folder = TemporaryFolder()
        #expect(message { try ClassFile.read(path: folder["none.txt"]) } == "'\(folder["none.txt"])' can't be read")
        try Data([0x66, 0xFF, 0x0A]).write(to: URL(fileURLWithPath: folder["latin.txt"]))
        #expect(message { try ClassFile.read(path: folder["latin.txt"]) } == "'\(folder["latin.txt"])' is not UTF-8 text; save it as UTF-8, one class name a line")
        folder.write("blank.txt", "\n \n")
        #expect(message { try ClassFile.read(path: folder["blank.txt"]) } == "no class names; give one name a line")
        folder.write("twice.txt", "cat\ndog\ncat\n")
        #expect(message { try ClassFile.read(path: folder["twice.txt"]) } == "class 3, 'cat', comes twice; give each name once")
    }

    @Test func aTemplateHasOnePlaceForTheName() throws {
        #expect(try ClassFile.check(templates: ["a {}.", "{}"]) == ["a {}.", "{}"])
        #expect(message { try ClassFile.check(templates: []) } == "no templates; give one a line, such as 'a photo of a {}.'")
        #expect(message { try ClassFile.check(templates: ["a {}", "a"]) } == "template 2, 'a', has not exactly one {}; write {} where the class name goes")
        #expect(message { try ClassFile.check(templates: ["{} and {}"]) } == "template 1, '{} and {}', has not exactly one {}; write {} where the class name goes")
    }
}
