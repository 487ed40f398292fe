// A server on a temporary socket with a handler that plays every kind of answer, and what the tests need around it.

import Foundation
import Synchronization
import Testing
import Wire
import WireNIO

/// Blocking calls run on threads of their own: in the cooperative pool they would take the handlers' threads.
func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try body() }) }.start()
    }
}

/// A random generator that a printed seed repeats (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Values by which a test sees what happened elsewhere; `first` waits for one.
final class Log<Value: Sendable>: Sendable {
    private let state = Mutex<(values: [Value], waiting: [CheckedContinuation<Void, Never>])>(([], []))

    func add(_ value: Value) { wake { $0.append(value) } }

    var values: [Value] { state.withLock { $0.values } }

    /// The first value for which `pick` has a result, past or to come; throws when the test's time is up.
    func first<Result>(_ pick: (Value) -> Result?) async throws -> Result {
        var seen = 0
        while true {
            try Task.checkCancellation()
            let values = values
            for value in values[seen...] {
                if let result = pick(value) { return result }
            }
            seen = values.count
            await more(than: seen)
        }
    }

    /// Returns when there are more values, or the task was cancelled.
    private func more(than seen: Int) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now = state.withLock { state in
                    if state.values.count > seen || Task.isCancelled { return true }
                    state.waiting.append(continuation)
                    return false
                }
                if now { continuation.resume() }
            }
        } onCancel: {
            wake { _ in }
        }
    }

    private func wake(_ change: (inout [Value]) -> Void) {
        let waiting = state.withLock { state in
            change(&state.values)
            defer { state.waiting = [] }
            return state.waiting
        }
        waiting.forEach { $0.resume() }
    }
}

enum ToyError: Error, CustomStringConvertible {
    case broken
    var description: String { "the toy is broken" }
}

/// Plays an answer for each request: `status` one part; `images` `limit` parts with progress between; `watch` one event,
/// then nothing until cancelled; `heatmap` nothing until cancelled; `verify` nothing until `release`, whoever cancels;
/// `sheet` an array of `top` MiB; `wait` answers after its timeout; `version` who asked;
/// `failures` fails as `not_found`, `models` with an error that is no WireFailure, `saes` with a part too large for a
/// frame, `views` with an array that isn't complete.
final class Toy: RequestHandler {
    enum Event: Sendable, Equatable {
        case started(String)
        case cancelled(String)
        case ended(String)
    }

    let log = Log<Event>()
    /// Lets one `verify` go on.
    let release = DispatchSemaphore(value: 0)
    /// Bytes of `sheet` that the server has taken.
    let sent = Atomic<Int>(0)

    func handle(_ request: Saed_Request, from peer: Peer, into reply: ReplyStream) async throws {
        log.add(.started(request.title))
        do {
            try await answer(request, peer, reply)
        } catch is CancellationError {
            log.add(.cancelled(request.title))
            throw CancellationError()
        }
    }

    private func answer(_ request: Saed_Request, _ peer: Peer, _ reply: ReplyStream) async throws {
        var part = Saed_Reply()
        switch request.body {
        case .status:
            part.status.queued = 7
            try await reply.part(part)
        case let .images(images):
            for number in 0..<Int(images.limit) {
                try await reply.progress(done: number, total: Int(images.limit), what: "image \(number)")
                part.images.total = UInt64(number)
                try await reply.part(part)
            }
        case .watch:
            part.event.kind = .idle
            try await reply.part(part)
            try await Task.sleep(for: .seconds(600))
        case .heatmap:
            try await Task.sleep(for: .seconds(600))
        case .verify:
            try await onThread { self.release.wait() }
            log.add(.ended("verify"))
        case let .sheet(sheet):
            let mebibyte = [UInt8](repeating: 0x5A, count: 1 << 20)
            let array = try await reply.array("png", .u8, shape: [Int(sheet.top) << 20])
            for _ in 0..<sheet.top {
                try await reply.write(array, mebibyte)
                sent.add(mebibyte.count, ordering: .relaxed)
            }
        case let .wait(wait):
            try await Task.sleep(for: .milliseconds(wait.timeoutMs))
            part.wait.idle = true
            try await reply.part(part)
        case .version:
            part.version.version = peer.client
            part.version.protocolMajor = UInt32(peer.pid)
            part.version.protocolMinor = peer.uid
            try await reply.part(part)
        case .failures:
            throw WireFailure(.notFound, "nothing failed", remedy: "drop something broken", candidates: ["a", "b"])
        case .models:
            throw ToyError.broken
        case .saes:
            part.saes.saes = [.with { $0.name = String(repeating: "x", count: 5 << 20) }]
            try await reply.part(part)
        case .views:
            let array = try await reply.array("indptr", .i64, shape: [3])
            try await reply.write(array, [Int64(0), 5])
        default:
            throw WireFailure(.unsupported, "the toy has no '\(request.title)'")
        }
    }
}

/// A server with the toy behind it, in a folder of its own; `stop` it at the end.
struct Rig {
    let toy = Toy()
    let events = Log<WireEvent>()
    let folder: String
    let clients: WireClients
    let server: WireServer
    var path: String { folder + "/s.sock" }

    init(_ change: (inout WireLimits) -> Void = { _ in }) async throws {
        folder = try temporaryFolder()
        var limits = WireLimits()
        change(&limits)
        clients = WireClients(limits)
        server = try await WireServer.listen(
            at: folder + "/s.sock", name: "toy", clients: clients, handler: toy, observe: { [events] in events.add($0) })
    }

    func stop() async {
        await server.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// A connection on which hello was said and the welcome read.
    func connect() async throws -> RawClient {
        let client = try RawClient(path: path)
        try await client.send([Frame(.hello, payload: WireFormat.bytes(Saed_Hello.with { $0.client = "test" }))])
        let welcome = try #require(try await client.receive())
        #expect(welcome.kind == .welcome)
        return client
    }
}

/// Short: a socket's path has at most 107 bytes.
func temporaryFolder() throws -> String {
    var template = Array("/tmp/saed-wire-XXXXXX".utf8CString)
    return String(cString: try #require(mkdtemp(&template)))
}

/// `@unchecked Sendable`: every test uses it from one task at a time.
final class RawClient: @unchecked Sendable {
    private let connection: FrameConnection

    init(path: String) throws {
        connection = FrameConnection(fd: try UnixSocket.connect(path: path))
        // A server that never answers must fail the test, not hold it.
        connection.setReceiveTimeout(seconds: 60)
    }

    func send(_ frames: [Frame]) async throws { try await onThread { try self.connection.send(frames) } }
    func send(raw bytes: [UInt8]) async throws { try await onThread { try self.connection.send(raw: bytes) } }
    func receive() async throws -> Frame? { try await onThread { try self.connection.receive() } }

    /// Frames up to one that ends the request, in order.
    func answer(_ request: UInt32) async throws -> [Frame] {
        try await onThread {
            var frames: [Frame] = []
            while let frame = try self.connection.receive() {
                frames.append(frame)
                if frame.request == request, frame.kind == .end || frame.kind == .error { break }
            }
            return frames
        }
    }
}

extension Frame {
    static func request(_ id: UInt32, _ change: (inout Saed_Request) -> Void) -> Frame {
        Frame(.request, request: id, payload: WireFormat.bytes(Saed_Request.with(change)))
    }

    var failure: WireFailure? {
        kind == .error ? (try? WireFormat.message(Saed_Error.self, of: self)).map { WireFailure($0) } : nil
    }
}

/// Resident memory of this process, in bytes.
func residentBytes() -> Int {
    let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
    return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
}
