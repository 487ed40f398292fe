// saed: parses, wires, exits.

import ArgumentParser
import Daemon
import Decoding
import Foundation
import Wire

@main
enum Program {
    static func main() {
        // Before anything starts a thread: what decodes runs alone behind its walls.
        if CommandLine.arguments.dropFirst().first == DecodeWorkerCommand.configuration.commandName {
            DecodeWorkerCommand.main(Array(CommandLine.arguments.dropFirst(2)))
        }
        Task {
            await Saed.main()
            exit(0)
        }
        dispatchMain()
    }
}

struct Saed: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "saed",
        abstract: "Watches a folder for images and keeps what a sparse autoencoder sees in every patch of them.",
        discussion: """
            Drop images into ROOT/drop/images (or ROOT/drop/images/CLASS to label them), models into ROOT/drop/models/NAME, \
            SAEs into ROOT/drop/saes, and ask with saectl --root ROOT.
            """,
        version: "saed \(SaedVersion.current)",
        subcommands: [Run.self, CheckConfig.self, DecodeWorkerCommand.self])
}

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the daemon in the foreground, until SIGTERM or Ctrl-C.",
        discussion: """
            Logs go to stderr. Nothing that was dropped is lost when it is killed: the next start goes on.

              saed run --root ~/saed
            """)

    @Option(
        help: ArgumentHelp("The folder that holds everything: drop/, store/, quarantine/, saed.sock. Made where there is none.", valueName: "dir"),
        completion: .directory)
    var root: String

    @Option(
        help: ArgumentHelp("A TOML file; without it DIR/saed.toml, where there is one. `saed check-config` shows the keys.", valueName: "file"),
        completion: .file(extensions: ["toml"]))
    var config: String?

    func run() async throws {
        // Whoever started it may have blocked signals, and a child inherits that.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        do {
            try await Daemon(root: root, configurationFile: config).run()
        } catch {
            Daemon.tell(error)
            throw ExitCode(1)
        }
    }
}

/// Started by the daemon, never by a person.
struct DecodeWorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode-worker", abstract: "Decode images for a daemon that started this and holds descriptor 3.", shouldDisplay: false)

    @Option(help: "Bytes.")
    var memoryMax: Int

    func run() { DecodeWorker.run(memoryBytesMax: memoryMax) }
}

struct CheckConfig: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config",
        abstract: "Check a configuration file and print the settings in force, each with its meaning.",
        discussion: """
            Without FILE it prints the defaults: a file to start from.

              saed check-config /etc/saed/saed.toml
            """)

    @Argument(help: "The TOML file.", completion: .file(extensions: ["toml"]))
    var file: String?

    func run() throws {
        do {
            let configuration = try file.map { try Configuration.read(file: $0) } ?? Configuration()
            print(configuration.documented(), terminator: "")
        } catch {
            FileHandle.standardError.write(Data("saed: \(error)\n".utf8))
            throw ExitCode(1)
        }
    }
}
