// What can't be done with a model, an SAE or a class list that someone gives, and what to do.

/// A refusal with its remedy.
public struct IngestError: Error, CustomStringConvertible, Sendable {
    public enum Kind: Sendable { case notFound, ambiguous, invalid, conflict, unavailable }
    public let kind: Kind
    public let message: String
    public let remedy: String
    public let candidates: [String]

    public init(_ kind: Kind, _ message: String, remedy: String = "", candidates: [String] = []) {
        self.kind = kind
        self.message = message
        self.remedy = remedy
        self.candidates = candidates
    }

    public var description: String { remedy.isEmpty ? message : "\(message); \(remedy)" }
}
