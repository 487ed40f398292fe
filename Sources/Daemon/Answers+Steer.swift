// What if: an image's latents scaled or set by hand, and what the view answers then, and the model's other views.

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
    /// Random edits that stand beside the chosen ones.
    private static let randomEdits = 16
    private static let editsMax = 4096

    func steer(_ body: Saed_SteerRequest) async throws -> Saed_SteerReply {
        let plan = try view(body.view)
        let image = try await blocking { try self.image(body.image) }
        let edits = try body.edits.map(edit)
        guard (1...Answers.editsMax).contains(edits.count) else {
            throw WireFailure(.invalidArgument, "\(edits.count) edits", remedy: "give 1 to \(Answers.editsMax): --latent N[:R,C] --scale S or --to V")
        }
        for edit in edits { try check(latent: edit.latent, plan) }
        let others = try await blocking { try self.otherViews(of: plan, with: image) }
        var views: [Saed_SteeredView] = []
        for plan in [plan] + others { views.append(try await steer(image, plan, edits, body)) }
        return try .with {
            $0.image = try message(image)
            $0.views = views
            $0.errorTerm = body.errorTerm
            $0.definitions = [
                body.errorTerm
                    ? "the stream at the hook plus the edits, through what lies above it" : "the SAE's reconstruction plus the edits, through what lies above the hook; 'before' is the same without edits",
                "an edit without a place is of the class token and all patches; prompt tokens are never edited; scale multiplies, to sets, also where the latent is silent",
                "moved: half the sum of the probabilities' changes, 0 to 1; control: the mean over \(Answers.randomEdits) edits as large of random latents that are active in the image, on the same tokens",
            ]
            let silent = views.first?.latents.filter { $0.tokens == 0 }.map { "\($0.latent)" } ?? []
            if !silent.isEmpty {
                $0.notes.append("nothing changes for latent \(silent.joined(separator: ", ")): it is silent there, or has that value already; --to sets a silent latent")
            }
        }
    }

    /// Active views of the same model and SAE that have the image. A control is no other answer.
    private func otherViews(of plan: ViewPlan, with image: ImageRecord) throws -> [ViewPlan] {
        try registry.views.filter {
            $0.name != plan.name && $0.model.id == plan.model.id && $0.sae.id == plan.sae.id && $0.hook == plan.hook
        }.filter { try store.hasSnapshot(of: image.id, in: $0.record.id) }
    }

    private func edit(_ edit: Saed_LatentEdit) throws -> LatentEdit {
        let place: LatentEdit.Place =
            switch edit.place {
            case nil: .everywhere
            case .classToken: .classToken
            case .patch(let patch): .patch(row: Int(patch.row), column: Int(patch.column))
            }
        switch edit.change {
        case .scale(let factor): return LatentEdit(latent: edit.latent, place: place, change: .scale(factor))
        case .to(let value): return LatentEdit(latent: edit.latent, place: place, change: .to(value))
        case nil: throw WireFailure(.invalidArgument, "latent \(edit.latent) has no change", remedy: "give --scale S or --to V")
        }
    }

    private func steer(_ image: ImageRecord, _ plan: ViewPlan, _ edits: [LatentEdit], _ body: Saed_SteerRequest) async throws -> Saed_SteeredView {
        guard let head = try await classifier.head(for: plan) else { throw noClasses(plan) }
        let stored = body.errorTerm ? try await storedWithActivations(image, plan).image : try await blocking { try self.snapshot(image, plan) }
        let changes = try await blocking { try LatentChanges(edits, of: stored.latents, layout: plan.record.layout) }
        let active = RandomLatents.active(in: [stored.latents.slice(rows: 0..<1 + plan.record.layout.patches)])
        let seed = body.hasSeed ? body.seed : Answers.defaultSeed, term = body.errorTerm ? ErrorTerm.kept : .dropped
        let (answer, standIns) = try await ingest.compute { library in
            let upper = try Answers.upperTower(plan, head, library)
            return (try upper.answer(stored.embedding), try upper.standIns(for: changes, from: active, count: Answers.randomEdits, seed: seed))
        }
        // Where the text side depends on the image each variant is a text pass of all classes: others come in between.
        var steered: SteeredAnswers?
        for some in ([changes] + standIns).pages(of: head.head == nil ? 1 : 1 + standIns.count) {
            let part = try await ingest.compute { library in try Answers.upperTower(plan, head, library).steer(stored, Array(some), error: term) }
            steered = SteeredAnswers(before: part.before, after: (steered?.after ?? []) + part.after)
        }
        guard let steered else { throw CancellationError() }
        let before = ZeroShotHead.probabilities(steered.before.logits)
        let after = ZeroShotHead.probabilities(steered.after[0].logits)
        func moved(_ other: [Float]) -> Double { zip(before, other).reduce(0) { $0 + Double(abs($1.0 - $1.1)) } / 2 }
        let random = steered.after.dropFirst().map { moved(ZeroShotHead.probabilities($0.logits)) }
        let order = before.indices.sorted { (max(before[$0], after[$0]), $1) > (max(before[$1], after[$1]), $0) }
        let known = knownNames(plan)
        return .with {
            $0.view = message(plan.name)
            $0.answer = head.classes[answer.best]
            $0.probability = Double(ZeroShotHead.probabilities(answer.logits)[answer.best])
            $0.answerBefore = head.classes[steered.before.best]
            $0.answerAfter = head.classes[steered.after[0].best]
            $0.classes = order.prefix(body.top == 0 ? 5 : Int(body.top)).map { place in
                .with {
                    $0.name = head.classes[place]
                    $0.probabilityBefore = Double(before[place])
                    $0.probabilityAfter = Double(after[place])
                    $0.logitBefore = Double(steered.before.logits[place])
                    $0.logitAfter = Double(steered.after[0].logits[place])
                }
            }
            $0.latents = steeredLatents(edits, changes, stored, plan, known)
            $0.moved = moved(after)
            $0.movedRandom = random.isEmpty ? 0 : random.reduce(0, +) / Double(random.count)
            $0.randomEdits = UInt32(random.count)
        }
    }

    private func steeredLatents(
        _ edits: [LatentEdit], _ changes: LatentChanges, _ stored: StoredImage, _ plan: ViewPlan, _ known: [UInt32: Saed_LatentName]
    ) -> [Saed_SteeredLatent] {
        var order: [UInt32] = [], seen: Set<UInt32> = [], tokens: [UInt32: Int] = [:], change: [UInt32: Double] = [:]
        for edit in edits where seen.insert(edit.latent).inserted { order.append(edit.latent) }
        for (latent, value) in zip(changes.indices, changes.values) {
            tokens[latent, default: 0] += 1
            change[latent, default: 0] += Double(value)
        }
        return order.map { latent in
            var before = 0.0
            for row in 0..<1 + plan.record.layout.patches { before += Double(stored.latents.value(row: row, column: latent)) }
            return .with {
                $0.latent = latent
                $0.tokens = UInt32(tokens[latent] ?? 0)
                $0.before = before
                $0.after = before + (change[latent] ?? 0)
                if let name = known[latent] { $0.name = name }
            }
        }
    }
}
