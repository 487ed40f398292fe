// What a name rests on: how a latent goes with the images' embeddings. From postings and the embedding table, without
// a tower and without reading a snapshot.
//
//   u[i] = image i's mean of the latent over class token and patches,  x[i] its normalised embedding
//   covariance = sum over i of u[i] (x[i] - mean x) / N,   deviation = sd(u)
//
// From these the correlation of u with the likeness to any text follows at once, over all N images, those on which the
// latent is silent too.

import Foundation
import Store

/// One latent's evidence.
public struct LatentEvidence: Sendable, Equatable {
    public var latent: Int
    /// All images of the view.
    public var images: Int
    /// Images on which it is active, at the class token or on a patch.
    public var active: Int
    /// `[projection]`.
    public var covariance: [Float]
    /// Of its image means.
    public var deviation: Double
    /// `[projection]`: its decoder direction carried through what lies above the hook. Empty: not known.
    public var direction: [Float]

    public init(latent: Int, images: Int, active: Int, covariance: [Float], deviation: Double, direction: [Float] = []) {
        self.latent = latent
        self.images = images
        self.active = active
        self.covariance = covariance
        self.deviation = deviation
        self.direction = direction
    }
}

/// How the images' embeddings themselves are spread.
public struct ImageMoments: Sendable, Equatable {
    public let images: Int
    /// Of an embedding.
    public let width: Int
    /// `[width, width]`.
    public let covariance: [Float]

    /// Images that the covariance is taken of; of more, so many evenly spaced ones: a standard deviation to one percent.
    static let imagesMax = 4096

    public init(images: Int, width: Int, covariance: [Float]) {
        precondition(covariance.count == width * width, "\(covariance.count) values for [\(width), \(width)]")
        (self.images, self.width, self.covariance) = (images, width, covariance)
    }

    /// One pass over the table's rows, or over `imagesMax` of them.
    public init(_ table: EmbeddingTable) {
        let width = table.width, mean = table.mean, used = min(table.count, Self.imagesMax)
        var rows = [Float](repeating: 0, count: width * used)  // [width, used]
        for index in 0..<used {
            let row = table.embedding(at: index * table.count / used)
            for k in 0..<width { rows[k * used + index] = row[k] - mean[k] }
        }
        let products = RowProducts.all(rows, rows, width: max(1, used))
        self.init(images: table.count, width: width, covariance: used > 0 ? products.map { $0 / Float(used) } : [Float](repeating: 0, count: width * width))
    }

    /// The standard deviation over the images of their likeness to each of some directions.
    /// - Parameter directions: `[count, width]`.
    func deviations(along directions: [Float]) -> [Double] {
        let turned = RowProducts.all(directions, covariance, width: width)
        return (0..<directions.count / width).map { row in
            var sum = 0.0
            for k in row * width..<(row + 1) * width { sum += Double(turned[k]) * Double(directions[k]) }
            return max(0, sum).squareRoot()
        }
    }
}

extension Concepts {
    /// The evidence of some latents, one after the other, as of one moment; `direction` is left empty.
    ///
    /// Cost: a multiplication and an addition for each value of each embedding of the images that a latent is active on;
    /// 10 ms for a latent that is active on 20,000 images, with embeddings of 512.
    ///
    /// - Parameters:
    ///   - table: the view's, from `Store.embeddings`.
    ///   - body: ends the walk by throwing.
    /// - Throws: `StoreError.notFound` for a latent beyond the SAE's width.
    public func namingEvidence(
        of latents: some Sequence<Int>, in view: ViewRecord, _ table: EmbeddingTable,
        _ body: (LatentEvidence) throws(StoreError) -> Void
    ) throws(StoreError) {
        let mean = table.mean, patches = view.layout.patches
        try store.forEachLatent(latents, in: view.id) { latent, postings throws(StoreError) in
            var sum = [Float](repeating: 0, count: table.width), total = 0.0, squares = 0.0, active = 0
            for item in postings.items {
                let value = item.posting.mean(.classAndPatches, patches: patches)
                // An image that came after the table was made has no row yet.
                guard value > 0, let row = table.row(of: item.image) else { continue }
                table.add(row, times: Float(value), to: &sum)
                total += value
                squares += value * value
                active += 1
            }
            let count = Double(max(1, table.count))
            for k in sum.indices { sum[k] = Float((Double(sum[k]) - total * Double(mean[k])) / count) }
            try body(
                LatentEvidence(
                    latent: latent, images: table.count, active: active, covariance: sum,
                    deviation: max(0, squares / count - (total / count) * (total / count)).squareRoot()))
        }
    }
}
