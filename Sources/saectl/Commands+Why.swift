// explain, steer: why an answer is what it is, and what if.

import ArgumentParser
import SaectlKit
import Synchronization
import Wire

struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Why an image's answer changed between two views: the latents and patches that moved it.",
        discussion: """
            The margin is a view's logit of one class less that of another: by default of the second view's answer \
            over the first's. Its change is told in parts that add up to it; a latent's contribution is the change of \
            its values times its direction's effect through what lies above the hook point, along the path from the \
            first view to the second. Beside it stands what happens when latents are set back to their base values \
            and the image is answered again, and the same for as many random ones.

              saectl explain star/12.jpg base..maple
              saectl explain star/12.jpg ..maple --class star --against square -o why.png
            """)
    @OptionGroup var common: Common

    @Argument(help: "A path, a file name where unique, or the beginning of an id.", completion: .offer(.images))
    var image: String

    @Argument(help: ViewRange.help, completion: .offer(.ranges), transform: ViewRange.parsed)
    var range: ViewRange

    @Option(name: .long, help: "So many latents.")
    var top: UInt32 = 10

    @Option(name: .customLong("class"), help: ArgumentHelp("The margin's class (default: the second view's answer).", valueName: "class"), completion: .offer(.classes))
    var className: String?

    @Option(
        name: .long, help: ArgumentHelp("The class that it is measured against (default: the first view's answer, or its next).", valueName: "class"), completion: .offer(.classes))
    var against: String?

    @Flag(name: .long, help: "Keep what the SAE does not reconstruct; activations that were not kept are computed again.")
    var errorTerm = false

    @Option(name: .long, help: "Of the random latents.")
    var seed: UInt64 = 0

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("A PNG to write: the image, and where the latents moved the margin; - is standard output.", valueName: "file"), completion: .file())
    var output: String?

    @OptionGroup var picture: PictureOption

    func validate() throws {
        if className?.isEmpty ?? false { throw ValidationError("--class is empty: name a class of `saectl classes`.") }
        if against?.isEmpty ?? false { throw ValidationError("--against is empty: name a class of `saectl classes`.") }
        if let className, className == against { throw ValidationError("--class and --against are the same: name two classes.") }
    }

    func run() throws {
        var request = Saed_ExplainRequest()
        (request.image, request.base, request.adapted) = (Saed_ImageReference(argument: image), range.base, range.adapted)
        (request.className, request.against, request.top) = (className ?? "", against ?? "", top)
        (request.errorTerm, request.seed, request.picture) = (errorTerm, seed, drawsPicture)
        guard drawsPicture else {
            return try common.answer(.explain(request)) { $0.explain.text(output: nil, for: $1) } json: { $0.explain.json(output: nil) }
        }
        let place = try output.map(common.place) ?? .forPicture(["explain", range.base.adapter, range.adapted.adapter, image])
        let reply = try common.picture(.explain(request), to: place, picture).explain
        common.report(place, reply.json(output: place.path)) { reply.text(output: place.path, for: $0) }
    }

    /// A picture is drawn where a file for it is named, or that it be shown.
    private var drawsPicture: Bool { output != nil || (picture.picture.map { $0 != .never } ?? false) }
}

/// An option's value and where it stood: ArgumentParser reads from left to right, and only that tells options of
/// several names apart in order.
struct Placed<Value: Sendable>: Sendable {
    let value: Value
    let place: Int

    init(_ value: Value) { (self.value, place) = (value, placesTaken.add(1, ordering: .relaxed).newValue) }
}

private let placesTaken = Atomic<Int>(0)

extension Placed<SteerOption> {
    @Sendable static func latent(_ text: String) throws -> Placed { try parsed { () throws(SteerMistake) in .latent(try LatentPlace(text)) } }
    @Sendable static func scale(_ text: String) throws -> Placed { try parsed { () throws(SteerMistake) in .scale(try SteerOption.number(text)) } }
    @Sendable static func to(_ text: String) throws -> Placed { try parsed { () throws(SteerMistake) in .to(try SteerOption.number(text)) } }

    private static func parsed(_ make: () throws(SteerMistake) -> SteerOption) throws -> Placed {
        do throws(SteerMistake) { return Placed(try make()) } catch { throw ValidationError(error.description) }
    }
}

struct Steer: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Suppress or boost latents of one image and see the answers move.",
        discussion: """
            --scale and --to are for the latents named before them and after the last of them; just one is for all \
            latents, wherever it stands. A latent is changed on the class token and all patches, or where its place \
            says: a patch, a rectangle of patches (corners included), the class token. The same is done in the \
            model's other views with this SAE. Equally large changes of random latents on the same tokens are the \
            control.

              saectl steer star/12.jpg --latent 4321 --scale 0
              saectl steer star/12.jpg --latent 4321:2,3-4,5 --scale 0
              saectl steer star/12.jpg --latent 17:class --to 2.5 --view maple
            """)
    @OptionGroup var common: Common
    @OptionGroup var view: ViewOption

    @Argument(help: "A path, a file name where unique, or the beginning of an id.", completion: .offer(.images))
    var image: String

    @Option(
        name: .long, parsing: .unconditionalSingleValue, help: ArgumentHelp("A latent to change; may be repeated.", valueName: "n|n:r,c|n:r,c-r,c|n:class"),
        transform: Placed<SteerOption>.latent)
    var latent: [Placed<SteerOption>] = []

    @Option(
        name: .long, parsing: .unconditionalSingleValue, help: ArgumentHelp("Its values times this; 0 takes it away, 1 changes nothing.", valueName: "s"),
        transform: Placed<SteerOption>.scale)
    var scale: [Placed<SteerOption>] = []

    @Option(
        name: .long, parsing: .unconditionalSingleValue, help: ArgumentHelp("Its values are this, also where it is not active.", valueName: "v"),
        transform: Placed<SteerOption>.to)
    var to: [Placed<SteerOption>] = []

    @Flag(name: .long, help: "Keep what the SAE does not reconstruct; activations that were not kept are computed again.")
    var errorTerm = false

    @Option(name: .long, help: "So many classes.")
    var top: UInt32 = 5

    @Option(name: .long, help: "Of the random latents.")
    var seed: UInt64 = 0

    private func edits() throws -> [Saed_LatentEdit] {
        let options = (latent + scale + to).sorted { $0.place < $1.place }.map(\.value)
        do throws(SteerMistake) { return try SteerOption.edits(options) } catch { throw ValidationError(error.description) }
    }

    func validate() throws { _ = try edits() }

    func run() throws {
        var request = Saed_SteerRequest()
        request.image = Saed_ImageReference(argument: image)
        if let view = view.view { request.view = view }
        (request.edits, request.errorTerm, request.top, request.seed) = (try edits(), errorTerm, top, seed)
        try common.answer(.steer(request)) { $0.steer.text(for: $1) } json: { $0.steer.json }
    }
}
