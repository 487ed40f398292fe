// What can go wrong with a store, in words that say what, where and what to do.

import Basics
import Glibc

/// An error of the store. The store stays usable after every one of them, except where opening fails.
public enum StoreError: Error, CustomStringConvertible, Sendable, Equatable {
    /// Another process has the store open. `pid` is nil where the lock file does not say.
    case locked(folder: String, pid: Int32?)
    /// A file was written by a later version of saed.
    case newerVersion(file: String, found: Int, supported: Int)
    /// A file is not what its name says.
    case notAStoreFile(file: String, reason: String)
    /// The disk is full, or a quota is reached. What was being written was taken back.
    case diskFull(file: String)
    /// A system call failed. What was being written was taken back.
    case io(operation: String, file: String, errno: Int32, message: String)
    /// Bytes do not match their checksum, or contradict themselves.
    case damaged(file: String, offset: Int, reason: String)
    /// The catalog refused a statement.
    case catalog(message: String)
    /// A name, id or key is not in the catalog.
    case notFound(kind: String, name: String)
    /// A name is taken.
    case nameTaken(kind: String, name: String)
    /// A snapshot does not fit its view: wrong layout, width or values. Nothing was written.
    case invalidSnapshot(image: String, reason: String)
    /// The latents of a snapshot are kept as activations, and no encoder was given for its view.
    case needsEncoder(view: String)
    /// The caller's encoder failed.
    case encoderFailed(view: String, reason: String)
    /// The caller's classifier failed.
    case classifierFailed(view: String, reason: String)
    /// The store was closed.
    case closed
    /// Who waited for it has gone: see `Cancellation`.
    case cancelled

    public var description: String {
        switch self {
        case let .locked(folder, pid):
            "'\(folder)': the store is open in " + (pid.map { "process \($0)" } ?? "another process")
                + "; stop it first, or give another --root or paths.store"
        case let .newerVersion(file, found, supported):
            "'\(file)': written by a later saed (format \(found), this one reads up to \(supported)); update saed"
        case let .notAStoreFile(file, reason):
            "'\(file)': not a file of a saed store: \(reason); move it away, or give another --root"
        case let .diskFull(file):
            "'\(file)': no space left on the device; free some, what was not committed is encoded again"
        case let .io(operation, file, _, message):
            "'\(file)': \(operation) failed: \(message)"
        case let .damaged(file, offset, reason):
            "'\(file)': damaged at byte \(offset): \(reason); its images are encoded again where their originals remain"
        case let .catalog(message):
            "catalog: \(message)"
        case let .notFound(kind, name):
            "no \(kind) '\(name)'"
        case let .nameTaken(kind, name):
            "\(kind) '\(name)' exists already with other content; choose another name, or remove it first"
        case let .invalidSnapshot(image, reason):
            "image \(image): its snapshot is not valid: \(reason)"
        case let .needsEncoder(view):
            "view '\(view)' keeps activations in place of latents; its SAE must be loaded to read them"
        case let .encoderFailed(view, reason):
            "view '\(view)': encoding kept activations failed: \(reason)"
        case let .classifierFailed(view, reason):
            "view '\(view)': classifying stored embeddings failed: \(reason)"
        case .closed:
            "the store is closed"
        case .cancelled:
            "cancelled"
        }
    }

    /// What an operator mends and trying again then finds mended: no space, an I/O error, a read-only file system.
    public var isOfTheDisk: Bool {
        switch self {
        case .diskFull, .io: true
        default: false
        }
    }

    /// The error of a failed system call, from `errno`.
    static func system(_ operation: String, _ file: String, _ code: Int32) -> StoreError {
        if code == ENOSPC || code == EDQUOT { return .diskFull(file: file) }
        return .io(operation: operation, file: file, errno: code, message: String(cString: strerror(code)))
    }
}
