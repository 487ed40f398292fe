// The segments of one view in memory: which image stands in which slot, and the postings of what is not sealed.

import Basics
import Foundation
import Synchronization

/// A segment as queries see it. A value: a query takes a copy and sees one moment.
struct Segment: Sendable {
    /// A slot whose snapshot was purged or is damaged.
    static let hole: Int64 = -1

    var id: SegmentRecord.ID
    var length: Int
    var sealed: Bool
    /// The file is shorter than the catalog says: nothing more is written to it.
    var frozen = false
    /// Image id by slot, or `hole`.
    var images: [Int64]
    /// While not sealed: postings by slot; nil where they must be made from the frame again.
    var summaries: [ImageSummary?] = []
    /// Bytes that `summaries` hold.
    var summaryBytes = 0
    /// When sealed and used at least once.
    var index: SegmentIndex?

    /// Postings must be made before a query can be answered.
    var lacksSummaries: Bool {
        !sealed && zip(images, summaries).contains { $0 != Segment.hole && $1 == nil }
    }
}

/// A class table in use. `answer` is good while the store's change count is `changes`.
struct KeptTable: Sendable {
    var table: ClassTable
    var changes: UInt64
    var answer: ClassTotals?
}

/// One view's part of the store. Shared by all threads.
final class ViewStore: Sendable {
    let record: ViewRecord
    let shape: SegmentHeader
    let folder: String
    let summarizers: Pool<Summarizer>

    struct Contents: Sendable {
        var segments: [Segment] = []
        /// Aggregates over all present images; nil until someone asks.
        var merged: Aggregates?
        /// Latents whose maxima in `merged` belonged to an image that went: to be found anew.
        var lostMaxima: Set<UInt32> = []
        var encoder: LatentEncoder?
    }
    let contents: Mutex<Contents>
    /// Held while open segments' postings are made again, so that it happens once.
    let rebuilding = NSLock()
    /// Class tables in use, and what each last answered with.
    let tables = Mutex<[ImageGroups.Kind: KeptTable]>([:])
    /// Held while one is corrected or made: before `rebuilding`, without `writer`.
    let tabling = NSLock()
    /// Zero-shot answers by head, then image.
    let answers = Mutex<[ContentHash: [Int64: Answer]]>([:])
    /// Held while images are asked about, so that each is once.
    let answering = NSLock()
    /// The embedding file in use.
    let embeddings = Mutex<KeptEmbeddings?>(nil)
    /// Held while it is read or extended: after `writer`, before `contents`.
    let embedding = NSLock()
    /// The strongest images of each latent, and of which moment.
    let strongest = Mutex<KeptStrongest?>(nil)
    /// Held while they are found: before `rebuilding`, without `writer`.
    let ranking = NSLock()

    init(record: ViewRecord, folder: String, segments: [Segment]) {
        self.record = record
        self.folder = folder
        let layout = record.layout, latents = record.latents
        shape = SegmentHeader(
            recipe: record.recipe, layout: layout, latents: latents,
            embeddingWidth: record.embeddingWidth, activationWidth: record.activationWidth)
        summarizers = Pool(keep: 2) { Summarizer(layout: layout, latents: latents) }
        contents = Mutex(Contents(segments: segments))
    }

    func path(_ segment: SegmentRecord.ID, _ ending: String) -> String { "\(folder)/\(segment).\(ending)" }

    var segments: [Segment] { contents.withLock { $0.segments } }
    var encoder: LatentEncoder? { contents.withLock { $0.encoder } }

    func update(_ id: SegmentRecord.ID, _ body: (inout Segment) -> Void) {
        contents.withLock { contents in
            if let at = contents.segments.firstIndex(where: { $0.id == id }) { body(&contents.segments[at]) }
        }
    }
}
