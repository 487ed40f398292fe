// What parent and child say to each other over their socket pair.
//
//   u32 header bytes · u32 payload bytes · header (JSON) · payload
//
// Little-endian. The parent trusts nothing that comes back: sizes are checked against limits, and pixels against the
// sizes that the header claims. A payload below 4 GiB holds any image within `DecodeLimits`.

import Foundation
import Imaging

/// What is to be done with an image's bytes, which are the payload.
struct DecodeRequest: Codable {
    let pixelsMax, bytesMax: Int
    let task: DecodeTask
}

enum DecodeTask: Codable {
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

/// One end of the socket pair.
struct DecodeChannel {
    static let headerBytesMax = 1 << 20

    let descriptor: Int32
    /// Until when reads and writes may take; nil: for ever.
    var deadline: ContinuousClock.Instant?

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    enum Failure: Error {
        /// The other side is gone.
        case closed
        case late
        /// It does not speak as agreed.
        case nonsense
    }

    func send(_ header: some Encodable, payload: [UnsafeRawBufferPointer]) throws {
        let header = [UInt8](try JSONEncoder().encode(header))
        let bytes = payload.reduce(0) { $0 + $1.count }
        guard header.count <= DecodeChannel.headerBytesMax, let payloadBytes = UInt32(exactly: bytes) else { throw Failure.nonsense }
        var sizes = [UInt32(header.count).littleEndian, payloadBytes.littleEndian]
        try sizes.withUnsafeMutableBytes { try write(UnsafeRawBufferPointer($0)) }
        try header.withUnsafeBytes { try write($0) }
        for part in payload { try write(part) }
    }

    /// - Parameter payloadBytesMax: more is nonsense.
    func receive<Header: Decodable>(_ type: Header.Type, payloadBytesMax: Int) throws -> (header: Header, payload: [UInt8]) {
        var sizes: [UInt32] = [0, 0]
        try sizes.withUnsafeMutableBytes { try read(into: $0) }
        let (headerBytes, payloadBytes) = (Int(UInt32(littleEndian: sizes[0])), Int(UInt32(littleEndian: sizes[1])))
        guard headerBytes <= DecodeChannel.headerBytesMax, payloadBytes <= payloadBytesMax else { throw Failure.nonsense }
        let header = try bytes(headerBytes)
        guard let decoded = try? JSONDecoder().decode(type, from: Data(header)) else { throw Failure.nonsense }
        return (decoded, try bytes(payloadBytes))
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
