// Images whose answer differs between two views.

import Basics
import Store

/// One image with two answers.
public struct Disagreement: Sendable {
    public var image: ImageRecord.ID
    public var base: Answer
    public var adapted: Answer
    /// The answer is the image's label; both false where it has none that is a class.
    public var baseRight: Bool
    public var adaptedRight: Bool
}

/// All of them, and how many images were looked at.
public struct Disagreements: Sendable {
    /// First those that became wrong, then those that became right, then the others; within each the surest adapted answer
    /// first, ties by the lower image.
    public var differing: [Disagreement]
    /// With an answer in both views.
    public var compared: Int
    /// Of `differing`: became right, became wrong.
    public var fixed: Int
    public var broken: Int
}

extension Concepts {
    /// - Parameters:
    ///   - classes: of both views' answers.
    ///   - images: nil for all.
    ///   - label: only images with this label.
    public func disagreements(
        _ base: [ImageRecord.ID: Answer], _ adapted: [ImageRecord.ID: Answer], classes: [String], images: Set<ImageRecord.ID>? = nil,
        label: String? = nil
    ) -> Disagreements {
        let names = ClassNames(classes)
        let labels = store.labels(of: images)
        var result = Disagreements(differing: [], compared: 0, fixed: 0, broken: 0)
        for (image, before) in base where images?.contains(image) ?? true {
            let own = labels[image]
            guard let after = adapted[image], label == nil || own == label else { continue }
            result.compared += 1
            let first = names.place(ofAnswer: Int(before.index)), second = names.place(ofAnswer: Int(after.index))
            guard first != second else { continue }
            let truth = own.flatMap(names.place)
            let item = Disagreement(
                image: image, base: before, adapted: after, baseRight: truth != nil && first == truth, adaptedRight: truth != nil && second == truth)
            result.fixed += item.adaptedRight ? 1 : 0
            result.broken += item.baseRight ? 1 : 0
            result.differing.append(item)
        }
        result.differing.sort { a, b in
            let (rankA, rankB) = (rank(a), rank(b))
            if rankA != rankB { return rankA < rankB }
            return (b.adapted.probability, a.image.rawValue) < (a.adapted.probability, b.image.rawValue)
        }
        return result
    }

    private func rank(_ item: Disagreement) -> Int { item.baseRight ? 0 : item.adaptedRight ? 1 : 2 }
}
