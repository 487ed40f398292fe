// The sentences that class names are put into.

import Checkpoints

/// A set of templates, each with `{}` where the class name goes.
public struct TemplateSet: Sendable, Hashable {
    /// `photo`, `imagenet`, or the file's path.
    public let name: String
    public let templates: [String]

    /// `a photo of a {}.`
    public static let photo = TemplateSet(name: "photo", templates: ["a photo of a {}."])
    /// OpenAI's 80 for ImageNet.
    public static let imagenet = TemplateSet(name: "imagenet", templates: imagenetTemplates)

    private init(name: String, templates: [String]) {
        self.name = name
        self.templates = templates
    }

    /// - Parameter nameOrFile: `photo`, `imagenet`, or a file with one template a line; empty lines count for nothing.
    /// - Throws: `ModelError` naming the line.
    public init(_ nameOrFile: String) throws(ModelError) {
        switch nameOrFile {
        case "photo": self = .photo
        case "imagenet": self = .imagenet
        default:
            let bytes: [UInt8]
            do throws(CheckpointError) { bytes = try readSmallFile(nameOrFile, bytesMax: 1 << 20) } catch {
                throw .checkpoint(error)
            }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw .prompts(source: nameOrFile, problem: "is not UTF-8 text")
            }
            let lines = text.split(whereSeparator: \.isNewline).map { String($0.trimmingPrefix { $0.isWhitespace }) }
                .filter { !$0.isEmpty }
            try self.init(name: nameOrFile, lines: lines)
        }
    }

    /// - Throws: `ModelError` where there is no line, or one without exactly one `{}`.
    public init(name: String, lines: [String]) throws(ModelError) {
        guard !lines.isEmpty else {
            throw .prompts(source: name, problem: "holds no template; write one a line, with {} for the class name")
        }
        for line in lines where line.split(separator: "{}", omittingEmptySubsequences: false).count != 2 {
            throw .prompts(source: name, problem: "template '\(line)' must have {} once, where the class name goes")
        }
        self.init(name: name, templates: lines)
    }

    /// One template's sentence for a class; underscores in the name become spaces.
    public static func prompt(_ template: String, class name: String) -> String {
        template.split(separator: "{}", maxSplits: 1, omittingEmptySubsequences: false).joined(separator: words(of: name))
    }

    /// A class name as a sentence has it.
    static func words(of name: String) -> String { String(name.map { $0 == "_" ? " " : $0 }) }
}

private let imagenetTemplates = [
    "a bad photo of a {}.", "a photo of many {}.", "a sculpture of a {}.", "a photo of the hard to see {}.",
    "a low resolution photo of the {}.", "a rendering of a {}.", "graffiti of a {}.", "a bad photo of the {}.",
    "a cropped photo of the {}.", "a tattoo of a {}.", "the embroidered {}.", "a photo of a hard to see {}.",
    "a bright photo of a {}.", "a photo of a clean {}.", "a photo of a dirty {}.", "a dark photo of the {}.",
    "a drawing of a {}.", "a photo of my {}.", "the plastic {}.", "a photo of the cool {}.",
    "a close-up photo of a {}.",
    "a black and white photo of the {}.", "a painting of the {}.", "a painting of a {}.",
    "a pixelated photo of the {}.",
    "a sculpture of the {}.", "a bright photo of the {}.", "a cropped photo of a {}.", "a plastic {}.",
    "a photo of the dirty {}.", "a jpeg corrupted photo of a {}.", "a blurry photo of the {}.", "a photo of the {}.",
    "a good photo of the {}.", "a rendering of the {}.", "a {} in a video game.", "a photo of one {}.",
    "a doodle of a {}.",
    "a close-up photo of the {}.", "a photo of a {}.", "the origami {}.", "the {} in a video game.",
    "a sketch of a {}.",
    "a doodle of the {}.", "a origami {}.", "a low resolution photo of a {}.", "the toy {}.", "a rendition of the {}.",
    "a photo of the clean {}.", "a photo of a large {}.", "a rendition of a {}.", "a photo of a nice {}.",
    "a photo of a weird {}.", "a blurry photo of a {}.", "a cartoon {}.", "art of a {}.", "a sketch of the {}.",
    "a embroidered {}.", "a pixelated photo of a {}.", "itap of the {}.", "a jpeg corrupted photo of the {}.",
    "a good photo of a {}.", "a plushie {}.", "a photo of the nice {}.", "a photo of the small {}.",
    "a photo of the weird {}.",
    "the cartoon {}.", "art of the {}.", "a drawing of the {}.", "a photo of the large {}.",
    "a black and white photo of a {}.",
    "the plushie {}.", "a dark photo of a {}.", "itap of a {}.", "graffiti of the {}.", "a toy {}.", "itap of my {}.",
    "a photo of a cool {}.", "a photo of a small {}.", "a tattoo of the {}.",
]
