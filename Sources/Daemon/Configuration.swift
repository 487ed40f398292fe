// What an operator can set, and where it comes from: defaults, then the TOML file, then the command line.
// Every key stands once, in `Configuration.settings`: its name, its default, its meaning and its check.

import Foundation
import TOMLKit
import Wire
import WireNIO

/// The daemon's configuration. Paths are absolute once `resolved(root:)` has been applied.
public struct Configuration: Sendable, Equatable {
    public var drop = "drop"
    public var store = "store"
    public var quarantine = "quarantine"
    public var socket = "saed.sock"
    public var embedded = true
    public var threads = 0
    public var batch = 8
    public var batchWait = Duration.milliseconds(4)
    public var decodeThreads = 2
    public var imageBytesMax = 256 << 20
    public var imagePixelsMax = 178_956_970
    public var sandbox = true
    public var imageTimeMax = Duration.seconds(20)
    public var imageMemoryMax = 2 << 30
    public var settle = Duration.milliseconds(500)
    public var settleRenamed = Duration.milliseconds(20)
    public var pollInterval = Duration.seconds(10)
    public var keepActivations = false
    public var releaseAfter = Duration.seconds(600)
    public var controlImages = 256
    public var readers = ["*"]
    public var admins: [String] = []
    public var clientLimits = WireLimits()
    public var logLevel = "info"
    public var logImages = true

    public init() {}

    /// Paths made absolute: relative ones lie under `root`.
    public func resolved(root: String) -> Configuration {
        var copy = self
        let base = root.hasPrefix("/") ? root : FileManager.default.currentDirectoryPath + "/" + root
        for path in [\Configuration.drop, \.store, \.quarantine, \.socket] where !copy[keyPath: path].hasPrefix("/") {
            copy[keyPath: path] = (base as NSString).standardizingPath + "/" + copy[keyPath: path]
        }
        return copy
    }
}

/// A configuration file that can't be used: what, where, and what to do.
public struct ConfigurationError: Error, CustomStringConvertible, Equatable {
    public let description: String

    package init(description: String) { self.description = description }
}

extension Configuration {
    /// One key of the file.
    struct Setting: Sendable {
        let section: String
        let name: String
        let meaning: String
        let show: @Sendable (Configuration) -> String
        /// Sets the value, or says which value it expects.
        let set: @Sendable (inout Configuration, any TOMLValueConvertible) -> String?

        var key: String { "\(section).\(name)" }
    }

    static let settings: [Setting] = [
        text("paths", "drop", "the folder that is watched", \.drop),
        text("paths", "store", "snapshots, indexes and the catalog", \.store),
        text("paths", "quarantine", "where files go that can't be used", \.quarantine),
        text("paths", "socket", "the Unix socket that saectl finds", \.socket),
        flag("models", "embedded", "offer the model and SAE that come with saed, as 'scenes'", \.embedded),
        number("compute", "threads", "compute threads; 0 means one a core", \.threads, 0...1024),
        number("compute", "batch", "images that run together through a tower", \.batch, 1...256),
        duration("compute", "batch_wait", "how long an image waits for company", \.batchWait),
        number("compute", "decode_threads", "images decoded at the same time", \.decodeThreads, 1...64),
        number("images", "bytes_max", "a larger image file is refused", \.imageBytesMax, 1...(1 << 40)),
        number("images", "pixels_max", "an image of more pixels is refused before it is decoded", \.imagePixelsMax, 1...(1 << 40)),
        flag("images", "sandbox", "decode in a child that reaches no file and no network; false: in the daemon itself", \.sandbox),
        duration("images", "time_max", "a decoder that takes longer for an image is killed, and the image refused", \.imageTimeMax),
        number("images", "memory_max", "the memory of a decoder, in bytes", \.imageMemoryMax, (256 << 20)...(1 << 40)),
        duration("watch", "settle", "how long a written file must have rested", \.settle),
        duration("watch", "settle_renamed", "the same for a file renamed or linked into place", \.settleRenamed),
        duration("watch", "poll_interval", "how often network file systems are scanned", \.pollInterval),
        flag("store", "activations", "keep the dense activations at the hook point too", \.keepActivations),
        duration("idle", "release_after", "memory of unused models is returned after this time", \.releaseAfter),
        number("controls", "images", "images on which a control of random directions is made by itself, in idle times, beside what adaptations change; 0: none, and those there are go", \.controlImages, 0...100_000),
        names("access", "readers", "users, '@groups' or '*' who may ask; the socket's mode decides before", \.readers),
        names("access", "admins", "those who may also change something: add models, set classes, remove; root and saed's own user may", \.admins),
        number("limits", "connections", "connections of all users; root and saed's own user have 8 more, and none of the user_ limits", \.clientLimits.connections, 1...10_000),
        number("limits", "user_connections", "connections of one user", \.clientLimits.userConnections, 1...10_000),
        number("limits", "requests", "requests in work on one connection", \.clientLimits.requestsOpen, 1...1000),
        number("limits", "user_requests", "requests in work of one user, on all connections", \.clientLimits.userRequests, 1...100_000),
        number("limits", "request_bytes", "a larger request ends its connection", \.clientLimits.requestBytes, 4096...FrameLimits.requestBytesMax),
        number("limits", "unread_bytes", "with so many bytes of answers unread, a connection takes no more requests", \.clientLimits.unreadBytesMax, (1 << 16)...(1 << 30)),
        duration("limits", "request_time", "a request that takes longer is ended; 0s: never", \.clientLimits.requestTime),
        duration("limits", "long_request_time", "the same for those that go through many images, such as ablate, report and export; 0s: never", \.clientLimits.longRequestTime),
        duration("limits", "unread_time", "a client that reads nothing of what waits for it is let go after this time; 0s: never", \.clientLimits.unreadTime),
        duration("limits", "idle_time", "a connection on which nothing is asked is closed after this time; 0s: never", \.clientLimits.idleTime),
        choice("log", "level", "how much is logged", \.logLevel, ["trace", "debug", "info", "notice", "warning", "error"]),
        flag("log", "images", "an entry in the journal for what happens to each image", \.logImages),
    ]

    private typealias Path<Value> = WritableKeyPath<Configuration, Value> & Sendable

    private static func text(_ section: String, _ name: String, _ meaning: String, _ path: Path<String>) -> Setting {
        Setting(section: section, name: name, meaning: meaning, show: { "\"\($0[keyPath: path])\"" }) { configuration, value in
            guard let text = value.string, !text.isEmpty else { return "a path in quotes" }
            configuration[keyPath: path] = text
            return nil
        }
    }

    private static func names(_ section: String, _ name: String, _ meaning: String, _ path: Path<[String]>) -> Setting {
        Setting(
            section: section, name: name, meaning: meaning,
            show: { "[" + $0[keyPath: path].map { "\"\($0)\"" }.joined(separator: ", ") + "]" }
        ) { configuration, value in
            guard let array = value.array else { return "a list such as [\"ada\", \"@vision\"]" }
            let names = array.compactMap(\.string)
            guard names.count == array.count, names.allSatisfy({ !$0.isEmpty && $0 != "@" }) else { return "a list such as [\"ada\", \"@vision\"]" }
            configuration[keyPath: path] = names
            return nil
        }
    }

    private static func flag(_ section: String, _ name: String, _ meaning: String, _ path: Path<Bool>) -> Setting {
        Setting(section: section, name: name, meaning: meaning, show: { "\($0[keyPath: path])" }) { configuration, value in
            guard let flag = value.bool else { return "true or false" }
            configuration[keyPath: path] = flag
            return nil
        }
    }

    private static func number(
        _ section: String, _ name: String, _ meaning: String, _ path: Path<Int>, _ range: ClosedRange<Int>
    ) -> Setting {
        Setting(section: section, name: name, meaning: meaning, show: { "\($0[keyPath: path])" }) { configuration, value in
            guard let number = value.int, range.contains(number) else {
                return "a whole number from \(range.lowerBound) to \(range.upperBound)"
            }
            configuration[keyPath: path] = number
            return nil
        }
    }

    private static func duration(_ section: String, _ name: String, _ meaning: String, _ path: Path<Duration>) -> Setting {
        Setting(section: section, name: name, meaning: meaning, show: { "\"\(format($0[keyPath: path]))\"" }) { configuration, value in
            guard let text = value.string, let duration = parseDuration(text) else {
                return "a time such as \"500ms\", \"20s\" or \"10m\""
            }
            configuration[keyPath: path] = duration
            return nil
        }
    }

    private static func choice(
        _ section: String, _ name: String, _ meaning: String, _ path: Path<String>, _ choices: [String]
    ) -> Setting {
        Setting(section: section, name: name, meaning: meaning, show: { "\"\($0[keyPath: path])\"" }) { configuration, value in
            guard let text = value.string, choices.contains(text) else { return "one of " + choices.joined(separator: ", ") }
            configuration[keyPath: path] = text
            return nil
        }
    }

    /// Reads a TOML file. A key that doesn't exist is an error that names the nearest one: a misspelt
    /// setting must not silently leave its default in force.
    public static func read(file: String) throws(ConfigurationError) -> Configuration {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw ConfigurationError(description: "'\(file)': can't be read; give the path of a TOML file")
        }
        return try read(text: String(decoding: data, as: UTF8.self), name: file)
    }

    /// - Parameter name: how errors call the text.
    public static func read(text: String, name: String) throws(ConfigurationError) -> Configuration {
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            throw ConfigurationError(description: "'\(name)': line \(error.source.begin.line): \(error.description)")
        } catch {
            throw ConfigurationError(description: "'\(name)': \(error)")
        }
        var configuration = Configuration()
        for (section, value) in table {
            guard let entries = value.table else {
                throw unknown(key: section, file: name)
            }
            guard settings.contains(where: { $0.section == section }) else { throw unknown(key: section, file: name) }
            for (entry, value) in entries {
                let key = "\(section).\(entry)"
                guard let setting = settings.first(where: { $0.key == key }) else { throw unknown(key: key, file: name) }
                if let expected = setting.set(&configuration, value) {
                    throw ConfigurationError(description: "'\(name)': '\(key)' must be \(expected)")
                }
            }
        }
        return configuration
    }

    /// Sections whose settings are taken up while saed runs.
    private static let live: Set<String> = ["access", "controls", "limits", "log"]

    /// What differs from the configuration in force: what a reload changes, and what waits for a restart.
    package func changes(from old: Configuration) -> (live: [String], restart: [String]) {
        let changed = Configuration.settings.filter { $0.show(self) != $0.show(old) }
        func keys(live: Bool) -> [String] { changed.filter { Configuration.live.contains($0.section) == live }.map(\.key) }
        return (keys(live: true), keys(live: false))
    }

    private static func unknown(key: String, file: String) -> ConfigurationError {
        let known = settings.map(\.key) + Set(settings.map(\.section)).sorted()
        let nearest = known.min { distance($0, key) < distance($1, key) } ?? ""
        return ConfigurationError(description: "'\(file)': no setting is called '\(key)'; did you mean '\(nearest)'?")
    }

    /// The configuration as a TOML file that explains itself; what `saed check-config` prints.
    public func documented() -> String {
        var lines: [String] = [], section = ""
        for setting in Configuration.settings {
            if setting.section != section {
                if !section.isEmpty { lines.append("") }
                section = setting.section
                lines.append("[\(section)]")
            }
            lines.append("# \(setting.meaning)")
            lines.append("\(setting.name) = \(setting.show(self))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Reads `500ms`, `20s`, `10m`, `2h`, `1d`.
    static func parseDuration(_ text: String) -> Duration? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int64(digits), count <= 1_000_000_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": return .milliseconds(count)
        case "s": return .seconds(count)
        case "m": return .seconds(count * 60)
        case "h": return .seconds(count * 3600)
        case "d": return .seconds(count * 86400)
        default: return nil
        }
    }

    static func format(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        if attoseconds != 0 { return "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)ms" }
        if seconds != 0, seconds % 3600 == 0 { return "\(seconds / 3600)h" }
        if seconds != 0, seconds % 60 == 0 { return "\(seconds / 60)m" }
        return "\(seconds)s"
    }

    /// Levenshtein distance.
    private static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a.utf8), b = Array(b.utf8)
        var row = Array(0...b.count)
        for i in 0..<a.count {
            var diagonal = row[0]
            row[0] = i + 1
            for j in 0..<b.count {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count]
    }
}
