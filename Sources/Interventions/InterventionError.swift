// Why nothing could be computed on changed latents.

import CLIP
import SAE

public enum InterventionError: Error, CustomStringConvertible, Sendable {
    /// The SAE's decoder can't be read.
    case sae(SAEError)
    /// The classifier: a text tower that can't be used.
    case model(ModelError)
    /// What is stored of an image does not fit the tower or the SAE.
    case shape(problem: String)
    /// The SAE's error is to be kept, and what it is the error of was not stored.
    case noActivations
    /// An edit that can't be made: a latent or a patch that does not exist, a value that is no number.
    case edit(problem: String)
    /// A difference of two classes that can't be formed.
    case classes(problem: String)
    /// Who waited for it has gone: see `Cancellation`.
    case cancelled

    public var description: String {
        switch self {
        case .sae(let error): error.description
        case .model(let error): error.description
        case .shape(let problem): "\(problem); the view was made with another adapter or SAE"
        case .noActivations:
            "the SAE's error can be kept only where activations are stored; compute them from the image, or leave the error out"
        case .edit(let problem), .classes(let problem): problem
        case .cancelled: "cancelled"
        }
    }
}
