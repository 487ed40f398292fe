// Drives the built programs as a person would: a daemon on a temporary root, `saectl` as a process of its own.
// Every process that a test starts is ended by its own id, also when the test fails.

import Foundation
import Programs
import Testing

extension Finished {
    /// The output as JSON.
    func json(_ location: SourceLocation = #_sourceLocation) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(output.utf8))
        return try #require(object as? [String: Any], "not a JSON object: \(output) \(errors)", sourceLocation: location)
    }
}

/// Places that every test needs.
enum Place {
    /// The folder of the test bundle, where the programs lie too.
    static let products: URL = {
        var folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        if !FileManager.default.isExecutableFile(atPath: folder.appendingPathComponent("saed").path) {
            // swift test runs the bundle through a helper of the toolchain; the bundle's path is an argument.
            for argument in CommandLine.arguments where argument.contains(".xctest") {
                folder = URL(fileURLWithPath: argument).deletingLastPathComponent()
            }
        }
        return folder
    }()
    /// The checkout: this file lies in Tests/SystemTests.
    static let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let models = checkout.appendingPathComponent("models")
    /// A golden file of another module's tests.
    static func golden(_ path: String) -> URL { checkout.appendingPathComponent("Tests/" + path) }
    /// A Python with numpy and protobuf, where tools/test made one.
    static let python = ProcessInfo.processInfo.environment["SAED_TEST_PYTHON"].map { URL(fileURLWithPath: $0) }
    static let saed = products.appendingPathComponent("saed")
    static let saectl = products.appendingPathComponent("saectl")
}

/// The test's own environment, and more.
private func surroundings(_ more: [String: String]) -> [String: String] { ProcessInfo.processInfo.environment.merging(more) { $1 } }

/// Runs a program to its end.
@discardableResult
func run(_ program: URL, _ arguments: [String], environment: [String: String] = [:], input: Data? = nil, timeout: TimeInterval = 120) throws -> Finished {
    try Program.run(program.path, arguments, environment: surroundings(environment), input: input, timeout: timeout)
}

/// Waits until something holds, looking often. Records an issue when it doesn't in time.
@discardableResult
func eventually(
    _ what: String, timeout: TimeInterval = 60, location: SourceLocation = #_sourceLocation, _ condition: () throws -> Bool
) throws -> Bool {
    let deadline = Date(timeIntervalSinceNow: timeout)
    while Date() < deadline {
        if try condition() { return true }
        usleep(30_000)
    }
    Issue.record("not within \(Int(timeout)) s: \(what)", sourceLocation: location)
    return false
}

/// A daemon on a root of its own; stopped and removed at the end.
final class Rig {
    let root: URL
    private(set) var daemon: Program?
    /// Beside the root, which may be on a disk that is full.
    private var logFile: URL { URL(fileURLWithPath: "/tmp/\(root.lastPathComponent).log") }

    var drop: URL { root.appendingPathComponent("drop") }
    var images: URL { drop.appendingPathComponent("images") }
    var log: String { (try? String(contentsOf: logFile, encoding: .utf8)) ?? "" }

    private let environment: [String: String]
    /// Kept mounted while the daemon runs.
    private let disk: SmallDisk?

    /// - Parameters:
    ///   - configuration: the text of saed.toml, if one is wanted.
    ///   - environment: of the daemon, beside the test's own.
    ///   - disk: where the root is to lie.
    ///   - storeDisk: where the store alone is to lie.
    init(
        configuration: String? = nil, environment: [String: String] = [:], on disk: SmallDisk? = nil, storeOn storeDisk: SmallDisk? = nil,
        start: Bool = true
    ) throws {
        self.environment = environment
        self.disk = disk ?? storeDisk
        // Short: a Unix socket's path has at most 107 bytes.
        root = URL(fileURLWithPath: "\(disk?.place.path ?? "/tmp")/saed-test-\(UUID().uuidString.prefix(8))")
        let paths = storeDisk.map { "[paths]\nstore = \"\($0.place.path)/store\"\n" } ?? ""
        let configuration = paths.isEmpty ? configuration : (configuration ?? "") + paths
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        if let configuration { try Data(configuration.utf8).write(to: root.appendingPathComponent("saed.toml")) }
        if start { try self.start() }
    }

    deinit {
        kill()
        for file in [root, logFile] { try? FileManager.default.removeItem(at: file) }
    }

    /// Starts the daemon and waits until it answers.
    func start(arguments: [String] = [], location: SourceLocation = #_sourceLocation) throws {
        let daemon = try launch(arguments: arguments)
        let deadline = Date(timeIntervalSinceNow: 30)
        while daemon.isRunning && Date() < deadline {
            if try saectl("version", allowFailure: true).status == 0 { return }
            usleep(20_000)
        }
        Issue.record("the daemon did not come up: \(log)", sourceLocation: location)
    }

    /// Starts the daemon and waits for nothing.
    @discardableResult
    func launch(arguments: [String] = []) throws -> Program {
        let program = try Program(
            Place.saed.path, ["run", "--root", root.path] + arguments, environment: surroundings(environment), output: logFile.path,
            errors: logFile.path)
        daemon = program
        return program
    }

    /// kill -9, as a crash would end it.
    func kill() {
        daemon?.end()
    }

    /// SIGTERM; returns the exit status.
    @discardableResult
    func stop() -> Int32 {
        guard let daemon, daemon.isRunning else { return -1 }
        daemon.signal(SIGTERM)
        return daemon.status
    }

    /// Runs `saectl --root ROOT ...`; a failure is recorded unless allowed.
    @discardableResult
    func saectl(_ arguments: String..., allowFailure: Bool = false, location: SourceLocation = #_sourceLocation) throws -> Finished {
        try saectl(arguments: arguments, allowFailure: allowFailure, location: location)
    }

    @discardableResult
    func saectl(arguments: [String], allowFailure: Bool = false, location: SourceLocation = #_sourceLocation) throws -> Finished {
        let finished = try run(Place.saectl, arguments + ["--root", root.path], environment: ["NO_COLOR": "1"])
        if !allowFailure, finished.status != 0 {
            Issue.record("saectl \(arguments.joined(separator: " ")): \(finished.status)\n\(finished.errors)\n\(log.suffix(2000))", sourceLocation: location)
        }
        return finished
    }

    func json(_ arguments: String..., location: SourceLocation = #_sourceLocation) throws -> [String: Any] {
        try saectl(arguments: arguments + ["--json"], location: location).json(location)
    }

    /// The only snapshots that there are, over all views, absent images' included.
    func storedSnapshots() throws -> Int {
        let status = try json("status")
        return try #require((status["store"] as? [String: Any])?["snapshots"] as? Int)
    }

    /// The images, by their paths below drop/.
    func list() throws -> [String: [String: Any]] {
        let answer = try saectl(arguments: ["images", "--limit", "10000", "--json"], allowFailure: true).json()
        var found: [String: [String: Any]] = [:]
        for image in answer["images"] as? [[String: Any]] ?? [] {
            for path in image["paths"] as? [String] ?? [] { found[below(path)] = image }
        }
        return found
    }

    /// Failures by their paths below drop/.
    func failures() throws -> [String: [String: Any]] {
        let list = try json("failures")["failures"] as? [[String: Any]] ?? []
        return Dictionary(list.map { (below($0["path"] as? String ?? ""), $0) }, uniquingKeysWith: { first, _ in first })
    }

    func viewNames() throws -> [String] { (try json("views")["views"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String } }

    private func below(_ path: String) -> String {
        for folder in [drop.path, drop.resolvingSymlinksInPath().path] where path.hasPrefix(folder + "/") {
            return String(path.dropFirst(folder.count + 1))
        }
        return path
    }

    /// Waits until nothing is queued.
    func wait(timeout: Int = 120, location: SourceLocation = #_sourceLocation) throws {
        try saectl(arguments: ["wait", "--timeout", "\(timeout)"], location: location)
    }
}

/// A program that runs beside the test; ended with it. Its lines can be awaited.
final class Background {
    private let program: Program
    private let file: URL

    init(_ program: URL, _ arguments: [String], environment: [String: String] = [:]) throws {
        file = FileManager.default.temporaryDirectory.appendingPathComponent("saed-out-\(UUID().uuidString)")
        self.program = try Program(program.path, arguments, environment: surroundings(environment), output: file.path)
    }

    deinit {
        end()
        try? FileManager.default.removeItem(at: file)
    }

    var identifier: Int32 { program.identifier }
    var isRunning: Bool { program.isRunning }
    var output: String { (try? String(contentsOf: file, encoding: .utf8)) ?? "" }

    /// Whole lines so far, as JSON objects.
    var events: [[String: Any]] {
        output.split(separator: "\n").compactMap { (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any] }
    }

    func end() { program.end() }

    /// The exit status, once it ends by itself.
    func finish(timeout: TimeInterval = 60, location: SourceLocation = #_sourceLocation) throws -> Int32 {
        try eventually("the program's end", timeout: timeout, location: location) { !program.isRunning }
        return program.isRunning ? -1 : program.status
    }
}

extension Rig {
    /// `saectl watch --json` in the background; returns when it hears.
    func watching() throws -> Background {
        let watch = try Background(Place.saectl, ["watch", "--json", "--root", root.path])
        // An event that something makes, until one is heard: then nothing later is missed.
        let models = try json("models")["models"] as? [[String: Any]] ?? []
        let model = try #require(models.first?["name"] as? String, "watching needs a model")
        let classes = try json("classes", "--model", model)["classes"] as? [String] ?? []
        let list = root.appendingPathComponent("watching.txt")
        try Data((classes.isEmpty ? ["thing"] : classes).joined(separator: "\n").utf8).write(to: list)
        try eventually("watch hears") {
            try saectl("classes", "set", list.path, "--model", model)
            return watch.events.contains { $0["event"] as? String == "classes_set" }
        }
        return watch
    }
}
