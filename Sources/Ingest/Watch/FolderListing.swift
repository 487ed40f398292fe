// The names in a folder, sorted so that a walk of the tree meets files in the order of their paths' bytes.

import Foundation

/// One folder's entries in one block of bytes: a folder of 10^6 files costs some 30 MB while it is scanned,
/// not a String each.
struct FolderListing {
    /// Names end to end; a folder's with a '/' behind it, which is how it sorts.
    private var bytes: [UInt8] = []
    private var starts: [Int] = []
    private var order: [Int32] = []

    /// Of the folder that was read.
    let inode: UInt64
    let device: UInt64

    enum Entry {
        case file(String), folder(String)
        /// Not UTF-8; repaired, for the message.
        case notText(String)
    }

    /// - Returns: nil with errno in `failure` where the folder can't be read. `.` and `..` are left out.
    init?(path: String, failure: inout Int32) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0, let stream = fdopendir(descriptor) else {
            failure = errno
            if descriptor >= 0 { close(descriptor) }
            return nil
        }
        defer { closedir(stream) }
        let facts = FileFacts.of(descriptor: descriptor)
        inode = facts?.stamp.inode ?? 0
        device = facts?.device ?? 0
        errno = 0
        while let entry = readdir(stream) {
            let isFolder = FolderListing.isFolder(entry, in: path)
            withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: UInt8.self, capacity: 256) { name in
                    let length = strlen(UnsafeRawPointer(name).assumingMemoryBound(to: CChar.self))
                    let isDots = name[0] == UInt8(ascii: ".") && (length == 1 || length == 2 && name[1] == UInt8(ascii: "."))
                    if !isDots { append(UnsafeBufferPointer(start: name, count: length), isFolder: isFolder) }
                }
            }
            errno = 0
        }
        if errno != 0 {
            failure = errno
            return nil
        }
        sort()
    }

    private static func isFolder(_ entry: UnsafeMutablePointer<dirent>, in path: String) -> Bool {
        if entry.pointee.d_type != UInt8(DT_UNKNOWN) { return entry.pointee.d_type == UInt8(DT_DIR) }
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        return FileFacts.of(path + "/" + name)?.kind == .folder
    }

    private mutating func append(_ name: UnsafeBufferPointer<UInt8>, isFolder: Bool) {
        order.append(Int32(starts.count))
        starts.append(bytes.count)
        bytes.append(contentsOf: name)
        if isFolder { bytes.append(UInt8(ascii: "/")) }
    }

    private mutating func sort() {
        starts.append(bytes.count)
        bytes.withUnsafeBufferPointer { bytes in
            starts.withUnsafeBufferPointer { starts in
                order.sort { a, b in
                    let a = Int(a), b = Int(b)
                    let aCount = starts[a + 1] - starts[a], bCount = starts[b + 1] - starts[b]
                    let common = min(aCount, bCount)
                    guard common > 0, let base = bytes.baseAddress else { return aCount < bCount }
                    let difference = memcmp(base + starts[a], base + starts[b], common)
                    return difference != 0 ? difference < 0 : aCount < bCount
                }
            }
        }
    }

    var count: Int { order.count }

    subscript(position: Int) -> Entry {
        let i = Int(order[position])
        var name = bytes[starts[i]..<starts[i + 1]]
        let isFolder = name.last == UInt8(ascii: "/")
        if isFolder { name.removeLast() }
        guard let text = String(validating: name, as: UTF8.self) else { return .notText(String(decoding: name, as: UTF8.self)) }
        return isFolder ? .folder(text) : .file(text)
    }
}
