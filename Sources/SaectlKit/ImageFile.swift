// An image that the user named by a file of this machine: where it is and what it contains.

import Basics
import Glibc

public struct ImageFile {
    /// Absolute.
    public let path: String
    /// 32 bytes; empty for a file too large to hash on the way (such a one is named by its path).
    public let sha256: [UInt8]

    /// Why 256 MiB: a tenth of a second; images that the daemon takes are smaller.
    private static let hashedBytesMax = 256 << 20

    /// nil where there is no such file.
    public init?(_ argument: String) {
        let path = absolutePath(argument)
        let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard fd >= 0 else { return nil }
        defer { close(fd) }
        var status = stat()
        guard fstat(fd, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        self.path = path
        guard status.st_size <= ImageFile.hashedBytesMax else {
            sha256 = []
            return
        }
        var hasher = ContentHasher()
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(fd, &buffer, buffer.count)
            if count == 0 { break }
            guard count > 0 || errno == EINTR else { return nil }
            buffer.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<max(0, count)])) }
        }
        sha256 = hasher.finish().bytes
    }
}
