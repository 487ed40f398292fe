// The daemon's messages as JSON. The keys are a contract: docs/JSON.md describes them, programs rely on them; a key
// may be added, none is renamed or removed.

import Wire

extension JSON {
    static func optional(_ text: String) -> JSON { text.isEmpty ? .null : .string(text) }
    static func optional(_ value: Double, _ has: Bool) -> JSON { has ? .number(value) : .null }
}

extension Saed_TokenKind {
    public var name: String {
        switch self {
        case .class: "class"
        case .patch: "patch"
        case .prompt: "prompt"
        case let .UNRECOGNIZED(value): "kind \(value)"
        }
    }
}

extension Saed_ViewName {
    public var text: String { "\(model)/\(adapter)/\(sae)" }
    var json: JSON { JSON(text) }
}

extension Saed_Patch {
    public var text: String { "\(row),\(column)" }
    var json: JSON { ["row": JSON(row), "column": JSON(column)] }
}

extension Saed_TokenLayout {
    public var text: String { "\(rows)x\(columns)" + (prompts > 0 ? "+\(prompts)" : "") }
    var json: JSON { ["rows": JSON(rows), "columns": JSON(columns), "prompts": JSON(prompts)] }
}

extension Saed_ImageInfo {
    var members: [String: JSON] {
        [
            "id": JSON(id), "paths": JSON(paths), "label": .optional(label), "width": JSON(width), "height": JSON(height),
            "format": JSON(format), "bytes": JSON(bytes), "first_seen_ms": JSON(firstSeenMs),
        ]
    }
    public var json: JSON { .object(members) }
}

extension Saed_LatentHit {
    /// - Parameter atPatch: with `value`, the activation at the patch that was asked for.
    public func json(atPatch: Bool = false) -> JSON {
        var members: [String: JSON] = [
            "latent": JSON(latent), "mean": JSON(mean), "peak": JSON(peak), "peak_patch": hasPeakPatch ? peakPatch.json : .null,
            "patches_active": JSON(patchesActive), "class_value": JSON(classValue), "frequency": JSON(frequency),
        ]
        if atPatch { members["value"] = JSON(value) }
        return .object(members)
    }
}

extension Saed_RankedImage {
    public var json: JSON {
        var members = image.members
        if rank > 0 { members["rank"] = JSON(rank) }
        if hasHit { members["hit"] = hit.json() }
        return .object(members)
    }
}

extension Saed_ViewInfo {
    public var json: JSON {
        [
            "name": name.json, "model": JSON(name.model), "adapter": JSON(name.adapter), "sae": JSON(name.sae), "recipe": JSON(recipe),
            "hook": JSON(hook), "precision": JSON(precision), "layout": layout.json, "width": JSON(width), "latents": JSON(latents),
            "snapshots": JSON(snapshots), "queued": JSON(queued), "bytes": JSON(bytes),
            "l0": .object(Dictionary(l0.map { ($0.kind.name, JSON($0.l0)) }, uniquingKeysWith: { $1 })),
        ]
    }
}

extension Saed_ModelInfo {
    public var json: JSON {
        [
            "name": JSON(name), "folder": .optional(folder), "content_hash": JSON(contentHash), "image_size": JSON(imageSize),
            "patch_size": JSON(patchSize), "width": JSON(width), "layers": JSON(layers), "heads": JSON(heads), "projection": JSON(projection),
            "activation": JSON(activation), "vocabulary": JSON(vocabulary), "context_length": JSON(contextLength), "layout": layout.json,
            "adapters": JSON(adapters.map(\.json)),
            "classes": JSON(classes), "templates": JSON(templates), "added_ms": JSON(addedMs), "embedded": .bool(embedded),
        ]
    }
}

extension Saed_SaeInfo {
    public var json: JSON {
        [
            "name": JSON(name), "model": JSON(model), "hook": JSON(hook), "path": .optional(path), "content_hash": JSON(contentHash),
            "architecture": JSON(architecture), "width": JSON(width), "latents": JSON(latents), "added_ms": JSON(addedMs),
            "embedded": .bool(embedded), "control_of": .optional(controlOf),
            "automatic": .bool(automatic), "control_images": automatic ? JSON(controlImages) : .null,
            "control_images_wanted": automatic ? JSON(controlImagesWanted) : .null,
        ]
    }
}

extension Saed_StatusReply {
    public var json: JSON {
        [
            "version": JSON(version), "pid": JSON(pid), "started_ms": JSON(startedMs), "uptime": JSON(Double(uptimeMs) / 1000),
            "state": JSON(state), "root": JSON(root), "drop": JSON(drop), "queued": JSON(queued), "running": JSON(running),
            "backfill": JSON(backfill), "images": JSON(images), "paths": JSON(paths), "failures": JSON(failures),
            "models": JSON(models.map(\.json)), "saes": JSON(saes.map(\.json)), "views": JSON(views.map(\.json)),
            "loaded": JSON(loaded.map { ["kind": JSON($0.kind), "name": JSON($0.name), "bytes": JSON($0.bytes)] }),
            "store": ["segments": JSON(store.segments), "snapshots": JSON(store.snapshots), "bytes": JSON(store.bytes)],
            "resident_bytes": JSON(residentBytes), "resident_peak_bytes": JSON(residentPeakBytes), "threads": JSON(threads),
            "images_per_second": JSON(imagesPerSecond), "notices": JSON(notices),
            "clients": [
                "connections": JSON(clients.connections), "users": JSON(clients.users), "requests": JSON(clients.requests),
                "refused": .object(Dictionary(clients.refused.map { ($0.limit, JSON($0.count)) }, uniquingKeysWith: { $1 })),
            ],
        ]
    }
}

extension Saed_WaitReply {
    public var json: JSON {
        ["idle": .bool(idle), "queued": JSON(queued), "pending": JSON(pending), "failed": JSON(failed)]
    }
}

extension Saed_ShowReply {
    public var json: JSON {
        var members: [String: JSON] = [
            "image": image.json, "view": view.json, "layout": layout.json, "latents": JSON(latents.map { $0.json() }),
            "kinds": .object(
                Dictionary(
                    kinds.map { ($0.kind.name, ["tokens": JSON($0.tokens), "l0": JSON($0.l0), "latents": JSON($0.latents)] as JSON) },
                    uniquingKeysWith: { $1 })),
            "classes": JSON(
                classes.map { ["name": JSON($0.name), "probability": JSON($0.probability), "logit": JSON($0.logit)] }),
            "classes_note": .optional(classesNote),
        ]
        if hasPatch {
            members["patch"] = [
                "row": JSON(patch.patch.row), "column": JSON(patch.patch.column), "token": JSON(patch.token), "active": JSON(patch.active),
                "latents": JSON(patch.latents.map { $0.json(atPatch: true) }),
            ]
        }
        return .object(members)
    }
}

extension Saed_KindStatistics {
    var json: JSON {
        [
            "tokens": JSON(tokens), "active": JSON(active), "frequency": JSON(frequency), "mean": .optional(mean, hasMean),
            "peak": JSON(peak), "over_tau": JSON(overTau),
        ]
    }
}

extension Saed_LatentStatistics {
    public var json: JSON {
        [
            "latent": JSON(latent), "images_active": JSON(imagesActive), "frequency": JSON(frequency), "mean": .optional(mean, hasMean),
            "mean_with_class": .optional(meanWithClass, hasMeanWithClass), "peak": JSON(peak),
            "kinds": .object(Dictionary(kinds.map { ($0.kind.name, $0.json) }, uniquingKeysWith: { $1 })),
            "label_entropy_top": .optional(labelEntropyTop, hasLabelEntropyTop), "label_entropy": .optional(labelEntropy, hasLabelEntropy),
            "label_deviation": .optional(labelDeviation, hasLabelDeviation),
            "labels": JSON(
                labels.map {
                    [
                        "label": JSON($0.label), "share": JSON($0.share), "images_active": JSON($0.imagesActive), "images": JSON($0.images),
                        "tokens_above": JSON($0.tokensAbove),
                    ]
                }),
        ]
    }
}

extension Saed_LatentReply {
    public var json: JSON {
        ["view": view.json, "statistics": statistics.json, "top": JSON(top.map(\.json)), "images": JSON(images)]
    }
}

extension Saed_HeatmapReply {
    public func json(output: String) -> JSON {
        let columns = Int(layout.columns)
        let rows = columns > 0 ? stride(from: 0, to: values.count, by: columns).map { start in
            JSON(values[start..<min(values.count, start + columns)].map { JSON($0) })
        } : []
        return [
            "image": image.json, "view": view.json, "hit": hit.json(), "layout": layout.json, "values": JSON(rows), "width": JSON(width),
            "height": JSON(height), "output": JSON(output),
        ]
    }
}

extension Saed_SheetReply {
    public func json(output: String) -> JSON {
        [
            "view": view.json, "statistics": statistics.json, "images": JSON(images.map(\.json)), "columns": JSON(columns),
            "width": JSON(width), "height": JSON(height), "output": JSON(output),
        ]
    }
}

extension Saed_ModelAddReply {
    public var json: JSON { ["model": model.json, "backfill": JSON(backfill)] }
}

extension Saed_SaeAddReply {
    public var json: JSON { ["sae": sae.json, "views": JSON(views.map(\.json)), "backfill": JSON(backfill)] }
}

extension Saed_ClassesReply {
    public var json: JSON { ["model": JSON(model), "classes": JSON(classes), "templates": JSON(templates)] }
}

extension Saed_ClassesSetReply {
    public var json: JSON { ["model": JSON(model), "classes": JSON(classes), "templates": JSON(templates)] }
}

extension Saed_Failure {
    public var json: JSON {
        ["path": JSON(path), "reason": JSON(reason), "time_ms": JSON(timeMs), "quarantine": .optional(quarantine), "bytes": JSON(bytes)]
    }
}

extension Saed_EventKind {
    public var name: String {
        switch self {
        case .unspecified: "unspecified"
        case .committed: "committed"
        case .pathAdded: "path_added"
        case .pathRemoved: "path_removed"
        case .failed: "failed"
        case .modelAdded: "model_added"
        case .saeAdded: "sae_added"
        case .classesSet: "classes_set"
        case .busy: "busy"
        case .idle: "idle"
        case .rescanned: "rescanned"
        case .missed: "missed"
        case .stopping: "stopping"
        case .warning: "warning"
        case .pathMoved: "path_moved"
        case .modelRemoved: "model_removed"
        case .saeRemoved: "sae_removed"
        case .adapterAdded: "adapter_added"
        case .adapterRemoved: "adapter_removed"
        case .adapterChanged: "adapter_changed"
        case .backfill: "backfill"
        case let .UNRECOGNIZED(value): "kind_\(value)"
        }
    }
}

extension Saed_Event {
    public var json: JSON { .object(members) }

    /// Only what the event has.
    var members: [String: JSON] {
        var members: [String: JSON] = ["event": JSON(kind.name), "time_ms": JSON(timeMs)]
        if !path.isEmpty { members["path"] = JSON(path) }
        if !image.isEmpty { members["image"] = JSON(image) }
        if !label.isEmpty { members["label"] = JSON(label) }
        if hasView { members["view"] = view.json }
        if !text.isEmpty { members["text"] = JSON(text) }
        if count > 0 { members["count"] = JSON(count) }
        return members
    }
}

extension Saed_VersionReply {
    public func json(client: String) -> JSON {
        [
            "client": JSON(client), "version": JSON(version), "protocol": JSON("\(protocolMajor).\(protocolMinor)"),
            "instruction_set": .optional(instructionSet),
            "components": .object(Dictionary(components.map { ($0.name, JSON($0.version)) }, uniquingKeysWith: { $1 })),
        ]
    }
}

extension Saed_FileState {
    public var name: String {
        switch self {
        case .unspecified: "unspecified"
        case .done: "done"
        case .failed: "failed"
        case .gone: "gone"
        case let .UNRECOGNIZED(value): "state_\(value)"
        }
    }
}

extension WireFailure {
    /// What `--json` prints on stdout for a request that failed.
    public var json: JSON {
        [
            "error": [
                "code": JSON(codeName), "message": JSON(message), "remedy": .optional(remedy), "candidates": JSON(candidates),
            ]
        ]
    }

    public var codeName: String {
        switch code {
        case .unspecified: "unspecified"
        case .invalidArgument: "invalid_argument"
        case .notFound: "not_found"
        case .ambiguous: "ambiguous"
        case .failedPrecondition: "failed_precondition"
        case .unavailable: "unavailable"
        case .tooLarge: "too_large"
        case .unsupported: "unsupported"
        case .internal: "internal"
        case .cancelled: "cancelled"
        case .deadline: "deadline"
        case let .UNRECOGNIZED(value): "code_\(value)"
        }
    }
}
