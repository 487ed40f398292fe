// Where latents lie in the space of image and text embeddings, from what the store keeps: no model, no snapshot is read.
//
//   e_j = sum_i a_ij x_i / sum_i a_ij - m      x_i  normalised embedding of image i, m their mean over all images
//                                              a_ij mean of latent j over class token and patches of image i
//
// i runs over the (up to 16) images with the largest a_ij. The matrix [latents, width] is never made: a product of all
// e_j and a vector is one pass over the images' embeddings and 16 look-ups a latent.

import Basics
import Store

/// The latents of a view in the space of embeddings, as of one moment. A value, safe to share.
public struct LatentEmbeddings: Sendable {
    public let view: String
    /// Latents active on the class token or a patch of a present image, ascending: `latents[k]` is entry `k`.
    public let latents: [Int]
    /// The images' embeddings that the latents' are made of.
    public let table: EmbeddingTable
    let strongest: StrongestImages
    /// Euclidean norm of each entry's embedding.
    public let norms: [Float]
    /// By latent: the squared norm of its weighted mean, before `mean` is taken off; NaN where not all its images have a row.
    let squares: [Float]
    /// By entry, from `places[k]` to `places[k + 1]`: rows of `table` and their weights, which sum to 1.
    private let rows: [Int32]
    private let weights: [Float]
    private let places: [Int32]

    /// - Parameter before: an earlier moment's, whose sums are taken over where a latent's images are the same.
    init(view: ViewRecord, _ table: EmbeddingTable, _ strongest: StrongestImages, before: LatentEmbeddings?) {
        var rows: [Int32] = [], weights: [Float] = [], places: [Int32] = [0], kept: [Int] = [], partial: [Int] = []
        var squares = [Float](repeating: .nan, count: strongest.latents)
        let rowsByImage = table.rowsByImage
        for latent in 0..<strongest.latents {
            let first = rows.count
            var total: Float = 0
            strongest.forEach(of: latent) { image, mean in
                // Only a damaged snapshot has postings and no embedding.
                guard image < rowsByImage.count, rowsByImage[image] >= 0 else { return }
                rows.append(rowsByImage[image])
                weights.append(mean)
                total += mean
            }
            guard rows.count > first else { continue }
            for at in first..<rows.count { weights[at] /= total }
            kept.append(latent)
            places.append(Int32(rows.count))
            if rows.count - first < strongest.count(of: latent) {
                partial.append(latent)
            } else if let before, strongest.isSame(latent, in: before.strongest) {
                squares[latent] = before.squares[latent]
            }
        }
        let fresh = kept.indices.filter { squares[kept[$0]].isNaN }
        var sum = [Float](repeating: 0, count: table.width)
        for k in fresh {
            for i in sum.indices { sum[i] = 0 }
            for at in Int(places[k])..<Int(places[k + 1]) { table.add(Int(rows[at]), times: weights[at], to: &sum) }
            squares[kept[k]] = Float(sum.reduce(0) { $0 + Double($1) * Double($1) })
        }
        let mean = table.mean
        let products = table.products(with: mean), meanSquare = mean.reduce(0) { $0 + Double($1) * Double($1) }
        var norms: [Float] = []
        norms.reserveCapacity(kept.count)
        for (k, latent) in kept.enumerated() {
            var withMean = 0.0
            for at in Int(places[k])..<Int(places[k + 1]) { withMean += Double(weights[at]) * Double(products[Int(rows[at])]) }
            let square = Double(squares[latent])
            let rest = square - 2 * withMean + meanSquare
            // Below the rounding of f32 sums there is no direction: the latent's images are like all others.
            norms.append(rest > 1e-6 * square ? Float(rest.squareRoot()) : 0)
        }
        for latent in partial { squares[latent] = .nan }
        self.view = view.name
        (self.latents, self.table, self.strongest, self.norms, self.squares) = (kept, table, strongest, norms, squares)
        (self.rows, self.weights, self.places) = (rows, weights, places)
    }

    /// Values of an embedding.
    public var width: Int { table.width }
    /// Images of the view.
    public var images: Int { table.count }
    /// The mean of all images' normalised embeddings, `[width]`.
    public var mean: [Float] { table.mean }

    /// The entry of a latent, or nil where it is dead.
    public func entry(of latent: Int) -> Int? {
        var low = 0, high = latents.count
        while low < high {
            let middle = (low + high) / 2
            if latents[middle] < latent { low = middle + 1 } else { high = middle }
        }
        return low < latents.count && latents[low] == latent ? low : nil
    }

    /// A latent's embedding `[width]`, not normalised; nil where it is dead. Costs 16 rows.
    public func embedding(of latent: Int) -> [Float]? { entry(of: latent).map { embedding(at: $0) } }

    /// An entry's embedding `[width]`, not normalised.
    public func embedding(at entry: Int) -> [Float] {
        var sum = table.mean.map { -$0 }
        for at in Int(places[entry])..<Int(places[entry + 1]) { table.add(Int(rows[at]), times: weights[at], to: &sum) }
        return sum
    }

    /// The images that a latent's embedding is made of, strongest first, and its mean on each.
    public func topImages(of latent: Int) -> [(image: ImageRecord.ID, mean: Float)] {
        latent >= 0 && latent < strongest.latents ? strongest[latent] : []
    }

    /// The cosine of every entry's embedding and a vector of any length, `[latents.count]`; 0 where either has none.
    public func cosines(with vector: [Float]) -> [Float] {
        let unit = normalised(vector)
        return cosines(with: unit, products: table.products(with: unit))
    }

    /// The same where the products of the images' embeddings and the vector, of length 1, are at hand.
    func cosines(with unit: [Float], products: [Float]) -> [Float] {
        let withMean = zip(mean, unit).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        return latents.indices.map { entry in
            guard norms[entry] > 0 else { return 0 }
            var sum = 0.0
            for at in Int(places[entry])..<Int(places[entry + 1]) { sum += Double(weights[at]) * Double(products[Int(rows[at])]) }
            return Float((sum - withMean) / Double(norms[entry]))
        }
    }
}

extension Concepts {
    /// Makes what `find`, `name` and `similar` need good where it isn't: some 30 s the first time of all at 100,000 images,
    /// nothing where little changed. For idle times, beside `Store.prepareClassTables`; a question does it itself.
    public func prepareEmbeddings(in view: ViewRecord) throws(ConceptsError) {
        _ = try latentEmbeddings(in: view)
        do { _ = try store.aggregates(in: view.id) } catch { throw .store(error) }
    }

    /// A view's latents in the space of embeddings. Kept while nothing changes; images that came or went are followed.
    ///
    /// Cost at 100,000 images and 49,152 latents: nothing while the store stands still, some 100 ms after a change, some
    /// 10 s the first time of all (see `Store.prepareEmbeddings`, which does that in idle times).
    public func latentEmbeddings(in view: ViewRecord) throws(ConceptsError) -> LatentEmbeddings {
        let changes = store.changeCount
        let known = keptEmbeddings.withLock { $0[view.id] }
        if let known, known.changes == changes { return known.value }
        let value = try withTables { () throws(ConceptsError) in
            do throws(StoreError) {
                let strongest = try store.strongestImages(in: view.id)
                return LatentEmbeddings(view: view, try store.embeddings(in: view.id), strongest, before: known?.value)
            } catch { throw .store(error) }
        }
        keptEmbeddings.withLock { $0[view.id] = (changes, value) }
        return value
    }
}
