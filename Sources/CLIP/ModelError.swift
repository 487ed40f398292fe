// Why a model folder can't be used: one line, with the file and the remedy.

import Checkpoints
import Imaging
import Kernels

/// What is wrong with a model folder.
public enum ModelError: Error, CustomStringConvertible, Sendable {
    /// A configuration or the weights: see `CheckpointError`.
    case checkpoint(CheckpointError)
    case preprocess(folder: String, PreprocessConfigError)
    /// vocab.json, merges.txt or tokenizer.json.
    case tokenizer(file: String, problem: String)
    /// Files that don't belong together.
    case mismatch(folder: String, problem: String)
    /// A template or class list.
    case prompts(source: String, problem: String)
    case kernel(KernelError)
    /// Who waited for it has gone: see `Cancellation`.
    case cancelled

    public var description: String {
        switch self {
        case .checkpoint(let error): error.description
        case .preprocess(let folder, let error): "'\(folder)': \(error.description)"
        case .tokenizer(let file, let problem): "'\(file)': \(problem)"
        case .mismatch(let folder, let problem): "'\(folder)': \(problem)"
        case .prompts(let source, let problem): "'\(source)': \(problem)"
        case .kernel(let error): error.description
        case .cancelled: "cancelled"
        }
    }

    /// Any error of the modules below as one of ours.
    init(_ error: any Error) {
        switch error {
        case let error as ModelError: self = error
        case let error as CheckpointError: self = .checkpoint(error)
        case let error as KernelError: self = .kernel(error)
        default: preconditionFailure("an error of a kind that nothing here throws: \(error)")
        }
    }
}
