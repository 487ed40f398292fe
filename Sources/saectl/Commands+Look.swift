// images, show, latents, latent, heatmap, sheet, export: what the images show.

import ArgumentParser
import Glibc
import SaectlKit
import Wire

struct Images: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List images: all, of a label, those on which a latent is active, or those answered differently.",
        discussion: """
            --disagree lists images whose answer, the likeliest class, differs between two views: first those that \
            became wrong, then those that became right, then the others.

              saectl images --latent 4321 --by peak --limit 20
              saectl images --disagree base..maple --dataset shifted
            """)
    @OptionGroup var common: Common
    @OptionGroup var view: ViewOption

    @Option(name: .long, help: "Only images on which this latent is active, the strongest first.")
    var latent: UInt32?

    @Option(name: .long, help: "With --latent: rank by the mean over the patches or by the peak patch.")
    var by: ScoreOption = .mean

    @Option(name: .long, help: "Only images with this label.", completion: .offer(.labels))
    var label: String?

    @Option(name: .long, help: ViewRange.disagreeHelp, completion: .offer(.ranges), transform: ViewRange.parsed)
    var disagree: ViewRange?

    @Option(name: .long, help: ArgumentHelp("With --disagree: only images of this data set.", valueName: "name"), completion: .offer(.datasets))
    var dataset: String?

    @Option(name: .long, help: "At most this many.")
    var limit: UInt32 = 50

    @Option(name: .long, help: "Leave out this many at the beginning.")
    var offset: UInt32 = 0

    func validate() throws {
        if disagree != nil, latent != nil || view.view != nil { throw ValidationError("--disagree names two views: leave out --view and --latent.") }
        if disagree == nil, dataset != nil { throw ValidationError("--dataset goes with --disagree.") }
    }

    func run() throws {
        if let disagree { return try list(disagree) }
        var request = Saed_ImagesRequest()
        if let view = view.view { request.view = view }
        if let latent { request.latent = latent }
        if let label { request.label = label }
        (request.by, request.limit, request.offset) = (by.wire, limit, offset)
        var images: [Saed_RankedImage] = []
        var total: UInt64 = 0
        try common.connect().ask(Saed_Request(.images(request))) { piece in
            guard case let .part(reply) = piece else { return }
            images += reply.images.images
            total = max(total, reply.images.total)
        }
        common.print(["images": JSON(images.map(\.json)), "total": JSON(total)], images.isEmpty ? "" : imagesText(images, for: .out))
        if images.isEmpty {
            common.note("no image" + (total > 0 ? " beyond the first \(total)" : ""))
            throw ExitCode(ExitStatus.failed)
        }
        if UInt64(images.count) < total { common.note("\(images.count) of \(total); --limit and --offset show others") }
    }

    private func list(_ range: ViewRange) throws {
        var request = Saed_DisagreeRequest()
        (request.base, request.adapted, request.limit, request.offset) = (range.base, range.adapted, limit, offset)
        if let label { request.label = label }
        if let dataset { request.dataset = dataset }
        let reply = try common.follow(.disagree(request), unit: "images").disagree
        common.print(reply.json, reply.images.isEmpty ? "" : reply.text(for: .out))
        common.note(reply.summary)
        if reply.images.isEmpty { throw ExitCode(ExitStatus.failed) }
        if UInt64(reply.images.count) < reply.total { common.note("\(reply.images.count) of \(reply.total); --limit and --offset show others") }
    }
}

struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "One image: its classes and its strongest latents, or those of one patch.",
        discussion: """
              saectl show star/12.jpg
              saectl show star/12.jpg --patch 6,4 --max-frequency 0.5
            """)
    @OptionGroup var common: Common
    @OptionGroup var view: ViewOption

    @Argument(help: "A path, a file name where unique, or the beginning of an id.", completion: .offer(.images))
    var image: String

    @Option(name: .long, help: ArgumentHelp("Also the latents of this patch, counted from 0,0 at the top left.", valueName: "row,column"))
    var patch: Saed_Patch?

    @Option(name: .long, help: "So many latents and classes.")
    var top: UInt32 = 10

    @Option(name: .long, help: "Rank the image's latents by the mean over the patches or by the peak patch.")
    var by: ScoreOption = .mean

    @Option(name: .long, help: ArgumentHelp("Leave out latents active on a larger share of images (0 to 1).", valueName: "share"))
    var maxFrequency: Double?

    func run() throws {
        var request = Saed_ShowRequest()
        request.image = Saed_ImageReference(argument: image)
        if let view = view.view { request.view = view }
        if let patch { request.patch = patch }
        if let maxFrequency { request.maxFrequency = maxFrequency }
        (request.top, request.by) = (top, by.wire)
        try common.answer(.show(request)) { $0.show.text(for: $1) } json: { $0.show.json }
    }
}

enum SortOption: String, ExpressibleByArgument, CaseIterable {
    case frequency, mean, peak, entropy, latent
    var wire: Saed_LatentSort {
        switch self {
        case .frequency: .frequency
        case .mean: .mean
        case .peak: .peak
        case .entropy: .entropy
        case .latent: .latent
        }
    }
}

struct Latents: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List latents with their statistics over all images.",
        discussion: """
            Frequency is the share of images on which a latent is active; entropy (of its labels) sorts the purest first.

              saectl latents --sort entropy --min-frequency 0.01
            """)
    @OptionGroup var common: Common
    @OptionGroup var view: ViewOption

    @Option(name: .long, help: "The order.")
    var sort: SortOption = .frequency

    @Flag(name: .long, help: "The other way round.")
    var reverse = false

    @Option(name: .long, help: ArgumentHelp("Only latents active on at least this share of images (0 to 1).", valueName: "share"))
    var minFrequency: Double?

    @Option(name: .long, help: ArgumentHelp("Only latents active on at most this share of images (0 to 1).", valueName: "share"))
    var maxFrequency: Double?

    @Option(name: .long, help: "Frequencies and peaks over tokens of this kind instead of images.")
    var kind: KindOption?

    @Option(name: .long, help: "At most this many.")
    var limit: UInt32 = 25

    @Option(name: .long, help: "Leave out this many at the beginning.")
    var offset: UInt32 = 0

    func run() throws {
        var request = Saed_LatentsRequest()
        if let view = view.view { request.view = view }
        if let minFrequency { request.minFrequency = minFrequency }
        if let maxFrequency { request.maxFrequency = maxFrequency }
        if let kind { request.kind = kind.wire }
        (request.sort, request.reverse, request.limit, request.offset) = (sort.wire, reverse, limit, offset)
        var answer = Saed_LatentsReply()
        try common.connect().ask(Saed_Request(.latents(request))) { piece in
            guard case let .part(reply) = piece else { return }
            let earlier = answer.latents
            answer = reply.latents
            answer.latents = earlier + reply.latents.latents
        }
        let latents = answer.latents
        common.print(
            [
                "view": JSON(answer.view.text), "latents": JSON(latents.map(\.json)), "total": JSON(answer.total),
                "dictionary": JSON(answer.dictionary), "dead": JSON(answer.dead), "images": JSON(answer.images),
            ], latents.isEmpty ? "" : latentsText(latents, kind: kind?.wire, for: .out))
        common.note(
            "\(latents.count) of \(answer.total) latents of \(answer.view.text); \(answer.dead) of \(answer.dictionary) never active on "
                + count(answer.images, "image"))
        if latents.isEmpty { throw ExitCode(ExitStatus.failed) }
    }
}

struct Latent: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "One latent: statistics by token kind, its labels, its top images with the patch where each peaks.",
        discussion: "  saectl latent 4321 --by peak")
    @OptionGroup var common: Common
    @OptionGroup var view: ViewOption

    @Argument(help: "Its number.")
    var latent: UInt32

    @Option(name: .long, help: "So many top images, at most 256.")
    var top: UInt32 = 16

    @Option(name: .long, help: "Rank images by the mean over the patches or by the peak patch.")
    var by: ScoreOption = .mean

    func run() throws {
        var request = Saed_LatentRequest()
        if let view = view.view { request.view = view }
        (request.latent, request.top, request.by) = (latent, top, by.wire)
        try common.answer(.latent(request)) { $0.latent.text(for: $1) } json: { $0.latent.json }
    }
}

struct Heatmap: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draw where a latent is active in an image.",
        discussion: "  saectl heatmap star/12.jpg 4321 -o heat.png")
    @OptionGroup var common: Common
    @OptionGroup var view: ViewOption

    @Argument(help: "A path, a file name where unique, or the beginning of an id.", completion: .offer(.images))
    var image: String

    @Argument(help: "The latent's number.")
    var latent: UInt32

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The PNG to write; - is standard output (default: a file in the temporary folder).", valueName: "file"), completion: .file())
    var output: String?

    @OptionGroup var picture: PictureOption

    @Option(name: .long, help: "smooth, or grid: one flat cell a patch.")
    var style: StyleOption = .smooth

    func run() throws {
        var request = Saed_HeatmapRequest()
        request.image = Saed_ImageReference(argument: image)
        if let view = view.view { request.view = view }
        (request.latent, request.style) = (latent, style.wire)
        let place = try output.map(common.place) ?? .forPicture(["heatmap", "\(latent)", view.view?.text ?? "", image])
        let reply = try common.picture(.heatmap(request), to: place, picture).heatmap
        common.report(place, reply.json(output: place.path)) { reply.text(output: place.path, for: $0) }
    }
}

struct Sheet: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draw a latent's top images on one sheet, each with its heat map.",
        discussion: "  saectl sheet 4321 --top 25 -o sheet.png")
    @OptionGroup var common: Common
    @OptionGroup var view: ViewOption

    @Argument(help: "The latent's number.")
    var latent: UInt32

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The PNG to write; - is standard output (default: a file in the temporary folder).", valueName: "file"), completion: .file())
    var output: String?

    @OptionGroup var picture: PictureOption

    @Option(name: .long, help: "So many images, at most 256.")
    var top: UInt32 = 16

    @Option(name: .long, help: "Columns; 0: as near a square as fits.")
    var columns: UInt32 = 0

    @Option(name: .long, help: "Rank images by the mean over the patches or by the peak patch.")
    var by: ScoreOption = .mean

    @Option(name: .long, help: "smooth, or grid: one flat cell a patch.")
    var style: StyleOption = .smooth

    func run() throws {
        var request = Saed_SheetRequest()
        if let view = view.view { request.view = view }
        (request.latent, request.top, request.columns, request.by, request.style) = (latent, top, columns, by.wire, style.wire)
        let place = try output.map(common.place) ?? .forPicture(["sheet", "\(latent)", view.view?.text ?? ""])
        let reply = try common.picture(.sheet(request), to: place, picture).sheet
        common.report(place, reply.json(output: place.path)) { reply.text(output: place.path, for: $0) }
    }
}

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write latents of images to a numpy .npz file.",
        discussion: """
            Keys: paths, image_ids, labels, tokens_per_image, token_kind (0 class, 1 patch, 2 prompt), and indptr, \
            indices, data, shape of a scipy CSR matrix whose rows are tokens, image by image in the order of paths:
              f = numpy.load("x.npz")
              z = scipy.sparse.csr_matrix((f["data"], f["indices"], f["indptr"]), shape=f["shape"])
            --activations adds activations [image, token, width], --logits adds logits [image, class] and classes.

              saectl export --all --activations -o all.npz
            """)
    @OptionGroup var common: Common
    @OptionGroup var view: ViewOption

    @Argument(help: "Paths, file names where unique, or beginnings of ids.", completion: .offer(.images))
    var images: [String] = []

    @Flag(name: .long, help: "Every image of the view.")
    var all = false

    @Flag(name: .long, help: "Also the activations at the hook point, f32.")
    var activations = false

    @Flag(name: .long, help: "Also the classifier's logits, f32.")
    var logits = false

    @Option(name: .shortAndLong, help: ArgumentHelp("The .npz to write.", valueName: "file"), completion: .file(extensions: ["npz"]))
    var output: String

    func validate() throws {
        if images.isEmpty, !all { throw ValidationError("Name images, or use --all.") }
        if !images.isEmpty, all { throw ValidationError("Name images or use --all, not both.") }
    }

    func run() throws {
        var request = Saed_ExportRequest()
        request.images = images.map(Saed_ImageReference.init(argument:))
        if let view = view.view { request.view = view }
        (request.all, request.activations, request.logits) = (all, activations, logits)
        let file = ExportFile(path: output)
        var bar = ProgressBar(unit: "images")
        try common.connect().ask(Saed_Request(.export(request))) { piece in
            try file.receive(piece)
            bar.show(done: UInt64(file.progress.done), total: UInt64(file.progress.total))
        }
        bar.finish()
        let summary = try file.finish()
        common.print(
            ["output": JSON(output), "images": JSON(summary.images), "rows": JSON(summary.rows), "entries": JSON(summary.entries)],
            "\(output.printable): \(count(summary.images, "image")), \(count(summary.rows, "token")), \(count(summary.entries, "active latent"))\n")
    }
}
