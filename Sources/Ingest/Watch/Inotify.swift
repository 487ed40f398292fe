// inotify(7), typed. Reading a file or a folder raises none of the events asked for here (no IN_ACCESS, IN_OPEN,
// IN_CLOSE_NOWRITE), so the daemon does not hear itself.

import CInotify
import Foundation

struct InotifyMask: OptionSet {
    let rawValue: UInt32

    static let modify = InotifyMask(rawValue: 0x2)
    static let attributes = InotifyMask(rawValue: 0x4)
    static let closeWrite = InotifyMask(rawValue: 0x8)
    static let movedFrom = InotifyMask(rawValue: 0x40)
    static let movedTo = InotifyMask(rawValue: 0x80)
    static let create = InotifyMask(rawValue: 0x100)
    static let delete = InotifyMask(rawValue: 0x200)
    static let deleteSelf = InotifyMask(rawValue: 0x400)
    static let moveSelf = InotifyMask(rawValue: 0x800)
    static let unmount = InotifyMask(rawValue: 0x2000)
    static let overflow = InotifyMask(rawValue: 0x4000)
    static let ignored = InotifyMask(rawValue: 0x8000)
    static let onlyFolder = InotifyMask(rawValue: 0x0100_0000)
    static let dontFollow = InotifyMask(rawValue: 0x0200_0000)
    /// Without: nothing about files whose name here is gone.
    static let excludeUnlinked = InotifyMask(rawValue: 0x0400_0000)
    static let isFolder = InotifyMask(rawValue: 0x4000_0000)

    static let asked: InotifyMask = [
        .modify, .attributes, .closeWrite, .movedFrom, .movedTo, .create, .delete, .deleteSelf, .moveSelf,
        .onlyFolder, .dontFollow, .excludeUnlinked,
    ]
}

struct InotifyEvent {
    let watch: Int32
    let mask: InotifyMask
    let cookie: UInt32
    /// Nil for events about the watched folder itself.
    let name: String?
    let nameIsText: Bool
}

/// An inotify instance; closed with the object.
final class Inotify {
    let descriptor: Int32
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 8)

    /// - Returns: nil with errno in `failure`, mostly EMFILE (fs.inotify.max_user_instances).
    init?(failure: inout Int32) {
        descriptor = inotify_init1(O_NONBLOCK | O_CLOEXEC)
        if descriptor < 0 {
            failure = errno
            return nil
        }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        buffer.deallocate()
    }

    /// - Returns: the watch's number, the same for the same inode; or nil with errno in `failure`.
    func add(_ path: String, failure: inout Int32) -> Int32? {
        let watch = inotify_add_watch(descriptor, path, InotifyMask.asked.rawValue)
        if watch >= 0 { return watch }
        failure = errno
        return nil
    }

    func remove(_ watch: Int32) { _ = inotify_rm_watch(descriptor, watch) }

    /// Reads one buffer of events (up to some 2,000) without waiting.
    /// - Returns: false when there was none.
    func read(_ body: (InotifyEvent) -> Void) -> Bool {
        var count: Int
        repeat { count = Foundation.read(descriptor, buffer.baseAddress, buffer.count) } while count < 0 && errno == EINTR
        guard count > 0 else { return false }
        // struct inotify_event: int wd; uint32_t mask, cookie, len; char name[len], padded with zeros.
        var offset = 0
        while offset + 16 <= count {
            let length = Int(buffer.load(fromByteOffset: offset + 12, as: UInt32.self))
            let padded = buffer[offset + 16..<min(offset + 16 + length, count)]
            let bytes = padded.prefix { $0 != 0 }
            let text = String(validating: bytes, as: UTF8.self)
            body(InotifyEvent(
                watch: buffer.load(fromByteOffset: offset, as: Int32.self),
                mask: InotifyMask(rawValue: buffer.load(fromByteOffset: offset + 4, as: UInt32.self)),
                cookie: buffer.load(fromByteOffset: offset + 8, as: UInt32.self),
                name: bytes.isEmpty ? nil : text ?? String(decoding: bytes, as: UTF8.self),
                nameIsText: text != nil))
            offset += 16 + length
        }
        return true
    }
}

/// Wakes the watcher's thread out of poll(2) from any thread.
final class Waker: Sendable {
    let descriptor: Int32

    /// - Returns: nil where the process has no descriptor left.
    init?() {
        descriptor = saed_eventfd()
        if descriptor < 0 { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func wake() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)  // fails only where it is awake already
    }

    func clear() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}
