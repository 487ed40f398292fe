// MODEL/ADAPTER/SAE: how people name a view.

/// The name of a view: a model, an adapter (`base` is the empty one) and an SAE.
public struct ViewName: Hashable, Sendable, Codable, CustomStringConvertible {
    public let model: String
    public let adapter: String
    public let sae: String

    /// The adapter that changes nothing.
    public static let baseAdapter = "base"

    public init(model: String, adapter: String = ViewName.baseAdapter, sae: String) {
        self.model = model
        self.adapter = adapter
        self.sae = sae
    }

    /// Reads `MODEL/ADAPTER/SAE`; nil where the text has not three non-empty parts.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(model: parts[0], adapter: parts[1], sae: parts[2])
    }

    public var description: String { "\(model)/\(adapter)/\(sae)" }

    /// Whether a name may stand in a view: letters, digits, `.`, `_`, `-`, at most 64, not starting with `.` or `-`.
    public static func isValid(part: String) -> Bool {
        guard let first = part.utf8.first, part.utf8.count <= 64 else { return false }
        guard first != UInt8(ascii: "."), first != UInt8(ascii: "-") else { return false }
        return part.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }
}
