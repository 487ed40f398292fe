// ablate, classify and images --disagree as people at a terminal read them: what is answered, and what it rests on.

import Wire

extension Saed_AblateReply {
    /// - Parameter top: rows of the table of classes at most.
    public func text(top: Int, for terminal: Terminal) -> String {
        var out = terminal.heading(view.text.printable) + "\n"
        out += terminal.prose(
            "\(scope): \(count(images, "image")) of \(count(classes.count, "class", "classes")), each class's latents by \(by), "
                + "\(errorTerm ? "with" : "without") the SAE's error term")
        out += "accuracy without the SAE \(noSae.percent)\n\n" + pointsText(for: terminal)
        if classes.count > 1 { out += classesText(top: top, for: terminal) }
        return out + "\n" + terminal.remarks(definitions, notes: notes)
    }

    private func name(_ point: Saed_AblationPoint) -> String { point.all ? "all" : "\(point.k)" }

    private func pointsText(for terminal: Terminal) -> String {
        let hasRandom = points.contains { $0.hasOnRandom || $0.hasOffRandom }
        var table = Table(
            ["K".right, "ON".right, "".left, "OFF".right, "".left] + (hasRandom ? ["ON RANDOM".right, "OFF RANDOM".right] : []))
        for point in points {
            table.add(
                [name(point), point.on.percent, terminal.bar(point.on, cells: 14), point.off.percent, terminal.bar(point.off, cells: 14)]
                    + (hasRandom ? [point.hasOnRandom ? point.onRandom.percent : "-", point.hasOffRandom ? point.offRandom.percent : "-"] : []))
        }
        return table.text(for: terminal)
    }

    /// Curves over the same k, and figures at the one in the middle; the classes that lose most there first.
    private func classesText(top: Int, for terminal: Terminal) -> String {
        guard let middle = points.indices.dropFirst(points.count / 2).first else { return "" }
        let k = name(points[middle])
        func loss(_ entry: Saed_ClassAblation) -> Double { entry.points.indices.contains(middle) ? entry.noSae - entry.points[middle].off : 0 }
        let sorted = classes.sorted { loss($0) > loss($1) }
        let shown = sorted.prefix(top)
        let rest = shown.count < classes.count ? " (\(shown.count) of \(classes.count); --rows shows more)" : ""
        var table = Table([
            "CLASS".flexible, "IMAGES".right, "NO SAE".right, "ON".left, "ON \(k)".right, "OFF".left, "OFF \(k)".right,
        ])
        for entry in shown {
            let point = entry.points.indices.contains(middle) ? entry.points[middle] : .init()
            table.add([
                entry.label, "\(entry.images)", entry.noSae.percent, terminal.curve(entry.points.map(\.on)), point.on.percent,
                terminal.curve(entry.points.map(\.off)), point.off.percent,
            ])
        }
        let names = points.map { name($0) }.joined(separator: ", ")
        return "\n" + terminal.heading("classes, those that lose most first") + rest + "\n" + table.text(for: terminal)
            + terminal.remarks(["curves: 0 to 100 % over k = \(names)"], notes: [])
    }
}

extension Saed_ClassifyReply {
    /// - Parameter top: rows of a table at most.
    public func text(top: Int, for terminal: Terminal) -> String {
        (hasImage ? oneText(for: terminal) : manyText(top: top, for: terminal)) + terminal.remarks(definitions, notes: notes)
    }

    private func oneText(for terminal: Terminal) -> String {
        var out = terminal.heading((image.paths.first ?? image.shortID).printable) + "\nview \(view.text.printable)"
        if !image.label.isEmpty { out += ", label \(terminal.styled(image.label.printable, .cyan))" }
        var table = Table(["PROBABILITY".right, "".left, "LOGIT".right, "CLASS".flexible])
        for entry in classes {
            table.add([entry.probability.percent, terminal.bar(entry.probability, cells: 20), entry.logit.fixed(2), entry.name])
        }
        return out + "\n\n" + table.text(for: terminal) + (definitions.isEmpty && notes.isEmpty ? "" : "\n")
    }

    private func manyText(top: Int, for terminal: Terminal) -> String {
        var out = terminal.heading("\(scope) under \(view.text)".printable) + "\n"
        if labelled > 0 {
            out += terminal.prose(
                "accuracy \(accuracy.percent)\(hasInterval ? " " + interval.percent : ""): \(right) of \(count(labelled, "image")) right; "
                    + "mean of \(count(perClass.count, "class", "classes")) \(macroAccuracy.percent)")
            if images > labelled { out += "\(count(images - labelled, "more image")) without a label that is a class\n" }
            out += "\n" + heading("classes, the least accurate first", perClass.count, top, for: terminal) + classesText(top: top, for: terminal)
            if !confusions.isEmpty {
                out += "\n" + heading("most frequent confusions", confusions.count, top, for: terminal)
                var table = Table(["IMAGES".right, "LABEL".flexible, "ANSWERED".flexible])
                for entry in confusions.prefix(top) { table.add(["\(entry.images)", entry.label, entry.answer]) }
                out += table.text(for: terminal)
            }
        } else {
            out += "\(count(images, "image")), none with a label that is a class: answers, but no accuracy\n\n"
            out += heading("answers", answers.count, top, for: terminal)
            var table = Table(["IMAGES".right, "SHARE".right, "".left, "ANSWER".flexible])
            for entry in answers.prefix(top) {
                let share = images > 0 ? Double(entry.images) / Double(images) : 0
                    table.add(["\(entry.images)", share.percent, terminal.bar(share, cells: 20), entry.answer])
            }
            out += table.text(for: terminal)
        }
        return out + (definitions.isEmpty && notes.isEmpty ? "" : "\n")
    }

    private func heading(_ title: String, _ rows: Int, _ top: Int, for terminal: Terminal) -> String {
        terminal.heading(title) + (rows > top ? " (\(top) of \(rows); --top shows more)" : "") + "\n"
    }

    private func classesText(top: Int, for terminal: Terminal) -> String {
        var table = Table(["CLASS".flexible, "IMAGES".right, "RIGHT".right, "ACCURACY".right, "".left, "95 %".right])
        for entry in perClass.prefix(top) {
            table.add([
                entry.label, "\(entry.images)", "\(entry.right)", entry.accuracy.percent, terminal.bar(entry.accuracy, cells: 20),
                entry.hasInterval ? entry.interval.percent : "-",
            ])
        }
        return table.text(for: terminal)
    }
}

extension Saed_DisagreeReply {
    public func text(for terminal: Terminal) -> String {
        var table = Table(["".left, "LABEL".left, "BASE".flexible, "".right, "ADAPTED".flexible, "".right, "PATH".path])
        for entry in images {
            table.add([
                entry.adaptedRight ? "fixed" : entry.baseRight ? "broken" : "", entry.image.label, entry.baseAnswer, entry.baseProbability.percent,
                entry.adaptedAnswer, entry.adaptedProbability.percent, entry.image.paths.first ?? "(no file any more) \(entry.image.shortID)",
            ])
        }
        return table.text(for: terminal)
    }

    /// "47 of 400 images are answered differently: 40 became right, 5 wrong, 2 neither".
    public var summary: String {
        "\(total) of \(count(compared, "image")) \(total == 1 ? "is" : "are") answered differently: "
            + "\(fixed) became right, \(broken) wrong, \(total - min(total, fixed + broken)) neither"
    }
}
