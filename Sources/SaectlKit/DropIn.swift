// Putting images into the drop folder so that the daemon never sees half a file: link or copy to a hidden `.part`
// name in the same folder, then rename to the final name.
//
// Invariants: an existing file is never replaced (a different content under the same name gets "-1", "-2", ... before
// its extension; the same content is left as it is); after a failure no `.part` file remains.

import CFileCalls
import Glibc

/// What was wrong with one path.
public struct AddFailure: Error, Sendable, Equatable, CustomStringConvertible {
    public let path: String
    public let reason: String
    public var description: String { "'\(path)': \(reason)" }
}

/// One file that is to go into the drop folder.
public struct AddItem: Sendable, Equatable {
    /// Where it is, absolute.
    public let source: String
    /// Where it goes, relative to the drop folder's images/ or a data set's folder: "zebra/1.jpg".
    public let target: String
}

/// What the paths of `saectl add` come to.
public struct AddPlan: Sendable {
    public private(set) var items: [AddItem] = []
    public private(set) var failures: [AddFailure] = []
    /// Files below folders that are no JPEG, PNG or WebP.
    public private(set) var skipped = 0
    private let label: String?

    /// - Parameter label: a folder's name put before every target; checked by `isValidFolderName`.
    public init(paths: [String], label: String?) {
        self.label = label
        for path in paths { plan(path) }
    }

    /// One folder's name: the daemon reads labels and data sets from images/LABEL/ and datasets/DATASET/LABEL/.
    public static func isValidFolderName(_ name: String) -> Bool {
        !name.isEmpty && name.first != "." && !name.contains("/") && name.utf8.count <= 200
            && !name.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
    }

    private mutating func plan(_ path: String) {
        let absolute = absolutePath(path)
        var status = stat()
        guard stat(absolute, &status) == 0 else { return fail(path, String(cString: strerror(errno))) }
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            let name = fileName(absolute)
            if name.hasSuffix(".pt") {
                return fail(
                    path, "looks like an SAE or an adapter: add it with `saectl sae add \(path) --model MODEL --name NAME` or `saectl adapter add ...`")
            }
            // The public trainers write "model.pth.tar-50".
            if name.hasSuffix(".pth") || name.hasSuffix(".pth.tar") || name.contains(".pth.tar-") { return fail(path, AddPlan.adapterRemedy(path)) }
            take(absolute, as: fileName(absolute))
        case S_IFDIR:
            if isFile(absolute + "/config.json"), isFile(absolute + "/preprocessor_config.json") || isFile(absolute + "/model.safetensors") {
                return fail(path, "looks like a model: add it with `saectl model add \(path) --name NAME`")
            }
            if isFile(absolute + "/cfg.json"), isFile(absolute + "/sae_weights.safetensors") {
                return fail(path, "looks like an SAE: add it with `saectl sae add \(path) --model MODEL --name NAME`")
            }
            if isFile(absolute + "/adapter_config.json") || isFile(absolute + "/adapter.json") { return fail(path, AddPlan.adapterRemedy(path)) }
            walk(absolute, below: "")
        default:
            fail(path, "is no file and no folder")
        }
    }

    private static func adapterRemedy(_ path: String) -> String {
        "looks like an adapter: add it with `saectl adapter add \(path) --model MODEL --name NAME`"
    }

    /// Folders below keep their names, so that class folders stay class folders. Links to folders are not followed:
    /// they can form a loop.
    private mutating func walk(_ folder: String, below: String) {
        guard let names = folderEntries(of: folder) else { return fail(folder, "can't be read: \(String(cString: strerror(errno)))") }
        for name in names where !name.hasPrefix(".") && !name.hasSuffix(".part") {
            let path = folder + "/" + name
            var own = stat(), status = stat()
            guard lstat(path, &own) == 0, stat(path, &status) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR where own.st_mode & S_IFMT == S_IFDIR: walk(path, below: below + name + "/")
            case S_IFREG where isImage(path): take(path, as: below + name)
            case S_IFREG: skipped += 1
            default: continue
            }
        }
    }

    private mutating func take(_ source: String, as target: String) {
        items.append(AddItem(source: source, target: label.map { $0 + "/" + target } ?? target))
    }

    private mutating func fail(_ path: String, _ reason: String) {
        failures.append(AddFailure(path: path, reason: reason))
    }

    /// By its first bytes; what is explicitly named is never judged here, only what lies in a folder.
    private func isImage(_ path: String) -> Bool {
        let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard fd >= 0 else { return true }  // unreadable: let adding it say so
        defer { close(fd) }
        var head = [UInt8](repeating: 0, count: 12)
        let count = read(fd, &head, head.count)
        guard count == head.count else { return false }
        return head.starts(with: [0xFF, 0xD8, 0xFF]) || head.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
            || (head.starts(with: Array("RIFF".utf8)) && head[8...].elementsEqual("WEBP".utf8))
    }
}

/// How a file came into the drop folder.
public enum AddMethod: String, Sendable {
    /// Shares its blocks until one of both is written.
    case cloned
    /// Is the same file under a second name.
    case linked
    case copied
    /// Was there before, with this content.
    case present
}

/// Places files below one folder.
public struct DropIn: Sendable {
    /// The drop folder's images/, or its datasets/DATASET/.
    public let folder: String
    /// Folders that are made where they are missing, the outermost first.
    private let made: [String]

    /// - Parameter dataset: a folder's name, checked by `AddPlan.isValidFolderName`.
    public init(drop: String, dataset: String? = nil) {
        let drop = drop.trimmingTrailingSlashes
        folder = dataset.map { drop + "/datasets/" + $0 } ?? drop + "/images"
        made = (dataset == nil ? [] : [drop + "/datasets"]) + [folder]
    }

    /// - Returns: the target where the content now is, relative to `folder`, and how it came there.
    public func place(_ item: AddItem) throws(AddFailure) -> (target: String, method: AddMethod) {
        let root = folder + "/"
        if item.source.hasPrefix(root) { return (String(item.source.dropFirst(root.count)), .present) }
        let parts = item.target.split(separator: "/").map(String.init)
        try makeFolders(parts.dropLast(), for: item)
        let parent = ([folder] + parts.dropLast()).joined(separator: "/")
        let temporary = parent + "/.saectl-\(getpid())-\(DropIn.serial()).part"
        defer { unlink(temporary) }
        let method = try bring(item.source, to: temporary)
        let name = parts.last ?? "image"
        for attempt in 0..<10_000 {
            let candidate = attempt == 0 ? name : numbered(name, attempt)
            let target = (parts.dropLast() + [candidate]).joined(separator: "/")
            if saed_rename_no_replace(temporary, parent + "/" + candidate) == 0 {
                // Renaming one hard link onto another of the same file would do nothing and leave both; no-replace
                // reports EEXIST instead, which the comparison below resolves.
                return (target, method)
            }
            guard errno == EEXIST else { throw failure(item.source, "can't be renamed into '\(parent)'") }
            if sameContent(temporary, parent + "/" + candidate) { return (target, .present) }
        }
        throw AddFailure(path: item.source, reason: "10000 other files of that name are in '\(parent)': give it another name")
    }

    private func makeFolders(_ names: ArraySlice<String>, for item: AddItem) throws(AddFailure) {
        var paths = made
        for name in names { paths.append(paths[paths.count - 1] + "/" + name) }
        for path in paths {
            guard mkdir(path, 0o775) == 0 || errno == EEXIST else { throw failure(item.source, "can't make the folder '\(path)'") }
        }
    }

    /// Clone, else hard link, else copy.
    private func bring(_ source: String, to temporary: String) throws(AddFailure) -> AddMethod {
        // A link to a file is added as what it points to.
        guard let real = realpath(source, nil) else { throw failure(source, "can't be read") }
        defer { free(real) }
        let input = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard input >= 0 else { throw failure(source, "can't be read") }
        defer { close(input) }
        var status = stat()
        guard fstat(input, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw AddFailure(path: source, reason: "is no file") }

        let output = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o664)
        guard output >= 0 else { throw failure(source, "can't be put into '\(folder)'") }
        defer { close(output) }
        if saed_clone(input, output) == 0 { return .cloned }

        // A second name of a file that others can't read would lock the daemon out.
        if status.st_mode & 0o444 == 0o444, unlink(temporary) == 0 {
            if link(real, temporary) == 0 { return .linked }
            // Another file system, or no right to link: back to a file of our own.
            let again = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o664)
            guard again >= 0 else { throw failure(source, "can't be put into '\(folder)'") }
            defer { close(again) }
            try copy(source, from: input, to: again)
        } else {
            try copy(source, from: input, to: output)
        }
        return .copied
    }

    private func copy(_ source: String, from input: CInt, to output: CInt) throws(AddFailure) {
        var inKernel = true
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            if inKernel {
                let count = saed_copy_range(input, output, 1 << 30)
                if count == 0 { return }
                if count > 0 { continue }
                guard errno != ENOSPC, errno != EDQUOT else { throw failure(source, "can't be copied") }
                inKernel = false  // from here on by hand; the offsets stand where the kernel left them
            }
            let count = read(input, &buffer, buffer.count)
            if count == 0 { return }
            guard count > 0 || errno == EINTR else { throw failure(source, "can't be read") }
            var written = 0
            while written < count {
                let step = buffer.withUnsafeBytes { write(output, $0.baseAddress! + written, count - written) }
                guard step > 0 || errno == EINTR else { throw failure(source, "can't be copied") }
                written += max(0, step)
            }
        }
    }

    private func sameContent(_ a: String, _ b: String) -> Bool {
        let one = open(a, O_RDONLY | O_CLOEXEC), two = open(b, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        defer { [one, two].filter { $0 >= 0 }.forEach { close($0) } }
        var first = stat(), second = stat()
        guard one >= 0, two >= 0, fstat(one, &first) == 0, fstat(two, &second) == 0, first.st_size == second.st_size,
            second.st_mode & S_IFMT == S_IFREG
        else { return false }
        if first.st_dev == second.st_dev, first.st_ino == second.st_ino { return true }
        var left = [UInt8](repeating: 0, count: 1 << 16), right = left
        while true {
            let count = readFully(one, &left)
            guard count == readFully(two, &right), count >= 0, left[..<count].elementsEqual(right[..<count]) else { return false }
            if count < left.count { return true }
        }
    }

    private func readFully(_ fd: CInt, _ buffer: inout [UInt8]) -> Int {
        var have = 0
        while have < buffer.count {
            let count = buffer.withUnsafeMutableBytes { read(fd, $0.baseAddress! + have, $0.count - have) }
            if count == 0 { break }
            guard count > 0 || errno == EINTR else { return -1 }
            have += max(0, count)
        }
        return have
    }

    private func numbered(_ name: String, _ number: Int) -> String {
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "\(name)-\(number)" }
        return "\(name[..<dot])-\(number)\(name[dot...])"
    }

    private func failure(_ path: String, _ what: String) -> AddFailure {
        AddFailure(path: path, reason: what + ": " + String(cString: strerror(errno)))
    }

    private static func serial() -> String {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return "\(time.tv_sec)\(time.tv_nsec)"
    }
}

// MARK: paths

/// Absolute, without `.`, `..` and doubled slashes; links stay as they are.
public func absolutePath(_ path: String) -> String {
    var parts: [Substring] = []
    let full: String
    if path.hasPrefix("/") {
        full = path
    } else {
        let here = getcwd(nil, 0)
        defer { free(here) }
        full = (here.map { String(cString: $0) } ?? "") + "/" + path
    }
    for part in full.split(separator: "/") where part != "." {
        if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
}

func fileName(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

public func isFile(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
}

/// Names in a folder, sorted; nil, with errno, where it can't be read.
func folderEntries(of folder: String) -> [String]? {
    guard let stream = opendir(folder) else { return nil }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
}
