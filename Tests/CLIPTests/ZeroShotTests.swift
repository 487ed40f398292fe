// Templates and the zero-shot head. Reference for the head: the formula of its file, in f64 over the tower's own
// embeddings (ParityTests compares those with transformers).

import CLIP
import Foundation
import Testing

@Suite(.serialized) struct ZeroShotTests {
    @Test func templateSetsAreNamedOrRead() throws {
        #expect(try TemplateSet("photo").templates == ["a photo of a {}."])
        let imagenet = try TemplateSet("imagenet").templates
        #expect(imagenet.count == 80 && Set(imagenet).count == 80)
        #expect(imagenet.first == "a bad photo of a {}." && imagenet.last == "a tattoo of the {}.")
        let folder = try TemporaryFolder()
        let file = try folder.write("own.txt", "a drawing of a {}\n\n  the {}, in red \r\n")
        #expect(try TemplateSet(file).templates == ["a drawing of a {}", "the {}, in red "])
        for (text, expected) in [
            ("a photo\n", "'own.txt': template 'a photo' must have {} once, where the class name goes"),
            ("{} and {}\n", "'own.txt': template '{} and {}' must have {} once, where the class name goes"),
            ("\n \n", "'own.txt': holds no template; write one a line, with {} for the class name"),
        ] {
            try folder.write("own.txt", text)
            #expect(message(without: folder.path) { _ = try TemplateSet(file) } == expected)
        }
        #expect(
            message(without: folder.path) { _ = try TemplateSet("gone") }
                == "'gone' can't be read: No such file or directory")
    }

    @Test func underscoresInClassNamesBecomeSpaces() {
        #expect(TemplateSet.prompt("a photo of a {}.", class: "great_white_shark") == "a photo of a great white shark.")
        #expect(TemplateSet.prompt("{}", class: "a{}b") == "a{}b")
    }

    @Test(arguments: [true, false])
    func promptsAreNormalisedAveragedNormalised(_ normalizingMean: Bool) throws {
        let folder = try TemporaryFolder()
        try SeededCLIP(smallConfig, seed: 11).write(to: folder.path)
        let model = try CLIPModel.load(folder: folder.path)
        let classes = ["red_cube", "ball", "x"]
        let templates = ["a {}.", "the {}", "{} !"]
        let head = try ZeroShotHead(
            model: model, classes: classes, templates: templates, normalizingMean: normalizingMean)
        let tower = try model.text()
        let tokenizer = try model.tokenizer()
        let image: [Float] = (0..<24).map { Float($0) - 10 }
        var expected: [Float] = []
        for name in ["red cube", "ball", "x"] {
            var mean = [Double](repeating: 0, count: 24)
            for prompt in ["a \(name).", "the \(name)", "\(name) !"] {
                let embedding = try tower.embed([tokenizer.encode(prompt)]).map(Double.init)
                let norm = embedding.map { $0 * $0 }.reduce(0, +).squareRoot()
                for i in 0..<24 { mean[i] += embedding[i] / norm / 3 }
            }
            let length = normalizingMean ? mean.map { $0 * $0 }.reduce(0, +).squareRoot() : 1
            let imageNorm = image.map { Double($0) * Double($0) }.reduce(0, +).squareRoot()
            expected.append(
                Float(exp(2.6592) * zip(mean, image).map { $0 * Double($1) }.reduce(0, +) / length / imageNorm))
        }
        let difference = Difference(head.logits(image), expected)
        #expect(difference.isWithin(1e-5), "\(difference)")

        let probabilities = ZeroShotHead.probabilities(expected)
        let sum = expected.map { exp(Double($0)) }.reduce(0, +)
        #expect(Difference(probabilities, expected.map { Float(exp(Double($0)) / sum) }).isWithin(1e-5))
    }

    @Test func aHeadCanBeKept() throws {
        let folder = try TemporaryFolder()
        try SeededCLIP(smallConfig, seed: 11).write(to: folder.path)
        let model = try CLIPModel.load(folder: folder.path)
        let head = try ZeroShotHead(model: model, classes: ["a", "b"], templates: TemplateSet.photo.templates)
        let kept = ZeroShotHead(
            classes: head.classes, templates: head.templates, features: head.features, projection: head.projection,
            logitScale: head.logitScale)
        let image = [Float](repeating: 0.5, count: 24)
        #expect(kept.logits(image) == head.logits(image))
        #expect(head.logits([Float](repeating: 0, count: 24)) == [0, 0])
        #expect(
            message(without: folder.path) { _ = try ZeroShotHead(model: model, classes: [], templates: ["{}"]) }
                == "'FOLDER': 0 classes and 1 templates; at least one of each is needed")
    }
}
