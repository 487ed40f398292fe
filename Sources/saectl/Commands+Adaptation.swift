// compare, remap, ablate, classify: what an adaptation changed, and what answers rest on.

import ArgumentParser
import SaectlKit
import Wire

extension ViewRange {
    /// As `transform` of an argument, whose error says what is wrong.
    static func parsed(_ text: String) throws -> ViewRange {
        do throws(ViewRange.Mistake) { return try ViewRange(text) } catch { throw ValidationError(error.description) }
    }

    static let help = ArgumentHelp(
        "Two views of one model and SAE: base..maple, or each side as MODEL/ADAPTER/SAE; an empty left side is the base.", valueName: "base..adapted")
    static let disagreeHelp = ArgumentHelp("Only images whose answer differs between two views, with both answers.", valueName: "base..adapted")
}

/// Numbers separated by commas.
struct CountList: ExpressibleByArgument {
    let counts: [UInt32]

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { $0 == "all" ? 0 : UInt32($0) ?? .max }
        guard !parts.isEmpty, !parts.contains(.max) else { return nil }
        counts = parts
    }

    /// 0 is what "all" was.
    var hasAll: Bool { counts.contains(0) }
}

/// Which images of both views: a class, a data set.
struct ScopeOptions: ParsableArguments {
    @Option(name: [.customLong("class"), .customLong("label")], help: ArgumentHelp("Only images with this label.", valueName: "label"), completion: .offer(.labels))
    var label: String?

    @Option(name: .long, help: ArgumentHelp("Only images of this data set.", valueName: "name"), completion: .offer(.datasets))
    var dataset: String?
}

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What changed between two views: overlap of the top latents, latents gained and lost.",
        discussion: """
            Latents are ranked in each view by tokens over tau: class token and patches on which they have more than \
            0.2, over the images that have a snapshot in both views. Frequency is the share of the tokens of a kind \
            on which a latent is active, mean its mean over those. BY CHANCE is what two unrelated draws would share, \
            CONTROL the same figure of an SAE of random directions. That comes by itself, in idle times, on a sample of the \
            images: SAME IMAGES is SHARE on these, where they are not all. `saectl sae random` makes one of all images. \
            --as-published counts tokens of all kinds, prompts too, as the paper does.

              saectl compare base..maple --dataset shifted
              saectl compare base..maple --image star/12.jpg
            """)
    @OptionGroup var common: Common

    @Argument(help: ViewRange.help, completion: .offer(.ranges), transform: ViewRange.parsed)
    var range: ViewRange

    @Option(name: .long, help: ArgumentHelp("Only this image: a path, a file name where unique, or the beginning of an id.", valueName: "image"), completion: .offer(.images))
    var image: String?

    @OptionGroup var scope: ScopeOptions

    @Option(name: .long, help: ArgumentHelp("How many of the top latents the overlap is taken of (default: 1,2,5,10,20,50,100,200,500).", valueName: "k,k,..."))
    var k: CountList?

    @Option(name: .long, help: "So many latents in each list.")
    var top: UInt32 = 10

    @Flag(name: .long, help: "The paper's definitions instead: tokens of all kinds.")
    var asPublished = false

    func validate() throws {
        if image != nil, scope.label != nil || scope.dataset != nil {
            throw ValidationError("--image names one image: leave out --class and --dataset.")
        }
        if k?.hasAll ?? false { throw ValidationError("--k takes numbers from 1.") }
    }

    func run() throws {
        var request = Saed_CompareRequest()
        (request.base, request.adapted) = (range.base, range.adapted)
        if let image { request.image = Saed_ImageReference(argument: image) }
        if let label = scope.label { request.label = label }
        if let dataset = scope.dataset { request.dataset = dataset }
        (request.ks, request.top, request.asPublished) = (k?.counts ?? [], top, asPublished)
        try common.answer(.compare(request)) { $0.compare.text(for: $1) } json: { $0.compare.json }
    }
}

struct Remap: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Which latents an adaptation gave to which classes, and what of its gain rests on them.",
        discussion: """
            A class's own latents are its top k by tokens over tau (more than 0.2; class token and patches) on its \
            images, those that have a snapshot in both views. RE-ASSIGNED ones are among the second view's and not \
            the first's, but were another class's; NEW ones were no class's; LEFT ones were only the first view's. \
            HIGH, LOW, RISES, FALLS are the paper's groups. What the gain rests on is measured by setting the latents \
            of a group back to their base values on each image and answering again, the SAE's error term kept: \
            `random latents` is its control. Shuffled labels and an SAE of random directions \
            stand beside the finding; the latter comes by itself, in idle times, on a sample of the images, and "finding, \
            same images" is the finding on these. What the gain rests on is measured on at most 512 images, drawn evenly \
            over the classes. Intervals: 95 %, bootstrap (classes: paired), the same for the same --seed.

              saectl remap base..maple --dataset shifted
            """)
    @OptionGroup var common: Common

    @Argument(help: ViewRange.help, completion: .offer(.ranges), transform: ViewRange.parsed)
    var range: ViewRange

    @OptionGroup var scope: ScopeOptions

    @Option(name: .long, help: "Latents that count as a class's own (default: 50, of a small dictionary a quarter).")
    var k: UInt32?

    @Option(name: .long, help: "So many rows in each table, and moves of a class; --json always has every class.")
    var top: UInt32 = 10

    @Option(name: .long, help: "Of the bootstrap, the shuffled labels and the random latents.")
    var seed: UInt64 = 0

    @Option(name: .long, help: "Rounds of the bootstrap.")
    var rounds: UInt32 = 1000

    @Flag(name: .long, help: "Leave out what the gain rests on, the only part that runs the model.")
    var noAblation = false

    @Option(
        name: .long,
        help: ArgumentHelp("The SAE of random directions that is the control (default: one made like the views' SAE, else the automatic one).", valueName: "sae"), completion: .offer(.controls))
    var control: String?

    @Flag(name: .long, help: "The paper's definitions instead: tokens of all kinds.")
    var asPublished = false

    func validate() throws {
        if k == 0 { throw ValidationError("--k is a number from 1.") }
        if rounds == 0 { throw ValidationError("--rounds is a number from 1.") }
    }

    func run() throws {
        var request = Saed_RemapRequest()
        (request.base, request.adapted) = (range.base, range.adapted)
        if let label = scope.label { request.label = label }
        if let dataset = scope.dataset { request.dataset = dataset }
        (request.k, request.top, request.seed, request.rounds) = (k ?? 0, top, seed, rounds)
        (request.noAblation, request.controlSae, request.asPublished) = (noAblation, control ?? "", asPublished)
        let reply = try common.follow(.remap(request), unit: "images").remap
        common.print(reply.json, reply.text(top: Int(top), for: .out))
    }
}

enum RankingOption: String, ExpressibleByArgument, CaseIterable {
    case classCount = "class-count"
    case mean, peak, frequency, random
}

struct Ablate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Accuracy with only a class's top latents, and without them.",
        discussion: """
            For each class and k: ON keeps the class's top k latents on its images and takes all others away, OFF \
            takes only those away; the rest of the model runs on what is left. Figures are the share of a class's \
            images answered with it, means over classes; ON RANDOM and OFF RANDOM draw equally many active latents. \
            Latents are ranked by tokens over tau (more than 0.2) on the class's images, or as --by says. The SAE's \
            reconstruction stands for the activations; --error-term adds what it misses, so that OFF with nothing \
            taken away is the model itself. --as-published also subtracts the constant that the paper's code does.

              saectl ablate --view maple --dataset shifted --top 1,10,50
            """)
    @OptionGroup var common: Common
    @OptionGroup var view: ViewOption
    @OptionGroup var scope: ScopeOptions

    @Option(name: .long, help: ArgumentHelp("Latents, or `all` (default, as published: 1,2,5,10,50,100,500,1000,2000,all).", valueName: "k,k,..."))
    var top: CountList?

    @Option(name: .long, help: "The order of a class's latents, on its images.")
    var by: RankingOption = .classCount

    @Flag(name: .long, help: "Keep what the SAE does not reconstruct.")
    var errorTerm = false

    @Flag(name: .long, help: "As the published code.")
    var asPublished = false

    @Option(name: .long, help: "Of the random latents.")
    var seed: UInt64 = 0

    @Option(name: .long, help: "Rows of the table of classes; --json always has every class.")
    var rows: Int = 10

    func validate() throws {
        if errorTerm, asPublished { throw ValidationError("--error-term is not as published: name one of both.") }
        if rows < 0 { throw ValidationError("--rows is a number from 0.") }
    }

    func run() throws {
        var request = Saed_AblateRequest()
        if let view = view.view { request.view = view }
        if let label = scope.label { request.label = label }
        if let dataset = scope.dataset { request.dataset = dataset }
        (request.ks, request.by, request.errorTerm) = (top?.counts ?? [], by.rawValue, errorTerm)
        (request.asPublished, request.seed) = (asPublished, seed)
        let reply = try common.follow(.ablate(request), unit: "images").ablate
        common.print(reply.json, reply.text(top: rows, for: .out))
    }
}

struct Classify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "One image's classes, or the accuracy on a data set.",
        discussion: """
            Classifies from stored snapshots by the view's class list. Accuracy is the share of the images whose label \
            is a class that are answered with it; intervals are Wilson's, 95 %.

              saectl classify star/12.jpg
              saectl classify shifted --view maple
            """)
    @OptionGroup var common: Common
    @OptionGroup var view: ViewOption

    @Argument(
        help: ArgumentHelp(
            "A path, a file name where unique, or the beginning of an id; a data set's name; or `all`.", valueName: "image|dataset|all"),
        completion: .offer(.targets))
    var target: String

    @Option(name: .long, help: "So many classes of an image, or rows of each table; --json always has every class of a data set.")
    var top: UInt32 = 10

    func run() throws {
        var request = Saed_ClassifyRequest()
        if let view = view.view { request.view = view }
        (request.image, request.target, request.top) = (Saed_ImageReference(argument: target), target, top)
        let reply = try common.follow(.classify(request), unit: "images").classify
        common.print(reply.json, reply.text(top: Int(top), for: .out))
    }
}
