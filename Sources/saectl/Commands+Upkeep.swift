// doctor, verify, rm, gc: what commonly goes wrong, checking what is kept, removing images, freeing what nothing shows.

import ArgumentParser
import SaectlKit
import Wire

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look for what commonly goes wrong, and say how to mend it.",
        discussion: """
            Socket, units, permissions, release, models, failed files, disk, inotify limits, memory, processor, clock: asked of the \
            daemon where it answers, and looked at from outside where it does not. Exits with 1 where something is bad.

              saectl doctor
            """)
    @OptionGroup var common: Common

    func run() throws {
        let findings = SaectlKit.Doctor.look(SocketPath(socket: common.socket, root: common.root)) {
            let client = try common.connect()
            return (try client.ask(Saed_Request(.status(.init()))).status, try client.ask(Saed_Request(.version(.init()))).version)
        }
        common.print(findings.json, findings.text(for: .out))
        if findings.contains(where: { $0.state == .bad }) { throw ExitCode(ExitStatus.failed) }
    }
}

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check everything that is kept: every checksum, every count.",
        discussion: """
            Reads every snapshot, recomputes what the tables and statistics stand on and compares the two, and has the \
            catalog check itself. Some seconds for ten thousand images; the daemon goes on meanwhile. Exits with 1 where \
            something is wrong, naming it.

              saectl verify
            """)
    @OptionGroup var common: Common

    @OptionGroup var view: ViewOption

    func run() throws {
        var request = Saed_VerifyRequest()
        if let view = view.view { request.view = view }
        var bar = ProgressBar(unit: "views")
        let reply = try common.connect().ask(Saed_Request(.verify(request))) { bar.show($0) }.verify
        bar.finish()
        common.print(reply.json, reply.text(for: .out))
        if !reply.sound { throw ExitCode(ExitStatus.failed) }
    }
}

struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove images: their files in the drop folder, and their snapshots in every view.",
        discussion: """
            What the statistics stand on is the same afterwards as if the images had never been there. A file that lies in the \
            drop folder under several names is removed under all of them. There is no way back.

              saectl rm star/12.jpg
            """)
    @OptionGroup var common: Common

    @Argument(help: ArgumentHelp("Paths, file names or the beginnings of ids.", valueName: "image"), completion: .offer(.images))
    var images: [String]

    func run() throws {
        var request = Saed_ImageRemoveRequest()
        request.images = images.map(Saed_ImageReference.init(argument:))
        try common.answer(.imageRemove(request)) { reply, _ in reply.imageRemove.text } json: { $0.imageRemove.json }
    }
}

struct Collect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc", abstract: "Free what nothing shows any more: snapshots of images whose files are gone.",
        discussion: """
            An image that is taken out of the drop folder leaves every answer at once, but its snapshots are kept, so that it is \
            back at once when its file is. This gives their space back.

              saectl gc --inactive-views
            """)
    @OptionGroup var common: Common

    @Flag(name: .long, help: "Also the snapshots of views that are not active: of adapters, SAEs and models that were deactivated or whose files are gone.")
    var inactiveViews = false

    func run() throws {
        var request = Saed_CollectRequest()
        request.inactiveViews = inactiveViews
        try common.answer(.collect(request)) { reply, _ in reply.collect.text } json: { $0.collect.json }
    }
}
