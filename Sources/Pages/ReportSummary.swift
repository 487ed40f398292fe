// The report in a few sentences, each with its numbers; a finding is never told without its control.

import Basics

extension ReportData {
    /// The views' names as the page uses them: the adapters', where these tell the two apart.
    var shortNames: (base: String, adapted: String) {
        guard let base = ViewName(base), let adapted = ViewName(adapted), base.adapter != adapted.adapter else { return (self.base, self.adapted) }
        return (base.adapter, adapted.adapter)
    }

    /// What the page says first. The most important sentence comes first.
    public var summary: [String] {
        [accuracySentence, changedSentence, classesSentence, overlapSentence, gainSentence, latentSentence].compactMap(\.self)
    }

    private var accuracySentence: String {
        let (base, adapted) = shortNames
        let change = accuracy.change, interval = accuracy.changeInterval
        var text = "On \(accuracy.images.of("image")) of \(classes.count.of("class", "classes")), \(adapted) answers \(accuracy.adapted.percent)"
        text += "\(accuracy.adaptedInterval?.percentText ?? "") right where \(base) answers \(accuracy.base.percent)\(accuracy.baseInterval?.percentText ?? "")"
        text += ": \(change.points) points\(interval?.pointsText ?? "")"
        if let interval, interval.low <= 0, interval.high >= 0 { text += ", which may be no change at all" }
        return text + "."
    }

    private var changedSentence: String? {
        guard changedTotal > 0 else { return nil }
        let others = changedTotal - fixed - broken
        return "\(changedTotal.of("image")) changed their answer: \(fixed.grouped) became right, \(broken.grouped) became wrong, "
            + "\(others.grouped) are right in neither view."
    }

    private var classesSentence: String? {
        guard classes.count > 1 else { return nil }
        let gained = classes.filter { $0.change > 0 }, lost = classes.filter { $0.change < 0 }
        var text = "\(gained.count.of("class", "classes")) gained accuracy, \(lost.count.grouped) lost some, \((classes.count - gained.count - lost.count).grouped) stayed"
        func told(_ row: ReportClass) -> String { "\(row.label) (\(row.baseAccuracy.percent) to \(row.adaptedAccuracy.percent))" }
        // The first of equals.
        if let most = gained.max(by: { $0.change < $1.change }) { text += "; the most gained \(told(most))" }
        if let most = lost.min(by: { $0.change < $1.change }) { text += "; the most lost \(told(most))" }
        return text + "."
    }

    private var overlapSentence: String? {
        guard !seesTheSame else { return "Both views see the same in every patch: what changed is how the text side reads it, and no latent can have moved." }
        guard let finding = figures.first else { return nil }
        var text = "Of a class's first \(k.of("latent")), \(finding.overlap.percent)\(finding.overlapInterval?.percentText ?? "") are the same in both views"
        let controls = figures.filter { !$0.isFinding }
        guard !controls.isEmpty else { return text + "; no control stands beside this." }
        text += " (" + controls.map { "\($0.what) \($0.overlap.percent)" }.joined(separator: ", ") + ")"
        let alike = controls.contains { control in
            // On the same images, where it stands on some of them.
            let same = figures.last { $0.isFinding }, isAside = control.what == "random directions"
            guard let a = (isAside ? same : finding)?.overlapInterval, let b = control.overlapInterval else { return false }
            return a.overlaps(b)
        }
        return text + (alike ? ": no more remapping than a control shows, so the overlap alone is no finding." : ".")
    }

    private var gainSentence: String? {
        func named(_ group: String) -> ReportShare? { explained.first { $0.group == group && $0.share != nil } }
        func told(_ row: ReportShare) -> String { "\((row.share ?? 0).percent)\(row.shareInterval?.percentText ?? "")" }
        guard let random = named("random latents") else { return nil }
        let groups = ["kept", "re-assigned", "newly used", "left"].compactMap(named)
        guard let most = groups.max(by: { ($0.share ?? 0) < ($1.share ?? 0) }) else { return nil }
        var text = "Of the gain, \(told(most)) rests on the \(most.group) latents (as many random ones as changed: \(told(random)))"
        if let every = named("every latent") { text += ", \(told(every)) on all latents together" }
        if let vision = named("whole vision side") { text += ", \(told(vision)) on the whole vision side" }
        return text + "."
    }

    private var latentSentence: String? {
        guard let most = latents.max(by: { $0.left.count + $0.joined.count < $1.left.count + $1.joined.count }), most.left.count + most.joined.count > 0 else {
            return nil
        }
        let moved = latents.filter { !$0.left.isEmpty || !$0.joined.isEmpty }.count
        let name = most.name.map { $0.word.isEmpty ? "" : $0.isSure ? " (\($0.word))" : " (perhaps \($0.word))" } ?? ""
        return "\(moved.of("latent")) changed the classes they serve; latent \(most.latent)\(name) the most: it left \(most.left.count.grouped) and joined "
            + "\(most.joined.count.grouped), and now serves \(most.classesAfter.grouped) where it served \(most.classesBefore.grouped)."
    }
}
