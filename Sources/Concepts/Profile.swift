// A group's counts over tau in one view, by latent, and the latents ranked by them.
//
// Dense tables of n, because two views' rankings are looked up in each other: a hash map would cost more than
// all the rest. Cleared by what was counted, so a class of few latents costs little.

import Foundation
import Store

/// One group (or several as one) in one view. Reused for class after class; not thread-safe.
final class Profile {
    let latents: Int
    /// Tokens over tau by latent; zero between uses. Private: read through methods, which keep this object alive.
    private let count: UnsafeMutablePointer<Int32>
    /// From 1 by latent; 0 where not counted.
    private let rank: UnsafeMutablePointer<Int32>
    /// A bit a latent that was touched while loading; zero between uses.
    private let marks: UnsafeMutablePointer<UInt64>
    private let words: Int
    /// Counted latents, ascending.
    private(set) var counted: [Int32] = []
    /// Counted latents, the largest count first; ties by the lower latent.
    private(set) var ranked: [Int32] = []
    private var places: [Int32] = []

    init(latents: Int) {
        self.latents = latents
        // Owned by this object, indices come from checked tables.
        count = .allocate(capacity: latents)
        rank = .allocate(capacity: latents)
        count.initialize(repeating: 0, count: latents)
        rank.initialize(repeating: 0, count: latents)
        words = (latents + 63) / 64
        marks = .allocate(capacity: words)
        marks.initialize(repeating: 0, count: words)
    }

    deinit {
        count.deallocate()
        rank.deallocate()
        marks.deallocate()
    }

    /// Tokens over tau.
    @inline(__always)
    func count(of latent: Int) -> Int { withExtendedLifetime(self) { Int(count[latent]) } }

    /// From 1; 0 where not counted.
    @inline(__always)
    func rank(of latent: Int) -> Int { withExtendedLifetime(self) { Int(rank[latent]) } }

    /// Whether a latent is among the first k.
    func isIn(_ latent: Int, first k: Int) -> Bool {
        let rank = rank(of: latent)
        return rank > 0 && rank <= k
    }

    /// Replaces the content by groups' counts: class and patch tokens, and prompts where `published`.
    func load(_ totals: ClassTotals, groups: [Int], published: Bool) throws(StoreError) {
        clear()
        for group in groups { try totals.addCounts(of: group, prompts: published, to: count, marks: marks) }
        for word in 0..<words where marks[word] != 0 {
            var bits = marks[word]
            marks[word] = 0
            while bits != 0 {
                let latent = word << 6 | bits.trailingZeroBitCount
                // A correction may have taken all of it away.
                if count[latent] > 0 { counted.append(Int32(latent)) } else { count[latent] = 0 }
                bits &= bits &- 1
            }
        }
        sort()
    }

    /// Replaces the content by single counts.
    func load(_ counts: [(latent: Int, count: Int)]) {
        clear()
        for entry in counts where entry.count > 0 {
            count[entry.latent] = Int32(entry.count)
            counted.append(Int32(entry.latent))
        }
        counted.sort()
        sort()
    }

    private func clear() {
        for latent in counted {
            count[Int(latent)] = 0
            rank[Int(latent)] = 0
        }
        counted.removeAll(keepingCapacity: true)
        ranked.removeAll(keepingCapacity: true)
    }

    private func sort() {
        let largest = counted.reduce(0) { max($0, Int(count[Int($1)])) }
        if largest <= 4 * counted.count + 4096 {
            // Counting sort: `counted` ascends, so equal counts stay in latent order.
            if places.count < largest + 2 { places = [Int32](repeating: 0, count: largest + 2) }
            places.withUnsafeMutableBufferPointer { places in
                for i in 0..<largest + 2 { places[i] = 0 }
                for latent in counted { places[Int(count[Int(latent)])] += 1 }
                var next: Int32 = 0
                for value in stride(from: largest, through: 0, by: -1) {
                    let some = places[value]
                    places[value] = next
                    next += some
                }
                ranked = [Int32](unsafeUninitializedCapacity: counted.count) { ranked, filled in
                    for latent in counted {
                        let value = Int(count[Int(latent)])
                        ranked[Int(places[value])] = latent
                        rank[Int(latent)] = places[value] + 1
                        places[value] += 1
                    }
                    filled = counted.count
                }
            }
        } else {
            ranked = counted.map { UInt64(UInt32.max - UInt32(count[Int($0)])) << 32 | UInt64($0) }.sorted()
                .map { Int32(truncatingIfNeeded: $0 & 0xFFFF_FFFF) }
            for (place, latent) in ranked.enumerated() { rank[Int(latent)] = Int32(place + 1) }
        }
    }
}

/// Two views of one group beside each other.
struct ProfilePair {
    let base: Profile
    let adapted: Profile

    /// Latents among the first k of both views.
    func shared(_ k: Int) -> Int {
        base.ranked.prefix(k).reduce(0) { $0 + (adapted.isIn(Int($1), first: k) ? 1 : 0) }
    }

    /// Latents counted in one view at least.
    var union: Int { base.counted.count + adapted.counted.reduce(0) { $0 + (base.rank(of: Int($1)) == 0 ? 1 : 0) } }

    /// See `OverlapPoint`.
    func overlap(_ k: Int) -> OverlapPoint {
        let sizes = (min(k, base.ranked.count), min(k, adapted.ranked.count))
        let larger = max(sizes.0, sizes.1), shared = shared(k), union = union
        let expected = union > 0 ? Double(sizes.0) * Double(sizes.1) / Double(union) : 0
        return OverlapPoint(
            k: k, shared: shared, share: larger > 0 ? Double(shared) / Double(larger) : 0,
            expectedByChance: larger > 0 ? expected / Double(larger) : 0)
    }

    /// Cosine of the two count vectors; nil where one is zero.
    var cosine: Double? {
        var dot = 0.0, bb = 0.0, aa = 0.0
        for latent in base.counted {
            let b = Double(base.count(of: Int(latent)))
            bb += b * b
            dot += b * Double(adapted.count(of: Int(latent)))
        }
        for latent in adapted.counted {
            let a = Double(adapted.count(of: Int(latent)))
            aa += a * a
        }
        return bb > 0 && aa > 0 ? dot / (bb * aa).squareRoot() : nil
    }

    /// How far a latent moved: the change of 1 / log2(1 + rank), 0 where not counted. From rank 1 to nowhere it is 1,
    /// from 1 to 2 it is 0.37, from 50 to 100 it is 0.03.
    func move(_ latent: Int) -> Double {
        abs(Profile.weight(adapted.rank(of: latent)) - Profile.weight(base.rank(of: latent)))
    }
}

extension Profile {
    private static let weights: [Double] = [0] + (1...4096).map { 1 / log2(Double($0) + 1) }

    static func weight(_ rank: Int) -> Double { rank < weights.count ? weights[rank] : 1 / log2(Double(rank) + 1) }
}
