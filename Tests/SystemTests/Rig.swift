// Drives the built programs as a person would: a daemon on a temporary root, `saectl` as a process of its own.
// Every process that a test starts is ended by its own id, also when the test fails.

import Foundation
import Testing

/// The result of a finished program.
struct Finished {
    let status: Int32
    let output: String
    let errors: String

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
    static let saed = products.appendingPathComponent("saed")
    static let saectl = products.appendingPathComponent("saectl")
}

/// Runs a program to its end.
@discardableResult
func run(_ program: URL, _ arguments: [String], environment: [String: String] = [:], input: Data? = nil, timeout: TimeInterval = 120) throws -> Finished {
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("saed-run-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    // Files, not pipes: nothing blocks when a program prints much.
    let out = folder.appendingPathComponent("out"), err = folder.appendingPathComponent("err")
    for file in [out, err] { FileManager.default.createFile(atPath: file.path, contents: nil) }
    process.standardOutput = try FileHandle(forWritingTo: out)
    process.standardError = try FileHandle(forWritingTo: err)
    if let input {
        let file = folder.appendingPathComponent("in")
        try input.write(to: file)
        process.standardInput = try FileHandle(forReadingFrom: file)
    } else {
        process.standardInput = FileHandle.nullDevice
    }
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    try process.run()
    if ended.wait(timeout: .now() + timeout) == .timedOut {
        process.terminate()
        ended.wait()
        Issue.record("'\(program.lastPathComponent) \(arguments.joined(separator: " "))' took longer than \(timeout) s")
    }
    return Finished(
        status: process.terminationStatus,
        output: String(decoding: try Data(contentsOf: out), as: UTF8.self),
        errors: String(decoding: try Data(contentsOf: err), as: UTF8.self))
}

/// A daemon on a root of its own; stopped and removed at the end.
final class Rig {
    let root: URL
    private(set) var daemon: Process?
    private var logFile: URL { root.appendingPathComponent("daemon.log") }

    var drop: URL { root.appendingPathComponent("drop") }
    var images: URL { drop.appendingPathComponent("images") }
    var log: String { (try? String(contentsOf: logFile, encoding: .utf8)) ?? "" }

    /// - Parameter configuration: the text of saed.toml, if one is wanted.
    init(configuration: String? = nil, start: Bool = true) throws {
        // Short: a Unix socket's path has at most 107 bytes.
        root = URL(fileURLWithPath: "/tmp/saed-test-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        if let configuration { try Data(configuration.utf8).write(to: root.appendingPathComponent("saed.toml")) }
        FileManager.default.createFile(atPath: logFile.path, contents: nil)
        if start { try self.start() }
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: root)
    }

    /// Starts the daemon and waits until it answers.
    func start(arguments: [String] = [], location: SourceLocation = #_sourceLocation) throws {
        let process = Process()
        process.executableURL = Place.saed
        process.arguments = ["run", "--root", root.path] + arguments
        let handle = try FileHandle(forWritingTo: logFile)
        try handle.seekToEnd()
        process.standardOutput = handle
        process.standardError = handle
        process.standardInput = FileHandle.nullDevice
        try process.run()
        daemon = process
        let deadline = Date(timeIntervalSinceNow: 30)
        while process.isRunning && Date() < deadline {
            if try saectl("version", allowFailure: true).status == 0 { return }
            usleep(20_000)
        }
        Issue.record("the daemon did not come up: \(log)", sourceLocation: location)
    }

    /// kill -9, as a crash would end it.
    func kill() {
        guard let daemon, daemon.isRunning else { return }
        Foundation.kill(daemon.processIdentifier, SIGKILL)
        daemon.waitUntilExit()
    }

    /// SIGTERM; returns the exit status.
    @discardableResult
    func stop() -> Int32 {
        guard let daemon, daemon.isRunning else { return -1 }
        daemon.terminate()
        daemon.waitUntilExit()
        return daemon.terminationStatus
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

    /// Waits until nothing is queued.
    func wait(timeout: Int = 120, location: SourceLocation = #_sourceLocation) throws {
        try saectl(arguments: ["wait", "--timeout", "\(timeout)"], location: location)
    }
}
