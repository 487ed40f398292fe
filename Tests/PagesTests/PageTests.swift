// What stands in a page's file: the data read back as JSON equals what was given, hostile texts stay texts, the policy
// names the page's own style and script, and the sizes and times that users were promised.

import Basics
import Foundation
import Imaging
import Pages
import Testing

/// A page taken apart again.
struct ReadPage {
    let html: String
    let data: [String: Any]
    let pictures: [UInt8]

    init(_ bytes: [UInt8]) throws {
        html = try #require(String(validating: bytes, as: UTF8.self))
        data = try #require(try JSONSerialization.jsonObject(with: Data(ReadPage.part(html, "<script type=\"application/json\" id=\"data\">").utf8)) as? [String: Any])
        pictures = try Array(ReadPage.part(html, "<script type=\"text/plain\" id=\"pictures\">").utf8)
    }

    static func part(_ html: String, _ open: String) throws -> Substring {
        let start = try #require(html.range(of: open)), end = try #require(html.range(of: "</script>", range: start.upperBound..<html.endIndex))
        return html[start.upperBound..<end.lowerBound]
    }

    func list(_ key: String) throws -> [[Any]] { try #require(data[key] as? [[Any]]) }
    func text(_ place: Any) throws -> String { try #require(data["strings"] as? [String])[try #require(place as? Int)] }

    func picture(_ place: Int) throws -> [UInt8] {
        let entry = try list("pictures")[place], offset = try #require(entry[0] as? Int), length = try #require(entry[1] as? Int)
        return try [UInt8](#require(Data(base64Encoded: Data(pictures[offset..<offset + length]))))
    }
}

@Suite struct PageTests {
    static let hostile = [
        "</script><script>window.hurt = 1</script>", "<img src=x onerror='window.hurt = 2'>", "\"quoted\" & 'single' \\ back", "<!-- <script>", "]]>",
        "\u{202E}evil\u{202C} rtl", "שלום עולם", "مرحبا", "line\nbreak\ttab", "nul\u{0}\u{1B}[31m", "${1+1} {{7*7}}", "\u{2028}\u{2029}", String(repeating: "W", count: 400), "👩‍👩‍👧‍👦 e\u{301}", "",
    ]

    static func hostileReport(_ scenes: [Samples.Scene]) -> ReportData {
        var data = Samples.report(scenes: scenes, latents: 40, sheets: 6, viewer: 4)
        func bad(_ i: Int) -> String { hostile[i % hostile.count] }
        for i in data.classes.indices { data.classes[i].label = bad(i) }
        for i in data.images.indices { data.images[i].path = "images/\(bad(i))"; data.images[i].label = bad(i + 1) }
        for i in data.latents.indices { data.latents[i].name = PageName(word: bad(i), isSure: i % 2 == 0, score: 1, reason: bad(i + 3)) }
        for i in data.changed.indices { data.changed[i].baseAnswer = bad(i); data.changed[i].adaptedAnswer = bad(i + 2) }
        for i in data.viewer.indices { data.viewer[i].path = "images/\(bad(i))"; data.viewer[i].label = bad(i) }
        data.base = "m/\(hostile[1])/s"
        data.adapted = "m/\(hostile[0])/s"
        data.scope = hostile[0]
        data.notes = hostile
        data.images[0].picture = nil
        data.images[1].picture = PagePicture(bytes: [1, 2, 3], width: 5, height: 7)
        data.viewer[1].picture = nil
        data.changed.append(ReportChange(image: 1_000_000, baseAnswer: "", adaptedAnswer: "", baseProbability: .nan, adaptedProbability: .infinity, baseRight: false, adaptedRight: false))
        data.latents[0].left = [-1, 1_000_000]
        return data
    }

    @Test func aReportsDataCanBeReadBack() throws {
        let scenes = try Samples.scenes("shifted", count: 24)
        let given = Samples.report(scenes: scenes, latents: 40, sheets: 6, viewer: 3)
        let page = try ReadPage(ReportPage(given).html())
        #expect(page.data["base"] as? String == "base" && page.data["adapted"] as? String == "maple")
        let classes = try page.list("classes")
        #expect(classes.count == given.classes.count)
        for (read, row) in zip(classes, given.classes) {
            #expect(try page.text(read[0]) == row.label)
            #expect(abs(try #require(read[2] as? Double) - row.baseAccuracy) < 5e-5)
            #expect(read[8] as? Int == row.reassigned)
        }
        // Pictures, by way of the shelf, are the bytes that were given.
        for (read, image) in zip(try page.list("images"), given.images) {
            #expect(try page.text(read[0]) == image.path)
            #expect(try page.picture(try #require(read[2] as? Int)) == image.picture?.bytes)
        }
        let latents = try page.list("latents")
        #expect(latents.map { $0[0] as? Int } == given.latents.map { Int($0.latent) })
        #expect(latents.map { $0[2] as? [Int] } == given.latents.map(\.left))
    }

    /// Reference: the rule as it is written at `HeatGrid`, read with a decoder of our own.
    @Test func aHeatMapsLevelsAreItsValuesTo1Of32() throws {
        var random = SplitMix(seed: 11)
        for density in [0, 1, 5, 50, 100] {
            let values = (0..<196).map { _ in random.below(100) < density ? Float(1 + random.below(1000)) / 10 : 0 }
            let data = AtlasData(
                view: "v", imagesSeen: 1, dictionary: 1, silent: 0, rows: 14, columns: 14,
                latents: [AtlasLatent(latent: 0, figures: LatentFigures(imagesActive: 1, frequency: 1, mean: 1, peak: 1, sheet: [SheetImage(image: 0, mean: 1, peak: 1, grid: values)]))],
                images: [PageImage(path: "x")])
            let page = try ReadPage(AtlasPage(data).html())
            let sheet = try #require(page.list("latents")[0][11] as? [[Any]])
            let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
            var levels: [Float] = []
            for character in try #require(sheet[0][3] as? String) {
                let code = try #require(alphabet.firstIndex(of: character))
                if code < 32 { levels.append(Float(code + 1)) } else { levels += [Float](repeating: 0, count: code - 31) }
            }
            levels += [Float](repeating: 0, count: values.count - levels.count)
            let peak = max(values.max() ?? 0, 1e-9)
            for (level, value) in zip(levels, values) {
                #expect(abs(level / 32 - value / peak) <= 0.5 / 32 + 1e-4 || (value > 0 && level == 1))
                #expect((level == 0) == (value == 0))
            }
        }
    }

    @Test func hostileTextsStayTexts() throws {
        let given = Self.hostileReport(try Samples.scenes("shifted", count: 20))
        let bytes = ReportPage(given).html()
        let page = try ReadPage(bytes)
        // The page's own three scripts, and no other tag that a text could have brought.
        #expect(page.html.components(separatedBy: "<script").count == 4)
        #expect(page.html.components(separatedBy: "</script>").count == 4)
        #expect(!page.html.contains("<img"))
        let labels = try page.list("classes").map { try page.text($0[0]) }
        #expect(labels == given.classes.map(\.label))
        #expect(!bytes.contains(0), "a NUL byte in HTML")
    }

    @Test func thePolicyAllowsThePagesOwnPartsAlone() throws {
        let page = try ReadPage(AtlasPage(Samples.atlas(scenes: [], latents: 3, sheet: 0)).html())
        let policy = try #require(page.html.firstMatch(of: /Content-Security-Policy" content="([^"]*)"/)?.1)
        #expect(policy.hasPrefix("default-src 'none'; img-src data:; style-src 'sha256-"))
        #expect(!policy.contains("unsafe") && !policy.contains("http"))
        #expect(!page.html.contains("src=\"http") && !page.html.contains("url("))
    }

    @Test func theSummarySaysWhatTheFiguresSay() throws {
        var data = Samples.report(scenes: try Samples.scenes("shifted", count: 20), latents: 40, sheets: 0, viewer: 0)
        data.changedTotal = 16
        data.fixed = 11
        data.broken = 2
        data.classes = [
            ReportClass(label: "ring", images: 10, baseAccuracy: 0.2, adaptedAccuracy: 0.9, overlap: 0.9, kept: 45, reassigned: 4, newlyUsed: 1, left: 5),
            ReportClass(label: "star", images: 10, baseAccuracy: 0.5, adaptedAccuracy: 0.4, overlap: 0.9, kept: 45, reassigned: 4, newlyUsed: 1, left: 5),
        ]
        data.latents = [ReportLatent(latent: 54, name: PageName(word: "yellow", isSure: true, score: 5), left: [0], joined: [1], classesBefore: 33, classesAfter: 33)]
        let said = data.summary.map { $0.replacingOccurrences(of: "\u{202F}", with: " ") }
        #expect(said[0] == "On 20 images of 2 classes, maple answers 88.7 % [84.6, 91.8] right where base answers 45.3 % [39.8, 51.0]: +43.4 points [+39.3, +47.0].")
        #expect(said[1] == "16 images changed their answer: 11 became right, 2 became wrong, 3 are right in neither view.")
        #expect(said[2] == "1 class gained accuracy, 1 lost some, 0 stayed; the most gained ring (20.0 % to 90.0 %); the most lost star (50.0 % to 40.0 %).")
        #expect(said[3].hasSuffix("no more remapping than a control shows, so the overlap alone is no finding."))
        data.seesTheSame = true
        #expect(data.summary[3] == "Both views see the same in every patch: what changed is how the text side reads it, and no latent can have moved.")
        #expect(said[5] == "1 latent changed the classes they serve; latent 54 (yellow) the most: it left 1 and joined 1, and now serves 33 where it served 33.")
    }

    @Test func aThumbnailIsAWebPOfTheImage() throws {
        let image = try decodeImage([UInt8](Data(contentsOf: Samples.root.appending(path: "models/photos/flower.jpg")))).scaledToFit(width: 128, height: 128)
        let bytes = try #require(encodeWebP(image))
        let read = try decodeImage(bytes)
        #expect(read.width == image.width && read.height == image.height)
        let error = zip(read.pixels, image.pixels).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) } / Double(image.pixels.count)
        #expect(bytes.count < 12_000 && error < 120, "\(bytes.count) bytes, mean square error \(error)")
        #expect(encodeWebP(RGBImage(width: 16_384, height: 1, pixels: [UInt8](repeating: 0, count: 16_384 * 3))) == nil)
    }

    @Test func aReportOf1000ImagesAnd200ClassesIsBelow20MB() throws {
        var data = try Samples.large()
        // Windows of photographs: thumbnails that hold more than a drawn scene's.
        let photographs = try ["astronaut", "coffee", "flower", "temple", "cat"].map {
            try decodeImage([UInt8](Data(contentsOf: Samples.root.appending(path: "models/photos/\($0).jpg")))).scaledToFit(width: 384, height: 384)
        }
        for at in data.images.indices {
            let photograph = photographs[at % photographs.count], x = at * 7 % (photograph.width - 128), y = at * 11 % (photograph.height - 128)
            let window = photograph.resized(width: photograph.width, height: photograph.height, filter: .bicubic, columns: x..<x + 128, rows: y..<y + 128)
            data.images[at].picture = PagePicture(bytes: try #require(encodeWebP(window)), width: 128, height: 128)
        }
        let clock = ContinuousClock()
        var bytes: [UInt8] = []
        let took = clock.measure { bytes = ReportPage(data).html() }
        print("report of 1,000 images, 200 classes: \(bytes.count) bytes, \(took)")
        #expect(bytes.count < 20_000_000)
    }

    @Test func anAtlasOfManyLatentsHasFewerAndSmallerPictures() {
        #expect(AtlasData.imagesEach(latents: 512) == 6 && AtlasData.imagesEach(latents: 400) == 8)
        #expect(AtlasData.imagesEach(latents: 49_152) == 1 && AtlasData.imagesEach(latents: 49_152, images: 1000) == 8)
        #expect(AtlasData.thumbnailSide(pictures: 1000) == 128 && AtlasData.thumbnailSide(pictures: 40_000) == 56)
    }
}

extension Samples {
    /// 1,000 images, 200 classes, 2,000 latents, 100 of them with sheets.
    static func large() throws -> ReportData {
        let some = try scenes("shifted", count: 300) + scenes("heldout", count: 300)
        let all = (0..<1000).map { at in
            var scene = some[at % some.count]
            scene.path = "images/\(at)/\(scene.path)"
            return scene
        }
        return report(scenes: all, classes: 200, latents: 2000, sheets: 100)
    }
}
