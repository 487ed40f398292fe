// What the kernel says about a path without reading it: lstat, whether someone writes the file, the kind of
// file system. Nothing here follows a symbolic link, and nothing blocks on a FIFO.

import CInotify
import Foundation

/// An lstat.
struct FileFacts {
    enum Kind { case file, folder, link, fifo, socket, device }

    let kind: Kind
    let stamp: FileStamp
    let device: UInt64
    let links: UInt64
    /// Nanoseconds since 1970. Unlike mtime nothing can set it, so it shows that something happened.
    let ctime: Int64

    private init(_ status: stat) {
        switch status.st_mode & S_IFMT {
        case S_IFREG: kind = .file
        case S_IFDIR: kind = .folder
        case S_IFLNK: kind = .link
        case S_IFIFO: kind = .fifo
        case S_IFSOCK: kind = .socket
        default: kind = .device
        }
        stamp = FileStamp(
            size: Int64(status.st_size), mtime: FileFacts.nanoseconds(status.st_mtim), inode: UInt64(status.st_ino))
        device = UInt64(status.st_dev)
        links = UInt64(status.st_nlink)
        ctime = FileFacts.nanoseconds(status.st_ctim)
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }

    /// - Returns: nil and errno in `failure` where there is nothing or nothing can be told.
    static func of(_ path: String, failure: inout Int32) -> FileFacts? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            failure = errno
            return nil
        }
        return FileFacts(status)
    }

    static func of(_ path: String) -> FileFacts? {
        var failure: Int32 = 0
        return of(path, failure: &failure)
    }

    static func of(descriptor: Int32) -> FileFacts? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? FileFacts(status) : nil
    }

    /// Whether the path leads to nothing, as opposed to something that can't be looked at now.
    static func isMissing(_ path: String) -> Bool {
        var failure: Int32 = 0
        return of(path, failure: &failure) == nil && (failure == ENOENT || failure == ENOTDIR)
    }

    /// How long nothing has happened to the file, by the wall clock; zero where the clock or the file's time
    /// makes no sense.
    var age: Duration {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let age = FileFacts.nanoseconds(now) &- max(stamp.mtime, ctime)
        return .nanoseconds(max(0, age))
    }
}

/// Whether a file can be read, and whether it is being written.
enum WriterProbe {
    case noWriter, writer
    /// Only the owner of a file (or one with CAP_LEASE) may ask, and not every file system answers.
    case unknown
    case gone
    case notRegular
    case unreadable(reason: String)

    init(path: String) {
        // O_NONBLOCK: if a FIFO took the file's place since the lstat, opening must not wait for its writer.
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else {
            self = switch errno {
            case ENOENT, ENOTDIR: .gone
            case ELOOP, ENXIO, ENODEV: .notRegular
            case let code: .unreadable(reason: errorText(code))
            }
            return
        }
        defer { close(descriptor) }
        guard let facts = FileFacts.of(descriptor: descriptor), facts.kind == .file else {
            self = .notRegular
            return
        }
        self = switch saed_has_writer(descriptor) {
        case 0: .noWriter
        case 1: .writer
        default: .unknown
        }
    }
}

func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }

enum FileSystems {
    /// Those where changes are made by other machines or by a program, which inotify doesn't see; by the magic
    /// numbers of statfs(2).
    private static let remote: [UInt32: String] = [
        0x6969: "NFS", 0x517B: "SMB", 0xFF53_4D42: "CIFS", 0xFE53_4D42: "SMB", 0x6573_5546: "FUSE",
        0x0102_1997: "9P", 0x00C3_6400: "Ceph", 0x5346_414F: "AFS", 0x7375_7245: "Coda", 0x786F_4256: "vboxsf",
        0x0BD0_0BD0: "Lustre", 0x4750_4653: "GPFS", 0x7461_636F: "OCFS2", 0x0116_1970: "GFS2",
        0xBACB_ACBC: "vmhgfs", 0x2003_0528: "OrangeFS", 0x1983_0326: "BeeGFS",
    ]

    /// The name of the remote file system that holds `path`; nil for a local one.
    static func remoteName(of path: String) -> String? {
        UInt32(exactly: saed_file_system_type(path)).flatMap { remote[$0] }
    }
}
