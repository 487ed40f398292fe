// The command line itself: which daemon is asked, what is printed where, exit codes.

import Foundation
import Testing

@Suite struct CommandTests {
    @Test func theSocketIsFoundInTheOrderThatIsWritten() throws {
        let one = try Rig(configuration: Rig.quick), two = try Rig(configuration: Rig.quick)
        let runtime = one.root.appendingPathComponent("run")
        try FileManager.default.createDirectory(at: runtime.appendingPathComponent("saed"), withIntermediateDirectories: true)
        let socket1 = one.root.appendingPathComponent("saed.sock").path, socket2 = two.root.appendingPathComponent("saed.sock").path
        #expect(symlink(socket1, runtime.appendingPathComponent("saed/saed.sock").path) == 0)
        func root(_ arguments: [String], _ environment: [String: String]) throws -> String? {
            try run(Place.saectl, ["status", "--json"] + arguments, environment: environment).json()["root"] as? String
        }
        // Each place is tried with the later ones pointing elsewhere.
        let nowhere = ["SAED_SOCKET": "/nonexistent.sock", "XDG_RUNTIME_DIR": "/nonexistent"]
        #expect(try root(["--socket", socket1, "--root", two.root.path], nowhere) == one.root.path)
        #expect(try root(["--root", two.root.path], nowhere) == two.root.path)
        #expect(try root([], ["SAED_SOCKET": socket2, "XDG_RUNTIME_DIR": runtime.path]) == two.root.path)
        #expect(try root([], ["SAED_SOCKET": "", "XDG_RUNTIME_DIR": runtime.path]) == one.root.path)
        // Options may stand before the command too.
        let before = try run(Place.saectl, ["--root", two.root.path, "--json", "status"], environment: nowhere)
        #expect(try before.json()["root"] as? String == two.root.path)
    }

    @Test func withoutADaemonOneLineSaysWhatToDo() throws {
        let finished = try run(Place.saectl, ["status", "--root", "/nonexistent"], environment: ["NO_COLOR": "1"])
        #expect(finished.status == 2 && finished.output.isEmpty)
        #expect(finished.errors.split(separator: "\n").count == 1)
        #expect(finished.errors.contains("/nonexistent/saed.sock") && finished.errors.contains("saed run --root /nonexistent"), "\(finished.errors)")
        // A socket file that a killed daemon left behind.
        let rig = try Rig(configuration: Rig.quick)
        rig.kill()
        let stale = try rig.saectl("status", allowFailure: true)
        #expect(stale.status == 2 && stale.errors.split(separator: "\n").count == 1 && stale.errors.contains("saed run --root"), "\(stale.errors)")
        // It does not hinder the next.
        try rig.start()
        #expect(try rig.saectl("status").status == 0)
    }

    @Test func nothingIsColouredAwayFromATerminal() throws {
        let rig = try Rig.tiny()
        try rig.put(Picture.png(1), "images/a.png")
        try rig.wait()
        for arguments in [["status"], ["images"], ["show", "a.png"], ["latents"], ["views"], ["models"], ["saes"], ["failures"], ["version"]] {
            let finished = try run(Place.saectl, arguments + ["--root", rig.root.path])
            #expect(finished.status == 0 && !finished.output.isEmpty)
            #expect(!finished.output.contains("\u{1B}") && !finished.errors.contains("\u{1B}"), "\(arguments)")
        }
        #expect(!rig.log.contains("\u{1B}"))
    }

    @Test func anAnswerThatFindsNoRoomIsAFailureThatIsSaid() throws {
        let full = try run(URL(fileURLWithPath: "/bin/sh"), ["-c", "exec \"$0\" --help > /dev/full", Place.saectl.path])
        #expect(full.status == 1 && full.errors == "saectl: standard output can't be written: No space left on device\n", "\(full)")
        // A reader that has gone had enough.
        let gone = try run(URL(fileURLWithPath: "/bin/sh"), ["-c", "\"$0\" --help | true; echo done", Place.saectl.path])
        #expect(gone.output == "done\n" && gone.errors.isEmpty, "\(gone)")
    }

    @Test func exitCodesTellAWrongLineFromAFailure() throws {
        let rig = try Rig(configuration: Rig.quick)
        let wrong = try rig.saectl("latents", "--sort", "beauty", allowFailure: true)
        #expect(wrong.status == 2 && wrong.errors.contains("beauty"), "\(wrong.errors)")
        let unknown = try rig.saectl("show", "nothing.png", allowFailure: true)
        #expect(unknown.status == 1)
        let soon = try rig.saectl("wait", "--timeout", "5")
        #expect(soon.status == 0)
        let help = try run(Place.saectl, ["--help"])
        #expect(help.status == 0 && help.output.contains("status"))
    }

    @Test func waitGivesUpInTimeAndNamesWhatIsQueued() throws {
        let rig = try Rig.tiny()
        // A file that somebody goes on writing is queued for as long.
        let file = rig.images.appendingPathComponent("endless.png")
        _ = FileManager.default.createFile(atPath: file.path, contents: Picture.png(1).prefix(50))
        let writer = try FileHandle(forWritingTo: file)
        try writer.write(contentsOf: Data([1]))
        let waited = try rig.saectl("wait", "--timeout", "1", allowFailure: true)
        #expect(waited.status == 1 && waited.errors.contains("still queued after 1"), "\(waited.errors)")
        #expect(waited.errors.contains("in the drop folder"), "\(waited.errors)")
        try writer.close()
        try FileManager.default.removeItem(at: file)
        try rig.wait()
    }

    @Test func checkConfigShowsDefaultsAndNamesMistakes() throws {
        let rig = try Rig(start: false)
        let defaults = try run(Place.saed, ["check-config"])
        #expect(defaults.status == 0 && defaults.output.contains("release_after = \"10m\"") && defaults.output.contains("# "))
        // What it prints is a file that it takes.
        let file = rig.root.appendingPathComponent("printed.toml")
        try Data(defaults.output.utf8).write(to: file)
        let again = try run(Place.saed, ["check-config", file.path])
        #expect(again.status == 0 && again.output == defaults.output)
        try Data("[idle]\nrelease_afte = \"1s\"\n".utf8).write(to: file)
        let wrong = try run(Place.saed, ["check-config", file.path])
        #expect(wrong.status == 1 && wrong.errors == "saed: '\(file.path)': no setting is called 'idle.release_afte'; did you mean 'idle.release_after'?\n")
        let missing = try run(Place.saed, ["check-config", "/nonexistent.toml"])
        #expect(missing.status == 1 && missing.errors.split(separator: "\n").count == 1)
        // The daemon refuses the same file with the same words.
        let refused = try run(Place.saed, ["run", "--root", rig.root.path, "--config", file.path])
        #expect(refused.status == 1 && refused.errors == wrong.errors)
    }

    @Test func aRootThatCantServeIsSaidInOneLine() throws {
        let file = try run(Place.saed, ["run", "--root", "/dev/null/x"])
        #expect(file.status == 1 && file.errors.split(separator: "\n").count == 1 && file.errors.contains("/dev/null/x"), "\(file.errors)")
        let rig = try Rig(start: false)
        let long = rig.root.path + "/" + String(repeating: "long-", count: 24)
        let finished = try run(Place.saed, ["run", "--root", long], timeout: 30)
        let last = finished.errors.split(separator: "\n").last.map(String.init) ?? ""
        #expect(finished.status == 1 && last.contains("saed.sock") && last.contains("107"), "\(finished.errors)")
    }
}
