// Files that a command writes: whole or not at all.

import Glibc

/// A file that a command will write. That it can be written is found out before the daemon is asked for something that
/// takes its time.
public struct OutputPlace: Sendable {
    /// As the user wrote it; "-" is standard output.
    public let path: String
    /// Where a link leads.
    private let target: String
    /// A device or a pipe: written to, never replaced.
    private let isSpecial: Bool

    public var isStandardOutput: Bool { path == "-" }

    /// Leaves nothing behind; an existing file stays as it is until `write`.
    public init(_ path: String) throws(OutputError) {
        self.path = path
        guard path != "-" else {
            (target, isSpecial) = (path, true)
            return
        }
        guard !path.isEmpty else { throw OutputError(path: path, errno: ENOENT, step: "open") }
        var status = stat()
        let exists = stat(path, &status) == 0
        guard !exists || status.st_mode & S_IFMT != S_IFDIR else { throw OutputError(path: path, errno: EISDIR, step: "open") }
        isSpecial = exists && status.st_mode & S_IFMT != S_IFREG
        let real = realpath(path, nil)
        defer { free(real) }
        target = isSpecial ? path : real.map { String(cString: $0) } ?? path
        guard !isSpecial else { return }
        close(try open())
        unlink(temporary)
    }

    /// Where a picture goes that nobody named a file for: `/tmp/saectl-UID/NAME.png`, or below $TMPDIR. A folder of this
    /// user's, so that nobody else can lay a link there.
    ///
    /// - Parameter parts: of the name; what can't stand in one becomes `-`.
    public static func forPicture(_ parts: [String]) throws(OutputError) -> OutputPlace {
        let temporary = SocketPath.variable("TMPDIR").flatMap { $0.hasPrefix("/") ? $0.trimmingTrailingSlashes : nil } ?? "/tmp"
        let folder = (temporary == "/" ? "" : temporary) + "/saectl-\(getuid())"
        if mkdir(folder, 0o700) != 0, errno != EEXIST { throw OutputError(path: folder, errno: errno, step: "make the folder") }
        var status = stat()
        guard lstat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == getuid(), status.st_mode & 0o022 == 0 else {
            throw OutputError(path: folder, errno: EPERM, step: "it must be a folder of yours that nobody else may write to, or name a file with -o")
        }
        let names = parts.map { part in
            String(part.split(separator: "/").suffix(2).joined(separator: "-").map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "-" }.prefix(64))
        }
        return try OutputPlace(folder + "/" + names.filter { !$0.isEmpty }.joined(separator: "-") + ".png")
    }

    /// All of it: under a temporary name, renamed at the end; an existing file is replaced.
    public func write(_ bytes: [UInt8]) throws(OutputError) {
        if isStandardOutput { return try OutputPlace.standardOutput(bytes) }
        let fd = isSpecial ? Glibc.open(target, O_WRONLY | O_CLOEXEC) : try open()
        guard fd >= 0 else { throw OutputError(path: path, errno: errno, step: "open") }
        let written = writeAll(fd, bytes[...])
        let error = errno
        close(fd)
        guard written else {
            if !isSpecial { unlink(temporary) }
            throw OutputError(path: path, errno: error, step: "write")
        }
        guard isSpecial || rename(temporary, target) == 0 else {
            let error = errno
            unlink(temporary)
            throw OutputError(path: path, errno: error, step: "rename")
        }
    }

    private var temporary: String { target + ".\(getpid()).part" }

    private func open() throws(OutputError) -> CInt {
        // The name can be guessed: a link that someone laid there is not followed.
        unlink(temporary)
        let fd = Glibc.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        guard fd >= 0 else { throw OutputError(path: path, errno: errno, step: "open") }
        return fd
    }

    /// A reader that has gone is no error, as everywhere.
    private static func standardOutput(_ bytes: [UInt8]) throws(OutputError) {
        guard !writeAll(STDOUT_FILENO, bytes[...]) else { return }
        guard errno != EPIPE else { exit(ExitStatus.success) }
        throw OutputError(path: "-", errno: errno, step: "write")
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
