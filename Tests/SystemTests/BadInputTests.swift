// What can't be used: one clear line to the log and to whoever asked, the file in quarantine with its reason in
// `failures`, and nothing else disturbed, which a good image dropped right after shows each time.

import Foundation
import Testing

@Suite struct BadInputTests {
    /// A bad file: what to drop, under which name, and what must be said of it.
    struct BadFile: Sendable, CustomTestStringConvertible {
        let name: String
        let reason: String
        let content: @Sendable () throws -> Data
        var testDescription: String { name }
    }

    static let badFiles: [BadFile] = [
        BadFile(name: "cut.png", reason: "ends") { Picture.png(1, width: 200, height: 100).prefix(300) },
        BadFile(name: "cut.jpg", reason: "ends") { try Picture.jpeg(1).prefix(900) },
        BadFile(name: "empty.jpg", reason: "empty") { Data() },
        BadFile(name: "text.jpg", reason: "text, not an image") { Data("this is no image, whatever its name says\n".utf8) },
        BadFile(name: "bomb.png", reason: "60000 x 60000") { Picture.bomb() },
        BadFile(name: "noise.webp", reason: "no JPEG, PNG or WebP") { Data((0..<500).map { UInt8(truncatingIfNeeded: 7 + $0 &* 31 &+ $0 / 3) }) },
    ]

    @Test func eachBadFileIsNamedQuarantinedAndDisturbsNothing() throws {
        let rig = try Rig.tiny()
        for bad in BadInputTests.badFiles { try rig.putOld(bad.content(), "images/mixed/\(bad.name)") }
        try rig.put(Picture.png(77), "images/mixed/good.png")
        try rig.wait()
        let failures = try rig.failures()
        for bad in BadInputTests.badFiles {
            let path = "images/mixed/\(bad.name)"
            let failure = try #require(failures[path], "no failure of \(bad.name)")
            let reason = failure["reason"] as? String ?? ""
            #expect(reason.contains(bad.reason), "\(bad.name): \(reason)")
            #expect(!reason.contains("\n"))
            let place = try #require(failure["quarantine"] as? String)
            #expect(try Data(contentsOf: URL(fileURLWithPath: place)) == bad.content(), "\(bad.name) is kept as it was")
            #expect(!FileManager.default.fileExists(atPath: rig.drop.appendingPathComponent(path).path))
            let lines = rig.log.split(separator: "\n").filter { $0.contains(bad.name) }
            #expect(lines.count == 1, "\(lines)")
            #expect(lines.first?.contains("warning") == true && lines.first?.contains("SAED_QUARANTINE=") == true)
        }
        #expect(try Set(rig.list().keys) == ["images/mixed/good.png"])
        #expect(try rig.storedSnapshots() == 1)
        let table = try rig.saectl("failures").output
        #expect(table.contains("bomb.png") && table.contains("60000 x 60000"), "\(table)")
        // Mended and dropped again, it is a failure no more.
        try rig.put(Picture.png(5), "images/mixed/cut.png")
        try rig.wait()
        #expect(try rig.failures()["images/mixed/cut.png"] == nil)
        #expect(try rig.failures().count == BadInputTests.badFiles.count - 1)
    }

    @Test func addTellsWhichFileFailed() throws {
        let rig = try Rig.tiny()
        let folder = rig.root.appendingPathComponent("to-add")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Picture.png(1).write(to: folder.appendingPathComponent("good.png"))
        let bad = folder.appendingPathComponent("cut.png")
        try Picture.png(2, width: 200, height: 100).prefix(300).write(to: bad)
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -3600)], ofItemAtPath: bad.path)
        let added = try rig.saectl("add", folder.path, "--wait", allowFailure: true)
        #expect(added.status == 1)
        let lines = added.errors.split(separator: "\n").filter { $0.contains("cut.png") }
        #expect(lines.count == 1 && lines[0].hasPrefix("saectl: '\(bad.path)': "), "\(added.errors)")
        #expect(added.output.contains("1 done"), "\(added.output)")
        // A name that the watcher never takes is refused, not waited for.
        let partial = folder.appendingPathComponent("x.png.tmp")
        try Picture.png(3).write(to: partial)
        let refused = try rig.saectl("add", partial.path, "--wait", allowFailure: true)
        #expect(refused.status == 1 && refused.errors.contains("rename it"), "\(refused.errors)")
        let missing = try rig.saectl("add", "/nonexistent/x.png", allowFailure: true)
        #expect(missing.status == 1 && missing.errors == "saectl: '/nonexistent/x.png': No such file or directory\n")
    }

    @Test func whatIsNoRegularFileGoesToQuarantineToo() throws {
        let rig = try Rig.tiny()
        let images = rig.images.path
        #expect(mkfifo(images + "/pipe.png", 0o644) == 0)
        #expect(symlink("/etc/hostname", images + "/out.png") == 0)
        try FileManager.default.createDirectory(atPath: images + "/a/b", withIntermediateDirectories: true)
        #expect(symlink("../..", images + "/a/b/loop") == 0)
        #expect(symlink("nothing-there.png", images + "/dangling.png") == 0)
        try rig.put(Picture.png(1), "images/a/b/good.png")
        try rig.wait()
        try eventually("all are told") { try rig.failures().count == 4 }
        let failures = try rig.failures()
        for (path, reason) in [
            ("images/pipe.png", "FIFO"), ("images/out.png", "out of the drop folder"), ("images/a/b/loop", "loop"),
            ("images/dangling.png", "does not exist"),
        ] {
            let failure = try #require(failures[path], "\(failures.keys)")
            #expect((failure["reason"] as? String)?.contains(reason) == true, "\(failure)")
            // Moved as it is: a link stays a link, and is not followed.
            let place = try #require(failure["quarantine"] as? String)
            var own = stat()
            #expect(lstat(place, &own) == 0 && own.st_mode & S_IFMT != S_IFREG, "\(failure)")
            #expect(lstat(rig.drop.appendingPathComponent(path).path, &own) != 0)
            #expect(rig.log.split(separator: "\n").count { $0.contains("'\(path)'") } == 1, "\(rig.log)")
        }
        #expect(try Set(rig.list().keys) == ["images/a/b/good.png"])
        #expect(try rig.storedSnapshots() == 1)
    }

    @Test(.enabled(if: geteuid() != 0, "root reads everything"))
    func anUnreadableFileIsTakenOnceItMayBeRead() throws {
        let rig = try Rig.tiny()
        let file = rig.root.appendingPathComponent("secret.png")
        try Picture.png(1).write(to: file)
        chmod(file.path, 0)
        let target = rig.images.appendingPathComponent("secret.png")
        try FileManager.default.moveItem(at: file, to: target)
        try eventually("it is told") { try rig.failures()["images/secret.png"] != nil }
        #expect((try rig.failures()["images/secret.png"]?["reason"] as? String)?.contains("chmod a+r") == true)
        chmod(target.path, 0o644)
        try eventually("it is taken") { try rig.list()["images/secret.png"] != nil }
        try rig.wait()
        #expect(try rig.failures().isEmpty)
    }

    @Test func goodContentOverwrittenWithBadIsGone() throws {
        let rig = try Rig.tiny()
        let file = try rig.put(Picture.png(1), "images/x.png")
        try rig.put(Picture.png(2), "images/y.png")
        try rig.wait()
        // In place, and renamed over.
        try Data("no image any more".utf8).write(to: file)
        try rig.putOld(Picture.png(3, width: 200, height: 100).prefix(300), "images/y.png")
        try rig.wait()
        #expect(try rig.list().isEmpty && rig.json("status")["images"] as? Int == 0)
        #expect(try Set(rig.failures().keys) == ["images/x.png", "images/y.png"])
        try rig.put(Picture.png(1), "images/x.png")
        try rig.wait()
        #expect(try Set(rig.failures().keys) == ["images/y.png"])
        #expect(try Set(rig.list().keys) == ["images/x.png"] && rig.storedSnapshots() == 2)
    }

    @Test func aNameCanNotForgeWhatIsPrinted() throws {
        let rig = try Rig.tiny()
        let name = "evil\n00:00:00.000 error   forged \u{1B}[31mred.jpg"
        try rig.putOld(Data("text".utf8), "images/\(name)")
        try rig.put(Picture.png(1), "images/a b/zèbre 斑马.png")
        #expect(rename(try rig.put(Picture.png(2), "images/.hidden").path, rig.images.path + "/latin-\u{1}.png") == 0)
        try rig.wait()
        #expect(try rig.failures()["images/\(name)"] != nil)
        #expect(try Set(rig.list().keys) == ["images/a b/zèbre 斑马.png", "images/latin-\u{1}.png"])
        #expect(!rig.log.contains("\u{1B}") && !rig.log.contains("\n00:00:00.000 error   forged"), "\(rig.log)")
        for command in ["failures", "images"] {
            let printed = try rig.saectl(command).output
            #expect(!printed.contains("\u{1B}") && !printed.contains("\n00:00:00") && !printed.contains("\u{1}"), "\(printed)")
        }
        // Linux allows names that are no text; such a file is refused where it lies.
        try Picture.png(3).write(to: rig.root.appendingPathComponent("plain"))
        let bytes: [CChar] = Array(rig.images.path.utf8CString.dropLast()) + [47, 98, -1, 46, 112, 110, 103, 0]
        #expect(rename(rig.root.appendingPathComponent("plain").path, bytes) == 0)
        try eventually("it is told") { try rig.failures().values.contains { ($0["reason"] as? String)?.contains("not UTF-8") == true } }
        try rig.wait()
    }

    // MARK: Models and SAEs

    @Test func aModelBrokenInPlaceGoesToQuarantineWithItsView() throws {
        let rig = try Rig.tiny()
        try rig.put(Picture.png(1), "images/1.png")
        try rig.wait()
        let weights = rig.drop.appendingPathComponent("models/tiny/model.safetensors")
        let content = try Data(contentsOf: weights)
        try FileManager.default.removeItem(at: weights)
        try content.prefix(content.count / 2).write(to: weights)
        try eventually("it is refused") { try rig.failures()["models/tiny"] != nil }
        #expect((try rig.failures()["models/tiny"]?["reason"] as? String)?.contains("truncated") == true)
        try eventually("its view goes") { try rig.viewNames().isEmpty }
        try rig.put(Picture.png(2), "images/2.png")
        try rig.wait()
        // Mended, it is back with what it made.
        let mended = try TinyModel().write("mended", in: rig.source)
        try FileManager.default.moveItem(at: mended, to: rig.drop.appendingPathComponent("models/tiny"))
        try eventually("it is back") { try rig.viewNames() == ["tiny/base/plain"] }
        try rig.wait()
        #expect(try rig.storedSnapshots() == 2 && rig.failures().isEmpty)
    }

    @Test func aBadModelIsRefusedByNameAndQuarantinedWhenDropped() throws {
        let rig = try Rig.tiny()
        let models: [(name: String, reason: String, make: (String, URL) throws -> URL)] = [
            ("missing", "has no tensor 'vision_model.post_layernorm.weight'", { try TinyModel(seed: 5).write($0, in: $1, skipping: ["vision_model.post_layernorm.weight"]) }),
            ("misshapen", "tensor 'visual_projection.weight' is [16, 32]", { name, folder in
                let place = try TinyModel(seed: 5).write(name, in: folder)
                let config = place.appendingPathComponent("config.json")
                let text = try String(contentsOf: config, encoding: .utf8)
                try Data(text.replacingOccurrences(of: "\"projection_dim\": 16", with: "\"projection_dim\": 17").utf8).write(to: config)
                return place
            }),
            ("nan", "nan at index 3", { try TinyModel(seed: 5).write($0, in: $1) { name, values in if name == "visual_projection.weight" { values[3] = .nan } } }),
        ]
        try FileManager.default.createDirectory(at: rig.drop.appendingPathComponent("models"), withIntermediateDirectories: true)
        for (name, reason, make) in models {
            let folder = try make(name, rig.source)
            let asked = try rig.saectl("model", "add", folder.path, "--name", name, allowFailure: true)
            #expect(asked.status == 1)
            #expect(asked.errors.contains(reason) && asked.errors.split(separator: "\n").count <= 2, "\(asked.errors)")
            #expect(rig.log.split(separator: "\n").count { $0.contains(reason) } == 1, "\(rig.log)")
            // What was asked for and refused leaves nothing behind.
            #expect(!FileManager.default.fileExists(atPath: rig.drop.appendingPathComponent("models/\(name)").path))
            try FileManager.default.moveItem(at: folder, to: rig.drop.appendingPathComponent("models/\(name)"))
        }
        try eventually("all are refused") { try rig.failures().count == models.count }
        for (name, reason, _) in models {
            let failure = try #require(try rig.failures()["models/\(name)"])
            #expect((failure["reason"] as? String)?.contains(reason) == true, "\(failure)")
            let place = try #require(failure["quarantine"] as? String)
            #expect(FileManager.default.fileExists(atPath: place + "/config.json"))
            #expect(!FileManager.default.fileExists(atPath: rig.drop.appendingPathComponent("models/\(name)").path))
        }
        try undisturbed(rig)
    }

    @Test func aBadSAEIsRefusedByNameAndQuarantinedWhenDropped() throws {
        let rig = try Rig.tiny()
        let pickle = rig.source.appendingPathComponent("evil.pt")
        try FileManager.default.copyItem(at: Place.golden("CheckpointsTests/Golden/calls_system.pt"), to: pickle)
        let saes: [(place: URL, target: String, reason: String)] = [
            (try TinySAE(width: 24).write("narrow", in: rig.source), "saes/narrow", "width 24"),
            (try TinySAE().write("nan", in: rig.source) { name, values in if name == "W_dec" { values[5] = .nan } }, "saes/nan", "nan at index 5"),
            (pickle, "saes/evil.pt", "system"),
        ]
        for sae in saes {
            let asked = try rig.saectl("sae", "add", sae.place.path, "--model", "tiny", "--name", "bad", allowFailure: true)
            #expect(asked.status == 1 && asked.errors.contains(sae.reason), "\(sae.target): \(asked.errors)")
            #expect(asked.errors.split(separator: "\n").count <= 2, "\(asked.errors)")
            try FileManager.default.moveItem(at: sae.place, to: rig.drop.appendingPathComponent(sae.target))
        }
        try eventually("all are refused") { try rig.failures().count == saes.count }
        for sae in saes {
            let failure = try #require(try rig.failures()[sae.target], "no failure of \(sae.target)")
            #expect((failure["reason"] as? String)?.contains(sae.reason) == true, "\(failure)")
            #expect(failure["quarantine"] is String, "\(failure)")
        }
        try undisturbed(rig)
    }

    /// A good image gets its snapshot, and no view went away.
    private func undisturbed(_ rig: Rig, location: SourceLocation = #_sourceLocation) throws {
        try rig.put(Picture.png(4711), "images/undisturbed.png")
        try rig.wait(location: location)
        #expect(try rig.viewNames() == ["tiny/base/plain"], sourceLocation: location)
        #expect(try rig.storedSnapshots() == 1, sourceLocation: location)
        #expect(rig.daemon?.isRunning == true, sourceLocation: location)
    }
}
