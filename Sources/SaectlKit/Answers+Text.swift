// The daemon's messages as people at a terminal read them.

import Wire

extension Terminal {
    func heading(_ text: String) -> String { styled(text, .bold) }
}

extension Saed_ImageInfo {
    /// The last two parts of its path, which tell images apart, or the beginning of its id.
    var shortName: String {
        guard let path = paths.first else { return String(id.prefix(12)) }
        return path.split(separator: "/").suffix(2).joined(separator: "/")
    }
    var shortID: String { String(id.prefix(12)) }
}

extension Saed_StatusReply {
    public func text(for terminal: Terminal) -> String {
        let mark = state == "ready" ? terminal.styled(state, .green) : terminal.styled(state, .yellow)
        var out = "\(terminal.heading("saed \(version)")) \(mark), up \(durationText(seconds: Int(uptimeMs / 1000))), pid \(pid), root \(root.printable)\n"
        out += "images    \(images)" + (paths == images ? "" : " (\(count(paths, "path")))") + ", \(queued) queued, \(running) running"
        if backfill > 0 { out += " (\(backfill) back-fills)" }
        if imagesPerSecond > 0 { out += ", \(imagesPerSecond.fixed(1)) images/s" }
        out += "\nfailures  " + (failures == 0 ? "0" : terminal.styled("\(failures)", .red) + " (see `saectl failures`)")
        out += "\nstore     \(count(store.snapshots, "snapshot")) in \(count(store.segments, "segment")), \(sizeText(store.bytes))"
        out += "\nmemory    \(sizeText(residentBytes)) (peak \(sizeText(residentPeakBytes)))"
        out += loaded.isEmpty ? ", no model loaded" : ": " + loaded.map { "\($0.kind) \($0.name) \(sizeText($0.bytes))" }.joined(separator: ", ")
        out += "\ndrop      \(drop.printable)\n"
        if !views.isEmpty { out += "\n" + viewsText(views, for: terminal) }
        for notice in notices { out += terminal.styled("note: ", .yellow) + notice.printable + "\n" }
        return out
    }
}

/// The table of `saectl views`.
public func viewsText(_ views: [Saed_ViewInfo], for terminal: Terminal) -> String {
    var table = Table(["VIEW".left, "HOOK".left, "LATENTS".right, "IMAGES".right, "QUEUED".right, "L0 CLASS".right, "L0 PATCH".right, "SIZE".right])
    for view in views {
        func l0(_ kind: Saed_TokenKind) -> String { view.l0.first { $0.kind == kind }.map { $0.l0.fixed(1) } ?? "-" }
        table.add([
            view.name.text, view.hook, "\(view.latents)", "\(view.snapshots)", "\(view.queued)", l0(.class), l0(.patch), sizeText(view.bytes),
        ])
    }
    return table.text(for: terminal)
}

public func modelsText(_ models: [Saed_ModelInfo], for terminal: Terminal) -> String {
    var table = Table(["MODEL".left, "LAYERS".right, "WIDTH".right, "IMAGE".right, "PATCHES".right, "CLASSES".right, "ADAPTERS".left, "FROM".path])
    for model in models {
        table.add([
            model.name, "\(model.layers)", "\(model.width)", "\(model.imageSize)", model.layout.text, "\(model.classes)",
            model.adapters.map(\.name).joined(separator: ", "), model.embedded ? "built in" : model.folder,
        ])
    }
    return table.text(for: terminal)
}

extension Saed_SaeInfo {
    fileprivate var automaticText: String {
        guard automatic else { return "" }
        return controlImages < controlImagesWanted
            ? ", by itself: \(controlImages) of \(count(controlImagesWanted, "image"))" : ", by itself, on \(count(controlImages, "image"))"
    }
}

public func saesText(_ saes: [Saed_SaeInfo], for terminal: Terminal) -> String {
    var table = Table(["SAE".left, "MODEL".left, "HOOK".left, "WIDTH".right, "LATENTS".right, "KIND".left, "FROM".path])
    for sae in saes {
        let from = sae.embedded ? "built in" : sae.controlOf.isEmpty ? sae.path : "random, like \(sae.controlOf)" + sae.automaticText
        table.add([sae.automatic ? "(control)" : sae.name, sae.model, sae.hook, "\(sae.width)", "\(sae.latents)", sae.architecture, from])
    }
    return table.text(for: terminal)
}

extension Saed_SaeAddReply {
    public var text: String {
        let views = views.map(\.name.text).joined(separator: ", ")
        return "SAE '\(sae.name)' added to model '\(sae.model)' at \(sae.hook)".printable
            + (views.isEmpty ? "" : ", view \(views.printable)") + backfillText(backfill) + "\n"
    }
}

public func imagesText(_ images: [Saed_RankedImage], for terminal: Terminal) -> String {
    let ranked = images.contains { $0.hasHit }
    var table = Table(
        (ranked ? ["#".right, "MEAN".right, "PEAK".right, "AT".right, "PATCHES".right] : [])
            + ["ID".left, "LABEL".left, "SIZE".right, "PATH".path])
    for entry in images {
        let hit = entry.hit
        let rank = ranked
            ? ["\(entry.rank)", hit.mean.brief, Double(hit.peak).brief, hit.hasPeakPatch ? hit.peakPatch.text : "-", "\(hit.patchesActive)"] : []
        let image = entry.image
        table.add(
            rank + [
                image.shortID, image.label, "\(image.width)x\(image.height)",
                (image.paths.first ?? "(no file any more)") + (image.paths.count > 1 ? " (+\(image.paths.count - 1))" : ""),
            ])
    }
    return table.text(for: terminal)
}

extension Saed_ShowReply {
    public func text(for terminal: Terminal) -> String {
        var out = terminal.heading((image.paths.first ?? image.shortID).printable) + "\n"
        out += "\(image.shortID)  \(image.width)x\(image.height) \(image.format), \(sizeText(image.bytes))"
        if !image.label.isEmpty { out += ", label \(terminal.styled(image.label.printable, .cyan))" }
        out += "\nview \(view.text), \(layout.text) patches\n"
        for other in image.paths.dropFirst() { out += "also \(other.printable)\n" }
        out += kinds.map { "\($0.kind.name) tokens: \($0.l0.fixed(1)) active latents each (L0), \($0.latents) in all" }.joined(separator: "; ") + "\n"
        if !classes.isEmpty {
            var table = Table(["PROBABILITY".right, "CLASS".left])
            for entry in classes { table.add([entry.probability.percent, entry.name]) }
            out += "\n" + table.text(for: terminal)
        } else if !classesNote.isEmpty {
            out += terminal.styled(classesNote.printable, .faint) + "\n"
        }
        out += "\nstrongest latents of the image\n" + hits(latents, atPatch: false, for: terminal)
        if hasPatch {
            out += "\nstrongest latents of patch \(patch.patch.text) (\(patch.active) active)\n" + hits(patch.latents, atPatch: true, for: terminal)
        }
        return out
    }

    private func hits(_ hits: [Saed_LatentHit], atPatch: Bool, for terminal: Terminal) -> String {
        var table = Table(
            ["LATENT".right] + (atPatch ? ["HERE".right] : [])
                + ["MEAN".right, "PEAK".right, "AT".right, "PATCHES".right, "CLASS TOKEN".right, "IN IMAGES".right])
        for hit in hits {
            table.add(
                ["\(hit.latent)"] + (atPatch ? [Double(hit.value).brief] : []) + [
                    hit.mean.brief, Double(hit.peak).brief, hit.hasPeakPatch ? hit.peakPatch.text : "-", "\(hit.patchesActive)",
                    hit.classValue > 0 ? Double(hit.classValue).brief : "-", hit.frequency.percent,
                ])
        }
        return table.text(for: terminal)
    }
}

private func labelsText(_ labels: [Saed_LabelShare], most: Int) -> String {
    labels.prefix(most).map { "\($0.label) \($0.share.percent)" }.joined(separator: ", ")
}

/// The table of `saectl latents`.
public func latentsText(_ latents: [Saed_LatentStatistics], kind: Saed_TokenKind?, for terminal: Terminal) -> String {
    var table = Table([
        "LATENT".right, (kind.map { "IN \($0.name.uppercased()) TOKENS" } ?? "IN IMAGES").right, "MEAN".right, "PEAK".right, "ENTROPY".right,
        "LABELS".flexible,
    ])
    for latent in latents {
        let own = kind.flatMap { kind in latent.kinds.first { $0.kind == kind } }
        let mean = own.map { $0.hasMean ? $0.mean.brief : "-" } ?? (latent.hasMean ? latent.mean.brief : "-")
        table.add([
            "\(latent.latent)", (own?.frequency ?? latent.frequency).percent, mean, Double(own?.peak ?? latent.peak).brief,
            latent.hasLabelEntropy ? latent.labelEntropy.fixed(2) : "-", labelsText(latent.labels, most: 3),
        ])
    }
    return table.text(for: terminal)
}

extension Saed_LatentStatistics {
    func text(view: Saed_ViewName, images: UInt64, for terminal: Terminal) -> String {
        var out = terminal.heading("latent \(latent)") + " of \(view.text)\n"
        out += "active in \(imagesActive) of \(count(images, "image")) (\(frequency.percent))"
        out += hasMean ? ", mean activation there \(mean.brief), peak \(Double(peak).brief)\n" : "; never active: dead so far\n"
        if hasLabelEntropy { out += "label entropy \(labelEntropy.fixed(2)) nats" }
        if hasLabelEntropyTop { out += (hasLabelEntropy ? ", " : "label entropy ") + "\(labelEntropyTop.fixed(2)) over the top images" }
        if hasLabelEntropy || hasLabelEntropyTop { out += "\n" }
        if !labels.isEmpty { out += "labels: \(labelsText(labels, most: 6).printable)\n" }
        var table = Table(["TOKENS".left, "ACTIVE".right, "OF".right, "SHARE".right, "MEAN".right, "PEAK".right, "OVER 0.2".right])
        for kind in kinds {
            table.add([
                kind.kind.name, "\(kind.active)", "\(kind.tokens)", kind.frequency.percent, kind.hasMean ? kind.mean.brief : "-",
                kind.active > 0 ? Double(kind.peak).brief : "-", "\(kind.overTau)",
            ])
        }
        return out + "\n" + table.text(for: terminal)
    }
}

extension Saed_LatentReply {
    public func text(for terminal: Terminal) -> String {
        let head = statistics.text(view: view, images: images, for: terminal)
        return top.isEmpty ? head : head + "\ntop images, each with the patch where it peaks\n" + imagesText(top, for: terminal)
    }
}

extension Saed_HeatmapReply {
    public func text(output: String, for terminal: Terminal) -> String {
        let place = hit.hasPeakPatch ? ", strongest at patch \(hit.peakPatch.text) (\(Double(hit.peak).brief))" : ""
        let active = hit.patchesActive == 0 ? "not active on any patch of" : "active on \(hit.patchesActive) of \(layout.rows * layout.columns) patches of"
        return "\(output.printable): \(width)x\(height)\nlatent \(hit.latent) is \(active) \(image.shortName.printable)\(place)\n"
    }
}

extension Saed_SheetReply {
    public func text(output: String, for terminal: Terminal) -> String {
        "\(output.printable): \(width)x\(height), the top \(count(images.count, "image")) of latent \(statistics.latent) in \(columns) columns\n"
    }
}

extension Saed_ClassesReply {
    public func text(for terminal: Terminal) -> String {
        guard !classes.isEmpty else { return "model '\(model)' has no classes: set some with `saectl classes set FILE --model \(model)`\n" }
        return terminal.heading("\(count(classes.count, "class", "classes")) of model '\(model)'") + "\n"
            + classes.map { "  " + $0.printable + "\n" }.joined() + terminal.heading(count(templates.count, "template")) + "\n"
            + templates.map { "  " + $0.printable + "\n" }.joined()
    }
}

public func failuresText(_ failures: [Saed_Failure], for terminal: Terminal) -> String {
    var out = ""
    for failure in failures {
        out += terminal.heading(failure.path.printable) + "  \(timeText(milliseconds: failure.timeMs)), \(sizeText(failure.bytes))\n"
        out += "  " + failure.reason.printable + "\n"
        if !failure.quarantine.isEmpty { out += "  " + terminal.styled("kept in \(failure.quarantine.printable)", .faint) + "\n" }
    }
    return out
}

extension Saed_Event {
    public func text(for terminal: Terminal) -> String {
        let name = kind == .failed ? terminal.styled(kind.name, .red) : terminal.styled(kind.name, .cyan)
        var parts = [timeText(milliseconds: timeMs), name]
        if !image.isEmpty { parts.append(String(image.prefix(12))) }
        if hasView { parts.append(view.text) }
        if !label.isEmpty { parts.append("[\(label.printable)]") }
        if !path.isEmpty { parts.append(path.printable) }
        if count > 0 { parts.append("\(count)") }
        if !text.isEmpty { parts.append(text.printable) }
        return parts.joined(separator: "  ")
    }
}

extension Saed_VersionReply {
    public func text(client: String, for terminal: Terminal) -> String {
        var out = "saectl \(client)\nsaed \(version), protocol \(protocolMajor).\(protocolMinor)\n"
        if !instructionSet.isEmpty { out += "instruction set \(instructionSet)\n" }
        for component in components { out += "\(component.name) \(component.version)\n" }
        return out
    }
}

extension WireFailure {
    /// For stderr.
    public func text(for terminal: Terminal) -> String {
        var out = terminal.styled("saectl: ", .red) + description.printable + "\n"
        for candidate in candidates { out += "  \(candidate.printable)\n" }
        return out
    }
}
