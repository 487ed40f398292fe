// Where inotify ends: its queue overflows, its watches run out, the file system tells nothing.

import Foundation
import Ingest
import Testing

@Suite struct WatchLimitTests {
    let drop = TemporaryFolder()

    private func started(_ options: WatchOptions = quickOptions()) throws -> Consumer {
        let consumer = try Consumer(drop, options: options)
        consumer.until("first scan") { $0.isScanFinished }
        consumer.quiesce()
        consumer.forgetEvents()
        return consumer
    }

    // The kernel's real queue, overflowed: nobody reads while more happens than it holds.
    @Test func anOverflowIsAnsweredByARescanThatMissesNothing() throws {
        drop.makeFolder("old")
        drop.makeFolder("gone")
        for i in 0..<50 {
            drop.write("old/\(i).jpg", "old \(i)")
            drop.write("gone/\(i).jpg", "gone \(i)")
        }
        let consumer = try started()
        let limit = Int(try String(contentsOfFile: "/proc/sys/fs/inotify/max_queued_events", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)) ?? 16_384
        consumer.watcher.pauseReading(true)
        consumer.watcher.synchronise()
        drop.makeFolder("noise")
        drop.write("noise/a", "")
        drop.write("noise/b", "")
        for _ in 0..<(limit / 2 + 100) {  // alternating, since equal events in a row are merged
            utimes(drop["old/0.jpg"], nil)
            utimes(drop["old/1.jpg"], nil)
        }
        // None of this can be in the queue any more.
        drop.makeFolder("new/deep")
        for i in 0..<50 { drop.write("new/deep/\(i).jpg", "new \(i)") }
        drop.write("old/7.jpg", "changed")
        drop.move("old/8.jpg", "new/8.jpg")
        unlink(drop["old/9.jpg"])
        try FileManager.default.removeItem(atPath: drop["gone"])
        drop.write("noise/a", "a")
        unlink(drop["noise/b"])
        consumer.watcher.pauseReading(false)
        consumer.until("rescan") { $0.isScanFinished }
        consumer.quiesce()
        #expect(consumer.warnings.all == [.overflow])
        #expect(consumer.catalog.content == drop.content())
        // Untouched files are not told again: 0 and 1 have new times, 7 new content, 8 a new place.
        #expect(Set(consumer.files.filter { $0.hasPrefix("old/") }) == ["old/0.jpg", "old/1.jpg", "old/7.jpg"])
        // And it goes on watching.
        drop.write("new/deep/last.jpg", "last")
        consumer.quiesce()
        #expect(consumer.catalog.content == drop.content())
    }

    @Test func filesWithTheConsumerDuringARescanAreNotDeliveredTwice() throws {
        let watcher = try DropWatcher(folder: drop.path, options: quickOptions())
        watcher.start()
        defer { watcher.stop() }
        drop.write("a.jpg", "a")
        var held: DroppedFile?
        while held == nil, let event = watcher.next(timeout: .seconds(30)) {
            if case let .file(file) = event { held = file }
        }
        let file = try #require(held)
        watcher.requestRescan()
        while let event = watcher.next(timeout: .seconds(30)), !event.isScanFinished {
            #expect(!event.isFile("a.jpg"))
        }
        watcher.synchronise()
        #expect(watcher.snapshotOfPending() == 0)
        watcher.done(file)
    }

    @Test func withoutWatchesThePartIsPolledWithAWarning() throws {
        for i in 0..<5 { drop.makeFolder("d\(i)/e") }
        let consumer = try started(quickOptions { $0.watchesMax = 4 })
        let warning = try #require(consumer.warnings.all.first)
        #expect(consumer.warnings.all.count == 1)
        #expect(warning.description.contains("/proc/sys/fs/inotify/max_user_watches"))
        for i in 0..<5 { drop.write("d\(i)/e/x.jpg", "\(i)") }
        consumer.converge()
        drop.write("d4/e/x.jpg", "changed")
        drop.move("d3/e/x.jpg", "d3/y.jpg")
        unlink(drop["d2/e/x.jpg"])
        drop.move("d1", "renamed")
        drop.makeFolder("late/folder")
        drop.write("late/folder/z.jpg", "z")
        consumer.converge()
    }

    @Test func pollingFindsWhatIsNewChangedMovedAndGone() throws {
        drop.makeFolder("a/b")
        drop.write("a/b/1.jpg", "1")
        let consumer = try started(quickOptions { $0.mode = .poll })
        #expect(consumer.catalog.content == ["a/b/1.jpg": "1"])
        drop.write("a/b/2.jpg", "2")
        drop.write("a/b/1.jpg", "one")
        consumer.converge()
        drop.move("a/b", "c")
        consumer.converge()
        unlink(drop["c/1.jpg"])
        consumer.converge()
        // Quiet folders raise nothing, however often they are looked at.
        consumer.forgetEvents()
        let pause = ContinuousClock.now + .milliseconds(300)
        while ContinuousClock.now < pause { _ = consumer.step() }
        #expect(consumer.events.isEmpty)
    }

    @Test func scansDoNotRepeatWhatTheCatalogKeepsNoPathOf() throws {
        drop.makeFolder("saes")
        drop.write("saes/a.pt", "a")
        let polling = try started(quickOptions { $0.mode = .poll })
        let pause = ContinuousClock.now + .milliseconds(300)
        while ContinuousClock.now < pause { _ = polling.step() }
        #expect(polling.events.isEmpty)
        drop.write("saes/a.pt", "changed")
        polling.until("change") { $0.isFile("saes/a.pt") }
        unlink(drop["saes/a.pt"])
        polling.until("removal") { $0 == .removed(path: "saes/a.pt", isFolder: false) }

        drop.write("saes/b.pt", "b")
        let watching = try started()
        watching.watcher.requestRescan()
        watching.until("rescan") { $0.isScanFinished }
        watching.quiesce()
        #expect(watching.events == [.scanFinished])
    }

    @Test func aPolledFileThatGrowsIsTakenWhenItRests() throws {
        let consumer = try started(quickOptions { $0.mode = .poll; $0.settlePolled = .milliseconds(150) })
        let file = try #require(fopen(drop["a.jpg"], "w"))
        for _ in 0..<10 {
            fputs("more ", file)
            fflush(file)
            let pause = ContinuousClock.now + .milliseconds(40)
            while ContinuousClock.now < pause { _ = consumer.step() }
        }
        fclose(file)
        consumer.converge()
        #expect(consumer.files == ["a.jpg"])
    }

    @Test func onRequestAPolledPathIsLookedAtNow() throws {
        let consumer = try started(quickOptions { $0.mode = .poll; $0.pollInterval = .seconds(3600) })
        drop.makeFolder("a/b")
        drop.write("a/b/1.jpg", "1")
        consumer.watcher.look(at: "a/b/1.jpg")
        consumer.quiesce()
        #expect(consumer.catalog.content == ["a/b/1.jpg": "1"])
    }

    @Test func stopEndsTheConsumersWait() throws {
        let watcher = try DropWatcher(folder: drop.path)
        watcher.start()
        Thread { watcher.stop() }.start()
        while watcher.next() != nil {}
        watcher.stop()
        watcher.synchronise()
    }

    @Test func aMissingFolderIsAnErrorThatSaysSo() {
        #expect(throws: WatchError.self) { try DropWatcher(folder: "/not/there") }
        let error = WatchError.notAFolder(path: "/not/there", reason: "No such file or directory")
        #expect(error.description == "the drop folder '/not/there' cannot be watched (No such file or directory); create it and let this user read it")
    }
}
