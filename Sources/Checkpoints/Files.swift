// Small questions to the file system.

import Basics
import Glibc

package func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

package func fileExists(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0
}

/// Adds a file's size and contents to a hash.
/// - Throws: `unreadable`; `malformed` where the file shrinks meanwhile.
package func hashFile(_ path: String, into hasher: inout ContentHasher) throws(CheckpointError) {
    let file = try CheckpointFile(path: path)
    hasher.update("\(file.size)\0")
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { block.deallocate() }
    var offset = 0
    while offset < file.size {
        let part = UnsafeMutableRawBufferPointer(rebasing: block[..<min(block.count, file.size - offset)])
        try file.read(at: offset, into: part)
        hasher.update(UnsafeRawBufferPointer(part))
        offset += part.count
    }
}
