// Sockets that the service manager opened before it started us (sd_listen_fds(3)): clients never find the door closed,
// neither before the first start nor during a restart.

import CSystemd
import Glibc

/// A listening Unix stream socket that came with the process. Who takes it closes it.
public struct InheritedSocket: Sendable, Equatable {
    /// The unit's `FileDescriptorName=`; the socket unit's own name where it sets none.
    public let name: String
    public let descriptor: CInt

    package init(name: String, descriptor: CInt) {
        self.name = name
        self.descriptor = descriptor
    }

    /// The sockets, in the units' order; empty where none were handed over. They are this caller's from now on: a second
    /// call finds none, and programs started later inherit neither them nor the word of them.
    /// - Throws: `SystemdError` where something else than a listening Unix stream socket was handed over; all are closed
    ///   then.
    public static func take() throws(SystemdError) -> [InheritedSocket] {
        var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        let count = sd_listen_fds_with_names(1, &names)
        guard count >= 0 else { throw SystemdError.unreadable(errno: -count) }
        defer {
            for i in 0..<Int(count) { free(names?[i]) }
            free(names)
        }
        let sockets = (0..<count).map { i in
            InheritedSocket(name: names?[Int(i)].map { String(cString: $0) } ?? "", descriptor: firstDescriptor + i)
        }
        for socket in sockets where sd_is_socket_unix(socket.descriptor, Int32(SOCK_STREAM.rawValue), 1, nil, 0) <= 0 {
            for socket in sockets { close(socket.descriptor) }
            throw SystemdError.wrongSocket(name: socket.name, descriptor: socket.descriptor)
        }
        return sockets
    }

    /// Where clients find it; nil for a socket without a file.
    public var path: String? {
        var address = sockaddr_un(), size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let found = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        guard found == 0, address.sun_family == sa_family_t(AF_UNIX) else { return nil }
        let bytes = withUnsafeBytes(of: &address.sun_path) { Array($0.prefix { $0 != 0 }) }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }

    /// SD_LISTEN_FDS_START, a macro that Swift can't see.
    private static let firstDescriptor: CInt = 3
}

/// What the service manager handed over wrongly.
public enum SystemdError: Error, CustomStringConvertible, Equatable {
    case unreadable(errno: CInt)
    case wrongSocket(name: String, descriptor: CInt)

    public var description: String {
        switch self {
        case let .unreadable(errno):
            "$LISTEN_FDS can't be used: \(String(cString: strerror(errno))); start saed by its socket unit, or unset it"
        case let .wrongSocket(name, descriptor):
            "the inherited descriptor \(descriptor) ('\(name)') is no listening Unix stream socket; "
                + "give the socket unit one ListenStream= with a path"
        }
    }
}
