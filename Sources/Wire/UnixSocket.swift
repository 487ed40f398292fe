// Unix stream sockets by path, the POSIX way: shared by the blocking client and by the daemon's listener.

import Glibc

/// Why a socket can't be reached or made.
public enum SocketError: Error, Equatable, Sendable, CustomStringConvertible {
    case pathTooLong(String, most: Int)
    /// `errno` of the call that failed.
    case connect(path: String, errno: CInt)
    case listen(path: String, step: String, errno: CInt)
    /// Another process answers there.
    case inUse(path: String)
    /// Something that is no socket has the name.
    case notASocket(path: String)

    public var description: String {
        switch self {
        case let .pathTooLong(path, most):
            "'\(path)' is too long for a socket: \(path.utf8.count) bytes, at most \(most) are allowed; choose a shorter folder"
        case let .connect(path, errno):
            "can't connect to '\(path)': \(message(errno))"
        case let .listen(path, step, errno):
            "can't listen at '\(path)': \(step): \(message(errno))"
        case let .inUse(path):
            "another saed answers at '\(path)': stop it first, or give this one another root or socket"
        case let .notASocket(path):
            "'\(path)' exists and is no socket: move it away"
        }
    }

    private func message(_ errno: CInt) -> String { String(cString: strerror(errno)) }
}

/// System calls on Unix sockets; descriptors are close-on-exec.
public enum UnixSocket {
    /// 107 on Linux: `sun_path` less the final zero.
    public static var pathBytesMax: Int { MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1 }

    /// A connected, blocking descriptor, which the caller closes.
    public static func connect(path: String) throws(SocketError) -> CInt {
        var address = try self.address(path)
        let fd = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw .connect(path: path, errno: errno) }
        while call(&address, { Glibc.connect(fd, $0, $1) }) != 0 {
            guard errno == EINTR else {
                let error = errno
                close(fd)
                throw .connect(path: path, errno: error)
            }
        }
        return fd
    }

    /// A listening descriptor at `path` whose file has `mode` from its first moment on. A socket that a killed
    /// process left is replaced; one that answers is not.
    public static func listen(path: String, mode: mode_t, backlog: CInt = 128) throws(SocketError) -> CInt {
        var address = try self.address(path)
        try removeStale(path)
        let fd = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw .listen(path: path, step: "socket", errno: errno) }
        func fail(_ step: String) -> SocketError {
            let error = errno
            close(fd)
            return .listen(path: path, step: step, errno: error)
        }
        // bind gives the file the descriptor's own mode less the umask: it is never wider than `mode`, not even
        // for a moment; chmod then gives what the umask took.
        guard fchmod(fd, mode) == 0 else { throw fail("fchmod") }
        guard call(&address, { bind(fd, $0, $1) }) == 0 else { throw fail("bind") }
        guard chmod(path, mode) == 0 else { throw fail("chmod") }
        guard Glibc.listen(fd, backlog) == 0 else { throw fail("listen") }
        return fd
    }

    private static func removeStale(_ path: String) throws(SocketError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }
        do throws(SocketError) {
            close(try connect(path: path))
        } catch {
            // Nobody listens: the file is what a killed process left behind.
            if case .connect(_, ECONNREFUSED) = error {
                unlink(path)
                return
            }
            throw error
        }
        throw .inUse(path: path)
    }

    private static func address(_ path: String) throws(SocketError) -> sockaddr_un {
        guard !path.isEmpty, path.utf8.count <= pathBytesMax, !path.utf8.contains(0) else { throw .pathTooLong(path, most: pathBytesMax) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return address
    }

    private static func call(_ address: inout sockaddr_un, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }
}
