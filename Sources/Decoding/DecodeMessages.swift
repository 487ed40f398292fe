// What parent and child say to each other over their socket pair.
//
//   u32 header bytes · u32 payload bytes · header · payload
//
// Little-endian. Headers are JSON, but that of decoded images, which comes for every one of them: JSON there took a third of
// a millisecond. A request's is the same for all images of a batch and is read once. The parent trusts nothing that comes back: sizes are checked against limits, and pixels against the
// sizes that the header claims. A payload below 4 GiB holds any image within `DecodeLimits`.

import Foundation
import Imaging

/// What is to be done with an image's bytes, which are the payload.
struct DecodeRequest: Codable, Hashable {
    let pixelsMax, bytesMax: Int
    let task: DecodeTask
}

enum DecodeTask: Codable, Hashable {
    /// One crop for each preprocessing.
    case crops([PreprocessConfig])
    /// The upright image, scaled down to fit.
    case picture(sideMax: Int)
}

/// The payload is the pixels of all images, one after the other.
enum DecodeReply: Codable {
    /// Says once, before anything else, that the walls stand; nil, or why not.
    case ready(problem: String?)
    /// - Parameters:
    ///   - width: of the upright image.
    ///   - images: sides of what the payload holds.
    case images(format: ImageFormat, width: Int, height: Int, images: [ImageSize])
    case refused(ImagingError)
}

struct ImageSize: Codable {
    let width, height: Int
    var bytes: Int { width * height * 3 }
}

extension DecodeReply {
    /// A byte that says which, then JSON, or for `images` 32-bit numbers: format, sides, then the sides of each image.
    func header() throws -> [UInt8] {
        guard case let .images(format, width, height, images) = self else { return [0] + (try JSONEncoder().encode(self)) }
        let place = ImageFormat.allCases.firstIndex(of: format) ?? 0
        var header: [UInt8] = [1]
        for number in [place, width, height] + images.flatMap({ [$0.width, $0.height] }) {
            withUnsafeBytes(of: UInt32(clamping: number).littleEndian) { header += $0 }
        }
        return header
    }

    /// nil where it is none.
    init?(header: [UInt8]) {
        guard header.first == 1 else {
            guard header.first == 0, let reply = try? JSONDecoder().decode(DecodeReply.self, from: Data(header.dropFirst())) else { return nil }
            self = reply
            return
        }
        guard header.count >= 13, (header.count - 13) % 8 == 0 else { return nil }
        let numbers = stride(from: 1, to: header.count, by: 4).map { at in (0..<4).reduce(0) { $0 | Int(header[at + $1]) << (8 * $1) } }
        guard numbers[0] < ImageFormat.allCases.count else { return nil }
        self = .images(
            format: ImageFormat.allCases[numbers[0]], width: numbers[1], height: numbers[2],
            images: stride(from: 3, to: numbers.count, by: 2).map { ImageSize(width: numbers[$0], height: numbers[$0 + 1]) })
    }
}

/// One end of the socket pair.
struct DecodeChannel {
    static let headerBytesMax = 1 << 20

    let descriptor: Int32
    /// Until when reads and writes may take; nil: for ever.
    /// Of a clock that stands still while the machine sleeps.
    var deadline: SuspendingClock.Instant?

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    enum Failure: Error {
        /// The other side is gone.
        case closed
        case late
        /// It does not speak as agreed.
        case nonsense
    }

    func send(_ header: [UInt8], payload: [UnsafeRawBufferPointer]) throws {
        let bytes = payload.reduce(0) { $0 + $1.count }
        guard header.count <= DecodeChannel.headerBytesMax, let payloadBytes = UInt32(exactly: bytes) else { throw Failure.nonsense }
        var sizes = [UInt32(header.count).littleEndian, payloadBytes.littleEndian]
        try sizes.withUnsafeMutableBytes { try write(UnsafeRawBufferPointer($0)) }
        try header.withUnsafeBytes { try write($0) }
        for part in payload { try write(part) }
    }

    /// - Parameter payloadBytesMax: more is nonsense.
    func receive(payloadBytesMax: Int) throws -> (header: [UInt8], payload: [UInt8]) {
        var sizes: [UInt32] = [0, 0]
        try sizes.withUnsafeMutableBytes { try read(into: $0) }
        let (headerBytes, payloadBytes) = (Int(UInt32(littleEndian: sizes[0])), Int(UInt32(littleEndian: sizes[1])))
        guard headerBytes <= DecodeChannel.headerBytesMax, payloadBytes <= payloadBytesMax else { throw Failure.nonsense }
        return (try bytes(headerBytes), try bytes(payloadBytes))
    }

    private func bytes(_ count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            try read(into: UnsafeMutableRawBufferPointer(buffer))
            filled = count
        }
    }

    private func read(into buffer: UnsafeMutableRawBufferPointer) throws {
        var done = 0
        while done < buffer.count {
            try ready(POLLIN)
            let got = Glibc.read(descriptor, buffer.baseAddress! + done, buffer.count - done)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw Failure.closed }
            done += got
        }
    }

    private func write(_ buffer: UnsafeRawBufferPointer) throws {
        var done = 0
        while done < buffer.count {
            try ready(POLLOUT)
            // No signal where the other side is gone. The child, whose walls allow write() alone, has no deadline.
            let rest = buffer.baseAddress! + done, count = buffer.count - done
            let sent = deadline == nil ? Glibc.write(descriptor, rest, count) : Glibc.send(descriptor, rest, count, Int32(MSG_NOSIGNAL))
            if sent < 0, errno == EINTR { continue }
            guard sent > 0 else { throw Failure.closed }
            done += sent
        }
    }

    /// Waits until the descriptor can be used, where there is a deadline.
    private func ready(_ events: Int32) throws {
        guard let deadline else { return }
        while true {
            let left = deadline - .now
            guard left > .zero else { throw Failure.late }
            var wanted = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            let milliseconds = left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000 + 1
            let found = poll(&wanted, 1, Int32(clamping: milliseconds))
            if found > 0 { return }
            if found < 0, errno != EINTR { throw Failure.closed }
        }
    }
}
