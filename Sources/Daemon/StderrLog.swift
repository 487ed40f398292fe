// Log lines for a terminal: time, level, message, then the metadata that a journal entry would carry as fields.

import Foundation
import Logging
import Synchronization

/// Writes to stderr, one line an entry: `23:05:11.042 info  image committed  SAED_PATH="a.jpg" SAED_VIEW=...`.
///
/// A line is one `write`, so that lines of several threads never mix.
struct StderrLog: ThresholdLog {
    let threshold: LogThreshold
    var metadata: Logger.Metadata = [:]

    init(threshold: LogThreshold) { self.threshold = threshold }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }
        let line = StderrLog.line(level: event.level, message: "\(event.message)", fields: fields, time: Date())
        FileHandle.standardError.write(Data(line.utf8))
    }

    static func line(level: Logger.Level, message: String, fields: Logger.Metadata, time: Date) -> String {
        let name = level.rawValue.padding(toLength: 7, withPad: " ", startingAt: 0)
        let tail = fields.sorted { $0.key < $1.key }.map { " \($0.key)=\(quoted("\($0.value)"))" }.joined()
        return "\(clock(time)) \(name) \(oneLine(message))\(tail.isEmpty ? "" : " " + tail)\n"
    }

    /// Local time of day with milliseconds: a person reads this; the journal has its own times.
    private static func clock(_ time: Date) -> String {
        var seconds = time_t(time.timeIntervalSince1970.rounded(.down))
        var parts = tm()
        localtime_r(&seconds, &parts)
        let milliseconds = Int((time.timeIntervalSince1970 - Double(seconds)) * 1000)
        return String(format: "%02d:%02d:%02d.%03d", parts.tm_hour, parts.tm_min, parts.tm_sec, milliseconds)
    }

    private static func quoted(_ value: String) -> String {
        let plain = value.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != 0x7f }
        return plain && !value.isEmpty ? value : "\"" + oneLine(value).replacingOccurrences(of: "\"", with: "\\\"") + "\""
    }

    /// File names come from outside: control characters must not forge lines or move the cursor.
    static func oneLine(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
        return text.unicodeScalars.map { scalar in
            scalar.properties.generalCategory == .control ? String(format: "\\x%02x", scalar.value) : String(scalar)
        }.joined()
    }
}
