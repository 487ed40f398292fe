// Geometry against the preprocessor itself: what a patch lights up in the original image must be what that patch saw.
// Reference for the paper's mask: PatchSAE's published code (tools/reference/imaging.py).

import Imaging
import Testing

@Suite struct HeatmapTests {
    private let square = Preprocessor(
        PreprocessConfig(resize: .shortestEdge(112), crop: .init(height: 112, width: 112)))

    @Test func patchesOfASquareImageAreThePapersMask() {
        #expect(Golden.all.masks.count == 6)
        for mask in Golden.all.masks {
            let image = patternImage(width: mask.side, height: mask.side)
            let drawn = renderHeatmap(
                image: image, grid: mask.values, rows: mask.grid, columns: mask.grid, preprocessor: square,
                style: .patches)
            #expect(crc(drawn.pixels) == mask.crc, "\(mask.side) pixels, \(mask.grid) patches")
        }
    }

    // Light one patch, make the lit pixels white and all others black, preprocess: the patch must be white and every
    // patch that doesn't touch it black.
    @Test(arguments: [(640, 480), (333, 500), (50, 41), (1000, 60), (224, 224)])
    func aPatchLightsWhatTheModelSawThere(_ width: Int, _ height: Int) {
        let preprocessor = Preprocessor(.clip224)
        let white = RGBImage(width: width, height: height, pixels: .init(repeating: 255, count: width * height * 3))
        for (row, column) in [(0, 0), (13, 13), (5, 8), (13, 0), (7, 7)] {
            var grid = [Float](repeating: 0, count: 196)
            grid[row * 14 + column] = 1.5
            let lit = renderHeatmap(
                image: white, grid: grid, rows: 14, columns: 14, preprocessor: preprocessor, style: .patches)
            let mask = RGBImage(width: width, height: height, pixels: lit.pixels.map { $0 == 255 ? 255 : 0 })
            let crop = preprocessor.crop(mask)
            for r in 0..<14 {
                for c in 0..<14 where (r, c) == (row, column) || abs(r - row) > 1 || abs(c - column) > 1 {
                    // The middle of the patch: its edges lie within pixels of a small image.
                    let seen = crop[c * 16 + 8, r * 16 + 8].green
                    let expected = (r, c) == (row, column) ? 255 : 0
                    #expect(
                        abs(Int(seen) - expected) <= 25,
                        "\(width) x \(height), patch \(row),\(column): \(r),\(c) saw \(seen)")
                }
            }
        }
    }

    @Test func outsideTheCropNothingLightsUp() {
        let image = RGBImage(width: 300, height: 100, pixels: .init(repeating: 200, count: 90_000))
        let all = [Float](repeating: 1, count: 49)
        let drawn = renderHeatmap(image: image, grid: all, rows: 7, columns: 7, preprocessor: square, style: .patches)
        let lit = (0..<300).filter { drawn[$0, 50].red == 200 }
        #expect(lit == Array(100..<200))
        #expect(drawn[99, 50].red == 23)  // 200 * 30 / 255, cut off
    }

    // On grey, 7 pixels a patch: a patch's middle pixel shows exactly its own value.
    @Test func smoothMapShowsEachPatchsValueAtItsCentre() {
        let image = RGBImage(width: 112, height: 112, pixels: .init(repeating: 100, count: 112 * 112 * 3))
        var grid = [Float](repeating: 0, count: 256)
        grid[3 * 16 + 5] = 8
        grid[10 * 16 + 2] = 4
        grid[15 * 16 + 15] = -3
        grid[0] = .nan
        let drawn = renderHeatmap(image: image, grid: grid, rows: 16, columns: 16, preprocessor: square, style: .smooth)
        // Largest value: three quarters of (252, 255, 164) over 92, grey 100 at 0.92.
        #expect(drawn[5 * 7 + 3, 3 * 7 + 3] == (212, 214, 146))
        // Half of it: three quarters of (212, 72, 66).
        #expect(drawn[2 * 7 + 3, 10 * 7 + 3] == (182, 77, 72))
        // Zero, negative and NaN: nothing.
        for (row, column) in [(0, 0), (15, 15), (8, 12)] {
            #expect(drawn[column * 7 + 3, row * 7 + 3] == (92, 92, 92))
        }
    }

    @Test func signedMapTellsUpFromDown() {
        let image = RGBImage(width: 112, height: 112, pixels: .init(repeating: 100, count: 112 * 112 * 3))
        var grid = [Float](repeating: 0, count: 256)
        grid[3 * 16 + 5] = 2
        grid[10 * 16 + 2] = -8
        let drawn = renderHeatmap(image: image, grid: grid, rows: 16, columns: 16, preprocessor: square, style: .signed)
        // Three quarters of (5, 113, 176) over 92: the largest size, whatever its sign.
        #expect(drawn[2 * 7 + 3, 10 * 7 + 3] == (26, 107, 155))
        // A quarter of it: 0.75 * 0.25 / 0.4 of (202, 0, 32).
        #expect(drawn[5 * 7 + 3, 3 * 7 + 3] == (143, 48, 63))
        #expect(drawn[8 * 7 + 3, 12 * 7 + 3] == (92, 92, 92))
    }

    @Test(arguments: HeatmapStyle.allCases)
    func aLatentThatIsNowhereActiveLightsNothing(_ style: HeatmapStyle) {
        let image = patternImage(width: 40, height: 30)
        let drawn = renderHeatmap(
            image: image, grid: [0, 0, 0, 0], rows: 2, columns: 2, preprocessor: square, style: style)
        #expect(drawn.pixels.max() ?? 0 < 240)
        #expect(drawn.width == 40 && drawn.height == 30)
    }
}

@Suite struct PNGWriterTests {
    @Test(arguments: [UInt64(11), 12, 13])
    func whatIsWrittenIsReadBack(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<20 {
            let image = randomImage(
                width: Int.random(in: 1...90, using: &random), height: Int.random(in: 1...60, using: &random), &random)
            let png = encodePNG(image)
            #expect(try decodeImage(png) == image, "seed \(seed): \(image.width) x \(image.height)")
            #expect(encodePNG(image) == png)
        }
    }

    @Test func smoothImagesCompress() {
        let pixels: [UInt8] = (0..<40_000).flatMap { (i: Int) -> [UInt8] in [UInt8(i % 200), UInt8(i / 200), 128] }
        let png = encodePNG(RGBImage(width: 200, height: 200, pixels: pixels))
        #expect(png.count < 2_000, "\(png.count) bytes of 120,000")
    }
}

@Suite struct SheetTests {
    private let red = RGBImage(width: 50, height: 50, pixels: (0..<7500).map { [200, 10, 20][$0 % 3] })

    @Test func everyLetterOfASCIIExists() {
        for code in UInt8(32)..<127 {
            #expect(Lettering.canWrite(Character(UnicodeScalar(code))), "\(code)")
        }
        #expect(!Lettering.canWrite(Character("é")))
    }

    @Test func tilesStandInRowsUnderTheTitle() {
        let tiles = (0..<5).map { SheetTile(image: red, caption: "tile \($0)") }
        let sheet = renderSheet(tiles: tiles, columns: 3, title: "five tiles", tileSide: 60)
        // Runs of red in a line through the first row, and in one through the last.
        func runs(_ y: Int) -> Int {
            (1..<sheet.width).count { sheet[$0, y] == (200, 10, 20) && sheet[$0 - 1, y] != (200, 10, 20) }
        }
        let rows = (0..<sheet.height).filter { runs($0) > 0 }
        #expect(rows.count == 120)
        #expect(runs(rows[0]) == 3 && runs(rows[119]) == 2)
    }

    @Test func longCaptionsEndWithinTheirTile() {
        let caption = String(repeating: "a very long file name ", count: 20)
        let sheet = renderSheet(
            tiles: [SheetTile(image: red, caption: caption, detail: caption), SheetTile(image: red, caption: "b")],
            columns: 2, title: caption, tileSide: 200)
        let paper = sheet[0, 0]
        for y in 0..<sheet.height {
            // Between the tiles (24 + 200 ... + 18), below the title; and the right margin.
            if y > 60 { #expect((226..<240).allSatisfy { sheet[$0, y] == paper }, "row \(y)") }
            #expect(sheet[sheet.width - 20, y] == paper)
        }
        // Something is written below the picture, and in the title's line.
        #expect((24..<224).contains { sheet[$0, sheet.height - 50] != paper })
    }

    @Test func noTilesStillMakeASheet() {
        let sheet = renderSheet(tiles: [], columns: 4, title: "latent 7")
        #expect(sheet.width > 300 && sheet.height > 60)
    }

    @Test func scalingKeepsProportions() {
        let wide = patternImage(width: 200, height: 50).scaledToFit(width: 100, height: 100)
        #expect(wide.width == 100 && wide.height == 25)
        let sliver = patternImage(width: 500, height: 1).scaledToFit(width: 100, height: 100)
        #expect(sliver.width == 100 && sliver.height == 1)
    }
}
