// When a file is taken, and that it is taken once.

import Foundation
import Ingest
import Testing

@Suite struct WatchSettleTests {
    let drop = TemporaryFolder()

    private func started(_ options: WatchOptions = quickOptions()) throws -> Consumer {
        let consumer = try Consumer(drop, options: options)
        consumer.until("first scan") { $0.isScanFinished }
        return consumer
    }

    @Test func aFileThatWasThereAtTheStartIsTaken() throws {
        drop.makeFolder("images/cat")
        drop.write("images/cat/a.jpg", "a")
        let consumer = try Consumer(drop)
        consumer.quiesce()
        #expect(consumer.catalog.content == ["images/cat/a.jpg": "a"])
        #expect(consumer.files == ["images/cat/a.jpg"])
    }

    @Test func aWrittenFileIsTakenOnceAfterItsLastByte() throws {
        let consumer = try started()
        let file = try #require(fopen(drop["a.jpg"], "w"))
        for piece in ["one ", "two ", "three"] {
            fputs(piece, file)
            fflush(file)
            // Longer than the settle time with the file open: the writer only pauses.
            let pause = ContinuousClock.now + .milliseconds(150)
            while ContinuousClock.now < pause { _ = consumer.step() }
        }
        #expect(consumer.files.isEmpty)
        #expect(consumer.watcher.snapshotOfPending() == 1)
        fclose(file)
        consumer.quiesce()
        #expect(consumer.files == ["a.jpg"])
        #expect(consumer.catalog.content == ["a.jpg": "one two three"])
    }

    @Test func aWriterThatOpenedBeforeTheStartIsWaitedFor() throws {
        let file = try #require(fopen(drop["a.jpg"], "w"))
        fputs("half", file)
        fflush(file)
        let consumer = try started()
        let pause = ContinuousClock.now + .milliseconds(300)
        while ContinuousClock.now < pause { _ = consumer.step() }
        #expect(consumer.files.isEmpty)
        fputs(" and half", file)
        fclose(file)
        consumer.quiesce()
        #expect(consumer.catalog.content == ["a.jpg": "half and half"])
        #expect(consumer.files == ["a.jpg"])
    }

    @Test func closingSeveralTimesWithinTheSettleTimeIsOneDrop() throws {
        let consumer = try started(quickOptions { $0.settle = .milliseconds(400) })
        for text in ["1", "1 2", "1 2 3"] {
            drop.write("scan.png", text)
            let pause = ContinuousClock.now + .milliseconds(50)
            while ContinuousClock.now < pause { _ = consumer.step() }
        }
        consumer.quiesce()
        #expect(consumer.files == ["scan.png"])
        #expect(consumer.catalog.content == ["scan.png": "1 2 3"])
    }

    @Test func namesOfUnfinishedFilesWaitForTheirRename() throws {
        let consumer = try started()
        let unfinished = ["a.jpg.part", "b.filepart", "c.crdownload", "d.TMP", "e~", ".hidden.jpg", "~$f.jpg"]
        for name in unfinished { drop.write(name, name) }
        consumer.quiesce()
        #expect(consumer.files.isEmpty)
        for name in unfinished { drop.move(name, "done-\(unfinished.firstIndex(of: name)!).jpg") }
        consumer.quiesce()
        #expect(Set(consumer.files) == Set((0..<7).map { "done-\($0).jpg" }))
        #expect(!consumer.events.contains { if case .moved = $0 { true } else { false } })
    }

    @Test func aRenamedOrLinkedFileIsTakenLongBeforeTheSettleTime() throws {
        let outside = TemporaryFolder()
        let consumer = try started(quickOptions { $0.settle = .seconds(60) })
        outside.write("x", "linked")
        drop.write(".x.part", "renamed")
        #expect(link(outside["x"], drop["linked.jpg"]) == 0)
        drop.move(".x.part", "renamed.jpg")
        consumer.until("linked") { _ in consumer.catalog.content.count == 2 }
        #expect(consumer.catalog.content == ["linked.jpg": "linked", "renamed.jpg": "renamed"])
    }

    @Test func aLateRenameOfAPendingFileIsOneDropUnderTheNewName() throws {
        let consumer = try started(quickOptions { $0.settle = .milliseconds(500) })
        drop.write("a.jpg", "a")
        drop.move("a.jpg", "b.jpg")
        consumer.quiesce()
        #expect(consumer.events.filter { !$0.isScanFinished }.count == 1)
        #expect(consumer.files == ["b.jpg"])
    }

    @Test func overwritingInPlaceIsADropAgain() throws {
        let consumer = try started()
        drop.write("a.jpg", "old")
        consumer.quiesce()
        drop.write("a.jpg", "new")
        consumer.quiesce()
        #expect(consumer.files == ["a.jpg", "a.jpg"])
        #expect(consumer.catalog.content == ["a.jpg": "new"])
    }

    @Test func readingAndOpeningForWritingWithoutAChangeRaiseNothing() throws {
        let consumer = try started()
        drop.makeFolder("d")
        drop.write("d/a.jpg", "a")
        consumer.quiesce()
        consumer.forgetEvents()
        for _ in 0..<20 {
            #expect(readRegular(drop["d/a.jpg"]) == "a")
            _ = try FileManager.default.contentsOfDirectory(atPath: drop["d"])
            let file = try #require(fopen(drop["d/a.jpg"], "r+"))
            fclose(file)
            chmod(drop["d/a.jpg"], 0o640)
        }
        consumer.quiesce()
        #expect(consumer.events.isEmpty)
    }

    @Test func anEmptyFileWaitsForItsWriterAndIsTakenInTheEnd() throws {
        let consumer = try started(quickOptions { $0.settleEmpty = .milliseconds(400) })
        drop.write("a.jpg", "")
        let pause = ContinuousClock.now + .milliseconds(200)
        while ContinuousClock.now < pause { _ = consumer.step() }
        #expect(consumer.files.isEmpty)
        consumer.quiesce()
        #expect(consumer.files == ["a.jpg"])
    }

    @Test func aPostponedFileComesAgainWithItsSecondAttempt() throws {
        let watcher = try DropWatcher(folder: drop.path, options: quickOptions())
        watcher.start()
        defer { watcher.stop() }
        drop.write("a.jpg", "half")
        var attempts: [Int] = []
        while attempts.count < 2, let event = watcher.next(timeout: .seconds(30)) {
            guard case let .file(file) = event else { continue }
            attempts.append(file.attempt)
            if file.attempt == 1 { watcher.postpone(file, rest: .milliseconds(50)) } else { watcher.done(file) }
        }
        #expect(attempts == [1, 2])
        watcher.synchronise()
        #expect(watcher.snapshotOfPending() == 0)
    }

    @Test func aFileRenamedWhileTheConsumerHasItComesAgainUnderItsNewName() throws {
        let watcher = try DropWatcher(folder: drop.path, options: quickOptions())
        watcher.start()
        defer { watcher.stop() }
        drop.makeFolder("d")
        drop.write("d/a.jpg", "a")
        var paths: [String] = []
        while paths.count < 2, let event = watcher.next(timeout: .seconds(30)) {
            guard case let .file(file) = event else { continue }
            paths.append(file.path)
            if file.path == "d/a.jpg" {
                drop.move("d", "e")
                watcher.synchronise()
                watcher.vanished(file)
            } else {
                watcher.done(file)
            }
        }
        #expect(paths == ["d/a.jpg", "e/a.jpg"])
    }

    @Test func aFreshDropOvertakesABacklog() throws {
        for i in 0..<2000 { drop.write("old-\(i).jpg", "\(i)") }
        var options = quickOptions()
        options.deliveriesMax = 8
        let watcher = try DropWatcher(folder: drop.path, options: options)
        watcher.start()
        defer { watcher.stop() }
        var taken = 0, before: Int?
        while before == nil, let event = watcher.next(timeout: .seconds(30)) {
            guard case let .file(file) = event else { continue }
            watcher.done(file)
            taken += 1
            if file.path == "fresh.jpg" { before = taken }
            if taken == 20 {
                drop.write(".fresh.part", "fresh")
                drop.move(".fresh.part", "fresh.jpg")
            }
            // A consumer at work, so that the fresh file has time to settle.
            if taken > 20 { usleep(2000) }
        }
        let position = try #require(before)
        #expect(position < 500, "came as number \(position) of 2001")
    }

    @Test func recordsAreBoundedAndNothingIsLostBehindTheBound() throws {
        for i in 0..<500 { drop.write("\(i).jpg", "\(i)") }
        let consumer = try Consumer(drop, options: quickOptions { $0.recordsMax = 40 })
        var most = 0
        while consumer.catalog.content.count < 500 {
            guard consumer.step(timeout: .seconds(10)) != nil else { break }
            most = max(most, consumer.watcher.snapshotOfPending())
        }
        consumer.quiesce()
        #expect(consumer.catalog.content == drop.content())
        #expect(most <= 41)
    }
}
