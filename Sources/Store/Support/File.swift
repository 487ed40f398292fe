// Files by descriptor, with errors that name them. Writes go through `FaultInjector` in tests, so that a full
// or failing disk can be met at every single write.

import Glibc
import Synchronization

/// An open file. Reads (`pread`) are safe from any thread; writes belong to one owner at a time.
final class File: Sendable {
    let path: String
    private let descriptor: Int32
    private let faults: FaultInjector?

    init(path: String, flags: Int32, faults: FaultInjector? = nil) throws(StoreError) {
        let descriptor = Glibc.open(path, flags | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("open", path, errno) }
        self.path = path
        self.descriptor = descriptor
        self.faults = faults
    }

    deinit { close(descriptor) }

    func size() throws(StoreError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("stat", path, errno) }
        return Int(status.st_size)
    }

    func read(at offset: Int, count: Int) throws(StoreError) -> [UInt8] {
        var done = 0, failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while done < count {
                let n = pread(descriptor, buffer.baseAddress! + done, count - done, off_t(offset + done))
                if n < 0 && errno == EINTR { continue }
                if n < 0 { failure = errno }
                if n <= 0 { break }
                done += n
            }
            filled = done
        }
        guard failure == 0 else { throw .system("read", path, failure) }
        guard done == count else {
            throw .damaged(file: path, offset: offset + done, reason: "the file ends \(count - done) bytes early")
        }
        return bytes
    }

    func write(_ data: UnsafeRawBufferPointer, at offset: Int) throws(StoreError) {
        var done = 0
        while done < data.count {
            var allowed = data.count - done
            if let faults {
                allowed = faults.admit(allowed)
                if allowed == 0 { throw .system("write", path, faults.code) }
            }
            let n = pwrite(descriptor, data.baseAddress! + done, allowed, off_t(offset + done))
            if n < 0 && errno == EINTR { continue }
            guard n > 0 else { throw .system("write", path, n < 0 ? errno : ENOSPC) }
            done += n
        }
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(StoreError) {
        try bytes.withRaw { (raw) throws(StoreError) in try write(raw, at: offset) }
    }

    func syncData() throws(StoreError) {
        if let faults, faults.failsSync { throw .system("fdatasync", path, faults.code) }
        guard fdatasync(descriptor) == 0 else { throw .system("fdatasync", path, errno) }
    }

    func truncate(to size: Int) throws(StoreError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw .system("truncate", path, errno) }
    }

    /// Tells the kernel that these pages will not be asked for soon.
    func forgetCachedPages() { _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) }

    /// Writes a file that is there whole or not at all: temporary name, fsync, rename, fsync of the folder.
    static func writeAtomically(_ path: String, _ bytes: [UInt8], faults: FaultInjector? = nil) throws(StoreError) {
        let temporary = path + ".tmp"
        do throws(StoreError) {
            let file = try File(path: temporary, flags: O_WRONLY | O_CREAT | O_TRUNC, faults: faults)
            try file.write(bytes, at: 0)
            try file.syncData()
            guard rename(temporary, path) == 0 else { throw StoreError.system("rename", path, errno) }
        } catch {
            unlink(temporary)
            throw error
        }
        try syncFolder(of: path)
    }

    /// Makes a name in a folder durable.
    static func syncFolder(of path: String) throws(StoreError) {
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { String(path[..<$0]) } ?? "."
        let descriptor = Glibc.open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", folder, errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system("fsync", folder, errno) }
    }

    /// Makes a folder, its name durable, where there is none.
    static func makeFolder(_ path: String) throws(StoreError) {
        if mkdir(path, 0o755) == 0 { return try syncFolder(of: path) }
        guard errno == EEXIST else { throw .system("mkdir", path, errno) }
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The size of the file at a path; nil only where there surely is none, not where it can't be looked at.
    static func size(at path: String) throws(StoreError) -> Int? {
        var status = Glibc.stat()
        if fstatat(AT_FDCWD, path, &status, 0) == 0 { return Int(status.st_size) }
        guard errno == ENOENT || errno == ENOTDIR else { throw .system("stat", path, errno) }
        return nil
    }

    /// Seconds since 1970 of the last change; 0 where there is no such file.
    static func modified(_ path: String) -> Int {
        var status = Glibc.stat()
        return lstat(path, &status) == 0 ? Int(status.st_mtim.tv_sec) : 0
    }

    /// Names in a folder, sorted; empty where there is none.
    static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

/// A disk that fails when a test says so: after so many bytes, with this `errno`.
package final class FaultInjector: Sendable {
    private struct State { var bytesLeft: Int?; var failsSync = false }
    private let state = Mutex(State())
    package let code: Int32

    package init(code: Int32) { self.code = code }

    /// Every write after `bytes` more bytes fails; nil heals the disk.
    package func fail(afterBytes bytes: Int?) { state.withLock { $0.bytesLeft = bytes } }
    package func failSync(_ fails: Bool) { state.withLock { $0.failsSync = fails } }

    var failsSync: Bool { state.withLock { $0.failsSync } }

    func admit(_ bytes: Int) -> Int {
        state.withLock { state in
            guard let left = state.bytesLeft else { return bytes }
            let allowed = min(left, bytes)
            state.bytesLeft = left - allowed
            return allowed
        }
    }
}

/// A whole file mapped read-only; unmapped when the last user lets go.
final class MappedFile: @unchecked Sendable {
    // The mapping is never written and lives as long as the object.
    let path: String
    let bytes: UnsafeRawBufferPointer

    init(path: String) throws(StoreError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", path, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("stat", path, errno) }
        let size = Int(status.st_size)
        guard size > 0 else { throw .damaged(file: path, offset: 0, reason: "the file is empty") }
        guard let base = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED else {
            throw .system("mmap", path, errno)
        }
        self.path = path
        self.bytes = UnsafeRawBufferPointer(start: base, count: size)
    }

    func word(_ offset: Int) -> Int { Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))) }
    func long(_ offset: Int) -> UInt64 { UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }

    /// Checks the 128-byte header that derived files begin with: magic, version at 8, checksum of all before 120.
    ///
    /// - Throws: `notAStoreFile`, `newerVersion`, `damaged`.
    func checkHeader(_ magic: [UInt8], version: Int) throws(StoreError) {
        guard bytes.count >= 128, Array(bytes[..<8]) == magic else {
            throw .notAStoreFile(file: path, reason: "it does not begin with '\(String(decoding: magic.dropLast(), as: UTF8.self))'")
        }
        guard word(8) <= version else { throw .newerVersion(file: path, found: word(8), supported: version) }
        guard XXH64.hash(UnsafeRawBufferPointer(rebasing: bytes[..<120])) == long(120) else {
            throw .damaged(file: path, offset: 0, reason: "the header fails its checksum")
        }
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress!), bytes.count) }

    /// Gives the resident pages back; they are read again when touched.
    func release() { madvise(UnsafeMutableRawPointer(mutating: bytes.baseAddress!), bytes.count, MADV_DONTNEED) }
}
