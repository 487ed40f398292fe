// The atlas of a view as one HTML file: every latent that is active anywhere, searchable and sortable; rows by atlas.js.

import Basics

/// One self-contained page about all latents of a view.
///
///     let page = AtlasPage(data)
///     try Data(page.html()).write(to: url)
///
/// Works from a file, without network. However many latents there are, only the rows in sight exist.
public struct AtlasPage: Sendable {
    private let data: AtlasData

    public init(_ data: AtlasData) { self.data = data }

    /// UTF-8.
    public func html() -> [UInt8] {
        var content = PageContent()
        content.write(rows: data.rows, columns: data.columns, images: data.images, write)
        return PageDocument(
            title: "Atlas of \(data.view)", name: "atlas", body: body, content: content,
            scripts: [PackageResources.page_js, PackageResources.atlas_js]
        ).html()
    }

    /// What the page says first.
    public var summary: [String] {
        let sure = data.latents.count { $0.name?.isSure == true }
        let named = data.latents.count { $0.name.map { !$0.word.isEmpty } == true }
        var text = "\(data.latents.count.of("latent")) of \(data.dictionary.grouped) are active on some of \(data.imagesSeen.of("image"))"
        if data.silent > 0 { text += "; \(data.silent.grouped) on none, and they are not listed" }
        guard named > 0 else { return [text + ".", "None has been named yet."] }
        return [text + ".", "\(sure.grouped) have a sure name; \((named - sure).grouped) an unsure one, marked with a question mark."]
    }

    private var body: String {
        """
        <div class="page atlas">
        <header class="top">
        <button class="theme button" id="theme" type="button" hidden></button>
        <p class="kicker">Atlas of a view</p>
        <h1>\(said(data.view))</h1>
        <ul class="summary">
        \(summary.map { "<li>\(escaped($0))</li>" }.joined(separator: "\n"))
        </ul>
        <details class="small"><summary>Definitions and notes</summary>
        \(list(data.notes + data.definitions + [
            "heat maps: 32 levels of a latent's largest value on that image; pictures show what the model sees",
            "keys: / searches, arrows, Page Up, Page Down, Home and End walk the rows, Enter opens one, Escape closes it",
        ]))</details>
        <noscript><p class="note">The list is drawn by the page's own script; nothing is loaded from anywhere.</p></noscript>
        </header>
        <main id="main" tabindex="-1">
        <div class="sheet-of-rows">
        <div class="toolbar" id="toolbar">
        <div class="controls" id="atlas-controls"></div>
        <div role="rowgroup" id="heads"><div role="row" class="ahead" id="ahead" aria-rowindex="1"></div></div>
        </div>
        <div role="table" id="rows" aria-label="Latents" aria-colcount="7" aria-owns="heads rows-body"><div role="rowgroup" class="rows" id="rows-body"></div></div>
        </div>
        <p class="note" id="nothing" hidden>No latent fits.</p>
        <footer>\(escaped(data.made))</footer>
        </main>
        </div>
        """
    }

    private func write(_ json: inout JSONWriter, _ shelf: inout PictureShelf) {
        json.key("latents")
        json.array(data.latents) { json, latent in
            let figures = latent.figures
            json.array { json in
                json.int(latent.latent)
                json.name(latent.name)
                json.int(figures.imagesActive)
                for value in [
                    figures.frequency, figures.mean, figures.peak, figures.entropyTop, figures.entropy, latent.classFrequency, latent.patchFrequency,
                ] { json.number(value) }
                json.labels(figures.labels)
                json.sheet(figures.sheet, images: data.images.count)
            }
        }
    }
}
