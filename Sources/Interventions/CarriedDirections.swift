// What a direction at the hook does to the image embedding: the decoder directions of a whole dictionary carried through
// what lies above the hook, for naming latents.
//
//   J[i] = (e(x + h u_i) - e(x - h u_i)) / 2h,   u_i: one unit of stream component i on class token and every patch
//
// x is a mean stream, e the normalised embedding. To first order latent j moves the embedding by z_j W_dec[j] J, so that
// a dictionary of any size costs 2 x width streams once and then one product. Central differences rather than
// derivatives: the step is as large as activations are, which is what a latent does.

import Basics
import Kernels
import SAE

/// The change of the normalised embedding per unit of each stream component.
public struct CarryMatrix: Sendable {
    /// Of the stream.
    public let width: Int
    /// Of the embedding.
    public let projection: Int
    /// `[width, projection]`.
    public let values: [Float]

    public init(width: Int, projection: Int, values: [Float]) {
        precondition(values.count == width * projection, "\(values.count) values for [\(width), \(projection)]")
        (self.width, self.projection, self.values) = (width, projection, values)
    }

    /// Directions at the hook, carried: `[count, projection]`.
    /// - Parameter directions: `[count, width]`.
    public func carry(_ directions: [Float]) -> [Float] {
        precondition(directions.count % width == 0, "\(directions.count) values for directions of \(width)")
        let count = directions.count / width
        var out = [Float](repeating: 0, count: count * projection)
        out.withUnsafeMutableBufferPointer { out in
            directions.withUnsafeBufferPointer { directions in
                values.withUnsafeBufferPointer { values in
                    guard let out = out.baseAddress, let directions = directions.baseAddress, let values = values.baseAddress else { return }
                    Team.parallelRows(count, block: 16) { block in
                        for row in block {
                            let sum = out + row * projection
                            for i in 0..<width {
                                let factor = directions[row * width + i], from = values + i * projection
                                for k in 0..<projection { sum[k] += factor * from[k] }
                            }
                        }
                    }
                }
            }
        }
        return out
    }

    /// Random unit directions, carried: what a latent that means nothing looks like. The same seed gives the same.
    public func carryRandom(count: Int, seed: UInt64) -> [Float] {
        var random = SplitMix(seed: seed)
        var directions = [Float](repeating: 0, count: count * width)
        for row in 0..<count {
            var square = 0.0
            for i in 0..<width {
                // The sum of twelve uniform numbers is normal enough for a direction among hundreds.
                var sum = -6.0
                for _ in 0..<12 { sum += Double(random.next() >> 11) * 0x1p-53 }
                directions[row * width + i] = Float(sum)
                square += sum * sum
            }
            let factor = Float(1 / max(square.squareRoot(), .leastNormalMagnitude))
            for i in 0..<width { directions[row * width + i] *= factor }
        }
        return carry(directions)
    }
}

extension UpperTower {
    /// Streams pushed through at once.
    private static let streamsAtOnce = 32
    /// The step, as a share of the mean length of the stream's tokens.
    private static let stepShare: Float = 0.1

    /// The mean of some images' reconstructions, `[tokens, width]`: the place where directions are carried from.
    ///
    /// - Parameter latents: all tokens of an image each, prompts too; at least one.
    public func meanStream(_ latents: some Sequence<SparseRows>) throws(InterventionError) -> [Float] {
        var sum = [Float](repeating: 0, count: streamCount), count: Float = 0
        let x = FloatBuffer(count: streamCount)
        for image in latents {
            guard image.rows == tokens, image.width == sae.config.latents else {
                throw .shape(
                    problem: "latents [\(image.rows), \(image.width)] are stored where the tower has \(tokens) tokens and the SAE \(sae.config.latents) latents")
            }
            try decoding { () throws(SAEError) in try sae.decode(image, into: x.pointer) }
            for i in 0..<streamCount { sum[i] += x.pointer[i] }
            count += 1
        }
        precondition(count > 0, "the mean of no images")
        return sum.map { $0 / count }
    }

    /// The carry matrix at a stream. Runs on the team; see `Team` for which threads may call.
    ///
    /// Cost: 2 x width streams through what lies above the hook; for B/16 at the last block but one some five seconds
    /// of two cores. Where others wait for the team, `carryRows` does it piece by piece.
    ///
    /// - Parameters:
    ///   - stream: `[tokens, width]`, as `meanStream` gives it.
    ///   - progress: components done, of all; false ends the work.
    /// - Returns: nil where `progress` said so.
    public func carry(on stream: [Float], progress: (Int, Int) -> Bool = { _, _ in true }) throws(InterventionError) -> CarryMatrix? {
        let piece = Self.streamsAtOnce / 2
        var values: [Float] = []
        for first in stride(from: 0, to: width, by: piece) {
            guard progress(first, width) else { return nil }
            values += try carryRows(first..<min(width, first + piece), on: stream)
        }
        return CarryMatrix(width: width, projection: vision.tower.projection, values: values)
    }

    /// Some rows of the carry matrix, `[components, projection]`.
    public func carryRows(_ components: Range<Int>, on stream: [Float]) throws(InterventionError) -> [Float] {
        precondition(components.lowerBound >= 0 && components.upperBound <= width, "components \(components) of \(width)")
        guard stream.count == streamCount else {
            throw .shape(problem: "a stream of \(stream.count) values where the tower has [\(tokens), \(width)]")
        }
        let projection = vision.tower.projection, step = step(stream)
        let changed = 0..<vision.layout.tokens(of: .patch).upperBound
        let x = FloatBuffer(count: Self.streamsAtOnce * streamCount)
        var ends = [Float](repeating: 0, count: Self.streamsAtOnce * projection)
        var rows: [Float] = []
        rows.reserveCapacity(components.count * projection)
        for first in stride(from: components.lowerBound, to: components.upperBound, by: Self.streamsAtOnce / 2) {
            let part = first..<min(components.upperBound, first + Self.streamsAtOnce / 2)
            for (index, component) in part.enumerated() {
                for (side, signed) in [(0, step), (1, -step)] {
                    let copy = x.pointer + (2 * index + side) * streamCount
                    copy.update(from: stream, count: streamCount)
                    for token in changed { copy[token * width + component] += signed }
                }
            }
            ends.withUnsafeMutableBufferPointer {
                vision.embeddings(x.pointer, batch: 2 * part.count, from: hook, into: $0.baseAddress!)
            }
            for index in 0..<part.count {
                let up = Self.unit(ends[2 * index * projection..<(2 * index + 1) * projection])
                let down = Self.unit(ends[(2 * index + 1) * projection..<(2 * index + 2) * projection])
                rows += zip(up, down).map { ($0 - $1) / (2 * step) }
            }
        }
        return rows
    }

    /// The change of a component: a share of the mean length of the class and patch tokens.
    private func step(_ stream: [Float]) -> Float {
        let changed = 0..<vision.layout.tokens(of: .patch).upperBound
        var length = 0.0
        for token in changed {
            let values = stream[token * width..<(token + 1) * width]
            length += values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() / Double(changed.count)
        }
        return max(Float(length) * Self.stepShare, .leastNormalMagnitude)
    }

    /// The decoder directions of some latents, carried: `[latents, projection]`.
    public func carried(_ latents: some Sequence<Int>, by matrix: CarryMatrix) throws(InterventionError) -> [Float] {
        var directions: [Float] = []
        for latent in latents {
            directions += try decoding { () throws(SAEError) in try sae.direction(of: latent) }
        }
        return matrix.carry(directions)
    }

    private static func unit(_ values: ArraySlice<Float>) -> [Float] {
        let length = values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        return length > 0 ? values.map { Float(Double($0) / length) } : Array(values)
    }
}
