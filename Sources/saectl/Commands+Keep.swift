// models, saes, classes, views: what images are looked at with.

import ArgumentParser
import SaectlKit
import Wire

struct Models: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List models.",
        discussion: "  saectl models")
    @OptionGroup var common: Common

    func run() throws {
        try common.answer(.models(.init())) { modelsText($0.models.models, for: $1) } json: { ["models": JSON($0.models.models.map(\.json))] }
    }
}

struct Model: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Add a model.", subcommands: [ModelAdd.self])
}

struct ModelAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a CLIP model in Hugging Face layout; images in the store are encoded with it once an SAE fits it.",
        discussion: "  saectl model add clip-vit-base-patch16 --name b16")
    @OptionGroup var common: Common

    @Argument(help: "Its folder, which the daemon must be able to read.", completion: .directory)
    var folder: String

    @Option(name: .long, help: "Its name in views.")
    var name: String

    func run() throws {
        var request = Saed_ModelAddRequest()
        (request.folder, request.name) = (absolutePath(folder), name)
        let reply = try common.follow(.modelAdd(request), unit: "tensors").modelAdd
        common.print(reply.json, "model '\(reply.model.name)' added" + backfillText(reply.backfill) + "\n")
    }
}

struct Saes: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List SAEs.",
        discussion: "  saectl saes --model b16")
    @OptionGroup var common: Common

    @Option(name: .long, help: "Only those of this model.", completion: .offer(.models))
    var model: String?

    func run() throws {
        var request = Saed_SaesRequest()
        request.model = model ?? ""
        try common.answer(.saes(request)) { saesText($0.saes.saes, for: $1) } json: { ["saes": JSON($0.saes.saes.map(\.json))] }
    }
}

struct Sae: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Add an SAE, or make a control.", subcommands: [SaeAdd.self, SaeRandom.self])
}

struct SaeAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add an SAE: a .pt file of PatchSAE, or a folder of SAELens; images in the store are encoded with it.",
        discussion: "  saectl sae add patchsae.pt --model b16 --name patchsae")
    @OptionGroup var common: Common

    @Argument(help: "Its file or folder, which the daemon must be able to read.", completion: .file())
    var path: String

    @Option(name: .long, help: "The model that it was trained on; may be left out where there is only one.", completion: .offer(.models))
    var model: String?

    @Option(name: .long, help: "Its hook point, blocks.L.resid_post; may be left out where its configuration says it.")
    var hook: String?

    @Option(name: .long, help: "Its name in views.")
    var name: String

    func run() throws {
        var request = Saed_SaeAddRequest()
        (request.path, request.model, request.hook, request.name) = (absolutePath(path), model ?? "", hook ?? "", name)
        let reply = try common.follow(.saeAdd(request), unit: "tensors").saeAdd
        common.print(reply.json, reply.text)
    }
}

struct SaeRandom: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "random",
        abstract: "Make a control: an SAE of random directions whose latents are active as often as those of another.",
        discussion: """
            What `remap` or `compare` finds with a trained SAE and also with this one says nothing about the trained \
            one's concepts. One on a sample of the images comes by itself; with this one all images are encoded, and it \
            stands in that one's place. --control of `remap` names it.

              saectl sae random chance --like patchsae
            """)
    @OptionGroup var common: Common

    @Argument(help: "Its name in views.")
    var name: String

    @Option(name: .long, help: "The SAE whose density it takes over, latent by latent.", completion: .offer(.saes))
    var like: String

    @Option(name: .long, help: "The model; may be left out where only one has that SAE.", completion: .offer(.models))
    var model: String?

    @Option(name: .long, help: "Of the random directions; the same seed gives the same SAE.")
    var seed: UInt64?

    func run() throws {
        var request = Saed_SaeRandomRequest()
        (request.name, request.like, request.model) = (name, like, model ?? "")
        if let seed { request.seed = seed }
        let reply = try common.follow(.saeRandom(request), unit: "images").saeRandom
        common.print(reply.json, reply.text)
    }
}

struct Classes: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a model's class names and templates, or set them.", subcommands: [ClassesList.self, ClassesSet.self],
        defaultSubcommand: ClassesList.self)
}

struct ClassesList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Print a model's class names and templates.",
        discussion: "  saectl classes --model b16")
    @OptionGroup var common: Common

    @Option(name: .long, help: "The model; may be left out where there is only one.", completion: .offer(.models))
    var model: String?

    func run() throws {
        var request = Saed_ClassesRequest()
        request.model = model ?? ""
        try common.answer(.classes(request)) { $0.classes.text(for: $1) } json: { $0.classes.json }
    }
}

struct ClassesSet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Set a model's class names.",
        discussion: """
            FILE has one name a line; empty lines and lines that begin with # are left out.

              saectl classes set imagenet.txt --model b16 --templates imagenet
            """)
    @OptionGroup var common: Common

    @Argument(help: "A text file, one class name a line.", completion: .file())
    var file: String

    @Option(name: .long, help: "The model; may be left out where there is only one.", completion: .offer(.models))
    var model: String?

    @Option(name: .long, help: ArgumentHelp("photo, imagenet, or a text file with one template a line, each with one {}.", valueName: "name|file"), completion: .offer(.templates))
    var templates: String?

    func run() throws {
        var request = Saed_ClassesSetRequest()
        request.model = model ?? ""
        request.classes = try readLines(file)
        guard !request.classes.isEmpty else { throw InputError(path: file, reason: "has no class name: write one a line") }
        if let templates {
            // What looks like a path is a file; a bare name is a file only where one lies there.
            if templates.contains("/") || isFile(templates) {
                request.templates = try readLines(templates)
                for template in request.templates where template.split(separator: "{}", omittingEmptySubsequences: false).count != 2 {
                    throw InputError(path: templates, reason: "template '\(template)' must have {} once")
                }
                guard !request.templates.isEmpty else { throw InputError(path: templates, reason: "has no template: write one a line, each with one {}") }
            } else {
                request.templateSet = templates
            }
        }
        try common.answer(.classesSet(request)) { reply, _ in
            let set = reply.classesSet
            return "model '\(set.model)' has \(count(set.classes, "class", "classes")) in \(count(set.templates, "template"))\n"
        } json: { $0.classesSet.json }
    }
}

struct Views: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List views: model, adapter and SAE together.",
        discussion: "  saectl views")
    @OptionGroup var common: Common

    func run() throws {
        try common.answer(.views(.init())) { viewsText($0.views.views, for: $1) } json: { ["views": JSON($0.views.views.map(\.json))] }
    }
}
