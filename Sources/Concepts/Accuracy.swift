// How often zero-shot answers are right: shares with intervals, a class at a time, and what is taken for what.

import Store

/// One class.
public struct ClassAccuracy: Sendable, Codable, Equatable {
    /// The class's name in the head's list.
    public var label: String
    /// Answered images whose label is the class.
    public var images: Int
    public var right: Int
    /// `right / images`.
    public var accuracy: Double
    /// Wilson, 95 %.
    public var interval: Interval
}

/// Images of one class that were answered with another.
public struct Confusion: Sendable, Codable, Equatable {
    public var label: String
    public var answer: String
    public var images: Int
}

public struct Accuracy: Sendable, Codable, Equatable {
    /// Answered images whose label is one of the classes: the denominator.
    public var images: Int
    public var right: Int
    /// `right / images`; nil where there are none.
    public var accuracy: Double?
    /// Wilson, 95 %.
    public var interval: Interval?
    /// Mean of the classes' accuracies; nil where there are none.
    public var macroAccuracy: Double?
    /// Classes with images, in the head's order.
    public var classes: [ClassAccuracy]
    /// Wrong answers, the most frequent first; ties in the head's order.
    public var confusions: [Confusion]
    /// Answered images without a label.
    public var unlabelled: Int
    /// Answered images whose label is no class.
    public var unmatched: Int
}

extension Concepts {
    /// Accuracy of a head's answers. An answer is right where its class is the image's label ('_' is ' ', case does
    /// not matter); images without a label, or with one that is no class, are left out and counted.
    ///
    /// - Parameters:
    ///   - answers: by image; only those are looked at. Others than the scope's must be taken out before.
    ///   - labels: labels of images, as `Store.labels` gives them.
    public static func accuracy(
        _ answers: [ImageRecord.ID: Answer], classes: [String], labels: [ImageRecord.ID: String]
    ) -> Accuracy {
        let names = ClassNames(classes)
        var placeOfLabel: [String: Int] = [:]
        var counts = [Int](repeating: 0, count: classes.count), rights = counts
        var wrong: [Pair: Int] = [:]
        var unlabelled = 0, unmatched = 0
        for (image, answer) in answers {
            guard let label = labels[image] else {
                unlabelled += 1
                continue
            }
            let place = placeOfLabel[label] ?? names.place(of: label) ?? -1
            placeOfLabel[label] = place
            guard place >= 0 else {
                unmatched += 1
                continue
            }
            counts[place] += 1
            let said = Int(answer.index)
            if names.place(ofAnswer: said) == place {
                rights[place] += 1
            } else {
                wrong[Pair(label: place, answer: said), default: 0] += 1
            }
        }
        let listed = classes.indices.compactMap { place in
            Interval(wilson: rights[place], of: counts[place]).map {
                ClassAccuracy(
                    label: classes[place], images: counts[place], right: rights[place],
                    accuracy: Double(rights[place]) / Double(counts[place]), interval: $0)
            }
        }
        let images = counts.reduce(0, +), right = rights.reduce(0, +)
        let confusions = wrong.sorted {
            ($1.value, $0.key.label, $0.key.answer) < ($0.value, $1.key.label, $1.key.answer)
        }
        return Accuracy(
            images: images, right: right, accuracy: images > 0 ? Double(right) / Double(images) : nil,
            interval: Interval(wilson: right, of: images),
            macroAccuracy: listed.isEmpty ? nil : listed.reduce(0) { $0 + $1.accuracy } / Double(listed.count), classes: listed,
            confusions: confusions.map {
                Confusion(
                    label: classes[$0.key.label],
                    answer: classes.indices.contains($0.key.answer) ? classes[$0.key.answer] : "#\($0.key.answer)", images: $0.value)
            },
            unlabelled: unlabelled, unmatched: unmatched)
    }

    private struct Pair: Hashable {
        var label: Int
        var answer: Int
    }
}
