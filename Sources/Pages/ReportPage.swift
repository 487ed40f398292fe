// The report of an adaptation as one HTML file: the frame and all that is prose here, tables and pictures by report.js.

import Basics

/// One self-contained page about what an adaptation changed.
///
///     let page = ReportPage(data)
///     try Data(page.html()).write(to: url)
///
/// Works from a file, without network; 200 classes and 1,000 images make some 8 MB.
public struct ReportPage: Sendable {
    private let data: ReportData

    public init(_ data: ReportData) { self.data = data }

    /// UTF-8.
    public func html() -> [UInt8] {
        var content = PageContent()
        content.write(rows: data.rows, columns: data.columns, images: data.images, write)
        let names = data.shortNames
        return PageDocument(
            title: "\(names.base) to \(names.adapted): what changed", name: "report", body: body, content: content,
            scripts: [PackageResources.page_js, PackageResources.report_js, PackageResources.viewer_js]
        ).html()
    }

    // MARK: Prose

    private struct Section {
        var id, title, lede, body: String
    }

    private var body: String {
        let names = data.shortNames
        let sections = self.sections
        return """
            <div class="page report">
            <nav aria-label="Contents"><ol>
            \(sections.map { "<li><a href=\"#\($0.id)\">\($0.title)</a></li>" }.joined(separator: "\n"))
            </ol></nav>
            <header class="top">
            <button class="theme button" id="theme" type="button" hidden></button>
            <p class="kicker">What an adaptation changed · \(said(data.scope))</p>
            <h1><span class="base">\(said(names.base))</span> <span class="to" aria-hidden="true">→</span><span class="unseen">to</span> <span class="adapted">\(said(names.adapted))</span></h1>
            <p class="views">\(said(data.base)) → \(said(data.adapted))</p>
            <ul class="summary">
            \(data.summary.map { "<li>\(escaped($0))</li>" }.joined(separator: "\n"))
            </ul>
            <noscript><p class="note">Tables and pictures of this page are drawn by its own script; nothing is loaded from anywhere.</p></noscript>
            </header>
            <main id="main" tabindex="-1">
            \(sections.map { "<section id=\"\($0.id)\" aria-labelledby=\"\($0.id)-h\">\n<h2 id=\"\($0.id)-h\">\($0.title)</h2>\n\($0.lede.isEmpty ? "" : "<p class=\"lede\">\($0.lede)</p>\n")\($0.body)\n</section>" }.joined(separator: "\n"))
            <footer>\(escaped(data.made))</footer>
            </main>
            </div>
            """
    }

    private var sections: [Section] {
        let names = data.shortNames
        let base = said(names.base), adapted = said(names.adapted)
        var sections = [
            Section(
                id: "accuracy", title: "Accuracy",
                lede: "Share of images answered with their label: the dot is the mean with its 95\u{202F}% interval, each tick a class. "
                    + "\(accuracyText)",
                body: "<figure id=\"accuracy-figure\"></figure>")
        ]
        if !data.figures.isEmpty || !data.overlap.isEmpty || !data.explained.isEmpty {
            sections.append(
                Section(
                    id: "controls", title: "What the change rests on",
                    lede: "A finding counts as far as it differs from its controls: labels dealt anew among the images, and random directions of equal density instead of latents.",
                    body: "<div id=\"figures\"></div>" + (data.control.isEmpty ? "" : "<p class=\"note\">\(escaped(data.control))</p>")
                        + (data.explained.isEmpty ? "" : "<h3>Latents set back to their base values</h3><div id=\"explained\"></div>")
                        + (data.overlap.isEmpty ? "" : "<h3>Overlap of the first k latents</h3><figure id=\"overlap-figure\"></figure>")))
        }
        sections.append(
            Section(
                id: "classes", title: "Classes",
                lede: "Each class's accuracy in both views, and what became of its first \(data.k) latents: <em>kept</em> in both views, <em>re-assigned</em> from another class, <em>new</em> to all, or <em>left</em>.",
                body: "<div id=\"classes-table\"></div>"))
        if data.latents.contains(where: { !$0.left.isEmpty || !$0.joined.isEmpty }) {
            sections.append(
                Section(
                    id: "flow", title: "Where latents went",
                    lede: "A latent leaves a class when it drops out of its first \(data.k), and joins one when it comes in. A latent that joins a class counts as one move, from the classes that it left in equal shares.",
                    body: "<div class=\"controls\" id=\"flow-controls\"></div><p class=\"note\" id=\"flow-said\" role=\"status\"></p><figure class=\"flow\" id=\"flow-figure\"></figure><div id=\"flow-list\"></div>"))
        }
        if data.latents.contains(where: { !($0.base?.sheet ?? []).isEmpty || !($0.adapted?.sheet ?? []).isEmpty }) {
            sections.append(
                Section(
                    id: "latents", title: "Latents that matter",
                    lede: "The images on which each is strongest in \(base) and in \(adapted), and the patches where, with its peak. Pictures show what the model sees; point at one to see it without its heat map.",
                    body: "<div class=\"controls\" id=\"latent-controls\"></div><ol class=\"latents\" id=\"latent-cards\"></ol>"))
        }
        if !data.changed.isEmpty {
            let listed = data.changed.count < data.changedTotal ? "\(data.changed.count.grouped) of \(data.changedTotal.grouped) are listed. " : ""
            sections.append(
                Section(
                    id: "changed", title: "Images whose answer changed",
                    lede: "\(listed)First the answer of \(base), then that of \(adapted), with their probabilities; ✓ where it is the label.",
                    body: "<div class=\"controls\" id=\"changed-controls\"></div><ul class=\"changed\" id=\"changed-list\"></ul>"))
        }
        if !data.viewer.isEmpty {
            sections.append(
                Section(
                    id: "patches", title: "Patch by patch",
                    lede: "Point at a patch, or walk the grid with the arrow keys: the strongest latents there in both views. Enter or a click holds a patch, Escape lets it go. Point at a latent to see where else in the image it is active; choose it to see its sheet.",
                    body: "<div id=\"viewer\"></div>"))
        }
        sections.append(
            Section(
                id: "definitions", title: "Definitions and notes", lede: "",
                body: (data.notes.isEmpty ? "" : "<h3>To know</h3>\(list(data.notes))") + "<h3>Definitions</h3>\(list(data.definitions + own))"))
        return sections
    }

    private var accuracyText: String {
        let left = data.accuracy.leftOut > 0 ? " \(data.accuracy.leftOut.of("image")) without a label among the classes, or without a snapshot in both views, are left out." : ""
        let change = data.accuracy.changeInterval.map { ", 95\u{202F}%\($0.pointsText)" } ?? ""
        return escaped("Change \(data.accuracy.change.points) points\(change).\(left)")
    }

    /// What only this page counts.
    private var own: [String] {
        [
            "flow: a latent that joined a class is one move into it, in equal shares from the classes that it left; one that left a class and joined none is a move out of it",
            "heat maps: 32 levels of a latent's largest value on that image; in the patch viewer on one scale for both views",
            "patch viewer: the \(ReportPage.latentsAPlace) strongest latents of each view at a place, and what the other view has of them",
            "a name with a question mark is unsure: its score did not pass the criterion that is printed with it",
        ]
    }

    // MARK: Data

    static let latentsAPlace = 7

    private func write(_ json: inout JSONWriter, _ shelf: inout PictureShelf) {
        let names = data.shortNames
        json.key("base")
        json.string(names.base)
        json.key("adapted")
        json.string(names.adapted)
        json.key("k")
        json.int(data.k)
        json.key("accuracy")
        json.object { json in
            json.key("base")
            json.number(data.accuracy.base)
            json.key("baseInterval")
            json.interval(data.accuracy.baseInterval)
            json.key("adapted")
            json.number(data.accuracy.adapted)
            json.key("adaptedInterval")
            json.interval(data.accuracy.adaptedInterval)
        }
        json.key("classes")
        json.array(data.classes, writeClass)
        json.key("latents")
        json.array(data.latents, writeLatent)
        json.key("figures")
        json.array(data.figures) { json, row in
            json.array { json in
                json.text(row.what)
                json.number(row.overlap)
                json.interval(row.overlapInterval)
                for value in [row.cosine, row.reassigned, row.newlyUsed, row.left] { json.number(value) }
                json.array(row.groups) { json, group in
                    json.array {
                        $0.text(group.group)
                        $0.number(group.meanSize)
                        $0.number(group.correlation)
                        $0.interval(group.correlationInterval)
                    }
                }
            }
        }
        json.key("explained")
        json.array(data.explained) { json, row in
            json.array {
                $0.text(row.group)
                if let latents = row.latents { $0.int(latents) } else { $0.null() }
                $0.number(row.accuracyWithout)
                $0.number(row.share)
                $0.interval(row.shareInterval)
            }
        }
        json.key("overlap")
        json.array(data.overlap) { json, point in
            json.array {
                $0.int(point.k)
                $0.number(point.share)
                $0.number(point.expectedByChance)
                $0.number(point.control)
                $0.number(point.sameImages)
            }
        }
        json.key("changed")
        json.array(data.changed.filter { data.images.indices ~= $0.image }) { json, change in
            json.array {
                $0.int(change.image)
                $0.text(change.baseAnswer)
                $0.text(change.adaptedAnswer)
                $0.number(change.baseProbability)
                $0.number(change.adaptedProbability)
                $0.bool(change.baseRight)
                $0.bool(change.adaptedRight)
            }
        }
        json.key("viewer")
        json.array(data.viewer) { ViewerWriter(image: $1, rows: data.rows, columns: data.columns).write(&$0, &shelf) }
    }

    private func writeClass(_ json: inout JSONWriter, _ row: ReportClass) {
        json.array { json in
            json.text(row.label)
            json.int(row.images)
            json.number(row.baseAccuracy)
            json.number(row.adaptedAccuracy)
            json.interval(row.changeInterval)
            json.number(row.overlap)
            json.number(row.cosine)
            for count in [row.kept, row.reassigned, row.newlyUsed, row.left] { json.int(count) }
            json.ints(row.groups)
            json.array(row.moves) { json, move in
                json.array {
                    $0.int(move.latent)
                    $0.int(move.baseRank)
                    $0.int(move.adaptedRank)
                }
            }
        }
    }

    private func writeLatent(_ json: inout JSONWriter, _ latent: ReportLatent) {
        json.array { json in
            json.int(latent.latent)
            json.name(latent.name)
            json.ints(latent.left.filter { data.classes.indices ~= $0 })
            json.ints(latent.joined.filter { data.classes.indices ~= $0 })
            json.int(latent.classesBefore)
            json.int(latent.classesAfter)
            json.number(latent.cosine)
            for figures in [latent.base, latent.adapted] {
                guard let figures else {
                    json.int(0)
                    continue
                }
                json.array { json in
                    json.int(figures.imagesActive)
                    for value in [figures.frequency, figures.mean, figures.peak, figures.entropyTop, figures.entropy] { json.number(value) }
                    json.labels(figures.labels)
                    json.sheet(figures.sheet, images: data.images.count)
                }
            }
        }
    }
}
