// protocol/STORE.md is enough to read a store: a program in another language, written from it, reads a daemon's live one
// and finds in it what the daemon answers.

import Foundation
import Programs
import Testing

@Suite struct StoreReaderTests {
    private static let reader = Place.checkout.appendingPathComponent("protocol/examples/saed_store.py")

    /// Six images under three labels and one without, in the view of the embedded model and in that of VPT, which has prompts.
    private func filled() throws -> Rig {
        let rig = try Rig(configuration: """
            # Views of controls come when all is idle: what is listed is to be known.
            [controls]
            images = 0
            [watch]
            settle = "100ms"
            [compute]
            threads = 1

            """)
        try rig.saectl("adapter", "add", Place.models.appendingPathComponent("adapters/vpt.pth.tar").path, "--name", "vpt")
        for label in ["red_star", "blue_heart", "green_ring"] { for n in 0..<2 { try put(rig, n, of: label) } }
        let bare = try FileManager.default.contentsOfDirectory(
            at: Place.models.appendingPathComponent("heldout/images/black_cross"), includingPropertiesForKeys: nil)
        try rig.put(Data(contentsOf: try #require(bare.first)), "images/bare.jpg")
        try rig.wait()
        return rig
    }

    /// The first or second image of a class, in the order of names.
    private func put(_ rig: Rig, _ n: Int, of label: String) throws {
        let folder = Place.models.appendingPathComponent("heldout/images/\(label)")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil).map(\.lastPathComponent).sorted()
        try rig.put(Data(contentsOf: folder.appendingPathComponent(files[n])), "images/\(label)/\(n).jpg")
    }

    /// Values to the bit beside an export; counts, means and shares, recomputed from the snapshots, beside `latents` and `latent`.
    private static let comparison = """
        import json, sys, numpy
        sys.path.insert(0, sys.argv[1])
        import saed_store

        folder, name, exported, table, *details = sys.argv[2:]
        store = saed_store.Store(folder)
        view, export, table = store.views()[name], numpy.load(exported), json.load(open(table))
        layout, snapshots = saed_store.layout(view), {s.hash: s for s in store.snapshots(view)}
        present = {image["hash"]: image for image in store.images()}
        assert snapshots.keys() == present.keys() and len(snapshots) == len(export["image_ids"])

        tokens, rows, latents, values = sum(layout.values()), [], [], []
        for number, (image, label) in enumerate(zip(export["image_ids"], export["labels"])):
            snapshot, first = next(s for h, s in snapshots.items() if h.startswith(image)), number * tokens
            assert (snapshot.label or "") == label
            for kind, (token, latent, value) in snapshot.latents.items():
                rows.append(first + token), latents.append(latent), values.append(value)
                first += layout[kind]
        assert (numpy.concatenate(rows) == numpy.repeat(numpy.arange(len(export["indptr"]) - 1), numpy.diff(export["indptr"]))).all()
        assert (numpy.concatenate(latents) == export["indices"]).all()
        assert (numpy.concatenate(values).view("u4") == export["data"].view("u4")).all()

        def near(found, said):  # image means are kept as f32
            return found == said or abs(found - said) <= 1e-6 * abs(said)

        def check_kinds(counts, images, latent, said):
            for kind, own in said.items():
                found = {key: column[latent] for key, column in counts[kind].items()}
                assert own["tokens"] == images * layout[kind] and own["active"] == found["active"] and own["over_tau"] == found["over_tau"]
                assert own["peak"] == found["max"] and near(found["active"] / own["tokens"], own["frequency"])
                assert own["mean"] is None if not found["active"] else near(found["sum"] / found["active"], own["mean"])

        images, counts = saed_store.statistics(view, snapshots.values())
        active = sum(numpy.bincount(numpy.unique(s.latents["patch"][1]), minlength=view["latents"]) for s in snapshots.values())
        assert table["images"] == images == len(present) and table["dictionary"] == view["latents"]
        assert sorted(row["latent"] for row in table["latents"]) == list(range(view["latents"]))
        assert table["dead"] == sum(sum(column["active"] for column in counts.values()) == 0)
        for row in table["latents"]:
            latent = row["latent"]
            check_kinds(counts, images, latent, row["kinds"])
            assert row["images_active"] == active[latent] and near(active[latent] / images, row["frequency"])
            assert row["mean"] is None if not active[latent] else near(counts["patch"]["sum"][latent] / layout["patch"] / active[latent], row["mean"])

        for path in details:
            said, latent = json.load(open(path))["statistics"], json.load(open(path))["statistics"]["latent"]
            assert said["kinds"].keys() == layout.keys()
            check_kinds(counts, images, latent, said["kinds"])
            labels = {}
            for label in {s.label for s in snapshots.values() if s.label}:
                _, own = saed_store.statistics(view, [s for s in snapshots.values() if s.label == label])
                labels[label] = own["patch"]["sum"][latent], own["patch"]["over_tau"][latent] + own["class"]["over_tau"][latent]
            assert {each["label"] for each in said["labels"]} == {label for label, (total, _) in labels.items() if total}
            for each in said["labels"]:
                total, above = labels[each["label"]]
                assert each["tokens_above"] == above and each["images"] == sum(i["label"] == each["label"] for i in present.values())
                assert near(total / sum(total for total, _ in labels.values()), each["share"])
        print(f"{images} images, {len(export['data'])} values, {len(table['latents'])} latents agree")
        """

    private func compare(_ rig: Rig, _ view: String, images: Int) throws {
        func file(_ name: String) -> String { rig.root.appendingPathComponent(name).path }
        func write(_ answer: Finished, _ name: String) throws { try Data(answer.output.utf8).write(to: URL(fileURLWithPath: file(name))) }
        try rig.saectl("export", "--all", "--view", view, "-o", file("export.npz"))
        let table = try rig.saectl("latents", "--view", view, "--limit", "1000", "--json")
        try write(table, "latents.json")
        let latents = try #require(try table.json()["latents"] as? [[String: Any]]).compactMap { $0["latent"] as? Int }
        try #require(latents.count == 47)
        // The most frequent one, some between, and the rarest.
        let some = [0, 5, 10, 20, 30, 46].map { latents[$0] }
        for latent in some { try write(try rig.saectl("latent", "\(latent)", "--view", view, "--json"), "latent-\(latent).json") }
        let compared = try run(
            try #require(Place.python),
            ["-c", Self.comparison, Self.reader.deletingLastPathComponent().path, file("store"), view, file("export.npz"), file("latents.json")]
                + some.map { file("latent-\($0).json") })
        #expect(compared.status == 0 && compared.output.hasPrefix("\(images) images, "), "\(view): \(compared.output)\(compared.errors)")
    }

    @Test(.enabled(if: Place.python != nil, "SAED_TEST_PYTHON names no Python with protocol/examples/requirements.txt"))
    func aReaderWrittenFromTheDescriptionFindsWhatTheDaemonAnswers() throws {
        let rig = try filled()
        let views = ["scenes/base/scenes", "scenes/vpt/scenes"]
        #expect(try rig.viewNames() == views)
        for view in views { try compare(rig, view, images: 7) }
        // A deleted image is in the segment still, then out of it, and the segment sealed; new ones go to another.
        try FileManager.default.removeItem(at: rig.images.appendingPathComponent("red_star/1.jpg"))
        try eventually("the image is absent") { try rig.list().count == 6 }
        for view in views { try compare(rig, view, images: 6) }
        try rig.saectl("gc")
        try put(rig, 0, of: "red_cross")
        try put(rig, 0, of: "black_arrow")
        try rig.wait()
        for view in views { try compare(rig, view, images: 8) }
        // Postings, aggregates and class tables, slot by slot.
        let python = try #require(Place.python), store = rig.root.appendingPathComponent("store").path
        let check = try run(python, [Place.checkout.appendingPathComponent("tools/reference/store.py").path, store])
        #expect(check.status == 0 && check.output.components(separatedBy: "postings and their aggregates agree").count == 3, "\(check.output)\(check.errors)")

        func ask(_ arguments: String...) throws -> Finished { try run(python, [Self.reader.path, store] + arguments) }
        let lists = try ask()
        #expect(lists.status == 0, "\(lists.errors)")
        #expect(lists.output.hasPrefix("""
            view\tscenes/base/scenes\t47\t{'class': 1, 'patch': 144}
            view\tscenes/vpt/scenes\t47\t{'class': 1, 'patch': 144, 'prompt': 8}
            image\timages/
            """), "\(lists.output)")
        #expect(lists.output.contains("\nimage\timages/blue_heart/1.jpg\tblue_heart\n") && !lists.output.contains("red_star/1.jpg"))
        let image = try ask(views[1], "black_arrow/0.jpg")
        #expect(image.output.split(separator: "\n").count == 30 && image.output.hasPrefix("images/black_arrow/0.jpg\tclass 0\t"), "\(image.output)\(image.errors)")
        let statistics = try ask(views[0])
        #expect(statistics.output.hasPrefix("8 images\tclass active\t"), "\(statistics.output.prefix(200))\(statistics.errors)")
        #expect(try ask(views[0], "ow/0.jpg").errors == "saed_store.py \(store): view 'scenes/base/scenes' has no image that is called 'ow/0.jpg'\n")
    }

    @Test(.enabled(if: Place.python != nil, "SAED_TEST_PYTHON names no Python with protocol/examples/requirements.txt"))
    func theReaderSaysWhichFrameOfWhichFileIsDamagedAndRefusesWhatIsNewer() throws {
        let rig = try filled()
        rig.stop()
        let python = try #require(Place.python), store = rig.root.appendingPathComponent("store").path
        let first = try #require(try FileManager.default.contentsOfDirectory(atPath: store + "/segments/1").first { $0.hasSuffix(".seg") })
        let segment = "\(store)/segments/1/\(first)", whole = try Data(contentsOf: URL(fileURLWithPath: segment))
        func errors(changing at: Int, to value: UInt8? = nil) throws -> String {
            var bytes = whole
            bytes[at] = value ?? bytes[at] ^ 0x10
            try bytes.write(to: URL(fileURLWithPath: segment))
            let read = try run(python, [Self.reader.path, store, "scenes/base/scenes"])
            #expect(read.status == 1)
            return read.errors
        }
        // The second frame begins where the first one's 32 bytes and its payload end.
        let second = 128 + 32 + whole[136..<140].reversed().reduce(0) { $0 << 8 | Int($1) }
        #expect(try errors(changing: second + 100) == "saed_store.py \(store): '\(segment)', frame at byte \(second): the payload's checksum is wrong\n")
        #expect(try errors(changing: 128 + 9) == "saed_store.py \(store): '\(segment)', frame at byte 128: the header's checksum is wrong\n")
        #expect(try errors(changing: 20) == "saed_store.py \(store): '\(segment)': the header's checksum is wrong\n")
        #expect(try errors(changing: 8, to: 2) == "saed_store.py \(store): '\(segment)': version 2, known is 1\n")
        let raise = try run(python, ["-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA user_version = 2')", store + "/catalog.sqlite"])
        #expect(raise.status == 0, "\(raise.errors)")
        let newer = try run(python, [Self.reader.path, store])
        #expect(newer.status == 1 && newer.errors == "saed_store.py \(store): '\(store)/catalog.sqlite': version 2, known is 1\n")
    }
}
