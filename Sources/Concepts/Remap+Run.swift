// Remapping: counts from class tables, right and wrong answers, and the control over shuffled labels.

import Basics
import Store

extension Concepts {
    /// What changed between two views of one SAE, for each class and each latent.
    ///
    /// From class tables, which the first question makes (see `Store.prepareClassTables`); then below a second at
    /// 100,000 image pairs, 1,000 classes and 49,152 latents. Where `query.images` is given or the views' images differ
    /// much, postings are walked: seconds. Reads no snapshot.
    ///
    /// - Parameters:
    ///   - baseAnswers, adaptedAnswers: as `Store.answers` gives them, under each view's own head.
    ///   - classes: the heads' class names, in the order that the answers index. Labels match them as `ClassNames` says.
    /// - Throws: `differentSAEs`, `noLabel` where `query.label` is no class.
    public func remap(
        base: ViewRecord, adapted: ViewRecord, _ query: RemapQuery = RemapQuery(),
        baseAnswers: [ImageRecord.ID: Answer], adaptedAnswers: [ImageRecord.ID: Answer], classes: [String]
    ) throws(ConceptsError) -> Remapping {
        try checkPair(base, adapted)
        let wanted = query.label.map(ClassNames.key)
        if let label = query.label, !classes.contains(where: { ClassNames.key($0) == wanted }) { throw .noLabel(label: label) }
        return try withTables { () throws(ConceptsError) in
            let common = try CommonImages(store, base, adapted, label: nil, images: query.images, byLabel: true)
            let places = ClassPlaces(names: common.groups.names, classes: classes)
            let totals = try common.totals(of: common.groups)
            let dealt = query.withControl ? common.shuffled(seed: query.seed) : nil
            let control = try dealt.map { (groups) throws(ConceptsError) in try common.totals(of: groups) }
            let (analysis, (tally, shuffled)) = try together { () throws(ConceptsError) in
                try analyse(totals, places, query, withMoves: true)
            } _: { () throws(ConceptsError) -> (AnswerTally, RemapAnalysis?) in
                let tally = AnswerTally(common, places, baseAnswers, adaptedAnswers, query)
                guard let control, let dealt else { return (tally, nil) }
                return (tally, try analyse(control, ClassPlaces(names: dealt.names, classes: classes), query, withMoves: false))
            }
            let changes = tally.classes.map(\.change)
            let (finding, random) = together { analysis.figures(changes: changes, query) } _: { shuffled?.figures(changes: changes, query) }
            var answer = Remapping(
                base: base.name, adapted: adapted.name, k: query.k, seed: query.seed, rounds: query.rounds,
                asPublished: query.asPublished, images: tally.images, leftOut: tally.leftOut, onlyBase: common.onlyBase,
                onlyAdapted: common.onlyAdapted, answered: tally.answered, baseAccuracy: tally.share(\.baseRight),
                adaptedAccuracy: tally.share(\.adaptedRight), baseInterval: Interval(wilson: tally.sum(\.baseRight), of: tally.answered),
                adaptedInterval: Interval(wilson: tally.sum(\.adaptedRight), of: tally.answered), change: nil,
                changeInterval: tally.changeInterval, classes: [], movedLatents: 0, latents: [],
                finding: finding, shuffled: random)
            if let b = answer.baseAccuracy, let a = answer.adaptedAccuracy { answer.change = a - b }
            answer.classes = try classRemaps(analysis, tally, totals, places, (base, adapted), query, only: wanted)
            (answer.movedLatents, answer.latents) = latentRemaps(analysis, places, query.latentsListed ?? query.top)
            return answer
        }
    }

    private func analyse(
        _ totals: (base: ClassTotals, adapted: ClassTotals), _ places: ClassPlaces, _ query: RemapQuery, withMoves: Bool
    ) throws(ConceptsError) -> RemapAnalysis {
        do {
            return try RemapAnalysis(base: totals.base, adapted: totals.adapted, groups: places.groups, query, withMoves: withMoves)
        } catch { throw .store(error) }
    }

    private func classRemaps(
        _ analysis: RemapAnalysis, _ tally: AnswerTally, _ totals: (base: ClassTotals, adapted: ClassTotals),
        _ places: ClassPlaces, _ views: (base: ViewRecord, adapted: ViewRecord), _ query: RemapQuery, only wanted: String?
    ) throws(ConceptsError) -> [ClassRemap] {
        var listed: [ClassRemap] = []
        for (place, found) in analysis.classes.enumerated() where found.images > 0 {
            if let wanted, ClassNames.key(places.classes[place]) != wanted { continue }
            var moves = found.moves.map {
                LatentChange(
                    latent: $0.latent, baseRank: $0.baseRank, adaptedRank: $0.adaptedRank, baseCount: $0.baseCount,
                    adaptedCount: $0.adaptedCount, kinds: [])
            }
            if wanted != nil {
                do {
                    try addKinds(to: &moves, totals, places.groups[place], found.images, views, query)
                } catch { throw .store(error) }
            }
            let right = tally.classes[place]
            listed.append(
                ClassRemap(
                    label: places.classes[place], images: found.images, answered: right.answered, baseAccuracy: right.share(\.baseRight),
                    adaptedAccuracy: right.share(\.adaptedRight), change: right.change, changeInterval: right.changeInterval,
                    overlap: found.overlap, cosine: found.cosine, groups: found.groups, moves: moves, kept: found.kept,
                    reassigned: found.reassigned, newlyUsed: found.newlyUsed, left: found.left))
        }
        return listed
    }

    private func addKinds(
        to moves: inout [LatentChange], _ totals: (base: ClassTotals, adapted: ClassTotals), _ groups: [Int], _ images: Int,
        _ views: (base: ViewRecord, adapted: ViewRecord), _ query: RemapQuery
    ) throws(StoreError) {
        let latents = moves.map(\.latent)
        var b = latents.map { _ in LatentTotals() }, a = b
        for group in groups {
            for (at, more) in try totals.base.totals(of: group, latents: latents).enumerated() { b[at].merge(more) }
            for (at, more) in try totals.adapted.totals(of: group, latents: latents).enumerated() { a[at].merge(more) }
        }
        for at in moves.indices {
            moves[at].addKinds(b[at], a[at], images: images, layouts: (views.base.layout, views.adapted.layout), published: query.asPublished)
        }
    }

    private func latentRemaps(_ analysis: RemapAnalysis, _ places: ClassPlaces, _ top: Int) -> (Int, [LatentRemap]) {
        var left: [Int: [Int]] = [:], joined: [Int: [Int]] = [:]
        for (place, found) in analysis.classes.enumerated() {
            for latent in found.left { left[latent, default: []].append(place) }
            for latent in found.reassigned + found.newlyUsed { joined[latent, default: []].append(place) }
        }
        let moved = Set(left.keys).union(joined.keys)
        var best = TopK<Int>(max(0, top))
        for latent in moved {
            best.offer(latent, score: Double((left[latent]?.count ?? 0) + (joined[latent]?.count ?? 0)), tie: Int64(latent))
        }
        return (
            moved.count,
            best.items.map { latent in
                LatentRemap(
                    latent: latent, left: (left[latent] ?? []).map { places.classes[$0] },
                    joined: (joined[latent] ?? []).map { places.classes[$0] }, classesBefore: Int(analysis.servedBase[latent]),
                    classesAfter: Int(analysis.servedAdapted[latent]), cosine: analysis.cosine(of: latent))
            }
        )
    }
}

/// Which groups of images are which class of a head.
struct ClassPlaces: Sendable {
    let classes: [String]
    /// Of each class, the groups whose name is its: several where labels are spelt differently.
    private(set) var groups: [[Int]]
    /// By group: the class's place, or -1; group 0 (no label) has none.
    private(set) var place: [Int]

    init(names: [String], classes: [String]) {
        self.classes = classes
        let own = ClassNames(classes)
        groups = classes.map { _ in [] }
        place = [-1]
        for (at, name) in names.enumerated() {
            let found = own.place(of: name) ?? -1
            place.append(found)
            if found >= 0 { groups[found].append(at + 1) }
        }
    }
}

/// Right and wrong answers under both heads, on the images that both views have.
struct AnswerTally: Sendable {
    struct Class: Sendable {
        var answered = 0
        var baseRight = 0
        var adaptedRight = 0
        /// Wrong under base and right under adapted; and the other way round.
        var gains = 0
        var losses = 0
        var changeInterval: Interval?

        func share(_ right: KeyPath<Class, Int>) -> Double? { answered > 0 ? Double(self[keyPath: right]) / Double(answered) : nil }
        var change: Double? { answered > 0 ? Double(adaptedRight - baseRight) / Double(answered) : nil }
    }

    private(set) var classes: [Class]
    private(set) var images = 0
    private(set) var leftOut = 0
    private(set) var changeInterval: Interval?

    var answered: Int { sum(\.answered) }
    func sum(_ value: KeyPath<Class, Int>) -> Int { classes.reduce(0) { $0 + $1[keyPath: value] } }
    func share(_ right: KeyPath<Class, Int>) -> Double? { answered > 0 ? Double(sum(right)) / Double(answered) : nil }

    init(
        _ common: CommonImages, _ places: ClassPlaces, _ base: [ImageRecord.ID: Answer], _ adapted: [ImageRecord.ID: Answer],
        _ query: RemapQuery
    ) {
        classes = places.classes.map { _ in Class() }
        let names = ClassNames(places.classes)
        for (id, entry) in common.groups.entries.enumerated() where entry >= 0 && common.isCommon(id) {
            let place = places.place[Int(entry)]
            guard place >= 0 else {
                leftOut += 1
                continue
            }
            images += 1
            let image = ImageRecord.ID(rawValue: Int64(id))
            guard let b = base[image], let a = adapted[image] else { continue }
            let baseRight = names.place(ofAnswer: Int(b.index)) == place
            let adaptedRight = names.place(ofAnswer: Int(a.index)) == place
            classes[place].answered += 1
            classes[place].baseRight += baseRight ? 1 : 0
            classes[place].adaptedRight += adaptedRight ? 1 : 0
            classes[place].gains += adaptedRight && !baseRight ? 1 : 0
            classes[place].losses += baseRight && !adaptedRight ? 1 : 0
        }
        bootstrap(query)
    }

    /// Each class's images are drawn with replacement; the whole is the sum of its classes' draws.
    private mutating func bootstrap(_ query: RemapQuery) {
        guard answered > 0, query.rounds > 0 else { return }
        var sums = [Int](repeating: 0, count: query.rounds)
        var random = SplitMix(seed: query.seed)
        for at in classes.indices where classes[at].answered > 0 {
            let own = classes[at]
            var rounds = [Double](repeating: 0, count: query.rounds)
            for round in rounds.indices {
                let sum = Bootstrap.pairedSum(own.answered, gains: own.gains, losses: own.losses, &random)
                sums[round] += sum
                rounds[round] = Double(sum) / Double(own.answered)
            }
            classes[at].changeInterval = Interval(percentilesOf: rounds)
        }
        let whole = Double(answered)
        changeInterval = Interval(percentilesOf: sums.map { Double($0) / whole })
    }
}
