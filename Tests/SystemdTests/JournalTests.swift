// Entries as they are handed to libsystemd. That they arrive in a real journal and are explained by the catalog is what
// tools/test-systemd checks.

import Foundation
import Systemd
import Testing

@Suite struct JournalTests {
    @Test func anEntryIsItsFields() {
        let entries = Journal.entries("'a\nb.jpg': no image", .warning, [("SAED_PATH", "a\nb.jpg"), ("SAED_N2", "")])
        #expect(
            entries.map { String(decoding: $0, as: UTF8.self) }
                == ["MESSAGE='a\nb.jpg': no image", "PRIORITY=4", "SYSLOG_IDENTIFIER=saed", "SAED_PATH=a\nb.jpg", "SAED_N2="])
    }

    // The rules of systemd.journal-fields(7); a leading underscore is the journal's own.
    @Test(arguments: [
        ("SAED_IMAGE_ID", true), ("A", true), ("MESSAGE_ID", true), ("P2", true), ("", false), ("_PID", false),
        ("2ND", false), ("saed_path", false), ("SAED-PATH", false), ("SAED PATH", false), (String(repeating: "A", count: 64), true),
        (String(repeating: "A", count: 65), false),
    ])
    func fieldNamesAreTheJournals(_ name: String, _ isOne: Bool) {
        #expect(Journal.isFieldName(name) == isOne)
    }

    @Test(arguments: [
        ("8:42", true), ("8:43", false), ("9:42", false), ("8", false), ("8:", false), ("8:42:1", false), ("", false), ("x:42", false),
    ])
    func aStreamIsADeviceAndAnInode(_ stream: String, _ isOurs: Bool) {
        #expect(Journal.isStream(stream, device: 8, inode: 42) == isOurs)
    }

    @Test func aRedirectedStderrIsNotTheJournal() async {
        await #expect(processExitsWith: .success) {
            var status = stat()
            fstat(STDERR_FILENO, &status)
            setenv("JOURNAL_STREAM", "\(status.st_dev):\(status.st_ino)", 1)
            #expect(Journal.isOurs)
            setenv("JOURNAL_STREAM", "\(status.st_dev):\(status.st_ino + 1)", 1)
            #expect(!Journal.isOurs)
            unsetenv("JOURNAL_STREAM")
            #expect(!Journal.isOurs)
        }
    }
}
