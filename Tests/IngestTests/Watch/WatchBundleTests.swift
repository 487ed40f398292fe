// Models and SAEs: folders delivered as one.

import Foundation
import Ingest
import Testing

@Suite struct WatchBundleTests {
    let drop = TemporaryFolder()

    private func started(_ options: WatchOptions = quickOptions()) throws -> Consumer {
        let consumer = try Consumer(drop, options: options)
        consumer.until("first scan") { $0.isScanFinished }
        consumer.quiesce()
        return consumer
    }

    @Test func aModelFolderIsToldOnceWhenAllItsFilesRest() throws {
        let consumer = try started()
        drop.makeFolder("models/clip/sub")
        let weights = try #require(fopen(drop["models/clip/model.safetensors"], "w"))
        drop.write("models/clip/config.json", "{}")
        fputs("half", weights)
        fflush(weights)
        let pause = ContinuousClock.now + .milliseconds(300)
        while ContinuousClock.now < pause { _ = consumer.step() }
        #expect(consumer.events == [.scanFinished])
        fclose(weights)
        consumer.quiesce()
        #expect(consumer.events == [.scanFinished, .folderSettled(path: "models/clip")])
        consumer.forgetEvents()
        drop.write("models/clip/sub/vocab.json", "{}")
        consumer.quiesce()
        #expect(consumer.events == [.folderSettled(path: "models/clip")])
    }

    @Test func bundlesThereAtTheStartAreToldAndARescanDoesNotRepeatThem() throws {
        drop.makeFolder("models/a")
        drop.makeFolder("saes/b")
        drop.write("models/a/config.json", "{}")
        drop.write("saes/b/cfg.json", "{}")
        drop.write("saes/c.pt", "pt")
        let consumer = try started()
        #expect(Set(consumer.events) .isSuperset(of: [.folderSettled(path: "models/a"), .folderSettled(path: "saes/b")]))
        #expect(consumer.files == ["saes/c.pt"])
        consumer.forgetEvents()
        consumer.watcher.requestRescan()
        consumer.until("rescan") { $0.isScanFinished }
        consumer.quiesce()
        #expect(consumer.events == [.scanFinished])
    }

    @Test func renamingAndRemovingABundleIsToldAsOne() throws {
        drop.makeFolder("models/a")
        drop.write("models/a/config.json", "{}")
        let consumer = try started()
        consumer.forgetEvents()
        drop.move("models/a", "models/b")
        consumer.quiesce()
        #expect(consumer.events == [.moved(from: "models/a", to: "models/b", isFolder: true)])
        drop.move("models/b", "elsewhere")
        drop.move("elsewhere", "models/c")
        consumer.quiesce()
        #expect(consumer.events.dropFirst() == [.removed(path: "models/b", isFolder: true), .folderSettled(path: "models/c")]
            || consumer.events.dropFirst() == [.removed(path: "models/b", isFolder: true), .removed(path: "elsewhere", isFolder: true), .folderSettled(path: "models/c")])
        try FileManager.default.removeItem(atPath: drop["models/c"])
        consumer.quiesce()
        #expect(consumer.events.last == .removed(path: "models/c", isFolder: true))
    }

    @Test func aBundleThatWentAndCameBackIsToldAgain() throws {
        drop.makeFolder("models/a")
        drop.write("models/a/config.json", "{}")
        let consumer = try started()
        consumer.forgetEvents()
        drop.move("models", ".models")
        drop.move(".models", "models")
        consumer.quiesce()
        #expect(consumer.events == [.removed(path: "models", isFolder: true), .folderSettled(path: "models/a")])
    }

    @Test func aPolledBundleIsToldWhenItChanges() throws {
        drop.makeFolder("models/a")
        drop.write("models/a/config.json", "{}")
        let consumer = try started(quickOptions { $0.mode = .poll })
        #expect(consumer.events.filter { $0 == .folderSettled(path: "models/a") }.count == 1)
        consumer.forgetEvents()
        drop.write("models/a/more.json", "{ }")
        consumer.until("told again") { $0 == .folderSettled(path: "models/a") }
        try FileManager.default.removeItem(atPath: drop["models/a"])
        consumer.until("removal") { $0 == .removed(path: "models/a", isFolder: true) }
        #expect(consumer.events.count == 2)
    }

    @Test func badFilesInAModelAreRefusedByName() throws {
        drop.makeFolder("models/a")
        drop.write("models/a/config.json", "{}")
        #expect(mkfifo(drop["models/a/model.safetensors"], 0o644) == 0)
        #expect(symlink("config.json", drop["models/a/inside.json"]) == 0)
        #expect(symlink("/etc/passwd", drop["models/a/vocab.json"]) == 0)
        let consumer = try started()
        let refused = Set(consumer.events.filter { if case .refused = $0 { true } else { false } })
        #expect(refused == [
            .refused(path: "models/a/model.safetensors", reason: .fifo),
            .refused(path: "models/a/vocab.json", reason: .linkOutside(target: "/etc/passwd")),
        ])
    }
}
