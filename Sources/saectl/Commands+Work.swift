// status, wait, add, watch, failures, version: what the daemon does.

import ArgumentParser
import Glibc
import SaectlKit
import Wire

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What the daemon has and does.",
        discussion: "  saectl status --json")
    @OptionGroup var common: Common

    func run() throws {
        try common.answer(.status(.init())) { $0.status.text(for: $1) } json: { $0.status.json }
    }
}

struct Wait: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Wait until nothing is queued, back-fills included.",
        discussion: """
            Exits with 1 when the time is up first, naming what is still queued. For the controls of random directions \
            that saed makes by itself, when nothing else is to do, it waits with --controls only.

              saectl wait --timeout 60
            """)
    @OptionGroup var common: Common

    @Option(name: .long, help: ArgumentHelp("Give up after this many seconds.", valueName: "seconds"))
    var timeout: Double?

    @Flag(name: .long, help: "Also until the controls are there that saed makes by itself.")
    var controls = false

    func validate() throws {
        if let timeout, !(0...1e9).contains(timeout) { throw ValidationError("--timeout is a number of seconds, 0 to 1e9, not \(timeout)") }
    }

    func run() throws {
        var request = Saed_WaitRequest()
        if let timeout { request.timeoutMs = UInt64(timeout * 1000) }
        request.controls = controls
        var bar = ProgressBar(unit: "images")
        let reply = try common.connect().ask(Saed_Request(.wait(request))) { progress in
            bar.show(progress)
        }.wait
        bar.finish()
        common.print(reply.json, reply.idle ? "idle" + (reply.failed > 0 ? ", \(reply.failed) failed (see `saectl failures`)" : "") + "\n" : "")
        guard reply.idle else {
            if !common.json {
                Terminal.error.line("saectl: still queued after \(timeout.map { $0.brief } ?? "?") s: \(reply.queued)")
                for item in reply.pending { Terminal.error.line("  " + item.printable) }
            }
            throw ExitCode(ExitStatus.failed)
        }
    }
}

extension ProgressBar {
    mutating func show(_ progress: Saed_Progress) {
        show(done: progress.done, total: progress.total, failed: progress.failed, what: progress.what, perSecond: progress.itemsPerSecond)
    }
}

struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put images into the drop folder.",
        discussion: """
            Files are cloned, hard-linked or else copied under a hidden name and renamed into place. A folder's \
            images (JPEG, PNG, WebP by content) are taken with the names of the folders below it, so that class \
            folders stay class folders: what --label would say. A name that is taken by another content gets -1, \
            -2, ...; the same content is left as it is.

            Images go to images/[LABEL/] below the drop folder, with --dataset to datasets/DATASET/[LABEL/]: \
            `compare`, `remap`, `ablate`, `classify` and `images --disagree` can be asked about a data set.

              saectl add my-photos --wait
              saectl add shifted-images --dataset shifted
            """)
    @OptionGroup var common: Common

    @Argument(help: ArgumentHelp("Images, or folders of images.", valueName: "path"), completion: .file())
    var paths: [String]

    @Option(name: .long, help: ArgumentHelp("The images' label: the class folder that they go to.", valueName: "label"), completion: .offer(.labels))
    var label: String?

    @Option(name: .long, help: ArgumentHelp("The data set that they belong to.", valueName: "name"), completion: .offer(.datasets))
    var dataset: String?

    @Flag(name: .long, help: "Follow them until they are done; exit with 1 if one failed.")
    var wait = false

    func validate() throws {
        for (option, name) in [("--label", label), ("--dataset", dataset)] {
            guard let name, !AddPlan.isValidFolderName(name) else { continue }
            throw ValidationError("\(option) '\(name)' can't be a folder's name: no '/', no '.' in front")
        }
    }

    func run() throws {
        let client = try common.connect()
        let status = try client.ask(Saed_Request(.status(.init()))).status
        let plan = AddPlan(paths: paths, label: label)
        var result = AddResult(drop: DropIn(drop: status.drop, dataset: dataset), skipped: plan.skipped)
        plan.failures.forEach { result.fail($0) }
        var bar = ProgressBar(unit: "files")
        for (done, item) in plan.items.enumerated() {
            result.place(item)
            bar.show(done: UInt64(done + 1), total: UInt64(plan.items.count), what: item.target)
        }
        bar.finish()
        if wait { try result.follow(client) }
        common.print(result.json, result.text(waited: wait))
        if !common.json { result.failures.forEach { Terminal.error.line("saectl: " + $0.description.printable) } }
        guard result.failures.isEmpty else { throw ExitCode(ExitStatus.failed) }
    }
}

struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print events as they happen, until interrupted.",
        discussion: """
            With --json one object a line.

              saectl watch --json | jq -c .path
            """)
    @OptionGroup var common: Common

    func run() throws {
        try common.connect().ask(Saed_Request(.watch(.init()))) { piece in
            guard case let .part(reply) = piece, case let .event(event)? = reply.body else { return }
            Terminal.out.line(common.json ? event.json.text(pretty: false) : event.text(for: .out))
        }
    }
}

struct Failures: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Files that could not be used, and why, the latest first.",
        discussion: "  saectl failures --limit 10")
    @OptionGroup var common: Common

    @Option(name: .long, help: "At most this many.")
    var limit: UInt32 = 100

    @Option(name: .long, help: "Leave out this many at the beginning.")
    var offset: UInt32 = 0

    func run() throws {
        var request = Saed_FailuresRequest()
        (request.limit, request.offset) = (limit, offset)
        var failures: [Saed_Failure] = []
        var total: UInt64 = 0
        try common.connect().ask(Saed_Request(.failures(request))) { piece in
            guard case let .part(reply) = piece else { return }
            failures += reply.failures.failures
            total = max(total, reply.failures.total)
        }
        common.print(
            ["failures": JSON(failures.map(\.json)), "total": JSON(total)], failures.isEmpty ? "no failures\n" : failuresText(failures, for: .out))
    }
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Versions of saectl, the daemon and what it stands on.",
        discussion: "  saectl version")
    @OptionGroup var common: Common

    func run() throws {
        try common.answer(.version(.init())) { $0.version.text(client: SaedVersion.current, for: $1) } json: { $0.version.json(client: SaedVersion.current) }
    }
}
