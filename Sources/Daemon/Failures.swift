// Errors of all parts as the wire carries them: a code, what failed and where, what to do.

import CLIP
import Concepts
import Decoding
import Foundation
import Imaging
import Ingest
import Interventions
import SAE
import Store
import Wire

extension WireFailure {
    /// The failure that tells a client of an error; internal faults keep their description for the report.
    static func from(_ error: any Error) -> WireFailure {
        switch error {
        case let failure as WireFailure: return failure
        case let error as IngestError:
            let code: Saed_ErrorCode =
                switch error.kind {
                case .notFound: .notFound
                case .ambiguous: .ambiguous
                case .invalid: .invalidArgument
                case .conflict: .failedPrecondition
                case .unavailable: .unavailable
                }
            return WireFailure(code, error.message, remedy: error.remedy, candidates: error.candidates)
        case let error as ConceptsError:
            if case let .store(inner) = error { return .from(inner) }
            switch error {
            case .noSnapshot: return split(.failedPrecondition, error.description)
            case .noLabel: return split(.notFound, error.description)
            default: return split(.invalidArgument, error.description)
            }
        case let error as StoreError:
            switch error {
            case .notFound: return split(.notFound, error.description)
            case .nameTaken, .needsEncoder: return split(.failedPrecondition, error.description)
            case .diskFull, .io, .closed: return split(.unavailable, error.description)
            default: return split(.internal, error.description)
            }
        case let error as ModelError: return split(.failedPrecondition, error.description)
        case let error as SAEError: return split(.failedPrecondition, error.description)
        case let error as QuarantineError: return split(.failedPrecondition, error.description)
        case let error as InterventionError:
            switch error {
            case .edit, .classes: return split(.invalidArgument, error.description)
            default: return split(.failedPrecondition, error.description)
            }
        case let error as NamingError: return split(.invalidArgument, error.description)
        case let error as DecodeFailure: return split(error.isOfTheFile ? .failedPrecondition : .unavailable, error.description)
        case let error as ImagingError: return split(.failedPrecondition, error.description)
        case is CancellationError: return WireFailure(.cancelled, "cancelled")
        default: return WireFailure(.internal, "\(error)", remedy: "see the daemon's log")
        }
    }

    /// Our errors write what to do after the last semicolon.
    private static func split(_ code: Saed_ErrorCode, _ text: String) -> WireFailure {
        guard let at = text.lastIndex(of: ";") else { return WireFailure(code, text) }
        return WireFailure(
            code, String(text[..<at]), remedy: String(text[text.index(after: at)...]).trimmingCharacters(in: .whitespaces))
    }
}
