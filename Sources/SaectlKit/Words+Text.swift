// find, name, similar, report and atlas as people at a terminal read them.

import Wire

extension Saed_FindReply {
    public func text(for terminal: Terminal) -> String {
        var out = terminal.heading("'\(text)' in \(view.text)".printable) + "\n"
        out += terminal.prose(
            "mean score of all latents \(meanLatentScore.fixed(3)), of all images \(meanImageScore.fixed(3)); SD ABOVE: standard deviations above that mean")
        var table = Table([
            "LATENT".right, "SCORE".right, "SD ABOVE".right, "IN IMAGES".right, "MEAN".right.optional, "NAME".flexible, "TOP IMAGE".path.yielding,
        ])
        for latent in latents {
            table.add([
                "\(latent.latent)", latent.score.fixed(3), latent.deviations.signed(1), latent.frequency.percent, latent.mean.brief, latent.hasName ? latent.name.text : "-",
                latent.hasTop ? latent.top.image.shortName : "-",
            ])
        }
        out += "\n" + terminal.heading("latents") + (latents.isEmpty ? ": none\n" : "\n" + table.text(for: terminal))
        table = Table(["#".right, "SCORE".right, "SD ABOVE".right, "ID".left, "LABEL".flexible, "PATH".path])
        for entry in images {
            table.add([
                "\(entry.rank)", entry.score.fixed(3), entry.deviations.signed(1), entry.image.shortID, entry.image.label, entry.image.paths.first ?? "(no file any more)",
            ])
        }
        out += "\n" + terminal.heading("images") + (images.isEmpty ? ": none\n" : "\n" + table.text(for: terminal))
        return out + "\n" + terminal.remarks(definitions, notes: notes)
    }
}

extension Saed_NameReply {
    /// One latent with its candidates, or all in a table.
    public func text(isOne: Bool, for terminal: Terminal) -> String {
        let words = count(words, "word") + " tried" + (wordsSkipped > 0 ? ", \(wordsSkipped) that the vocabulary doesn't have left out" : "")
        var out = ""
        if isOne {
            for name in names { out += one(name, for: terminal) }
            out += "\n" + terminal.prose(words)
        } else {
            var table = Table(["LATENT".right, "NAME".flexible, "SCORE".right, "WHY NOT SURE".flexible.yielding])
            for name in names {
                table.add(["\(name.latent)", name.text, name.word.isEmpty ? "-" : name.score.fixed(3), name.sure ? "" : name.reason])
            }
            out += table.text(for: terminal) + "\n"
            out += terminal.prose("\(sure) sure, \(unsure) unsure, \(silent) never active; \(words); \(count(images, "image")) of \(view.text)")
        }
        return out + terminal.remarks(definitions, notes: notes)
    }

    private func one(_ name: Saed_LatentName, for terminal: Terminal) -> String {
        var out = terminal.prose("latent \(name.latent) of \(view.text): \(name.text)")
        if !name.sure, !name.reason.isEmpty { out += terminal.prose("why not sure: \(name.reason)") }
        guard !name.candidates.isEmpty else { return out }
        var table = Table(["SCORE".right, "WORD".left])
        for candidate in name.candidates { table.add([candidate.score.fixed(3), candidate.word]) }
        return out + "\n" + table.text(for: terminal)
    }
}

extension Saed_SimilarReply {
    public func text(for terminal: Terminal) -> String {
        let what = hasPatch ? "patches like \(patch.text) of \(image.shortName)" : "images like \(image.shortName)"
        var out = terminal.heading("\(what) in \(view.text)".printable) + "\n"
        out += terminal.prose(
            "\(latents) of \(count(latentsActive, "active latent")) looked up, \(count(compared, hasPatch ? "patch" : "image", hasPatch ? "patches" : "images")) compared; "
                + "mean score of random ones \(randomScore.fixed(3)) (control)")
        guard !images.isEmpty else { return out + "none shares a latent\n" + terminal.remarks(definitions, notes: notes) }
        var table = Table(
            ["#".right, "SCORE".right, "".left] + (hasPatch ? ["AT".right] : []) + ["LABEL".flexible, "IMAGE".path, "SHARED LATENTS".flexible])
        for entry in images {
            let shared = entry.shared.prefix(3).map { "\($0.latent)" + ($0.hasName && $0.name.sure ? " \($0.name.text)" : "") + " \($0.share.percent)" }
            table.add(
                ["\(entry.rank)", entry.score.fixed(3), terminal.bar(entry.score, cells: 8)] + (hasPatch ? [entry.hasPatch ? entry.patch.text : "-"] : [])
                    + [entry.image.label, entry.image.shortName, shared.joined(separator: ", ")])
        }
        return out + "\n" + table.text(for: terminal) + "\n" + terminal.remarks(definitions, notes: notes)
    }
}

extension Saed_ReportReply {
    /// - Parameter path: of the page, as the user named it.
    public func text(path: String, for terminal: Terminal) -> String {
        terminal.views(base, adapted) + summary.map { terminal.prose($0) }.joined() + "\n"
            + terminal.prose(
                "\(path): \(sizeText(bytes)), \(count(images, "image")) (\(imagesShown) shown patch by patch), \(count(classes, "class", "classes")), "
                    + "\(count(latents, "latent")) with their images")
            + terminal.remarks([], notes: notes)
    }
}

extension Saed_AtlasReply {
    /// - Parameter path: of the page, as the user named it.
    public func text(path: String, for terminal: Terminal) -> String {
        terminal.heading(view.text.printable) + "\n"
            + terminal.prose(
                "\(count(latents, "latent")) that are active on \(count(images, "image")); \(named) of them with a name that is sure")
            + terminal.prose("\(path): \(sizeText(bytes))") + terminal.remarks([], notes: notes)
    }
}
