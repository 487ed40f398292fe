// What labels and answers mean under a head's class names.

/// A head's classes: '_' is ' ' and case does not matter, in labels and names alike. Of two classes that read the same
/// the first stands for both: either answer is right, and they are the same answer.
public struct ClassNames: Sendable {
    private let places: [String: Int]
    /// By class: the place that stands for it.
    private let standing: [Int]

    public init(_ classes: [String]) {
        let keys = classes.map(ClassNames.key)
        let places = Dictionary(zip(keys, keys.indices), uniquingKeysWith: { first, _ in first })
        self.places = places
        standing = keys.map { places[$0] ?? -1 }
    }

    /// What a label and a class name are compared by.
    public static func key(_ name: String) -> String {
        name.lowercased().split(omittingEmptySubsequences: true) { $0 == "_" || $0 == " " }.joined(separator: " ")
    }

    /// The class's place in the head's list; nil for a label that is no class.
    public func place(of label: String) -> Int? { places[ClassNames.key(label)] }

    /// The place that stands for an answer; nil for one beyond the list.
    public func place(ofAnswer index: Int) -> Int? { standing.indices.contains(index) ? standing[index] : nil }
}
