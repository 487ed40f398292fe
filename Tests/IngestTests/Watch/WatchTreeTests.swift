// Folders: faster than their watches, moved in, out and about, refused, gone and back.

import Foundation
import Ingest
import Testing

@Suite struct WatchTreeTests {
    let drop = TemporaryFolder()
    let outside = TemporaryFolder()

    private func started(_ options: WatchOptions = quickOptions(), catalog: Catalog = Catalog()) throws -> Consumer {
        let consumer = try Consumer(drop, options: options, catalog: catalog)
        consumer.until("first scan") { $0.isScanFinished }
        consumer.quiesce()
        consumer.forgetEvents()
        return consumer
    }

    @Test func nestedFoldersFasterThanWatchesLoseNothing() throws {
        let consumer = try started()
        for i in 0..<100 {
            drop.makeFolder("images/\(i)/b/c/d")
            for folder in ["", "/b", "/b/c", "/b/c/d"] { drop.write("images/\(i)\(folder)/x.jpg", "\(i)\(folder)") }
        }
        consumer.quiesce()
        #expect(consumer.catalog.content == drop.content())
        #expect(consumer.files.count == 400, "each once")
    }

    @Test func treesMovedInAreTakenAndMovedOutAreGone() throws {
        let consumer = try started()
        outside.makeFolder("tree/deep/er")
        for name in ["a.jpg", "deep/b.jpg", "deep/er/c.jpg", "deep/.hidden", "deep/d.part"] { outside.write("tree/\(name)", name) }
        #expect(rename(outside["tree"], drop["tree"]) == 0)
        consumer.quiesce()
        #expect(consumer.catalog.content == ["tree/a.jpg": "a.jpg", "tree/deep/b.jpg": "deep/b.jpg", "tree/deep/er/c.jpg": "deep/er/c.jpg"])
        consumer.forgetEvents()
        #expect(rename(drop["tree"], outside["tree"]) == 0)
        consumer.quiesce()
        #expect(consumer.events == [.removed(path: "tree", isFolder: true)])
        // Its watches went with it: what happens there is not ours.
        outside.write("tree/deep/er/late.jpg", "late")
        consumer.quiesce()
        #expect(consumer.events.count == 1)
        #expect(consumer.catalog.content.isEmpty)
    }

    @Test func renamingATakenFileOrFolderIsAMoveAndNoNewContent() throws {
        drop.makeFolder("images/cat/more")
        drop.write("images/cat/a.jpg", "a")
        drop.write("images/cat/more/b.jpg", "b")
        let consumer = try started()
        drop.move("images/cat/a.jpg", "images/cat/c.jpg")
        consumer.quiesce()
        drop.move("images/cat", "images/dog")
        consumer.quiesce()
        #expect(consumer.events == [
            .moved(from: "images/cat/a.jpg", to: "images/cat/c.jpg", isFolder: false),
            .moved(from: "images/cat", to: "images/dog", isFolder: true),
        ])
        #expect(consumer.catalog.content == ["images/dog/c.jpg": "a", "images/dog/more/b.jpg": "b"])
        // The folder is watched under its new name.
        drop.write("images/dog/more/d.jpg", "d")
        consumer.quiesce()
        #expect(consumer.files == ["images/dog/more/d.jpg"])
    }

    @Test func pendingFilesFollowTheirFolder() throws {
        drop.makeFolder("a/b")
        let consumer = try started(quickOptions { $0.settle = .milliseconds(300) })
        drop.write("a/b/x.jpg", "x")
        consumer.watcher.synchronise()
        drop.move("a", "c")
        consumer.quiesce()
        #expect(consumer.files == ["c/b/x.jpg"])
        #expect(consumer.catalog.content == ["c/b/x.jpg": "x"])
    }

    @Test func exchangedNamesEndWithTheRightContent() throws {
        drop.makeFolder("d")
        drop.makeFolder("e")
        for (path, text) in ["a.jpg": "a", "b.jpg": "b", "d/1.jpg": "d1", "e/1.jpg": "e1", "e/2.jpg": "e2"] { drop.write(path, text) }
        let consumer = try started()
        #expect(exchange(drop["a.jpg"], drop["b.jpg"]) == 0)
        #expect(exchange(drop["d"], drop["e"]) == 0)
        consumer.quiesce()
        #expect(consumer.catalog.content == ["a.jpg": "b", "b.jpg": "a", "d/1.jpg": "e1", "d/2.jpg": "e2", "e/1.jpg": "d1"])
    }

    @Test func whatTakesThePlaceOfAFolderThatLeftStays() throws {
        drop.makeFolder("a")
        drop.makeFolder("b")
        drop.write("a/1.jpg", "a1")
        drop.write("b/2.jpg", "b2")
        let consumer = try started()
        #expect(rename(drop["a"], outside["a"]) == 0)
        drop.move("b", "a")
        consumer.quiesce()
        #expect(consumer.catalog.content == ["a/2.jpg": "b2"])
        #expect(consumer.events == [.removed(path: "a", isFolder: true), .moved(from: "b", to: "a", isFolder: true)])
    }

    @Test func aFileJustChangedThatExchangesNamesWithAFolderIsRead() throws {
        drop.makeFolder("d")
        drop.write("d/1.jpg", "1")
        drop.write("f", "old")
        let consumer = try started()
        consumer.watcher.pauseReading(true)
        consumer.watcher.synchronise()
        drop.write("f", "new")
        #expect(exchange(drop["d"], drop["f"]) == 0)
        consumer.watcher.pauseReading(false)
        consumer.quiesce()
        #expect(consumer.catalog.content == ["d": "new", "f/1.jpg": "1"])
    }

    @Test func whatIsRenamedToAnIgnoredNameIsGone() throws {
        drop.write("a.jpg", "a")
        let consumer = try started()
        drop.move("a.jpg", ".a.jpg")
        consumer.quiesce()
        #expect(consumer.events == [.removed(path: "a.jpg", isFolder: false)])
    }

    @Test func announcedRemovalsRaiseNothing() throws {
        for name in ["a.jpg", "b.jpg", "c.jpg"] { drop.write(name, name) }
        let consumer = try started()
        consumer.watcher.willRemove("a.jpg")
        consumer.watcher.willRemove("b.jpg")
        let quarantine = Quarantine(folder: outside.path, dropFolder: drop.path)
        #expect(try quarantine.move("a.jpg") == outside["a.jpg"])
        unlink(drop["b.jpg"])
        unlink(drop["c.jpg"])
        consumer.quiesce()
        #expect(consumer.events == [.removed(path: "c.jpg", isFolder: false)])
    }

    @Test func aRestartDeliversOnlyWhatChangedAndTellsWhatIsGone() throws {
        let catalog = Catalog()
        drop.makeFolder("d")
        // "d-" and "d." sort around "d/": the walk and the catalog must agree on the order.
        for name in ["a.jpg", "d/b.jpg", "d/c.jpg", "d-.jpg", "d.jpg", "z.jpg"] { drop.write(name, name) }
        do {
            let first = try started(catalog: catalog)
            #expect(first.catalog.content.count == 6)
        }
        unlink(drop["d/c.jpg"])
        unlink(drop["z.jpg"])
        drop.write("d.jpg", "changed")
        drop.write("d/new.jpg", "new")
        let second = try Consumer(drop, catalog: catalog)
        second.until("scan") { $0.isScanFinished }
        second.quiesce()
        #expect(Set(second.files) == ["d.jpg", "d/new.jpg"])
        #expect(second.events.filter { if case .removed = $0 { true } else { false } }
            == [.removed(path: "d/c.jpg", isFolder: false), .removed(path: "z.jpg", isFolder: false)])
        #expect(catalog.content == drop.content())
    }

    @Test func aDropFolderDeletedAndMadeAnewIsWatchedAgain() throws {
        drop.write("a.jpg", "a")
        let consumer = try started()
        try FileManager.default.removeItem(atPath: drop.path)
        consumer.until("removal") { $0 == .removed(path: "a.jpg", isFolder: false) }
        mkdir(drop.path, 0o755)
        consumer.until("scan of the new folder") { $0.isScanFinished }
        drop.write("b.jpg", "b")
        consumer.quiesce()
        #expect(consumer.catalog.content == ["b.jpg": "b"])
        #expect(consumer.warnings.all == [.folderGone(path: drop.path), .folderBack(path: drop.path)])
    }

    @Test func aDropFolderRenamedAwayIsNotTakenAsDeleted() throws {
        drop.write("a.jpg", "a")
        let consumer = try started()
        let away = drop.path + "-away"
        #expect(rename(drop.path, away) == 0)
        while consumer.warnings.all.isEmpty { _ = consumer.step() }
        #expect(consumer.catalog.content == ["a.jpg": "a"])
        #expect(rename(away, drop.path) == 0)
        consumer.until("scan") { $0.isScanFinished }
        consumer.quiesce()
        #expect(consumer.files.isEmpty)
        #expect(consumer.catalog.content == ["a.jpg": "a"])
    }

    // MARK: Refused

    @Test func whatCanNeverBeADropIsRefusedWithItsReasonAndNeverHangs() throws {
        drop.makeFolder("d/e")
        drop.write("d/a.jpg", "a")
        outside.write("o.jpg", "o")
        #expect(mkfifo(drop["fifo"], 0o644) == 0)
        let links = [
            "out.jpg": outside["o.jpg"], "outdir": outside.path, "nowhere": "not-there", "inside.jpg": "d/a.jpg",
            "self": "self", "d/e/up": "../..", "d/sibling": "e",
        ]
        for (name, target) in links { #expect(symlink(target, drop[name]) == 0) }
        let consumer = try Consumer(drop)
        consumer.until("scan") { $0.isScanFinished }
        consumer.quiesce()
        #expect(mkfifo(drop["d/late-fifo.jpg"], 0o644) == 0)
        #expect(symlink("/etc/passwd", drop["d/passwd.jpg"]) == 0)
        consumer.quiesce()
        var refusals: [String: Refusal] = [:]
        for case let .refused(path, reason) in consumer.events {
            #expect(refusals.updateValue(reason, forKey: path) == nil, "\(path) refused twice")
        }
        #expect(refusals == [
            "fifo": .fifo, "d/late-fifo.jpg": .fifo,
            "out.jpg": .linkOutside(target: outside["o.jpg"]), "outdir": .linkOutside(target: outside.path),
            "d/passwd.jpg": .linkOutside(target: "/etc/passwd"), "nowhere": .linkToNothing(target: "not-there"),
            "self": .folderLoop(target: "self"), "d/e/up": .folderLoop(target: "../.."),
        ])
        #expect(consumer.catalog.content == ["d/a.jpg": "a"])
    }

    @Test func aNameThatIsNotTextIsRefused() throws {
        let consumer = try started()
        let name = Array((drop.path + "/caf").utf8) + [0xE9] + Array(".jpg".utf8) + [0]
        let file = name.withUnsafeBufferPointer { $0.withMemoryRebound(to: CChar.self) { open($0.baseAddress!, O_CREAT | O_WRONLY, 0o644) } }
        try #require(file >= 0)
        close(file)
        consumer.until("refusal") { $0 == .refused(path: "caf\u{FFFD}.jpg", reason: .nameNotText) }
    }

    @Test func namesThatDifferOnlyInUnicodeFormAreTwoFiles() throws {
        let consumer = try started()
        drop.write("caf\u{E9}.jpg", "composed")
        drop.write("cafe\u{301}.jpg", "decomposed")
        consumer.quiesce()
        #expect(consumer.files.map { Array($0.utf8) }.count == 2)
        #expect(Set(consumer.files.map { Array($0.utf8) }).count == 2)
    }

    // Root reads everything, so the watcher's thread checks its file accesses as another user.
    @Test func unreadableFilesAndFoldersAreRefusedAndTakenOnceTheyMayBeRead() throws {
        drop.makeFolder("d")
        drop.write("a.jpg", "a")
        drop.write("d/b.jpg", "b")
        chmod(drop["a.jpg"], 0o000)
        chmod(drop["d"], 0o000)
        let catalog = Catalog()
        let watcher = try DropWatcher(folder: drop.path, known: catalog, options: quickOptions())
        watcher.onThreadStart { setFileUser(65_534) }
        watcher.start()
        defer { watcher.stop() }
        var refusals: [String: Refusal] = [:]
        while refusals.count < 2, let event = watcher.next(timeout: .seconds(30)) {
            if case let .refused(path, reason) = event { refusals[path] = reason }
        }
        #expect(refusals == [
            "a.jpg": .unreadable(isFolder: false, reason: "Permission denied"),
            "d": .unreadable(isFolder: true, reason: "Permission denied"),
        ])
        chmod(drop["a.jpg"], 0o644)
        chmod(drop["d"], 0o755)
        var taken: Set<String> = []
        while taken.count < 2, let event = watcher.next(timeout: .seconds(30)) {
            if case let .file(file) = event {
                taken.insert(file.path)
                watcher.done(file)
            }
        }
        #expect(taken == ["a.jpg", "d/b.jpg"])
    }
}
