// The files of `adapter export`, as their arrays stream in, to a folder that appears whole or not at all: they are
// written into a hidden folder beside it, which is renamed at the end. A folder that has something in it is never touched.

import Glibc
import Wire

/// The folder that a command should write is there and not empty.
public struct FolderNotEmpty: Error, Sendable, CustomStringConvertible {
    public let path: String
    public var description: String { "'\(path)' is not empty: name a new or an empty folder" }
}

/// Collects the pieces of one answer.
public final class ExportFolder {
    private struct File {
        let fd: CInt
        let bytes: UInt64
        var received: UInt64 = 0
    }

    private let path: String
    private let hidden: String
    private var files: [String: File] = [:]
    private var announced: [String: UInt64] = [:]
    private var finished = false

    /// Made before the daemon is asked, so that a folder that can't be written costs nothing.
    /// - Throws: `FolderNotEmpty`, `OutputError`.
    public init(path: String) throws {
        // A link to a folder is followed: rename() would not replace it.
        let real = realpath(path, nil)
        defer { free(real) }
        self.path = real.map { String(cString: $0) } ?? absolutePath(path)
        let parts = self.path.split(separator: "/")
        hidden = "/" + (parts.dropLast() + [".\(parts.last ?? "").\(getpid()).part"]).joined(separator: "/")
        if let stream = opendir(self.path) {
            defer { closedir(stream) }
            while let entry = readdir(stream) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                guard name == "." || name == ".." else { throw FolderNotEmpty(path: path) }
            }
        } else if errno != ENOENT {
            throw OutputError(path: path, errno: errno, step: "open")
        }
        guard mkdir(hidden, 0o777) == 0 else { throw OutputError(path: path, errno: errno, step: "make a folder beside it") }
    }

    deinit {
        for (name, file) in files {
            close(file.fd)
            if !finished { unlink(hidden + "/" + name) }
        }
        if !finished { rmdir(hidden) }
    }

    public func receive(_ piece: ReplyPiece) throws {
        switch piece {
        case .progress: break
        case let .part(reply):
            for file in reply.adapterExport.files { announced[file.name] = file.bytes }
        case let .array(header):
            let name = header.name
            guard let bytes = announced[name] else { throw ExportFolder.incomplete("array '\(name)' is none of its files") }
            guard !name.isEmpty, name.first != ".", !name.contains("/"), name == name.printable, header.dtype == .u8 else {
                throw ExportFolder.incomplete("'\(name.printable)' is no name of a file")
            }
            let fd = open(hidden + "/" + name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            guard fd >= 0 else { throw OutputError(path: path + "/" + name, errno: errno, step: "open") }
            files[name] = File(fd: fd, bytes: bytes)
        case let .chunk(header, bytes):
            guard let file = files[header.name] else { break }
            guard writeAll(file.fd, bytes) else { throw OutputError(path: path + "/" + header.name, errno: errno, step: "write") }
            files[header.name]?.received += UInt64(bytes.count)
        }
    }

    /// Puts the folder in its place.
    /// - Returns: the names of its files and their sizes.
    /// - Throws: `WireFailure` where the daemon's answer is incomplete, `OutputError`.
    public func finish() throws -> [(name: String, bytes: UInt64)] {
        guard !announced.isEmpty else { throw ExportFolder.incomplete("it names no file") }
        for (name, bytes) in announced where files[name]?.received != bytes {
            throw ExportFolder.incomplete("file '\(name.printable)' has \(bytes) bytes, \(files[name]?.received ?? 0) came")
        }
        // Replaces an empty folder; one that got something since then is left alone.
        guard rename(hidden, path) == 0 else {
            guard errno == ENOTEMPTY || errno == EEXIST else { throw OutputError(path: path, errno: errno, step: "rename") }
            throw FolderNotEmpty(path: path)
        }
        finished = true
        return announced.map { ($0.key, $0.value) }.sorted { $0.name < $1.name }
    }

    private static func incomplete(_ what: String) -> WireFailure {
        WireFailure(.internal, "the daemon's export can't be used: \(what)", remedy: "use client and daemon of the same release")
    }
}
