// Pictures as terminals take them: each encoding read back by a decoder written here from its document.

import Foundation
import SaectlKit
import Testing

@Suite struct PictureTests {
    private static let folder = (#filePath as NSString).deletingLastPathComponent + "/Golden/pictures/"

    private func golden(_ file: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: PictureTests.folder + file))) }

    @Test(arguments: [
        ([:], .none), (["TERM": "dumb"], .none), (["TERM": "linux"], .none), (["TERM": "xterm-256color"], .ask), (["TERM": "foot"], .ask),
        (["TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"], .known(.kitty)), (["TERM": "xterm-kitty"], .known(.kitty)), (["TERM": "xterm-ghostty"], .known(.kitty)),
        (["TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"], .known(.kitty)), (["TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"], .known(.iterm2)),
        (["TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"], .known(.iterm2)), (["TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"], .known(.iterm2)),
        (["TERM": "xterm-256color", "TERM_PROGRAM": "vscode", "KITTY_WINDOW_ID": "3"], .ask), (["TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"], .none),
        (["TERM": "xterm-256color", "KONSOLE_VERSION": "220401"], .known(.kitty)), (["TERM": "xterm-256color", "KONSOLE_VERSION": "211200"], .ask),
        (["TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1", "TMUX": "/tmp/tmux-0/default,1,0"], .none), (["TERM": "tmux-256color"], .none),
        (["TERM": "screen.xterm-256color"], .none), (["TERM": "xterm", "STY": "1.pts"], .none),
    ] as [([String: String], PictureGuess)])
    func theEnvironmentTellsTheProtocol(environment: [String: String], expected: PictureGuess) {
        #expect(PictureGuess { environment[$0] } == expected)
    }

    @Test func deviceAttributesAreReadAmongOtherKeys() {
        func attributes(_ text: String) -> [Int]? { PictureProtocol.attributes(in: Array(text.utf8)) }
        #expect(attributes("\u{1B}[?62;4;22c") == [62, 4, 22] && attributes("\u{1B}[?6c") == [6] && attributes("ab\u{1B}[A\u{1B}[?64;4c!") == [64, 4])
        #expect(attributes("\u{1B}[?62;4") == nil && attributes("") == nil && attributes("\u{1B}[?25h") == nil && attributes("[?4c") == nil)
    }

    @Test func kittyGetsTheFileInChunks() throws {
        for (file, count) in [("rgb.png", nil), ("noise.png", nil)] as [(String, Int?)] {
            let png = try golden(file)
            let text = try #require(Picture(png: png)?.text(by: .kitty, on: .init(columns: 80, widthPixels: 640)))
            var bytes: [UInt8] = []
            let parts = text.components(separatedBy: "\u{1B}\\").dropLast()
            #expect(parts.count == count ?? (png.count + 3071) / 3072)
            for (place, part) in parts.enumerated() {
                #expect(part.hasPrefix("\u{1B}_G"))
                let halves = part.dropFirst(3).split(separator: ";", maxSplits: 1)
                let keys = Set(halves[0].split(separator: ",").map(String.init))
                #expect(keys == Set((place == 0 ? ["a=T", "f=100", "q=2"] : []) + [place == parts.count - 1 ? "m=0" : "m=1"]))
                #expect(halves[1].utf8.count <= 4096)
                bytes += [UInt8](try #require(Data(base64Encoded: String(halves[1]))))
            }
            #expect(bytes == png)
        }
        // Wider than the screen.
        #expect(try #require(Picture(png: try golden("rgb.png"))?.text(by: .kitty, on: .init(columns: 3, widthPixels: 0))).hasPrefix("\u{1B}_Ga=T,f=100,q=2,c=3,m=1;"))
    }

    @Test func iTermGetsTheFile() throws {
        let png = try golden("rgb.png")
        let text = try #require(Picture(png: png)?.text(by: .iterm2, on: .init(columns: 80, widthPixels: 0)))
        let start = "\u{1B}]1337;File=inline=1;size=\(png.count);width=auto;preserveAspectRatio=1:"
        #expect(text.hasPrefix(start) && text.hasSuffix("\u{07}"))
        #expect(Data(base64Encoded: String(text.dropFirst(start.count).dropLast())) == Data(png))
        #expect(try #require(Picture(png: png)?.text(by: .iterm2, on: .init(columns: 3, widthPixels: 0))).contains(";width=100%;"))
    }

    @Test func tmuxHandsOnEachSequence() {
        #expect(Picture.passedThrough("\u{1B}_Ga\u{1B}\\\u{1B}_Gb\u{1B}\\")
            == "\u{1B}Ptmux;\u{1B}\u{1B}_Ga\u{1B}\u{1B}\\\u{1B}\\\u{1B}Ptmux;\u{1B}\u{1B}_Gb\u{1B}\u{1B}\\\u{1B}\\")
        #expect(Picture.passedThrough("\u{1B}]x\u{07}") == "\u{1B}Ptmux;\u{1B}\u{1B}]x\u{07}\u{1B}\\")
    }

    // Reference: Python's zlib and its own PNG rows; tools/reference/pictures.py wrote the files. stored, fixed and dynamic are
    // the three kinds of DEFLATE blocks, rows have all five filters.
    @Test(arguments: ["rgb.png", "stored.png", "fixed.png", "noise.png"]) func pixelsAreThoseOfTheReference(file: String) throws {
        let image = try #require(PixelImage(png: try golden(file)))
        let expected = try golden(file.replacingOccurrences(of: ".png", with: ".ppm"))
        let header = Array("P6\n\(image.width) \(image.height)\n255\n".utf8)
        #expect(Array(expected.prefix(header.count)) == header && image.rgb == Array(expected.dropFirst(header.count)))
    }

    @Test func damagedPNGsAreNoImages() throws {
        let png = try golden("rgb.png")
        for count in 0..<png.count where count < 60 || count % 97 == 0 { #expect(PixelImage(png: Array(png.prefix(count))) == nil) }
        // Any byte may be wrong: no trap, and either no image or one of the right size.
        var seed: UInt64 = 7
        for _ in 0..<3000 {
            var bytes = png
            for _ in 0..<3 {
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[33 + Int(seed >> 33) % (bytes.count - 33)] = UInt8(truncatingIfNeeded: seed >> 24)
            }
            if let image = PixelImage(png: bytes) { #expect(image.rgb.count == image.width * image.height * 3) }
        }
        #expect(Picture(png: Array("not a PNG".utf8)) == nil)
    }

    @Test func sixelsReadBackAsThePaletteImage() throws {
        for file in ["rgb.png", "noise.png"] {
            let indexed = try #require(PixelImage(png: try golden(file))).indexed
            let decoded = try SixelReader(indexed.sixels)
            #expect(decoded.width == indexed.width && decoded.height == indexed.height)
            let difference = zip(decoded.rgb, indexed.indices.flatMap { indexed.palette[Int($0)] }).map { abs(Int($0) - Int($1)) }.max() ?? 0
            // Sixels have colours in per cent: half of one is 1.3 of 255.
            #expect(difference <= 2, "\(file)")
        }
    }

    // Reference: libsixel's decoder read the committed text (tools/reference/pictures.py) and wrote the pixels.
    @Test func anotherDecoderReadsTheSixelsToo() throws {
        let indexed = try #require(PixelImage(png: try golden("rgb.png"))).indexed
        let text = Array(indexed.sixels.utf8)
        if ProcessInfo.processInfo.environment["SAED_WRITE_GOLDEN"] == "1" { try Data(text).write(to: URL(fileURLWithPath: PictureTests.folder + "rgb.six")) }
        #expect(try golden("rgb.six") == text)
        let expected = try golden("rgb.six.ppm")
        let header = Array("P6\n\(indexed.width) \(indexed.height)\n255\n".utf8)
        #expect(Array(expected.prefix(header.count)) == header)
        let difference = zip(expected.dropFirst(header.count), indexed.indices.flatMap { indexed.palette[Int($0)] }).map { abs(Int($0) - Int($1)) }.max() ?? 0
        #expect(difference <= 2)
    }

    @Test func coloursAreNearTheOriginal() throws {
        let image = try #require(PixelImage(png: try golden("rgb.png"))), indexed = image.indexed
        #expect(indexed.palette.count <= 256 && indexed.palette.count > 100)
        let squares = zip(image.rgb, indexed.indices.flatMap { indexed.palette[Int($0)] }).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
        // A fixed cube of 6 x 6 x 6 has some 215 here.
        #expect(squares / Double(image.rgb.count) < 40)
        // Few colours stay exact.
        let flat = PixelImage(width: 7, height: 13, rgb: (0..<91).flatMap { $0 % 2 == 0 ? [10, 20, 30] : [200, 0, 255] as [UInt8] })
        #expect(flat.indexed.indices.flatMap { flat.indexed.palette[Int($0)] } == flat.rgb)
    }

    @Test func aPictureIsScaledToTheScreenByMeans() throws {
        let image = PixelImage(width: 4, height: 2, rgb: [0, 0, 0, 2, 4, 6, 8, 8, 8, 8, 8, 8, 0, 0, 0, 2, 4, 6, 8, 8, 8, 8, 8, 8].map { UInt8($0) })
        #expect(image.scaledDown(toWidth: 2) == PixelImage(width: 2, height: 1, rgb: [1, 2, 3, 8, 8, 8]))
        #expect(image.scaledDown(toWidth: 4) == image && image.scaledDown(toWidth: 9) == image)
        for width in 1...4 { #expect(image.scaledDown(toWidth: width).rgb.allSatisfy { $0 <= 8 }) }
    }

    @Test func base64IsFoundationsToo() {
        for count in 0..<50 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + count) }
            #expect(base64(bytes[...]) == Data(bytes).base64EncodedString())
        }
    }
}

/// Reads what DEC's manual calls a sixel string: raster attributes, colours in RGB, repeats, both line ends.
private struct SixelReader {
    private(set) var width = 0
    private(set) var height = 0
    private(set) var rgb: [UInt8] = []

    init(_ text: String) throws {
        let start = "\u{1B}P0;1;0q"
        try #require(text.hasPrefix(start) && text.hasSuffix("\u{1B}\\"))
        let bytes = Array(text.utf8.dropFirst(start.utf8.count).dropLast(2))
        var place = 0
        func numbers() -> [Int] {
            var list = [0]
            while place < bytes.count, bytes[place] == 0x3B || (0x30...0x39).contains(bytes[place]) {
                if bytes[place] == 0x3B { list.append(0) } else { list[list.count - 1] = list[list.count - 1] * 10 + Int(bytes[place] - 0x30) }
                place += 1
            }
            return list
        }
        var colours: [Int: [UInt8]] = [:], colour = 0, x = 0, top = 0
        while place < bytes.count {
            let byte = bytes[place]
            place += 1
            switch byte {
            case UInt8(ascii: "\""):
                let raster = numbers()
                (width, height) = (raster[2], raster[3])
                rgb = [UInt8](repeating: 0, count: width * height * 3)
            case UInt8(ascii: "#"):
                let list = numbers()
                colour = list[0]
                if list.count == 5 { colours[colour] = list[2...].map { UInt8(($0 * 255 + 50) / 100) } }
            case UInt8(ascii: "$"): x = 0
            case UInt8(ascii: "-"): (x, top) = (0, top + 6)
            default:
                var count = 1, value = byte
                if byte == UInt8(ascii: "!") {
                    count = numbers()[0]
                    value = bytes[place]
                    place += 1
                }
                try #require((63...126).contains(value))
                for _ in 0..<count {
                    for bit in 0..<6 where (value - 63) >> UInt8(bit) & 1 == 1 {
                        let pixel = ((top + bit) * width + x) * 3
                        for channel in 0..<3 { rgb[pixel + channel] = try #require(colours[colour])[channel] }
                    }
                    x += 1
                }
            }
        }
    }
}
