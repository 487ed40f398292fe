// What the options of `steer` and the patch of `similar` mean: on every form, and on every short line against
// a naive reading.

import SaectlKit
import Testing
import Wire

@Suite struct SteerEditsTests {
    /// "4:1,2=0.5" or "4=x0.5": one text an edit.
    private func brief(_ edits: [Saed_LatentEdit]) -> [String] {
        edits.map { edit in
            let place = switch edit.place {
            case nil: ""
            case let .patch(patch): ":\(patch.text)"
            case .classToken: ":class"
            }
            let change = switch edit.change {
            case nil: ""
            case let .scale(value): "x\(value)"
            case let .to(value): "\(value)"
            }
            return "\(edit.latent)\(place)=\(change)"
        }
    }

    private func options(_ line: String) throws -> [SteerOption] {
        try line.split(separator: " ").map { word in
            if word.hasPrefix("x") { return .scale(try SteerOption.number(String(word.dropFirst()))) }
            if word.hasPrefix("=") { return .to(try SteerOption.number(String(word.dropFirst()))) }
            return .latent(try LatentPlace(String(word)))
        }
    }

    @Test func aChangeIsForTheLatentsNamedSinceTheLastOne() throws {
        func edits(_ line: String) throws -> [String] { brief(try SteerOption.edits(options(line))) }
        #expect(try edits("7 x0") == ["7=x0.0"] && edits("x0 7") == ["7=x0.0"] && edits("7 x0 8 9") == ["7=x0.0", "8=x0.0", "9=x0.0"])
        #expect(try edits("7 8:1,2 x0.5 9:class =-2.5") == ["7=x0.5", "8:1,2=x0.5", "9:class=-2.5"])
        // The same latent twice: the daemon lets the later edit win.
        #expect(try edits("7 x2 7:0,0 =0") == ["7=x2.0", "7:0,0=0.0"])
        // A rectangle by any two corners.
        let rectangle = ["7:1,2=x0.0", "7:1,3=x0.0", "7:2,2=x0.0", "7:2,3=x0.0"]
        #expect(try edits("7:1,2-2,3 x0") == rectangle && edits("7:2,2-1,3 x0") == rectangle && edits("4294967295:0,0-0,0 x1") == ["4294967295:0,0=x1.0"])
    }

    @Test(arguments: [
        ("", "name a latent with --latent N"), ("x0", "name a latent with --latent N"), ("7", "latent 7 has no change: say --scale S or --to V"),
        ("7 x0 8 =1 9:1,1", "latent 9 has no change: of several changes each is for the latents named before it; say --scale S or --to V after it"),
        ("7 x0 =1", "--to 1.0 has no latent: of several changes each is for the latents named before it and after the last one"),
        ("x0.5 7 =1", "--scale 0.5 has no latent: of several changes each is for the latents named before it and after the last one"),
    ])
    func whatMakesNoEditsIsSaid(_ line: String, _ message: String) throws {
        let options = try options(line)
        let mistake = #expect(throws: SteerMistake.self) { try SteerOption.edits(options) }
        #expect(mistake?.description == message)
    }

    @Test(arguments: [
        ("", "is no latent"), ("a", "is no latent"), ("-1", "is no latent"), ("4294967296", "is no latent"), (":1,2", "is no latent"),
        ("7:", "'' in '7:' is no place"), ("7:1", "is no place"), ("7:1,", "is no place"), ("7:1,2,3", "is no place"), ("7:1,2-", "is no place"),
        ("7:1,2-3", "is no place"), ("7:1,2-3,4-5,6", "is no place"), ("7:Class", "is no place"), ("7:class:1,2", "is no place"), ("7:-1,2", "is no place"),
        ("7:0,0-64,63", "has more than 4096 patches"), ("7:0,0-4294967295,4294967295", "has more than 4096 patches"),
    ])
    func aPlaceThatReadsAsNothingIsRefused(_ text: String, _ message: String) {
        let mistake = #expect(throws: SteerMistake.self) { try LatentPlace(text) }
        #expect(mistake?.description.contains(message) == true, "\(mistake as Any)")
    }

    @Test(arguments: ["nan", "inf", "-inf", "1e39", "", "x", "1,5"]) func aNumberIsFinite(_ text: String) {
        #expect(throws: SteerMistake.self) { try SteerOption.number(text) }
    }

    /// The naive reading: where there is one change it is every latent's; else a latent's is the next one to its right.
    @Test func everyShortLineReadsAsTheNaiveWay() throws {
        var lines: [[String]] = [[]]
        for length in 1...4 {
            lines += lines.filter { $0.count == length - 1 }.flatMap { line in ["1", "2:class", "3:0,1", "x0", "=2", "x-1"].map { line + [$0] } }
        }
        #expect(lines.count == 1 + 6 + 36 + 216 + 1296)
        for words in lines {
            let isChange = words.map { $0.hasPrefix("x") || $0.hasPrefix("=") }
            let changes = words.indices.filter { isChange[$0] }, latents = words.indices.filter { !isChange[$0] }
            var expected: [String]? = latents.isEmpty || changes.isEmpty ? nil : []
            for latent in latents {
                let change = changes.count == 1 ? changes.first : changes.first { $0 > latent }
                guard let change else { expected = nil; break }
                let number = "\(Float(String(words[change].dropFirst()))!)"
                expected?.append(words[latent] + "=" + (words[change].hasPrefix("x") ? "x" : "") + number)
            }
            for (place, change) in changes.enumerated() where changes.count > 1 {
                let before = place == 0 ? -1 : changes[place - 1]
                if !latents.contains(where: { $0 > before && $0 < change }) { expected = nil }
            }
            let got = try? SteerOption.edits(options(words.joined(separator: " ")))
            #expect(got.map(brief) == expected, "\(words)")
        }
    }

    @Test func anEndingIsAPatchOnlyWhereItReadsAsOne() {
        func read(_ text: String, files: Set<String> = []) -> String {
            let named = ImagePatch(text) { files.contains($0) }
            return named.image + (named.patch.map { " at \($0.text)" } ?? "")
        }
        #expect(read("a.jpg") == "a.jpg" && read("a.jpg:3,4") == "a.jpg at 3,4" && read("x:y:0,12") == "x:y at 0,12")
        #expect(read("a.jpg:3,4", files: ["a.jpg:3,4"]) == "a.jpg:3,4" && read("a.jpg:3,4", files: ["a.jpg"]) == "a.jpg at 3,4")
        for text in ["a:b.jpg", "a:3", "a:3,", "a:,3", "a:3,4,5", "a:+3,4", "a:3,4 ", ":3,4", "a:3,99999999999", "a:", "", "a:٣,٤"] {
            #expect(read(text) == text)
        }
    }
}
