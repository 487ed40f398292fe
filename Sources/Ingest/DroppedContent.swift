// A dropped file's bytes, and the hash that is the image's name from then on.

import Basics
import Foundation
import Imaging

/// A file's bytes and what they are. Read once, so that hash and pixels are of the same content.
package struct DroppedContent {
    package let bytes: [UInt8]
    package let hash: ContentHash

    /// Reads a file whole. nil where it is gone, changed its size, or is no regular file any more.
    ///
    /// O_NOFOLLOW and O_NONBLOCK: what was a file when it settled may be a link or a FIFO by now.
    package init?(path: String, bytesMax: Int) throws(ImagingError) {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { return nil }
        let size = Int(info.st_size)
        guard size <= bytesMax else { throw .tooManyBytes(bytes: size, bytesMax: bytesMax) }
        var filled = 0
        bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while filled < size {
                let got = read(descriptor, buffer.baseAddress! + filled, size - filled)
                if got <= 0 { break }
                filled += got
            }
            count = filled
        }
        guard filled == size else { return nil }
        hash = ContentHash(of: bytes)
    }
}
