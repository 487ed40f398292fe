// What pages show of images: each thumbnail once, and the values of latents over an image's patches, each snapshot read
// once whatever the number of latents that want it.

import Basics
import Concepts
import Foundation
import Imaging
import Ingest
import Pages
import Store
import Synchronization
import Wire

/// The images of a page, in the order in which they were first wanted.
struct PageImages {
    static let viewerSide = 384

    private(set) var images: [ImageRecord.ID] = []
    private var places: [ImageRecord.ID: Int] = [:]

    mutating func place(of image: ImageRecord.ID) -> Int {
        if let known = places[image] { return known }
        images.append(image)
        places[image] = images.count - 1
        return images.count - 1
    }
}

extension Answers {
    /// The thumbnails of a page.
    func pageImages(_ images: PageImages, _ preprocessor: Preprocessor) throws -> [PageImage] {
        let side = AtlasData.thumbnailSide(pictures: images.images.count)
        return try concurrently(images.images) { id in
            guard let record = try store.image(id) else { return PageImage(path: "(gone)") }
            return PageImage(path: pagePath(record), label: record.label, picture: pagePicture(of: record, side: side, preprocessor))
        }
    }

    func pagePath(_ image: ImageRecord) -> String { image.path ?? image.hash.short }

    /// nil where its file is gone, or the decoder refuses it by now: the page says so.
    func pagePicture(of image: ImageRecord, side: Int, _ preprocessor: Preprocessor) -> PagePicture? {
        guard let small = try? picture(of: image, sideMax: side), let bytes = encodeWebP(small) else { return nil }
        return PagePicture(
            bytes: bytes, width: small.width, height: small.height, visible: preprocessor.visibleRect(width: small.width, height: small.height))
    }

    /// Figures of latents with their sheets. Thumbnails are noted in `images`.
    func figures(of statistics: [LatentStatistics], _ plan: ViewPlan, images: inout PageImages) throws -> [LatentFigures] {
        var wanted: [ImageRecord.ID: [Int]] = [:]
        for item in statistics { for image in item.topImages { wanted[.init(rawValue: image.imageNumber), default: []].append(item.latent) } }
        let ids = wanted.keys.sorted(), latentsOf = wanted
        let read = try concurrently(ids) { id -> [Int: [Float]] in
            guard let snapshot = try store.snapshot(of: id, in: plan.record.id) else { return [:] }
            let latents = latentsOf[id] ?? []
            return Dictionary(
                latents.map { latent in
                    (latent, plan.record.layout.tokens(of: .patch).map { snapshot.latents.value(row: $0, column: UInt32(latent)) })
                }, uniquingKeysWith: { first, _ in first })
        }
        let grids = Dictionary(uniqueKeysWithValues: zip(ids, read))
        return statistics.map { item in
            let patches = item.means.first { $0.scope == .patches }
            return LatentFigures(
                imagesActive: patches?.images ?? 0, frequency: patches?.share ?? 0, mean: patches?.meanActivation,
                peak: item.kinds.first { $0.kind == "patch" }?.max ?? 0, entropyTop: item.topLabels.entropy, entropy: item.allLabels.entropy,
                labels: item.allLabels.labels.prefix(5).map { PageLabelShare(label: $0.label, share: $0.share) },
                sheet: item.topImages.compactMap { image in
                    let id = ImageRecord.ID(rawValue: image.imageNumber)
                    // One that went away in between is left out.
                    guard let grid = grids[id]?[item.latent] else { return nil }
                    return SheetImage(image: images.place(of: id), mean: image.mean, peak: image.peak, grid: grid)
                })
        }
    }

    func pageName(_ name: Saed_LatentName) -> PageName? {
        name.word.isEmpty ? nil : PageName(word: name.word, isSure: name.sure, score: name.score, reason: name.reason)
    }

    /// At the foot of a page.
    var pageMade: String {
        "saed \(SaedVersion.current), \(Date().formatted(.iso8601.dateSeparator(.dash).year().month().day().time(includingFractionalSeconds: false).timeSeparator(.colon)))"
    }
}

/// `body` of every item on all cores, in order. For threads that may block.
func concurrently<Item: Sendable, Result: Sendable>(_ items: [Item], _ body: @Sendable (Item) throws -> Result) throws -> [Result] {
    let results = Mutex<[Int: Swift.Result<Result, any Error>]>([:])
    let cancellation = Cancellation.current ?? Cancellation()
    DispatchQueue.concurrentPerform(iterations: items.count) { place in
        let result = Swift.Result { try cancellation.run { try body(items[place]) } }
        results.withLock { $0[place] = result }
    }
    let all = results.withLock { $0 }
    return try items.indices.compactMap { try all[$0]?.get() }
}
