// Latents: the table of all, and one with its statistics and top images.

import Basics
import Concepts
import Foundation
import Ingest
import Store
import Wire
import WireNIO

extension Answers {
    private static let latentsAPart = 1000

    func latents(_ body: Saed_LatentsRequest, _ reply: ReplyStream) async throws {
        let (plan, table, kind) = try await blocking { () -> (ViewPlan, LatentTable, TokenKind) in
            let plan = try self.view(body.view)
            let kind = body.hasKind ? TokenKind(rawValue: UInt8(clamping: body.kind.rawValue)) ?? .patch : .patch
            var query = LatentTableQuery(
                sort: try self.order(body.sort), kind: kind, minFrequency: body.hasMinFrequency ? body.minFrequency : nil,
                maxFrequency: body.hasMaxFrequency ? body.maxFrequency : nil)
            query.overImages = !body.hasKind
            query.reversed = body.reverse
            query.limit = body.limit == 0 ? 25 : Int(body.limit)
            query.offset = Int(body.offset)
            return (plan, try self.concepts.latentTable(in: plan.record, query), kind)
        }
        for rows in table.rows.pages(of: Answers.latentsAPart) {
            try await reply.part(
                .with {
                    $0.latents.view = message(plan.name)
                    $0.latents.latents = rows.map { message($0, kind) }
                    $0.latents.total = UInt64(table.matching)
                    $0.latents.dictionary = UInt32(table.latents)
                    $0.latents.dead = UInt32(table.latents - table.alive)
                    $0.latents.images = UInt64(table.images)
                })
        }
    }

    private func order(_ sort: Saed_LatentSort) throws -> LatentOrder {
        switch sort {
        case .frequency: .frequency
        case .mean: .activation
        case .peak: .max
        case .entropy: .entropy
        case .latent: .id
        case .UNRECOGNIZED(let number):
            throw WireFailure(.invalidArgument, "sort order \(number) is not known", remedy: "update saed")
        }
    }

    func latent(_ body: Saed_LatentRequest) throws -> Saed_LatentReply {
        let plan = try view(body.view)
        let answer = try statistics(of: body.latent, plan, top: body.top, by: body.by)
        return try .with {
            $0.view = message(plan.name)
            $0.statistics = message(answer)
            $0.top = try answer.topImages.enumerated().map { try message($1, latent: Int(body.latent), rank: $0 + 1) }
            $0.images = UInt64(answer.images)
        }
    }

    func statistics(of latent: UInt32, _ plan: ViewPlan, top: UInt32, by score: Saed_ImageScore) throws -> LatentStatistics {
        try check(latent: latent, plan)
        guard top <= UInt32(LatentQuery.topMax) else {
            throw WireFailure(.invalidArgument, "\(top) top images", remedy: "ask for at most \(LatentQuery.topMax)")
        }
        let query = LatentQuery(top: top == 0 ? 16 : Int(top), order: score == .peak ? .peak : .mean)
        return try concepts.latentStatistics(Int(latent), in: plan.record, query)
    }

    // MARK: Messages

    func message(_ statistics: LatentStatistics) -> Saed_LatentStatistics {
        .with {
            $0.latent = UInt32(statistics.latent)
            for mean in statistics.means {
                switch mean.scope {
                case .patches:
                    $0.imagesActive = UInt64(mean.images)
                    $0.frequency = mean.share
                    if let value = mean.meanActivation { $0.mean = value }
                case .classAndPatches:
                    if let value = mean.meanActivation { $0.meanWithClass = value }
                }
            }
            $0.kinds = statistics.kinds.map(message)
            $0.peak = Float(statistics.kinds.first { $0.kind == TokenKind.patch.name }?.max ?? 0)
            if let entropy = statistics.topLabels.entropy { $0.labelEntropyTop = entropy }
            if let entropy = statistics.allLabels.entropy { $0.labelEntropy = entropy }
            if let deviation = statistics.allLabels.standardDeviation { $0.labelDeviation = deviation }
            $0.labels = statistics.allLabels.labels.map { share in
                .with {
                    $0.label = share.label
                    $0.share = share.share
                    $0.imagesActive = UInt64(share.images)
                    $0.images = UInt64(share.imagesOfLabel)
                    $0.tokensAbove = UInt64(share.tokensOverTau)
                }
            }
        }
    }

    private func message(_ row: LatentRow, _ kind: TokenKind) -> Saed_LatentStatistics {
        .with {
            $0.latent = UInt32(row.latent)
            $0.imagesActive = UInt64(row.images.images)
            $0.frequency = row.images.share
            if let mean = row.images.meanActivation { $0.mean = mean }
            $0.kinds = [message(row.tokens)]
            if kind == .patch { $0.peak = Float(row.tokens.max ?? 0) }
            if let entropy = row.labelEntropy { $0.labelEntropy = entropy }
        }
    }

    private func message(_ statistics: KindStatistics) -> Saed_KindStatistics {
        .with {
            $0.kind = TokenKind.allCases.first { $0.name == statistics.kind }.map(message) ?? .patch
            $0.tokens = UInt64(statistics.tokens)
            $0.active = UInt64(statistics.active)
            $0.frequency = statistics.frequency
            if let mean = statistics.meanWhenActive { $0.mean = mean }
            $0.peak = Float(statistics.max ?? 0)
            $0.overTau = UInt64(statistics.overTau)
        }
    }
}
