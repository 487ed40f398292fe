// Words for latents, and latents and images for words: through the text tower of the view's model.

import Basics
import CLIP
import Concepts
import Foundation
import Ingest
import Interventions
import SAE
import Store
import Wire
import WireNIO

extension Answers {
    /// Snapshots whose mean stream directions are carried from.
    private static let streamImages = 64
    /// Words whose text pass is one piece of work, and latents.
    private static let wordsAtOnce = 64
    private static let latentsNamedAtOnce = 512
    private static let componentsAtOnce = 32
    private static let namesAPart = 1000
    /// Up to here a page names all latents by itself, and the evidence of all is kept in memory.
    private static let namedByItself = 4096
    /// A latent that is active on fewer images is one image's, not a text's.
    private static let imagesOfFound = 3
    private static let foundMax = 1000

    func name(_ body: Saed_NameRequest, _ reply: ReplyStream) async throws {
        let plan = try view(body.view)
        if body.hasLatent { try check(latent: body.latent, plan) }
        let latents = body.hasLatent ? Int(body.latent)..<Int(body.latent) + 1 : 0..<plan.record.latents
        let (names, prepared) = try await named(latents, plan, words: body.words, candidates: body.top == 0 ? 5 : Int(body.top), reply)
        var answer = Saed_NameReply.with {
            $0.view = message(plan.name)
            $0.sure = UInt32(names.count(where: \.isSure))
            $0.silent = UInt32(names.count { $0.word.isEmpty })
            $0.unsure = UInt32(names.count) - $0.sure - $0.silent
            $0.words = UInt32(prepared.words.embeddings.words.count)
            $0.wordsSkipped = UInt32(prepared.words.skipped)
            $0.definitions = Naming.definitions
        }
        answer.images = try await blocking { UInt64(try self.store.counts(of: plan.record.id).images) }
        for part in names.pages(of: Answers.namesAPart) {
            answer.names = part.map(Saed_LatentName.init)
            try await reply.part(\.name, answer)
            answer = Saed_NameReply()
        }
    }

    /// What a view's latents are called; where it was never named, what they are called in the base view: the dictionary
    /// is the same.
    func knownNames(_ plan: ViewPlan) -> [UInt32: Saed_LatentName] {
        let own = names.known(plan)
        guard own.count < plan.record.latents, !plan.adapter.isBase else { return own }
        let base = registry.views.first { $0.adapter.isBase && $0.model.id == plan.model.id && $0.sae.id == plan.sae.id && $0.hook == plan.hook }
        return (base.map(names.known) ?? [:]).merging(own) { $1 }
    }

    /// Names all latents of a view for a page that shows them, unless they are named or too many.
    func nameForPages(_ plan: ViewPlan, _ reply: ReplyStream) async throws {
        guard knownNames(plan).count < plan.record.latents, plan.record.latents <= Answers.namedByItself else { return }
        _ = try await named(0..<plan.record.latents, plan, words: [], candidates: 5, reply)
    }

    private func named(
        _ latents: Range<Int>, _ plan: ViewPlan, words: [String], candidates: Int, _ reply: ReplyStream
    ) async throws -> ([LatentName], NameBook.Prepared) {
        let prepared = try await prepareNaming(plan, words: words, reply)
        var all: [LatentName] = []
        for first in stride(from: latents.lowerBound, to: latents.upperBound, by: Answers.latentsNamedAtOnce) {
            let block = first..<min(first + Answers.latentsNamedAtOnce, latents.upperBound)
            let evidence = try await evidence(of: block, plan, prepared)
            all += try await blocking { prepared.naming.names(evidence, candidates: candidates) }
            try await reply.progress(done: all.count, total: latents.count, what: "latents")
        }
        // Names from a list of one's own answer a question; the book has those of the list that ships.
        let made = all
        if words.isEmpty { try await blocking { self.names.keep(made, words: prepared.words.hash, plan) } }
        return (all, prepared)
    }

    private func evidence(of block: Range<Int>, _ plan: ViewPlan, _ prepared: NameBook.Prepared) async throws -> [LatentEvidence] {
        let directions = try await ingest.compute { library in try Answers.upperTower(plan, library).carried(block, by: prepared.carry) }
        return try await blocking {
            let table = try self.store.embeddings(in: plan.record.id)
            var evidence: [LatentEvidence] = []
            try self.concepts.namingEvidence(of: block, in: plan.record, table) { found throws(StoreError) in
                var item = found
                let place = (item.latent - block.lowerBound) * prepared.carry.projection
                item.direction = Array(directions[place..<place + prepared.carry.projection])
                evidence.append(item)
            }
            return evidence
        }
    }

    /// What a view's latents are named with: made once, and again where images have come or gone.
    private func prepareNaming(_ plan: ViewPlan, words: [String], _ reply: ReplyStream) async throws -> NameBook.Prepared {
        let words = try await self.words(words.isEmpty ? try shippedWords() : try WordList(words), plan.model, isKept: words.isEmpty, reply)
        let changes = store.changeCount, last = names.prepared(plan.record.id, words: words.hash)
        if let last, last.changes == changes { return last }
        let carry = try await self.carry(plan, reply)
        let prepared = try await blocking { () -> NameBook.Prepared in
            let table = try self.store.embeddings(in: plan.record.id)
            let gate = last.flatMap { $0.carry.values == carry.values ? $0.naming.gate : nil } ?? Naming.gate(words.embeddings, randomDirections: carry.carryRandom(count: Naming.randomDirections, seed: Answers.defaultSeed))
            let naming = Naming(words: words.embeddings, gate: gate, images: ImageMoments(table))
            return NameBook.Prepared(words: words, naming: naming, carry: carry, changes: changes)
        }
        names.keep(prepared, plan.record.id)
        return prepared
    }

    /// Where directions lead, from the mean stream of images spread over the view: made again while it has few.
    private func carry(_ plan: ViewPlan, _ reply: ReplyStream) async throws -> CarryMatrix {
        let present = try await blocking { try self.store.embeddings(in: plan.record.id).count }
        if let known = names.carry(plan.record.id), known.images >= min(present, Answers.streamImages) { return known.matrix }
        let images = try await blocking { () -> [SparseRows] in
            let all = try self.store.embeddings(in: plan.record.id).images
            guard !all.isEmpty else {
                throw WireFailure(.failedPrecondition, "no image has a snapshot in '\(plan.name)' yet", remedy: "add some first: saectl add PATH... --wait")
            }
            let count = min(all.count, Answers.streamImages)
            return try (0..<count).compactMap { try self.store.snapshot(of: all[$0 * all.count / count], in: plan.record.id)?.latents }
        }
        guard !images.isEmpty else { throw WireFailure(.unavailable, "the images of '\(plan.name)' went away", remedy: "ask again") }
        let stream = try await ingest.compute { library in try Answers.upperTower(plan, library).meanStream(images) }
        var rows: [Float] = []
        // New images and other questions come in between.
        for first in stride(from: 0, to: plan.record.activationWidth, by: Answers.componentsAtOnce) {
            try await reply.progress(done: first, total: plan.record.activationWidth, what: "directions through the tower")
            let part = first..<min(first + Answers.componentsAtOnce, plan.record.activationWidth)
            rows += try await ingest.compute { library in try Answers.upperTower(plan, library).carryRows(part, on: stream) }
        }
        let made = CarryMatrix(width: plan.record.activationWidth, projection: rows.count / plan.record.activationWidth, values: rows)
        names.keep(made, images: images.count, plan.record.id)
        return made
    }

    // MARK: Words

    private func shippedWords() throws -> WordList {
        guard let folder = Embedded.folder(), let text = try? String(contentsOfFile: folder + "/words/visual.txt", encoding: .utf8) else {
            throw WireFailure(.failedPrecondition, "the list of words that comes with saed was not found", remedy: "set SAED_MODELS to its models folder, or give a list: --words FILE")
        }
        return try WordList(text: text)
    }

    /// A list through a model's text tower; its features are kept in the catalog.
    /// - Parameter isKept: in the catalog, beyond this run.
    private func words(_ list: WordList, _ model: ModelRecord, isKept: Bool, _ reply: ReplyStream) async throws -> NameBook.Words {
        let hash = ContentHash(of: "words of \(model.contentHash)\n" + (Naming.templates + list.words).joined(separator: "\n"))
        if let known = names.words(hash) { return known }
        let place = ModelPlace(model)
        let tokenizer = try await ingest.compute { library in try library.model(place).tokenizer() }
        let known = list.words.filter(tokenizer.knows)
        guard known.count > 1 else {
            throw WireFailure(
                .invalidArgument, "model '\(model.name)' knows \(known.count) of \(list.words.count) words; its vocabulary only spells the others",
                remedy: "give words that its captions had: --words FILE")
        }
        var features = try store.catalog.textFeatures(model: model.contentHash, list: hash) ?? []
        let width = features.count / known.count
        if features.isEmpty || width * known.count != features.count {
            features = []
            for part in known.pages(of: Answers.wordsAtOnce) {
                try await reply.progress(done: features.isEmpty ? 0 : known.firstIndex(of: part[part.startIndex]) ?? 0, total: known.count, what: "words")
                features += try await ingest.compute { library in
                    try ZeroShotHead(model: library.model(place), classes: Array(part), templates: Naming.templates).features
                }
            }
            let made = features
            if isKept { try await blocking { try self.store.catalog.keepTextFeatures(made, model: model.contentHash, list: hash) } }
        }
        let words = NameBook.Words(
            embeddings: try WordEmbeddings(
                words: known, tokens: known.map { tokenizer.tokens($0).count }, embeddings: features, width: features.count / known.count),
            skipped: list.words.count - known.count, hash: hash)
        names.keep(words)
        return words
    }

    // MARK: find

    func find(_ body: Saed_FindRequest, _ reply: ReplyStream) async throws -> Saed_FindReply {
        let plan = try view(body.view)
        let text = try await embedded(body.text, plan, templates: ["{}"])
        let top = body.top == 0 ? 10 : Int(body.top)
        guard top <= Answers.foundMax else { throw WireFailure(.invalidArgument, "\(top) latents and images", remedy: "ask for at most \(Answers.foundMax)") }
        let (latents, definition) = try await latents(for: body.text, plan, top: top, reply)
        return try await blocking {
            let found = try self.concepts.find(text, in: plan.record, FindQuery(top: top))
            let known = self.knownNames(plan), aggregates = try self.store.aggregates(in: plan.record.id)
            return try .with {
                $0.view = self.message(plan.name)
                $0.text = body.text
                $0.latents = try latents.hits.map { hit in
                    let own = aggregates.latents[hit.latent]
                    return try .with {
                        $0.latent = UInt32(hit.latent)
                        $0.score = hit.score
                        $0.deviations = hit.deviations
                        $0.frequency = aggregates.images > 0 ? Double(own.patchImages) / Double(aggregates.images) : 0
                        $0.mean = own.patchImages > 0 ? own.patchMeanSum(plan.record.layout) / Double(own.patchImages) : 0
                        if let name = known[UInt32(hit.latent)] { $0.name = name }
                        if let best = try self.concepts.imagesByLatent(hit.latent, in: plan.record, LatentQuery(top: 1)).first {
                            $0.top = try self.message(best, latent: hit.latent, rank: 1)
                        }
                    }
                }
                $0.images = try found.images.enumerated().compactMap { place, hit in
                    guard let record = try self.store.image(.init(rawValue: hit.imageNumber)) else { return nil }
                    return try .with {
                        $0.image = try self.message(record)
                        $0.score = hit.score
                        $0.rank = UInt32(place + 1)
                        $0.deviations = hit.deviations
                    }
                }
                $0.meanLatentScore = latents.mean
                $0.meanImageScore = found.meanImageScore
                $0.definitions = [
                    definition,
                    "images: cosine of the text's and the image's embedding; of \(found.imagesCompared) images",
                    "SD: standard deviations above the mean over all latents, or images: what a text that fits nothing reaches is the control",
                ]
            }
        }
    }

    private struct RankedLatents: Sendable {
        var hits: [(latent: Int, score: Double, deviations: Double)]
        var mean: Double
    }

    /// By the score that names are given by, where the evidence of all latents fits memory; else by the embeddings of the
    /// latents' strongest images, which the store has at hand.
    private func latents(for text: String, _ plan: ViewPlan, top: Int, _ reply: ReplyStream) async throws -> (RankedLatents, String) {
        let embedded = try await embedded(text, plan, templates: Naming.templates)
        guard plan.record.latents <= Answers.namedByItself else {
            return try await blocking {
                let found = try self.concepts.find(embedded, in: plan.record, FindQuery(top: top))
                return (
                    RankedLatents(hits: found.latents.map { ($0.latent, $0.score, $0.deviations) }, mean: found.meanLatentScore),
                    "latents: cosine of the text's embedding with the mean embedding of the latent's strongest images less that of all images; of \(found.latentsCompared) latents"
                )
            }
        }
        let prepared = try await prepareNaming(plan, words: [], reply)
        var kept = names.evidence(plan.record.id, changes: prepared.changes)
        if kept == nil {
            let made = try await evidence(of: 0..<plan.record.latents, plan, prepared)
            names.keep(made, changes: prepared.changes, plan.record.id)
            kept = made
        }
        let alive = (kept ?? []).filter { $0.active >= Answers.imagesOfFound }
        return try await blocking {
            let scores = prepared.naming.scores(of: embedded, alive)
            let mean = scores.reduce(0, +) / Double(max(1, scores.count))
            let deviation = (scores.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, scores.count))).squareRoot()
            let order = alive.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }.prefix(top)
            return (
                RankedLatents(hits: order.map { (alive[$0].latent, scores[$0], deviation > 0 ? (scores[$0] - mean) / deviation : 0) }, mean: mean),
                "latents: c + r, as saectl name has them, of the text in its templates; of \(alive.count) latents that are active on \(Answers.imagesOfFound) images or more"
            )
        }
    }

    /// A text's embedding, unit length.
    private func embedded(_ text: String, _ plan: ViewPlan, templates: [String]) async throws -> [Float] {
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !text.isEmpty else { throw WireFailure(.invalidArgument, "the text is empty", remedy: "say what to look for: saectl find \"a red star\"") }
        let place = ModelPlace(plan.model)
        return try await ingest.compute { library in
            let model = try library.model(place), tokenizer = try model.tokenizer()
            let unknown = tokenizer.unknownWords(in: text)
            guard unknown.isEmpty else {
                throw WireFailure(
                    .invalidArgument, "model '\(place.name)' never learned \(unknown.map { "'\($0)'" }.joined(separator: ", ")): its vocabulary only spells it",
                    remedy: "use words of its captions; saectl classes lists some")
            }
            let tokens = (templates + Naming.templates).map { tokenizer.tokens(TemplateSet.prompt($0, class: text)).count }.max() ?? 0
            guard tokens <= tokenizer.contextLength - 2 else {
                throw WireFailure(.invalidArgument, "the text has \(tokens) tokens in its sentence, the model reads \(tokenizer.contextLength - 2)", remedy: "say it shorter")
            }
            return try ZeroShotHead(model: model, classes: [text], templates: templates).features
        }
    }
}
