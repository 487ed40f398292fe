// find, name, similar, report, atlas: latents in words, likeness, and everything on one page.

import ArgumentParser
import SaectlKit
import Wire

struct Find: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Latents and images that fit words, by the model's own text tower.",
        discussion: """
            Images are ranked by the cosine of the text's embedding with theirs; latents by the score that \
            `saectl name` gives, or, in dictionaries of more than 4,096, by the cosine with the mean of their strongest \
            images. Beside each stands how far above the mean of all it lies: what a text that fits nothing reaches too.

              saectl find "a striped shirt"
              saectl find "red circle" --view maple --top 20
            """)
    @OptionGroup var common: Common
    @OptionGroup var view: ViewOption

    @Argument(help: "Words, as one argument: in quotes.")
    var text: String

    @Option(name: .long, help: "So many latents and images.")
    var top: UInt32 = 10

    func validate() throws {
        if text.allSatisfy(\.isWhitespace) { throw ValidationError("The text is empty: write what an image may show.") }
    }

    func run() throws {
        var request = Saed_FindRequest()
        if let view = view.view { request.view = view }
        (request.text, request.top) = (text, top)
        let reply = try common.connect().ask(Saed_Request(.find(request))).find
        common.print(reply.json, reply.text(for: .out))
        if reply.latents.isEmpty, reply.images.isEmpty { throw ExitCode(ExitStatus.failed) }
    }
}

struct Name: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Words for a latent, or for all, by the model's own text tower.",
        discussion: """
            A name that is not clearly better than what chance gives is printed as "unsure", with what it might be. \
            FILE of --words has one word or short phrase a line; empty lines and lines that begin with # are left out.

              saectl name 4321
              saectl name --all --json
              saectl name 4321 --words materials.txt --top 10
            """)
    @OptionGroup var common: Common
    @OptionGroup var view: ViewOption

    @Argument(help: "Its number.")
    var latent: UInt32?

    @Flag(name: .long, help: "Every latent.")
    var all = false

    @Option(name: .long, help: ArgumentHelp("A text file of words instead of the list that ships.", valueName: "file"), completion: .file())
    var words: String?

    @Option(name: .long, help: "So many candidates for each.")
    var top: UInt32 = 5

    func validate() throws {
        if latent == nil, !all { throw ValidationError("Name a latent by its number, or use --all.") }
        if latent != nil, all { throw ValidationError("Name a latent or use --all, not both.") }
    }

    func run() throws {
        var request = Saed_NameRequest()
        if let view = view.view { request.view = view }
        if let latent { request.latent = latent }
        if let words {
            request.words = try readLines(words)
            guard !request.words.isEmpty else { throw InputError(path: words, reason: "has no word: write one a line") }
        }
        request.top = top
        let reply = try common.follow(.name(request), unit: "latents").name
        common.print(reply.json, reply.text(isOne: latent != nil, for: .out))
    }
}

struct Similar: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Images, or patches, that share the most concepts with one.",
        discussion: """
            The score is between 0 and 1: the latents' values that both have, by those that either has, rare latents \
            counting more. The mean score of random ones is printed beside it.

              saectl similar star/12.jpg
              saectl similar star/12.jpg:2,3 --limit 20
            """)
    @OptionGroup var common: Common
    @OptionGroup var view: ViewOption

    @Argument(
        help: ArgumentHelp(
            "A path, a file name where unique, or the beginning of an id; with :ROW,COLUMN one of its patches.", valueName: "image[:row,column]"),
        completion: .offer(.images))
    var image: String

    @Option(name: .long, help: "At most this many.")
    var limit: UInt32 = 10

    func run() throws {
        let named = ImagePatch(image, isFile: isFile)
        var request = Saed_SimilarRequest()
        if let view = view.view { request.view = view }
        if let patch = named.patch { request.patch = patch }
        (request.image, request.limit) = (Saed_ImageReference(argument: named.image), limit)
        let reply = try common.connect().ask(Saed_Request(.similar(request))).similar
        common.print(reply.json, reply.text(for: .out))
        if reply.images.isEmpty { throw ExitCode(ExitStatus.failed) }
    }
}

/// `-o` of a page.
struct PageOption: ParsableArguments {
    @Option(name: .shortAndLong, help: ArgumentHelp("The HTML to write; - is standard output.", valueName: "file"), completion: .file(extensions: ["html"]))
    var output: String
}

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What an adaptation changed, on one page that needs no network.",
        discussion: """
            The summary in words, accuracies, tables and flows of latents between classes, the latents that matter \
            with their top images, and a patch viewer. The file appears whole or not at all.

              saectl report base..maple -o report.html
              saectl report ..maple --dataset shifted --images 100 -o report.html
            """)
    @OptionGroup var common: Common

    @Argument(help: ViewRange.help, completion: .offer(.ranges), transform: ViewRange.parsed)
    var range: ViewRange

    @OptionGroup var page: PageOption

    @Option(name: .long, help: ArgumentHelp("Only images of this data set.", valueName: "name"), completion: .offer(.datasets))
    var dataset: String?

    @Option(name: .long, help: "So many latents with their top images.")
    var latents: UInt32 = 24

    @Option(name: .long, help: "So many images in the patch viewer.")
    var images: UInt32 = 24

    @Option(name: .long, help: "Of the bootstrap, the shuffled labels and the random latents.")
    var seed: UInt64 = 0

    @Option(
        name: .long,
        help: ArgumentHelp("The SAE of random directions that is the control (default: one made like the views' SAE, else the automatic one).", valueName: "sae"), completion: .offer(.controls))
    var control: String?

    @Flag(name: .long, help: "Leave out what the gain rests on, the part that runs the model most.")
    var noAblation = false

    func validate() throws {
        if latents == 0 { throw ValidationError("--latents is a number from 1.") }
        if images == 0 { throw ValidationError("--images is a number from 1.") }
    }

    func run() throws {
        let place = try common.place(page.output)
        var request = Saed_ReportRequest()
        (request.base, request.adapted) = (range.base, range.adapted)
        if let dataset { request.dataset = dataset }
        (request.latents, request.images, request.seed) = (latents, images, seed)
        (request.controlSae, request.noAblation) = (control ?? "", noAblation)
        let reply = try common.write(.report(request), array: "html", what: "page", to: place).report
        common.report(place, reply.json(path: absolutePath(page.output))) { reply.text(path: page.output, for: $0) }
    }
}

struct Atlas: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Every latent of a view that is ever active, on one page to search and sort.",
        discussion: """
            The page needs no network; the file appears whole or not at all.

              saectl atlas maple -o atlas.html
            """)
    @OptionGroup var common: Common

    @Argument(help: "MODEL/ADAPTER/SAE, or ADAPTER alone; may be left out where there is only one view.", completion: .offer(.views))
    var view: Saed_ViewName?

    @OptionGroup var page: PageOption

    @Option(name: .long, help: "So many top images of a latent.")
    var images: UInt32 = 8

    func validate() throws {
        if images == 0 { throw ValidationError("--images is a number from 1.") }
    }

    func run() throws {
        let place = try common.place(page.output)
        var request = Saed_AtlasRequest()
        if let view { request.view = view }
        request.images = images
        let reply = try common.write(.atlas(request), array: "html", what: "page", to: place, unit: "latents").atlas
        common.report(place, reply.json(path: absolutePath(page.output))) { reply.text(path: page.output, for: $0) }
    }
}
