// A large store in minutes, for load tests: images that share themes, as photographs of a class do.
//
// An image has a label; a label has 48 latents of its own, of which an image shows 12, each on a blob of
// neighbouring patches; 16 latents fire on a tenth of the tokens of every image (the dense ones that every SAE
// has); the rest of each token's L0 is drawn from a skewed distribution over all latents. The default L0 of
// 12 keeps 100,000 images of 196 patches near 1 GB; a real B/16 SAE has 148, whose images are 12 times larger.
// Time of a query is governed by postings a latent and segments, and those are as large as in a real store.
//
// The adapted twin of a view shows the same images with planted changes: of a label's 48 latents the first 8 are
// taken from the next label's (re-assigned), the following 4 are no label's in base (newly used), the rest stay.

import Basics
import Store

/// What to generate.
public struct SyntheticOptions: Sendable {
    public var images = 100_000
    public var layout = TokenLayout(rows: 14, columns: 14)
    public var latents = 49_152
    /// Active latents a token, about.
    public var l0 = 12
    public var labels = 100
    public var embeddingWidth = 512
    /// Prompt tokens of the adapted twin.
    public var prompts = 2
    public var batch = 256
    public var seed: UInt64 = 42

    public init() {}
}

/// Fills stores with seeded snapshots.
public struct SyntheticStore: Sendable {
    public let options: SyntheticOptions

    public init(_ options: SyntheticOptions = SyntheticOptions()) { self.options = options }

    /// Makes model, SAE, view `synthetic/base/synthetic`, images `images/LABEL/N.jpg` and their snapshots.
    ///
    /// - Parameter progress: called after every batch with the images written.
    public func fill(_ store: Store, progress: (Int) -> Void = { _ in }) throws(StoreError) -> ViewRecord {
        let view = try makeView(store)
        try forEachBatch(progress) { (batch) throws(StoreError) in
            try store.addImages(
                batch.map { n in
                    NewImage(
                        path: "images/\(label(n))/\(n).jpg", stamp: FileStamp(size: 100_000, mtimeNanoseconds: Int64(n), inode: Int64(n)),
                        facts: ImageFacts(hash: hash(n), width: 640, height: 480, format: "jpeg"), label: label(n))
                })
            try store.append(batch.map { snapshot($0) }, to: view.id)
        }
        return view
    }

    /// Makes view `synthetic/twin/synthetic` of the images of `fill` and their adapted snapshots.
    public func fillTwin(_ store: Store, progress: (Int) -> Void = { _ in }) throws(StoreError) -> ViewRecord {
        let view = try makeView(store, adapted: true)
        try forEachBatch(progress) { (batch) throws(StoreError) in
            try store.append(batch.map { snapshot($0, adapted: true) }, to: view.id)
        }
        return view
    }

    private func forEachBatch(_ progress: (Int) -> Void, _ body: (Range<Int>) throws(StoreError) -> Void) throws(StoreError) {
        var done = 0
        while done < options.images {
            let batch = done..<min(done + options.batch, options.images)
            try body(batch)
            done = batch.upperBound
            progress(done)
        }
    }

    public func label(_ n: Int) -> String {
        let text = String(n % options.labels)
        return "label" + String(repeating: "0", count: max(0, 3 - text.count)) + text
    }

    /// What stands in for an image's bytes: a file of this text is image `n`.
    public func content(_ n: Int) -> String { "synthetic \(options.seed) \(n)" }

    public func hash(_ n: Int) -> ContentHash { ContentHash(of: content(n)) }

    /// Snapshot `n`, or its adapted twin: depends on the options and `n` alone.
    public func snapshot(_ n: Int, adapted: Bool = false) -> Snapshot {
        var random = SplitMix(seed: options.seed &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(n) &* 0xD1B5_4A32_D192_ED03)
        let layout = self.layout(adapted: adapted)
        var tokens = [[UInt64]](repeating: [], count: layout.count)
        func add(_ latent: Int, _ token: Int, _ value: Float) {
            tokens[token].append(UInt64(latent) << 32 | UInt64(value.bitPattern))
        }
        for _ in 0..<12 {
            let member = random.below(48)
            let latent = adapted ? adaptedTheme(n % options.labels, member) : theme(n % options.labels, member)
            let row = random.below(layout.rows), column = random.below(layout.columns)
            let radius = 1 + random.below(3)
            for r in max(0, row - radius)...min(layout.rows - 1, row + radius) {
                for c in max(0, column - radius)...min(layout.columns - 1, column + radius) {
                    add(latent, 1 + r * layout.columns + c, 0.2 + 1.5 * random.unit())
                }
            }
            if random.below(4) == 0 { add(latent, 0, 0.1 + random.unit()) }
        }
        for token in 0..<layout.count {
            for dense in 0..<16 where random.below(10) == 0 { add(dense * (options.latents / 16), token, 0.05 + 0.3 * random.unit()) }
            while tokens[token].count < options.l0 {
                // Cubed: a few latents fire often, most rarely.
                let u = Double(random.unit())
                add(Int(u * u * u * Double(options.latents)) * 7919 % options.latents, token, 0.01 + 0.5 * random.unit() * random.unit())
            }
        }
        return Snapshot(
            image: hash(n), layout: layout, latents: rows(tokens),
            embedding: (0..<options.embeddingWidth).map { _ in random.unit() - 0.5 })
    }

    /// Of base, or with the twin's prompts.
    public func layout(adapted: Bool) -> TokenLayout {
        adapted ? TokenLayout(rows: options.layout.rows, columns: options.layout.columns, prompts: options.prompts) : options.layout
    }

    private func adaptedTheme(_ label: Int, _ member: Int) -> Int {
        switch member {
        case 0..<8: theme((label + 1) % options.labels, member)
        // The latents after all labels' own, as long as there are any.
        case 8..<12: (options.labels * 48 + (label * 4 + member - 8) % max(1, options.latents - options.labels * 48)) * 31 % options.latents
        default: theme(label, member)
        }
    }

    private func theme(_ label: Int, _ member: Int) -> Int { (label * 48 + member) * 31 % options.latents }

    private func rows(_ tokens: [[UInt64]]) -> SparseRows {
        var rows = SparseRows(width: options.latents)
        for token in tokens {
            var last: UInt32?
            for entry in token.sorted() {
                let latent = UInt32(entry >> 32)
                if latent == last { continue }
                last = latent
                rows.indices.append(latent)
                rows.values.append(Float(bitPattern: UInt32(truncatingIfNeeded: entry)))
            }
            rows.indptr.append(rows.indices.count)
        }
        return rows
    }

    private func makeView(_ store: Store, adapted: Bool = false) throws(StoreError) -> ViewRecord {
        let name = "synthetic", twin = "twin"
        let model = try store.catalog.addModel(name: name, folder: "", contentHash: ContentHash(of: name), config: "{}")
        let hook = HookPoint(block: 10)
        let sae = try store.catalog.addSAE(
            model: model.id, name: name, path: "", contentHash: ContentHash(of: name), hook: hook, latents: options.latents,
            width: 768, config: "{}")
        let adapter = adapted
            ? try store.catalog.addAdapter(model: model.id, name: twin, contentHash: ContentHash(of: twin), config: "{}", active: true)
            : try store.catalog.baseAdapter(of: model.id)
        return try store.catalog.addView(
            name: adapted ? ViewName(model: name, adapter: twin, sae: name) : ViewName(model: name, sae: name), model: model.id,
            adapter: adapter.id, sae: sae.id, hook: hook, recipe: ContentHash(of: "synthetic \(options) \(adapted)"),
            layout: layout(adapted: adapted), latents: options.latents, embeddingWidth: options.embeddingWidth, activationWidth: 768)
    }
}

extension SplitMix {
    fileprivate mutating func unit() -> Float { Float(next() >> 40) * 0x1p-24 }
}
