// Into the drop folder: nothing half, nothing replaced, nothing left behind.

import Foundation
import SaectlKit
import Testing

@Suite struct DropInTests {
    static let jpeg: [UInt8] = [0xFF, 0xD8, 0xFF, 0xE0] + [UInt8](repeating: 1, count: 100)
    static let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + [UInt8](repeating: 2, count: 100)
    static let webp: [UInt8] = Array("RIFF____WEBPVP8 ".utf8)

    private func placed(_ plan: AddPlan, in drop: TemporaryFolder) -> [String] {
        plan.items.map { item in
            do throws(AddFailure) {
                let (target, method) = try DropIn(drop: drop.path).place(item)
                return "\(target) \(method == .present ? "present" : "new")"
            } catch {
                return "\(error)"
            }
        }
    }

    @Test func foldersKeepTheirClassFoldersAndOnlyImagesAreTaken() throws {
        let photos = try TemporaryFolder(), drop = try TemporaryFolder()
        try photos.write("a.jpg", DropInTests.jpeg)
        try photos.write("zebra/1.png", DropInTests.png)
        try photos.write("zebra/deep/2.webp", DropInTests.webp)
        try photos.write("zebra/misnamed.txt", DropInTests.jpeg)
        try photos.write("notes.jpg", "no image")
        try photos.write("short", [0xFF, 0xD8, 0xFF])
        try photos.write(".hidden/x.jpg", DropInTests.jpeg)
        try photos.write("half.jpg.part", DropInTests.jpeg)
        symlink("..", photos.path + "/zebra/loop")
        symlink(photos.path + "/a.jpg", photos.path + "/link.jpg")
        mkfifo(photos.path + "/pipe.jpg", 0o600)
        let plan = AddPlan(paths: [photos.path], label: nil)
        #expect(plan.items.map(\.target) == ["a.jpg", "link.jpg", "zebra/1.png", "zebra/deep/2.webp", "zebra/misnamed.txt"])
        #expect(plan.skipped == 2 && plan.failures == [])
        #expect(placed(plan, in: drop).allSatisfy { $0.hasSuffix(" new") })
        #expect(drop.listing == [
            "images", "images/a.jpg", "images/link.jpg", "images/zebra", "images/zebra/1.png", "images/zebra/deep", "images/zebra/deep/2.webp",
            "images/zebra/misnamed.txt",
        ])
        // What the link points to, not the link.
        var status = stat()
        #expect(lstat(drop.path + "/images/link.jpg", &status) == 0 && status.st_mode & S_IFMT == S_IFREG)
        #expect(try drop.read("images/link.jpg") == DropInTests.jpeg)
    }

    @Test func aLabelGoesInFront() throws {
        let photos = try TemporaryFolder(), drop = try TemporaryFolder()
        let file = try photos.write("x.jpg", "explicitly named, so taken whatever it is")
        try photos.write("set/1.jpg", DropInTests.jpeg)
        #expect(placed(AddPlan(paths: [file, photos.path + "/set/"], label: "horse"), in: drop) == ["horse/x.jpg new", "horse/1.jpg new"])
        #expect(AddPlan.isValidFolderName("Grévy's zebra") && !AddPlan.isValidFolderName("a/b") && !AddPlan.isValidFolderName("..") && !AddPlan.isValidFolderName(""))
    }

    @Test func aTakenNameIsNeverReplaced() throws {
        let photos = try TemporaryFolder(), drop = try TemporaryFolder()
        func add(_ content: String, _ name: String = "x.tar.jpg") throws -> [String] {
            placed(AddPlan(paths: [try photos.write(name, content)], label: nil), in: drop)
        }
        #expect(try add("one") == ["x.tar.jpg new"])
        #expect(try add("one") == ["x.tar.jpg present"])
        unlink(photos.path + "/x.tar.jpg")  // or writing would go through the hard link
        #expect(try add("two") == ["x.tar-1.jpg new"])
        unlink(photos.path + "/x.tar.jpg")
        #expect(try add("six") == ["x.tar-2.jpg new"])
        unlink(photos.path + "/x.tar.jpg")
        #expect(try add("two") == ["x.tar-1.jpg present"])
        #expect(try add("a", "noextension") == ["noextension new"])
        unlink(photos.path + "/noextension")
        #expect(try add("b", "noextension") == ["noextension-1 new"])
        #expect(try drop.read("images/x.tar.jpg") == Array("one".utf8) && drop.read("images/x.tar-1.jpg") == Array("two".utf8))
        #expect(!drop.listing.contains { $0.hasSuffix(".part") })
    }

    @Test func whatOthersCannotReadIsCopiedNotLinked() throws {
        let photos = try TemporaryFolder(), drop = try TemporaryFolder()
        let file = try photos.write("secret.jpg", DropInTests.jpeg)
        chmod(file, 0o600)
        #expect(placed(AddPlan(paths: [file], label: nil), in: drop) == ["secret.jpg new"])
        var source = stat(), target = stat()
        #expect(stat(file, &source) == 0 && stat(drop.path + "/images/secret.jpg", &target) == 0)
        #expect(source.st_ino != target.st_ino && target.st_mode & 0o400 == 0o400)
        #expect(try drop.read("images/secret.jpg") == DropInTests.jpeg)
    }

    @Test func whatLiesThereAlreadyIsOnlyFollowed() throws {
        let drop = try TemporaryFolder()
        let file = try drop.write("images/zebra/1.jpg", DropInTests.jpeg)
        #expect(placed(AddPlan(paths: [file], label: nil), in: drop) == ["zebra/1.jpg present"])
        #expect(drop.listing == ["images", "images/zebra", "images/zebra/1.jpg"])
    }

    @Test func modelsAndSAEsAreSentElsewhere() throws {
        let folder = try TemporaryFolder()
        try folder.write("clip/config.json", "{}")
        try folder.write("clip/model.safetensors", "")
        try folder.write("lens/cfg.json", "{}")
        try folder.write("lens/sae_weights.safetensors", "")
        let sae = try folder.write("out.pt", "")
        let plan = AddPlan(paths: [folder.path + "/clip", folder.path + "/lens", sae, folder.path + "/none.jpg", "/dev/null"], label: nil)
        #expect(plan.items == [])
        #expect(plan.failures.map(\.reason) == [
            "looks like a model: add it with `saectl model add \(folder.path)/clip --name NAME`",
            "looks like an SAE: add it with `saectl sae add \(folder.path)/lens --model MODEL --name NAME`",
            "looks like an SAE or an adapter: add it with `saectl sae add \(sae) --model MODEL --name NAME` or `saectl adapter add ...`",
            "No such file or directory", "is no file and no folder",
        ])
    }

    @Test func adaptersAreSentElsewhere() throws {
        let folder = try TemporaryFolder()
        try folder.write("lora/adapter_config.json", "{}")
        try folder.write("own/adapter.json", "{}")
        let paths = try ["lora", "own"].map { folder.path + "/" + $0 } + ["model.pth.tar-50", "prompts.pth.tar", "x.pth"].map { try folder.write($0, "") }
        let plan = AddPlan(paths: paths, label: nil)
        #expect(plan.items == [])
        #expect(plan.failures.map(\.reason) == paths.map { "looks like an adapter: add it with `saectl adapter add \($0) --model MODEL --name NAME`" })
    }

    @Test func aFailureLeavesNothingBehind() throws {
        let photos = try TemporaryFolder(), drop = try TemporaryFolder()
        let file = try photos.write("x.jpg", DropInTests.jpeg)
        // A file where the folder should be.
        try drop.write("images/zebra", "in the way")
        let messages = placed(AddPlan(paths: [file], label: "zebra"), in: drop)
        #expect(messages.count == 1 && messages[0].hasPrefix("'\(file)': can't be put into"))
        #expect(drop.listing == ["images", "images/zebra"])
        let plan = AddPlan(paths: [file], label: nil)
        unlink(file)
        #expect(placed(plan, in: drop) == ["'\(file)': can't be read: No such file or directory"])
        #expect(drop.listing == ["images", "images/zebra"])
    }

    @Test func pathsBecomeAbsolute() {
        #expect(absolutePath("/a/./b/../c//d/") == "/a/c/d")
        #expect(absolutePath("/../..") == "/")
        #expect(absolutePath("x/y") == FileManager.default.currentDirectoryPath + "/x/y")
    }
}
