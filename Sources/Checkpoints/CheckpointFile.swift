// A file of weights, read by position.
//
// Not mapped: a mapped file that somebody truncates kills the process (SIGBUS) at the next touch, and a drop
// folder is where people overwrite files. `pread` answers with a short count instead, goes straight into the
// buffer that is packed next, and its pages belong to the page cache alone: weights are never held twice.

import Glibc

/// An open file. The descriptor is fixed at opening, so a file renamed over this one changes nothing here.
final class CheckpointFile: Sendable {
    let path: String
    /// Bytes at opening; a read past the file's present end throws.
    let size: Int
    private let descriptor: Int32

    init(path: String) throws(CheckpointError) {
        // O_NONBLOCK: opening a FIFO must not wait for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(file: path, reason: CheckpointFile.reason(errno)) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .unreadable(file: path, reason: "it is not a regular file")
        }
        self.path = path
        self.size = Int(status.st_size)
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Fills `out` from `offset` on.
    func read(at offset: Int, into out: UnsafeMutableRawBufferPointer) throws(CheckpointError) {
        var done = 0
        while done < out.count {
            let count = pread(descriptor, out.baseAddress! + done, out.count - done, offset + done)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .unreadable(file: path, reason: CheckpointFile.reason(errno)) }
            guard count > 0 else {
                throw .malformed(
                    file: path, offset: offset + done,
                    reason: "the file ends here, \(out.count - done) bytes early; it was truncated")
            }
            done += count
        }
    }

    func bytes(at offset: Int, count: Int) throws(CheckpointError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var failure: CheckpointError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(CheckpointError) { try read(at: offset, into: buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Widens `count` contiguous elements at a byte offset to f32.
    func read(_ dtype: DType, count: Int, at offset: Int, into out: UnsafeMutablePointer<Float>) throws(CheckpointError)
    {
        if dtype == .f32 {
            return try read(at: offset, into: UnsafeMutableRawBufferPointer(start: out, count: count * 4))
        }
        // 256 KiB at a time: the block is still in L2 when it is widened.
        let blockMax = 131_072
        let block = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(count, blockMax) * dtype.byteCount, alignment: 64)
        defer { block.deallocate() }
        var done = 0
        while done < count {
            let part = min(blockMax, count - done)
            try read(
                at: offset + done * dtype.byteCount,
                into: UnsafeMutableRawBufferPointer(rebasing: block[..<(part * dtype.byteCount)]))
            widen(block.baseAddress!, dtype, count: part, into: out + done)
            done += part
        }
    }

    static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}

/// The whole of a small text file, such as a configuration.
/// - Throws: `unreadable`; `malformed` where it is larger than `bytesMax`.
package func readSmallFile(_ path: String, bytesMax: Int = 64 << 20) throws(CheckpointError) -> [UInt8] {
    let file = try CheckpointFile(path: path)
    guard file.size <= bytesMax else {
        throw .malformed(
            file: path, offset: nil, reason: "is \(file.size) bytes; at most \(bytesMax) are read of such a file")
    }
    return try file.bytes(at: 0, count: file.size)
}
