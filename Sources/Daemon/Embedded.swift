// The model, SAE and class list that come with saed: found beside the program, registered as 'scenes'.

import CLIP
import Foundation
import Ingest
import Store

enum Embedded {
    static let name = "scenes"

    /// The folder that has `scenes/`, `saes/scenes/` and `classes/`: $SAED_MODELS, ../share/saed/models beside an
    /// installed program, or models/ of the checkout that the program was built in.
    static func folder() -> String? {
        let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        var candidates: [String] = []
        if let given = ProcessInfo.processInfo.environment["SAED_MODELS"] { candidates.append(given) }
        var folder = (program as NSString).deletingLastPathComponent
        candidates.append((folder as NSString).deletingLastPathComponent + "/share/saed/models")
        for _ in 0..<4 {
            folder = (folder as NSString).deletingLastPathComponent
            candidates.append(folder + "/models")
        }
        return candidates.first { FileManager.default.fileExists(atPath: $0 + "/\(name)/config.json") }
    }

    /// Registers what comes with saed; the class list only where the model has none yet.
    /// - Returns: what can't be used of it. A daemon whose own model is broken still serves other models.
    /// - Throws: `StoreError` where the disk takes nothing, which trying again may find mended.
    static func register(in registry: Registry, folder: String) throws -> [String] {
        do {
            let model = try registry.addModel(name: name, folder: folder + "/\(name)", embedded: true)
            var troubles: [String] = []
            do {
                try registry.addSAE(name: name, path: folder + "/saes/\(name)", model: name, embedded: true)
            } catch {
                troubles.append(try trouble("the SAE that comes with saed can't be used", error))
            }
            do {
                try setClasses(of: model, in: registry, folder: folder + "/classes")
            } catch {
                troubles.append(try trouble("the class list that comes with saed can't be used", error))
            }
            return troubles
        } catch {
            return [try trouble("the model that comes with saed can't be used", error)]
        }
    }

    /// Words for an error; one of the disk, of which the files know nothing, is thrown on.
    private static func trouble(_ text: String, _ error: any Error) throws -> String {
        if let error = error as? StoreError, error.isOfTheDisk { throw error }
        return "\(text): \(error)"
    }

    private static func setClasses(of model: ModelRecord, in registry: Registry, folder: String) throws {
        guard try registry.classes(of: model) == nil else { return }
        let classes = try ClassFile.read(path: folder + "/\(name).txt")
        let templates = folder + "/\(name).templates.txt"
        _ = try registry.setClasses(
            model: name, classes: classes,
            templates: FileManager.default.fileExists(atPath: templates)
                ? TemplateSet(templates).templates : TemplateSet.photo.templates)
    }

    /// Takes the embedded model out of use, where the configuration says so.
    static func remove(from registry: Registry) throws {
        for model in try registry.models where model.facts?.embedded == true { try registry.removeModel(folder: model.record.folder) }
    }
}
