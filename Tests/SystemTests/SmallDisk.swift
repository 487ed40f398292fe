// A file system of a test's own, small enough to be filled and made to fail: ext4 on a loop device, whose medium is
// memory of this process (memfd). Sealed, the memory takes no write any more: an I/O error as a dying disk makes it,
// while reading goes on.

import Foundation

final class SmallDisk {
    /// Where it is mounted.
    let place: URL
    private let megabytes: Int
    private var medium: Int32 = -1
    private var ballast: URL { place.appendingPathComponent("ballast") }

    /// Mounting needs root and, in a container, the right to it: tried once.
    static let canMount = geteuid() == 0 && (try? SmallDisk(megabytes: 8)) != nil

    /// - Parameter megabytes: at least 8.
    init(megabytes: Int) throws {
        self.megabytes = megabytes
        place = URL(fileURLWithPath: "/tmp/saed-disk-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        medium = try SmallDisk.memory(megabytes)
        // No blocks kept for root, who runs the tests; a journal that leaves room.
        try SmallDisk.command("mkfs.ext4", "-q", "-m", "0", "-b", "1024", "-J", "size=1", SmallDisk.path(medium))
        try mount()
    }

    deinit {
        // Lazy: a file that is still open must not keep it.
        _ = try? SmallDisk.command("umount", "-l", place.path)
        if medium >= 0 { close(medium) }
        try? FileManager.default.removeItem(at: place)
    }

    private func mount() throws { try SmallDisk.command("mount", "-o", "loop", SmallDisk.path(medium), place.path) }

    /// Takes all the space there is, to the last block.
    func fill() throws {
        let descriptor = open(ballast.path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        guard descriptor >= 0 else { throw Trouble("open \(ballast.path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        let bytes = [UInt8](repeating: 0xB5, count: 1 << 20)
        for size in [1 << 20, 1 << 16, 1 << 12, 1 << 9] { while write(descriptor, bytes, size) > 0 {} }
        // ext4 frees what it set aside for its own blocks only when all is on the medium.
        while fsync(descriptor) == 0, write(descriptor, bytes, 1 << 9) > 0 {}
    }

    func free() throws { try FileManager.default.removeItem(at: ballast) }

    /// From now on every write to the medium fails.
    func breakDown() throws {
        // F_ADD_SEALS of F_SEAL_WRITE.
        guard fcntl(medium, 1033, 0x8) == 0 else { throw Trouble("seal: \(String(cString: strerror(errno)))") }
    }

    /// What is on the medium, on one that is whole, mended by fsck. Nothing may run on it.
    func replaceMedium() throws {
        // A process that was killed just now may not have let go of its files.
        for attempt in 1... {
            do { try SmallDisk.command("umount", place.path) } catch {
                guard attempt < 50 else { throw error }
                usleep(100_000)
                continue
            }
            break
        }
        let fresh = try SmallDisk.memory(megabytes)
        try SmallDisk.command("dd", "if=\(SmallDisk.path(medium))", "of=\(SmallDisk.path(fresh))", "bs=1M", "conv=notrunc", "status=none")
        close(medium)
        medium = fresh
        // 1: errors were found and mended.
        try SmallDisk.command("fsck.ext4", "-f", "-y", SmallDisk.path(medium), allowed: [0, 1])
        try mount()
    }

    private static func memory(_ megabytes: Int) throws -> Int32 {
        // Swift's Glibc does not show it. MFD_CLOEXEC, MFD_ALLOW_SEALING.
        typealias Create = @convention(c) (UnsafePointer<CChar>, UInt32) -> Int32
        guard let create = dlsym(nil, "memfd_create") else { throw Trouble("no memfd_create") }
        let descriptor = unsafeBitCast(create, to: Create.self)("saed-disk", 3)
        guard descriptor >= 0, ftruncate(descriptor, off_t(megabytes) << 20) == 0 else {
            throw Trouble("memfd: \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    /// By which another process of this user opens it.
    private static func path(_ descriptor: Int32) -> String { "/proc/\(getpid())/fd/\(descriptor)" }

    private static func command(_ arguments: String..., allowed: Set<Int32> = [0]) throws {
        let finished = try run(URL(fileURLWithPath: "/usr/bin/env"), arguments, environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
        guard allowed.contains(finished.status) else {
            throw Trouble("\(arguments.joined(separator: " ")): \(finished.status) \(finished.errors)")
        }
    }
}
