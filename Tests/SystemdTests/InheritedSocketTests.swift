// Sockets as a manager hands them over: descriptors from 3 on and three variables (sd_listen_fds(3)). Each test runs in
// a process of its own, whose descriptors 3 and 4 it borrows from the test library and gives back.

import Glibc
import Systemd
import Testing

@Suite struct InheritedSocketTests {
    @Test func socketsComeWithTheirNames() async {
        await #expect(processExitsWith: .success) {
            try withDescriptors([listening(), listening()]) {
                setenv("LISTEN_FDNAMES", "saed.socket:admin", 1)
                let sockets = try InheritedSocket.take()
                #expect(
                    sockets == [InheritedSocket(name: "saed.socket", descriptor: 3), InheritedSocket(name: "admin", descriptor: 4)])
                #expect(fcntl(3, F_GETFD) & FD_CLOEXEC != 0, "a decoder's process must not inherit it")
                #expect(getenv("LISTEN_FDS") == nil)
                let again = try InheritedSocket.take()
                #expect(again.isEmpty)
            }
        }
    }

    @Test func socketsOfAnotherProcessAreNotOurs() async {
        await #expect(processExitsWith: .success) {
            try withDescriptors([listening()]) {
                setenv("LISTEN_PID", "\(getppid())", 1)
                let sockets = try InheritedSocket.take()
                #expect(sockets.isEmpty)
            }
        }
    }

    @Test func aDatagramSocketIsRefused() async {
        await #expect(processExitsWith: .success) {
            try withDescriptors([socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)]) {
                setenv("LISTEN_FDNAMES", "saed.socket", 1)
                #expect(throws: SystemdError.wrongSocket(name: "saed.socket", descriptor: 3)) { try InheritedSocket.take() }
                // Closed; another thread may have the number by now.
                var type: Int32 = 0, size = socklen_t(MemoryLayout<Int32>.size)
                let isSocket = getsockopt(3, SOL_SOCKET, SO_TYPE, &type, &size) == 0
                #expect(!isSocket || type != Int32(SOCK_DGRAM.rawValue), "closed")
            }
        }
    }

    @Test func aSocketKnowsItsPath() throws {
        let path = "/tmp/saed-listen-path-\(getpid()).sock"
        let socket = InheritedSocket(name: "saed", descriptor: try listening(at: path))
        defer { close(socket.descriptor) }
        #expect(socket.path == path)
        #expect(InheritedSocket(name: "none", descriptor: -1).path == nil)
    }

    @Test func nonsenseIsAnErrorThatSaysWhere() async {
        await #expect(processExitsWith: .success) {
            try withDescriptors([listening()]) {
                setenv("LISTEN_FDS", "three", 1)
                #expect(throws: SystemdError.unreadable(errno: EINVAL)) { try InheritedSocket.take() }
            }
        }
    }

    @Test func errorsSayWhatToDo() {
        #expect(
            SystemdError.wrongSocket(name: "saed.socket", descriptor: 3).description
                == "the inherited descriptor 3 ('saed.socket') is no listening Unix stream socket; "
                + "give the socket unit one ListenStream= with a path")
        #expect(
            SystemdError.unreadable(errno: EINVAL).description
                == "$LISTEN_FDS can't be used: Invalid argument; start saed by its socket unit, or unset it")
    }
}

private func listening(at path: String = "/tmp/saed-listen-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock") throws -> CInt {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    try Manager.bind(descriptor, path)
    unlink(path)
    guard listen(descriptor, 4) == 0 else { throw ErrnoError(code: errno) }
    return descriptor
}

/// Runs `body` with sockets as descriptors 3, 4, ... and the variables that announce them.
private func withDescriptors(_ sockets: [CInt], _ body: () throws -> Void) throws {
    // Out of the way first: a socket may have got a number that another one is to have.
    let sockets = sockets.map { descriptor in
        defer { close(descriptor) }
        return fcntl(descriptor, F_DUPFD_CLOEXEC, 64)
    }
    let saved = sockets.indices.map { fcntl(CInt(3 + $0), F_DUPFD_CLOEXEC, 64) }
    for (i, descriptor) in sockets.enumerated() {
        guard dup2(descriptor, CInt(3 + i)) >= 0 else { throw ErrnoError(code: errno) }
        close(descriptor)
    }
    defer {
        for (i, descriptor) in saved.enumerated() where descriptor >= 0 { dup2(descriptor, CInt(3 + i)) }
    }
    setenv("LISTEN_PID", "\(getpid())", 1)
    setenv("LISTEN_FDS", "\(sockets.count)", 1)
    try body()
}
