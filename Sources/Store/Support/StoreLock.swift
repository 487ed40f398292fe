// One process at a time: an advisory lock on `LOCK`, which the kernel drops however the holder ends.

import Glibc

/// The lock of a store folder; released when the object goes.
final class StoreLock: Sendable {
    private let descriptor: Int32

    init(folder: String) throws(StoreError) {
        let path = folder + "/LOCK"
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("open", path, errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            let holder = StoreLock.holder(descriptor)
            close(descriptor)
            throw code == EWOULDBLOCK ? .locked(folder: folder, pid: holder) : .system("lock", path, code)
        }
        self.descriptor = descriptor
        let text = Array("saed store lock 1\npid \(getpid())\n".utf8)
        // The text only helps people: a full disk must not keep the store from opening.
        if pwrite(descriptor, text, text.count, 0) == text.count { _ = ftruncate(descriptor, off_t(text.count)) }
    }

    /// Unlocks by itself: closing alone would leave the lock to a program that is being started, which holds a copy of the
    /// descriptor until it begins.
    deinit {
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    private static func holder(_ descriptor: Int32) -> Int32? {
        var text = [UInt8](repeating: 0, count: 128)
        let count = pread(descriptor, &text, text.count, 0)
        guard count > 0 else { return nil }
        for line in String(decoding: text[..<count], as: UTF8.self).split(separator: "\n") where line.hasPrefix("pid ") {
            return Int32(line.dropFirst(4))
        }
        return nil
    }
}
