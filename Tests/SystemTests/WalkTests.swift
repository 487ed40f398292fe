// The main job as a person does it: drop labelled images, wait, ask everything that can be asked, with the model
// that comes with saed. Nothing here depends on how good that model is.

import Foundation
import Testing

@Suite struct WalkTests {
    /// A dozen held-out scenes in class folders.
    static func scenes(_ count: Int = 12) throws -> [(label: String, file: URL)] {
        let folder = Place.models.appendingPathComponent("heldout/images")
        let labels = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        return try labels.prefix(count).map { label in
            let files = try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent(label).path).sorted()
            return (label, folder.appendingPathComponent(label).appendingPathComponent(files[0]))
        }
    }

    @Test func everyQuestionHasAnAnswer() throws {
        let rig = try Rig()
        let source = rig.root.appendingPathComponent("scenes")
        let scenes = try WalkTests.scenes()
        for scene in scenes {
            let folder = source.appendingPathComponent(scene.label)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try FileManager.default.copyItem(at: scene.file, to: folder.appendingPathComponent(scene.file.lastPathComponent))
        }
        let added = try rig.saectl("add", source.path, "--wait", "--json").json()
        let outcomes = try #require(added["added"] as? [[String: Any]])
        #expect(outcomes.count == scenes.count && outcomes.allSatisfy { $0["state"] as? String == "done" })
        #expect((added["failed"] as? [Any])?.isEmpty == true)
        try rig.wait()
        let status = try rig.json("status")
        #expect(status["queued"] as? Int == 0 && status["images"] as? Int == scenes.count && status["failures"] as? Int == 0)
        #expect(try rig.storedSnapshots() == scenes.count)

        // Lists.
        let labels = Set(try rig.list().values.compactMap { $0["label"] as? String })
        #expect(labels == Set(scenes.map(\.label)))
        let one = try rig.json("images", "--label", scenes[0].label)
        #expect(one["total"] as? Int == 1)
        let views = try rig.viewNames()
        #expect(views == ["scenes/base/scenes"])
        let model = try #require((try rig.json("models")["models"] as? [[String: Any]])?.first)
        #expect(model["name"] as? String == "scenes" && model["embedded"] as? Bool == true)
        let layout = try #require(model["layout"] as? [String: Int])
        let rows = try #require(layout["rows"]), columns = try #require(layout["columns"])
        let sae = try #require((try rig.json("saes")["saes"] as? [[String: Any]])?.first)
        #expect(sae["model"] as? String == "scenes" && sae["width"] as? Int == model["width"] as? Int)
        let latents = try #require(sae["latents"] as? Int)
        let classes = try rig.json("classes")
        #expect((classes["classes"] as? [String])?.isEmpty == false && (classes["templates"] as? [String])?.isEmpty == false)
        #expect((try rig.json("failures")["failures"] as? [Any])?.isEmpty == true)
        let version = try rig.json("version")
        #expect(version["version"] as? String == version["client"] as? String && version["protocol"] as? String != nil)

        // One image, by file name, path and id; and one of its patches.
        let file = "\(scenes[1].label)/\(scenes[1].file.lastPathComponent)"
        let path = rig.images.appendingPathComponent(file).path
        let show = try rig.json("show", path, "--top", "5", "--patch", "2,3")
        #expect((show["latents"] as? [Any])?.count == 5 && (show["classes"] as? [Any])?.count == 5)
        let probabilities = (show["classes"] as? [[String: Any]] ?? []).compactMap { $0["probability"] as? Double }
        #expect(probabilities == probabilities.sorted(by: >) && probabilities.allSatisfy { (0...1).contains($0) })
        let patch = try #require(show["patch"] as? [String: Any])
        #expect(patch["row"] as? Int == 2 && patch["column"] as? Int == 3 && patch["token"] as? Int == 1 + 2 * columns + 3)
        let values = (patch["latents"] as? [[String: Any]] ?? []).compactMap { $0["value"] as? Double }
        #expect(!values.isEmpty && values.count <= 5 && values == values.sorted(by: >) && values.allSatisfy { $0 > 0 })
        let image = try #require(show["image"] as? [String: Any])
        let id = try #require(image["id"] as? String)
        #expect(image["label"] as? String == scenes[1].label)
        #expect((try rig.json("show", String(id.prefix(10)))["image"] as? [String: Any])?["id"] as? String == id)
        let outside = try rig.saectl("show", path, "--patch", "\(rows),0", allowFailure: true)
        #expect(outside.status == 1 && outside.errors.contains("\(rows)"), "\(outside.errors)")

        // Latents.
        let table = try rig.json("latents", "--sort", "frequency", "--limit", "3")
        let top = try #require(table["latents"] as? [[String: Any]])
        #expect(top.count == 3 && table["dictionary"] as? Int == latents)
        let frequencies = top.compactMap { $0["frequency"] as? Double }
        #expect(frequencies == frequencies.sorted(by: >))
        let latent = try #require(top[0]["latent"] as? Int)
        let common = try rig.json("latents", "--min-frequency", "0.99", "--limit", "1000")
        #expect((common["latents"] as? [[String: Any]] ?? []).allSatisfy { ($0["frequency"] as? Double ?? 0) >= 0.99 })
        let statistics = try rig.json("latent", "\(latent)")
        let kinds = try #require((statistics["statistics"] as? [String: Any])?["kinds"] as? [String: [String: Any]])
        #expect(kinds["patch"]?["tokens"] as? Int == scenes.count * rows * columns && kinds["class"]?["tokens"] as? Int == scenes.count)
        let best = try #require((statistics["top"] as? [[String: Any]])?.first?["hit"] as? [String: Any])
        #expect((best["peak_patch"] as? [String: Int])?["row"] != nil)
        #expect(((statistics["statistics"] as? [String: Any])?["label_entropy"] as? Double) != nil)
        let active = try rig.json("images", "--latent", "\(latent)")
        #expect(active["total"] as? Int == (statistics["statistics"] as? [String: Any])?["images_active"] as? Int)

        // Pictures.
        let map = rig.root.appendingPathComponent("map.png")
        let drawn = try rig.json("heatmap", path, "\(latent)", "-o", map.path)
        #expect(try pngSize(map) == [drawn["width"] as? Int, drawn["height"] as? Int])
        let grid = try #require(drawn["values"] as? [[Double]])
        #expect(grid.count == rows && grid.allSatisfy { $0.count == columns })
        let sheet = rig.root.appendingPathComponent("sheet.png")
        let tiles = try rig.json("sheet", "\(latent)", "--top", "4", "-o", sheet.path)
        #expect(try pngSize(sheet) == [tiles["width"] as? Int, tiles["height"] as? Int])

        try exportAgreesWithShow(rig, path: path, id: id, patch: patch, grid: (rows, columns), latents: latents)
        #expect(rig.stop() == 0)
        #expect(!rig.log.contains("error"), "\(rig.log)")
    }

    private func exportAgreesWithShow(
        _ rig: Rig, path: String, id: String, patch: [String: Any], grid: (rows: Int, columns: Int), latents: Int
    ) throws {
        let tokens = 1 + grid.rows * grid.columns
        let file = rig.root.appendingPathComponent("one.npz")
        try rig.saectl("export", path, "--activations", "--logits", "-o", file.path)
        let one = try Npz(file)
        #expect(try one["paths"].texts == [path] && one["image_ids"].texts == [id])
        #expect(try one["token_kind"].values(UInt8.self) == [0] + [UInt8](repeating: 1, count: tokens - 1))
        #expect(try one["shape"].values(Int64.self) == [Int64(tokens), Int64(latents)])
        let width = try #require((try rig.json("models")["models"] as? [[String: Any]])?.first?["width"] as? Int)
        #expect(try one["activations"].shape == [1, tokens, width] && one["activations"].descr == "<f4")
        let classes = try #require(try rig.json("classes")["classes"] as? [String])
        #expect(try one["classes"].texts == classes && one["logits"].shape == [1, classes.count])
        // The logits give the order that `show` prints.
        let logits = try one["logits"].values(Float.self)
        let best = try #require(logits.indices.max { (logits[$0], $1) < (logits[$1], $0) })
        let show = try rig.json("show", path, "--top", "1", "--patch", "2,3")
        #expect((show["classes"] as? [[String: Any]])?.first?["name"] as? String == classes[best])
        // The row of patch 2,3 is what `show` lists, in another order.
        let indptr = try one["indptr"].values(Int64.self), indices = try one["indices"].values(Int32.self)
        let data = try one["data"].values(Float.self)
        let token = try #require(patch["token"] as? Int)
        let row = Dictionary(uniqueKeysWithValues: (Int(indptr[token])..<Int(indptr[token + 1])).map { (Int(indices[$0]), data[$0]) })
        #expect(row.count == patch["active"] as? Int)
        for hit in patch["latents"] as? [[String: Any]] ?? [] {
            let latent = try #require(hit["latent"] as? Int), value = try #require(hit["value"] as? Double)
            #expect(row[latent] == Float(value), "latent \(latent)")
        }

        let all = rig.root.appendingPathComponent("all.npz")
        try rig.saectl("export", "--all", "-o", all.path)
        let whole = try Npz(all)
        let ends = try whole["indptr"].values(Int64.self)
        #expect(zip(ends, ends.dropFirst()).allSatisfy { $0 <= $1 } && ends.first == 0)
        #expect(try ends.last == Int64(whole["data"].shape[0]) && whole["indices"].shape == whole["data"].shape)
        #expect(try ends.count == 1 + whole["paths"].shape[0] * tokens)
        #expect(try whole["indices"].values(Int32.self).allSatisfy { (0..<Int32(latents)).contains($0) })
        #expect(whole.arrays["activations"] == nil && whole.arrays["logits"] == nil)
    }

    /// numpy's own idea of the file: keys, types, shapes, and the matrix as scipy would take it.
    @Test(.enabled(if: Place.python != nil, "SAED_TEST_PYTHON names no Python with numpy"))
    func numpyReadsAnExport() throws {
        let rig = try Rig.tiny()
        for i in 0..<3 { try rig.put(Picture.png(i), "images/\(i % 2 == 0 ? "even" : "odd")/\(i).png") }
        try rig.put(Data("zebra\nhorse\n".utf8), "classes/tiny.txt")
        try rig.wait()
        let file = rig.root.appendingPathComponent("x.npz")
        let order = [2, 0, 1].map { rig.images.appendingPathComponent("\($0 % 2 == 0 ? "even" : "odd")/\($0).png").path }
        try rig.saectl(arguments: ["export"] + order + ["--view", "tiny/base/plain", "--activations", "--logits", "-o", file.path])
        let program = """
            import json, sys, numpy
            f = numpy.load(sys.argv[1])
            rows = []
            for r in range(f["shape"][0]):
                a, b = f["indptr"][r], f["indptr"][r + 1]
                assert (numpy.diff(f["indices"][a:b]) > 0).all() and (f["data"][a:b] > 0).all()
            print(json.dumps({k: [f[k].dtype.kind + str(f[k].dtype.itemsize if f[k].dtype.kind != "U" else ""), list(f[k].shape)] for k in f.files}))
            print(json.dumps([f["paths"].tolist(), f["labels"].tolist(), f["classes"].tolist(), f["tokens_per_image"].tolist(), numpy.isfinite(f["activations"]).all().item()]))
            """
        let python = try #require(Place.python)
        let read = try run(python, ["-c", program, file.path])
        #expect(read.status == 0, "\(read.errors)")
        let lines = read.output.split(separator: "\n")
        try #require(lines.count == 2)
        let arrays = try #require(JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: [Any]])
        let types = arrays.mapValues { $0[0] as? String ?? "" }, shapes = arrays.mapValues { $0[1] as? [Int] ?? [] }
        #expect(types == [
            "paths": "U", "image_ids": "U", "labels": "U", "classes": "U", "tokens_per_image": "i8", "token_kind": "u1", "indptr": "i8",
            "indices": "i4", "data": "f4", "shape": "i8", "activations": "f4", "logits": "f4",
        ])
        #expect(shapes["activations"] == [3, 17, 32] && shapes["logits"] == [3, 2] && shapes["token_kind"] == [51] && shapes["indptr"] == [52])
        let facts = try #require(JSONSerialization.jsonObject(with: Data(lines[1].utf8)) as? [Any])
        #expect(facts[0] as? [String] == order && facts[1] as? [String] == ["even", "even", "odd"] && facts[2] as? [String] == ["zebra", "horse"])
        #expect(facts[3] as? [Int] == [17, 17, 17] && facts[4] as? Bool == true)
    }

    @Test func watchTellsWhatHappens() throws {
        let rig = try Rig.tiny()
        let watch = try rig.watching()
        let file = try rig.put(Picture.png(3), "images/cat/a.png")
        try eventually("the commit is told") { watch.events.contains { $0["event"] as? String == "committed" } }
        let commit = try #require(watch.events.first { $0["event"] as? String == "committed" })
        #expect(commit["path"] as? String == file.path && commit["label"] as? String == "cat" && commit["view"] as? String == "tiny/base/plain")
        #expect((commit["count"] as? Int ?? 0) > 0)
        try FileManager.default.removeItem(at: file)
        try eventually("the removal is told") { watch.events.contains { $0["event"] as? String == "path_removed" } }
        let kinds = watch.events.compactMap { $0["event"] as? String }
        let added = try #require(kinds.firstIndex(of: "path_added")), committed = try #require(kinds.firstIndex(of: "committed"))
        #expect(added < committed)
        // Ends with the daemon, and says so by its status.
        rig.stop()
        #expect(try watch.finish() == 1)
    }

    private func pngSize(_ file: URL) throws -> [Int?] {
        let data = [UInt8](try Data(contentsOf: file))
        try #require(data.count > 45 && data.starts(with: [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10]))
        #expect(data.suffix(8).starts(with: Array("IEND".utf8)))
        func number(_ at: Int) -> Int { data[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
        return [number(16), number(20)]
    }
}
