// Sets of latents, and reconstructions from each of them in one walk over an image's latents.
//
// A latent's direction (3 KiB at d = 768, somewhere in 151 MB) is fetched once an entry and added to every set that
// holds the latent, while it is in the first-level cache. For any one set the additions happen in the same order as
// `decode` makes them: what a set yields is to the bit what `decode` yields for the rows with the other latents left out.

import Basics
import Kernels

/// Up to 64 sets of an SAE's latents, as one bit each: which sets hold a latent is one look-up.
///
///     let sets = LatentSets([[5, 9], [9]], latents: 49_152)
///     sets.holds(9, in: 0)   // true
public struct LatentSets: Sendable {
    public static let countMax = 64

    /// Sets.
    public let count: Int
    /// `[latents]`; bit s: set s holds the latent.
    let members: [UInt64]

    public var latents: Int { members.count }

    public init(_ sets: [[UInt32]], latents: Int) {
        precondition(sets.count <= LatentSets.countMax, "\(sets.count) sets, at most \(LatentSets.countMax) at once")
        var members = [UInt64](repeating: 0, count: latents)
        for (index, set) in sets.enumerated() {
            for latent in set { members[Int(latent)] |= 1 << UInt64(index) }
        }
        self.init(count: sets.count, members: members)
    }

    /// - Parameter members: `[latents]`, no bit above `count`.
    public init(count: Int, members: [UInt64]) {
        precondition(count <= LatentSets.countMax, "\(count) sets, at most \(LatentSets.countMax) at once")
        self.count = count
        self.members = members
    }

    public func holds(_ latent: Int, in set: Int) -> Bool { members[latent] >> UInt64(set) & 1 == 1 }

    /// For each set the first that holds the same of these latents: what is computed for that one serves both.
    public func representatives(among latents: [UInt32]) -> [Int] {
        var patterns: Set<UInt64> = []
        latents.withUnsafeBufferPointer { latents in
            members.withUnsafeBufferPointer { members in
                var last: UInt64?
                for latent in latents where members[Int(latent)] != last {
                    last = members[Int(latent)]
                    patterns.insert(members[Int(latent)])
                }
            }
        }
        return (0..<count).map { set in
            (0...set).first { other in
                patterns.allSatisfy { ($0 >> UInt64(set) ^ $0 >> UInt64(other)) & 1 == 0 }
            } ?? set
        }
    }
}

/// What changes of the latents of some tokens: row `r` adds `values[k]`, above or below zero, to latent `indices[k]`
/// for `k` in `indptr[r]..<indptr[r + 1]`. A latent that keeps its value is not listed, so that nothing is added to the
/// token where nothing changes.
public struct LatentChanges: Sendable, Equatable {
    public private(set) var indptr: [Int] = [0]
    public private(set) var indices: [UInt32] = []
    public private(set) var values: [Float] = []

    public var rows: Int { indptr.count - 1 }

    /// From the values of `old` to those of `new` in some tokens; the other rows of `old` keep theirs.
    /// - Precondition: both have these rows.
    public init(from old: SparseRows, to new: SparseRows, tokens: Range<Int>) {
        precondition(
            tokens.upperBound <= min(old.rows, new.rows) && old.width == new.width,
            "tokens \(tokens) of [\(old.rows), \(old.width)] and [\(new.rows), \(new.width)]")
        for row in 0..<old.rows {
            if tokens.contains(row) { merge(old, new, row) }
            indptr.append(indices.count)
        }
    }

    /// Changes that were found otherwise.
    /// - Parameters:
    ///   - indptr: from 0, `rows + 1` of them.
    ///   - indices: ascending in every row.
    ///   - values: none of them 0.
    package init(indptr: [Int], indices: [UInt32], values: [Float]) {
        precondition(indptr.first == 0 && indptr.last == indices.count && indices.count == values.count)
        (self.indptr, self.indices, self.values) = (indptr, indices, values)
    }

    package func range(of row: Int) -> Range<Int> { indptr[row]..<indptr[row + 1] }

    /// The way back.
    package var negated: LatentChanges { LatentChanges(indptr: indptr, indices: indices, values: values.map { -$0 }) }

    private mutating func merge(_ old: SparseRows, _ new: SparseRows, _ row: Int) {
        var i = old.indptr[row], j = new.indptr[row]
        let iEnd = old.indptr[row + 1], jEnd = new.indptr[row + 1]
        while i < iEnd || j < jEnd {
            let a = i < iEnd ? old.indices[i] : .max, b = j < jEnd ? new.indices[j] : .max
            let latent = min(a, b)
            let before = a == latent ? old.values[i] : 0, after = b == latent ? new.values[j] : 0
            if after != before {
                indices.append(latent)
                values.append(after - before)
            }
            if a == latent { i += 1 }
            if b == latent { j += 1 }
        }
    }
}

extension SparseAutoencoder {
    /// The reconstruction of every row from the latents of each of some sets alone.
    ///
    /// - Parameters:
    ///   - chosen: which sets.
    ///   - xHat: `[chosen.count, z.rows, width]`, overwritten.
    /// - Throws: as `decode`.
    public func decode(_ z: SparseRows, from sets: LatentSets, _ chosen: [Int], into xHat: UnsafeMutablePointer<Float>)
        throws(SAEError)
    {
        precondition(z.width == config.latents, "\(z.width) latents for an SAE of \(config.latents)")
        let bias = decoderBias
        try accumulate(z.indptr, z.indices, z.values, sets, chosen, into: xHat) { _, out in
            out.update(from: bias, count: bias.count)
        }
    }

    /// Activations with the changes of each of some sets' latents: `x + sum_j change_j W_dec[j]`, `x` itself to the bit
    /// where nothing changes.
    ///
    /// - Parameters:
    ///   - x: `[changes.rows, width]`.
    ///   - chosen: which sets.
    ///   - changed: `[chosen.count, changes.rows, width]`, overwritten; may not overlap x.
    /// - Throws: as `decode`.
    public func apply(
        _ changes: LatentChanges, of sets: LatentSets, _ chosen: [Int], to x: UnsafePointer<Float>,
        into changed: UnsafeMutablePointer<Float>
    ) throws(SAEError) {
        let d = config.width
        try accumulate(changes.indptr, changes.indices, changes.values, sets, chosen, into: changed) { row, out in
            out.update(from: x + row * d, count: d)
        }
    }

    /// What each change adds along a direction of its own row: `change_j (W_dec[j] . g[row])`, one a change.
    ///
    /// - Parameter g: `[changes.rows, width]`.
    /// - Throws: as `decode`.
    public func along(_ changes: LatentChanges, _ g: UnsafePointer<Float>) throws(SAEError) -> [Float] {
        let weights = try decoderWeights()
        let order = LatentOrder(changes.indptr, changes.indices, changes.values, rows: 0..<changes.rows, width: config.latents)
        let products = order.along(weights.pointer, width: config.width, g)
        var found = [Float](repeating: 0, count: products.count)
        for (entry, place) in order.places.enumerated() { found[place] = products[entry] * order.values[entry] }
        return found
    }

    /// Adds changes to activations in place: `x += sum_j change_j W_dec[j]`; a row without changes is not touched.
    ///
    /// - Parameter x: `[changes.rows, width]`.
    /// - Throws: as `decode`.
    public func add(_ changes: LatentChanges, to x: UnsafeMutablePointer<Float>) throws(SAEError) {
        let d = config.width
        let weights = try decoderWeights()
        Team.parallelRows(changes.rows, block: 4) { block in
            for row in block {
                let out = x + row * d
                for entry in changes.range(of: row) {
                    let value = changes.values[entry], direction = weights.pointer + Int(changes.indices[entry]) * d
                    for i in 0..<d { out[i] += value * direction[i] }
                }
            }
        }
    }

    /// - Parameter start: writes what a row begins with.
    private func accumulate(
        _ indptr: [Int], _ indices: [UInt32], _ values: [Float], _ sets: LatentSets, _ chosen: [Int],
        into out: UnsafeMutablePointer<Float>, start: (_ row: Int, _ out: UnsafeMutablePointer<Float>) -> Void
    ) throws(SAEError) {
        precondition(sets.latents == config.latents, "sets of \(sets.latents) latents for an SAE of \(config.latents)")
        let d = config.width, rows = indptr.count - 1
        let weights = try decoderWeights()
        var places = [Int](repeating: 0, count: LatentSets.countMax), wanted: UInt64 = 0
        for (place, set) in chosen.enumerated() {
            places[set] = place * rows * d
            wanted |= 1 << UInt64(set)
        }
        let (offsets, mask) = (places, wanted)
        indices.withUnsafeBufferPointer { indices in
            values.withUnsafeBufferPointer { values in
                sets.members.withUnsafeBufferPointer { members in
                    offsets.withUnsafeBufferPointer { offsets in
                        Team.parallelRows(rows, block: 4) { block in
                            for row in block {
                                let own = out + row * d
                                for place in chosen.indices { start(row, own + place * rows * d) }
                                for entry in indptr[row]..<indptr[row + 1] {
                                    let latent = Int(indices[entry]), value = values[entry]
                                    let direction = weights.pointer + latent * d
                                    var left = members[latent] & mask
                                    while left != 0 {
                                        let target = own + offsets[left.trailingZeroBitCount]
                                        for i in 0..<d { target[i] += value * direction[i] }
                                        left &= left - 1
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
