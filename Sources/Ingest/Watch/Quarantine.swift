// Where what can't be used goes: out of the drop folder, its relative path kept, nothing ever overwritten.

import Foundation

public enum QuarantineError: Error, Sendable, CustomStringConvertible {
    case notBelow(path: String)
    case failed(path: String, to: String, reason: String)

    public var description: String {
        switch self {
        case let .notBelow(path): "'\(path)' is no path below the drop folder; nothing was moved"
        case let .failed(path, to, reason):
            "'\(path)' could not be moved to '\(to)' (\(reason)); it stays where it is; "
                + "let this user write to both folders"
        }
    }
}

/// The quarantine folder. Safe to use from several threads and processes at once.
public struct Quarantine: Sendable {
    public let folder: String
    public let dropFolder: String

    /// - Parameter folder: made when first needed; outside of `dropFolder`, else it would be watched.
    public init(folder: String, dropFolder: String) {
        self.folder = folder
        self.dropFolder = dropFolder
    }

    /// Moves a file, folder, link or FIFO. Announce it first with `DropWatcher.willRemove`.
    /// - Parameters:
    ///   - path: relative to the drop folder.
    ///   - noting: told where it will be while it is still where it was, so that a kill in between leaves no file of which
    ///     nothing says where it lies.
    /// - Returns: where it is now: `folder/path`, or `path` with -2, -3, ... before its extension where that is taken.
    ///   On failure it is still in the drop folder.
    public func move(_ path: String, noting: (String) -> Void = { _ in }) throws(QuarantineError) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else { throw .notBelow(path: path) }
        let source = dropFolder + "/" + path
        let wanted = folder + "/" + path
        var code: Int32 = 0
        guard let facts = FileFacts.of(source, failure: &code) else {
            throw .failed(path: path, to: wanted, reason: errorText(code))
        }
        do throws(Failure) {
            try makeFolders((wanted as NSString).deletingLastPathComponent)
            let target = try reserve(wanted, facts.kind)
            noting(target)
            do throws(Failure) {
                try place(source, at: target)
            } catch {
                _ = facts.kind == .folder ? rmdir(target) : unlink(target)
                throw error
            }
            return target
        } catch {
            throw .failed(path: path, to: wanted, reason: error.reason)
        }
    }

    private struct Failure: Error {
        let reason: String
        init(_ code: Int32) { reason = errorText(code) }
        init(_ reason: String) { self.reason = reason }
    }

    private func makeFolders(_ path: String) throws(Failure) {
        if mkdir(path, 0o777) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, path.count > 1 else { throw Failure(errno) }
        try makeFolders((path as NSString).deletingLastPathComponent)
        guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw Failure(errno) }
    }

    /// Takes a free name with an empty file or folder, which rename(2) then replaces in one step: what another
    /// put there meanwhile has another name.
    private func reserve(_ wanted: String, _ kind: FileFacts.Kind) throws(Failure) -> String {
        let name = (wanted as NSString).lastPathComponent as NSString
        let parent = (wanted as NSString).deletingLastPathComponent
        let dotted = name.pathExtension.isEmpty || kind == .folder ? "" : "." + name.pathExtension
        let stem = dotted.isEmpty ? name as String : name.deletingPathExtension
        for number in 1...100_000 {
            let target = number == 1 ? wanted : "\(parent)/\(stem)-\(number)\(dotted)"
            if kind == .folder {
                if mkdir(target, 0o777) == 0 { return target }
            } else {
                let descriptor = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
                if descriptor >= 0 {
                    close(descriptor)
                    return target
                }
            }
            guard errno == EEXIST else { throw Failure(errno) }
        }
        throw Failure("100,000 files of this name are there already")
    }

    private func place(_ source: String, at target: String) throws(Failure) {
        if rename(source, target) == 0 { return }
        guard errno == EXDEV else { throw Failure(errno) }
        // Another file system: copied beside the target under a hidden name, then renamed over it.
        let copy = (target as NSString).deletingLastPathComponent + "/.\(UUID().uuidString)"
        do throws(Failure) {
            try Quarantine.copy(source, to: copy)
            guard rename(copy, target) == 0 else { throw Failure(errno) }
        } catch {
            try? FileManager.default.removeItem(atPath: copy)
            throw error
        }
        do {
            try FileManager.default.removeItem(atPath: source)
        } catch {
            try? FileManager.default.removeItem(atPath: target)
            throw Failure("copied, but the original cannot be deleted: \(error.localizedDescription)")
        }
    }

    /// FileManager's own copy would open a FIFO and wait for its writer.
    private static func copy(_ source: String, to target: String) throws(Failure) {
        var code: Int32 = 0
        guard let facts = FileFacts.of(source, failure: &code) else { throw Failure(code) }
        switch facts.kind {
        case .file: try copyBytes(source, to: target)
        case .folder:
            guard mkdir(target, 0o777) == 0 else { throw Failure(errno) }
            guard let names = try? FileManager.default.contentsOfDirectory(atPath: source) else { throw Failure(EACCES) }
            for name in names { try copy(source + "/" + name, to: target + "/" + name) }
        case .link:
            guard let place = try? FileManager.default.destinationOfSymbolicLink(atPath: source), symlink(place, target) == 0
            else { throw Failure(errno) }
        case .fifo: guard mkfifo(target, 0o600) == 0 else { throw Failure(errno) }
        case .socket, .device: throw Failure("sockets and devices cannot be copied to another file system")
        }
    }

    private static func copyBytes(_ source: String, to target: String) throws(Failure) {
        let input = open(source, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
        guard input >= 0 else { throw Failure(errno) }
        defer { close(input) }
        let output = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard output >= 0 else { throw Failure(errno) }
        defer { close(output) }
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = read(input, &buffer, buffer.count)
            if count == 0 { break }
            guard count > 0 else { throw Failure(errno) }
            var written = 0
            while written < count {
                let step = buffer.withUnsafeBytes { write(output, $0.baseAddress! + written, count - written) }
                guard step > 0 else { throw Failure(errno) }
                written += step
            }
        }
        guard fsync(output) == 0 else { throw Failure(errno) }
    }
}
