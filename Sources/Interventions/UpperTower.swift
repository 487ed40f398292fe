// What lies above the hook: the remaining blocks, the projection, the classifier. An intervention changes the stream at
// the hook, in many variants of one image, and runs no more than this: at the last block but one that is a quarter of
// one block of twelve, because the last one is computed for the class token alone.

import Basics
import CLIP
import Kernels
import SAE

/// One image of a view, as it is stored.
public struct StoredImage: Sendable {
    /// `[tokens, latents]`: all tokens of the layout, prompts too.
    public let latents: SparseRows
    /// `[projection]`, not normalised.
    public let embedding: [Float]
    /// `[tokens, width]`, the stream at the hook, where it was kept or computed again.
    public let activations: [Float]?

    public init(latents: SparseRows, embedding: [Float], activations: [Float]? = nil) {
        self.latents = latents
        self.embedding = embedding
        self.activations = activations
    }
}

/// What the classifier says.
public struct ClassAnswer: Sendable, Equatable {
    /// One a class.
    public let logits: [Float]

    public init(logits: [Float]) { self.logits = logits }

    /// The class with the largest logit, the first of equals.
    public var best: Int { logits.indices.max { (logits[$0], $1) < (logits[$1], $0) } ?? 0 }
}

/// What becomes of the part of the stream that the SAE does not explain, `x - x_hat`.
public enum ErrorTerm: Sendable, Hashable {
    /// Stays: only what the latents write changes. Needs stored activations.
    case kept
    /// Goes: the stream is the reconstruction.
    case dropped
    /// Goes, and PatchSAE's leftover constant is subtracted from every component of the reconstruction: its published figures.
    case droppedAsPublished

    /// `SAE_BIAS` of PatchSAE's code, which subtracts it.
    static let publishedBias: Float = -0.105131256516992
}

/// The tower above a view's hook, with the view's SAE and classifier.
///
///     let upper = UpperTower(vision: try adapter.vision(model), hook: hook, sae: sae, head: head)
///     let masks = AblationMasks(ranking: ranking, sizes: [1, 10, 100], latents: sae.config.latents)
///     let ablated = try upper.ablate(image, masks)
///
/// A value, cheap to make. Calls may overlap, though each uses the whole compute team; see `Team` for which threads may
/// call.
public struct UpperTower: Sendable {
    public typealias Classify = @Sendable (_ embedding: [Float]) throws(ModelError) -> [Float]

    public let vision: AdaptedVision
    public let hook: HookPoint
    public let sae: SparseAutoencoder
    private let classifier: Classifier

    private enum Classifier: Sendable {
        case head(ZeroShotHead)
        case conditional(Classify)
    }

    /// - Precondition: the hook lies in the tower.
    public init(vision: AdaptedVision, hook: HookPoint, sae: SparseAutoencoder, head: ZeroShotHead) {
        self.init(vision, hook, sae, .head(head))
    }

    /// - Parameter classify: the logits of an embedding, where text features depend on it (CoCoOp).
    public init(vision: AdaptedVision, hook: HookPoint, sae: SparseAutoencoder, classify: @escaping Classify) {
        self.init(vision, hook, sae, .conditional(classify))
    }

    private init(_ vision: AdaptedVision, _ hook: HookPoint, _ sae: SparseAutoencoder, _ classifier: Classifier) {
        precondition(hook.block < vision.tower.layers, "\(hook) of a tower of \(vision.tower.layers) blocks")
        self.vision = vision
        self.hook = hook
        self.sae = sae
        self.classifier = classifier
    }

    var tokens: Int { vision.layout.count }
    var width: Int { vision.tower.width }
    /// Values of one stream.
    var streamCount: Int { tokens * width }

    /// The answer to a stored embedding: what the model says with nothing changed.
    public func answer(_ embedding: [Float]) throws(InterventionError) -> ClassAnswer {
        guard embedding.count == vision.tower.projection else {
            throw .shape(problem: "an embedding of \(embedding.count), the tower's has \(vision.tower.projection)")
        }
        return try answers(embedding, count: 1)[0]
    }

    /// Embeddings `[count, projection]`, not normalised, of streams at the hook: `vision.finish` within rounding, at a
    /// fraction of its cost where the hook lies at the last block but one.
    /// - Parameter x: `[count, tokens, width]`; unchanged.
    public func embeddings(_ x: UnsafePointer<Float>, count: Int) -> [Float] {
        var embeddings = [Float](repeating: 0, count: count * vision.tower.projection)
        embeddings.withUnsafeMutableBufferPointer { out in
            guard let out = out.baseAddress else { return }
            vision.embeddings(x, batch: count, from: hook, into: out)
        }
        return embeddings
    }

    /// The answers to streams, by `embeddings`.
    func answers(toStreams x: UnsafePointer<Float>, count: Int) throws(InterventionError) -> [ClassAnswer] {
        try answers(embeddings(x, count: count), count: count)
    }

    /// The classifier as directions in embedding space.
    /// - Throws: `classes` where they depend on the image.
    func headForGradients() throws(InterventionError) -> ZeroShotHead {
        guard case .head(let head) = classifier else {
            throw .classes(problem: "this view's text features depend on the image; give those of the image as its head")
        }
        return head
    }

    private func answers(_ embeddings: [Float], count: Int) throws(InterventionError) -> [ClassAnswer] {
        let projection = vision.tower.projection
        switch classifier {
        case .head(let head):
            guard head.projection == projection else {
                throw .shape(problem: "text features of width \(head.projection) for embeddings of \(projection)")
            }
            var answers = [ClassAnswer](repeating: ClassAnswer(logits: []), count: count)
            answers.withUnsafeMutableBufferPointer { answers in
                embeddings.withUnsafeBufferPointer { embeddings in
                    guard let start = embeddings.baseAddress else { return }
                    Team.parallelFor(count) { answers[$0] = ClassAnswer(logits: head.logits(start + $0 * projection)) }
                }
            }
            return answers
        case .conditional(let classify):
            var answers: [ClassAnswer] = []
            for index in 0..<count {
                if Cancellation.isRequested { throw .cancelled }
                do throws(ModelError) {
                    answers.append(ClassAnswer(logits: try classify(Array(embeddings[index * projection..<(index + 1) * projection]))))
                } catch { throw .model(error) }
            }
            return answers
        }
    }

    /// - Throws: `shape`, `noActivations`: a program's mistake would be a precondition, but stored images come from files.
    func check(_ image: StoredImage, _ term: ErrorTerm) throws(InterventionError) {
        guard image.latents.rows == tokens, image.latents.width == sae.config.latents, sae.config.width == width else {
            throw .shape(
                problem: "latents [\(image.latents.rows), \(image.latents.width)] are stored where the tower has \(tokens) tokens of width \(width) "
                    + "and the SAE [\(sae.config.width), \(sae.config.latents)]")
        }
        if term == .kept {
            guard let activations = image.activations else { throw .noActivations }
            guard activations.count == streamCount else {
                throw .shape(problem: "\(activations.count) activations are stored where the tower has [\(tokens), \(width)]")
            }
        }
    }
}

/// `body`, with an SAE's error as one of ours.
func decoding<R>(_ body: () throws(SAEError) -> R) throws(InterventionError) -> R {
    do throws(SAEError) { return try body() } catch { throw .sae(error) }
}
