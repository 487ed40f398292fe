// The faults that a store must survive: a full disk at any byte, a failing sync, a kill between bytes and
// catalog row, cut and flipped bytes, files of a later version or of someone else, two processes.

import Basics
import Foundation
import GRDB
import Store
import Testing

/// What disks and people do to files.
enum Damage {
    static func truncate(_ path: String, to size: Int) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.truncate(atOffset: UInt64(size))
        try file.close()
    }

    static func append(_ path: String, _ bytes: [UInt8]) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: bytes)
        try file.close()
    }

    static func flip(_ path: String, at offset: Int) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.seek(toOffset: UInt64(offset))
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: UInt64(offset))
        try file.write(contentsOf: [byte ^ 0x40])
        try file.close()
    }

    static func size(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
    }
}

@Suite struct FaultTests {
    /// A store of eight images, four in a sealed segment; returns ids by name.
    private func filled(_ folder: String, faults: FaultInjector? = nil) throws -> (Fixture, [ImageRecord.ID]) {
        var options = StoreOptions()
        options.sealImages = 4
        options.faults = faults
        let fixture = try Fixture(folder, options: options)
        let ids = try (0..<8).map { try fixture.addImage("n\($0)").image.id }
        try fixture.store.append((0..<7).map { fixture.snapshot("n\($0)") }, to: fixture.view.id)
        return (fixture, ids)
    }

    @Test(arguments: [0, 1, 100, 1000, 3000]) func aFullDiskIsATypedErrorAndTheStoreGoesOn(bytes: Int) throws {
        let folder = try TemporaryFolder()
        let faults = FaultInjector(code: ENOSPC)
        let (fixture, _) = try filled(folder.path, faults: faults)
        let file = folder.path + "/segments/1/2.seg"
        let size = try Damage.size(file)
        faults.fail(afterBytes: bytes)
        try fixture.addImage("n8")
        let batch = ["n7", "n8"].map { fixture.snapshot($0, density: 0.5) }
        #expect(throws: StoreError.diskFull(file: file)) { try fixture.store.append(batch, to: fixture.view.id) }
        #expect(try Damage.size(file) == size)
        #expect(try fixture.store.counts(of: fixture.view.id).images == 7)
        faults.fail(afterBytes: nil)
        #expect(try fixture.store.append(batch, to: fixture.view.id) == 2)
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 9))
    }

    @Test func aFailingSyncCommitsNothing() throws {
        let folder = try TemporaryFolder()
        let faults = FaultInjector(code: EIO)
        let (fixture, ids) = try filled(folder.path, faults: faults)
        faults.failSync(true)
        #expect(throws: StoreError.io(operation: "fdatasync", file: folder.path + "/segments/1/2.seg", errno: EIO, message: "Input/output error")) {
            try fixture.store.append([fixture.snapshot("n7")], to: fixture.view.id)
        }
        faults.failSync(false)
        #expect(try !fixture.store.hasSnapshot(of: ids[7], in: fixture.view.id))
        #expect(try fixture.store.append([fixture.snapshot("n7")], to: fixture.view.id) == 1)
        #expect(try fixture.store.snapshot(of: ids[7], in: fixture.view.id) != nil)
    }

    @Test func aSealThatFailsIsTriedAgain() throws {
        let folder = try TemporaryFolder()
        let faults = FaultInjector(code: ENOSPC)
        let (fixture, _) = try filled(folder.path, faults: faults)
        // Room for the frames of one more image, which fills the segment, but not for its index.
        let frame = try Damage.size(folder.path + "/segments/1/2.seg") / 2
        faults.fail(afterBytes: frame)
        #expect(try fixture.store.append([fixture.snapshot("n7")], to: fixture.view.id) == 1)
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/segments/1/2.idx"))
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/segments/1/2.idx.tmp"))
        faults.fail(afterBytes: nil)
        try fixture.addImage("n8")
        #expect(try fixture.store.append([fixture.snapshot("n8")], to: fixture.view.id) == 1)
        #expect(FileManager.default.fileExists(atPath: folder.path + "/segments/1/2.idx"))
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 9))
    }

    @Test func aKillAtAnyMomentKeepsWhatWasCommitted() throws {
        // The files as they are between two calls, copied without a word to the store, are what a kill leaves.
        let folder = try TemporaryFolder(), copies = try TemporaryFolder()
        var options = StoreOptions()
        options.sealImages = 4
        let fixture = try Fixture(folder.path, options: options)
        for n in 0..<10 {
            try fixture.addImage("n\(n)")
            try fixture.store.append([fixture.snapshot("n\(n)")], to: fixture.view.id)
            if n == 5 { try fixture.store.removePath("images/n2.png") }
            let copy = copies.path + "/\(n)"
            try FileManager.default.copyItem(atPath: folder.path, toPath: copy)
            let store = try Store.open(folder: copy, options: options)
            #expect(store.recovery.isClean)
            #expect(try store.verify(fixture.view.id) == VerifyReport(snapshots: n + 1))
            #expect(try store.counts(of: fixture.view.id).images == (n < 5 ? n + 1 : n))
            #expect(try store.imagesLackingSnapshot(in: fixture.view.id).isEmpty)
            try store.close()
        }
    }

    @Test func bytesThatTheCatalogDoesNotNameAreCutOff() throws {
        let folder = try TemporaryFolder()
        do { try filled(folder.path).0.store.close() }
        // A whole, valid frame: what a kill between sync and catalog row leaves.
        let file = folder.path + "/segments/1/2.seg"
        let size = try Damage.size(file)
        let frames = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file))[128...])
        try Damage.append(file, frames)
        let fixture = try Fixture(folder.path)
        #expect(fixture.store.recovery.truncated == ["1/2.seg": frames.count])
        #expect(try Damage.size(file) == size)
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 7))
        #expect(try fixture.store.append([fixture.snapshot("n7")], to: fixture.view.id) == 1)
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 8))
    }

    @Test(arguments: ["2.seg", "1.seg"]) func aSegmentCutShortLosesOnlyWhatWasCut(name: String) throws {
        let folder = try TemporaryFolder()
        let ids: [ImageRecord.ID]
        do {
            let (fixture, all) = try filled(folder.path)
            ids = all
            try fixture.store.close()
        }
        let file = folder.path + "/segments/1/" + name
        try Damage.truncate(file, to: try Damage.size(file) - 1)
        let fixture = try Fixture(folder.path)
        #expect(fixture.store.recovery.short == ["1/" + name])
        let lost = name == "1.seg" ? 3 : 6
        #expect(fixture.store.damaged == [DamagedSnapshot(view: fixture.view.id, image: ids[lost])])
        let report = try fixture.store.verify(fixture.view.id)
        #expect(report.damaged == [DamagedSnapshot(view: fixture.view.id, image: ids[lost])])
        // It is encoded anew: forgotten, listed as lacking, appended to a new segment.
        #expect(try fixture.store.discardDamaged() == 1)
        #expect(try fixture.store.imagesLackingSnapshot(in: fixture.view.id).map(\.id) == [ids[7], ids[lost]])
        #expect(try fixture.store.append([fixture.snapshot("n\(lost)")], to: fixture.view.id) == 1)
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 7))
        try fixture.store.close()
        let again = try Fixture(folder.path)
        #expect(try again.store.verify(again.view.id) == VerifyReport(snapshots: 7))
    }

    /// As a copy has it that was made while images were removed: the catalog from before, the segments from after.
    @Test(arguments: ["1.seg", "2.seg"]) func aSegmentWhoseFileIsGoneLosesItsSnapshotsAndNoOthers(name: String) throws {
        let folder = try TemporaryFolder()
        do { try filled(folder.path).0.store.close() }
        unlink(folder.path + "/segments/1/" + name)
        let fixture = try Fixture(folder.path)
        #expect(fixture.store.recovery.short == ["1/" + name])
        let lacking = try fixture.store.imagesLackingSnapshot(in: fixture.view.id).count
        let kept = try fixture.store.verify(fixture.view.id)
        #expect(kept == VerifyReport(snapshots: 8 - lacking) && lacking > 1)
        for image in 0..<8 { _ = try fixture.store.append([fixture.snapshot("n\(image)")], to: fixture.view.id) }
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 8))
        try fixture.store.close()
        let again = try Fixture(folder.path)
        #expect(again.store.recovery.short == [])
        #expect(try again.store.verify(again.view.id) == VerifyReport(snapshots: 8))
    }

    /// A folder of another owner, a failing disk: nothing says that the snapshots are gone.
    @Test func aSegmentThatCantBeLookedAtIsNotGone() throws {
        let folder = try TemporaryFolder()
        do { try filled(folder.path).0.store.close() }
        let file = folder.path + "/segments/1/1.seg"
        #expect(rename(file, file + ".away") == 0 && symlink("1.seg", file) == 0)
        #expect(throws: StoreError.self) { try Fixture(folder.path) }
        #expect(rename(file + ".away", file) == 0)
        let fixture = try Fixture(folder.path)
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 7))
    }

    /// Met by a slow reader, and encoded anew before it was told.
    @Test func whatReadsWellAgainIsNotForgotten() throws {
        let folder = try TemporaryFolder()
        let (fixture, ids) = try filled(folder.path)
        let file = folder.path + "/segments/1/1.seg"
        try Damage.flip(file, at: 128 + 40)
        #expect(throws: StoreError.self) { try fixture.store.snapshot(of: ids[0], in: fixture.view.id) }
        #expect(fixture.store.damaged.count == 1)
        try Damage.flip(file, at: 128 + 40)
        #expect(try fixture.store.discardDamaged() == 0 && fixture.store.damaged.isEmpty)
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 7))
    }

    @Test func everyFlippedByteOfASegmentIsFoundAndNothingElseIsLost() throws {
        let folder = try TemporaryFolder()
        do { try filled(folder.path).0.store.close() }
        let file = folder.path + "/segments/1/2.seg"
        var random = Seeded(11)
        for _ in 0..<12 {
            let offset = Int.random(in: 128..<(try Damage.size(file)), using: &random)
            try Damage.flip(file, at: offset)
            do {
                let fixture = try Fixture(folder.path)
                let report = try fixture.store.verify(fixture.view.id)
                #expect(report.damaged.count == 1, "byte \(offset)")
                #expect(fixture.store.damaged.count == 1)
                #expect(try fixture.store.postings(of: 3, in: fixture.view.id).images == 6, "byte \(offset)")
                try fixture.store.close()
            }
            try Damage.flip(file, at: offset)
        }
    }

    @Test(arguments: [5, 40, 200, 1500, -20, -700]) func aDamagedIndexIsMadeAgain(offset: Int) throws {
        let folder = try TemporaryFolder()
        do { try filled(folder.path).0.store.close() }
        let file = folder.path + "/segments/1/1.idx"
        let good = try Data(contentsOf: URL(fileURLWithPath: file))
        try Damage.flip(file, at: offset < 0 ? good.count + offset : offset)
        let fixture = try Fixture(folder.path)
        for latent in 0..<200 { _ = try fixture.store.postings(of: latent, in: fixture.view.id) }
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 7))
        #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == good)
    }

    @Test func aMissingIndexIsMadeAgain() throws {
        let folder = try TemporaryFolder()
        do { try filled(folder.path).0.store.close() }
        try FileManager.default.removeItem(atPath: folder.path + "/segments/1/1.idx")
        let fixture = try Fixture(folder.path)
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 7))
    }

    @Test func laterVersionsAreRefusedByName() throws {
        let folder = try TemporaryFolder()
        do { try filled(folder.path).0.store.close() }
        let segment = folder.path + "/segments/1/2.seg", catalog = folder.path + "/catalog.sqlite"
        try Damage.flip(segment, at: 9)  // version 1 becomes 16385
        #expect(throws: StoreError.newerVersion(file: segment, found: 0x4001, supported: 1)) { try Store.open(folder: folder.path) }
        try Damage.flip(segment, at: 9)
        try Damage.flip(catalog, at: 62)  // user_version, big-endian
        #expect(throws: StoreError.newerVersion(file: catalog, found: 0x4001, supported: 1)) { try Store.open(folder: folder.path) }
        try Damage.flip(catalog, at: 62)
        #expect(StoreError.newerVersion(file: "a.seg", found: 2, supported: 1).description
            == "'a.seg': written by a later saed (format 2, this one reads up to 1); update saed")
        _ = try Store.open(folder: folder.path)
    }

    @Test func aLaterVersionThatIsStillInTheWALIsRefused() throws {
        let folder = try TemporaryFolder()
        do { try filled(folder.path).0.store.close() }
        let catalog = folder.path + "/catalog.sqlite"
        // As a kill leaves the files of a later saed that had just raised the version.
        let later = try DatabasePool(path: catalog)
        try later.write { try $0.execute(sql: "PRAGMA user_version = 2") }
        let copy = try TemporaryFolder()
        for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
            try FileManager.default.copyItem(atPath: "\(folder.path)/\(name)", toPath: "\(copy.path)/\(name)")
        }
        let header = try Data(contentsOf: URL(fileURLWithPath: copy.path + "/catalog.sqlite")), wal = try Data(contentsOf: URL(fileURLWithPath: copy.path + "/catalog.sqlite-wal"))
        #expect(header[63] == 1)
        #expect(throws: StoreError.newerVersion(file: copy.path + "/catalog.sqlite", found: 2, supported: 1)) { try Store.open(folder: copy.path) }
        #expect(try Data(contentsOf: URL(fileURLWithPath: copy.path + "/catalog.sqlite")) == header)
        #expect(try Data(contentsOf: URL(fileURLWithPath: copy.path + "/catalog.sqlite-wal")) == wal)
    }

    @Test func aLaterVersionIsRefusedBeforeAnythingIsChanged() throws {
        let folder = try TemporaryFolder()
        do { try filled(folder.path).0.store.close() }
        // An uncommitted tail in one segment, a later version in the other.
        let tailed = folder.path + "/segments/1/1.seg"
        try Damage.append(tailed, [1, 2, 3])
        let size = try Damage.size(tailed)
        try Damage.flip(folder.path + "/segments/1/2.seg", at: 9)
        #expect(throws: StoreError.self) { try Store.open(folder: folder.path) }
        #expect(try Damage.size(tailed) == size)
    }

    @Test func aSegmentThatGotNoFrameIsForgotten() throws {
        let folder = try TemporaryFolder()
        let faults = FaultInjector(code: ENOSPC)
        do {
            let (fixture, _) = try filled(folder.path, faults: faults)
            try fixture.store.append([fixture.snapshot("n7")], to: fixture.view.id)
            try fixture.addImage("n8")
            // Room for the next segment's header, not for a frame.
            faults.fail(afterBytes: 128)
            #expect(throws: StoreError.self) { try fixture.store.append([fixture.snapshot("n8")], to: fixture.view.id) }
            try fixture.store.close()
        }
        // As a power cut leaves it that came between the catalog's row and the file.
        try FileManager.default.removeItem(atPath: folder.path + "/segments/1/3.seg")
        let fixture = try Fixture(folder.path)
        #expect(fixture.store.recovery.isClean)
        #expect(try fixture.store.append([fixture.snapshot("n8")], to: fixture.view.id) == 1)
        #expect(try fixture.store.verify(fixture.view.id) == VerifyReport(snapshots: 9))
    }

    @Test func anotherProgramsFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        let catalog = folder.path + "/catalog.sqlite"
        try Data("not a database, but long enough to look like one: \(String(repeating: "x", count: 100))".utf8)
            .write(to: URL(fileURLWithPath: catalog))
        #expect(throws: StoreError.notAStoreFile(file: catalog, reason: "it is no SQLite database")) {
            try Store.open(folder: folder.path)
        }
    }

    @Test func aSecondOpenerIsRefusedAndToldTheFirstsPid() throws {
        let folder = try TemporaryFolder()
        let store = try Store.open(folder: folder.path)
        #expect(throws: StoreError.locked(folder: folder.path, pid: getpid())) { try Store.open(folder: folder.path) }
        try store.close()
        _ = try Store.open(folder: folder.path)
        #expect(throws: StoreError.closed) { try store.counts(of: .init(rawValue: 1)) }
    }

    /// A program that is being started holds copies of every descriptor until it begins.
    @Test func aClosedStoreOpensAgainWhileAStartingProgramHoldsCopiesOfItsDescriptors() throws {
        let folder = try TemporaryFolder()
        let store = try Store.open(folder: folder.path)
        let locks = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap(Int32.init).filter {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == folder.path + "/LOCK"
        }
        #expect(locks.count == 1)
        let copies = locks.map { dup($0) }
        defer { copies.forEach { close($0) } }
        try store.close()
        #expect(throws: Never.self) { try Store.open(folder: folder.path).close() }
    }

    @Test func filesThatTheCatalogDoesNotNameAreReportedAndLeftAlone() throws {
        let folder = try TemporaryFolder()
        do { try filled(folder.path).0.store.close() }
        let stray = folder.path + "/segments/1/99.seg"
        try Data("who put this here".utf8).write(to: URL(fileURLWithPath: stray))
        try Data("half an index".utf8).write(to: URL(fileURLWithPath: folder.path + "/segments/1/2.idx.tmp"))
        let fixture = try Fixture(folder.path)
        #expect(fixture.store.recovery.unnamed == ["1/99.seg"])
        #expect(FileManager.default.fileExists(atPath: stray))
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/segments/1/2.idx.tmp"))
    }
}
