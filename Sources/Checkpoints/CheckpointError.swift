// What can be wrong with a checkpoint: every message names the file, what was found and what to do.

/// Why a checkpoint, or a tensor of one, can't be used.
public enum CheckpointError: Error, CustomStringConvertible, Sendable, Equatable {
    /// The file can't be opened or read.
    case unreadable(file: String, reason: String)
    /// The file is not what its name says; `offset` is that of the first wrong byte, where one is known.
    case malformed(file: String, offset: Int?, reason: String)
    /// A pickle wants something that this reader does not do; `what` names it.
    case refused(file: String, offset: Int, what: String)
    case missingTensor(tensor: String, file: String)
    case wrongShape(tensor: String, file: String, found: [Int], expected: [Int])
    case wrongType(tensor: String, file: String, found: DType)
    /// A weight that is NaN or infinite.
    case notFinite(tensor: String, file: String, index: Int, value: Float)
    /// A configuration file lacks a key, or holds something else there; `problem` continues the sentence.
    case configuration(file: String, key: String, problem: String)

    public var description: String {
        switch self {
        case .unreadable(let file, let reason):
            "'\(file)' can't be read: \(reason)"
        case .malformed(let file, let offset, let reason):
            "'\(file)'" + (offset.map { " at byte \($0)" } ?? "") + ": \(reason)"
        case .refused(let file, let offset, let what):
            "'\(file)' is refused: its pickle \(what) (at byte \(offset) of data.pkl); "
                + "only tensors, plain values and plain configuration objects are read, and no code is run"
        case .missingTensor(let tensor, let file):
            "'\(file)' has no tensor '\(tensor)'"
        case .wrongShape(let tensor, let file, let found, let expected):
            "'\(file)': tensor '\(tensor)' is \(found), its configuration says \(expected)"
        case .wrongType(let tensor, let file, let found):
            "'\(file)': tensor '\(tensor)' is \(found), which can't be weights; f32, f16, bf16 and f64 can"
        case .notFinite(let tensor, let file, let index, let value):
            "'\(file)': tensor '\(tensor)' has \(value) at index \(index); every weight must be a finite number"
        case .configuration(let file, let key, let problem):
            "'\(file)': '\(key)' \(problem)"
        }
    }
}
