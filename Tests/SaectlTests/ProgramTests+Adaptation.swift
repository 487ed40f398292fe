// The commands about adapters as a process: what they ask, what they print, what they leave on disk.

import Foundation
import Programs
import Testing
import Wire

extension ProgramTests {
    @Test func whatIsAskedIsWhatWasWritten() async throws {
        try await played { daemon, folder in
            /// - Parameter line: words between spaces; '_' is a space in a word.
            func asked(_ line: String) async throws -> Saed_Request {
                let words = line.split(separator: " ").map { String($0.replacing("_", with: " ")) }
                _ = try await shell("\"$saectl\" \"$@\"", words + ["--root", folder.path])
                return try #require(daemon.seen.withLock { $0.last })
            }

            let compare = try await asked("compare scenes/base/s..scenes/maple/s --class red_star --dataset d --k 1,20 --top 3 --as-published").compare
            #expect(compare.base == Sample.view("base", "s") && compare.adapted == Sample.view("maple", "s") && !compare.hasImage)
            #expect(compare.label == "red star" && compare.dataset == "d" && compare.ks == [1, 20] && compare.top == 3 && compare.asPublished)
            let one = try await asked("compare ..maple --image 1.jpg").compare
            #expect(one.image.text == "1.jpg" && one.base.adapter == "base" && one.ks == [])

            let remap = try await asked(
                "remap base..vpt --label star --k 7 --seed 18446744073709551615 --rounds 9 --no-ablation --control r"
            ).remap
            #expect(remap.label == "star" && remap.k == 7 && remap.seed == .max && remap.rounds == 9 && !remap.hasDataset)
            #expect(remap.noAblation && remap.controlSae == "r" && !remap.asPublished)

            let ablate = try await asked("ablate --view maple --top 5,all --by peak --error-term --seed 3").ablate
            #expect(ablate.view.adapter == "maple" && ablate.ks == [5, 0] && ablate.by == "peak" && !ablate.hasLabel)
            #expect(ablate.errorTerm && ablate.seed == 3)

            let disagree = try await asked("images --disagree ..maple --dataset d --limit 4 --offset 2").disagree
            #expect(disagree.adapted.adapter == "maple" && disagree.dataset == "d" && disagree.limit == 4 && disagree.offset == 2)

            let add = try await asked("adapter add x/../model.pth.tar-5 --model scenes --name maple --class-position middle").adapterAdd
            #expect(add.path == FileManager.default.currentDirectoryPath + "/model.pth.tar-5")
            #expect(add.model == "scenes" && add.name == "maple" && add.classPosition == "middle")

            let random = try await asked("sae random r --like scenes --seed 5").saeRandom
            #expect(random == .with { ($0.name, $0.like, $0.seed) = ("r", "scenes", 5) })
        }
    }

    @Test func adaptersAreAddedAndChanged() async throws {
        try await played { daemon, folder in
            let title = "adapter 'maple' of model 'scenes' (maple, 2 visual prompts in 3 blocks)"
            let added = try await saectl("adapter", "add", "f.pth.tar", "--name", "maple", "--class-position", "end", "--root", folder.path)
            #expect(added.status == 0 && added.output
                == "\(title) added, view scenes/maple/scenes; 400 images in the store will be encoded (`saectl wait` follows)\nend\n")
            for (command, action, says) in [
                ("activate", .activate, "activated; 1 image in the store will be encoded (`saectl wait` follows)\n"),
                ("deactivate", .deactivate, "deactivated\n"), ("rm", .remove, "removed\nits file was moved to /srv/removed\n"),
            ] as [(String, Saed_AdapterAction, String)] {
                let changed = try await saectl("adapter", command, "maple", "--model", "scenes", "--root", folder.path)
                #expect(changed.status == 0 && changed.output == "\(title) \(says)")
                let request = try #require(daemon.seen.withLock { $0.last?.adapterChange })
                #expect(request.action == action && request.name == "maple" && request.model == "scenes")
            }
            let list = try await saectl("adapters", "--json", "--root", folder.path)
            #expect((list.json["adapters"] as? [[String: Any]])?.map { $0["name"] as? String } == ["base", "maple", "words"])
        }
    }

    @Test func anExportedAdapterAppearsWholeOrNotAtAll() async throws {
        try await played { _, folder in
            let out = folder.path + "/out"
            func export(_ name: String, to output: String) async throws -> Finished {
                try await saectl("adapter", "export", name, "-o", output, "--json", "--root", folder.path)
            }
            func inFolder() -> [String] { folder.listing.filter { $0.contains("adapter") || $0.contains("part") || $0.hasPrefix("out") } }

            let written = try await export("maple", to: out)
            #expect(written.status == 0 && (written.json["files"] as? [[String: Any]])?.map { $0["bytes"] as? Int } == [2, 9])
            #expect(inFolder() == ["out", "out/adapter.json", "out/adapter.safetensors"])
            #expect(try folder.read("out/adapter.safetensors") == Array("four-five".utf8))

            let again = try await export("maple", to: out)
            #expect(again.status == 1 && again.errors == "saectl: '\(out)' is not empty: name a new or an empty folder\n")
            // An answer that breaks off, or names a file elsewhere, leaves nothing.
            let half = try await export("half", to: folder.path + "/half"), evil = try await export("evil", to: folder.path + "/evil")
            #expect(half.status == 1 && half.errors.contains("the store is gone"))
            #expect(evil.status == 1 && evil.errors.contains("array '../adapter.json' is none of its files"), "\(evil)")
            #expect(inFolder() == ["out", "out/adapter.json", "out/adapter.safetensors"])
            // An empty folder is filled, also by way of a link.
            mkdir(folder.path + "/out2", 0o700)
            symlink("out2", folder.path + "/out-link")
            #expect(try await export("maple", to: folder.path + "/out-link").status == 0)
            #expect(inFolder().contains("out2/adapter.json"))
            let nowhere = try await export("maple", to: folder.path + "/none/deep")
            #expect(nowhere.status == 1 && nowhere.errors.contains("make a folder beside it: No such file or directory"))
            let file = try folder.write("file", "x")
            #expect(try await export("maple", to: file).status == 1 && folder.read("file") == Array("x".utf8))
        }
    }

    @Test func answersInSeveralPartsAreOneAnswer() async throws {
        try await played { _, folder in
            let remap = try await saectl("remap", "base..maple", "--json", "--root", folder.path)
            #expect(remap.status == 0 && (remap.json["classes"] as? [[String: Any]])?.count == 3 && remap.json["left_out"] as? Int == 12)
            #expect((remap.json["figures"] as? [[String: Any]])?.count == 4)
            let text = try await saectl("remap", "base..maple", "--top", "2", "--root", folder.path)
            #expect(text.output == Sample.remap.text(top: 2, for: .init(columns: nil, usesUnicode: false)))
            let unicode = try await saectl("remap", "base..maple", "--top", "2", "--root", folder.path, environment: ["LANG": "C.UTF-8"])
            #expect(unicode.output == Sample.remap.text(top: 2, for: .init(columns: nil)))
        }
    }

    @Test func whereTwoViewsAgreeNothingIsFound() async throws {
        try await played { _, folder in
            let none = try await saectl("images", "--disagree", "base..maple", "--label", "star", "--root", folder.path)
            #expect(none.status == 1 && none.output == "")
            #expect(none.errors == "0 of 7 images are answered differently: 0 became right, 0 wrong, 0 neither\n")
            let some = try await saectl("images", "--disagree", "base..maple", "--root", folder.path)
            #expect(some.status == 0 && some.output.hasPrefix("        LABEL") && some.errors.hasPrefix("3 of 400 images"))
            let json = try await saectl("images", "--disagree", "base..maple", "--json", "--root", folder.path)
            #expect(json.status == 0 && json.errors == "" && json.json["broken"] as? Int == 1)
        }
    }

    @Test func oneImageOrADataSetIsClassified() async throws {
        try await played { daemon, folder in
            let set = try await saectl("classify", "shifted", "--view", "maple", "--root", folder.path)
            #expect(set.status == 0 && set.output.hasPrefix("data set 'shifted' under scenes/maple/scenes\n"))
            let file = try folder.write("star.jpg", [])
            #expect(try await saectl("classify", file, "--top", "3", "--root", folder.path).output.contains("91.0 %"))
            let request = try #require(daemon.seen.withLock { $0.last?.classify })
            #expect(request.target == file && request.image.path == file && request.image.sha256.count == 32 && request.top == 3)
        }
    }

    @Test func aDataSetHasAFolderOfItsOwn() async throws {
        try await played { daemon, folder in
            try folder.write("photos/star/1.jpg", DropInTests.jpeg)
            try folder.write("photos/square/2.jpg", DropInTests.jpeg + [7])
            let added = try await saectl("add", folder.path + "/photos", "--dataset", "shifted", "--wait", "--root", folder.path)
            #expect(added.status == 0 && added.output.hasPrefix("2 files in \(folder.path)/drop/datasets/shifted ("), "\(added)")
            #expect(try folder.read("drop/datasets/shifted/star/1.jpg") == DropInTests.jpeg)
            let follow = try #require(daemon.seen.withLock { $0.last?.follow })
            #expect(follow.folder == folder.path + "/drop/datasets/shifted" && follow.paths == ["square/2.jpg", "star/1.jpg"])
            let photo = folder.path + "/photos/star/1.jpg"
            let labelled = try await saectl("add", photo, "--dataset", "shifted", "--label", "circle", "--json", "--root", folder.path)
            let first = (labelled.json["added"] as? [[String: Any]])?.first
            #expect(first?["path"] as? String == folder.path + "/drop/datasets/shifted/circle/1.jpg")
        }
    }
}
