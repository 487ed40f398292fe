// Which images an automatic control covers: so many that a figure stands on something, so few that nobody notices the work.

import Basics

/// Chooses the images of automatic controls.
///
/// The same store gives the same sample. Data sets take part evenly, since findings are asked for of one, and in each its
/// labels; who has few images has all of them in. Images of no data set are one, those without a label have one. Among equals
/// a hash of the number decides, so that an image more changes the sample by one at most, and by none the more often the
/// more there are.
package enum ControlSample {
    package struct Image {
        package let number: Int
        package let label: Int32
        package let dataset: String?

        package init(number: Int, label: Int32, dataset: String?) { (self.number, self.label, self.dataset) = (number, label, dataset) }
    }

    /// - Returns: numbers of at most `count` images. The first ones, however many, are spread in the same way.
    package static func choose(_ images: some Sequence<Image>, count: Int) -> [Int] {
        guard count > 0 else { return [] }
        var sets: [String?: [Int32: [Candidate]]] = [:]
        for image in images {
            var hash = SplitMix(seed: UInt64(image.number))
            sets[image.dataset, default: [:]][image.label, default: []].append(Candidate(rank: hash.next(), image: image.number))
        }
        let ordered = sets.values.map { labels in inTurn(labels.values.map { Array($0.sorted().prefix(count)) }, count: count) }
        return inTurn(ordered, count: count).map(\.image)
    }

    /// Round by round each list gives its next one; in a round, and so in one that is not for all, the lowest rank goes first.
    private static func inTurn(_ lists: [[Candidate]], count: Int) -> [Candidate] {
        let turns = lists.flatMap { list in list.enumerated().map { (round: $0.offset, candidate: $0.element) } }
        return turns.sorted { ($0.round, $0.candidate) < ($1.round, $1.candidate) }.prefix(count).map(\.candidate)
    }

    private struct Candidate: Comparable {
        let rank: UInt64
        let image: Int

        static func < (a: Candidate, b: Candidate) -> Bool { (a.rank, a.image) < (b.rank, b.image) }
    }
}
