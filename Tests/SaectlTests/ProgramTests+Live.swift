// top, tail and pictures as a process: what goes to a pipe, what to a terminal, and what a daemon's going and coming does.

import Foundation
import Programs
import Testing
import Wire
import WireNIO

extension ProgramTests {
    private func playing(_ daemon: PlayedIngest, _ body: (TemporaryFolder) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        let server = try await WireServer.listen(at: folder.path + "/saed.sock", name: "played", handler: daemon)
        do { try await body(folder) } catch { Issue.record(error) }
        await server.stop()
    }

    private func eventually(_ what: String, _ condition: () -> Bool) async throws {
        for _ in 0..<600 {
            if condition() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("not within 30 s: \(what)")
    }

    /// A program that runs beside the test, its output in a file.
    private final class Running {
        private let program: Program
        private let folder: TemporaryFolder

        init(_ line: String, _ arguments: [String], program: String) throws {
            folder = try TemporaryFolder()
            self.program = try Program(
                "/bin/sh", ["-c", line, "sh"] + arguments, environment: ["PATH": "/usr/bin:/bin", "saectl": program], output: folder.path + "/out",
                errors: folder.path + "/err")
        }

        deinit { program.end() }

        var isRunning: Bool { program.isRunning }

        var lines: [String] { ((try? String(contentsOfFile: folder.path + "/out", encoding: .utf8)) ?? "").split(separator: "\n").map(String.init) }
        var errors: String { (try? String(contentsOfFile: folder.path + "/err", encoding: .utf8)) ?? "" }
        /// The beginnings of the image ids in the lines, which are JSON.
        var numbers: [Int] {
            lines.compactMap { line in
                let object = (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any]
                return (object?["image"] as? String).flatMap { Int($0) }
            }
        }
    }

    @Test func topPrintsItselfOnceWhereThereIsNoTerminal() async throws {
        let daemon = PlayedIngest(noticed: [1, 2, 3], committed: [1, 2], failures: [Live.failure("/drop/images/bad.jpg", "ends early", at: Live.now)])
        try await playing(daemon) { folder in
            let text = try await saectl("top", "--root", folder.path)
            #expect(text.status == 0 && text.errors == "" && !text.output.contains("\u{1B}"))
            for part in ["saed 0.2.0  ready", "75 left, 16 running", "scenes/base/scenes", "images/2.jpg", "star 75.0 %", "images/bad.jpg", "ends early"] {
                #expect(text.output.contains(part), "\(part) in \(text.output)")
            }
            #expect(!text.output.contains("images/3.jpg"))
            let json = try await saectl("top", "--once", "--json", "--root", folder.path).json
            #expect((json["status"] as? [String: Any])?["queued"] as? Int == 75)
            let images = json["images"] as? [[String: Any]] ?? []
            #expect(images.map { $0["image"] as? String } == [Live.id(2), Live.id(1)] && images[0]["count"] as? Int == 202)
            #expect((images[0]["answer"] as? [String: Any])?["margin"] as? Double == 1.5)
            #expect((json["failures"] as? [[String: Any]])?.count == 1)
        }
        let nobody = try TemporaryFolder()
        #expect(try await saectl("top", "--once", "--root", nobody.path).status == 2)
    }

    @Test func topGivesTheTerminalBack() async throws {
        let program = try #require(ProgramTests.saectl)
        try await playing(PlayedIngest(noticed: [1], committed: [1])) { folder in
            // `script` runs it on a terminal of its own; q comes as a key, once there is something to see.
            let key = "for i in $(seq 300); do grep -qs images/1.jpg $2 && break; sleep 0.1; done; printf q"
            let line = "(\(key)) | TERM=xterm script -qefc \"stty rows 24 cols 80; $saectl top --root $1; stty -a\" $2"
            let top = try Running(line, [folder.path, folder.path + "/screen"], program: program)
            try await eventually("top ended") { !top.isRunning }
            let shown = top.lines.joined(separator: "\n")
            #expect(shown.contains("\u{1B}[?1049h") && shown.contains("images/1.jpg") && shown.contains("q quit"))
            let after = shown.components(separatedBy: "\u{1B}[?1049l").last ?? ""
            #expect(after.contains(" icanon") && after.contains(" echo "), "\(after)")
        }
    }

    @Test func tailPrintsTheLastAndEnds() async throws {
        let daemon = PlayedIngest(noticed: Array(1...40), committed: Array(1...38), failures: [Live.failure("/drop/bad.jpg", "ends early", at: Live.now + 37_500)])
        try await playing(daemon) { folder in
            let text = try await saectl("tail", "-n", "3", "--no-follow", "--root", folder.path)
            let lines = text.output.split(separator: "\n").map { $0.split(separator: "  ").dropFirst().joined(separator: "  ") }
            #expect(lines == ["images/37.jpg  scenes/base/scenes  star 75.0 %, margin 1.50  237 latents", "bad.jpg  failed: ends early",
                "images/38.jpg  scenes/base/scenes  star 75.0 %, margin 1.50  238 latents"] && text.status == 0 && text.errors == "")
            let failed = try await saectl("tail", "--failed", "--no-follow", "--json", "--root", folder.path)
            #expect(failed.json["event"] as? String == "failed" && failed.json["past"] as? Bool == true)
            #expect(try await saectl("tail", "--view", "base", "-n", "2", "--no-follow", "--root", folder.path).output.split(separator: "\n").count == 2)
            #expect(try await saectl("tail", "--view", "x", "--root", folder.path).errors == "saectl: no view 'x': see `saectl views`\n")
            #expect(try await saectl("tail", "-n", "0", "--no-follow", "--root", folder.path).output == "")
            // More than there is.
            #expect(try await saectl("tail", "-n", "1000", "--no-follow", "--root", folder.path).output.split(separator: "\n").count == 39)
            // A reader that has seen enough ends it, though nothing happens any more.
            #expect(try await shell("timeout 20 \"$saectl\" tail --root \"$1\" | head -1", [folder.path]).status == 0)
        }
    }

    @Test func tailOutlivesTheDaemonAndMissesNothing() async throws {
        let program = try #require(ProgramTests.saectl)
        let folder = try TemporaryFolder()
        let first = PlayedIngest(noticed: [1, 2, 3], committed: [1, 2])
        var server = try await WireServer.listen(at: folder.path + "/saed.sock", name: "played", handler: first)
        let tail = try Running("exec \"$saectl\" tail -n 1 --json --root \"$1\"", [folder.path], program: program)
        try await eventually("the last image") { tail.numbers == [2] && first.listenerCount == 1 }
        first.commit(101)
        first.tell(.with { ($0.kind, $0.image, $0.timeMs) = (.pathAdded, Live.id(3), PlayedIngest.now) })
        try await eventually("a live image") { tail.numbers == [2, 101] }
        #expect(tail.lines.last?.contains(#""answer":{"margin":1.5"#) == true && tail.lines.last?.contains(#""past":false"#) == true)
        await server.stop()
        try await eventually("the note") { tail.errors.contains("waiting for it to come back") }
        // While nobody listened: 3, which had been noticed long ago, and 102.
        let second = PlayedIngest(noticed: [1, 2, 3, 101, 102], committed: [1, 2, 3, 101, 102])
        server = try await WireServer.listen(at: folder.path + "/saed.sock", name: "played", handler: second)
        try await eventually("what was missed") { tail.numbers.count == 4 && second.listenerCount == 1 }
        #expect(Set(tail.numbers) == [2, 101, 3, 102] && tail.errors.contains("a daemon answers again"))
        second.commit(104)
        try await eventually("the next") { tail.numbers.last == 104 }
        // The second look back is over; nothing comes twice.
        try await Task.sleep(for: .seconds(1.5))
        #expect(tail.numbers.count == 5)
        await server.stop()
    }

    @Test func picturesAreShownWhereTheyCanBeAndAlwaysWritten() async throws {
        try await playing(PlayedIngest(noticed: [], committed: [])) { folder in
            let root = folder.path
            func onTerminal(_ line: String, _ environment: [String: String]) async throws -> Finished {
                try await shell("script -qec \"$saectl \(line) --root \(root)\" /dev/null", environment: environment.merging(["TMPDIR": root]) { $1 })
            }
            let kitty = try await onTerminal("heatmap x 7 -o \(root)/m.png", ["TERM": "xterm-kitty"])
            #expect(kitty.status == 0 && kitty.output.contains("\u{1B}_Ga=T,f=100,q=2") && kitty.output.contains("\(root)/m.png: 64x45"))
            let png = try folder.read("m.png")
            // Without -o, a file in the temporary folder.
            let sixel = try await onTerminal("heatmap star/x.jpg 7 --picture sixel", ["TERM": "xterm"])
            #expect(sixel.output.contains("\u{1B}P0;1;0q") && sixel.output.contains("/saectl-\(getuid())/heatmap-7-star-x.jpg.png: 64x45"), "\(sixel.output)")
            #expect(try folder.read("saectl-\(getuid())/heatmap-7-star-x.jpg.png") == png)
            #expect(try await onTerminal("heatmap x 7", ["TERM": "xterm", "SAED_PICTURE": "iterm2"]).output.contains("\u{1B}]1337;File=inline=1"))
            for (environment, option) in [(["TERM": "dumb"], ""), (["TERM": "xterm-kitty"], "--picture never"), (["TERM": "xterm-kitty", "TMUX": "x"], ""),
                (["TERM": "xterm-kitty", "SAED_PICTURE": "never"], "")] {
                let none = try await onTerminal("heatmap x 7 \(option)", environment)
                #expect(none.status == 0 && !none.output.contains("\u{1B}_G") && none.output.contains("heatmap-7-x.png"), "\(environment) \(option)")
            }
            // To a pipe, whatever was asked for.
            let piped = try await saectl("heatmap", "x", "7", "--picture", "kitty", "--root", root, environment: ["TMPDIR": root, "TERM": "xterm-kitty"])
            #expect(piped.status == 0 && !piped.output.contains("\u{1B}"))
            let wrong = try await saectl("heatmap", "x", "7", "--root", root, environment: ["SAED_PICTURE": "ascii"])
            #expect(wrong.status == 2 && wrong.errors.contains("SAED_PICTURE is 'ascii': it may be auto, kitty, iterm2, sixel, never."))
            // A folder that another user can write to is not used.
            chmod(root + "/saectl-\(getuid())", 0o777)
            let unsafe = try await saectl("heatmap", "x", "7", "--root", root, environment: ["TMPDIR": root])
            #expect(unsafe.status == 1 && unsafe.errors.contains("name a file with -o"), "\(unsafe.errors)")
        }
    }
}
