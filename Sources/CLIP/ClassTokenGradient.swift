// The last block for the class token alone, there and back, at a small share of what its products for all
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

    // MARK: There

    private func forward(into embeddings: UnsafeMutablePointer<Float>) {
        block.norm1.apply(x, into: normed, rows: batch * tokens)
        makeDirections()
        Team.parallelFor(batch) { image in
            let n = normed + image * tokens * width, p = ps + (2 * image + 1) * heads * padded
            alongHeads(n, ac + 2 * image * heads * width, into: p)
            softmax(p, rows: heads, columns: tokens, stride: padded)
            weighTokens(n, by: p, into: means + image * heads * width)
        }
        withScratch(batch * width) { attended in
            Team.parallelFor(heads) { head in
                intoHead(head, .values, means + head * width, step: heads * width, into: attended)
                add(bias: .values, head, to: attended)
            }
            for image in 0..<batch { (middle + image * width).update(from: x + image * tokens * width, count: width) }
            block.output.apply(attended, rows: batch, into: middle, accumulate: true)
        }
        withScratch(batch * (width + mlp)) { narrow in
            let wide = narrow + batch * width
            block.norm2.apply(middle, into: narrow, rows: batch)
            block.fc1.apply(narrow, rows: batch, into: hidden)
            activate(hidden, into: wide, count: batch * mlp, activation)
            out.update(from: middle, count: batch * width)
            block.fc2.apply(wide, rows: batch, into: out, accumulate: true)
            tower.postNorm.apply(out, into: narrow, rows: batch)
            tower.projector.apply(narrow, rows: batch, into: embeddings)
        }
    }

    /// The upper half of AC: `a_h = s W_k,h q_h`.
    private func makeDirections() {
        withScratch(batch * width) { q in
            Team.parallelFor(heads) { head in
                intoHead(head, .queries, normed, step: tokens * width, into: q)
                add(bias: .queries, head, to: q)
                scaleHead(head, q)
                outOfHead(head, .keys, q, into: ac + head * width)
            }
        }
    }

    // MARK: Back

    /// The gradient at x where that at the embeddings is given.
    /// - Parameters:
    ///   - dEmbeddings: `[batch, projection]`.
    ///   - dx: `[batch, tokens, width]`, overwritten.
    func gradient(_ dEmbeddings: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>) {
        let stream = batch * tokens * width
        dx.update(repeating: 0, count: stream)
        withScratch(stream + batch * (3 * width + heads * width + mlp)) { dNormed in
            let dMiddle = dNormed + stream, dOut = dMiddle + batch * width, dq = dOut + batch * width, room = dq + batch * width
            tower.projectorGradient(out, dEmbeddings, batch: batch, into: dMiddle)
            block.mlpGradient(middle, hidden, dMiddle, rows: batch, activation, scratch: room, dOut)
            for image in 0..<batch { (dx + image * tokens * width).update(from: dMiddle + image * width, count: width) }
            block.output.transposed().apply(dMiddle, rows: batch, into: dOut)
            // The lower half of AC: c_h.
            Team.parallelFor(heads) { head in outOfHead(head, .values, dOut, into: ac + (heads + head) * width) }
            Team.parallelFor(batch) { image in
                let n = normed + image * tokens * width, ac = ac + 2 * image * heads * width, ds = ps + 2 * image * heads * padded
                alongHeads(n, ac + heads * width, into: ds)
                softmaxGradient(ds + heads * padded, ds, rows: heads, columns: tokens, stride: padded, scale: 1)
                weighTokens(n, by: ds, into: room + image * heads * width)
                multiply(
                    ds, rowStep: 1, kStep: padded, rows: tokens, by: ac, bStride: width, depth: 2 * heads, columns: width,
                    into: dNormed + image * tokens * width, cStride: width)
            }
            addQueries(room, dq, to: dNormed)
            block.norm1.gradient(x, dNormed, into: dx, rows: batch * tokens)
        }
    }

    /// What the class token's query adds to its gradient.
    /// - Parameters:
    ///   - weighed: `[B, H, w]`: tokens weighed by ds.
    ///   - dq: room for `[B, w]`.
    private func addQueries(_ weighed: UnsafePointer<Float>, _ dq: UnsafeMutablePointer<Float>, to dNormed: UnsafeMutablePointer<Float>) {
        Team.parallelFor(heads) { head in
            intoHead(head, .keys, weighed + head * width, step: heads * width, into: dq)
            scaleHead(head, dq)
        }
        Team.parallelFor(heads) { head in
            multiply(
                dq, rowStep: width, kStep: 1, rows: batch, by: weights.backward.pointer + head * headWidth, bStride: width, depth: width,
                columns: headWidth, accumulate: true, into: dNormed + head * headWidth, cStride: tokens * width)
        }
    }

    // MARK: Products of few rows

    /// The thirds of `qkv`'s outputs.
    private enum Part: Int { case queries, keys, values }

    /// Each image's row times a head's columns of the weights.
    /// - Parameters:
    ///   - rows: `[w]` an image, `step` apart.
    ///   - out: `[B, w]`, of which the head's columns are written.
    private func intoHead(_ head: Int, _ part: Part, _ rows: UnsafePointer<Float>, step: Int, into out: UnsafeMutablePointer<Float>) {
        multiply(
            rows, rowStep: step, kStep: 1, rows: batch, by: weights.forward.pointer + part.rawValue * width + head * headWidth,
            bStride: 3 * width, depth: width, columns: headWidth, into: out + head * headWidth, cStride: width)
    }

    /// A head's columns of each image's row times the weights' the other way round.
    /// - Parameters:
    ///   - rows: `[B, w]`.
    ///   - out: a row of AC for each image.
    private func outOfHead(_ head: Int, _ part: Part, _ rows: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
        multiply(
            rows + head * headWidth, rowStep: width, kStep: 1, rows: batch,
            by: weights.backward.pointer + (part.rawValue * width + head * headWidth) * width, bStride: width, depth: headWidth,
            columns: width, into: out, cStride: 2 * heads * width)
    }

    private func add(bias part: Part, _ head: Int, to rows: UnsafeMutablePointer<Float>) {
        let own = rows + head * headWidth, bias = weights.bias.pointer + part.rawValue * width + head * headWidth
        for image in 0..<batch { for i in 0..<headWidth { own[image * width + i] += bias[i] } }
    }

    private func scaleHead(_ head: Int, _ rows: UnsafeMutablePointer<Float>) {
        let own = rows + head * headWidth
        for image in 0..<batch { for i in 0..<headWidth { own[image * width + i] *= scale } }
    }

    /// `to[head][t] = n_t . directions[head]`.
    private func alongHeads(_ n: UnsafePointer<Float>, _ directions: UnsafePointer<Float>, into to: UnsafeMutablePointer<Float>) {
        withScratch(lanes * (width + tokens)) { turned in
            let columns = turned + lanes * width
            transpose(directions, stride: width, rows: heads, columns: width, into: turned, toStride: lanes, padded: lanes)
            multiply(
                n, rowStep: width, kStep: 1, rows: tokens, by: turned, bStride: lanes, depth: width, columns: lanes, into: columns,
                cStride: lanes)
            transpose(columns, stride: lanes, rows: tokens, columns: heads, into: to, toStride: padded, padded: padded)
        }
    }

    /// `to[head] = sum_t shares[head][t] n_t`.
    private func weighTokens(_ n: UnsafePointer<Float>, by shares: UnsafePointer<Float>, into to: UnsafeMutablePointer<Float>) {
        multiply(
            shares, rowStep: padded, kStep: 1, rows: heads, by: n, bStride: width, depth: tokens, columns: width, into: to, cStride: width)
    }
}
