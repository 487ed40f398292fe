// The parent: sends an image's bytes to a child and takes pixels back. A child that crashes, hangs, grows or tries what
// it may not is killed and costs the image that it had in hand; the next image gets a new one.

import CSandbox
import Foundation
import Imaging
import Synchronization

/// Why an image was not decoded.
public enum DecodeFailure: Error, Sendable, CustomStringConvertible {
    /// The file is no image that saed reads, or damaged.
    case image(ImagingError)
    /// The decoder misbehaved on this image.
    case decoder(String)
    /// No decoder could be started: nothing is wrong with the image.
    case unavailable(String)

    /// Another try gives the same.
    public var isOfTheFile: Bool {
        if case .unavailable = self { return false }
        return true
    }

    public var description: String {
        switch self {
        case .image(let error): error.description
        case .decoder(let what): "the decoder \(what) on this file and was ended; nothing else was touched. If other programs open it, save it again with one of them"
        case .unavailable(let what): "no decoder can be started: \(what)"
        }
    }
}

/// An image cropped for the towers.
public struct PreparedImage: Sendable {
    public let format: ImageFormat
    /// Upright.
    public let width, height: Int
    public let crops: [PreprocessConfig: RGBImage]
}

/// Decodes images from anywhere, in children without files or network, or in this process where it is told to.
///
/// Safe to share; a call blocks until its image is done, and as many children run as there are calls at once.
public final class ImageDecoder: Sendable {
    /// The children that decode.
    public struct Sandbox: Sendable {
        /// What is started: a program and its arguments, which end in `DecodeWorker.run`.
        public var command: [String]
        /// A child may take so long for an image, and so much memory, its own program's included.
        public var timeMax: Duration
        public var memoryBytesMax: Int

        public init(command: [String], timeMax: Duration = .seconds(20), memoryBytesMax: Int = 2 << 30) {
            self.command = command
            self.timeMax = timeMax
            self.memoryBytesMax = memoryBytesMax
        }
    }

    public let limits: DecodeLimits
    private let sandbox: Sandbox?
    private let idle = Mutex<[Child]>([])
    /// The last request's header: images of a batch ask for the same.
    private let header = Mutex<(request: DecodeRequest, bytes: [UInt8])?>(nil)

    /// Images that a child decodes before it is replaced: whatever a file may have left in it is gone then.
    private static let imagesMax = 4096

    /// - Parameter sandbox: nil: in this process.
    public init(limits: DecodeLimits, sandbox: Sandbox?) {
        self.limits = limits
        self.sandbox = sandbox
    }

    deinit { trim() }

    /// Ends children that have nothing to do.
    public func trim() {
        let children = idle.withLock { idle in
            defer { idle = [] }
            return idle
        }
        for child in children { child.end() }
    }

    /// Decodes and crops an image for each preprocessing.
    public func prepare(_ bytes: [UInt8], for configs: Set<PreprocessConfig>) throws(DecodeFailure) -> PreparedImage {
        // In one order, so that the child hears the same each time.
        let configs = configs.count == 1 ? Array(configs) : configs.sorted { "\($0)" < "\($1)" }
        let decoded = try decode(bytes, .crops(configs))
        return PreparedImage(
            format: decoded.format, width: decoded.width, height: decoded.height,
            crops: Dictionary(uniqueKeysWithValues: zip(configs, decoded.images)))
    }

    /// The upright image, scaled down to fit a square of `sideMax`.
    public func picture(_ bytes: [UInt8], sideMax: Int) throws(DecodeFailure) -> RGBImage {
        try decode(bytes, .picture(sideMax: sideMax)).images[0]
    }

    /// Starts a child and asks it nothing, so that what keeps children from running is known at the start.
    public func check() throws(DecodeFailure) {
        guard let sandbox else { return }
        let child = try Child(sandbox)
        idle.withLock { $0.append(child) }
    }

    // MARK: One image

    private struct Decoded {
        let format: ImageFormat
        let width, height: Int
        let images: [RGBImage]
    }

    /// - Parameter isSecondTry: a new child decodes, whatever lies idle.
    private func decode(_ bytes: [UInt8], _ task: DecodeTask, isSecondTry: Bool = false) throws(DecodeFailure) -> Decoded {
        guard let sandbox else { return try decodeHere(bytes, task) }
        // What needs no decoder: no child is woken for it.
        do throws(ImagingError) {
            _ = try bytes.withUnsafeBytes { bytes in Result { () throws(ImagingError) in try imageFormat(bytes, limits: limits) } }.get()
        } catch { throw .image(error) }
        let idle = isSecondTry ? nil : idle.withLock { $0.popLast() }
        let child = if let idle { idle } else { try Child(sandbox) }
        let request = DecodeRequest(pixelsMax: limits.pixelsMax, bytesMax: limits.bytesMax, task: task)
        let reply: (header: DecodeReply, payload: [UInt8])
        do {
            reply = try child.ask(header(of: request), bytes, within: sandbox.timeMax, payloadBytesMax: min(Int(UInt32.max), 3 * limits.pixelsMax * task.imageCount))
        } catch {
            let what = child.end(after: error, sandbox)
            // It may have been ended from outside, or spoilt by an earlier image: a second one's word counts. Not for what
            // took too long, which would take as long again.
            if !isSecondTry, error as? DecodeChannel.Failure != .late { return try decode(bytes, task, isSecondTry: true) }
            throw .decoder(what)
        }
        switch reply.header {
        case .refused(let error):
            keep(child)
            throw .image(error)
        case let .images(format, width, height, sizes):
            guard Self.isSide(width), Self.isSide(height), width * height <= limits.pixelsMax, task.allows(sizes),
                let images = Self.images(sizes, reply.payload, count: task.imageCount)
            else { break }
            keep(child)
            return Decoded(format: format, width: width, height: height, images: images)
        case .ready: break
        }
        child.end()
        throw .decoder("answered nonsense")
    }

    private func header(of request: DecodeRequest) throws -> [UInt8] {
        if let known = header.withLock({ $0?.request == request ? $0?.bytes : nil }) { return known }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let bytes = [UInt8](try encoder.encode(request))
        header.withLock { $0 = (request, bytes) }
        return bytes
    }

    private func keep(_ child: Child) {
        child.images += 1
        if child.images >= ImageDecoder.imagesMax { return child.end() }
        idle.withLock { $0.append(child) }
    }

    private func decodeHere(_ bytes: [UInt8], _ task: DecodeTask) throws(DecodeFailure) -> Decoded {
        do throws(ImagingError) {
            let decoded = try bytes.withUnsafeBytes { bytes in
                Result { () throws(ImagingError) in try decodeImageWithDetails(bytes, limits: limits) }
            }.get()
            return Decoded(format: decoded.format, width: decoded.image.width, height: decoded.image.height, images: task.images(of: decoded.image))
        } catch { throw .image(error) }
    }

    private static func isSide(_ pixels: Int) -> Bool { (1...1 << 20).contains(pixels) }

    /// nil where the pixels are not what their sizes say.
    private static func images(_ sizes: [ImageSize], _ pixels: [UInt8], count: Int) -> [RGBImage]? {
        guard sizes.count == count, sizes.allSatisfy({ isSide($0.width) && isSide($0.height) }),
            sizes.reduce(0, { $0 + $1.bytes }) == pixels.count
        else { return nil }
        var start = 0
        return sizes.map { size in
            defer { start += size.bytes }
            return RGBImage(width: size.width, height: size.height, pixels: Array(pixels[start..<start + size.bytes]))
        }
    }
}

extension DecodeTask {
    var imageCount: Int {
        switch self {
        case .crops(let configs): configs.count
        case .picture: 1
        }
    }

    /// Whether images of such sizes can be the answer: what comes behind relies on it.
    func allows(_ sizes: [ImageSize]) -> Bool {
        guard sizes.count == imageCount else { return false }
        switch self {
        case .crops(let configs):
            return zip(configs, sizes).allSatisfy { config, size in
                config.inputSize.map { $0.width == size.width && $0.height == size.height } ?? true
            }
        case .picture(let sideMax): return sizes.allSatisfy { max($0.width, $0.height) <= sideMax }
        }
    }
}

/// A running decoder. Used by one call at a time.
private final class Child: @unchecked Sendable {  // handed from call to call through the pool's lock
    private let process: pid_t
    private let channel: DecodeChannel
    var images = 0

    init(_ sandbox: ImageDecoder.Sandbox) throws(DecodeFailure) {
        var ends: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw .unavailable(String(cString: strerror(errno)))
        }
        var arguments: [UnsafeMutablePointer<CChar>?] = sandbox.command.map { strdup($0) } + [nil]
        let started = sandbox_spawn(sandbox.command[0], &arguments, ends[1])
        let problem = errno
        for argument in arguments { free(argument) }
        close(ends[1])
        guard started > 0 else {
            close(ends[0])
            throw .unavailable("'\(sandbox.command[0])': \(String(cString: strerror(problem)))")
        }
        process = started
        channel = DecodeChannel(ends[0])
        channel.deadline = .now + sandbox.timeMax
        do {
            guard case .ready(let problem)? = DecodeReply(header: try channel.receive(payloadBytesMax: 0).header) else { throw DecodeChannel.Failure.nonsense }
            guard let problem else { return }
            _ = wait(killing: true)
            throw DecodeFailure.unavailable("the kernel refuses the sandbox (\(problem)); images.sandbox = false decodes without one")
        } catch let failure as DecodeFailure {
            throw failure
        } catch {
            throw .unavailable("'\(sandbox.command.joined(separator: " "))' \(end(after: error, sandbox))")
        }
    }

    func ask(
        _ request: [UInt8], _ bytes: [UInt8], within time: Duration, payloadBytesMax: Int
    ) throws -> (header: DecodeReply, payload: [UInt8]) {
        channel.deadline = .now + time
        try bytes.withUnsafeBytes { try channel.send(request, payload: [$0]) }
        let (header, payload) = try channel.receive(payloadBytesMax: payloadBytesMax)
        guard let reply = DecodeReply(header: header) else { throw DecodeChannel.Failure.nonsense }
        return (reply, payload)
    }

    func end() { _ = wait(killing: true) }

    /// What it did, after it failed to answer.
    func end(after error: any Error, _ sandbox: ImageDecoder.Sandbox) -> String {
        switch error as? DecodeChannel.Failure {
        case .late:
            end()
            return "took longer than \(sandbox.timeMax)"
        case .closed:
            // It is ending by itself: how, is what its user wants to know.
            return Self.text(ofStatus: wait(killing: false), sandbox)
        default:
            end()
            return "answered nonsense"
        }
    }

    private func wait(killing: Bool) -> Int32 {
        close(channel.descriptor)
        if killing { kill(process, SIGKILL) }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status
    }

    private static func text(ofStatus status: Int32, _ sandbox: ImageDecoder.Sandbox) -> String {
        let signal = status & 0x7F
        switch signal {
        case 0: return "stopped (exit status \((status >> 8) & 0xFF))"
        case SIGSYS: return "tried something that a decoder may not (open a file, start a program, use the network)"
        default: return "crashed (\(String(cString: strsignal(signal)))); its memory is limited to \(sandbox.memoryBytesMax >> 20) MiB"
        }
    }
}
