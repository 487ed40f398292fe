// Programs that a test starts, by posix_spawn. Foundation's Process.run() lists this process's descriptors into a buffer
// that it sized before, and crashes where another test opens many meanwhile.

import CPrograms
import Foundation
import Synchronization

/// A program that runs beside the test.
public final class Program: Sendable {
    public let identifier: pid_t
    private let ending = Mutex<Int32?>(nil)

    /// Starts it, with no signal blocked and no descriptor of this process's but the three.
    ///
    /// - Parameters:
    ///   - input: a file; nil: there is nothing to read.
    ///   - output, errors: files, written on at their end; nil: nobody reads it.
    ///   - folder: where it runs; nil: where the test does.
    public init(
        _ path: String, _ arguments: [String] = [], environment: [String: String] = ProcessInfo.processInfo.environment, input: String? = nil,
        output: String? = nil, errors: String? = nil, in folder: String? = nil
    ) throws {
        let words = ([path] + arguments).map { strdup($0) } + [nil], variables = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { (words + variables).forEach { free($0) } }
        var identifier: pid_t = 0
        let code = saed_programs_start(&identifier, path, words, variables, input ?? "/dev/null", output ?? "/dev/null", errors ?? "/dev/null", folder)
        guard code == 0 else { throw ProgramError(description: "'\(path)' can't be started: \(String(cString: strerror(code)))") }
        self.identifier = identifier
    }

    public var isRunning: Bool { ending.withLock { reaped(&$0) } == nil }

    /// The exit status, or the signal that ended it; waits for it.
    public var status: Int32 {
        while true {
            if let status = ending.withLock({ reaped(&$0) }) { return status }
            usleep(1000)
        }
    }

    /// Whether it has ended, at the latest after so many seconds.
    public func hasEnded(within seconds: TimeInterval) -> Bool {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while isRunning {
            guard Date() < deadline else { return false }
            usleep(1000)
        }
        return true
    }

    /// Sends a signal, unless it has ended: then the number may be another's.
    public func signal(_ number: Int32) {
        ending.withLock { if reaped(&$0) == nil { kill(identifier, number) } }
    }

    /// SIGKILL, and waits.
    public func end() {
        signal(SIGKILL)
        _ = status
    }

    private func reaped(_ ending: inout Int32?) -> Int32? {
        var raw: Int32 = 0
        if ending == nil, waitpid(identifier, &raw, WNOHANG) == identifier { ending = raw & 0x7F == 0 ? raw >> 8 & 0xFF : raw & 0x7F }
        return ending
    }

    /// Runs one to its end.
    ///
    /// - Throws: also where it takes longer than so many seconds; it is ended then.
    public static func run(
        _ path: String, _ arguments: [String], environment: [String: String] = ProcessInfo.processInfo.environment, input: Data? = nil,
        in folder: String? = nil, timeout: TimeInterval = 120
    ) throws -> Finished {
        let files = FileManager.default.temporaryDirectory.appendingPathComponent("saed-run-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: files, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: files) }
        // Files, not pipes: nothing blocks when a program prints much.
        func file(_ name: String) -> String { files.appendingPathComponent(name).path }
        try input?.write(to: URL(fileURLWithPath: file("in")))
        let program = try Program(
            path, arguments, environment: environment, input: input.map { _ in file("in") }, output: file("out"), errors: file("err"), in: folder)
        func read(_ name: String) throws -> String { String(decoding: try Data(contentsOf: URL(fileURLWithPath: file(name))), as: UTF8.self) }
        guard program.hasEnded(within: timeout) else {
            program.end()
            throw ProgramError(
                description: "'\(path) \(arguments.joined(separator: " "))' took longer than \(timeout) s; it said \(try read("out"))\(try read("err"))")
        }
        return Finished(status: program.status, output: try read("out"), errors: try read("err"))
    }
}

/// What a program that has ended said.
public struct Finished: Sendable {
    /// The exit status, or the signal that ended it.
    public let status: Int32
    public let output: String
    public let errors: String
}

public struct ProgramError: Error, CustomStringConvertible {
    public let description: String
}
