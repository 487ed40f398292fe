// From streams at a hook point to embeddings, and back: where in the stream an embedding, and what is said of it, hangs.
//
// Blocks between the hook and the last one run whole, forwards and backwards; the last one for the class token alone
// (ClassTokenGradient.swift), as nothing else reaches the embedding. What a backward pass multiplies with, weights the
// other way round, is made at the first use and stays with the tower.

import Basics
import Kernels

extension AdaptedVision {
    /// Embeddings of streams at the hook: `finish`, within rounding, at a fraction of its cost where the hook lies at the
    /// last block but one.
    /// - Parameters:
    ///   - x: `[batch, tokens, width]` after the hook's block; unchanged.
    ///   - embeddings: `[batch, projection]`, not normalised.
    package func embeddings(_ x: UnsafePointer<Float>, batch: Int, from hook: HookPoint, into embeddings: UnsafeMutablePointer<Float>) {
        precondition(hook.block < tower.layers, "\(hook) of a tower of \(tower.layers) blocks")
        VisionTower.inGroups(batch, tokens: layout.count) { images in
            let first = hook.block + 1, last = tower.layers - 1, stream = layout.count * tower.width
            let own = x + images.lowerBound * stream, out = embeddings + images.lowerBound * tower.projection
            if first > last { return projectClassTokens(own, batch: images.count, into: out) }
            if first == last, !isGivenPrompts(before: last) {
                return ClassTokenPass.run(tower, own, batch: images.count, tokens: layout.count, embeddings: out) { _ in }
            }
            withScratch(images.count * stream) { copy in
                copy.update(from: own, count: images.count * stream)
                run(copy, batch: images.count, blocks: first..<last)
                givePrompts(copy, before: last, batch: images.count)
                ClassTokenPass.run(tower, copy, batch: images.count, tokens: layout.count, embeddings: out) { _ in }
            }
        }
    }

    /// Embeddings of streams at the hook, and the gradients there of a function of them.
    ///
    /// - Parameters:
    ///   - x: `[batch, tokens, width]` after the hook's block; unchanged.
    ///   - gradients: `[batch, tokens, width]`, overwritten. Zero on prompt tokens that the next block replaces.
    ///   - embeddings: `[batch, projection]`, not normalised.
    ///   - derivative: the function's derivative at each of some embeddings, `[images, projection]` both; called once for
    ///     each group of images, in order.
    package func gradients(
        _ x: UnsafePointer<Float>, batch: Int, from hook: HookPoint, into gradients: UnsafeMutablePointer<Float>,
        embeddings: UnsafeMutablePointer<Float>,
        of derivative: (_ images: Range<Int>, _ embeddings: UnsafePointer<Float>, _ into: UnsafeMutablePointer<Float>) -> Void
    ) {
        precondition(hook.block < tower.layers, "\(hook) of a tower of \(tower.layers) blocks")
        let stream = layout.count * tower.width, atOnce = imagesAtOnce(from: hook)
        for first in stride(from: 0, to: batch, by: atOnce) {
            let images = first..<min(batch, first + atOnce)
            let out = embeddings + images.lowerBound * tower.projection
            withScratch(images.count * tower.projection) { d in
                gradientGroup(
                    x + images.lowerBound * stream, batch: images.count, fromBlock: hook.block + 1,
                    into: gradients + images.lowerBound * stream, embeddings: out
                ) {
                    derivative(images, out, d)
                    return UnsafePointer(d)
                }
            }
        }
    }

    /// So many that products run at full speed, as everywhere, and what blocks keep for the way back stays below 256 MiB.
    private func imagesAtOnce(from hook: HookPoint) -> Int {
        let kept = max(1, tower.layers - 2 - hook.block) * BlockTrace.floats(rows: layout.count, tower.transformer.tower)
        return max(1, min(1600 / layout.count, (64 << 20) / kept))
    }

    private func gradientGroup(
        _ x: UnsafePointer<Float>, batch: Int, fromBlock first: Int, into dx: UnsafeMutablePointer<Float>,
        embeddings: UnsafeMutablePointer<Float>, derivative: () -> UnsafePointer<Float>
    ) {
        let last = tower.layers - 1, tokens = layout.count, w = tower.width, stream = batch * tokens * w
        guard first <= last else {
            projectClassTokens(x, batch: batch, into: embeddings)
            dx.update(repeating: 0, count: stream)
            withScratch(2 * batch * w) { class_ in
                copyClassTokens(x, batch: batch, into: class_)
                tower.projectorGradient(class_, derivative(), batch: batch, into: class_ + batch * w)
                for image in 0..<batch { (dx + image * tokens * w).update(from: class_ + (batch + image) * w, count: w) }
            }
            return
        }
        let kept = BlockTrace.floats(rows: batch * tokens, tower.transformer.tower)
        withScratch(stream + (last - first) * kept) { copy in
            let traces = (first..<last).map { BlockTrace(copy + stream + ($0 - first) * kept, rows: batch * tokens, width: w) }
            copy.update(from: x, count: stream)
            for (trace, block) in zip(traces, first..<last) {
                givePrompts(copy, before: block, batch: batch)
                tower.transformer.run(block: block, copy, batch: batch, tokens: tokens, keeping: trace)
            }
            givePrompts(copy, before: last, batch: batch)
            ClassTokenPass.run(tower, copy, batch: batch, tokens: tokens, embeddings: embeddings) { pass in
                pass.gradient(derivative(), into: dx)
            }
            forgetPrompts(dx, before: last, batch: batch)
            for (trace, block) in zip(traces, first..<last).reversed() {
                tower.transformer.gradient(block: block, dx, batch: batch, tokens: tokens, from: trace)
                forgetPrompts(dx, before: block, batch: batch)
            }
        }
    }

    // MARK: Tokens

    private func copyClassTokens(_ x: UnsafePointer<Float>, batch: Int, into pooled: UnsafeMutablePointer<Float>) {
        let (w, stream) = (tower.width, layout.count * tower.width)
        for image in 0..<batch { (pooled + image * w).update(from: x + image * stream, count: w) }
    }

    private func projectClassTokens(_ x: UnsafePointer<Float>, batch: Int, into embeddings: UnsafeMutablePointer<Float>) {
        withScratch(batch * tower.width) { pooled in
            copyClassTokens(x, batch: batch, into: pooled)
            tower.project(pooled, batch: batch, into: embeddings)
        }
    }

    private func isGivenPrompts(before block: Int) -> Bool { deep?.isGiven(before: block) ?? false }

    private func givePrompts(_ x: UnsafeMutablePointer<Float>, before block: Int, batch: Int) {
        deep?.replace(in: x, before: block, batch: batch, tokens: layout.count, width: tower.width)
    }

    /// Nothing hangs on tokens that are replaced.
    private func forgetPrompts(_ dx: UnsafeMutablePointer<Float>, before block: Int, batch: Int) {
        guard isGivenPrompts(before: block) else { return }
        let prompts = layout.tokens(of: .prompt), w = tower.width
        for image in 0..<batch { (dx + (image * layout.count + prompts.lowerBound) * w).update(repeating: 0, count: prompts.count * w) }
    }
}

extension VisionTower {
    /// The gradient at class tokens that left the last block.
    /// - Parameters:
    ///   - x, dx: `[batch, width]`; dx is overwritten.
    ///   - dEmbeddings: `[batch, projection]`.
    func projectorGradient(_ x: UnsafePointer<Float>, _ dEmbeddings: UnsafePointer<Float>, batch: Int, into dx: UnsafeMutablePointer<Float>) {
        dx.update(repeating: 0, count: batch * width)
        withScratch(batch * width) { dNormed in
            projector.transposed().apply(dEmbeddings, rows: batch, into: dNormed)
            postNorm.gradient(x, dNormed, into: dx, rows: batch)
        }
    }
}
