// The command line as a whole: its commands, the options that all of them take, exit codes.

import ArgumentParser
import FoundationEssentials  // Data, which protobuf's bytes are; all of Foundation would double the start
import Glibc
import SaectlKit
import Wire

struct Saectl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "saectl",
        abstract: "Asks saed what the patches of images show.",
        discussion: """
            The daemon's socket is found by --socket, --root DIR (DIR/saed.sock), $SAED_SOCKET, \
            $XDG_RUNTIME_DIR/saed/saed.sock, /run/saed/saed.sock, in that order.

            IMAGE is a path, a file name or the end of a path where it is unique, or the beginning of an id. A view is written \
            MODEL/ADAPTER/SAE, MODEL/ADAPTER or ADAPTER; where only one exists it need not be named, and two that \
            are compared are written BASE..ADAPTED. An option that takes a number counts latents, rows and columns \
            from 0.

            Exit codes: 0 success; 1 the daemon's answer is an error, something asked for failed, or nothing \
            was found; 2 the command line is wrong, or no daemon answers.
            """,
        version: SaedVersion.current,
        // Their help calls them "DAEMON SUBCOMMANDS" and so on.
        groupedSubcommands: [
            CommandGroup(name: "Daemon", subcommands: [Status.self, Top.self, Wait.self, Watch.self, Tail.self, Failures.self, Doctor.self, Version.self]),
            CommandGroup(name: "Image", subcommands: [Add.self, Images.self, Export.self, Remove.self, Collect.self, Verify.self]),
            CommandGroup(
                name: "Concept",
                subcommands: [
                    Show.self, Latents.self, Latent.self, Heatmap.self, Sheet.self, Find.self, Name.self, Similar.self, Atlas.self, Classify.self,
                ]),
            CommandGroup(name: "Adaptation", subcommands: [Compare.self, Remap.self, Ablate.self, Explain.self, Steer.self, Report.self]),
            CommandGroup(
                name: "Library",
                subcommands: [Views.self, Models.self, Model.self, Saes.self, Sae.self, Adapters.self, Adapter.self, Classes.self]),
        ])

    // Told here and completed before the command; `hoisted` hands them to it.
    @OptionGroup var common: Common

    /// Parses, runs, reports.
    /// - Returns: the exit code.
    static func run(arguments: [String]) -> CInt {
        let arguments = hoisted(arguments)
        let wantsJSON = arguments.prefix { $0 != "--" }.contains("--json")
        do {
            var command = try parseAsRoot(arguments)
            try command.run()
            return ExitStatus.success
        } catch let failure as WireFailure {
            if wantsJSON { Terminal.out.write(failure.json.text() + "\n") }
            Terminal.error.write(failure.text(for: .error))
            return ExitStatus.failed
        } catch let unreachable as NoDaemon {
            report(unreachable.description)
            return ExitStatus.usage
        } catch let exit as ExitCode {
            return exit.rawValue
        } catch let error as any ReportedError {
            report("\(error)")
            return ExitStatus.failed
        } catch {
            let code = exitCode(for: error)
            let message = UsageLine.folded(fullMessage(for: error))
            if !message.isEmpty { (code.isSuccess ? Terminal.out : Terminal.error).line(message) }
            return code.isSuccess ? ExitStatus.success : ExitStatus.usage
        }
    }

    /// `saectl --root DIR status` is `saectl status --root DIR`: the common options belong to every command, and
    /// people write them on either side of it.
    static func hoisted(_ arguments: [String]) -> [String] {
        var leading: [String] = []
        var rest = arguments[...]
        while let first = rest.first {
            if first == "--json" || first.hasPrefix("--socket=") || first.hasPrefix("--root=") {
                leading.append(first)
                rest = rest.dropFirst()
            } else if first == "--socket" || first == "--root", rest.count > 1 {
                leading += rest.prefix(2)
                rest = rest.dropFirst(2)
            } else {
                break
            }
        }
        guard !rest.isEmpty else { return leading }
        let end = rest.firstIndex(of: "--") ?? rest.endIndex
        return Array(rest[..<end]) + leading + Array(rest[end...])
    }

    private static func report(_ text: String) {
        Terminal.error.write(Terminal.error.styled("saectl: ", .red) + text.printable + "\n")
    }
}

/// Errors that are shown as one line and end with `ExitStatus.failed`.
protocol ReportedError: Error, CustomStringConvertible {}
extension WireClientError: ReportedError {}
extension OutputError: ReportedError {}
extension InputError: ReportedError {}
extension FolderNotEmpty: ReportedError {}

/// Nobody answers at the socket.
struct NoDaemon: Error, CustomStringConvertible {
    let socket: SocketPath
    let reason: SocketError

    var description: String {
        switch reason {
        case .connect(_, ENOENT), .connect(_, ECONNREFUSED): "no daemon answers at '\(socket.path)': \(socket.remedy)"
        case .connect(_, EACCES): "'\(socket.path)' may not be opened by this user: ask for membership in the group that owns it, or run as its owner"
        default: "\(reason)"
        }
    }
}

/// What every command takes.
struct Common: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("The daemon's socket.", valueName: "path"), completion: .file())
    var socket: String?

    @Option(name: .long, help: ArgumentHelp("The daemon's root folder; its socket is DIR/saed.sock.", valueName: "dir"), completion: .directory)
    var root: String?

    @Flag(name: .long, help: "Print JSON (docs/JSON.md) instead of text.")
    var json = false

    /// - Throws: `NoDaemon`.
    func connect() throws -> WireClient {
        let socket = SocketPath(socket: socket, root: root)
        do throws(WireClientError) {
            return try WireClient(path: socket.path, name: "saectl \(SaedVersion.current)")
        } catch {
            if case let .socket(reason) = error { throw NoDaemon(socket: socket, reason: reason) }
            throw error
        }
    }

    /// Asks for one message and prints it.
    func answer(_ body: Saed_Request.OneOf_Body, _ text: (Saed_Reply, Terminal) -> String, json: (Saed_Reply) -> JSON) throws {
        let reply = try connect().ask(Saed_Request(body))
        print(json(reply), text(reply, .out))
    }

    /// Finds out that a file can be written, before the daemon works for it.
    func place(_ output: String) throws -> OutputPlace {
        guard !json || output != "-" else { throw ValidationError("--json prints on standard output too: name a file with -o.") }
        return try OutputPlace(output)
    }

    /// Asks for a file, with a progress bar where it takes its time, and writes it.
    /// - Parameters:
    ///   - array: that the file's bytes come as.
    ///   - what: the file in words, for an error.
    ///   - unit: of what the daemon counts.
    func write(_ body: Saed_Request.OneOf_Body, array: String, what: String, to place: OutputPlace, unit: String = "images") throws -> Saed_Reply {
        var bar = ProgressBar(unit: unit)
        let answer = try AnswerWithFile(asking: Saed_Request(body), of: connect(), array: array) { bar.show($0) }
        bar.finish()
        try answer.write(what: what, to: place)
        return answer.reply
    }

    /// Asks for a picture, writes it, and shows it where the terminal can.
    func picture(_ body: Saed_Request.OneOf_Body, to place: OutputPlace, _ option: PictureOption) throws -> Saed_Reply {
        var bar = ProgressBar(unit: "images")
        let choice = try option.choice
        let answer = try AnswerWithFile(asking: Saed_Request(body), of: connect(), array: "png") { bar.show($0) }
        bar.finish()
        try answer.write(what: "picture", to: place)
        if !json, !place.isStandardOutput, let way = PictureProtocol.ofTerminal(choice) { Picture(png: answer.bytes)?.show(by: way) }
        return answer.reply
    }

    /// What is said of a file that was written: on standard output, unless that is where the file went.
    func report(_ place: OutputPlace, _ json: @autoclosure () -> JSON, _ text: (Terminal) -> String) {
        if place.isStandardOutput {
            Terminal.error.write(text(.error))
        } else {
            self.print(json(), text(.out))
        }
    }

    /// Asks for what takes its time, with a progress bar; parts of the answer are merged.
    /// - Parameter unit: of what the daemon counts.
    func follow(_ body: Saed_Request.OneOf_Body, unit: String) throws -> Saed_Reply {
        var bar = ProgressBar(unit: unit)
        let reply = try connect().askMerging(Saed_Request(body)) { bar.show($0) }
        bar.finish()
        return reply
    }

    func print(_ json: @autoclosure () -> JSON, _ text: @autoclosure () -> String) {
        Terminal.out.write(self.json ? json().text() + "\n" : text())
    }

    /// For what people should know beside the answer.
    func note(_ text: String) {
        if !json { Terminal.error.line(Terminal.error.styled(text.printable, .faint)) }
    }
}

/// `--view`.
struct ViewOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.",
            valueName: "view"),
        completion: .offer(.views))
    var view: Saed_ViewName?
}

/// `--picture`.
struct PictureOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Show the picture in the terminal too: by kitty's, iTerm2's or the sixel protocol, or never; auto (default, or $SAED_PICTURE) finds out what it can.",
            valueName: "how"))
    var picture: PictureChoice?

    /// What was asked for, on the command line or for all commands.
    var choice: PictureChoice {
        get throws {
            if let picture { return picture }
            guard let name = SocketPath.variable("SAED_PICTURE"), !name.isEmpty else { return .auto }
            guard let choice = PictureChoice(rawValue: name) else {
                throw ValidationError("SAED_PICTURE is '\(name)': it may be \(PictureChoice.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            return choice
        }
    }

    func validate() throws { _ = try choice }
}

extension PictureChoice: ExpressibleByArgument {}

extension Saed_ViewName: ExpressibleByArgument {
    public init?(argument: String) { self.init(text: argument) }
}

extension Saed_Patch: ExpressibleByArgument {
    public init?(argument: String) { self.init(text: argument) }
}

extension Saed_Request {
    init(_ body: OneOf_Body) {
        self.init()
        self.body = body
    }
}

extension Saed_ImageReference {
    /// IMAGE as written: where such a file exists its absolute path and content go along, so that an image is found
    /// wherever the daemon has it.
    init(argument: String) {
        self.init()
        text = argument
        if let file = ImageFile(argument) {
            path = file.path
            sha256 = Data(file.sha256)
        }
    }
}

enum ScoreOption: String, ExpressibleByArgument, CaseIterable {
    case mean, peak
    var wire: Saed_ImageScore { self == .mean ? .mean : .peak }
}

enum StyleOption: String, ExpressibleByArgument, CaseIterable {
    case smooth, grid
    var wire: Saed_HeatmapStyle { self == .smooth ? .smooth : .grid }
}

enum KindOption: String, ExpressibleByArgument, CaseIterable {
    case `class`, patch, prompt
    var wire: Saed_TokenKind {
        switch self {
        case .class: .class
        case .patch: .patch
        case .prompt: .prompt
        }
    }
}
