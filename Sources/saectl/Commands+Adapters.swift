// adapters, adapter: what models are adapted by.

import ArgumentParser
import SaectlKit
import Wire

struct Adapters: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List adapters: prompts, LoRA, fine-tuned towers, and the base itself.",
        discussion: "  saectl adapters --model b16")
    @OptionGroup var common: Common

    @Option(name: .long, help: "Only those of this model.", completion: .offer(.models))
    var model: String?

    func run() throws {
        var request = Saed_AdaptersRequest()
        request.model = model ?? ""
        let adapters = try common.connect().askMerging(Saed_Request(.adapters(request))).adapters.adapters
        common.print(["adapters": JSON(adapters.map(\.json))], adaptersText(adapters, for: .out))
    }
}

struct Adapter: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Add, activate, deactivate, remove or export an adapter.",
        subcommands: [AdapterAdd.self, AdapterActivate.self, AdapterDeactivate.self, AdapterRemove.self, AdapterExport.self])
}

enum PositionOption: String, ExpressibleByArgument, CaseIterable {
    case end, middle, front
}

struct AdapterAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add an adapter; images in the store are encoded with it, at low priority.",
        discussion: """
            FILE is a checkpoint of MaPLe, VPT, IVLP, CoOp or CoCoOp as the public trainers write it (.pth.tar), or a \
            folder: LoRA as PEFT writes it, a fine-tuned vision tower, or what `adapter export` wrote. What it is is \
            told by its keys and shapes. A checkpoint of another model is refused, both shapes named.

              saectl adapter add model.pth.tar-50 --model b16 --name maple
            """)
    @OptionGroup var common: Common

    @Argument(help: "Its file or folder, which the daemon must be able to read.", completion: .file())
    var file: String

    @Option(name: .long, help: "The model that it adapts; may be left out where it fits only one.", completion: .offer(.models))
    var model: String?

    @Option(name: .long, help: "Its name in views.")
    var name: String

    @Option(name: .long, help: "CoOp: where it was trained to have the class's name, which its file does not say (default: end).")
    var classPosition: PositionOption?

    func run() throws {
        var request = Saed_AdapterAddRequest()
        (request.path, request.model, request.name, request.classPosition) = (absolutePath(file), model ?? "", name, classPosition?.rawValue ?? "")
        let reply = try common.follow(.adapterAdd(request), unit: "tensors").adapterAdd
        common.print(reply.json, reply.text)
    }
}

/// What the commands that name one adapter take.
struct AdapterName: ParsableArguments {
    @Argument(help: "The adapter's name.", completion: .offer(.adapters))
    var name: String

    @Option(name: .long, help: "Its model; may be left out where only one has an adapter of that name.", completion: .offer(.models))
    var model: String?

    fileprivate func change(_ action: Saed_AdapterAction, done: String, _ common: Common) throws {
        var request = Saed_AdapterChangeRequest()
        (request.name, request.model, request.action) = (name, model ?? "", action)
        try common.answer(.adapterChange(request)) { reply, _ in reply.adapterChange.text(done: done) } json: { $0.adapterChange.json }
    }
}

struct AdapterActivate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "activate", abstract: "Encode images with it again, those too that came meanwhile.",
        discussion: "  saectl adapter activate maple")
    @OptionGroup var common: Common
    @OptionGroup var adapter: AdapterName

    func run() throws { try adapter.change(.activate, done: "activated", common) }
}

struct AdapterDeactivate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deactivate", abstract: "Encode no more images with it and leave its views out of answers; what it made is kept until it is active again.",
        discussion: "  saectl adapter deactivate maple")
    @OptionGroup var common: Common
    @OptionGroup var adapter: AdapterName

    func run() throws { try adapter.change(.deactivate, done: "deactivated", common) }
}

struct AdapterRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove it with its views and all that they have; other adapters' snapshots stay.",
        discussion: "  saectl adapter rm maple")
    @OptionGroup var common: Common
    @OptionGroup var adapter: AdapterName

    func run() throws { try adapter.change(.remove, done: "removed", common) }
}

struct AdapterExport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write an adapter to a folder: adapter.json and adapter.safetensors, which `adapter add` takes.",
        discussion: """
            The folder appears whole or not at all; one that is not empty is never touched.

              saectl adapter export maple -o maple-folder
            """)
    @OptionGroup var common: Common
    @OptionGroup var adapter: AdapterName

    @Option(name: .shortAndLong, help: ArgumentHelp("The folder to write.", valueName: "dir"), completion: .directory)
    var output: String

    func run() throws {
        var request = Saed_AdapterExportRequest()
        (request.name, request.model) = (adapter.name, adapter.model ?? "")
        let client = try common.connect()
        let folder = try ExportFolder(path: output)
        try client.ask(Saed_Request(.adapterExport(request))) { try folder.receive($0) }
        let files = try folder.finish()
        common.print(
            ["output": JSON(output), "files": JSON(files.map { ["name": JSON($0.name), "bytes": JSON($0.bytes)] })],
            "\(output.printable): " + files.map { "\($0.name) (\(sizeText($0.bytes)))" }.joined(separator: ", ") + "\n")
    }
}
