// Pictures: a latent over one image, and a sheet of a latent's images.

import Basics
import Concepts
import Foundation
import Imaging
import Ingest
import Store
import Wire
import WireNIO

extension Answers {
    /// A heat map of a larger image is drawn on the image scaled down to this: a PNG that anything can show.
    static let sideMax = 2048
    private static let tileSide = 192

    func heatmap(_ body: Saed_HeatmapRequest, _ reply: ReplyStream) async throws {
        let (answer, png) = try await blocking { () -> (Saed_HeatmapReply, [UInt8]) in
            let plan = try self.view(body.view)
            try self.check(latent: body.latent, plan)
            let image = try self.image(body.image)
            let map = try self.concepts.heatMap(of: Int(body.latent), on: image, in: plan.record)
            let picture = try self.picture(of: image, sideMax: Answers.sideMax)
            let drawn = renderHeatmap(
                image: picture, grid: map.values, rows: map.rows, columns: map.columns,
                preprocessor: Preprocessor(plan.facts.preprocess), style: body.style == .grid ? .patches : .smooth)
            let answer = try Saed_HeatmapReply.with {
                $0.image = try self.message(image)
                $0.view = self.message(plan.name)
                $0.layout = self.message(plan.record.layout)
                $0.values = map.values
                $0.hit = self.hit(map, latent: body.latent)
                $0.width = UInt32(drawn.width)
                $0.height = UInt32(drawn.height)
            }
            return (answer, encodePNG(drawn))
        }
        try await reply.part(.with { $0.heatmap = answer })
        try await send(png, reply)
    }

    private func hit(_ map: HeatMap, latent: UInt32) -> Saed_LatentHit {
        .with {
            $0.latent = latent
            $0.mean = map.values.reduce(0) { $0 + Double($1) } / Double(map.values.count)
            $0.classValue = map.classValue
            $0.patchesActive = UInt32(map.values.count { $0 > 0 })
            // Ties by lower index.
            var best = 0
            for (i, value) in map.values.enumerated() where value > map.values[best] { best = i }
            $0.peak = map.values[best]
            if map.values[best] > 0 {
                $0.peakPatch = .with { $0.row = UInt32(best / map.columns); $0.column = UInt32(best % map.columns) }
            }
        }
    }

    func sheet(_ body: Saed_SheetRequest, _ reply: ReplyStream) async throws {
        let (answer, png) = try await blocking { () -> (Saed_SheetReply, [UInt8]) in
            let plan = try self.view(body.view)
            let statistics = try self.statistics(of: body.latent, plan, top: body.top, by: body.by)
            guard !statistics.topImages.isEmpty else {
                throw WireFailure(
                    .failedPrecondition, "latent \(body.latent) is active on none of the \(statistics.images) images of '\(plan.name)'",
                    remedy: "saectl latents lists those that are")
            }
            let preprocessor = Preprocessor(plan.facts.preprocess)
            let tiles = try statistics.topImages.map { try self.tile($0, latent: Int(body.latent), plan, preprocessor, body.style) }
            let columns = body.columns == 0 ? Int(Double(tiles.count).squareRoot().rounded(.up)) : min(Int(body.columns), tiles.count)
            let share = statistics.means.first { $0.scope == .patches }?.share ?? 0
            let title = "latent \(body.latent) of \(plan.name): active on \(self.percent(share)) of \(statistics.images) images"
            let drawn = renderSheet(tiles: tiles, columns: columns, title: title)
            let answer = try Saed_SheetReply.with {
                $0.view = self.message(plan.name)
                $0.statistics = self.message(statistics)
                $0.images = try statistics.topImages.enumerated().map { try self.message($1, latent: Int(body.latent), rank: $0 + 1) }
                $0.columns = UInt32(columns)
                $0.width = UInt32(drawn.width)
                $0.height = UInt32(drawn.height)
            }
            return (answer, encodePNG(drawn))
        }
        try await reply.part(.with { $0.sheet = answer })
        try await send(png, reply)
    }

    private func tile(
        _ image: LatentImage, latent: Int, _ plan: ViewPlan, _ preprocessor: Preprocessor, _ style: Saed_HeatmapStyle
    ) throws -> SheetTile {
        let name = image.path.map { ($0 as NSString).lastPathComponent } ?? String(image.image.prefix(12))
        let detail = String(format: "mean %.3g  peak %.3g", image.mean, image.peak)
        guard let record = try store.image(.init(rawValue: image.imageNumber)), let picture = try? picture(of: record, sideMax: Answers.tileSide) else {
            // Its file went away between the question and here.
            let grey = RGBImage(width: 1, height: 1, pixels: [128, 128, 128])
            return SheetTile(image: grey, caption: name, detail: "file is gone")
        }
        let map = try concepts.heatMap(of: latent, on: record, in: plan.record)
        let drawn = renderHeatmap(
            image: picture, grid: map.values, rows: map.rows,
            columns: map.columns, preprocessor: preprocessor, style: style == .grid ? .patches : .smooth)
        return SheetTile(image: drawn, caption: name, detail: detail)
    }

    private func percent(_ share: Double) -> String { String(format: share < 0.1 ? "%.1f %%" : "%.0f %%", share * 100) }

    /// An image scaled down to fit a square of `sideMax`.
    func picture(of image: ImageRecord, sideMax: Int) throws -> RGBImage {
        try ingest.decoder.picture(try original(of: image), sideMax: sideMax)
    }

    /// An image's bytes, from the first of its files that still has its content.
    func original(of image: ImageRecord) throws -> [UInt8] {
        for path in try store.paths(of: image.id) {
            guard let content = try DroppedContent(path: absolute(path.path), bytesMax: configuration.imageBytesMax),
                content.hash == image.hash
            else { continue }
            return content.bytes
        }
        throw WireFailure(
            .failedPrecondition, "the file of image \(image.hash.short) is gone or changed", remedy: "drop it again; its latents are kept")
    }

    func send(_ bytes: [UInt8], as name: String = "png", _ reply: ReplyStream) async throws {
        let array = try await reply.array(name, .u8, shape: [bytes.count])
        try await reply.write(array, bytes)
    }
}
