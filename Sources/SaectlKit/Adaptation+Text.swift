// compare and remap as people at a terminal read them: what changed between two views, beside its controls.

import Wire

extension Terminal {
    /// "scenes/base/scenes → scenes/maple/scenes".
    func views(_ base: Saed_ViewName, _ adapted: Saed_ViewName) -> String {
        heading("\(base.text) \(arrow) \(adapted.text)".printable) + "\n"
    }

    /// Latents with what they were and are; columns of the class token give way on a narrow terminal.
    func changes(_ latents: [Saed_LatentChange]) -> String {
        let kinds: [Saed_TokenKind] = [.patch, .class, .prompt].filter { kind in latents.contains { $0.kinds.contains { $0.kind == kind } } }
        func rank(_ rank: UInt32) -> String { rank > 0 ? "\(rank)" : "-" }
        var columns = ["LATENT".right, "RANK".right, "OVER TAU".right]
        var cells = [
            latents.map { "\($0.latent)" }, arrows(latents.map { (rank($0.baseRank), rank($0.adaptedRank)) }),
            arrows(latents.map { ("\($0.baseCount)", "\($0.adaptedCount)") }),
        ]
        func shares(_ pairs: [(Double, Double)]) -> [String] { arrows(pairs.map { (($0 * 100).fixed(2), ($1 * 100).fixed(2) + " %") }) }
        func means(_ pairs: [(Double?, Double?)]) -> [String] { arrows(pairs.map { ($0?.fixed(3) ?? "-", $1?.fixed(3) ?? "-") }) }
        let isPublished = latents.contains(where: \.hasPublished)
        if isPublished {
            columns += ["SPARSITY".right, "MEAN ACTIVATION".right]
            cells.append(shares(latents.map { ($0.published.baseSparsity, $0.published.adaptedSparsity) }))
            cells.append(
                means(
                    latents.map(\.published).map { ($0.hasBaseMean ? $0.baseMean : nil, $0.hasAdaptedMean ? $0.adaptedMean : nil) }))
        }
        for (place, kind) in kinds.enumerated() {
            let of = latents.map { latent in latent.kinds.first { $0.kind == kind } ?? .init() }
            for (title, texts) in [
                ("FREQUENCY", shares(of.map { ($0.baseFrequency, $0.adaptedFrequency) })),
                ("MEAN", means(of.map { ($0.hasBaseMean ? $0.baseMean : nil, $0.hasAdaptedMean ? $0.adaptedMean : nil) })),
            ] {
                let column = "\(kind.name.uppercased()) \(title)".right
                columns.append(place == 0 && !isPublished ? column : column.optional)
                cells.append(texts)
            }
        }
        var table = Table(columns)
        for row in latents.indices { table.add(cells.map { $0[row] }) }
        return table.text(for: self)
    }
}

extension Saed_CompareReply {
    public func text(for terminal: Terminal) -> String {
        var out = terminal.views(base, adapted)
        let alone = [(onlyBase, "the first"), (onlyAdapted, "the second")].filter { $0.0 > 0 }.map { "\($0.0) only in \($0.1)" }
        out += terminal.prose(
            "\(scope): \(count(images, "image")) in both views" + (alone.isEmpty ? "" : "; not counted: " + alone.joined(separator: ", ")))
        out += terminal.prose(
            "cosine of the latents' counts \(cosine.fixed(3))" + cosineAside)
        out += "\n" + terminal.heading("overlap of both views' top k latents") + "\n" + overlapText(for: terminal)
        if !control.text.isEmpty { out += terminal.prose(control.text) }
        let top = k > 0 ? "top \(k)" : "top latents"
        out += list("gained: among the \(top) of the second view only", gained, for: terminal)
        out += list("lost: among the \(top) of the first view only", lost, for: terminal)
        out += list("changed most", changed, for: terminal)
        return out + "\n" + terminal.remarks(definitions, notes: notes)
    }

    private var cosineAside: String {
        guard hasControlCosine else { return "" }
        let same = hasSameImagesCosine ? "same images: \(sameImagesCosine.fixed(3)), " : ""
        return " (\(same)control\(control.automatic ? "" : " \(controlView)"): \(controlCosine.fixed(3)))"
    }

    private func overlapText(for terminal: Terminal) -> String {
        let hasControl = overlap.contains { $0.hasControl }, hasSame = overlap.contains { $0.hasSameImages }
        var table = Table(
            ["K".right, "SHARED".right, "SHARE".right, "".left, "BY CHANCE".right] + (hasSame ? ["SAME IMAGES".right] : [])
                + (hasControl ? ["CONTROL".right] : []))
        for point in overlap {
            table.add(
                ["\(point.k)", "\(point.shared)", point.share.percent, terminal.bar(point.share, cells: 32), point.expectedByChance.percent]
                    + (hasSame ? [point.hasSameImages ? point.sameImages.percent : "-"] : [])
                    + (hasControl ? [point.hasControl ? point.control.percent : "-"] : []))
        }
        return table.text(for: terminal)
    }

    private func list(_ title: String, _ latents: [Saed_LatentChange], for terminal: Terminal) -> String {
        "\n" + terminal.heading(title) + (latents.isEmpty ? ": none\n" : "\n" + terminal.changes(latents))
    }
}

extension Saed_RemapFigures {
    /// As short as a column asks.
    fileprivate var title: String { what == "finding, same images" ? "same images" : what }
}

extension Saed_RemapReply {
    /// - Parameter top: rows of a table of classes or latents at most.
    public func text(top: Int, for terminal: Terminal) -> String {
        var out = terminal.views(base, adapted)
        out += terminal.prose(
            "\(scope): \(count(images, "image")) of \(count(classes.count, "class", "classes")) in both views"
                + (leftOut > 0 ? "; \(leftOut) left out: no label that is a class" : ""))
        let before = baseAccuracy.percent + (hasBaseInterval ? " " + baseInterval.percent : "")
        let after = adaptedAccuracy.percent + (hasAdaptedInterval ? " " + adaptedInterval.percent : "")
        out += terminal.prose("accuracy \(before) \(terminal.arrow) \(after), change \(change.points)" + (hasChangeInterval ? " " + changeInterval.points : ""))
        out += "\n" + terminal.heading("each class's top \(k) latents, beside the controls") + "\n" + figuresText(for: terminal)
        if !control.text.isEmpty { out += terminal.prose(control.text) }
        if figures.contains(where: { !$0.groups.isEmpty }) {
            out += "\n" + terminal.heading("the paper's groups: latents a class, and correlation with its change of accuracy") + "\n"
            out += groupsText(for: terminal)
        }
        if !explained.isEmpty {
            out += "\n" + terminal.heading("what the gain rests on: latents set back to their base values") + "\n" + explainedText(for: terminal)
        }
        let shown = Array(classes.prefix(top))
        let rest = shown.count < classes.count ? " (\(shown.count) of \(classes.count); --top shows more)" : ""
        out += "\n" + terminal.heading("classes whose accuracy changed most") + rest + "\n" + accuraciesText(shown, for: terminal)
        out += "\n" + terminal.heading("the same classes' latents") + "\n" + latentsText(shown, for: terminal)
        if classes.count == 1, let only = classes.first, !only.moves.isEmpty {
            out += "\n" + terminal.heading("latents whose rank moved most") + "\n" + terminal.changes(Array(only.moves.prefix(top)))
        }
        if !latents.isEmpty {
            out += "\n" + terminal.heading("latents that changed classes") + "\n" + movedText(Array(latents.prefix(top)), for: terminal)
        }
        return out + "\n" + terminal.remarks(definitions, notes: notes)
    }

    private func figuresText(for terminal: Terminal) -> String {
        // Told where they differ: on what part of the images a control stands.
        let hasImages = Set(figures.map(\.images).filter { $0 > 0 }).count > 1
        var table = Table(
            ["".left] + (hasImages ? ["IMAGES".right.optional] : [])
                + ["OVERLAP".right, "".left, "95 %".right, "COSINE".right.optional, "RE-ASSIGNED".right, "NEW".right, "LEFT".right])
        for figure in figures {
            table.add([figure.title] + (hasImages ? ["\(figure.images)"] : []) + [
                figure.overlap.percent, terminal.bar(figure.overlap, cells: 10),
                figure.hasOverlapInterval ? figure.overlapInterval.percent : "-", figure.cosine.fixed(3), figure.reassigned.fixed(1),
                figure.newlyUsed.fixed(1), figure.left.fixed(1),
            ])
        }
        return table.text(for: terminal)
    }

    /// A row a group; the controls' sizes and correlations beside the finding's.
    private func groupsText(for terminal: Terminal) -> String {
        guard let finding = figures.first else { return "" }
        let controls = figures.dropFirst().filter { !$0.groups.isEmpty }
        func correlation(_ group: Saed_GroupFigures) -> String { group.hasCorrelation ? group.correlation.fixed(2) : "-" }
        var table = Table(["GROUP".left, "SIZE".right, "CORR.".right, "95 %".right] + controls.map { $0.title.uppercased().right.optional })
        for group in finding.groups {
            let others = controls.map { control in
                control.groups.first { $0.group == group.group }.map { "\($0.meanSize.fixed(2)), \(correlation($0))" } ?? "-"
            }
            table.add(
                [group.group, group.meanSize.fixed(2), correlation(group), group.hasCorrelationInterval ? group.correlationInterval.plain : "-"] + others)
        }
        return table.text(for: terminal)
    }

    private func explainedText(for terminal: Terminal) -> String {
        var table = Table(["SET BACK".left, "LATENTS".right, "ACCURACY".right, "OF THE GAIN".right, "95 %".right, "".left])
        for group in explained {
            table.add([
                group.group, group.latents > 0 ? "\(group.latents)" : "-", group.accuracyWithout.percent, group.hasShare ? (group.share * 100).fixed(1) + " %" : "-",
                group.hasShareInterval ? group.shareInterval.percent : "-", group.hasShare ? terminal.bar(group.share, cells: 12) : "",
            ])
        }
        return table.text(for: terminal)
    }

    private func accuraciesText(_ classes: [Saed_ClassRemap], for terminal: Terminal) -> String {
        var table = Table(["CLASS".flexible, "IMAGES".right, "BASE".right, "".left, "ADAPTED".right, "CHANGE".right, "95 %".right])
        for entry in classes {
            table.add([
                entry.label, "\(entry.images)", entry.baseAccuracy.percent,
                terminal.way(from: entry.baseAccuracy, to: entry.adaptedAccuracy, cells: 16), entry.adaptedAccuracy.percent, entry.change.points,
                entry.hasChangeInterval ? entry.changeInterval.points : "-",
            ])
        }
        return table.text(for: terminal)
    }

    private func latentsText(_ classes: [Saed_ClassRemap], for terminal: Terminal) -> String {
        var table = Table([
            "CLASS".flexible, "OVERLAP".right, "COSINE".right, "KEPT".right, "RE-ASSIGNED".right, "NEW".right, "LEFT".right,
            "HIGH/LOW/RISES/FALLS".right.optional, "MOVED MOST".flexible,
        ])
        for entry in classes {
            let moves = entry.moves.prefix(4).map { move in
                let ranks = [move.baseRank > 0 ? "\(move.baseRank)" : "new", move.adaptedRank > 0 ? "\(move.adaptedRank)" : "gone"]
                return "\(move.latent) (\(ranks.joined(separator: terminal.arrow)))"
            }
            table.add([
                entry.label, entry.overlap.percent, entry.cosine.fixed(3), "\(entry.kept)", "\(entry.reassigned)", "\(entry.newlyUsed)",
                "\(entry.left)", "\(entry.staysHigh)/\(entry.staysLow)/\(entry.rises)/\(entry.falls)", moves.joined(separator: ", "),
            ])
        }
        return table.text(for: terminal)
    }

    private func movedText(_ latents: [Saed_LatentRemap], for terminal: Terminal) -> String {
        var table = Table(["LATENT".right, "CLASSES".right, "COSINE".right, "LEFT".flexible, "JOINED".flexible])
        let classes = terminal.arrows(latents.map { ("\($0.classesBefore)", "\($0.classesAfter)") })
        for (entry, classes) in zip(latents, classes) {
            table.add(["\(entry.latent)", classes, entry.cosine.fixed(3), some(of: entry.left), some(of: entry.joined)])
        }
        return table.text(for: terminal)
    }

    /// The first names of a list that may be as long as the class list; --json has all of them.
    private func some(of names: [String], atMost most: Int = 6) -> String {
        guard !names.isEmpty else { return "-" }
        let more = names.count - most
        return names.prefix(most).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
    }
}
