// Remapping of a twin with planted changes, and of views that are the same.

import Basics
import Concepts
import Store
import Testing

@Suite struct RemapTests {
    /// Answers that are right on every image but those of `wrong`.
    private func answers(_ twin: TwinStore, wrong: (Int) -> Bool) throws -> [ImageRecord.ID: Answer] {
        var answers: [ImageRecord.ID: Answer] = [:]
        for n in 0..<twin.options.images {
            let image = try #require(try twin.store.image(hash: twin.generator.hash(n)))
            let label = n % twin.options.labels
            answers[image.id] = Answer(index: Int32(wrong(n) ? (label + 1) % twin.options.labels : label), probability: 0.5)
        }
        return answers
    }

    private func classes(_ twin: TwinStore) -> [String] { (0..<twin.options.labels).map { twin.generator.label($0).uppercased() } }

    @Test func setsGroupsAndLatentsAgreeWithARecomputation() throws {
        let folder = try TemporaryFolder()
        let twin = try TwinStore(folder.path)
        var query = RemapQuery()
        (query.k, query.high, query.low, query.top) = (20, 20, 40, 5000)
        let answer = try twin.concepts.remap(
            base: twin.base, adapted: twin.adapted, query, baseAnswers: try answers(twin) { $0 % 3 == 0 },
            adaptedAnswers: try answers(twin) { $0 % 9 == 0 }, classes: classes(twin))
        var base: [[Int]] = [], adapted: [[Int]] = [], counts: [([Int: Int], [Int: Int])] = []
        for label in 0..<6 {
            let images = (0..<90).filter { $0 % 6 == label }
            counts.append((twin.naive(images, adapted: false), twin.naive(images, adapted: true)))
            base.append(Array(twin.ranked(counts[label].0).prefix(20)))
            adapted.append(Array(twin.ranked(counts[label].1).prefix(20)))
        }
        #expect(answer.classes.map(\.label) == classes(twin) && answer.images == 90 && answer.leftOut == 0)
        for (label, found) in answer.classes.enumerated() {
            let others = Set((0..<6).filter { $0 != label }.flatMap { base[$0] })
            let new = adapted[label].filter { !base[label].contains($0) }
            #expect(found.kept == adapted[label].filter { base[label].contains($0) })
            #expect(found.reassigned == new.filter { others.contains($0) })
            #expect(found.newlyUsed == new.filter { !others.contains($0) })
            #expect(found.left == base[label].filter { !adapted[label].contains($0) })
            #expect(near(found.overlap, Double(found.kept.count) / 20))
            #expect(found.groups == sizes(counts[label].0, counts[label].1, twin), "label \(label)")
        }
        for latent in answer.latents {
            let before = (0..<6).filter { base[$0].contains(latent.latent) }, after = (0..<6).filter { adapted[$0].contains(latent.latent) }
            #expect(latent.classesBefore == before.count && latent.classesAfter == after.count)
            #expect(Set(latent.left) == Set(before.filter { !after.contains($0) }.map { classes(twin)[$0] }))
            #expect(Set(latent.joined) == Set(after.filter { !before.contains($0) }.map { classes(twin)[$0] }))
            var dot = 0.0, bb = 0.0, aa = 0.0
            for (b, a) in counts {
                let x = Double(b[latent.latent] ?? 0), y = Double(a[latent.latent] ?? 0)
                (dot, bb, aa) = (dot + x * y, bb + x * x, aa + y * y)
            }
            #expect(near(latent.cosine, bb * aa > 0 ? dot / (bb * aa).squareRoot() : nil, 1e-12))
        }
        #expect(answer.movedLatents == answer.latents.count)
        #expect(answer.baseAccuracy == 60.0 / 90 && answer.adaptedAccuracy == 80.0 / 90)
        #expect(answer.classes[0].baseAccuracy == 0 && answer.classes[1].baseAccuracy == 1)
    }

    /// The four groups by dictionaries, as `GroupSizes` says.
    private func sizes(_ b: [Int: Int], _ a: [Int: Int], _ twin: TwinStore) -> GroupSizes {
        let rb = twin.ranked(b), ra = twin.ranked(a)
        func x(_ counts: [Int: Int], _ latent: Int) -> Double { Double(counts[latent] ?? 0) / Double(counts.values.max()!) }
        func union(_ k: Int) -> Set<Int> { Set(rb.prefix(k)).union(ra.prefix(k)) }
        func mean(_ latents: Set<Int>) -> Double { latents.reduce(0) { $0 + x(b, $1) + x(a, $1) } / Double(2 * latents.count) }
        let high = mean(union(20)), low = mean(union(40))
        var sizes = GroupSizes()
        for latent in union(40) {
            let before = x(b, latent), after = x(a, latent)
            if before >= high && after >= high { sizes.staysHigh += 1 }
            if before < low && after < low { sizes.staysLow += 1 }
            if before < low && after >= high { sizes.rises += 1 }
            if before >= high && after < low { sizes.falls += 1 }
        }
        return sizes
    }

    @Test func equalViewsShowNoRemapping() throws {
        let folder = try TemporaryFolder()
        let twin = try TwinStore(folder.path)
        let same = try answers(twin) { $0 % 4 == 0 }
        let answer = try twin.concepts.remap(
            base: twin.base, adapted: twin.base, baseAnswers: same, adaptedAnswers: same, classes: classes(twin))
        #expect(answer.movedLatents == 0 && answer.finding.overlap == 1 && answer.change == 0)
        #expect(answer.changeInterval == Interval(low: 0, high: 0))
        #expect(answer.finding.reassigned == 0 && answer.finding.newlyUsed == 0 && answer.finding.left == 0)
        #expect(answer.classes.allSatisfy { $0.groups.rises == 0 && $0.groups.falls == 0 && $0.moves.isEmpty })
    }

    @Test func shuffledLabelsShowWhatRemainsWithoutClasses() throws {
        let folder = try TemporaryFolder()
        let twin = try TwinStore(folder.path, images: 120)
        let right = try answers(twin) { _ in false }
        let answer = try twin.concepts.remap(
            base: twin.base, adapted: twin.adapted, baseAnswers: right, adaptedAnswers: right, classes: classes(twin))
        let control = try #require(answer.shuffled)
        #expect(control.images >= 120 * 8 / 9 - 6 && control.classes == 6)
        #expect(answer.finding.kept + answer.finding.reassigned + answer.finding.newlyUsed == 50)
        // Planted: 8 of a label's 48 latents are the neighbour's. Without classes what is left is sampling.
        #expect(answer.finding.reassigned > control.reassigned + 3)
        let again = try twin.concepts.remap(
            base: twin.base, adapted: twin.adapted, baseAnswers: right, adaptedAnswers: right, classes: classes(twin))
        #expect(again == answer)
    }
}
