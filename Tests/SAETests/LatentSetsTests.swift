// References: the SAE's own `decode` of rows with latents left out, and naive sums.

import Basics
import SAE
import Testing

private let golden = GoldenSAE.shared

@Suite struct LatentSetsTests {
    /// [7, 53], with b_dec.
    private func load() throws -> SparseAutoencoder { try SparseAutoencoder.load(path: GoldenSAE.folder + "/patchsae.pt") }

    private func rows(seed: UInt64, rows: Int, width: Int, share: Double) -> SparseRows {
        var random = SplitMix(state: seed)
        var result = SparseRows(width: width)
        for _ in 0..<rows {
            for latent in 0..<width where Double.random(in: 0..<1, using: &random) < share {
                result.indices.append(UInt32(latent))
                result.values.append(Float.random(in: 0.1..<3, using: &random))
            }
            result.indptr.append(result.indices.count)
        }
        return result
    }

    /// 64 sets at once, in any order, some left out: each to the bit what `decode` gives for it.
    @Test func everySetIsDecodedAsIfAlone() throws {
        let sae = try load(), seed = UInt64.random(in: 0..<1 << 32)
        var random = SplitMix(state: seed)
        let z = rows(seed: seed, rows: 11, width: 53, share: 0.4)
        let sets = (0..<64).map { _ in (0..<UInt32(53)).filter { _ in Bool.random(using: &random) } }
        let chosen = Array((0..<64).shuffled(using: &random).prefix(40))
        var found = [Float](repeating: .nan, count: 40 * 11 * 7)
        try sae.decode(z, from: LatentSets(sets, latents: 53), chosen, into: &found)
        for (place, set) in chosen.enumerated() {
            let members = Set(sets[set])
            var masked = SparseRows(width: 53)
            for row in 0..<z.rows {
                for entry in z.range(of: row) where members.contains(z.indices[entry]) {
                    masked.indices.append(z.indices[entry])
                    masked.values.append(z.values[entry])
                }
                masked.indptr.append(masked.indices.count)
            }
            var expected = [Float](repeating: .nan, count: 11 * 7)
            try sae.decode(masked, into: &expected)
            #expect(Array(found[place * 77..<(place + 1) * 77]) == expected, "seed \(seed), set \(set)")
        }
    }

    @Test func setsThatHoldTheSameShareARepresentative() {
        let sets = LatentSets([[1, 2], [1, 2, 9], [2], [1, 2, 8], []], latents: 10)
        #expect(sets.representatives(among: [1, 2, 2, 1]) == [0, 0, 2, 0, 4])
        #expect(sets.representatives(among: [2, 9]) == [0, 1, 0, 0, 4])
        #expect(sets.representatives(among: [5]) == [0, 0, 0, 0, 0])
        #expect(sets.representatives(among: []) == [0, 0, 0, 0, 0])
        #expect(sets.holds(9, in: 1) && !sets.holds(9, in: 0) && sets.count == 5)
    }

    @Test func changesAreTheDifferencesAlone() {
        let old = SparseRows(width: 9, indptr: [0, 3, 4, 5], indices: [1, 4, 8, 3, 0], values: [1, 2, 3, 4, 5])
        let new = SparseRows(width: 9, indptr: [0, 3, 3], indices: [1, 5, 8], values: [1, 7, 2])
        let changes = LatentChanges(from: old, to: new, tokens: 0..<2)
        #expect(changes.indptr == [0, 3, 4, 4])
        #expect(changes.indices == [4, 5, 8, 3] && changes.values == [-2, 7, -1, -4])
        #expect(LatentChanges(from: old, to: old, tokens: 0..<3).indices.isEmpty)
        // Rows outside the tokens keep their values.
        #expect(LatentChanges(from: old, to: new, tokens: 1..<2).indptr == [0, 0, 1, 1])
    }

    /// `x + sum change W_dec` in f64; and x itself, to the bit, where nothing changes.
    @Test func changesAreAddedToActivations() throws {
        let sae = try load(), seed = UInt64.random(in: 0..<1 << 32)
        let old = rows(seed: seed, rows: 5, width: 53, share: 0.3), new = rows(seed: seed &+ 1, rows: 5, width: 53, share: 0.3)
        let x = golden.inputs("small", rows: 5, width: 7)
        let changes = LatentChanges(from: old, to: new, tokens: 0..<4)
        let sets = LatentSets([Array(0..<UInt32(53)), [2, 3, 5, 7, 11, 13, 17], []], latents: 53)
        var found = [Float](repeating: .nan, count: 3 * 35)
        try sae.apply(changes, of: sets, [0, 1, 2], to: x, into: &found)
        for set in 0..<3 {
            var expected = x.map(Double.init)
            for row in 0..<4 {
                for latent in 0..<53 where sets.holds(latent, in: set) {
                    let change = Double(new.value(row: row, column: UInt32(latent))) - Double(old.value(row: row, column: UInt32(latent)))
                    for (i, direction) in try sae.direction(of: latent).enumerated() { expected[row * 7 + i] += change * Double(direction) }
                }
            }
            let worst = zip(found[set * 35..<(set + 1) * 35], expected).map { abs(Double($0) - $1) }.max() ?? .infinity
            #expect(worst < 1e-4, "seed \(seed), set \(set): \(worst)")
        }
        #expect(Array(found[70...]) == x && Array(found[28..<35]) == Array(x[28...]))
    }
}
