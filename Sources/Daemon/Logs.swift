// Where log entries go: into the journal with their fields where systemd connected stderr to it, else to stderr as text.

import Logging
import Synchronization
import Systemd

/// The daemon's loggers, whose levels a reload changes for all copies of them.
package struct Logs: Sendable {
    package let daemon: Logger
    /// For entries that come once an image.
    package let images: Logger
    private let threshold = LogThreshold(.info)
    private let imageThreshold: LogThreshold

    /// - Parameter toJournal: whether entries go there.
    package init(_ configuration: Configuration, toJournal: Bool = Journal.isOurs) {
        let threshold = threshold
        if toJournal {
            let own = LogThreshold(.critical)
            imageThreshold = own
            daemon = Logger(label: "saed") { _ in JournalLog(threshold: threshold) }
            images = Logger(label: "saed.images") { _ in JournalLog(threshold: own) }
        } else {
            imageThreshold = threshold
            daemon = Logger(label: "saed") { _ in StderrLog(threshold: threshold) }
            images = daemon
        }
        apply(configuration)
    }

    package func apply(_ configuration: Configuration) {
        // Set first: a terminal has one threshold for both.
        imageThreshold.level = configuration.logImages ? .debug : .critical
        threshold.level = Logger.Level(rawValue: configuration.logLevel) ?? .info
    }
}

/// The lowest level that is logged. Shared: a logger's copies are everywhere, a reload must reach them all.
final class LogThreshold: Sendable {
    private let value: Mutex<Logger.Level>

    init(_ level: Logger.Level) { value = Mutex(level) }

    var level: Logger.Level {
        get { value.withLock { $0 } }
        set { value.withLock { $0 = newValue } }
    }
}

/// A log whose level is a shared threshold.
protocol ThresholdLog: LogHandler {
    var threshold: LogThreshold { get }
}

extension ThresholdLog {
    var logLevel: Logger.Level {
        get { threshold.level }
        set { threshold.level = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
}

/// Writes journal entries: the level as PRIORITY, each piece of metadata as a field.
struct JournalLog: ThresholdLog {
    let threshold: LogThreshold
    var metadata: Logger.Metadata = [:]

    init(threshold: LogThreshold) { self.threshold = threshold }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }
        // Control characters would make journalctl show a message as a blob; fields keep their bytes.
        Journal.send(
            StderrLog.oneLine("\(event.message)"), priority: JournalLog.priority(event.level),
            fields: fields.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") })
    }

    static func priority(_ level: Logger.Level) -> Journal.Priority {
        switch level {
        case .trace, .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error, .critical: .error
        }
    }
}
