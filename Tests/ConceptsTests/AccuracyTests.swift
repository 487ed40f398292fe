// Accuracy, confusion and Wilson's interval. Reference for the latter: scipy.stats.binomtest(k, n).proportion_ci(method="wilson").

import Concepts
import Store
import Testing

@Suite struct AccuracyTests {
    private func answers(_ given: [Int32]) -> [ImageRecord.ID: Answer] {
        Dictionary(uniqueKeysWithValues: given.enumerated().map { (.init(rawValue: Int64($0 + 1)), Answer(index: $1, probability: 1)) })
    }

    private func labels(_ given: [String?]) -> [ImageRecord.ID: String] {
        var labels: [ImageRecord.ID: String] = [:]
        for (n, label) in given.enumerated() { labels[.init(rawValue: Int64(n + 1))] = label }
        return labels
    }

    @Test func labelsMatchClassesAndWhatDoesNotIsCounted() {
        let accuracy = Concepts.accuracy(
            answers([0, 1, 1, 2, 0, 0, 1]), classes: ["red cube", "Blue_Ball", "cone"],
            labels: labels(["Red_Cube", "red cube", "blue ball", "blue ball", nil, "table", "red_cube"]))
        #expect(accuracy.images == 5 && accuracy.right == 2 && accuracy.accuracy == 0.4)
        #expect(accuracy.unlabelled == 1 && accuracy.unmatched == 1)
        #expect(accuracy.classes.map(\.label) == ["red cube", "Blue_Ball"])
        #expect(accuracy.classes.map(\.right) == [1, 1] && accuracy.classes.map(\.images) == [3, 2])
        #expect(accuracy.macroAccuracy.map { abs($0 - (1.0 / 3 + 0.5) / 2) < 1e-12 } == true)
        #expect(
            accuracy.confusions.map { [$0.label, $0.answer, "\($0.images)"] } == [
                ["red cube", "Blue_Ball", "2"], ["Blue_Ball", "cone", "1"],
            ])
        let none = Concepts.accuracy([:], classes: ["a"], labels: [:])
        #expect(none.accuracy == nil && none.interval == nil && none.macroAccuracy == nil && none.classes.isEmpty)
    }

    @Test func ofTwoClassesOfOneNameEitherIsRight() {
        let accuracy = Concepts.accuracy(answers([0, 1, 2]), classes: ["crane", "Crane", "dog"], labels: labels(["crane", "crane", "crane"]))
        #expect(accuracy.right == 2 && accuracy.classes.map(\.label) == ["crane"])
    }

    @Test(arguments: [
        (0, 10, 0.0, 0.2775327998628892), (5, 10, 0.2365930905125640, 0.7634069094874360),
        (10, 10, 0.7224672001371108, 1.0), (81, 263, 0.2552885198782742, 0.3662095769828000),
    ]) func wilsonsIntervalIsScipys(part: Int, whole: Int, low: Double, high: Double) throws {
        let interval = try #require(Interval(wilson: part, of: whole))
        #expect(abs(interval.low - low) < 1e-9 && abs(interval.high - high) < 1e-9, "\(interval)")
        #expect(Interval(wilson: 0, of: 0) == nil)
    }
}
