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
///
/// A message is sent by one call and, where it is small, taken in by one. A call for each of its parts would wake the other side
/// for each, to find that the rest has not come: five changes of process an image instead of two, of which a small image, a
/// third of a millisecond's work, cost a tenth more.
final class DecodeChannel {
    static let headerBytesMax = 1 << 20

    let descriptor: Int32
    /// Until when reads and writes may take; nil: for ever.
    /// Of a clock that stands still while the machine sleeps.
    var deadline: SuspendingClock.Instant?
    /// What was read beyond what was asked for; `unread` are the places of bytes still to be taken from it.
    private var ahead: [UInt8]
    private var unread = 0..<0

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        ahead = [UInt8](repeating: 0, count: 64 << 10)
    }

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
        let sizes = [UInt32(header.count).littleEndian, payloadBytes.littleEndian]
        try sizes.withUnsafeBytes { sizes in
            try header.withUnsafeBytes { header in try write([sizes, header] + payload) }
        }
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
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            if unread.isEmpty, rest.count >= ahead.count {
                // A large payload goes where it belongs.
                done += try readSome(into: rest)
                continue
            }
            if unread.isEmpty { unread = 0..<(try ahead.withUnsafeMutableBytes { try readSome(into: $0) }) }
            let count = min(rest.count, unread.count)
            ahead.withUnsafeBytes { rest.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[unread.prefix(count)])) }
            unread.removeFirst(count)
            done += count
        }
    }

    /// Waits for bytes and takes what has come.
    private func readSome(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            try ready(POLLIN)
            let got = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw Failure.closed }
            return got
        }
    }

    private func write(_ parts: [UnsafeRawBufferPointer]) throws {
        var rest = parts.filter { !$0.isEmpty }
        while !rest.isEmpty {
            var sent = writeSome(rest)
            if sent < 0, errno == EINTR { continue }
            if sent < 0, errno == EAGAIN {
                try ready(POLLOUT)
                continue
            }
            guard sent > 0 else { throw Failure.closed }
            while let part = rest.first, sent >= part.count {
                sent -= part.count
                rest.removeFirst()
            }
            if sent > 0 { rest[0] = UnsafeRawBufferPointer(rebasing: rest[0][sent...]) }
        }
    }

    /// With a deadline it does not wait for room: a child that has stopped reading would hold it for ever.
    private func writeSome(_ parts: [UnsafeRawBufferPointer]) -> Int {
        var vectors = parts.map { iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count) }
        return vectors.withUnsafeMutableBufferPointer { vectors in
            // The child, whose walls allow no sendmsg(), has no deadline.
            guard deadline != nil else { return writev(descriptor, vectors.baseAddress, Int32(vectors.count)) }
            var message = msghdr()
            message.msg_iov = vectors.baseAddress
            message.msg_iovlen = vectors.count
            // No signal where the other side is gone.
            return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
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
