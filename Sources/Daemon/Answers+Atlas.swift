// The atlas of a view: every latent that is active anywhere, on one page.

import Basics
import Concepts
import Foundation
import Imaging
import Ingest
import Pages
import Store
import Wire
import WireNIO

extension Answers {
    private static let latentsAtOnce = 256
    private static let sheetImagesMax = 100_000

    func atlas(_ body: Saed_AtlasRequest, _ reply: ReplyStream) async throws {
        let plan = try view(body.view)
        guard body.images <= 32 else { throw WireFailure(.invalidArgument, "\(body.images) images a latent", remedy: "ask for at most 32") }
        let alive = try await blocking { () -> [Int] in
            let aggregates = try self.store.aggregates(in: plan.record.id)
            return aggregates.latents.indices.filter { aggregates.latents[$0].patchImages > 0 || aggregates.latents[$0][.class].active > 0 }
        }
        guard !alive.isEmpty else {
            throw WireFailure(.failedPrecondition, "no latent of '\(plan.name)' is active on any image", remedy: "add images first: saectl add PATH... --wait")
        }
        let each = body.images == 0 ? AtlasData.imagesEach(latents: alive.count, images: store.imageCount) : Int(body.images)
        guard each * alive.count <= Answers.sheetImagesMax else {
            throw WireFailure(.invalidArgument, "\(each) images for each of \(alive.count) latents", remedy: "ask for fewer: \(Answers.sheetImagesMax) in all fit a page")
        }
        var page = AtlasData(
            view: plan.name.description, imagesSeen: 0, dictionary: plan.record.latents, silent: plan.record.latents - alive.count,
            rows: plan.record.layout.rows, columns: plan.record.layout.columns, latents: [], images: [])
        var images = PageImages()
        try await nameForPages(plan, reply)
        let known = knownNames(plan)
        for part in alive.pages(of: Answers.latentsAtOnce) {
            let noted = images
            let (rows, seen, after) = try await blocking { () -> ([AtlasLatent], Int, PageImages) in
                var images = noted
                let statistics = try concurrently(Array(part)) { try self.concepts.latentStatistics($0, in: plan.record, LatentQuery(top: each)) }
                let figures = try self.figures(of: statistics, plan, images: &images)
                let rows = zip(statistics, figures).map { statistics, figures in
                    func frequency(_ kind: String) -> Double? { statistics.kinds.first { $0.kind == kind }?.frequency }
                    return AtlasLatent(
                        latent: UInt32(statistics.latent), name: known[UInt32(statistics.latent)].flatMap(self.pageName), figures: figures,
                        classFrequency: frequency("class"), patchFrequency: frequency("patch"))
                }
                return (rows, statistics.first?.images ?? 0, images)
            }
            page.latents += rows
            page.imagesSeen = seen
            images = after
            try await reply.progress(done: page.latents.count, total: alive.count, what: "latents")
        }
        page.definitions = [
            "frequency: share of images with a mean over the patches above 0; mean: over those images; peak: the strongest patch",
            "entropy: of the labels' shares of the summed image means, in nats; a latent's images are those with the largest mean",
        ]
        if known.isEmpty { page.notes.append("latents have no names yet: saectl name --all --view \(plan.name)") }
        page.made = pageMade
        try await reply.progress(done: 0, total: 0, what: "pictures")
        let all = page, noted = images
        let made = try await blocking { () -> (html: [UInt8], page: AtlasData) in
            var page = all
            page.images = try self.pageImages(noted, Preprocessor(plan.facts.preprocess))
            return (AtlasPage(page).html(), page)
        }
        try await reply.part(
            \.atlas,
            .with {
                $0.view = message(plan.name)
                $0.latents = UInt32(made.page.latents.count)
                $0.named = UInt32(made.page.latents.count(where: { $0.name?.isSure == true }))
                $0.images = UInt64(made.page.imagesSeen)
                $0.bytes = UInt64(made.html.count)
                $0.notes = made.page.notes
            })
        try await send(made.html, as: "html", reply)
    }
}
