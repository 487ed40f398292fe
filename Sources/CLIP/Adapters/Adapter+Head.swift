// Text features under an adapter: the class directions that its images are compared with.
//
//   MaPLe, IVLP, CoOp:  [start][ctx 1..n][words left of "a photo of a"][class name] . [end]
//   CoCoOp:             the same with ctx + meta_net(image feature), so one set of directions an image
//   VPT:                "a photo of a {}."
//   LoRA, fine-tuned:   the templates, through the changed tower

import Basics
import Checkpoints
import Kernels

extension Adapter {
    /// CoCoOp: the head depends on the image; ask `conditionalLogits`.
    public var isConditional: Bool { effect.metaNet != nil }

    /// - Parameters:
    ///   - classes: underscores become spaces.
    ///   - templates: for LoRA and fine-tuned towers; learned contexts take their place, VPT has its own.
    /// - Throws: `ModelError` where the classes are not those of class-specific contexts, or the head depends on the image.
    public func head(_ model: CLIPModel, classes: [String], templates: [String]) throws(ModelError) -> ZeroShotHead {
        guard !isConditional else {
            throw .prompts(
                source: summary.path, problem: "has text features for each image of its own; there is no one head")
        }
        let scale = try logitScale(model)
        guard let context = effect.context else {
            return try ZeroShotHead(
                tower: try text(model), tokenizer: try model.tokenizer(), source: model.folder, classes: classes,
                templates: summary.method == .vpt ? TemplateSet.photo.templates : templates, logitScale: scale)
        }
        let features = try features(model, context, classes, rows: context.rows)
        return ZeroShotHead(
            classes: classes, templates: [], features: features, projection: model.config.projection, logitScale: scale)
    }

    /// CoCoOp's logits for one image.
    /// - Parameter embedding: `[projection]`, as the vision tower gives it.
    /// - Precondition: `isConditional`.
    public func conditionalLogits(_ model: CLIPModel, embedding: [Float], classes: [String]) throws(ModelError)
        -> [Float]
    {
        try conditionalHead(model, embedding: embedding, classes: classes).logits(embedding)
    }

    /// CoCoOp's head for one image: its text features there, which other embeddings may be compared with too.
    /// - Parameter embedding: `[projection]`, as the vision tower gives it.
    /// - Precondition: `isConditional`.
    public func conditionalHead(_ model: CLIPModel, embedding: [Float], classes: [String]) throws(ModelError)
        -> ZeroShotHead
    {
        guard let net = effect.metaNet, let context = effect.context else {
            preconditionFailure("'\(summary.path)' has one head for all images")
        }
        precondition(embedding.count == net.inputs, "an embedding of \(embedding.count) for \(net.inputs) inputs")
        let norm = embedding.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        let shift = net.shift(embedding.map { norm > 0 ? Float(Double($0) / norm) : 0 })
        let rows = context.rows.indices.map { context.rows[$0] + shift[$0 % context.width] }
        let features = try features(model, context, classes, rows: rows)
        return ZeroShotHead(
            classes: classes, templates: [], features: features, projection: model.config.projection,
            logitScale: try logitScale(model))
    }

    /// `[classes, projection]`, unit rows.
    private func features(_ model: CLIPModel, _ context: TextContext, _ classes: [String], rows: [Float])
        throws(ModelError)
        -> [Float]
    {
        guard !classes.isEmpty else {
            throw .prompts(source: summary.path, problem: "0 classes; at least one is needed")
        }
        let tokenizer = try model.tokenizer()
        if let count = context.classes {
            guard classes.count == count else {
                throw .prompts(
                    source: summary.path,
                    problem: "has contexts for \(count) classes of its own, the class list has \(classes.count); give the classes it was trained on, in that order")
            }
            try checkOrder(classes, tokenizer)
        }
        let size = context.count * context.width
        let prompts = classes.enumerated().map { index, name in
            TextPrompt(
                ids: ids(name, context, tokenizer),
                context: context.classes == nil ? rows : Array(rows[index * size..<(index + 1) * size]))
        }
        let deep = DeepPrompts(place: 1, count: context.count, layers: [rows] + context.deep)
        let tower = try text(model)
        let embeddings = try tower.embed(prompts, deep: context.deep.isEmpty ? nil : deep)
        return ZeroShotHead.unitRows(embeddings, width: tower.projection)
    }

    /// Token ids with `TextPrompt.learned` where the context goes; too long a name is cut, the end token kept.
    func ids(_ name: String, _ context: TextContext, _ tokenizer: Tokenizer) -> [Int32] {
        let learned = [Int32](repeating: TextPrompt.learned, count: context.count)
        let words = TemplateSet.words(of: name)
        let after = tokenizer.tokens(words + ".")
        // As many as the name alone has: a name that ends in a full stop makes one token with the sentence's.
        let nameCount = tokenizer.tokens(words).count
        var tokens = learned
        switch context.position {
        case .end: tokens += tail + after
        case .front: tokens = after.prefix(nameCount) + learned + after.dropFirst(nameCount)
        case .middle:
            tokens = Array(learned.prefix(context.count / 2))
            tokens += after.prefix(nameCount)
            tokens += learned.dropFirst(context.count / 2)
            tokens += after.dropFirst(nameCount)
        }
        return [tokenizer.startID] + tokens.prefix(tokenizer.contextLength - 2) + [tokenizer.endID]
    }

    /// Class-specific contexts know their classes by what stood behind them.
    private func checkOrder(_ classes: [String], _ tokenizer: Tokenizer) throws(ModelError) {
        guard let trained = effect.classTokens else { return }
        for (index, name) in classes.enumerated() {
            let own = tokenizer.tokens(TemplateSet.words(of: name) + ".")
            // A long name was cut at the context's end.
            guard own.starts(with: trained[index]) else {
                throw .prompts(
                    source: summary.path,
                    problem:
                        "has a context of its own for each class, and class \(index + 1), '\(name)', is not the one it was trained with; give the classes in the trainer's order"
                )
            }
        }
    }
}
