// Where the daemon's socket is: the first that is given of --socket, --root, $SAED_SOCKET,
// $XDG_RUNTIME_DIR/saed/saed.sock, /run/saed/saed.sock.

import Glibc

/// The socket to ask at, and the `saed run` that would answer there.
public struct SocketPath: Sendable, Equatable {
    public static let system = "/run/saed/saed.sock"

    public let path: String
    /// The root folder, where one was named.
    public let root: String?

    /// - Parameter exists: whether there is something at a path; the places that nobody named are tried by it.
    public init(
        socket: String?, root: String?, environment: (String) -> String? = SocketPath.variable,
        exists: (String) -> Bool = { access($0, F_OK) == 0 }
    ) {
        if let socket {
            (path, self.root) = (socket, nil)
        } else if let root {
            (path, self.root) = (root == "/" ? "/saed.sock" : root.trimmingTrailingSlashes + "/saed.sock", root)
        } else if let socket = environment("SAED_SOCKET"), !socket.isEmpty {
            (path, self.root) = (socket, nil)
        } else if let runtime = environment("XDG_RUNTIME_DIR"), !runtime.isEmpty,
            case let own = runtime.trimmingTrailingSlashes + "/saed/saed.sock", exists(own) || !exists(SocketPath.system)
        {
            (path, self.root) = (own, nil)
        } else {
            (path, self.root) = (SocketPath.system, nil)
        }
    }

    public static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    /// What to tell someone when nobody answers there.
    public var remedy: String {
        "start one with `saed run --root \(root ?? "DIR")`, or name its socket with --socket or its root with --root"
    }
}

extension String {
    var trimmingTrailingSlashes: String {
        var text = self[...]
        while text.count > 1, text.last == "/" { text = text.dropLast() }
        return String(text)
    }
}
