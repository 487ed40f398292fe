// Every way in which files come, change and go: nothing is missed, nothing is read half, nothing is made twice.

import Foundation
import Testing

@Suite struct DropTests {
    @Test func aFileWrittenInPiecesIsReadOnceAndWhole() throws {
        let rig = try Rig.tiny()
        let watch = try rig.watching()
        let content = Picture.png(1, width: 300, height: 200)
        let file = rig.images.appendingPathComponent("slow.png")
        _ = FileManager.default.createFile(atPath: file.path, contents: nil)
        let handle = try FileHandle(forWritingTo: file)
        let piece = content.count / 4 + 1
        for start in stride(from: 0, to: content.count, by: piece) {
            try handle.write(contentsOf: content[start..<min(content.count, start + piece)])
            // Longer than the rest that a closed file needs.
            usleep(150_000)
            #expect(try rig.list().isEmpty, "it is read while it is written")
        }
        try handle.close()
        try rig.wait()
        #expect(try rig.list()["images/slow.png"]?["width"] as? Int == 300)
        #expect(watch.events.count { $0["event"] as? String == "path_added" } == 1)
        #expect(try rig.failures().isEmpty)
    }

    @Test func aPartialNameIsTakenWhenItIsRenamed() throws {
        let rig = try Rig.tiny()
        let partial = rig.images.appendingPathComponent("a.png.part")
        try Picture.png(1).write(to: partial)
        try rig.put(Picture.png(2), "images/other.png")
        try rig.wait()
        #expect(try Set(rig.list().keys) == ["images/other.png"])
        try FileManager.default.moveItem(at: partial, to: rig.images.appendingPathComponent("a.png"))
        try rig.wait()
        #expect(try Set(rig.list().keys) == ["images/other.png", "images/a.png"])
    }

    @Test func aLateWriterIsWaitedFor() throws {
        let rig = try Rig.tiny()
        let content = try Picture.jpeg(1)
        let file = rig.images.appendingPathComponent("scan.jpg")
        // Closed half-way, as some scanners and SMB servers do; then gone on with.
        try content.prefix(content.count / 2).write(to: file)
        let waiting = try Background(Place.saectl, ["wait", "--timeout", "60", "--root", rig.root.path])
        usleep(2_300_000)
        #expect(waiting.isRunning, "'wait' ended although a file is looked at again later")
        let handle = try FileHandle(forWritingTo: file)
        try handle.seekToEnd()
        try handle.write(contentsOf: content[(content.count / 2)...])
        try handle.close()
        #expect(try waiting.finish() == 0)
        try rig.wait()
        #expect(try Set(rig.list().keys) == ["images/scan.jpg"])
        #expect(try rig.failures().isEmpty)
        #expect(try rig.storedSnapshots() == 1)
    }

    @Test func foldersComeAndGoWhole() throws {
        let rig = try Rig.tiny()
        let outside = rig.root.appendingPathComponent("outside")
        let nested = outside.appendingPathComponent("zebra/2024/may")
        try FileManager.default.createDirectory(at: nested, withIntermediateDirectories: true)
        for i in 0..<3 { try Picture.png(i).write(to: nested.appendingPathComponent("\(i).png")) }
        let inside = rig.images.appendingPathComponent("zebra")
        try FileManager.default.moveItem(at: outside.appendingPathComponent("zebra"), to: inside)
        try rig.wait()
        var images = try rig.list()
        #expect(images.count == 3 && images.values.allSatisfy { $0["label"] as? String == "zebra" })
        try FileManager.default.moveItem(at: inside, to: outside.appendingPathComponent("back"))
        try rig.wait()
        #expect(try rig.list().isEmpty)
        // Their snapshots are kept, and used when the folder comes back.
        try FileManager.default.moveItem(at: outside.appendingPathComponent("back"), to: rig.images.appendingPathComponent("horse"))
        try rig.wait()
        images = try rig.list()
        #expect(images.count == 3 && images.values.allSatisfy { $0["label"] as? String == "horse" })
        #expect(try rig.storedSnapshots() == 3)
    }

    @Test func newFoldersFasterThanWatchesLoseNothing() throws {
        let rig = try Rig.tiny()
        for i in 0..<12 {
            // Created and filled at once: the watch comes after the file.
            let folder = rig.images.appendingPathComponent("c\(i % 3)/a\(i)/b/c/d")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try Picture.png(100 + i).write(to: folder.appendingPathComponent("\(i).png"))
        }
        try rig.wait()
        #expect(try rig.list().count == 12)
        #expect(try rig.storedSnapshots() == 12)
    }

    @Test func filesThereAtStartAreTaken() throws {
        let rig = try Rig(configuration: Rig.quick, start: false)
        try rig.put(Picture.png(1), "images/early.png")
        try TinyModel().write("tiny", in: rig.drop.appendingPathComponent("models"))
        try TinySAE().write("plain", in: rig.drop.appendingPathComponent("saes"))
        try rig.put(Data("zebra\nhorse\n".utf8), "classes/tiny.txt")
        try rig.start()
        try rig.wait()
        #expect(try rig.storedSnapshots() == 1)
        #expect(try rig.viewNames() == ["tiny/base/plain"])
        // The list settles before its model does: it waits for it.
        #expect(try rig.json("classes")["classes"] as? [String] == ["zebra", "horse"])
        #expect(try rig.failures().isEmpty)
        // What changes while nobody watches is found at the next start.
        rig.stop()
        try rig.put(Picture.png(2), "images/meanwhile.png")
        try FileManager.default.removeItem(at: rig.images.appendingPathComponent("early.png"))
        try rig.start()
        try rig.wait()
        #expect(try Set(rig.list().keys) == ["images/meanwhile.png"])
        #expect(try rig.storedSnapshots() == 2)
    }

    @Test func pathsAreFollowedAndContentIsKept() throws {
        let rig = try Rig.tiny()
        try rig.put(Picture.png(1), "images/cat/a.png")
        try rig.wait()
        let id = try #require(try rig.list()["images/cat/a.png"]?["id"] as? String)
        // Renamed, and by that relabelled.
        try FileManager.default.createDirectory(at: rig.images.appendingPathComponent("dog"), withIntermediateDirectories: true)
        try FileManager.default.moveItem(at: rig.images.appendingPathComponent("cat/a.png"), to: rig.images.appendingPathComponent("dog/b.png"))
        try rig.wait()
        #expect(try rig.list()["images/dog/b.png"]?["id"] as? String == id)
        #expect(try rig.list()["images/dog/b.png"]?["label"] as? String == "dog")
        // The same content again is another path of the same image.
        try rig.put(Picture.png(1), "images/dog/copy.png")
        try rig.wait()
        #expect(try rig.list().count == 2 && rig.json("status")["images"] as? Int == 1 && rig.json("status")["paths"] as? Int == 2)
        try FileManager.default.removeItem(at: rig.images.appendingPathComponent("dog/b.png"))
        try rig.wait()
        #expect(try Set(rig.list().keys) == ["images/dog/copy.png"])
        try FileManager.default.removeItem(at: rig.images.appendingPathComponent("dog/copy.png"))
        try rig.wait()
        #expect(try rig.list().isEmpty && rig.json("status")["images"] as? Int == 0)
        let gone = try rig.saectl("show", String(id.prefix(12)), allowFailure: true)
        #expect(gone.status == 1 && gone.errors.contains("no image is called"), "\(gone.errors)")
        // Back again: nothing is computed anew.
        try rig.put(Picture.png(1), "images/again.png")
        try rig.wait()
        #expect(try rig.list()["images/again.png"]?["id"] as? String == id)
        #expect(try rig.storedSnapshots() == 1)
    }

    @Test func overwritingInPlaceIsANewImage() throws {
        let rig = try Rig.tiny()
        let file = try rig.put(Picture.png(1), "images/x.png")
        try rig.wait()
        let first = try #require(try rig.list()["images/x.png"]?["id"] as? String)
        try Picture.png(2).write(to: file)
        try rig.wait()
        let second = try #require(try rig.list()["images/x.png"]?["id"] as? String)
        #expect(first != second)
        #expect(try rig.list().count == 1)
        #expect(try rig.storedSnapshots() == 2)
    }

    @Test func contentDecidesWhatAFileIs() throws {
        let rig = try Rig.tiny()
        try rig.put(Picture.png(1), "images/really-png.jpg")
        try rig.put(Picture.jpeg(2), "images/really-jpeg.txt")
        try rig.put(Picture.jpeg(3), "images/no-extension")
        try rig.wait()
        let images = try rig.list()
        #expect(images["images/really-png.jpg"]?["format"] as? String == "png")
        #expect(images["images/really-jpeg.txt"]?["format"] as? String == "jpeg")
        #expect(images["images/no-extension"]?["format"] as? String == "jpeg")
        #expect(try rig.storedSnapshots() == 3)
    }

    @Test func waitNeverEndsBeforeAFileThatWasJustDropped() throws {
        let rig = try Rig.tiny()
        for i in 0..<15 {
            // In turns: renamed into place, written in place, a new folder.
            switch i % 3 {
            case 0: try rig.put(Picture.png(200 + i), "images/\(i).png")
            case 1: try Picture.png(200 + i).write(to: rig.images.appendingPathComponent("\(i).png"))
            default: try rig.put(Picture.png(200 + i), "images/label\(i)/deep/\(i).png")
            }
            try rig.wait()
            #expect(try rig.storedSnapshots() == i + 1)
        }
    }

    @Test func whatIsTakenAwayWhileItIsFollowedEndsTheWait() throws {
        let rig = try Rig.tiny()
        let folder = rig.root.appendingPathComponent("many")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for i in 0..<40 { try Picture.png(i).write(to: folder.appendingPathComponent("\(i).png")) }
        let add = try Background(Place.saectl, ["add", folder.path, "--label", "gone", "--wait", "--root", rig.root.path])
        try eventually("some are there") { (try? FileManager.default.contentsOfDirectory(atPath: rig.images.appendingPathComponent("gone").path).count) ?? 0 > 5 }
        try? FileManager.default.removeItem(at: rig.images.appendingPathComponent("gone"))
        // Whether the rest arrived before or after: it ends.
        let status = try add.finish()
        #expect(status == 0 || status == 1)
        try rig.wait()
    }
}
