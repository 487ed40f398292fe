// saed's side of tools/bench.
//
//   saed-bench prepare FOLDER full|tiny     writes the workload
//   saed-bench serve FOLDER THREADS         answers, line by line on standard input:
//     sae DENSITY                load that SAE (out of the timing)
//     run TASK BATCH [FILE]      one run of tower, hook, sae, adapted (the adapter's whole tower and the SAE),
//                                products or peak; writes its answer to FILE
//     memory                     peak resident bytes
//   Answers are one line of JSON each.
//   saed-bench synthesize ROOT IMAGES       writes a root with a large store
//   saed-bench ablate FOLDER DENSITY ROUNDS ablation on stored latents beside full passes
//   saed-bench explain FOLDER DENSITY ROUNDS explaining and steering beside the passes above the hook that they need
//   saed-bench ask SOCKET QUESTION COUNT    asks a running daemon, prints percentiles

import Foundation

let arguments = CommandLine.arguments.dropFirst()
do {
    switch (arguments.first, arguments.count) {
    case ("prepare", 3): try Workload.prepare(arguments[2], size: arguments[3])
    case ("serve", 3):
        guard let threads = Int(arguments[3]), threads > 0 else { throw UsageError(text: "'\(arguments[3])' is no number of threads") }
        let server = try Server(root: arguments[2], threads: threads)
        while let line = readLine() { FileHandle.standardOutput.write(Data((try server.answer(line) + "\n").utf8)) }
    case ("synthesize", 3):
        guard let images = Int(arguments[3]), images > 0 else { throw UsageError(text: "'\(arguments[3])' is no number of images") }
        try Synthesize.run(root: arguments[2], images: images)
    case ("ablate", 4):
        guard let rounds = Int(arguments[4]), rounds > 0 else { throw UsageError(text: "'\(arguments[4])' is no number of rounds") }
        print(try Ablate.run(root: arguments[2], density: arguments[3], threads: 2, rounds: rounds))
    case ("explain", 4):
        guard let rounds = Int(arguments[4]), rounds > 0 else { throw UsageError(text: "'\(arguments[4])' is no number of rounds") }
        print(try Explain.run(root: arguments[2], density: arguments[3], threads: 2, rounds: rounds))
    case ("ask", 4):
        guard let count = Int(arguments[4]) else { throw UsageError(text: "'\(arguments[4])' is no number of questions") }
        print(try Ask.run(socket: arguments[2], kind: arguments[3], count: count))
    default:
        throw UsageError(
            text: "usage: saed-bench prepare FOLDER full|tiny, serve FOLDER THREADS, synthesize ROOT IMAGES, ablate FOLDER DENSITY ROUNDS, explain FOLDER DENSITY ROUNDS, or ask SOCKET QUESTION COUNT")
    }
} catch {
    FileHandle.standardError.write(Data("saed-bench: \(error)\n".utf8))
    exit(2)
}

struct UsageError: Error, CustomStringConvertible {
    let text: String
    var description: String { text }
}
