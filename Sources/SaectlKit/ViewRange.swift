// Two views, BASE..ADAPTED, and how the names of views are written.

import Wire

extension Saed_ViewName {
    /// MODEL/ADAPTER/SAE, MODEL/ADAPTER, or ADAPTER alone; what is left out or empty stays empty, for the daemon to find.
    public init?(text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        self.init()
        switch parts.count {
        case 1 where !parts[0].isEmpty: adapter = parts[0]
        case 2: (model, adapter) = (parts[0], parts[1])
        case 3: (model, adapter, sae) = (parts[0], parts[1], parts[2])
        default: return nil
        }
    }
}

/// Two views to be compared.
///
///     try ViewRange("scenes/base/scenes..scenes/maple/scenes")
///     try ViewRange("base..maple")
///     try ViewRange("..maple")  // from the base
public struct ViewRange: Sendable, Equatable {
    public let base: Saed_ViewName
    public let adapted: Saed_ViewName

    /// Why a text is no range: a sentence.
    public struct Mistake: Error, Sendable, Equatable, CustomStringConvertible {
        public let description: String
    }

    public init(_ text: String) throws(Mistake) {
        let sides = text.split(separator: "..", omittingEmptySubsequences: false).map(String.init)
        guard sides.count == 2, !sides[1].hasPrefix(".") else {
            throw Mistake(description: "two views are written BASE..ADAPTED, as in base..maple or scenes/base/scenes..scenes/maple/scenes")
        }
        guard let adapted = Saed_ViewName(text: sides[1]) else { throw ViewRange.mistake(sides[1], "right") }
        guard let base = sides[0].isEmpty ? Saed_ViewName.with({ $0.adapter = "base" }) : Saed_ViewName(text: sides[0]) else {
            throw ViewRange.mistake(sides[0], "left")
        }
        (self.base, self.adapted) = (base, adapted)
    }

    private static func mistake(_ side: String, _ which: String) -> Mistake {
        Mistake(description: "'\(side)' on the \(which) is no view: write ADAPTER, MODEL/ADAPTER or MODEL/ADAPTER/SAE")
    }
}
