// Is the model the one that an adapter was trained on? Prompts fit any model of their width and mean nothing to it, so
// the little that a checkpoint keeps of its own CLIP is compared; and what its token rows say is read with that model.

import Checkpoints

/// The model's token embeddings, read for a moment: packing the text tower would keep it in memory for views that
/// need the vision side alone.
struct TokenRows {
    private let width: Int
    private let values: [Float]

    init(_ model: CLIPModel) throws(CheckpointError) {
        let text = model.config.text
        width = text.tower.width
        values = try model.source.finiteTensor(
            "text_model.embeddings.token_embedding.weight", shape: [text.vocabulary, width])
    }

    subscript(id: Int32) -> ArraySlice<Float> { values[Int(id) * width..<(Int(id) + 1) * width] }
    var ids: Range<Int32> { 0..<Int32(values.count / width) }
}

extension Adapter {
    /// Values that were rounded to f16 on the way, on one side or on both.
    static func isAlike(_ a: some Sequence<Float>, _ b: some Sequence<Float>) -> Bool {
        zip(a, b).allSatisfy { abs($0 - $1) <= 2e-3 * max(abs($0), abs($1)) + 1e-6 }
    }

    /// - Throws: `mismatch` naming the first tensor that differs.
    static func checkBase(_ effect: AdapterEffect, path: String, model: CLIPModel, name: String) throws {
        for (tensor, values) in effect.base.sorted(by: { $0.key < $1.key }) {
            let own: [Float]
            let what: String
            if tensor == AdapterEffect.startToken {
                own = Array(try TokenRows(model)[try model.tokenizer().startID])
                what = "its start token's embedding ('token_prefix')"
            } else {
                let shape = model.config.tensors.first { $0.name == tensor }?.shape ?? [values.count]
                guard shape.reduce(1, *) == values.count else {
                    throw ModelError.mismatch(
                        folder: path,
                        problem: "its '\(tensor)' has \(values.count) values, model '\(name)' has \(shape.reduce(1, *))"
                    )
                }
                own = try model.source.finiteTensor(tensor, shape: shape)
                what = "its '\(tensor)'"
            }
            guard own.count == values.count, isAlike(own, values) else {
                throw ModelError.mismatch(
                    folder: path,
                    problem:
                        "was trained on another model of the same shape: \(what) differs from that of model '\(name)'")
            }
        }
    }

    /// The ids between context and class name: "of a" behind a context of two.
    static func tail(of effect: AdapterEffect, model: CLIPModel) throws -> [Int32] {
        guard let context = effect.context else { return [] }
        if case .none = context.tail { return [] }
        let ids = Array(try model.tokenizer().tokens(PromptWords.text).dropFirst(context.count))
        guard case .rows(let rows) = context.tail, !ids.isEmpty else { return ids }
        let table = try TokenRows(model)
        let own = ids.flatMap { table[$0] }
        return own.count <= rows.count && isAlike(own, rows) ? ids : []
    }

    /// The ids of what stood behind each training class's context, up to the end token; nil where a row is none of
    /// the model's.
    static func classTokens(_ effect: AdapterEffect, model: CLIPModel) throws -> [[Int32]]? {
        guard let width = effect.context?.width else { return nil }
        let table = try TokenRows(model)
        let end = try model.tokenizer().endID
        let byFirst = table.ids.map { (value: table[$0].first!, id: $0) }.sorted { $0.value < $1.value }
        func id(_ row: ArraySlice<Float>) -> Int32? {
            let first = row.first!
            let slack = 2e-3 * abs(first) * 1.01 + 2e-6
            var at = byFirst.partition(by: first - slack)
            while at < byFirst.count, byFirst[at].value <= first + slack {
                if isAlike(table[byFirst[at].id], row) { return byFirst[at].id }
                at += 1
            }
            return nil
        }
        var classes: [[Int32]] = []
        for suffix in effect.classSuffixes {
            var ids: [Int32] = []
            for start in stride(from: 0, to: suffix.count, by: width) {
                guard let id = id(suffix[start..<start + width]) else { return nil }
                if id == end { break }
                ids.append(id)
            }
            classes.append(ids)
        }
        return classes
    }
}

extension [(value: Float, id: Int32)] {
    /// The first index whose value is not below `bound`.
    fileprivate func partition(by bound: Float) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].value < bound { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
