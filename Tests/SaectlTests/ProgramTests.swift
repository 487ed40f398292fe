// The built `saectl` as a process, against a server in this one that plays the daemon (PlayedDaemon).

import Foundation
import Programs
import Testing
import Wire
import WireNIO

extension Finished {
    var json: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(output.utf8))) as? [String: Any] ?? [:] }
}

@Suite(.timeLimit(.minutes(2))) struct ProgramTests {
    /// Beside the test bundle, whose path is among the arguments.
    static let saectl: String? = {
        for argument in CommandLine.arguments {
            let path = (argument as NSString).deletingLastPathComponent + "/saectl"
            if FileManager.default.isExecutableFile(atPath: path) { return path }
        }
        return nil
    }()

    /// Runs a shell line in which `$saectl` is the program; on a thread of its own, for the played daemon runs here.
    func shell(_ line: String, _ arguments: [String] = [], environment: [String: String] = [:]) async throws -> Finished {
        let program = try #require(ProgramTests.saectl, "no saectl beside the tests: run `swift build` first")
        return try await withCheckedThrowingContinuation { continuation in
            Thread {
                continuation.resume(with: Result {
                    try Program.run(
                        "/bin/sh", ["-c", line, "sh"] + arguments, environment: ["PATH": "/usr/bin:/bin", "saectl": program].merging(environment) { $1 })
                })
            }.start()
        }
    }

    func saectl(_ arguments: String..., environment: [String: String] = [:]) async throws -> Finished {
        try await shell("\"$saectl\" \"$@\"", arguments, environment: environment)
    }

    /// A played daemon and the folder of its socket and drop folder.
    func played(_ body: (PlayedDaemon, TemporaryFolder) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        let daemon = PlayedDaemon(drop: folder.path + "/drop")
        try FileManager.default.createDirectory(atPath: daemon.drop, withIntermediateDirectories: true)
        let server = try await WireServer.listen(at: folder.path + "/saed.sock", name: "played", handler: daemon)
        do { try await body(daemon, folder) } catch { Issue.record(error) }
        await server.stop()
    }

    @Test func statusIsForPeopleOrPrograms() async throws {
        try await played { _, folder in
            let text = try await saectl("status", "--root", folder.path)
            #expect(text.status == 0 && text.errors == "")
            #expect(text.output.contains("saed 9.9.9 ready") && text.output.contains("\nscenes/base/scenes"))
            #expect(!text.output.contains("\u{1B}"))
            // The common options on either side of the command, and from the environment.
            for arguments in [["--root", folder.path, "--json", "status"], ["status", "--json", "--socket", folder.path + "/saed.sock"]] {
                let json = try await shell("\"$saectl\" \"$@\"", arguments).json
                #expect(json["queued"] as? Int == 3 && json["drop"] as? String == folder.path + "/drop")
                let view = (json["views"] as? [[String: Any]])?.first
                #expect(view?["name"] as? String == "scenes/base/scenes" && (view?["l0"] as? [String: Double]) == ["patch": 12.5])
            }
            #expect(try await saectl("status", environment: ["SAED_SOCKET": folder.path + "/saed.sock"]).status == 0)
        }
    }

    @Test func addWaitSaysWhichFileFailed() async throws {
        try await played { _, folder in
            try folder.write("photos/zebra/good.jpg", DropInTests.jpeg)
            try folder.write("photos/bad.jpg", DropInTests.jpeg)
            let added = try await saectl("add", folder.path + "/photos", folder.path + "/none.jpg", "--wait", "--json", "--root", folder.path)
            #expect(added.status == 1)
            let outcomes = added.json["added"] as? [[String: Any]] ?? []
            #expect(outcomes.map { $0["state"] as? String } == ["failed", "done"])
            #expect(outcomes.map { $0["path"] as? String } == [folder.path + "/drop/images/bad.jpg", folder.path + "/drop/images/zebra/good.jpg"])
            let failed = added.json["failed"] as? [[String: String]] ?? []
            #expect(failed == [
                ["path": folder.path + "/none.jpg", "reason": "No such file or directory"],
                ["path": folder.path + "/photos/bad.jpg", "reason": "the JPEG ends early: send it whole"],
            ])
            let again = try await saectl("add", folder.path + "/photos/zebra/good.jpg", "--label", "zebra", "--wait", "--root", folder.path)
            #expect(again.status == 0 && again.output == "1 file in \(folder.path)/drop/images (1 there already), 1 done\n")
        }
    }

    @Test func waitSaysWhatIsStillQueued() async throws {
        try await played { daemon, folder in
            #expect(try await saectl("wait", "--root", folder.path).status == 0)
            let late = try await saectl("wait", "--timeout", "0.5", "--root", folder.path)
            #expect(late.status == 1 && late.errors.hasSuffix("saectl: still queued after 0.5000 s: 3\n  2.jpg\n"))
            #expect(daemon.seen.withLock { $0.last?.wait.timeoutMs } == 500)
        }
    }

    @Test func errorsAreShownWithWhatToDo() async throws {
        try await played { daemon, folder in
            let shown = try await saectl("show", "1.jpg", "--patch", "3,4", "--view", "a/base/", "--json", "--root", folder.path)
            #expect(shown.status == 1 && shown.errors == "saectl: '1.jpg' names 2 images: name one of them\n  a/1.jpg\n  b/1.jpg\n")
            let error = shown.json["error"] as? [String: Any]
            #expect(error?["code"] as? String == "ambiguous" && error?["candidates"] as? [String] == ["a/1.jpg", "b/1.jpg"])
            let request = try #require(daemon.seen.withLock { $0.last?.show })
            #expect(request.patch.row == 3 && request.patch.column == 4 && request.view.model == "a" && request.view.sae == "" && request.top == 10)
            #expect(request.image.text == "1.jpg" && request.image.path == "" && request.image.sha256.isEmpty)
            // A file of this machine goes along as what it is: sha256 of nothing.
            let file = try folder.write("empty.jpg", [])
            _ = try await saectl("show", file, "--root", folder.path)
            let named = try #require(daemon.seen.withLock { $0.last?.show.image })
            #expect(named.path == file && named.sha256.map { String($0, radix: 16) }.prefix(4) == ["e3", "b0", "c4", "42"])
        }
    }

    @Test func nobodyAnsweringIsExitCode2() async throws {
        let folder = try TemporaryFolder()
        let none = try await saectl("latents", "--root", folder.path)
        #expect(none.status == 2)
        #expect(none.errors == "saectl: no daemon answers at '\(folder.path)/saed.sock': start one with `saed run --root \(folder.path)`, "
            + "or name its socket with --socket or its root with --root\n")
    }

    @Test(arguments: [
        (["show"], "Missing expected argument '<image>'"), (["latents", "--sort", "size"], "The value 'size' is invalid for '--sort <sort>'"),
        (["show", "x", "--patch", "3"], "The value '3' is invalid for '--patch <row,column>'"), (["wait", "--timeout", "-1"], "--timeout"),
        (["export", "-o", "x.npz"], "Name images, or use --all."), (["export", "x", "--all", "-o", "x.npz"], "Name images or use --all, not both."),
        (["add", "x", "--label", "a/b"], "--label 'a/b' can't be a folder's name"), (["nonsense"], "Unexpected argument 'nonsense'"),
        (["add", "x", "--dataset", ".a"], "--dataset '.a' can't be a folder's name"), (["compare"], "Missing expected argument '<base..adapted>'"),
        (["compare", "maple"], "two views are written BASE..ADAPTED"), (["remap", "base.."], "'' on the right is no view"),
        (["compare", "..x", "--image", "i", "--class", "c"], "--image names one image"), (["compare", "..x", "--k", "1,all"], "--k takes numbers from 1."),
        (["remap", "..x", "--k", "0"], "--k is a number from 1."), (["ablate", "--top", "1,,2"], "The value '1,,2' is invalid for '--top <k,k,...>'"),
        (["ablate", "--by", "size"], "The value 'size' is invalid"), (["ablate", "--error-term", "--as-published"], "--error-term is not as published"),
        (["images", "--dataset", "d"], "--dataset goes with --disagree."), (["images", "--disagree", "..x", "--latent", "3"], "--disagree names two views"),
        (["adapter", "add", "f"], "Missing expected argument '--name <name>'"), (["adapter", "add", "f", "--name", "n", "--class-position", "top"], "'top'"),
        (["explain", "x"], "Missing expected argument '<base..adapted>'"), (["explain", "x", "..y", "--class", "a", "--against", "a"], "are the same: name two"),
        (["explain", "x", "..y", "--class", ""], "--class is empty"), (["explain", "x", "..y", "-o", "-", "--json"], "--json prints on standard output too"),
        (["steer", "x"], "name a latent with --latent N"), (["steer", "x", "--latent", "7"], "latent 7 has no change: say --scale S or --to V"),
        (["steer", "x", "--latent", "7:3", "--to", "1"], "'3' in '7:3' is no place"), (["steer", "x", "--latent", "-7", "--to", "1"], "'-7' is no latent"),
        (["steer", "x", "--latent", "7", "--to", "inf"], "'inf' is no number"),
        (["steer", "x", "--to", "1", "--latent", "7", "--scale", "0"], "--to 1.0 has no latent"),
        (["top", "--interval", "0"], "--interval is a number of seconds, 0.1 to 3600, not 0.0"), (["tail", "--failed", "--view", "x"], "have no view"),
        (["tail", "-n", "100001"], "-n is a number from 0 to 100000"), (["heatmap", "x", "1", "--picture", "ascii"], "The value 'ascii' is invalid"),
        (["find", ""], "The text is empty"), (["find", " \t"], "The text is empty"), (["find", "a", "shirt"], "Unexpected argument 'shirt'"),
        (["name"], "Name a latent by its number, or use --all."), (["name", "7", "--all"], "Name a latent or use --all, not both."),
        (["name", "seven"], "The value 'seven' is invalid for '<latent>'"), (["similar"], "Missing expected argument '<image[:row,column]>'"),
        (["report", "..x"], "Missing expected argument '--output <file>'"), (["report", "..x", "-o", "r.html", "--images", "0"], "--images is a number from 1."),
        (["atlas", "a/b/c/d", "-o", "x"], "The value 'a/b/c/d' is invalid for '<view>'"), (["atlas", "-o", "-", "--json"], "--json prints on standard"),
    ])
    func aWrongCommandLineIsExitCode2AndNamed(_ arguments: [String], _ message: String) async throws {
        let finished = try await shell("\"$saectl\" \"$@\"", arguments)
        #expect(finished.status == 2 && finished.output == "" && finished.errors.contains(message), "\(finished)")
    }

    @Test func helpNamesEveryCommand() async throws {
        let help = try await saectl("--help")
        #expect(help.status == 0)
        for command in [
            "status", "wait", "add", "images", "show", "latents", "latent", "heatmap", "sheet", "compare", "remap", "ablate", "classify", "explain",
            "steer", "find", "name", "similar", "report", "atlas", "models", "model",
            "adapters", "adapter", "saes", "sae", "classes", "views", "watch", "top", "tail", "failures", "version", "export",
        ] {
            #expect(help.output.contains("\n  \(command) "))
        }
        #expect(try await saectl("--version").output == SaedVersion.current + "\n")
    }

    @Test func picturesAreWrittenWhole() async throws {
        try await played { _, folder in
            let map = try await saectl("heatmap", "x", "17", "-o", folder.path + "/m.png", "--json", "--root", folder.path)
            #expect(map.status == 0 && map.json["values"] as? [[Double]] == [[0, 1.5]])
            #expect(try folder.read("m.png") == Array("not a PNG".utf8))
            let nowhere = try await saectl("heatmap", "x", "17", "-o", "/nowhere/m.png", "--root", folder.path)
            #expect(nowhere.status == 1 && nowhere.errors == "saectl: can't write '/nowhere/m.png': open: No such file or directory\n")
        }
    }

    @Test func aClosedPipeIsSuccess() async throws {
        try await played { _, folder in
            let head = try await shell("{ \"$saectl\" images --limit 3000 --root \"$1\"; echo \"status $?\" >&2; } | head -n 2", [folder.path])
            #expect(head.output.split(separator: "\n").count == 2 && head.errors == "status 0\n", "\(head)")
        }
    }

    @Test func nothingFoundIsExitCode1() async throws {
        try await played { _, folder in
            let latents = try await saectl("latents", "--root", folder.path)
            #expect(latents.status == 1 && latents.output == "")
            let json = try await saectl("latents", "--json", "--root", folder.path)
            #expect(json.status == 1 && json.json["dictionary"] as? Int == 8 && json.errors == "")
        }
    }

    @Test func eventsAreLines() async throws {
        try await played { _, folder in
            let text = try await saectl("watch", "--root", folder.path)
            #expect(text.output.hasSuffix("  path_added  /a\\x0a.jpg\n") && text.output.count { $0 == "\n" } == 1)
            let json = try await saectl("watch", "--json", "--root", folder.path)
            #expect(json.output == #"{"event":"path_added","path":"/a\n.jpg","time_ms":0}"# + "\n")
        }
    }

    @Test func classListsComeFromFiles() async throws {
        try await played { daemon, folder in
            let names = try folder.write("classes.txt", "zebra\nhorse\n"), templates = try folder.write("t.txt", "a photo of a {}.\n")
            #expect(try await saectl("classes", "set", names, "--model", "scenes", "--templates", templates, "--root", folder.path).output
                == "model 'scenes' has 2 classes in 1 template\n")
            var request = try #require(daemon.seen.withLock { $0.last?.classesSet })
            #expect(request.classes == ["zebra", "horse"] && request.templates == ["a photo of a {}."] && request.templateSet == "")
            _ = try await saectl("classes", "set", names, "--templates", "imagenet", "--root", folder.path)
            request = try #require(daemon.seen.withLock { $0.last?.classesSet })
            #expect(request.templateSet == "imagenet" && request.templates == [])
            let bad = try folder.write("bad.txt", "a photo\n")
            let refused = try await saectl("classes", "set", names, "--templates", bad, "--root", folder.path)
            #expect(refused.status == 1 && refused.errors == "saectl: '\(bad)': template 'a photo' must have {} once\n")
        }
    }
}
