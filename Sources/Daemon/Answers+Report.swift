// The report of an adaptation: what compare, remap, disagree, latent and explain answer, on one page.

import Basics
import CLIP
import Concepts
import Foundation
import Imaging
import Ingest
import Interventions
import Pages
import Store
import Wire
import WireNIO

extension Answers {
    private static let sheetImages = 8
    private static let changesListed = 60
    private static let movesListed = 8
    private static let answersListed = 5
    private static let shownMax: UInt32 = 200

    func report(_ body: Saed_ReportRequest, _ reply: ReplyStream) async throws {
        guard max(body.latents, body.images) <= Answers.shownMax else {
            throw WireFailure(.invalidArgument, "\(body.latents) latents, \(body.images) images", remedy: "a report shows at most \(Answers.shownMax) of each")
        }
        let (base, adapted) = try views(body.base, body.adapted)
        let remap = try await remapAnswer(
            .with {
                $0.base = body.base
                $0.adapted = body.adapted
                if body.hasDataset { $0.dataset = body.dataset }
                if body.hasSeed { $0.seed = body.seed }
                $0.controlSae = body.controlSae
                $0.noAblation = body.noAblation
                $0.top = UInt32(Answers.movesListed)
            }, latents: Int.max, reply)
        let comparison = try await blocking {
            try self.compare(.with { $0.base = body.base; $0.adapted = body.adapted; if body.hasDataset { $0.dataset = body.dataset } })
        }
        let (head, before, after) = try await answers(base, adapted)
        guard let baseHead = try await classifier.head(for: base) else { throw noClasses(base) }
        guard baseHead.classes == head.classes else { throw WireFailure(.unavailable, "the class list changed just now", remedy: "ask again") }
        try await reply.progress(done: 0, total: 0, what: "images that changed")
        let changed = try await blocking {
            let scope = try self.scope(label: nil, dataset: body.hasDataset ? body.dataset : nil)
            var found = self.concepts.disagreements(before, after, classes: head.classes, images: scope.images)
            // As all figures of the page: of images whose label is a class.
            let labels = self.store.labels(of: Set(found.differing.map(\.image))), names = ClassNames(head.classes)
            found.differing.removeAll { labels[$0.image].flatMap(names.place) == nil }
            return found
        }
        try await nameForPages(adapted, reply)
        var page = reportData(remap, comparison, adapted)
        page.seesTheSame = seeTheSame(base, adapted) != nil
        var images = PageImages()
        page.changedTotal = changed.differing.count
        page.fixed = changed.fixed
        page.broken = changed.broken
        page.changed = Answers.mixed(changed, most: Answers.changesListed).map { item in
            ReportChange(
                image: images.place(of: item.image), baseAnswer: head.classes[Int(item.base.index)], adaptedAnswer: head.classes[Int(item.adapted.index)],
                baseProbability: Double(item.base.probability), adaptedProbability: Double(item.adapted.probability), baseRight: item.baseRight,
                adaptedRight: item.adaptedRight)
        }

        // One after the other: each runs what lies above the hook.
        let shown = Answers.mixed(changed, most: body.images == 0 ? 24 : Int(body.images))
        var carried: [UInt32: Double] = [:]
        for (done, item) in shown.enumerated() {
            let viewed = try await viewerImage(item.image, (base, baseHead), (adapted, head))
            for (latent, contribution) in viewed?.explanation?.latents ?? [] { carried[latent, default: 0] += abs(contribution) }
            if let viewed { page.viewer.append(viewed) }
            try await reply.progress(done: done + 1, total: shown.count, what: "explaining images")
        }

        try await reply.progress(done: 0, total: 0, what: "sheets")
        let wanted = body.latents == 0 ? 24 : Int(body.latents), noted = images, partial = page, weights = carried
        let made = try await blocking { () -> (html: [UInt8], page: ReportData, shown: Int) in
            var page = partial, images = noted
            let shown = try self.addSheets(to: &page, most: wanted, carried: weights, base, adapted, &images)
            page.images = try self.pageImages(images, Preprocessor(adapted.facts.preprocess))
            return (ReportPage(page).html(), page, shown)
        }
        try await reply.part(
            \.report,
            .with {
                $0.base = message(base.name)
                $0.adapted = message(adapted.name)
                $0.scope = remap.scope
                $0.summary = made.page.summary
                $0.images = remap.images
                $0.classes = UInt32(remap.classes.count)
                $0.latents = UInt32(made.shown)
                $0.imagesShown = UInt32(made.page.viewer.count)
                $0.bytes = UInt64(made.html.count)
                $0.notes = made.page.notes
            })
        try await send(made.html, as: "html", reply)
    }

    /// Of each kind of change a share: those that became wrong, those that became right, the others.
    private static func mixed(_ changed: Disagreements, most: Int) -> [Disagreement] {
        let kinds = [
            changed.differing.filter(\.baseRight), changed.differing.filter(\.adaptedRight), changed.differing.filter { !$0.baseRight && !$0.adaptedRight },
        ]
        var left = most, counts = [0, 0, 0]
        while left > 0, let kind = kinds.indices.filter({ counts[$0] < kinds[$0].count }).min(by: { counts[$0] < counts[$1] }) {
            counts[kind] += 1
            left -= 1
        }
        return kinds.indices.flatMap { kinds[$0].prefix(counts[$0]) }
    }

    // MARK: Parts of the page

    private func reportData(_ remap: Saed_RemapReply, _ comparison: Saed_CompareReply, _ plan: ViewPlan) -> ReportData {
        let places = Dictionary(remap.classes.enumerated().map { ($1.label, $0) }, uniquingKeysWith: { first, _ in first })
        var page = ReportData(
            base: name(remap.base), adapted: name(remap.adapted), scope: remap.scope, rows: plan.record.layout.rows, columns: plan.record.layout.columns,
            k: Int(remap.k),
            accuracy: ReportAccuracy(
                images: Int(remap.images), leftOut: Int(remap.leftOut), base: remap.baseAccuracy, baseInterval: interval(remap.baseInterval, remap.hasBaseInterval),
                adapted: remap.adaptedAccuracy, adaptedInterval: interval(remap.adaptedInterval, remap.hasAdaptedInterval),
                changeInterval: interval(remap.changeInterval, remap.hasChangeInterval)),
            classes: remap.classes.map { row in
                ReportClass(
                    label: row.label, images: Int(row.images), baseAccuracy: row.baseAccuracy, adaptedAccuracy: row.adaptedAccuracy,
                    changeInterval: interval(row.changeInterval, row.hasChangeInterval), overlap: row.overlap, cosine: row.cosine, kept: Int(row.kept),
                    reassigned: Int(row.reassigned), newlyUsed: Int(row.newlyUsed), left: Int(row.left),
                    groups: [row.staysHigh, row.staysLow, row.rises, row.falls].map(Int.init),
                    moves: row.moves.map { ReportMove(latent: $0.latent, baseRank: Int($0.baseRank), adaptedRank: Int($0.adaptedRank)) })
            })
        page.latents = remap.latents.map { row in
            ReportLatent(
                latent: row.latent, left: row.left.compactMap { places[$0] }, joined: row.joined.compactMap { places[$0] },
                classesBefore: Int(row.classesBefore), classesAfter: Int(row.classesAfter), cosine: row.cosine)
        }
        page.figures = remap.figures.map { row in
            ReportFigures(
                what: row.what, overlap: row.overlap, overlapInterval: interval(row.overlapInterval, row.hasOverlapInterval), cosine: row.cosine,
                reassigned: row.reassigned, newlyUsed: row.newlyUsed, left: row.left,
                groups: row.groups.map {
                    ReportGroup(
                        group: $0.group, meanSize: $0.meanSize, correlation: $0.hasCorrelation ? $0.correlation : nil,
                        correlationInterval: interval($0.correlationInterval, $0.hasCorrelationInterval))
                })
        }
        page.explained = remap.explained.map {
            ReportShare(
                group: $0.group, latents: $0.latents == 0 ? nil : Int($0.latents), accuracyWithout: $0.accuracyWithout, share: $0.hasShare ? $0.share : nil,
                shareInterval: interval($0.shareInterval, $0.hasShareInterval))
        }
        page.overlap = comparison.overlap.map {
            ReportOverlap(k: Int($0.k), share: $0.share, expectedByChance: $0.expectedByChance, control: $0.hasControl ? $0.control : nil, sameImages: $0.hasSameImages ? $0.sameImages : nil)
        }
        page.definitions = remap.definitions + comparison.definitions.prefix(1)
        page.control = remap.control.text
        page.notes = remap.notes
        page.made = pageMade
        return page
    }

    private func name(_ name: Saed_ViewName) -> String { "\(name.model)/\(name.adapter)/\(name.sae)" }

    private func interval(_ interval: Saed_Interval, _ isThere: Bool) -> PageInterval? {
        isThere ? PageInterval(low: interval.low, high: interval.high) : nil
    }

    /// nil where its snapshots went away meanwhile.
    private func viewerImage(
        _ id: ImageRecord.ID, _ base: (plan: ViewPlan, head: ViewHead), _ adapted: (plan: ViewPlan, head: ViewHead)
    ) async throws -> ViewerImage? {
        let read = try await blocking { () -> (image: ImageRecord, base: StoredImage, adapted: StoredImage, picture: PagePicture?)? in
            guard let image = try self.store.image(id), try self.store.hasSnapshot(of: id, in: base.plan.record.id),
                try self.store.hasSnapshot(of: id, in: adapted.plan.record.id)
            else { return nil }
            let picture = self.pagePicture(of: image, side: PageImages.viewerSide, Preprocessor(adapted.plan.facts.preprocess))
            guard let before = try? self.stored(image, base.plan), let after = try? self.stored(image, adapted.plan) else { return nil }
            return (image, before, after, picture)
        }
        guard let (image, before, after, picture) = read else { return nil }
        let found = try await ingest.compute { library -> (Explanation, base: ClassAnswer, adapted: ClassAnswer) in
            let upper = try Answers.upperTower(adapted.plan, adapted.head, after, library), lower = try Answers.upperTower(base.plan, base.head, before, library)
            let answers = (base: try lower.answer(before.embedding), adapted: try upper.answer(after.embedding))
            let metric = try LogitDifference(adapted: answers.adapted, base: answers.base)
            return (try upper.explain(after, from: lower, before, metric: metric), answers.base, answers.adapted)
        }
        func side(_ stored: StoredImage, _ answer: ClassAnswer, _ head: ViewHead) -> ViewerSide {
            ViewerSide(
                answers: message(answer.logits, head, top: Answers.answersListed).map { .init(name: $0.name, probability: $0.probability) },
                latents: stored.latents)
        }
        let explanation = found.0
        return ViewerImage(
            path: pagePath(image), label: image.label, picture: picture, base: side(before, found.base, base.head),
            adapted: side(after, found.adapted, adapted.head),
            explanation: ViewerExplanation(
                className: adapted.head.classes[explanation.metric.class], against: adapted.head.classes[explanation.metric.against],
                change: explanation.total, parts: Answers.parts(explanation.parts).map { ($0.part, $0.change) },
                latents: explanation.latents.prefix(8).map { ($0.latent, $0.total) }, patches: explanation.patchTotals))
    }

    /// Gives the latents that matter their figures and sheets: those that changed most classes, then those that carry most
    /// of the explained images' changes.
    /// - Returns: how many have one.
    private func addSheets(
        to page: inout ReportData, most: Int, carried: [UInt32: Double], _ base: ViewPlan, _ adapted: ViewPlan, _ images: inout PageImages
    ) throws -> Int {
        let moved = page.latents.map(\.latent)
        let strongest = carried.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
        var chosen: [UInt32] = []
        for (first, second) in zip(moved.prefix(most), strongest.prefix(most)) where chosen.count < most { for latent in [first, second] where !chosen.contains(latent) { chosen.append(latent) } }
        for latent in moved + strongest where chosen.count < most && !chosen.contains(latent) { chosen.append(latent) }
        let latents = Array(chosen.prefix(most))
        func figures(_ plan: ViewPlan) throws -> [LatentFigures] {
            let statistics = try concurrently(latents) { try concepts.latentStatistics(Int($0), in: plan.record, LatentQuery(top: Answers.sheetImages)) }
            return try self.figures(of: statistics, plan, images: &images)
        }
        let before = try figures(base), after = try figures(adapted)
        let known = knownNames(adapted), places = Dictionary(uniqueKeysWithValues: page.latents.enumerated().map { ($1.latent, $0) })
        for (place, latent) in latents.enumerated() {
            var row = places[latent].map { page.latents[$0] } ?? ReportLatent(latent: latent)
            row.base = before[place]
            row.adapted = after[place]
            if let at = places[latent] { page.latents[at] = row } else { page.latents.append(row) }
        }
        for place in page.latents.indices { page.latents[place].name = known[page.latents[place].latent].flatMap(pageName) }
        // Whatever the viewer may name.
        let named = Set(page.latents.map(\.latent))
        let others = Set(page.viewer.flatMap { $0.base.latents.indices + $0.adapted.latents.indices }).subtracting(named)
        page.latents += others.sorted().compactMap { latent in
            known[latent].flatMap(pageName).map { ReportLatent(latent: latent, name: $0) }
        }
        return latents.count
    }
}
