// explain, steer, find, name, similar, report and atlas as a process: what they ask, what they print, what they leave on
// disk.

import Foundation
import Testing
import Wire

extension ProgramTests {
    @Test func whyAndWhatIfAreAskedAsWritten() async throws {
        try await played { daemon, folder in
            func asked(_ words: String...) async throws -> Saed_Request {
                let finished = try await shell("\"$saectl\" \"$@\"", words + ["--root", folder.path])
                #expect(finished.status == 0, "\(finished)")
                return try #require(daemon.seen.withLock { $0.last })
            }
            let explain = try await asked("explain", "1.jpg", "base..maple", "--class", "red star", "--against", "star", "--top", "3", "--error-term", "--seed", "9").explain
            #expect(explain.image.text == "1.jpg" && explain.base.adapter == "base" && explain.adapted.adapter == "maple" && explain.top == 3)
            #expect(explain.className == "red star" && explain.against == "star" && explain.errorTerm && explain.seed == 9 && !explain.picture)

            let steer = try await asked("steer", "1.jpg", "--latent", "7", "--scale=-0.5", "--latent", "8:class", "--latent", "9:1,2", "--to", "2", "--view", "maple").steer
            #expect(steer.view.adapter == "maple" && steer.top == 5 && !steer.errorTerm && steer.hasSeed)
            #expect(steer.edits == [
                .with { ($0.latent, $0.scale) = (7, -0.5) }, .with { ($0.latent, $0.classToken, $0.to) = (8, true, 2) },
                .with { ($0.latent, $0.patch, $0.to) = (9, .with { ($0.row, $0.column) = (1, 2) }, 2) },
            ])
            // A number below zero is no option; one change is for all, wherever it stands.
            let one = try await asked("steer", "--to", "-1", "--latent", "8", "1.jpg", "--latent", "9", "--top", "2", "--error-term").steer
            #expect(one.edits.map(\.latent) == [8, 9] && one.edits.allSatisfy { $0.to == -1 } && one.top == 2 && one.errorTerm && !one.hasView)

            let find = try await asked("find", "a striped shirt", "--view", "vpt", "--top", "4").find
            #expect(find.text == "a striped shirt" && find.view.adapter == "vpt" && find.top == 4)

            let words = try folder.write("words.txt", "# colours\nred\nsky blue\n")
            let name = try await asked("name", "7", "--words", words, "--top", "2").name
            #expect(name.latent == 7 && name.hasLatent && name.words == ["red", "sky blue"] && name.top == 2)
            let all = try await asked("name", "--all", "--view", "maple").name
            #expect(!all.hasLatent && all.words == [] && all.view.adapter == "maple")

            let similar = try await asked("similar", "star/1.jpg:2,13", "--limit", "3").similar
            #expect(similar.image.text == "star/1.jpg" && similar.patch.row == 2 && similar.patch.column == 13 && similar.limit == 3)
            // A file of that whole name is the image.
            let file = try folder.write("a:1,2", [])
            let whole = try await asked("similar", file).similar
            #expect(whole.image.path == file && whole.image.sha256.count == 32 && !whole.hasPatch)

            let report = try await asked(
                "report", "..maple", "-o", folder.path + "/r.html", "--dataset", "d", "--latents", "5", "--images", "6", "--seed", "7", "--control", "r", "--no-ablation"
            ).report
            #expect(report.base.adapter == "base" && report.dataset == "d" && report.latents == 5 && report.images == 6 && report.seed == 7)
            #expect(report.controlSae == "r" && report.noAblation)
            #expect(try await !asked("report", "..maple", "-o", folder.path + "/r.html").report.hasDataset)
            let atlas = try await asked("atlas", "scenes/maple/s", "-o", folder.path + "/a.html", "--images", "3").atlas
            #expect(atlas.view == Sample.view("maple", "s") && atlas.images == 3)
            #expect(try await !asked("atlas", "-o", folder.path + "/a.html").atlas.hasView)
        }
    }

    @Test func anExplanationComesWithItsPicture() async throws {
        try await played { daemon, folder in
            let text = try await saectl("explain", "1.jpg", "..maple", "--root", folder.path)
            #expect(text.status == 0 && text.output == Sample.explain.text(output: nil, for: .init(columns: nil, usesUnicode: false)))
            #expect(text.output.hasPrefix("base says 'red star' (71.0 %), maple says 'carmine star' (93.0 %); margin of 'carmine star' over 'red star' went from -1.20 to 3.40 (+4.60)\n"))
            let picture = folder.path + "/why.png"
            let json = try await saectl("explain", "1.jpg", "..maple", "-o", picture, "--json", "--root", folder.path)
            #expect(json.status == 0 && json.json["output"] as? String == picture && (json.json["parts"] as? [[String: Any]])?.count == 5)
            #expect(try folder.read("why.png") == Array("a PNG".utf8))
            #expect(daemon.seen.withLock { $0.last?.explain.picture } == true)
            // A picture that was asked for and doesn't come is an error, and the old one stays.
            let none = try await saectl("explain", "1.jpg", "..maple", "-o", picture, "--top", "1", "--root", folder.path)
            #expect(none.status == 1 && none.errors.contains("the daemon's answer has no picture"))
            #expect(try folder.read("why.png") == Array("a PNG".utf8))
            let piped = try await saectl("explain", "1.jpg", "..maple", "-o", "-", "--root", folder.path)
            #expect(piped.status == 0 && piped.output == "a PNG" && piped.errors.hasPrefix("base says"))
        }
    }

    @Test func pagesAreWrittenWhole() async throws {
        try await played { _, folder in
            let page = folder.path + "/r.html"
            let report = try await saectl("report", "..maple", "-o", page, "--root", folder.path)
            #expect(report.status == 0 && report.output.contains("Accuracy on data set 'shifted' rose") && report.output.contains("\n\(page): 13 B, 400 images"), "\(report)")
            #expect(try folder.read("r.html") == Array("<html>report".utf8))
            let json = try await shell("cd \"$1\" && \"$saectl\" atlas maple -o here.html --json --root .", [folder.path])
            #expect(json.status == 0 && json.json["path"] as? String == folder.path + "/here.html" && json.json["named"] as? Int == 29, "\(json)")
            let piped = try await saectl("atlas", "-o", "-", "--root", folder.path)
            #expect(piped.status == 0 && piped.output == "<html>atlas" && piped.errors.contains("812 latents"))
            // An answer that breaks off leaves the file that was there, and no other.
            let gone = try await saectl("report", "..maple", "--dataset", "gone", "-o", page, "--root", folder.path)
            #expect(gone.status == 1 && gone.errors.contains("the store is gone"))
            #expect(try folder.read("r.html") == Array("<html>report".utf8))
            #expect(folder.listing.filter { $0.contains("part") } == [])
            // A link is followed, a device is written to and stays one.
            symlink("r.html", folder.path + "/link.html")
            #expect(try await saectl("atlas", "-o", folder.path + "/link.html", "--root", folder.path).status == 0)
            #expect(try folder.read("r.html") == Array("<html>atlas".utf8))
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path + "/link.html") == "r.html")
            #expect(try await saectl("atlas", "-o", "/dev/null", "--root", folder.path).status == 0)
            #expect(try FileManager.default.attributesOfItem(atPath: "/dev/null")[.type] as? FileAttributeType == .typeCharacterSpecial)
        }
    }

    @Test func aPlaceThatCantBeWrittenIsToldBeforeTheDaemonWorks() async throws {
        try await played { daemon, folder in
            let file = try folder.write("file", "x")
            for (place, reason) in [
                ("/nowhere/r.html", "No such file or directory"), (folder.path, "Is a directory"), (file + "/r.html", "Not a directory"), ("", "No such file or directory"),
            ] {
                for command in [["report", "..maple"], ["atlas"], ["explain", "1.jpg", "..maple"], ["sheet", "7"], ["heatmap", "1.jpg", "7"]] {
                    let refused = try await shell("\"$saectl\" \"$@\"", command + ["-o", place, "--root", folder.path])
                    #expect(refused.status == 1 && refused.output == "" && refused.errors == "saectl: can't write '\(place)': open: \(reason)\n", "\(command): \(refused)")
                }
            }
            let asked = daemon.seen.withLock { $0.count }
            #expect(asked == 0)
            #expect(try folder.read("file") == Array("x".utf8) && !folder.listing.contains { $0.contains("part") })
        }
    }

    @Test func namesAreNeverSurerThanTheDaemon() async throws {
        try await played { _, folder in
            let one = try await saectl("name", "7", "--root", folder.path)
            #expect(one.status == 0 && one.output.hasPrefix("latent 7 of scenes/base/scenes: unsure (perhaps: ring, a thin ring)\nwhy not sure: no better"))
            let all = try await saectl("name", "--all", "--json", "--root", folder.path)
            let names = try #require(all.json["names"] as? [[String: Any]])
            #expect(names.map { $0["sure"] as? Bool } == [true, false, false] && names.map { $0["word"] as? String } == ["red star", "ring", nil])
            #expect(names[2]["word"] is NSNull && all.json["silent"] as? Int == 1)
            let empty = try folder.write("empty.txt", "# nothing\n")
            let refused = try await saectl("name", "7", "--words", empty, "--root", folder.path)
            #expect(refused.status == 1 && refused.errors == "saectl: '\(empty)': has no word: write one a line\n")
            #expect(try await saectl("name", "7", "--words", folder.path + "/none", "--root", folder.path).errors.contains("No such file or directory"))
        }
    }

    @Test func nothingFoundAndNothingSimilarIsExitCode1() async throws {
        try await played { _, folder in
            let found = try await saectl("find", "a red star", "--root", folder.path)
            #expect(found.status == 0 && found.output == Sample.find.text(for: .init(columns: nil, usesUnicode: false)))
            let none = try await saectl("find", "none", "--json", "--root", folder.path)
            #expect(none.status == 1 && (none.json["latents"] as? [Any])?.isEmpty == true && none.errors == "")
            let patches = try await saectl("similar", "1.jpg:2,3", "--root", folder.path)
            #expect(patches.status == 0 && patches.output.hasPrefix("patches like 2,3 of star/12.jpg in scenes/base/scenes\n"))
            let alone = try await saectl("similar", "1.jpg", "--limit", "7", "--root", folder.path)
            #expect(alone.status == 1 && alone.output.contains("\nnone shares a latent\n"))
        }
    }

    @Test func steeredViewsStandBelowEachOther() async throws {
        try await played { _, folder in
            let text = try await saectl("steer", "1.jpg", "--latent", "4321", "--scale", "0", "--root", folder.path, environment: ["LC_ALL": "C.UTF-8"])
            #expect(text.status == 0 && text.output == Sample.steer.text(for: .init(columns: nil)))
            #expect(text.output.contains("\nscenes/base/scenes\n'square' (78.5 %) instead of 'star' (94.0 %)\n"))
            let json = try await saectl("steer", "1.jpg", "--latent", "4321", "--scale", "0", "--json", "--root", folder.path)
            let views = try #require(json.json["views"] as? [[String: Any]])
            #expect(views[0]["moved_random"] as? Double == 0.021 && views[1]["moved_random"] is NSNull)
        }
    }
}
