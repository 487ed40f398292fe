// Putting a model, an SAE or an adapter that someone names into the drop folder: linked where the file system allows it, else
// copied, under a hidden name first, so that the watcher sees it whole or not at all.

import Basics
import CLIP
import Foundation
import SAE
import Store

extension Ingest {
    /// Adds the model in a folder under a name.
    ///
    /// The folder is checked before anything is written. - Throws: `ModelError`, `IngestError`, `StoreError`.
    public func importModel(folder: String, name: String) throws -> ModelRecord {
        guard ViewName.isValid(part: name) else { return try registry.addModel(name: name, folder: folder) }
        let target = dropFolder + "/models/" + name
        let summary = try CLIPModel.inspect(folder: folder)
        if let taken = try store.catalog.model(named: name) {
            guard taken.contentHash == summary.contentHash else {
                throw IngestError(.conflict, "another model is called '\(name)' already", remedy: "choose another name")
            }
            // The disk was full in its midst: the rest is done.
            return registry.isUnfinished(taken) ? try registry.addModel(name: name, folder: taken.folder) : taken
        }
        if !isInside(folder, target) { try place(files(of: folder), from: folder, at: target) }
        return try registry.addModel(name: name, folder: target)
    }

    /// Adds the SAE at a path (a file, or a folder) under a name.
    ///
    /// - Throws: `SAEError`, `IngestError`, `StoreError`.
    public func importSAE(path: String, model: String?, hook: HookPoint?, name: String) throws -> SAERecord {
        guard ViewName.isValid(part: name) else { return try registry.addSAE(name: name, path: path, model: model, hook: hook) }
        let isFolder = (try? FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType) == .typeDirectory
        let target = dropFolder + "/saes/" + name + (isFolder ? "" : ".pt")
        // Checked before anything is linked: model, width and hook.
        try registry.checkSAE(path: path, model: model, hook: hook)
        guard !isInside(path, target) else { return try registry.addSAE(name: name, path: target, model: model, hook: hook) }
        if FileManager.default.fileExists(atPath: target) {
            guard try SparseAutoencoder.inspect(path: target).contentHash == SparseAutoencoder.inspect(path: path).contentHash else {
                throw IngestError(.conflict, "another SAE is called '\(name)' already", remedy: "choose another name")
            }
        } else {
            // What the watcher finds there belongs to this model and hook, whoever comes first.
            registry.reserve(path: target, model: model, hook: hook)
            if isFolder {
                try place(files(of: path), from: path, at: target)
            } else {
                try place(file: path, at: target)
            }
        }
        return try registry.addSAE(name: name, path: target, model: model, hook: hook)
    }

    /// Adds the adapter at a path (a file, or a folder) under a name.
    ///
    /// - Throws: `ModelError`, `IngestError`, `StoreError`.
    public func importAdapter(path: String, model: String?, name: String, classPosition: ClassPosition) throws -> AdapterRecord {
        guard ViewName.isValid(part: name), name != ViewName.baseAdapter else {
            return try registry.addAdapter(name: name, path: path, model: model, classPosition: classPosition)
        }
        let isFolder = (try? FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType) == .typeDirectory
        // One of a pair was named: both are the adapter.
        let folderOfPair = isFolder ? nil : AdapterPlace.pair(of: path)
        let source = isFolder ? try AdapterPlace.find(in: path) : folderOfPair ?? path
        let isWhole = source == path && isFolder || folderOfPair != nil
        // Checked before anything is linked.
        let checked = try registry.checkAdapter(path: source, model: model, classPosition: classPosition)
        let (summary, owner) = checked
        let folder = dropFolder + "/prompts/" + name
        let target = isWhole ? folder : folder + "/" + (source as NSString).lastPathComponent
        if !isInside(source, target) {
            if let known = try registry.adapters(model: owner.id).last(where: { $0.record.name == name }), known.record.active || known.facts?.isThere ?? false {
                guard known.record.contentHash == summary.contentHash else {
                    throw IngestError(
                        .conflict, "model '\(owner.name)' has another adapter called '\(name)' already",
                        remedy: "choose another name, or remove that one first: saectl adapter rm \(name)")
                }
                if let path = known.facts?.path, registry.isUnfinished(Registry.key(adapterAt: path)) {
                    return try registry.addAdapter(name: name, path: path, model: owner.name, classPosition: classPosition)
                }
                // The same again: where it lies is good enough, and it is switched on.
                if !known.record.active { try registry.setAdapter(known.record.id, enabled: true) }
                return try registry.adapter(named: name, model: owner.name).plan.record
            }
            guard !FileManager.default.fileExists(atPath: folder) else {
                throw IngestError(
                    .conflict, "'\(folder)' is there already, for another model or not yet taken", remedy: "choose another name")
            }
            // What the watcher finds there belongs to this model, whoever comes first.
            registry.reserveAdapter(path: target, model: owner.name, classPosition: classPosition)
            try place(isWhole ? try files(of: source) : [(source as NSString).lastPathComponent], from: isWhole ? source : (source as NSString).deletingLastPathComponent, at: folder)
        }
        return try registry.addAdapter(name: name, path: target, model: owner.name, classPosition: classPosition, checked: checked)
    }

    /// Takes an adapter's checkpoint out of the drop folder, to the folder `removed` beside the quarantine, and forgets it.
    ///
    /// - Returns: where the checkpoint lies now, nil where it was gone or is kept elsewhere.
    /// - Throws: `QuarantineError` where it can't be moved; then nothing is forgotten.
    public func removeAdapter(_ plan: AdapterPlan) throws -> String? {
        var place: String?
        if let path = plan.facts?.path, path.hasPrefix(dropFolder + "/"), FileManager.default.fileExists(atPath: path) {
            var relative = String(path.dropFirst(dropFolder.count + 1))
            // prompts/NAME goes as a whole, with the logs beside the checkpoint.
            let parts = relative.split(separator: "/")
            if parts.first == "prompts", parts.count > 2 { relative = parts.prefix(2).joined(separator: "/") }
            let removed = (options.quarantineFolder as NSString).deletingLastPathComponent + "/removed"
            watcher.willRemove(relative)
            place = try Quarantine(folder: removed, dropFolder: dropFolder).move(relative)
        }
        _ = try registry.forgetAdapter(plan.record.id)
        return place
    }

    private func isInside(_ path: String, _ target: String) -> Bool { realPath(path) != nil && realPath(path) == realPath(target) }

    private func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Files of a model or SAE: weights, configurations and vocabularies; not what else lies in a download.
    private func files(of folder: String) throws -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder).filter { name in
                ["json", "safetensors", "txt", "pt", "bin"].contains((name as NSString).pathExtension.lowercased()) && !name.hasPrefix(".")
            }
        } catch {
            throw IngestError(.notFound, "'\(folder)' can't be read", remedy: "give a folder that saed may read")
        }
    }

    private func place(_ names: [String], from source: String, at target: String) throws {
        try place(source, at: target) { partial in
            try FileManager.default.createDirectory(atPath: partial, withIntermediateDirectories: false)
            for name in names { try linkOrCopy(source + "/" + name, partial + "/" + name) }
        }
    }

    private func place(file source: String, at target: String) throws {
        try place(source, at: target) { try linkOrCopy(source, $0) }
    }

    /// - Parameter make: makes what comes to the target, under a hidden name.
    private func place(_ source: String, at target: String, _ make: (String) throws -> Void) throws {
        let parent = (target as NSString).deletingLastPathComponent
        let partial = parent + "/." + (target as NSString).lastPathComponent + ".part"
        do {
            try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
            try? FileManager.default.removeItem(atPath: partial)
            try make(partial)
            try FileManager.default.moveItem(atPath: partial, toPath: target)
        } catch {
            try? FileManager.default.removeItem(atPath: partial)
            throw IngestError(.unavailable, "'\(source)' can't be brought to '\(target)': \(error.localizedDescription)")
        }
    }

    /// Downloads are often links into a cache: the file behind the link is meant.
    private func linkOrCopy(_ source: String, _ target: String) throws {
        let file = realPath(source) ?? source
        if link(file, target) == 0 { return }
        try FileManager.default.copyItem(atPath: file, toPath: target)
    }
}
