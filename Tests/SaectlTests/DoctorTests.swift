// What the doctor makes of what it sees: every case played, so that none needs a broken machine. The unreachable cases on
// a real machine are SystemTests/DoctorTests.swift.

import SaectlKit
import Testing

@Suite struct DoctorTests {
    private let ada = Identity(user: 1000, groups: [1000, 27], name: "ada")
    private let saed = Identity(user: 990, groups: [990], name: "saed")

    private func folder(_ path: String, _ mode: UInt32, group: (UInt32, String) = (0, "root")) -> FileFacts {
        FileFacts(path: path, kind: .folder, mode: mode, owner: 0, group: group.0, ownerName: "root", groupName: group.1)
    }

    /// The system's socket, as its unit makes it.
    private func socket(_ error: Int32?, mode: UInt32 = 0o660, change: (inout SocketFacts) -> Void = { _ in }) -> SocketFacts {
        var facts = SocketFacts(path: "/run/saed/saed.sock", start: "start one")
        facts.folders = [folder("/", 0o755), folder("/run", 0o755), folder("/run/saed", 0o755)]
        facts.file = FileFacts(path: facts.path, kind: .socket, mode: mode, owner: 0, group: 990, ownerName: "root", groupName: "saed")
        facts.error = error
        change(&facts)
        return facts
    }

    private func found(_ facts: SocketFacts, listed: Identity? = nil, units: Bool = true) -> [Finding] {
        Doctor.findings(facts, ada, listed: listed ?? ada, units: units ? UnitNames(socket: facts.path, runtimeFolder: nil) : nil)
    }

    private func expect(_ findings: [Finding], _ check: String, _ state: Finding.State, _ text: String, _ remedy: String, _ location: SourceLocation = #_sourceLocation) {
        let first = findings.first
        #expect(first?.check == check && first?.state == state, sourceLocation: location)
        #expect(first?.text == text, sourceLocation: location)
        #expect(first?.remedy == remedy, sourceLocation: location)
    }

    // MARK: the socket

    @Test func aSocketThatAnswersIsWell() { expect(found(socket(nil)), "socket", .ok, "a daemon answers at '/run/saed/saed.sock'", "") }

    @Test func whoIsNotInTheSocketsGroupIsToldHowToJoin() {
        expect(
            found(socket(13)), "permissions", .bad,
            "the socket '/run/saed/saed.sock' (srw-rw---- root saed) may not be opened by 'ada': it is not in the group 'saed', whose members may",
            "sudo usermod -aG saed ada, then log out and in again")
    }

    /// The commonest of all: added, and still in the old login.
    @Test func whoJoinedAfterLoggingInIsToldToLogInAgain() {
        var later = ada
        later.groups.insert(990)
        expect(
            found(socket(13), listed: later), "permissions", .bad,
            "the socket '/run/saed/saed.sock' (srw-rw---- root saed) may not be opened by 'ada': it is in the group 'saed', but this login began before that",
            "log out and in again; in this terminal alone: newgrp saed")
    }

    @Test func aSocketThatItsGroupMayNotOpenIsTheUnitsFault() {
        expect(
            found(socket(13, mode: 0o600)), "permissions", .bad, "the socket '/run/saed/saed.sock' (srw------- root saed) may not be opened by 'ada'",
            "let its group in: SocketMode=0660 in the socket's unit, or sudo chmod g+rw /run/saed/saed.sock")
    }

    @Test func aFolderOnTheWayThatMayNotBeEnteredIsNamed() {
        let closed = socket(13) {
            $0.folders[2] = folder("/run/saed", 0o700)
            $0.file = nil
        }
        expect(
            found(closed), "permissions", .bad, "no daemon can be asked: the folder '/run/saed' (drwx------ root root) may not be entered by 'ada'",
            "sudo chmod o+x /run/saed")
        let groups = socket(13) {
            $0.folders[2] = folder("/run/saed", 0o750, group: (990, "saed"))
            $0.file = nil
        }
        #expect(found(groups).first?.remedy == "sudo usermod -aG saed ada, then log out and in again")
    }

    @Test func aSocketThatAKilledDaemonLeftIsTold() {
        expect(
            found(socket(111)), "socket", .bad, "no daemon answers at '/run/saed/saed.sock': its file is there, but nobody listens: a daemon was killed and left it",
            "sudo systemctl restart saed.socket saed.service; journalctl -u saed says what ended it (the file is replaced)")
        #expect(found(socket(111), units: false).first?.remedy == "start one (the file is replaced)")
    }

    @Test func whatIsMissingIsNamed() {
        expect(
            found(socket(2) { $0.file = nil }), "socket", .bad, "no daemon answers at '/run/saed/saed.sock': there is no such socket",
            "sudo systemctl enable --now saed.socket")
        expect(
            found(socket(2) { $0.file = nil; $0.missingFolder = "/run/saed" }), "socket", .bad,
            "no daemon answers at '/run/saed/saed.sock': there is no folder '/run/saed'", "sudo systemctl enable --now saed.socket")
        #expect(found(socket(111) { $0.file?.kind = .file }).first?.text == "'/run/saed/saed.sock' is no socket (-rw-rw---- root saed)")
    }

    @Test func anotherDaemonThatAnswersIsNamed() {
        let findings = found(socket(2) { $0.file = nil; $0.others = ["/run/user/1000/saed/saed.sock"] })
        #expect(findings.count == 2)
        expect(
            Array(findings.dropFirst()), "other daemons", .note, "a saed answers at '/run/user/1000/saed/saed.sock'",
            "ask that one: saectl --socket /run/user/1000/saed/saed.sock")
    }

    // MARK: units

    @Test func unitsOfASocketAreKnownByItsPlace() {
        #expect(UnitNames(socket: "/run/saed/saed.sock", runtimeFolder: nil)?.name == "saed")
        #expect(UnitNames(socket: "/run/saed-shop/saed.sock", runtimeFolder: nil)?.name == "saed@shop")
        #expect(UnitNames(socket: "/run/user/7/saed/saed.sock", runtimeFolder: "/run/user/7/")?.isUsers == true)
        #expect(UnitNames(socket: "/tmp/x/saed.sock", runtimeFolder: "/run/user/7") == nil)
        #expect(UnitNames(socket: "/run/saed-$(id)/saed.sock", runtimeFolder: nil) == nil)
    }

    @Test func unitsThatFailedOrAreMaskedSayHowToGoOn() throws {
        let names = try #require(UnitNames(socket: "/run/saed/saed.sock", runtimeFolder: nil))
        func findings(_ text: String) -> [Finding] { Doctor.findings(UnitFacts.parse(text), names) }
        let failed = findings(
            """
            Id=saed.socket
            LoadState=loaded
            ActiveState=active
            UnitFileState=enabled
            Result=success

            Result=exit-code
            Id=saed.service
            LoadState=loaded
            ActiveState=failed
            UnitFileState=disabled
            """)
        #expect(failed.map(\.state) == [.ok, .bad])
        #expect(failed[1].text == "saed.service has failed (exit-code)")
        #expect(failed[1].remedy == "journalctl -u saed -x -n 50 says why; then sudo systemctl restart saed.service")
        let masked = findings("Id=saed.service\nLoadState=masked\nActiveState=inactive\nUnitFileState=masked\nResult=success\n")
        #expect(masked.first?.remedy == "sudo systemctl unmask saed.service, then sudo systemctl enable --now saed.socket")
        let off = findings("Id=saed.socket\nLoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n")
        #expect(off.first?.state == .bad && off.first?.remedy == "sudo systemctl enable --now saed.socket")
        let once = findings("Id=saed.socket\nLoadState=loaded\nActiveState=active\nUnitFileState=disabled\n")
        #expect(once.first?.state == .note && once.first?.text == "saed.socket listens, but not after the next boot")
        // Not installed: nothing to say.
        #expect(findings("Id=saed.socket\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n").isEmpty)
    }

    // MARK: the drop folder

    private func drop(_ mode: UInt32, change: (inout DropFacts) -> Void = { _ in }) -> [Finding] {
        var facts = DropFacts(path: "/var/lib/saed/drop", daemon: saed)
        let own = FileFacts(path: facts.path, kind: .folder, mode: mode, owner: 990, group: 990, ownerName: "saed", groupName: "saed")
        facts.folder = own
        facts.looked = 12
        change(&facts)
        return Doctor.findings(facts, ada, listed: ada)
    }

    @Test func whoMayNotDropIsToldHowToJoin() {
        let findings = drop(0o2770)
        expect(
            findings, "drop folder", .note, "'ada' may not write in '/var/lib/saed/drop' (drwxrwx--- saed saed), and so can't drop images",
            "sudo usermod -aG saed ada, then log out and in again")
        #expect(findings[1] == drop(0o777)[1])
        #expect(findings[1].text == "saed (user 'saed') can read what was looked at there (12 files and folders)" && findings[1].state == .ok)
    }

    @Test func filesThatTheDaemonCantReadAreNamed() {
        let findings = drop(0o777) { $0.unreadable = ["/var/lib/saed/drop/images/a.png", "/x"] }
        #expect(findings[1].state == .bad)
        #expect(findings[1].text == "saed (user 'saed') can't read 2 of the dropped files, such as '/var/lib/saed/drop/images/a.png'")
        #expect(
            findings[1].remedy
                == "sudo setfacl -R -m u:saed:rwX /var/lib/saed/drop, and for those to come: sudo setfacl -R -d -m u:saed:rwX /var/lib/saed/drop")
    }

    @Test func aDropFolderOfSomebodyElsesIsTold() {
        let findings = drop(0o777) { $0.folder?.owner = 1000; $0.folder?.mode = 0o700 }
        #expect(findings.contains { $0.check == "dropped files" && $0.state == .bad && $0.text.contains("may not read '/var/lib/saed/drop'") })
        let missing = drop(0o777) { $0.folder = nil; $0.error = 2 }
        #expect(missing.count == 1 && missing[0].state == .bad && missing[0].remedy == "it is made when the daemon starts")
    }

    // MARK: rights

    @Test func modesDecideForOwnerGroupAndOthers() {
        let file = FileFacts(path: "f", kind: .file, mode: 0o640, owner: 1000, group: 50, ownerName: "ada", groupName: "staff")
        #expect(file.allows([.read, .write], to: ada) && !file.allows(.enter, to: ada))
        #expect(file.allows(.read, to: Identity(user: 1, groups: [50], name: "b")) && !file.allows(.write, to: Identity(user: 1, groups: [50], name: "b")))
        #expect(!file.allows(.read, to: saed) && file.allows([.read, .write, .enter], to: Identity(user: 0, groups: [], name: "root")))
        // The class is chosen first: an owner without rights is not helped by others' rights.
        var closed = file
        closed.mode = 0o077
        #expect(!closed.allows(.read, to: ada))
    }

    /// As `setfacl -m u:990:rw,g:27:r,m::r` leaves it.
    @Test func accessControlListsDecideWithTheirMask() {
        func entry(_ tag: UInt8, _ rights: UInt8, _ id: UInt32 = .max) -> [UInt8] { [tag, 0, rights, 0] + (0..<4).map { UInt8(truncatingIfNeeded: id >> (8 * $0)) } }
        let bytes = [2, 0, 0, 0] + entry(1, 6) + entry(2, 6, 990) + entry(4, 0) + entry(8, 4, 27) + entry(16, 4) + entry(32, 0)
        let list = FileFacts.list(bytes[...])
        #expect(list.count == 6)
        let file = FileFacts(path: "f", kind: .file, mode: 0o640, owner: 1, group: 50, ownerName: "x", groupName: "staff", list: list)
        #expect(file.allows(.read, to: saed) && !file.allows(.write, to: saed), "the mask takes write away")
        #expect(file.allows(.read, to: ada), "by its second group")
        #expect(!file.allows(.read, to: Identity(user: 7, groups: [50], name: "c")), "the owning group has nothing, and others' rights are not asked")
        #expect(file.text == "-rw-r-----+ x staff")
        #expect(FileFacts.list([1, 0, 0, 0]).isEmpty && FileFacts.list([2, 0]).isEmpty)
    }

    // MARK: storage

    @Test(arguments: [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0x6573_5546, "FUSE")])
    func aStoreOnANetworkFileSystemIsBadAndADropFolderThereIsNoted(_ type: Int, _ name: String) {
        var facts = StorageFacts(what: "store", path: "/srv/store", type: type, freeBytes: 1 << 40, freeFiles: nil)
        let store = Doctor.storage(facts, usedByStore: 5)
        #expect(store[0].state == .bad && store[0].text.hasPrefix("the store lies on \(name) ('/srv/store')"))
        facts.what = "drop folder"
        #expect(Doctor.storage(facts, usedByStore: 5)[0].state == .note)
    }

    @Test func aFullDiskIsToldByBytesAndByFiles() {
        func states(_ bytes: UInt64, _ files: UInt64?) -> [Finding.State] {
            Doctor.storage(StorageFacts(what: "store", path: "/s", type: 0xEF53, freeBytes: bytes, freeFiles: files), usedByStore: 7).map(\.state)
        }
        #expect(states(1 << 40, nil) == [.ok] && states(1 << 29, 5000) == [.note] && states(1 << 20, 5000) == [.bad])
        #expect(states(1 << 40, 12) == [.bad, .ok])
    }

    @Test func namesInCommandsAreQuoted() {
        #expect(Doctor.quoted("/a/b.c") == "/a/b.c" && Doctor.quoted("/my files") == "'/my files'" && Doctor.quoted("it's") == "'it'\\''s'")
    }
}
