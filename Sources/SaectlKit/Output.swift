// Files that a command writes: whole or not at all.

import Glibc

/// Writes a file under a temporary name and renames it; an existing file is replaced.
public func writeFile(_ path: String, _ bytes: [UInt8]) throws(OutputError) {
    let temporary = path + ".\(getpid()).part"
    let fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard fd >= 0 else { throw OutputError(path: path, errno: errno, step: "open") }
    let written = writeAll(fd, bytes[...])
    let error = errno
    close(fd)
    guard written else {
        unlink(temporary)
        throw OutputError(path: path, errno: error, step: "write")
    }
    guard rename(temporary, path) == 0 else {
        let error = errno
        unlink(temporary)
        throw OutputError(path: path, errno: error, step: "rename")
    }
}

/// A text file's lines, without those that are empty or begin with `#`.
public func readLines(_ path: String, bytesMax: Int = 1 << 20) throws(InputError) -> [String] {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { throw InputError(path: path, reason: String(cString: strerror(errno))) }
    defer { close(fd) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = read(fd, &buffer, buffer.count)
        if count == 0 { break }
        guard count > 0 || errno == EINTR else { throw InputError(path: path, reason: String(cString: strerror(errno))) }
        bytes += buffer[..<max(0, count)]
        guard bytes.count <= bytesMax else { throw InputError(path: path, reason: "is larger than \(bytesMax) bytes") }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw InputError(path: path, reason: "is no UTF-8 text") }
    return text.split(whereSeparator: \.isNewline).map { $0.trimmed }.filter { !$0.isEmpty && !$0.hasPrefix("#") }
}

/// A file that a command should read and can't.
public struct InputError: Error, Sendable, CustomStringConvertible {
    public let path: String
    public let reason: String

    public init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    public var description: String { "'\(path)': \(reason)" }
}

extension Substring {
    var trimmed: String {
        var text = self
        while let first = text.first, first.isWhitespace { text = text.dropFirst() }
        while let last = text.last, last.isWhitespace { text = text.dropLast() }
        return String(text)
    }
}
