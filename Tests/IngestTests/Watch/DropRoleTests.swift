// Content by its first bytes, purpose by place.

import Foundation
import Ingest
import Testing

@Suite struct DropRoleTests {
    private static func kind(_ bytes: [UInt8], size: Int64? = nil) -> FileKind { FileKind(head: bytes, size: size ?? Int64(bytes.count)) }
    private static func kind(_ text: String) -> FileKind { kind(Array(text.utf8)) }

    @Test func contentIsToldByItsFirstBytes() {
        #expect(Self.kind([0xFF, 0xD8, 0xFF, 0xE0, 0, 16]) == .jpeg)
        #expect(Self.kind([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0]) == .png)
        #expect(Self.kind("RIFF\u{1}\u{2}\u{3}\u{4}WEBPVP8 ") == .webp)
        #expect(Self.kind("RIFF\u{1}\u{2}\u{3}\u{4}WAVEfmt ") == .unknown)
        #expect(Self.kind("GIF89a\u{1}") == .otherImage("GIF"))
        #expect(Self.kind([0, 0, 0, 0x18] + Array("ftypheic".utf8)) == .otherImage("HEIC"))
        #expect(Self.kind([0x50, 0x4B, 3, 4, 0, 0]) == .torchZip)
        #expect(Self.kind([0x80, 2, 0x7D]) == .pickle)
        #expect(Self.kind([]) == .empty)
        #expect(Self.kind([0, 1, 2, 3]) == .unknown)
        #expect(Self.kind("cat\ndog\n") == .text)
        #expect(Self.kind("  \n{\"a\": 1}") == .json)
        #expect(Self.kind("\u{FEFF}[1]") == .json)
        #expect(Self.kind("cat\u{0}dog") == .unknown)
        #expect(Self.kind([0x63, 0xE9, 0x74]) == .unknown, "Latin-1 is not UTF-8")
    }

    @Test func aSafetensorsHeaderMustFitTheFile() {
        let head: [UInt8] = [2, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8)
        #expect(Self.kind(head) == .safetensors)
        #expect(Self.kind(head, size: 9) != .safetensors)
        #expect(Self.kind([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF] + Array("{}".utf8)) == .unknown)
    }

    @Test func aCharacterCutByTheEndOfTheHeadIsStillText() {
        let text = Array(String(repeating: "é", count: 4096).utf8)
        #expect(FileKind(head: [0x61] + text, size: 8193) == .text)
        #expect(FileKind(head: [0x61, 0xC3], size: 2) == .unknown, "here the file itself ends in the middle")
    }

    @Test(arguments: [
        ("images/cat/a.jpg", FileKind.jpeg, DropRole.image(label: "cat")),
        ("images/cat/siamese/a.txt", .png, .image(label: "cat")),
        ("images/a.jpg", .webp, .image(label: nil)),
        ("a.bin", .jpeg, .image(label: nil)),
        ("holiday/cat/a.jpg", .jpeg, .image(label: nil)),
        ("models/photo.jpg", .jpeg, .image(label: nil)),
        ("models/clip/sub/config.json", .json, .model(name: "clip")),
        ("saes/patch.pt", .torchZip, .sae(name: "patch")),
        ("saes/patch/cfg.json", .json, .sae(name: "patch")),
        ("saes/v1.5.pt", .torchZip, .sae(name: "v1.5")),
        ("classes/pets.txt", .text, .classList(name: "pets")),
        ("datasets/shifted/cat/deep/a.jpg", .jpeg, .image(label: "cat")),
        ("datasets/shifted/a.jpg", .jpeg, .image(label: nil)),
        ("prompts/maple/any", .unknown, .adapter(name: "maple")),
        ("prompts/maple/MultiModalPromptLearner/model.pth.tar-5", .torchZip, .adapter(name: "maple")),
        ("prompts/vpt.pth.tar-10", .torchZip, .adapter(name: "vpt")),
        ("prompts/half.pth.tar", .unknown, .adapter(name: "half")),
        ("model.pth.tar-5", .torchZip, .adapter(name: "model")),
        ("holiday/lora.v2.safetensors", .safetensors, .adapter(name: "lora.v2")),
        ("images/cat/old.pt", .pickle, .adapter(name: "old")),
        ("images/cat/weights", .torchZip, .adapter(name: "weights")),
    ])
    func thePlaceTellsThePurpose(_ path: String, _ kind: FileKind, _ role: DropRole) {
        #expect(DropRole(path: path, kind: kind) == role)
    }

    @Test(arguments: [
        ("images/cat/a.jpg", FileKind.otherImage("GIF"), "is GIF, which is not read; convert it to JPEG, PNG or WebP"),
        ("images/cat/a.jpg", .empty, "is empty"),
        ("images/cat/a.jpg", .text, "is text, not an image (class lists go to classes/NAME.txt)"),
        ("prompts/notes.txt", .text, "is no checkpoint; expected what the trainers write (model.pth.tar-N), or a folder prompts/NAME/"),
        ("prompts/my adapter.pt", .torchZip, "the name 'my adapter' cannot stand in a view: at most 64 letters, digits, '.', '_', '-', not beginning with '.' or '-'"),
        ("models/model.safetensors", .safetensors, "a model is a folder: models/NAME/ with config.json and model.safetensors"),
        ("saes/a.safetensors", .safetensors, "SAE weights in safetensors need their cfg.json: drop a folder saes/NAME/ with both"),
        ("saes/a.pt", .pickle, "is a bare pickle; save it again with torch.save of PyTorch 1.6 or later"),
        ("classes/pets.txt", .jpeg, "is not UTF-8 text; expected one class name a line"),
        ("classes/more/pets.txt", .text, "a class list is a file classes/NAME.txt, not in a folder below"),
        ("models/my model/config.json", .json, "the name 'my model' cannot stand in a view: at most 64 letters, digits, '.', '_', '-', not beginning with '.' or '-'"),
    ])
    func whatCannotBeUsedSaysWhatWouldBe(_ path: String, _ kind: FileKind, _ reason: String) {
        #expect(DropRole(path: path, kind: kind) == .unusable(reason: reason))
    }
}

@Suite struct QuarantineTests {
    let drop = TemporaryFolder()
    let place = TemporaryFolder()

    private func checkMoves(to folder: String) throws {
        let quarantine = Quarantine(folder: folder, dropFolder: drop.path)
        drop.makeFolder("images/cat")
        for i in 1...3 {
            drop.write("images/cat/a.b.jpg", "\(i)")
            let target = try quarantine.move("images/cat/a.b.jpg")
            #expect(target == folder + "/images/cat/a.b" + (i == 1 ? "" : "-\(i)") + ".jpg")
            #expect(readRegular(target) == "\(i)")
            #expect(access(drop["images/cat/a.b.jpg"], F_OK) != 0)
        }
        drop.makeFolder("models/x/sub")
        drop.write("models/x/sub/config.json", "{}")
        mkfifo(drop["models/x/fifo"], 0o644)
        symlink("/nowhere", drop["models/x/link"])
        #expect(try quarantine.move("models/x") == folder + "/models/x")
        #expect(readRegular(folder + "/models/x/sub/config.json") == "{}")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/models/x/link") == "/nowhere")
        drop.makeFolder("models/x")
        #expect(try quarantine.move("models/x") == folder + "/models/x-2")
        mkfifo(drop["pipe"], 0o644)
        #expect(try quarantine.move("pipe") == folder + "/pipe")
        #expect(drop.content().isEmpty)
        // Nothing is left of the copying.
        let all = FileManager.default.enumerator(atPath: folder)?.allObjects as? [String] ?? []
        #expect(!all.contains { $0.split(separator: "/").last!.hasPrefix(".") })
    }

    @Test func whatMovesKeepsItsPathAndNothingIsOverwritten() throws {
        try checkMoves(to: place["q/deep"])
    }

    @Test(.enabled(if: access("/dev/shm", W_OK) == 0)) func anotherFileSystemGetsACopy() throws {
        let folder = "/dev/shm/saed-quarantine-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try checkMoves(to: folder)
    }

    @Test func itIsToldWhereTheFileWillBeWhileItIsStillWhereItWas() throws {
        drop.write("a.jpg", "a")
        var noted: [String] = []
        let target = try Quarantine(folder: place["q"], dropFolder: drop.path).move("a.jpg") {
            noted.append($0)
            #expect(readRegular(drop["a.jpg"]) == "a")
        }
        #expect(noted == [target] && readRegular(target) == "a")
    }

    @Test func failuresLeaveTheFileAndSayWhy() throws {
        drop.write("a.jpg", "a")
        place.write("file", "in the way")
        let quarantine = Quarantine(folder: place["file"], dropFolder: drop.path)
        #expect { try quarantine.move("a.jpg") } throws: {
            "\($0)" == "'a.jpg' could not be moved to '\(place["file"])/a.jpg' (Not a directory); it stays where it is; "
                + "let this user write to both folders"
        }
        #expect(readRegular(drop["a.jpg"]) == "a")
        for path in ["../a.jpg", "x/../../a.jpg", "/etc/passwd", "", "a//b"] {
            #expect(throws: QuarantineError.self) { try quarantine.move(path) }
        }
    }
}
