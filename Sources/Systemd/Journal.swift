// Entries of the system's journal, with fields that `journalctl FIELD=value` finds (systemd.journal-fields(7)).

import CSystemd
import Glibc

/// The journal as a place for log entries.
///
///     if Journal.isOurs {
///         Journal.send("'a.jpg': no image", priority: .warning, fields: [("SAED_PATH", "a.jpg")])
///     }
///
/// Safe on any thread. An entry waits only while the journal's own queue is full, as writing to stderr would.
public enum Journal {
    /// syslog's levels: the number is what `PRIORITY=` and `journalctl -p` mean.
    public enum Priority: Int, Sendable {
        case error = 3, warning = 4, notice = 5, info = 6, debug = 7
    }

    /// Whether stderr goes to the journal: then entries belong there, with their fields, and not on stderr.
    ///
    /// `$JOURNAL_STREAM` names the device and inode that the manager connected; a stderr that was redirected since is
    /// another file, and who redirected it wants to read it there.
    public static var isOurs: Bool {
        guard let stream = getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        return fstat(STDERR_FILENO, &status) == 0
            && isStream(String(cString: stream), device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// - Parameter fields: names of capital letters, digits and underscores, not beginning with an underscore or a digit,
    ///   at most 64 bytes; values of any bytes. `MESSAGE_ID` finds the catalog's explanation.
    /// - Returns: whether the journal took it; false where there is none.
    @discardableResult
    public static func send(_ message: String, priority: Priority, fields: [(name: String, value: String)] = []) -> Bool {
        var bytes: [UInt8] = [], ends: [Int] = []
        for entry in entries(message, priority, fields) {
            bytes += entry
            ends.append(bytes.count)
        }
        return bytes.withUnsafeMutableBytes { buffer in
            var start = 0
            let vectors = ends.map { end in
                defer { start = end }
                return iovec(iov_base: buffer.baseAddress! + start, iov_len: end - start)
            }
            return sd_journal_sendv(vectors, Int32(vectors.count)) == 0
        }
    }

    /// `NAME=value` each, the message first.
    package static func entries(
        _ message: String, _ priority: Priority, _ fields: [(name: String, value: String)]
    ) -> [[UInt8]] {
        let all = [("MESSAGE", message), ("PRIORITY", "\(priority.rawValue)"), ("SYSLOG_IDENTIFIER", "saed")] + fields
        return all.map { name, value in
            precondition(isFieldName(name), "'\(name)' is no name of a journal field")
            return Array("\(name)=\(value)".utf8)
        }
    }

    /// The journal drops a whole field silently where its name is wrong.
    package static func isFieldName(_ name: String) -> Bool {
        guard let first = name.utf8.first, UInt8(ascii: "A")...UInt8(ascii: "Z") ~= first else { return false }
        return name.utf8.count <= 64
            && name.utf8.allSatisfy {
                UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == UInt8(ascii: "_")
            }
    }

    /// - Parameter stream: `DEVICE:INODE`, both decimal.
    package static func isStream(_ stream: String, device: UInt64, inode: UInt64) -> Bool {
        let parts = stream.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 && UInt64(parts[0]) == device && UInt64(parts[1]) == inode
    }
}
