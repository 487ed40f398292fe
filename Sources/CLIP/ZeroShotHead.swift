// The zero-shot classifier: one direction a class, from the text tower.
//
//   t(c) = normalise(mean over templates of normalise(text("a photo of a c.")));  logits = exp(logit_scale) normalise(v) t

import Kernels

/// Classes as directions in the embedding space.
///
///     let head = try ZeroShotHead(model: model, classes: ["red cube", "blue ball"], templates: TemplateSet.photo.templates)
///     let probabilities = ZeroShotHead.probabilities(head.logits(embedding))
///
/// A value: keep `features` to make it again without the text tower.
public struct ZeroShotHead: Sendable {
    public let classes: [String]
    public let templates: [String]
    /// `[classes, projection]`; unit rows, unless made with `normalizingMean: false`.
    public let features: [Float]
    public let projection: Int
    /// `exp` of the model's `logit_scale`.
    public let logitScale: Float

    /// Prompts tokenised and embedded at once.
    private static let promptsMax = 2048

    /// - Parameter normalizingMean: false leaves the mean over templates at its own length, as PatchSAE's code does.
    /// - Throws: `ModelError` where the text tower or tokenizer can't be used, or there is no class or template.
    public init(model: CLIPModel, classes: [String], templates: [String], normalizingMean: Bool = true)
        throws(ModelError)
    {
        try self.init(
            tower: try model.text(), tokenizer: try model.tokenizer(), source: model.folder, classes: classes,
            templates: templates, logitScale: model.logitScale, normalizingMean: normalizingMean)
    }

    /// The same through a text tower that may be another than the model's own.
    init(
        tower: TextTower, tokenizer: Tokenizer, source: String, classes: [String], templates: [String],
        logitScale: Float, normalizingMean: Bool = true
    ) throws(ModelError) {
        guard !classes.isEmpty, !templates.isEmpty else {
            throw .prompts(
                source: source,
                problem: "\(classes.count) classes and \(templates.count) templates; at least one of each is needed")
        }
        let projection = tower.projection
        var features: [Float] = []
        features.reserveCapacity(classes.count * projection)
        let classesAtOnce = max(1, ZeroShotHead.promptsMax / templates.count)
        for first in stride(from: 0, to: classes.count, by: classesAtOnce) {
            let names = classes[first..<min(classes.count, first + classesAtOnce)]
            let prompts = names.flatMap { name in
                templates.map { tokenizer.encode(TemplateSet.prompt($0, class: name)) }
            }
            let embeddings = try tower.embed(prompts)
            for row in 0..<names.count {
                let rows = (0..<templates.count).map {
                    embeddings[((row * templates.count + $0) * projection)...].prefix(projection)
                }
                features += ZeroShotHead.mean(of: rows, normalizing: normalizingMean)
            }
        }
        self.init(
            classes: classes, templates: templates, features: features, projection: projection,
            logitScale: logitScale)
    }

    /// A head whose features were kept.
    public init(classes: [String], templates: [String], features: [Float], projection: Int, logitScale: Float) {
        precondition(
            features.count == classes.count * projection,
            "\(features.count) features for \(classes.count) classes of width \(projection)")
        self.classes = classes
        self.templates = templates
        self.features = features
        self.projection = projection
        self.logitScale = logitScale
    }

    private static func mean(of rows: [ArraySlice<Float>], normalizing: Bool) -> [Float] {
        var sum = [Double](repeating: 0, count: rows[0].count)
        for row in rows {
            let norm = row.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            guard norm > 0 else { continue }
            for (index, value) in row.enumerated() { sum[index] += Double(value) / norm }
        }
        let length = normalizing ? sum.reduce(0) { $0 + $1 * $1 }.squareRoot() : Double(rows.count)
        return sum.map { length > 0 ? Float($0 / length) : 0 }
    }

    /// Each row divided by its length; a row of zeros stays.
    static func unitRows(_ rows: [Float], width: Int) -> [Float] {
        (0..<rows.count / width).flatMap { mean(of: [rows[$0 * width..<($0 + 1) * width]], normalizing: true) }
    }

    /// One logit a class.
    /// - Parameter embedding: `[projection]`, as the vision tower gives it.
    public func logits(_ embedding: UnsafePointer<Float>) -> [Float] {
        let square = ZeroShotHead.dot(embedding, embedding, projection)
        let factor = square > 0 ? Double(logitScale) / square.squareRoot() : 0
        return features.withUnsafeBufferPointer { features in
            guard let start = features.baseAddress else { return [] }
            return classes.indices.map { Float(ZeroShotHead.dot(start + $0 * projection, embedding, projection) * factor) }
        }
    }

    /// In f64, eight sums side by side: a thousand classes for every image of a large store are asked for at once.
    private static func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Double {
        var sums = SIMD8<Double>.zero
        var i = 0
        while i + 8 <= count {
            let left = UnsafeRawPointer(a + i).loadUnaligned(as: SIMD8<Float>.self)
            let right = UnsafeRawPointer(b + i).loadUnaligned(as: SIMD8<Float>.self)
            sums += SIMD8<Double>(left) * SIMD8<Double>(right)
            i += 8
        }
        var sum = sums.sum()
        while i < count {
            sum += Double(a[i]) * Double(b[i])
            i += 1
        }
        return sum
    }

    public func logits(_ embedding: [Float]) -> [Float] {
        precondition(
            embedding.count == projection, "an embedding of \(embedding.count), the head's width is \(projection)")
        return embedding.withUnsafeBufferPointer { logits($0.baseAddress!) }
    }

    /// Softmax.
    public static func probabilities(_ logits: [Float]) -> [Float] {
        var values = logits
        values.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return }
            softmaxRows(start, rows: 1, columns: buffer.count)
        }
        return values
    }
}
