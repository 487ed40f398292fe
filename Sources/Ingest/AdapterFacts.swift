// What the daemon knows of an adapter without reading its file: kept as JSON in the catalog's `config` column.

import Basics
import CLIP
import Foundation
import Store

/// Method, shapes and place of an adapter.
public struct AdapterFacts: CatalogFacts, Sendable {
    public var method: AdapterMethod
    /// The checkpoint: a file, or a folder.
    public var path: String
    /// Visual prompt tokens, and blocks that have prompts of their own; 0 where there are none.
    public var visionPrompts: Int
    public var visionDepth: Int
    public var textPrompts: Int
    public var textDepth: Int
    /// Values of the checkpoint that are used.
    public var parameters: Int
    /// Hash of what changes the vision side, hex; nil where that is the base's: then its snapshots are too.
    public var vision: String?
    public var classPosition: ClassPosition
    /// False once a person has deactivated it.
    public var enabled: Bool
    /// As `ModelFacts.stamp`.
    var stamp: String

    init(_ summary: AdapterSummary, path: String, classPosition: ClassPosition, enabled: Bool, stamp: String) {
        method = summary.method
        self.path = path
        visionPrompts = summary.visionPrompts
        visionDepth = summary.visionDepth
        textPrompts = summary.textPrompts
        textDepth = summary.textDepth
        parameters = summary.parameters
        vision = summary.visionHash?.hex
        self.classPosition = classPosition
        self.enabled = enabled
        self.stamp = stamp
    }

    /// Whether its file, or some file of its folder, is still there.
    var isThere: Bool { fileStamp(path).map { !$0.isEmpty } ?? false }
}

/// An adapter of a model with what is known of it. `base` has no facts.
public struct AdapterPlan: Sendable {
    public let record: AdapterRecord
    public let facts: AdapterFacts?

    public init(_ record: AdapterRecord) {
        self.record = record
        facts = AdapterFacts(json: record.config)
    }

    public var isBase: Bool { record.name == ViewName.baseAdapter }

    /// Adapters with equal ones see the same in every image.
    var vision: ContentHash { facts?.vision.flatMap(ContentHash.init(hex:)) ?? ContentHash(of: "") }

    public var state: AdapterState {
        if record.active { return .active }
        return facts?.enabled == false ? .deactivated : .missing
    }
}

/// Whether an adapter makes snapshots and answers.
public enum AdapterState: String, Sendable {
    case active
    /// By a person.
    case deactivated
    /// Its file is gone, or its model is.
    case missing
}
