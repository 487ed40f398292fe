// explain and steer as people at a terminal read them: first in words, then in figures beside their controls.

import Wire

extension Saed_LatentName {
    /// Never surer than the daemon is: "red", "unsure (perhaps: red, crimson)", "silent".
    public var text: String {
        if word.isEmpty { return "silent" }
        guard !sure else { return word }
        let perhaps = candidates.isEmpty ? [word] : candidates.prefix(2).map(\.word)
        return "unsure (perhaps: \(perhaps.joined(separator: ", ")))"
    }
}

/// What tells two views of one model apart: the adapters' names, or, where those are the same, all of it.
func briefNames(_ base: Saed_ViewName, _ adapted: Saed_ViewName) -> (String, String) {
    base.adapter != adapted.adapter && base.model == adapted.model && base.sae == adapted.sae
        ? (base.adapter, adapted.adapter) : (base.text, adapted.text)
}

extension Saed_ExplainReply {
    /// What changed, in one sentence.
    public var sentence: String {
        let (first, second) = briefNames(base, adapted)
        func says(_ classes: [Saed_ClassProbability]) -> String { classes.first.map { "'\($0.name)' (\($0.probability.percent))" } ?? "nothing" }
        let verdict = baseClasses.first?.name == adaptedClasses.first?.name && !baseClasses.isEmpty
            ? "\(first) and \(second) both say \(says(baseClasses).dropLast()), then \(adaptedClasses.first?.probability.percent ?? "-"))"
            : "\(first) says \(says(baseClasses)), \(second) says \(says(adaptedClasses))"
        return "\(verdict); margin of '\(className)' over '\(against)' went from \(baseMargin.fixed(2)) to \(adaptedMargin.fixed(2)) (\(change.signed(2)))"
    }

    /// - Parameter output: the picture that was written.
    public func text(output: String?, for terminal: Terminal) -> String {
        var out = terminal.prose(sentence)
        out += terminal.prose(
            "\(image.shortName)" + (image.label.isEmpty ? "" : ", label '\(image.label)'") + "; \(base.text) \(terminal.arrow) \(adapted.text)"
                + (errorTerm ? ", the SAE's error term kept" : ""))
        if let output { out += terminal.prose("picture: \(output)") }
        out += "\n" + terminal.heading("the margin's change in parts, which add up to it") + "\n" + partsText(for: terminal)
        if changedLatents == 0 {
            out += "\n" + terminal.prose("no latent has another value in the two views: what changed lies elsewhere")
        } else {
            out += "\n" + terminal.heading("latents that contribute most") + "\n"
            out += terminal.prose(
                "\(latents.count) of \(count(changedLatents, "latent")) whose value changed; together they contribute \(listed.signed(3)). "
                    + "SHARE: of the margin's change. ALONE: the margin's change when this latent alone is set back to its base values.")
            out += latentsText(for: terminal) + "\n" + placesText(for: terminal)
            out += setBackText(for: terminal)
            out += mapText(for: terminal)
        }
        return out + "\n" + terminal.remarks(parts.filter { !$0.definition.isEmpty }.map { "\($0.part): \($0.definition)" } + definitions, notes: notes)
    }

    private func partsText(for terminal: Terminal) -> String {
        var table = Table(["PART".left, "CHANGE".right, "SHARE".right, "".left])
        let most = (parts.map(\.change) + [change]).map(abs).filter(\.isFinite).max() ?? 0
        func row(_ name: String, _ value: Double) {
            let share = abs(change) < 1e-6 ? "-" : (value / change * 100).fixed(1) + " %"
            table.add([name, value.signed(3), share, terminal.signedBar(value, most: most, side: 14)])
        }
        for part in parts { row(part.part, part.change) }
        table.add(["left over", leftOver == 0 ? "0" : (leftOver > 0 ? "+" : "") + leftOver.brief, "", ""])
        row("all", change)
        return table.text(for: terminal)
    }

    private func latentsText(for terminal: Terminal) -> String {
        var table = Table([
            "LATENT".right, "CONTRIB.".right, "SHARE".right, "CLASS TOKEN".right, "PATCHES".right, "MEAN".right, "ALONE".right,
            "AT CLASS TOKEN".right.optional,
        ])
        let means = terminal.arrows(latents.map { ($0.baseMean.fixed(3), $0.adaptedMean.fixed(3)) })
        let values = terminal.arrows(latents.map { ($0.baseClassValue.fixed(3), $0.adaptedClassValue.fixed(3)) })
        for (place, latent) in latents.enumerated() {
            table.add([
                "\(latent.latent)", latent.contribution.signed(3), latent.share(of: change).map { ($0 * 100).fixed(1) + " %" } ?? "-",
                latent.classToken.signed(3), latent.patches.signed(3), means[place], latent.alone.signed(3), values[place],
            ])
        }
        return table.text(for: terminal)
    }

    /// What and where the same latents are.
    private func placesText(for terminal: Terminal) -> String {
        var table = Table([
            "LATENT".right, "STRONGEST PATCHES".left, "NAME".flexible, "TOP IMAGE".path.yielding, "IN IMAGES".right.optional,
        ])
        for latent in latents {
            let patches = latent.strongest.prefix(2).map { "\($0.patch.text) \($0.contribution.signed(2))" }.joined(separator: "; ")
            table.add([
                "\(latent.latent)", patches.isEmpty ? "-" : patches, latent.hasName ? latent.name.text : "-", latent.top.first?.image.shortName ?? "-",
                latent.frequency.percent,
            ])
        }
        return table.text(for: terminal)
    }

    private func setBackText(for terminal: Terminal) -> String {
        guard !setBack.isEmpty else { return "" }
        var table = Table(["SET BACK".left, "LATENTS".right, "MARGIN".right, "CHANGE".right, "ANSWER".flexible, "PROBABILITY".right])
        table.add(["nothing", "0", marginWithout.fixed(3), "-", "-", "-"])
        for entry in setBack {
            let name = switch entry.what {
            case "listed": "those listed"
            case "random": "random ones (control)"
            case "all": "all that changed"
            default: entry.what
            }
            table.add([
                name, "\(entry.latents)", entry.margin.fixed(3), (entry.margin - marginWithout).signed(3), entry.answer, entry.probability.percent,
            ])
        }
        return "\n" + terminal.heading("latents set back to their base values, and answered again") + "\n" + table.text(for: terminal)
    }

    private func mapText(for terminal: Terminal) -> String {
        let map = terminal.maps(patchContributions, columns: Int(layout.columns), above: "for '\(className)'", below: "for '\(against)'")
        guard !map.isEmpty else { return "" }
        let most = patchContributions.map { Double(abs($0)) }.filter(\.isFinite).max() ?? 0
        return "\n" + terminal.heading("where: contributions of all latents, patch by patch") + " (darkest: \(most.fixed(3)))\n" + map
    }
}

extension Saed_SteeredView {
    private func probability(of name: String, after: Bool) -> String {
        classes.first { $0.name == name }.map { " (" + (after ? $0.probabilityAfter : $0.probabilityBefore).percent + ")" } ?? ""
    }

    private func probabilities(of name: String) -> String {
        classes.first { $0.name == name }.map { " (\($0.probabilityAfter.percent), before \($0.probabilityBefore.percent))" } ?? ""
    }

    var sentence: String {
        let before = "'\(answerBefore)'\(probability(of: answerBefore, after: false))", after = "'\(answerAfter)'\(probability(of: answerAfter, after: true))"
        return answerBefore == answerAfter ? "still '\(answerAfter)'\(probabilities(of: answerAfter))" : "\(after) instead of \(before)"
    }

    func text(for terminal: Terminal) -> String {
        var out = terminal.heading(view.text.printable) + "\n" + terminal.prose(sentence)
        out += terminal.prose("without the SAE in between: '\(answer)' (\(probability.percent))")
        out += terminal.prose(
            "\(moved.percent) of the probability moved"
                + (randomEdits > 0 ? "; \(movedRandom.percent) where random latents are changed as much (control, mean of \(randomEdits))" : ""))
        if !classes.isEmpty {
            var table = Table(["CLASS".flexible, "BEFORE".right, "".left, "AFTER".right, "LOGIT".right])
            let logits = terminal.arrows(classes.map { ($0.logitBefore.fixed(2), $0.logitAfter.fixed(2)) })
            for (entry, logit) in zip(classes, logits) {
                table.add([
                    entry.name, entry.probabilityBefore.percent, terminal.way(from: entry.probabilityBefore, to: entry.probabilityAfter, cells: 20),
                    entry.probabilityAfter.percent, logit,
                ])
            }
            out += "\n" + table.text(for: terminal)
        }
        if !latents.isEmpty {
            var table = Table(["LATENT".right, "TOKENS CHANGED".right, "SUM OVER TOKENS".right, "NAME".flexible])
            let sums = terminal.arrows(latents.map { ($0.before.fixed(3), $0.after.fixed(3)) })
            for (entry, sum) in zip(latents, sums) {
                table.add(["\(entry.latent)", "\(entry.tokens)", sum, entry.hasName ? entry.name.text : "-"])
            }
            out += "\n" + table.text(for: terminal)
        }
        return out
    }
}

extension Saed_SteerReply {
    public func text(for terminal: Terminal) -> String {
        var out = terminal.prose(
            image.shortName + (image.label.isEmpty ? "" : ", label '\(image.label)'")
                + (errorTerm ? ", the SAE's error term kept" : ", from the SAE's reconstruction"))
        for view in views { out += "\n" + view.text(for: terminal) }
        return out + "\n" + terminal.remarks(definitions, notes: notes)
    }
}
