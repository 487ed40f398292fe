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
    /// Counted latents, ascending, in the first part; kept between uses, as the next.
    private var countedStorage: [Int32]
    private var countedCount = 0
    private var rankedStorage: [Int32]
    private var rankedCount = 0
    private var places: [Int32]

    /// Latents of smaller counts are sorted by counting; of larger ones there are few.
    private static let smallCounts = 1024

    /// Counted latents, ascending.
    var counted: ArraySlice<Int32> { countedStorage[..<countedCount] }
    /// Counted latents, the largest count first; ties by the lower latent. Up to the depth that was asked for.
    var ranked: ArraySlice<Int32> { rankedStorage[..<rankedCount] }

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
        countedStorage = [Int32](repeating: 0, count: latents)
        rankedStorage = countedStorage
        places = [Int32](repeating: 0, count: Profile.smallCounts)
    }

    deinit {
        count.deallocate()
        rank.deallocate()
        marks.deallocate()
    }

    /// Tokens over tau.
    @inline(__always)
    func count(of latent: Int) -> Int { withExtendedLifetime(self) { Int(count[latent]) } }

    /// From 1; 0 where not counted, or beyond the depth that was asked for.
    @inline(__always)
    func rank(of latent: Int) -> Int { withExtendedLifetime(self) { Int(rank[latent]) } }

    /// Whether a latent is among the first k.
    func isIn(_ latent: Int, first k: Int) -> Bool {
        let rank = rank(of: latent)
        return rank > 0 && rank <= k
    }

    /// Replaces the content by groups' counts: class and patch tokens, and prompts where `published`.
    ///
    /// - Parameter depth: rank at least so many latents, not necessarily all.
    func load(_ totals: ClassTotals, groups: [Int], published: Bool, depth: Int = .max) throws(StoreError) {
        clear()
        for group in groups { try totals.addCounts(of: group, prompts: published, to: count, marks: marks) }
        let count = count, marks = marks, words = words
        var filled = 0
        countedStorage.withUnsafeMutableBufferPointer { counted in
            for word in 0..<words where marks[word] != 0 {
                var bits = marks[word]
                marks[word] = 0
                while bits != 0 {
                    let latent = word << 6 | bits.trailingZeroBitCount
                    // A correction may have taken all of it away.
                    if count[latent] > 0 {
                        counted[filled] = Int32(latent)
                        filled += 1
                    } else {
                        count[latent] = 0
                    }
                    bits &= bits &- 1
                }
            }
        }
        countedCount = filled
        sort(depth)
    }

    /// Replaces the content by single counts.
    func load(_ counts: [(latent: Int, count: Int)]) {
        clear()
        for (latent, value) in counts.sorted(by: { $0.latent < $1.latent }) where value > 0 {
            count[latent] = Int32(value)
            countedStorage[countedCount] = Int32(latent)
            countedCount += 1
        }
        sort(.max)
    }

    private func clear() {
        for latent in counted {
            count[Int(latent)] = 0
            rank[Int(latent)] = 0
        }
        countedCount = 0
        rankedCount = 0
    }

    /// Large counts by comparison, small ones by counting: `counted` ascends, so equal counts stay in latent order.
    private func sort(_ depth: Int) {
        let count = count, rank = rank, n = countedCount, small = Profile.smallCounts
        var large: [UInt64] = []
        countedStorage.withUnsafeBufferPointer { counted in
            places.withUnsafeMutableBufferPointer { places in
                places.update(repeating: 0)
                for i in 0..<n {
                    let latent = Int(counted[i]), value = Int(count[latent])
                    if value < small {
                        places[value] &+= 1
                    } else {
                        large.append(UInt64(UInt32.max - UInt32(value)) << 32 | UInt64(latent))
                    }
                }
                large.sort()
                rankedCount = rankedStorage.withUnsafeMutableBufferPointer { ranked in
                    for (place, packed) in large.enumerated() {
                        ranked[place] = Int32(truncatingIfNeeded: packed & 0xFFFF_FFFF)
                        rank[Int(ranked[place])] = Int32(place + 1)
                    }
                    var next = Int32(large.count), least = small
                    while least > 1, Int(next) < depth {
                        least -= 1
                        let some = places[least]
                        places[least] = next
                        next += some
                    }
                    for i in 0..<n {
                        let latent = Int(counted[i]), value = Int(count[latent])
                        if value >= least && value < small {
                            ranked[Int(places[value])] = Int32(latent)
                            places[value] &+= 1
                            rank[latent] = places[value]
                        }
                    }
                    return Int(next)
                }
            }
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

    /// `OverlapPoint.share` alone.
    func share(_ k: Int) -> Double {
        let larger = max(min(k, base.ranked.count), min(k, adapted.ranked.count))
        return larger > 0 ? Double(shared(k)) / Double(larger) : 0
    }

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
