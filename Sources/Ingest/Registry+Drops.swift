// What is dropped beside images and needs a model: SAEs, adapters and class lists. They may come before it; then they wait
// where they lie, and are tried again with every model that comes.

import Basics
import CLIP
import Foundation
import SAE
import Store

extension Registry {
    /// Registers a dropped SAE, or lets it wait where its model is not there yet.
    /// - Returns: why it waits, nil when it is registered.
    func addDroppedSAE(name: String, path: String) throws -> String? {
        do {
            let wanted = reserved.withLock { $0[path] }
            try addSAE(name: name, path: path, model: wanted?.model, hook: wanted?.hook)
            settled(path)
            return nil
        } catch let error as IngestError where error.kind == .notFound || error.kind == .ambiguous {
            return wait(.sae, name, path, error.description)
        }
    }

    func wait(_ kind: Waiting.Kind, _ name: String, _ path: String, _ reason: String) -> String {
        waiting.withLock { $0[path] = Waiting(kind: kind, path: path, name: name, reason: reason) }
        return reason
    }

    func settled(_ path: String) { waiting.withLock { _ = $0.removeValue(forKey: path) } }

    /// The path, or a folder above it, is gone.
    func forgetWaiting(_ path: String) {
        waiting.withLock { waiting in waiting = waiting.filter { $0.key != path && !$0.key.hasPrefix(path + "/") } }
    }

    /// What was dropped and waits for a model, for `status`.
    public var waitingDrops: [(path: String, reason: String)] {
        waiting.withLock { $0.values.map { ($0.path, $0.reason) } }.sorted { $0.path < $1.path }
    }

    /// Registers what was dropped before its model.
    /// - Throws: `StoreError` where the disk takes nothing: those that met it wait on.
    func retryWaiting() throws {
        try finish(Registry.waitingKey) {
            var hindered: StoreError?
            for drop in waiting.withLock({ Array($0.values) }) {
                guard FileManager.default.fileExists(atPath: drop.path) else {
                    settled(drop.path)
                    continue
                }
                do {
                    let reason =
                        switch drop.kind {
                        case .sae: try addDroppedSAE(name: drop.name, path: drop.path)
                        case .adapter: try addDroppedAdapter(name: drop.name, path: drop.path)
                        case .classes: try addDroppedClasses(name: drop.name, path: drop.path)
                        }
                    if reason == nil { retried.withLock { $0 }?(drop.path, nil) }
                } catch let error as StoreError where error.isOfTheDisk {
                    // Nothing is wrong with what was dropped.
                    hindered = error
                } catch {
                    settled(drop.path)
                    retried.withLock { $0 }?(drop.path, error)
                }
            }
            if let hindered { throw hindered }
        }
    }

    /// Told how a drop that waited ended: registered, or with an error.
    func onRetried(_ body: @escaping @Sendable (String, (any Error)?) -> Void) { retried.withLock { $0 = body } }

    /// A dropped list sets the classes of the model that it is named after, or of the only one; it waits where
    /// that model is still to come.
    /// - Returns: why it waits, nil when it is set.
    func addDroppedClasses(name: String, path: String) throws -> String? {
        let key = "class file \(path)", stamp = fileStamp(path)
        // At a start every file is delivered again: a list that was set since by hand stays.
        guard try store.catalog.setting(key) != stamp else {
            settled(path)
            return nil
        }
        let classes = try ClassFile.read(path: path)
        let models = try store.catalog.models()
        let model = models.first { $0.name == name }?.name
        if model == nil {
            // Dropped together, a list may settle before its model does.
            let folder = ((path as NSString).deletingLastPathComponent as NSString).deletingLastPathComponent + "/models/" + name
            if models.isEmpty || FileManager.default.fileExists(atPath: folder) {
                return wait(.classes, name, path, "model '\(name)' is not there yet; drop it into models/\(name)")
            }
            if models.count > 1 {
                throw IngestError(
                    .ambiguous, "several models could have these classes: " + models.map(\.name).joined(separator: ", "),
                    remedy: "name the file after one, classes/MODEL.txt, or use saectl classes set FILE --model MODEL")
            }
        }
        _ = try setClasses(model: model, classes: classes, templates: TemplateSet.photo.templates)
        try store.catalog.set(key, to: stamp)
        settled(path)
        return nil
    }
}
