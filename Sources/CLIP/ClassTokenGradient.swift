// The last block for the class token alone, forwards and backwards, at a small share of what its products for all
// tokens would cost.
//
// One query sees all tokens, so that keys and values need not be made: with q_h the query of head h, n_t the normalised
// token t, W_k,h and W_v,h the head's parts of the weights,
//
//   score(h, t) = s q_h . (n_t W_k,h + b_k,h) = n_t . a_h + (the same for all t),      a_h = s W_k,h q_h
//   out(h)      = sum_t p(h, t) (n_t W_v,h + b_v,h) = (sum_t p(h, t) n_t) W_v,h + b_v,h
//
// Backwards, with c_h = W_v,h dout(h): dp(h, t) = n_t . c_h, and dn_t = sum_h ds(h, t) a_h + p(h, t) c_h.
// At ViT-B/16 that is 12 million multiply-adds an image each way where queries, keys and values are 350 million.
//
// Legend: B images, T tokens, w width, H heads, h head width. `AC` [B][2H][w] holds a_h and below them c_h, `PS` [B][2H][Tp]
// ds and below them p, Tp being T rounded up to whole vectors.

import Kernels
import Synchronization

/// The last block's queries, keys and values, unpacked at their first use: products of few rows with parts of them.
final class ClassTokenWeights: Sendable {
    struct Unpacked: Sendable {
        /// `[w, 3w]` and `[3w, w]`.
        let forward, backward: FloatBuffer
        /// `[3w]`.
        let bias: FloatBuffer

        init(_ qkv: PackedLinear, width w: Int) {
            forward = FloatBuffer(count: 3 * w * w)
            backward = FloatBuffer(count: 3 * w * w)
            bias = FloatBuffer(count: 3 * w)
            qkv.unpack(into: forward.pointer)
            let (from, to) = (forward.pointer, backward.pointer)
            Team.parallelRows(3 * w, block: 16) { block in
                for column in block { for row in 0..<w { to[column * w + row] = from[row * 3 * w + column] } }
            }
            // A row of zeros gives the bias, exactly.
            withScratch(w) { zeros in
                zeros.update(repeating: 0, count: w)
                qkv.apply(zeros, rows: 1, into: bias.pointer)
            }
        }
    }

    let qkv: PackedLinear
    private let width: Int
    private let held = Mutex<Unpacked?>(nil)

    init(_ qkv: PackedLinear, width: Int) {
        self.qkv = qkv
        self.width = width
    }

    func unpacked() -> Unpacked {
        held.withLock { held in
            if let held { return held }
            let made = Unpacked(qkv, width: width)
            held = made
            return made
        }
    }

    /// Bytes held now.
    var byteCount: Int { held.withLock { $0.map { $0.forward.byteCount + $0.backward.byteCount + $0.bias.byteCount } ?? 0 } }
}

/// One pass over some images: what the way back needs of the way there.
///
/// Borrows x; used by one thread at a time.
final class ClassTokenPass {
    private let tower: VisionTower
    private let block: TransformerBlock
    private let weights: ClassTokenWeights.Unpacked
    private let activation: Activation
    private let batch, tokens, width, heads, headWidth, padded, lanes, mlp: Int
    private let scale: Float
    private let x: UnsafePointer<Float>
    /// `[B, T, w]`.
    private let normed: UnsafeMutablePointer<Float>
    /// `[B, 2H, w]` and `[B, 2H, Tp]`.
    private let ac, ps: UnsafeMutablePointer<Float>
    /// `[B, H, w]`.
    private let means: UnsafeMutablePointer<Float>
    /// `[B, w]`: the class token between attention and MLP, and after the block.
    private let middle, out: UnsafeMutablePointer<Float>
    /// `[B, mlp]`, before the activation.
    private let hidden: UnsafeMutablePointer<Float>

    /// Lends a pass, run forwards.
    /// - Parameters:
    ///   - x: `[batch, tokens, width]` before the last block; unchanged, and kept until `body` returns.
    ///   - embeddings: `[batch, projection]`.
    static func run<R>(
        _ tower: VisionTower, _ x: UnsafePointer<Float>, batch: Int, tokens: Int, embeddings: UnsafeMutablePointer<Float>,
        _ body: (ClassTokenPass) -> R
    ) -> R {
        let config = tower.transformer.tower, w = config.width
        let sizes = [
            batch * tokens * w, 2 * batch * config.heads * w, 2 * batch * config.heads * roundedUpToLanes(tokens), batch * config.heads * w,
            batch * w, batch * w, batch * config.mlp,
        ].map { ($0 + 15) / 16 * 16 }
        return withScratch(sizes.reduce(0, +)) { scratch in
            var place = scratch
            let parts = sizes.map { size in
                defer { place += size }
                return place
            }
            let pass = ClassTokenPass(tower, x, batch, tokens, parts)
            pass.forward(into: embeddings)
            return body(pass)
        }
    }

    private init(_ tower: VisionTower, _ x: UnsafePointer<Float>, _ batch: Int, _ tokens: Int, _ parts: [UnsafeMutablePointer<Float>]) {
        let config = tower.transformer.tower
        self.tower = tower
        (block, activation) = (tower.transformer.blocks[config.layers - 1], tower.transformer.activation)
        weights = tower.classToken.unpacked()
        (self.batch, self.tokens, self.x) = (batch, tokens, x)
        (width, heads, headWidth, mlp) = (config.width, config.heads, config.headWidth, config.mlp)
        (padded, lanes) = (roundedUpToLanes(tokens), roundedUpToLanes(config.heads))
        scale = 1 / Float(config.headWidth).squareRoot()
        (normed, ac, ps, means, middle, out, hidden) = (parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6])
    }

    private func forward(into embeddings: UnsafeMutablePointer<Float>) {
        let (w, h) = (width, headWidth)
        block.norm1.apply(x, into: normed, rows: batch * tokens)
        withScratch(2 * batch * w) { q in
            Team.parallelFor(heads) { head in
                let own = q + head * h
                multiply(normed, rowStep: tokens * w, kStep: 1, rows: batch, by: weights.forward.pointer + head * h, bStride: 3 * w, depth: w, columns: h, into: own, cStride: w)
                for image in 0..<batch { for i in 0..<h { own[image * w + i] = (own[image * w + i] + weights.bias.pointer[head * h + i]) * scale } }
                multiply(own, rowStep: w, kStep: 1, rows: batch, by: weights.backward.pointer + (w + head * h) * w, bStride: w, depth: h, columns: w, into: ac + head * w, cStride: 2 * heads * w)
            }
        }
        Team.parallelFor(batch) { image in
            let own = normed + image * tokens * w, p = ps + (2 * image + 1) * heads * padded
            alongHeads(own, ac + 2 * image * heads * w, into: p)
            softmax(p, rows: heads, columns: tokens, stride: padded)
            multiply(p, rowStep: padded, kStep: 1, rows: heads, by: own, bStride: w, depth: tokens, columns: w, into: means + image * heads * w, cStride: w)
        }
        withScratch(batch * w) { attended in
            Team.parallelFor(heads) { head in
                let own = attended + head * h
                multiply(means + head * w, rowStep: heads * w, kStep: 1, rows: batch, by: weights.forward.pointer + 2 * w + head * h, bStride: 3 * w, depth: w, columns: h, into: own, cStride: w)
                for image in 0..<batch { for i in 0..<h { own[image * w + i] += weights.bias.pointer[2 * w + head * h + i] } }
            }
            for image in 0..<batch { (middle + image * w).update(from: x + image * tokens * w, count: w) }
            block.output.apply(attended, rows: batch, into: middle, accumulate: true)
        }
        withScratch(batch * (w + mlp)) { second in
            let active = second + batch * w
            block.norm2.apply(middle, into: second, rows: batch)
            block.fc1.apply(second, rows: batch, into: hidden)
            activate(hidden, into: active, count: batch * mlp, activation)
            out.update(from: middle, count: batch * w)
            block.fc2.apply(active, rows: batch, into: out, accumulate: true)
            tower.postNorm.apply(out, into: second, rows: batch)
            tower.projector.apply(second, rows: batch, into: embeddings)
        }
    }

    /// `to[head][t] = n_t . directions[head]`.
    private func alongHeads(_ n: UnsafePointer<Float>, _ directions: UnsafePointer<Float>, into to: UnsafeMutablePointer<Float>) {
        withScratch(lanes * (width + tokens)) { turned in
            let columns = turned + lanes * width
            transpose(directions, stride: width, rows: heads, columns: width, into: turned, toStride: lanes, padded: lanes)
            multiply(n, rowStep: width, kStep: 1, rows: tokens, by: turned, bStride: lanes, depth: width, columns: lanes, into: columns, cStride: lanes)
            transpose(columns, stride: lanes, rows: tokens, columns: heads, into: to, toStride: padded, padded: padded)
        }
    }

    /// The gradient at x where that at the embeddings is given.
    /// - Parameters:
    ///   - dEmbeddings: `[batch, projection]`.
    ///   - dx: `[batch, tokens, width]`, overwritten.
    func gradient(_ dEmbeddings: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>) {
        let (w, h) = (width, headWidth)
        let stream = batch * tokens * w
        dx.update(repeating: 0, count: stream)
        withScratch(stream + batch * (3 * w + heads * w + mlp)) { dNormed in
            let dMiddle = dNormed + stream, dOut = dMiddle + batch * w, dq = dOut + batch * w, means = dq + batch * w
            tower.projectorGradient(out, dEmbeddings, batch: batch, into: dMiddle)
            block.mlpGradient(middle, hidden, dMiddle, rows: batch, activation, scratch: means, dOut)
            block.output.transposed().apply(dMiddle, rows: batch, into: dOut)
            for image in 0..<batch { (dx + image * tokens * w).update(from: dMiddle + image * w, count: w) }
            Team.parallelFor(heads) { head in
                multiply(dOut + head * h, rowStep: w, kStep: 1, rows: batch, by: weights.backward.pointer + (2 * w + head * h) * w, bStride: w, depth: h, columns: w, into: ac + (heads + head) * w, cStride: 2 * heads * w)
            }
            Team.parallelFor(batch) { image in
                let own = normed + image * tokens * w, ac = ac + 2 * image * heads * w, ds = ps + 2 * image * heads * padded
                alongHeads(own, ac + heads * w, into: ds)
                softmaxGradient(ds + heads * padded, ds, rows: heads, columns: tokens, stride: padded, scale: 1)
                multiply(ds, rowStep: padded, kStep: 1, rows: heads, by: own, bStride: w, depth: tokens, columns: w, into: means + image * heads * w, cStride: w)
                multiply(ds, rowStep: 1, kStep: padded, rows: tokens, by: ac, bStride: w, depth: 2 * heads, columns: w, into: dNormed + image * tokens * w, cStride: w)
            }
            Team.parallelFor(heads) { head in
                let own = dq + head * h
                multiply(means + head * w, rowStep: heads * w, kStep: 1, rows: batch, by: weights.forward.pointer + w + head * h, bStride: 3 * w, depth: w, columns: h, into: own, cStride: w)
                for image in 0..<batch { for i in 0..<h { own[image * w + i] *= scale } }
            }
            Team.parallelFor(heads) { head in
                multiply(dq, rowStep: w, kStep: 1, rows: batch, by: weights.backward.pointer + head * h, bStride: w, depth: w, columns: h, accumulate: true, into: dNormed + head * h, cStride: tokens * w)
            }
            block.norm1.gradient(x, dNormed, into: dx, rows: batch * tokens)
        }
    }
}
