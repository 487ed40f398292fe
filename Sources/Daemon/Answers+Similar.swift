// Images, or patches, that share the most concepts with one: from the inverted index, no model.

import Basics
import Concepts
import Foundation
import Ingest
import Store
import Wire

extension Answers {
    func similar(_ body: Saed_SimilarRequest) throws -> Saed_SimilarReply {
        let plan = try view(body.view)
        let image = try image(body.image)
        var query = SimilarQuery()
        query.top = body.limit == 0 ? 10 : Int(body.limit)
        guard query.top <= SimilarQuery.topMax else {
            throw WireFailure(.invalidArgument, "\(body.limit) images", remedy: "ask for at most \(SimilarQuery.topMax)")
        }
        if body.hasPatch { query.patch = (Int(body.patch.row), Int(body.patch.column)) }
        let found = try concepts.similar(to: image, in: plan.record, query)
        let known = knownNames(plan)
        return try .with {
            $0.view = message(plan.name)
            $0.image = try message(image)
            if body.hasPatch { $0.patch = body.patch }
            $0.images = try found.images.enumerated().compactMap { place, hit in
                guard let record = try store.image(.init(rawValue: hit.imageNumber)) else { return nil }
                return try .with {
                    $0.image = try message(record)
                    if let row = hit.patchRow, let column = hit.patchColumn {
                        $0.patch = .with { $0.row = UInt32(row); $0.column = UInt32(column) }
                    }
                    $0.score = hit.score
                    $0.rank = UInt32(place + 1)
                    $0.shared = hit.shared.map { shared in
                        .with {
                            $0.latent = UInt32(shared.latent)
                            $0.share = shared.share
                            $0.value = shared.value
                            $0.other = shared.other
                            if let name = known[UInt32(shared.latent)] { $0.name = name }
                        }
                    }
                }
            }
            $0.compared = UInt64(found.compared)
            $0.randomScore = found.randomScore
            $0.latents = UInt32(found.lookedUp)
            $0.latentsActive = UInt32(found.active)
            let unit = body.hasPatch ? "value on the patch by its mean where active on a patch" : "mean over the patches by its mean where above 0"
            $0.definitions = [
                "score: sum of w min(a, b) by sum of w max(a, b) over latents (weighted Jaccard), 0 to 1; a, b: \(unit); w: log of \(body.hasPatch ? "patches" : "images") by those on which the latent is active",
                "share: a latent's part of the score; control: the mean score of \(found.randomImages) random images, SD \(String(format: "%.3f", found.randomDeviation))",
            ]
            if !found.isComplete {
                $0.notes.append("\(found.compared) of \(found.candidates) candidates were compared exactly; another may score as high (\(found.lookedUp) of \(found.active) latents were looked up, with \(Int((found.coverage * 100).rounded())) % of the weight)")
            }
        }
    }
}
