// Adapters: the tables and the JSON of `adapters` and `adapter ...`.

import Wire

extension Saed_AdapterInfo {
    public var json: JSON {
        [
            "name": JSON(name), "model": JSON(model), "method": JSON(method), "prompts": JSON(prompts), "vision_depth": JSON(visionDepth),
            "text_prompts": JSON(textPrompts), "text_depth": JSON(textDepth), "path": .optional(path), "content_hash": .optional(contentHash),
            "state": JSON(state), "parameters": JSON(parameters), "added_ms": JSON(addedMs), "views": JSON(views.map(\.json)),
            "shares_with": .optional(sharesWith), "class_position": .optional(classPosition),
            "snapshots": JSON(snapshots), "queued": JSON(queued),
        ]
    }

    /// "2 x 9": prompts and the blocks that get them.
    private func prompts(_ number: UInt32, depth: UInt32) -> String { number == 0 ? "-" : "\(number) x \(max(1, depth))" }

    fileprivate var cells: [String] {
        let kept = sharesWith.isEmpty ? "\(snapshots)" : "as \(sharesWith)"
        let from = path.isEmpty ? "-" : path
        return [
            name, model, method, prompts(prompts, depth: visionDepth), prompts(textPrompts, depth: textDepth), state.isEmpty ? "-" : state, kept,
            "\(queued)", from,
        ]
    }

    /// "adapter 'maple' of model 'scenes' (maple, 2 visual prompts in 3 blocks)".
    public var title: String {
        let visual = prompts > 0 ? ", \(count(prompts, "visual prompt")) in \(count(max(1, visionDepth), "block"))" : ""
        return "adapter '\(name)' of model '\(model)' (\(method)\(visual))"
    }
}

/// The table of `saectl adapters`.
public func adaptersText(_ adapters: [Saed_AdapterInfo], for terminal: Terminal) -> String {
    var table = Table([
        "ADAPTER".left, "MODEL".left, "METHOD".left, "VISION".right, "TEXT".right, "STATE".left, "IMAGES".right, "QUEUED".right, "FROM".path.optional,
    ])
    adapters.forEach { table.add($0.cells) }
    return table.text(for: terminal)
        + terminal.remarks(
            [
                "vision, text: prompts x blocks that get them (1: shallow)",
                "images: those that have a snapshot; as NAME: it uses the snapshots of NAME, whose vision side is the same",
            ], notes: [])
}

extension Saed_AdapterAddReply {
    public var json: JSON { ["adapter": adapter.json, "backfill": JSON(backfill), "note": .optional(note)] }

    public var text: String {
        let views = adapter.views.map(\.text).joined(separator: ", ")
        return "\(adapter.title) added".printable + (views.isEmpty ? "" : ", view \(views.printable)") + backfillText(backfill) + "\n"
            + (note.isEmpty ? "" : note.printable + "\n")
    }
}

extension Saed_AdapterChangeReply {
    public var json: JSON { ["adapter": adapter.json, "backfill": JSON(backfill), "note": .optional(note)] }

    /// - Parameter done: "activated".
    public func text(done: String) -> String {
        "\(adapter.title) \(done)".printable + backfillText(backfill) + "\n" + (note.isEmpty ? "" : note.printable + "\n")
    }
}

/// What follows where something new has work for images in the store.
public func backfillText(_ backfill: UInt64) -> String {
    backfill == 0 ? "" : "; \(count(backfill, "image")) in the store will be encoded (`saectl wait` follows)"
}
