// Substitution: what an adapted model answers where some latents are set back to the values that the base model gives them.
//
//   x' = x + sum over j of the set of (z_base[j] - z[j]) W_dec[j]      on class and patch tokens
//
// x is the stream itself (the SAE's error stays), or its reconstruction. The sum runs over what changes only: a set whose
// values are the same in both leaves the stream as it is to the bit.
// Prompt tokens have no counterpart in the base model and keep theirs.

import Basics
import Kernels
import SAE

extension UpperTower {
    /// The answers where each of some sets of latents is set to other values.
    ///
    /// - Parameters:
    ///   - sets: at most 64; one answer each.
    ///   - other: the same image's latents in the other view: class and patch tokens first, as everywhere.
    /// - Throws: `noActivations` where the error is to be kept and activations are missing, `shape`, `sae`, `model`.
    public func substitute(
        _ sets: LatentSets, of image: StoredImage, with other: SparseRows, error term: ErrorTerm = .kept
    ) throws(InterventionError) -> [ClassAnswer] {
        try substitute(sets, of: image, with: other, error: term) { (x, count) throws(InterventionError) in try self.answers(toStreams: x, count: count) }
    }

    /// - Parameter finish: what lies above the hook, for `[count, tokens, width]`.
    func substitute(
        _ sets: LatentSets, of image: StoredImage, with other: SparseRows, error term: ErrorTerm,
        through finish: (_ x: UnsafeMutablePointer<Float>, _ count: Int) throws(InterventionError) -> [ClassAnswer]
    ) throws(InterventionError) -> [ClassAnswer] {
        try check(image, term)
        let tokens = 0..<vision.layout.tokens(of: .patch).upperBound
        guard other.rows >= tokens.count, other.width == image.latents.width else {
            throw .shape(
                problem: "latents [\(other.rows), \(other.width)] to be set in place of [\(image.latents.rows), \(image.latents.width)]")
        }
        guard sets.count > 0 else { return [] }
        let start = FloatBuffer(count: streamCount)
        try self.start(image, term, into: start.pointer)
        let changes = LatentChanges(from: image.latents, to: other, tokens: tokens)
        let shared = sets.representatives(among: changes.indices)
        let computed = shared.indices.filter { shared[$0] == $0 }
        let x = FloatBuffer(count: computed.count * streamCount)
        try decoding { () throws(SAEError) in
            try sae.apply(changes, of: sets, computed, to: start.pointer, into: x.pointer)
        }
        let answers = try finish(x.pointer, computed.count)
        return shared.map { answers[computed.firstIndex(of: $0) ?? 0] }
    }

    /// The stream that is changed: its activations, or the reconstruction of its latents.
    /// - Parameter x: `[tokens, width]`, overwritten.
    func start(_ image: StoredImage, _ term: ErrorTerm, into x: UnsafeMutablePointer<Float>) throws(InterventionError) {
        if term == .kept {
            guard let activations = image.activations else { throw .noActivations }
            return x.update(from: activations, count: streamCount)
        }
        try decoding { () throws(SAEError) in try sae.decode(image.latents, into: x) }
        if term == .droppedAsPublished { subtractPublishedBias(x, count: streamCount) }
    }
}
