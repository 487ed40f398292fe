// top, tail: what the daemon does now and did lately, for people.

import ArgumentParser
import Glibc
import SaectlKit
import Wire

extension Common {
    /// Connects again and again, for commands that outlive a daemon. Its errors are the wire's: `connect` first, for what
    /// tells a person that nobody answers.
    fileprivate var connector: @Sendable () throws -> WireClient {
        let path = SocketPath(socket: socket, root: root).path
        return { try WireClient(path: path, name: "saectl \(SaedVersion.current)") }
    }
}

struct Top: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Queue, rates, memory, views and the last images on one screen, as they change.",
        discussion: """
            Keys: q ends, p pauses and goes on, s sorts the views. Where standard output is no terminal, or with --once, \
            the same is printed once. The rate over 60 s and its curve count from the moment in which top was started. \
            An image that was there before top has the time at which it was first seen.
            """)
    @OptionGroup var common: Common

    @Option(name: .long, help: ArgumentHelp("Look at the daemon so often (0.1 to 3600).", valueName: "seconds"))
    var interval: Double = 0.5

    @Flag(name: .long, help: "Print it once; --json does so too.")
    var once = false

    func validate() throws {
        if !(0.1...3600).contains(interval) { throw ValidationError("--interval is a number of seconds, 0.1 to 3600, not \(interval)") }
    }

    func run() throws {
        guard !once, !common.json, Terminal.out.isTerminal else {
            let (text, json) = try SaectlKit.Top.once(common.connect(), for: .out)
            return common.print(json, text)
        }
        // A daemon that is not there yet is waited for; a wrong socket path is seen on the screen.
        SaectlKit.Top(interval: interval, connect: common.connector).run()
    }
}

struct Tail: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The last images and failures, a line each, and then what happens, until interrupted.",
        discussion: """
            `watch` prints events as they are from now on, for programs; tail is for people: it begins with the last -n, \
            gives each image with its answer, margin and active latents, leaves out what only prepares or repeats, and \
            outlives the daemon: when one answers again, what was missed comes first. What lies in the past has the time \
            at which the image was first seen. Snapshots that a back-fill made while nobody listened are not listed.
            """)
    @OptionGroup var common: Common

    @Option(name: .shortAndLong, help: ArgumentHelp("Begin with so many of the past.", valueName: "count"))
    var number: Int = 10

    @Flag(name: .shortAndLong, inversion: .prefixedNo, help: "Go on with what happens, or end after what is over.")
    var follow = true

    @Flag(name: .long, help: "Only files that could not be used.")
    var failed = false

    @Option(name: .long, help: ArgumentHelp("Only what is committed under this view: MODEL/ADAPTER/SAE, or ADAPTER alone.", valueName: "view"), completion: .offer(.views))
    var view: Saed_ViewName?

    func validate() throws {
        if !(0...100_000).contains(number) { throw ValidationError("-n is a number from 0 to 100000, not \(number)") }
        if failed, view != nil { throw ValidationError("Files that failed have no view: name --failed or --view.") }
    }

    func run() throws {
        let client = try common.connect()
        let filter = History.Filter(view: try view.map { try History(client).viewName($0) }, failuresOnly: failed)
        let isJSON = common.json
        var tail = try SaectlKit.Tail(.init(last: number, follow: follow, filter: filter), connect: common.connector) { happening, drop in
            Terminal.out.line(isJSON ? happening.json.text(pretty: false) : happening.text(drop: drop, for: .out))
        } note: { text in
            Terminal.error.line(Terminal.error.styled("saectl: \(text.printable)", .faint))
        }
        try tail.run()
    }
}
