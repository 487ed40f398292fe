// Pages' data for the tests: real scenes (models/shifted, models/heldout) with latents that are read off their pixels, so
// that heat maps lie where they should; and the same made large, or hostile. Deterministic by seed.

import Basics
import Foundation
import Imaging
import Pages

enum Samples {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let side = 12

    /// An image and what each patch shows: `[features, patches]`.
    struct Scene {
        var path: String
        var label: String?
        var thumbnail: PagePicture?
        var large: PagePicture?
        var features: [[Float]]
    }

    static let featureNames = ["red", "orange", "yellow", "green", "cyan", "blue", "violet", "pink", "black", "grey", "white", "edges", "stripes", "light", "dark", "contrast"]

    static func scenes(_ set: String, count: Int) throws -> [Scene] {
        let folder = root.appending(path: "models/\(set)/images")
        let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".jpg") || $0.hasSuffix(".png") }.sorted()
        let step = max(1, files.count / count)
        return try stride(from: 0, to: files.count, by: step).prefix(count).map { at in
            let file = files[at]
            let image = try decodeImage([UInt8](Data(contentsOf: folder.appending(path: file))))
            let small = image.scaledToFit(width: 128, height: 128)
            return Scene(
                path: "images/\(set)/\(file)", label: label(of: file),
                thumbnail: encodeWebP(small).map { PagePicture(bytes: $0, width: small.width, height: small.height) },
                large: encodeWebP(image, quality: 82).map { PagePicture(bytes: $0, width: image.width, height: image.height) },
                features: features(image.scaledToFit(width: 96, height: 96)))
        }
    }

    private static func label(of file: String) -> String? {
        let folder = (file as NSString).deletingLastPathComponent.replacingOccurrences(of: "_", with: " ")
        return folder.isEmpty ? nil : folder
    }

    private static func features(_ image: RGBImage) -> [[Float]] {
        let cell = image.width / side
        var found = [[Float]](repeating: [Float](repeating: 0, count: side * side), count: featureNames.count)
        for row in 0..<side {
            for column in 0..<side {
                let patch = row * side + column
                var light: Float = 0, square: Float = 0, across: Float = 0, down: Float = 0
                for y in row * cell..<(row + 1) * cell {
                    for x in column * cell..<(column + 1) * cell {
                        let p = image[min(x, image.width - 1), min(y, image.height - 1)]
                        let (r, g, b) = (Float(p.red) / 255, Float(p.green) / 255, Float(p.blue) / 255)
                        let high = max(r, g, b), low = min(r, g, b), spread = high - low
                        if spread > 0.25 {
                            var hue: Float = high == r ? (g - b) / spread : high == g ? 2 + (b - r) / spread : 4 + (r - g) / spread
                            if hue < 0 { hue += 6 }
                            let bounds: [Float] = [0.35, 0.8, 1.3, 2.6, 3.3, 4.3, 5, 5.7]
                            let bin = bounds.firstIndex { hue < $0 } ?? 0
                            found[bin][patch] += spread
                        } else if high < 0.25 {
                            found[8][patch] += 1
                        } else if low > 0.8 {
                            found[10][patch] += 1
                        } else {
                            found[9][patch] += 0.4
                        }
                        let value = (r + g + b) / 3
                        light += value
                        square += value * value
                        if x + 1 < image.width { across += abs(value - Float(image[x + 1, y].green) / 255) }
                        if y + 1 < image.height { down += abs(value - Float(image[x, y + 1].green) / 255) }
                    }
                }
                let n = Float(cell * cell)
                let mean = light / n, variance = max(0, square / n - mean * mean)
                for feature in 0..<11 { found[feature][patch] /= n }
                found[11][patch] = max(0, (across + down) / n - 0.25)
                found[12][patch] = max(0, abs(across - down) / n - 0.06) * 3
                found[13][patch] = max(0, mean - 0.7)
                found[14][patch] = max(0, 0.3 - mean)
                found[15][patch] = variance * 6
            }
        }
        return found.map { $0.map { $0 < 0.08 ? 0 : $0 * 6 } }
    }

    // MARK: Latents

    /// A latent's values over a scene's patches: one feature, or a product of two; louder or softer in the adapted view.
    static func values(_ latent: Int, on scene: Scene, adapted: Bool) -> [Float] {
        let n = featureNames.count
        let first = latent % n, second = latent / n % n
        var random = SplitMix(seed: UInt64(latent) &* 31 &+ 5)
        let gain = adapted ? 0.4 + 1.3 * Float(random.next() % 1000) / 1000 : 1
        return (0..<side * side).map { patch in
            let value = scene.features[first][patch]
            return gain * (latent < n || first == second ? value : min(value, scene.features[second][patch]))
        }
    }

    static func name(_ latent: Int) -> PageName? {
        let n = featureNames.count
        if latent % 11 == 7 { return nil }
        let word = latent < n ? featureNames[latent % n] : "\(featureNames[latent % n]), \(featureNames[latent / n % n])"
        let isSure = latent % 3 != 1
        return PageName(word: word, isSure: isSure, score: isSure ? 4.2 : 1.3, reason: isSure ? "" : "score 1.3 is below 3.0, what 1 of 100 random image sets reaches")
    }

    static func rows(_ scene: Scene, latents: Int, adapted: Bool) -> SparseRows {
        let grids = (0..<latents).map { values($0, on: scene, adapted: adapted) }
        var result = SparseRows(width: latents)
        func append(_ row: [Float]) {
            for (latent, value) in row.enumerated() where value > 0 {
                result.indices.append(UInt32(latent))
                result.values.append(value)
            }
            result.indptr.append(result.indices.count)
        }
        append(grids.map { $0.reduce(0, +) / Float(side) })
        for patch in 0..<side * side { append(grids.map { $0[patch] }) }
        return result
    }

    static func figures(_ latent: Int, over scenes: [Scene], adapted: Bool, sheet: Int) -> LatentFigures {
        let grids = scenes.map { values(latent, on: $0, adapted: adapted) }
        let means = grids.map { Double($0.reduce(0, +)) / Double(side * side) }
        let active = means.count { $0 > 0 }
        let order = means.indices.sorted { (means[$1], $0) < (means[$0], $1) }.filter { means[$0] > 0 }
        var byLabel: [String: Double] = [:]
        for (scene, mean) in zip(scenes, means) { if let label = scene.label { byLabel[label, default: 0] += mean } }
        let total = max(1e-9, means.reduce(0, +)), labelled = max(1e-9, byLabel.values.reduce(0, +))
        let labels = byLabel.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { PageLabelShare(label: $0.key, share: $0.value / labelled) }
        return LatentFigures(
            imagesActive: active, frequency: Double(active) / Double(max(1, scenes.count)), mean: active > 0 ? total / Double(active) : nil,
            peak: Double(grids.joined().max() ?? 0), entropyTop: active >= 10 ? -labels.prefix(8).reduce(0) { $0 + ($1.share > 0 ? $1.share * log($1.share) : 0) } : nil,
            entropy: -labels.reduce(0) { $0 + ($1.share > 0 ? $1.share * log($1.share) : 0) }, labels: Array(labels.prefix(5)),
            sheet: order.prefix(sheet).map { SheetImage(image: $0, mean: means[$0], peak: Double(grids[$0].max() ?? 0), grid: grids[$0]) })
    }

    // MARK: Pages

    static let definitions = [
        "a latent serves a class by being among its first 50 by tokens with z > 0.2 (class and patches)",
        "kept: in both views; re-assigned: new to the class, served another before; newly used: served none; left: serves it no longer",
        "accuracy change: paired bootstrap within classes (1000 rounds, seed 0), 95 %; correlation: Pearson's over classes",
        "controls: labels dealt anew among the images; random directions of equal density",
    ]

    /// - Parameter classes: 0: the scenes' own.
    static func report(scenes: [Scene], classes wanted: Int = 0, latents: Int = 96, sheets: Int = 24, viewer: Int = 24, seed: UInt64 = 7) -> ReportData {
        var random = SplitMix(seed: seed)
        func uniform() -> Double { Double(random.next() >> 11) / Double(1 << 53) }
        let labels = wanted == 0 ? Array(Set(scenes.compactMap(\.label))).sorted() : (0..<wanted).map { "class \($0) \(["fox", "harbour", "kettle", "meadow", "violin"][$0 % 5])" }
        // Some five a class.
        let share = 5 / Double(latents)
        let left = (0..<latents).map { _ in (0..<labels.count).filter { _ in uniform() < share } }
        let joined = (0..<latents).map { latent in (0..<labels.count).filter { !left[latent].contains($0) && uniform() < (latent == 12 ? 0.3 : share) } }
        let accuracy = ReportAccuracy(
            images: scenes.count, base: 0.453, baseInterval: PageInterval(low: 0.398, high: 0.510), adapted: 0.887,
            adaptedInterval: PageInterval(low: 0.846, high: 0.918), changeInterval: PageInterval(low: 0.393, high: 0.470))
        let rows = labels.enumerated().map { at, label in
            let before = (uniform() * 20).rounded() / 20, after = min(1, (before + uniform() * 1.2 - 0.2).clamped / 0.05 * 0.05)
            let new = joined.indices.count { joined[$0].contains(at) }, gone = left.indices.count { left[$0].contains(at) }
            return ReportClass(
                label: label, images: max(1, scenes.count / labels.count), baseAccuracy: before, adaptedAccuracy: after,
                changeInterval: PageInterval(low: after - before - 0.12, high: after - before + 0.1), overlap: 1 - Double(gone) / 50, cosine: 0.93 + 0.06 * uniform(),
                kept: 50 - gone, reassigned: new, newlyUsed: at % 3, left: gone, groups: [12, 18, Int(uniform() * 9), Int(uniform() * 9)],
                moves: (0..<5).map { ReportMove(latent: UInt32((at * 7 + $0 * 13) % latents), baseRank: $0 == 0 ? 0 : 3 + at % 20, adaptedRank: $0 == 1 ? 0 : 40 - at % 30) })
        }.sorted { abs($0.change) > abs($1.change) }
        var data = ReportData(
            base: "scenes/base/scenes", adapted: "scenes/maple/scenes", scope: "data set 'shifted'", rows: side, columns: side, k: 50, accuracy: accuracy, classes: rows)
        data.latents = (0..<latents).map { latent in
            var before = 8 + Int(uniform() * 12)
            before = max(before, left[latent].count)
            let shown = latent < sheets
            return ReportLatent(
                latent: UInt32(latent), name: name(latent), left: left[latent], joined: joined[latent], classesBefore: before,
                classesAfter: before - left[latent].count + joined[latent].count, cosine: 0.8 + 0.2 * uniform(),
                base: shown ? figures(latent, over: scenes, adapted: false, sheet: 8) : nil, adapted: shown ? figures(latent, over: scenes, adapted: true, sheet: 8) : nil)
        }
        func controls(_ what: String, _ overlap: Double) -> ReportFigures {
            ReportFigures(
                what: what, overlap: overlap, overlapInterval: PageInterval(low: overlap - 0.006, high: overlap + 0.006), cosine: 0.973, reassigned: 3.9, newlyUsed: 0.1,
                left: 4, groups: ["stays high", "stays low", "rises", "falls"].enumerated().map {
                    ReportGroup(group: $1, meanSize: [11.2, 18.4, 2.1, 1.9][$0], correlation: 0.4 - 0.2 * Double($0), correlationInterval: PageInterval(low: 0.1 - 0.2 * Double($0), high: 0.6 - 0.2 * Double($0)))
                })
        }
        data.figures = [controls("finding", 0.92), controls("shuffled labels", 0.923), controls("random directions", 0.922)]
        data.explained = [
            ReportShare(group: "kept", latents: 46, accuracyWithout: 0.833, share: 0.123, shareInterval: PageInterval(low: 0.053, high: 0.193)),
            ReportShare(group: "re-assigned", latents: 4, accuracyWithout: 0.883, share: 0.008, shareInterval: PageInterval(low: -0.031, high: 0.041)),
            ReportShare(group: "random latents", latents: 8, accuracyWithout: 0.89, share: -0.008, shareInterval: PageInterval(low: -0.035, high: 0.017)),
            ReportShare(group: "every latent", latents: 512, accuracyWithout: 0.727, share: 0.369, shareInterval: PageInterval(low: 0.271, high: 0.466)),
            ReportShare(group: "whole vision side", accuracyWithout: 0.557, share: 0.762, shareInterval: PageInterval(low: 0.68, high: 0.852)),
        ]
        data.overlap = [1, 2, 5, 10, 20, 50, 100, 200, 500].map { ReportOverlap(k: $0, share: 0.8 + 0.0004 * Double($0), expectedByChance: Double($0) / 512, control: 0.82 + 0.0003 * Double($0)) }
        data.images = scenes.map { PageImage(path: $0.path, label: $0.label, picture: $0.thumbnail) }
        for at in scenes.indices where uniform() < 0.55 {
            let wrong = labels[Int(uniform() * Double(labels.count))], kind = uniform()
            let label = wanted == 0 ? scenes[at].label ?? labels[0] : labels[at % labels.count]
            data.changed.append(
                ReportChange(
                    image: at, baseAnswer: kind < 0.1 ? label : wrong, adaptedAnswer: kind < 0.1 ? wrong : kind < 0.85 ? label : labels[0], baseProbability: 0.2 + 0.6 * uniform(),
                    adaptedProbability: 0.3 + 0.7 * uniform(), baseRight: kind < 0.1, adaptedRight: kind >= 0.1 && kind < 0.85))
        }
        data.changedTotal = data.changed.count
        data.fixed = data.changed.count { $0.adaptedRight }
        data.broken = data.changed.count { $0.baseRight }
        data.viewer = stride(from: 0, to: scenes.count, by: max(1, scenes.count / max(1, viewer))).prefix(viewer).enumerated().map { number, at in
            let scene = scenes[at]
            func answers(_ first: String) -> [ViewerSide.Answer] {
                zip([first] + labels.filter { $0 != first }.prefix(4), [0.62, 0.2, 0.09, 0.05, 0.01]).map { ViewerSide.Answer(name: $0, probability: $1) }
            }
            let base = Samples.rows(scene, latents: min(latents, 96), adapted: false), adapted = Samples.rows(scene, latents: min(latents, 96), adapted: true)
            return ViewerImage(
                path: scene.path, label: scene.label, picture: scene.large, base: ViewerSide(answers: answers(labels[(at + 3) % labels.count]), latents: base),
                adapted: ViewerSide(answers: answers(scene.label ?? labels[0]), latents: adapted),
                explanation: number % 2 == 1 ? nil : ViewerExplanation(
                    className: scene.label ?? labels[0], against: labels[(at + 3) % labels.count], change: 5.2,
                    parts: [("text side", 0.9), ("above the hook", 1.3), ("latents", 3.6), ("quadrature", 0.002), ("SAE error", -0.602)],
                    latents: [(3, 1.1), (12, 0.7), (1, -0.4), (20, 0.31)], patches: values(3, on: scene, adapted: true).enumerated().map { $0 % 17 == 3 ? -$1 - 0.2 : $1 }))
        }
        data.definitions = definitions
        data.notes = ["explained stands on 300 of 300 images, drawn evenly over the classes"]
        data.made = "saed 0.3.0, 2026-11-25 09:12 UTC"
        return data
    }

    static func atlas(scenes: [Scene], latents: Int, sheet: Int) -> AtlasData {
        let kinds = featureNames.count * featureNames.count
        let known = (0..<min(latents, kinds)).map { figures($0, over: scenes, adapted: false, sheet: sheet) }
        return AtlasData(
            view: "b16/base/patchsae", imagesSeen: scenes.count, dictionary: latents + latents / 5, silent: latents / 5, rows: side, columns: side,
            latents: (0..<latents).map { latent in
                var figures = known[latent % kinds]
                if latent >= kinds { figures.frequency *= 1 - Double(latent % 97) / 100; figures.peak *= 1 + Double(latent % 13) / 10 }
                return AtlasLatent(latent: UInt32(latent), name: name(latent), figures: figures, classFrequency: 0.3, patchFrequency: 0.02 + Double(latent % 50) / 1000)
            }, images: scenes.map { PageImage(path: $0.path, label: $0.label, picture: $0.thumbnail) },
            definitions: ["frequency: share of images whose mean activation over the patches is above 0", "mean: sum of the image means by the number of images above 0"],
            notes: [], made: "saed 0.3.0, 2026-11-25 09:12 UTC")
    }
}

extension Double {
    fileprivate var clamped: Double { Swift.min(1, Swift.max(0, self)) }
}
