// Steering: some latents of one image are scaled or set, on a patch, the class token or everywhere, and what the view
// answers then.
//
//   x' = x + sum over edits of (z'[j] - z[j]) W_dec[j]        on the class token and patches
//
// x is the reconstruction of the stored latents or, with the error kept, the stream itself. The sum runs over what
// changes only: an edit that leaves a value as it is leaves the stream as it is to the bit.
// Prompt tokens are never edited: a place in the image is what a person points at.

import Basics
import Kernels
import SAE

/// One change of one latent.
///
///     LatentEdit(latent: 311, place: .patch(row: 3, column: 5), change: .scale(0))      // suppressed there
///     LatentEdit(latent: 311, place: .everywhere, change: .to(4))                       // as strong as 4, also where it is silent
public struct LatentEdit: Sendable, Hashable {
    public enum Place: Sendable, Hashable {
        /// The class token and all patches.
        case everywhere
        case classToken
        case patch(row: Int, column: Int)
    }

    public enum Change: Sendable, Hashable {
        /// The stored value times this: nothing where the latent is silent.
        case scale(Float)
        /// This value, also where the latent is silent; 0 takes it away.
        case to(Float)
    }

    public let latent: UInt32
    public let place: Place
    public let change: Change

    public init(latent: UInt32, place: Place = .everywhere, change: Change) {
        (self.latent, self.place, self.change) = (latent, place, change)
    }

    /// The tokens of its place.
    /// - Throws: `edit` for a patch outside the grid.
    public func tokens(_ layout: TokenLayout) throws(InterventionError) -> Range<Int> {
        switch place {
        case .everywhere: return 0..<1 + layout.patches
        case .classToken: return layout.tokens(of: .class)
        case let .patch(row, column):
            guard let token = layout.token(row: row, column: column) else {
                throw .edit(
                    problem: "patch \(row),\(column) is outside the grid of \(layout.rows) x \(layout.columns): "
                        + "rows 0 to \(layout.rows - 1), columns 0 to \(layout.columns - 1)")
            }
            return token..<token + 1
        }
    }

    /// On how many tokens of its place the latent is active: where there is none, scaling it changes nothing.
    /// - Throws: as `LatentChanges(_:of:layout:)`.
    public func activeTokens(in latents: SparseRows, layout: TokenLayout) throws(InterventionError) -> Int {
        try check(latents)
        return try tokens(layout).count { latents.value(row: $0, column: latent) > 0 }
    }

    func check(_ latents: SparseRows) throws(InterventionError) {
        guard latent < latents.width else {
            throw .edit(problem: "latent \(latent) does not exist; the SAE has \(latents.width), from 0 to \(latents.width - 1)")
        }
        switch change {
        case .scale(let value) where !value.isFinite: throw .edit(problem: "latent \(latent) can't be scaled by \(value)")
        case .to(let value) where !value.isFinite: throw .edit(problem: "latent \(latent) can't be set to \(value)")
        default: return
        }
    }
}

extension LatentChanges {
    /// What edits change of an image's latents. Of two edits of the same latent on the same token the later one holds;
    /// both are of the stored value. An entry whose value stays is not listed.
    ///
    /// - Parameters:
    ///   - latents: `[layout.count, latents]`, as stored.
    /// - Throws: `edit` for a latent or patch that does not exist, or a value that is no finite number; `shape` where
    ///   the latents are not of this layout.
    public init(_ edits: [LatentEdit], of latents: SparseRows, layout: TokenLayout) throws(InterventionError) {
        guard latents.rows == layout.count else {
            throw .shape(problem: "latents of \(latents.rows) tokens are stored where the tower has \(layout.count)")
        }
        var changed = [[UInt32: Float]](repeating: [:], count: latents.rows)
        for edit in edits {
            try edit.check(latents)
            for token in try edit.tokens(layout) {
                let before = latents.value(row: token, column: edit.latent)
                let after = switch edit.change {
                case .scale(let factor): before * factor
                case .to(let value): value
                }
                guard (after - before).isFinite else { throw .edit(problem: "latent \(edit.latent) would become \(after)") }
                changed[token][edit.latent] = after - before
            }
        }
        var indptr = [0], indices: [UInt32] = [], values: [Float] = []
        for token in changed {
            for (latent, change) in token.sorted(by: { $0.key < $1.key }) where change != 0 {
                indices.append(latent)
                values.append(change)
            }
            indptr.append(indices.count)
        }
        self.init(indptr: indptr, indices: indices, values: values)
    }

    /// Nothing changes.
    public var isEmpty: Bool { indices.isEmpty }
}

/// What one image is taken for before and after it is steered.
public struct SteeredAnswers: Sendable, Equatable {
    /// With nothing changed, by the same path as `after`: with the error dropped that is the answer to the
    /// reconstruction, not to the image itself (`UpperTower.answer`).
    public let before: ClassAnswer
    /// One a variant, in the order they were given.
    public let after: [ClassAnswer]

    public init(before: ClassAnswer, after: [ClassAnswer]) {
        (self.before, self.after) = (before, after)
    }
}

extension UpperTower {
    /// The answers where some latents of an image are changed, in several variants at once.
    ///
    ///     let twice = LatentEdit(latent: 311, change: .scale(2))
    ///     let changes = try LatentChanges([twice], of: image.latents, layout: upper.vision.layout)
    ///     let answers = try upper.steer(image, [changes])
    ///
    /// A variant that changes nothing has `before`'s answer, to the bit.
    ///
    /// - Throws: `noActivations` where the error is to be kept and activations are missing, `shape`, `sae`, `model`.
    public func steer(_ image: StoredImage, _ variants: [LatentChanges], error term: ErrorTerm = .dropped) throws(InterventionError)
        -> SteeredAnswers
    {
        try check(image, term)
        if let wrong = variants.first(where: { $0.rows != tokens }) {
            throw .shape(problem: "changes of \(wrong.rows) tokens for a tower of \(tokens)")
        }
        // Each variant once; nothing changed is the first.
        var computed = [LatentChanges(indptr: [Int](repeating: 0, count: tokens + 1), indices: [], values: [])]
        let places = variants.map { variant -> Int in
            if let known = computed.firstIndex(of: variant) { return known }
            computed.append(variant)
            return computed.count - 1
        }
        let x = FloatBuffer(count: computed.count * streamCount)
        try start(image, term, into: x.pointer)
        for place in computed.indices.dropFirst() {
            let own = x.pointer + place * streamCount
            own.update(from: x.pointer, count: streamCount)
            try decoding { () throws(SAEError) in try sae.add(computed[place], to: own) }
        }
        let answers = try answers(toStreams: x.pointer, count: computed.count)
        return SteeredAnswers(before: answers[0], after: places.map { answers[$0] })
    }
}
