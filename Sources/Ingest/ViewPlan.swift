// A view as work: everything that the pipeline needs to make its snapshots.

import Basics
import Foundation
import Store

/// One active view.
public struct ViewPlan: Sendable {
    public let record: ViewRecord
    public let name: ViewName
    public let model: ModelRecord
    public let facts: ModelFacts
    public let adapter: AdapterPlan
    public let sae: SAERecord
    public let hook: HookPoint

    /// Whether its SAE is a control that was made by itself, which covers a sample of the images.
    public let isAutomatic: Bool

    init(record: ViewRecord, name: ViewName, model: ModelRecord, facts: ModelFacts, adapter: AdapterPlan, sae: SAERecord, hook: HookPoint) {
        (self.record, self.name, self.model, self.facts) = (record, name, model, facts)
        (self.adapter, self.sae, self.hook) = (adapter, sae, hook)
        isAutomatic = sae.isAutomatic
    }

    /// Whether the catalog's view is this one's own. Views that differ on the text side alone share one.
    public var ownsSnapshots: Bool { record.name == name.description }

    /// The recipe's hash: everything that decides a snapshot's bytes. Another precision or method of
    /// computing gets another line, and so another view.
    static func recipe(model: ContentHash, adapter: ContentHash, sae: ContentHash, hook: HookPoint, facts: ModelFacts) -> ContentHash {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let preprocess = (try? encoder.encode(facts.preprocess)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return ContentHash(
            of: """
                saed recipe 1
                model \(model)
                adapter \(adapter)
                sae \(sae)
                hook \(hook)
                preprocess \(preprocess)
                precision f32
                """)
    }
}
