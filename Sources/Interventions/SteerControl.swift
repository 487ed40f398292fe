// What stands beside a steered answer: the same edits of other latents. An answer that moves as much under those says
// nothing about the latents that were chosen.

import Basics
import SAE

extension UpperTower {
    /// Changes as large as these, on the same tokens, of random latents in place of the changed ones: a change of a
    /// direction twice as long is half as large.
    ///
    /// - Parameters:
    ///   - latents: to draw from; those that `changes` change are left out.
    ///   - count: variants.
    /// - Returns: none where there are fewer latents to draw from than are changed.
    /// - Throws: `sae`.
    public func standIns(for changes: LatentChanges, from latents: [UInt32], count: Int, seed: UInt64) throws(InterventionError) -> [LatentChanges] {
        let changed = Set(changes.indices).sorted()
        guard !changed.isEmpty else { return [] }
        var variants: [LatentChanges] = []
        for variant in 0..<count {
            let drawn = RandomLatents.draw(changed.count, of: latents, excluding: Set(changed), seed: seed &+ UInt64(variant))
            guard drawn.count == changed.count else { return [] }
            var stand: [UInt32: (latent: UInt32, factor: Float)] = [:]
            for (own, other) in zip(changed, drawn) {
                let length = try length(of: other)
                guard length > 0 else { continue }
                stand[own] = (other, try self.length(of: own) / length)
            }
            variants.append(changes.moved { stand[$0] })
        }
        return variants
    }

    private func length(of latent: UInt32) throws(InterventionError) -> Float {
        let direction = try decoding { () throws(SAEError) in try sae.direction(of: Int(latent)) }
        return direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
    }
}

extension LatentChanges {
    /// The same changes, each of another latent; those without one are left out.
    fileprivate func moved(to stand: (UInt32) -> (latent: UInt32, factor: Float)?) -> LatentChanges {
        var indptr = [0], indices: [UInt32] = [], values: [Float] = []
        for row in 0..<rows {
            let entries = (self.indptr[row]..<self.indptr[row + 1]).compactMap { entry in
                stand(self.indices[entry]).map { ($0.latent, self.values[entry] * $0.factor) }
            }
            for (latent, value) in entries.sorted(by: { $0.0 < $1.0 }) {
                indices.append(latent)
                values.append(value)
            }
            indptr.append(indices.count)
        }
        return LatentChanges(indptr: indptr, indices: indices, values: values)
    }
}
