// One pass over the classes of two views: rankings, overlaps, groups, and what each latent serves.

import Basics
import Store

/// What is told of classes from counts alone; answers come in later.
struct RemapAnalysis: Sendable {
    struct Move: Sendable {
        var latent: Int
        var baseRank: Int
        var adaptedRank: Int
        var baseCount: Int
        var adaptedCount: Int
    }

    struct Class: Sendable {
        var images = 0
        var overlap = 0.0
        var cosine: Double?
        var groups = GroupSizes()
        var moves: [Move] = []
        /// The first k, by rank.
        var base: [Int32] = []
        var adapted: [Int32] = []
        var kept: [Int] = []
        var reassigned: [Int] = []
        var newlyUsed: [Int] = []
        var left: [Int] = []
    }

    /// In the order of the given classes.
    private(set) var classes: [Class] = []
    /// By latent: classes served in each view, and sums for the cosine of its counts over classes.
    private(set) var servedBase: [Int32]
    private(set) var servedAdapted: [Int32]
    private var dot: [Double]
    private var baseSquares: [Double]
    private var adaptedSquares: [Double]

    /// - Parameters:
    ///   - groups: of each class, the groups of `base` and `adapted` (which have the same) that are its.
    ///   - withMoves: ranks of all latents are needed then, else only of the first.
    init(
        base: ClassTotals, adapted: ClassTotals, groups: [[Int]], _ query: RemapQuery, withMoves: Bool
    ) throws(StoreError) {
        let depth = withMoves ? Int.max : max(query.k, query.high, query.low)
        let n = base.latents
        servedBase = [Int32](repeating: 0, count: n)
        servedAdapted = servedBase
        dot = [Double](repeating: 0, count: n)
        baseSquares = dot
        adaptedSquares = dot
        let pair = ProfilePair(base: Profile(latents: n), adapted: Profile(latents: n))
        for group in groups {
            try pair.base.load(base, groups: group, published: query.asPublished, depth: depth)
            try pair.adapted.load(adapted, groups: group, published: query.asPublished, depth: depth)
            var found = Class()
            found.images = group.reduce(0) { $0 + base.images[$1] }
            found.overlap = pair.share(query.k)
            found.cosine = addSquares(pair)
            found.groups = RemapAnalysis.groups(pair, query)
            found.base = Array(pair.base.ranked.prefix(query.k))
            found.adapted = Array(pair.adapted.ranked.prefix(query.k))
            if withMoves { found.moves = RemapAnalysis.moves(pair, found, query.top) }
            for latent in found.base { servedBase[Int(latent)] += 1 }
            for latent in found.adapted { servedAdapted[Int(latent)] += 1 }
            // By the rankings that are loaded now; who serves another class is known only at the end.
            found.kept = found.adapted.filter { pair.base.isIn(Int($0), first: query.k) }.map(Int.init)
            found.newlyUsed = found.adapted.filter { !pair.base.isIn(Int($0), first: query.k) }.map(Int.init)
            found.left = found.base.filter { !pair.adapted.isIn(Int($0), first: query.k) }.map(Int.init)
            classes.append(found)
        }
        for at in classes.indices {
            // None of these serves this class in base: if any, it is another.
            let new = classes[at].newlyUsed
            classes[at].reassigned = new.filter { servedBase[$0] > 0 }
            classes[at].newlyUsed = new.filter { servedBase[$0] == 0 }
        }
    }

    /// Adds a class to the latents' sums; its own cosine over latents.
    private mutating func addSquares(_ pair: ProfilePair) -> Double? {
        var dots = 0.0, bb = 0.0, aa = 0.0
        baseSquares.withUnsafeMutableBufferPointer { squares in
            dot.withUnsafeMutableBufferPointer { dot in
                for latent in pair.base.counted {
                    let j = Int(latent)
                    let b = Double(pair.base.count(of: j)), product = b * Double(pair.adapted.count(of: j))
                    squares[j] += b * b
                    dot[j] += product
                    bb += b * b
                    dots += product
                }
            }
        }
        adaptedSquares.withUnsafeMutableBufferPointer { squares in
            for latent in pair.adapted.counted {
                let a = Double(pair.adapted.count(of: Int(latent)))
                squares[Int(latent)] += a * a
                aa += a * a
            }
        }
        return bb > 0 && aa > 0 ? dots / (bb * aa).squareRoot() : nil
    }

    func cosine(of latent: Int) -> Double? {
        let product = baseSquares[latent] * adaptedSquares[latent]
        return product > 0 ? dot[latent] / product.squareRoot() : nil
    }

    /// See `GroupSizes`.
    private static func groups(_ pair: ProfilePair, _ query: RemapQuery) -> GroupSizes {
        var sizes = GroupSizes()
        guard let b = pair.base.ranked.first, let a = pair.adapted.ranked.first else { return sizes }
        let baseScale = 1 / Double(pair.base.count(of: Int(b))), adaptedScale = 1 / Double(pair.adapted.count(of: Int(a)))
        func union(_ k: Int) -> [(base: Double, adapted: Double)] {
            let latents = pair.base.ranked.prefix(k) + pair.adapted.ranked.prefix(k).filter { !pair.base.isIn(Int($0), first: k) }
            return latents.map { (Double(pair.base.count(of: Int($0))) * baseScale, Double(pair.adapted.count(of: Int($0))) * adaptedScale) }
        }
        func mean(_ values: [(base: Double, adapted: Double)]) -> Double {
            values.reduce(0) { $0 + $1.base + $1.adapted } / Double(2 * values.count)
        }
        let candidates = union(max(query.low, query.high))
        let high = mean(union(query.high)), low = min(high, mean(union(query.low)))
        for x in candidates {
            switch (x.base >= high, x.adapted >= high) {
            case (true, true): sizes.staysHigh += 1
            case (false, true): sizes.rises += x.base < low ? 1 : 0
            case (true, false): sizes.falls += x.adapted < low ? 1 : 0
            case (false, false): sizes.staysLow += x.base < low && x.adapted < low ? 1 : 0
            }
        }
        return sizes
    }

    private static func moves(_ pair: ProfilePair, _ found: Class, _ top: Int) -> [Move] {
        var best = TopK<Int>(max(0, top))
        for latent in found.base + found.adapted.filter({ !pair.base.isIn(Int($0), first: found.base.count) }) {
            let move = pair.move(Int(latent))
            if move > 0 { best.offer(Int(latent), score: move, tie: Int64(latent)) }
        }
        return best.items.map {
            Move(
                latent: $0, baseRank: pair.base.rank(of: $0), adaptedRank: pair.adapted.rank(of: $0),
                baseCount: pair.base.count(of: $0), adaptedCount: pair.adapted.count(of: $0))
        }
    }

    /// Means over the classes that have images, against changes of accuracy in the same order (nil where unknown).
    func figures(changes: [Double?], _ query: RemapQuery) -> RemapFigures {
        let used = classes.indices.filter { classes[$0].images > 0 }
        func mean(_ value: (Class) -> Double) -> Double {
            used.isEmpty ? 0 : used.reduce(0) { $0 + value(classes[$1]) } / Double(used.count)
        }
        let cosines = used.compactMap { classes[$0].cosine }
        let overlaps = used.map { classes[$0].overlap }
        let sizes: [(String, KeyPath<GroupSizes, Int>)] = [
            ("stays high", \.staysHigh), ("stays low", \.staysLow), ("rises", \.rises), ("falls", \.falls),
        ]
        let paired = used.filter { changes[$0] != nil }
        let y = paired.map { changes[$0] ?? 0 }
        return RemapFigures(
            classes: used.count, images: used.reduce(0) { $0 + classes[$1].images }, overlap: mean(\.overlap),
            overlapInterval: Bootstrap.interval(count: overlaps.count, rounds: query.rounds, seed: query.seed) { drawn in
                drawn.reduce(0) { $0 + overlaps[$1] } / Double(drawn.count)
            },
            cosine: cosines.isEmpty ? nil : cosines.reduce(0, +) / Double(cosines.count), kept: mean { Double($0.kept.count) },
            reassigned: mean { Double($0.reassigned.count) }, newlyUsed: mean { Double($0.newlyUsed.count) },
            left: mean { Double($0.left.count) },
            groups: sizes.map { name, path in
                let x = paired.map { Double(classes[$0].groups[keyPath: path]) }
                return GroupFigures(
                    group: name, meanSize: mean { Double($0.groups[keyPath: path]) },
                    correlation: Bootstrap.correlation(x, y, over: x.indices),
                    correlationInterval: Bootstrap.interval(count: x.count, rounds: query.rounds, seed: query.seed) {
                        Bootstrap.correlation(x, y, over: $0)
                    })
            })
    }
}
