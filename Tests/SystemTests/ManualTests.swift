// Man pages and completions: that they are what the programs say, and that shells complete with them.

import Foundation
import Testing

@Suite struct ManualTests {
    @Test func manPagesAndCompletionsAreWhatTheProgramsSay() throws {
        let checked = try run(Place.checkout.appendingPathComponent("tools/manuals"), ["--check", "--build", Place.products.path])
        #expect(checked.status == 0, "\(checked.errors)")
    }

    @Test func noManPageHasAFault() throws {
        for page in ["saectl.1", "saed.8", "saed.toml.5"] {
            let path = Place.checkout.appendingPathComponent("docs/man/\(page)").path
            let lint = try run(URL(fileURLWithPath: "/usr/bin/env"), ["mandoc", "-T", "lint", path])
            #expect(lint.status == 0 && lint.output.isEmpty, "\(page): \(lint.output)\(lint.errors)")
        }
    }

    /// A new field of the journal belongs into saed(8).
    @Test func everyFieldOfTheJournalIsExplained() throws {
        let page = try String(contentsOf: Place.checkout.appendingPathComponent("docs/man/saed.8"), encoding: .utf8)
        let daemon = Place.checkout.appendingPathComponent("Sources/Daemon")
        for file in try FileManager.default.contentsOfDirectory(at: daemon, includingPropertiesForKeys: nil) where file.pathExtension == "swift" {
            for field in try String(contentsOf: file, encoding: .utf8).matches(of: /"(SAED_[A-Z_]+)"/).map(\.1) {
                #expect(page.contains(field) || field == "SAED_DECODER", "\(field) of \(file.lastPathComponent)")
            }
        }
    }

    /// A daemon with the embedded model and an adapter, and images whose names a shell could stumble over.
    private static func rig() throws -> Rig {
        let rig = try Rig(environment: ["SAED_MODELS": Place.models.path])
        let photos = Place.models.appendingPathComponent("photos")
        for (photo, place) in [("cat.jpg", "pets/cat.jpg"), ("coffee.jpg", "pets/coffee.jpg"), ("flower.jpg", "odd/$(touch pwned) it's:1.jpg")] {
            let target = rig.images.appendingPathComponent(place)
            try FileManager.default.createDirectory(at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
            try FileManager.default.copyItem(at: photos.appendingPathComponent(photo), to: target)
        }
        try rig.saectl("adapter", "add", Place.models.appendingPathComponent("adapters/maple.pth.tar").path, "--name", "maple")
        return rig
    }

    /// What each line is completed to, sorted, whatever the shell. ROOT stands for the daemon's root.
    private static let lines: [(line: String, offered: [String])] = [
        ("saectl --root ROOT sh", ["sheet", "show"]),
        ("saectl show --root ROOT --view ma", ["maple"]),
        ("saectl --root ROOT compare b", ["base..maple"]),
        ("saectl --root ROOT show p", ["pets/cat.jpg", "pets/coffee.jpg"]),
        ("saectl --root ROOT show o", ["odd/$(touch pwned) it's:1.jpg"]),
        ("saectl --root ROOT images --label p", ["pets"]),
        ("saectl --root ROOT adapter deactivate ", ["maple"]),
        ("saectl --root ROOT explain cat.jpg ..maple --class 'red st", ["red star"]),
        ("saectl --root ROOT images --by ", ["mean", "peak"]),
        ("saectl --root /nonexistent show --view ", []),
    ]

    @Test func bashCompletesWhatTheDaemonHas() throws {
        let rig = try ManualTests.rig()
        let script = """
            source '\(Place.checkout.path)/docs/completions/bash/saectl'
            COMP_LINE=$1 COMP_POINT=${#1} last=${2-}
            read -ra COMP_WORDS <<<"${COMP_LINE%"$last"}"
            COMP_WORDS+=("$last") COMP_CWORD=${#COMP_WORDS[@]}
            ((COMP_CWORD--))
            COMP_WORDS[0]='\(Place.saectl.path)'
            _saectl saectl "$last" "${COMP_WORDS[COMP_CWORD-1]}"
            ((${#COMPREPLY[@]} == 0)) || printf '%s\\n' "${COMPREPLY[@]}"
            """
        for (line, offered) in ManualTests.lines {
            let line = line.replacingOccurrences(of: "ROOT", with: rig.root.path)
            // A word with a quote has a space.
            let last = line.firstIndex(of: "'").map { line[$0...] } ?? line.split(separator: " ", omittingEmptySubsequences: false).last!
            let answer = try run(URL(fileURLWithPath: "/bin/bash"), ["--norc", "-c", script, "bash", line, String(last)])
            #expect(answer.output.split(separator: "\n").map(String.init).sorted() == offered, "\(line): \(answer.errors)")
        }
        #expect(!FileManager.default.fileExists(atPath: "pwned"))
    }

    @Test func fishCompletesWhatTheDaemonHas() throws {
        let rig = try ManualTests.rig()
        let script = "source '\(Place.checkout.path)/docs/completions/fish/saectl.fish'; complete -C \"$argv[1]\""
        for (line, offered) in ManualTests.lines {
            let line = line.replacingOccurrences(of: "ROOT", with: rig.root.path)
            let answer = try run(
                URL(fileURLWithPath: "/usr/bin/env"), ["fish", "--no-config", "-c", script, line],
                environment: ["PATH": Place.products.path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "")])
            // WORD, a tab, what it means.
            let words = answer.output.split(separator: "\n").map { String($0.prefix { $0 != "\t" }) }
            #expect(words.sorted() == offered, "\(line): \(answer.errors)")
        }
        #expect(!FileManager.default.fileExists(atPath: "pwned"))
    }
}
