// Random histories against the plain truth: after them, what the events imply is what the folder holds.
// A failing seed is printed; `SAED_WATCH_SEED=N` runs it alone, `N-M` a range.

import Foundation
import Ingest
import Testing

/// SplitMix64, so that a seed means the same on every machine.
private struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// People and programs at work in a folder, with a place outside to move to and from.
private struct Mischief {
    let drop: TemporaryFolder
    let outside: TemporaryFolder
    var random: Random
    var serial = 0
    private var open: [(file: UnsafeMutablePointer<FILE>, left: Int)] = []

    init(_ drop: TemporaryFolder, _ outside: TemporaryFolder, seed: UInt64) {
        (self.drop, self.outside, random) = (drop, outside, Random(state: seed))
    }

    private static let names = ["a", "b", "c", "images", "d-", "d.", "e.jpg", "f.jpg", "g.part", ".h", "\u{E9}"]

    private mutating func path(of folder: TemporaryFolder) -> String {
        var parts: [String] = []
        for _ in 0...Int.random(in: 0..<3, using: &random) { parts.append(Self.names.randomElement(using: &random)!) }
        return folder[parts.joined(separator: "/")]
    }

    private mutating func anyFolder() -> TemporaryFolder { Int.random(in: 0..<4, using: &random) == 0 ? outside : drop }

    mutating func step() {
        serial += 1
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<4: write(path(of: drop), "text \(serial)")
        case 4..<6: try? FileManager.default.createDirectory(atPath: path(of: anyFolder()), withIntermediateDirectories: true)
        case 6..<10: rename(path(of: anyFolder()), path(of: anyFolder()))
        case 10: exchange(path(of: drop), path(of: drop))
        case 11: try? FileManager.default.removeItem(atPath: path(of: drop))
        case 12..<14: unlink(path(of: drop))
        case 14: linkUnlessOpen(path(of: anyFolder()), path(of: drop))
        case 15: begin(path(of: drop))
        case 16, 17: goOn()
        case 18: plant(path(of: outside))
        default: utimes(path(of: drop), nil)
        }
    }

    /// Writing through one of two hard links tells nothing of the other: a limit that is documented, not tested.
    private func unlinkShared(_ path: String) {
        var status = stat()
        if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_nlink > 1 { unlink(path) }
    }

    private func write(_ path: String, _ text: String) {
        unlinkShared(path)
        guard let file = fopen(path, "w") else { return }
        fputs(text, file)
        fclose(file)
    }

    /// A small tree, to be moved in.
    private func plant(_ path: String) {
        try? FileManager.default.createDirectory(atPath: path + "/b", withIntermediateDirectories: true)
        write(path + "/e.jpg", "planted \(serial)")
        write(path + "/b/f.jpg", "planted below \(serial)")
    }

    private mutating func begin(_ path: String) {
        guard open.count < 4 else { return }
        unlinkShared(path)
        guard let file = fopen(path, "w") else { return }
        fputs("begun \(serial) ", file)
        fflush(file)
        open.append((file, Int.random(in: 1...4, using: &random)))
    }

    private func linkUnlessOpen(_ from: String, _ to: String) {
        var status = stat(), opened = stat()
        guard lstat(from, &status) == 0 else { return }
        let isOpen = open.contains { fstat(fileno($0.file), &opened) == 0 && opened.st_ino == status.st_ino }
        if !isOpen { link(from, to) }
    }

    private mutating func goOn() {
        guard let i = open.indices.randomElement(using: &random) else { return }
        fputs("more \(serial) ", open[i].file)
        fflush(open[i].file)
        open[i].left -= 1
        if open[i].left == 0 { fclose(open.remove(at: i).file) }
    }

    mutating func finish() {
        for (file, _) in open { fclose(file) }
        open = []
    }
}

@Suite struct WatchFuzzTests {
    private static let seeds: [UInt64] = asked ?? Array(1...32) + (0..<4).map { _ in UInt64.random(in: 1_000_000...UInt64.max) }

    private static var asked: [UInt64]? {
        guard let text = ProcessInfo.processInfo.environment["SAED_WATCH_SEED"] else { return nil }
        let bounds = text.split(separator: "-").compactMap { UInt64($0) }
        return bounds.count == 2 && bounds[0] <= bounds[1] ? Array(bounds[0]...bounds[1]) : bounds
    }

    @Test(arguments: seeds)
    func afterARandomHistoryTheEventsImplyTheFolder(_ seed: UInt64) throws {
        let drop = TemporaryFolder(), outside = TemporaryFolder()
        var mischief = Mischief(drop, outside, seed: seed)
        for _ in 0..<30 { mischief.step() }  // there at the start
        let consumer = try Consumer(drop, options: quickOptions { $0.deliveriesMax = 4 })
        for _ in 0..<12 {
            for _ in 0..<40 { mischief.step() }
            switch mischief.random.next() % 4 {
            case 0: consumer.quiesceOrNot(.milliseconds(40))
            case 1: consumer.quiesceOrNot(.milliseconds(5))
            case 2 where seed % 3 == 0: consumer.watcher.requestRescan()
            default: break
            }
        }
        mischief.finish()
        consumer.quiesce()
        let implied = consumer.catalog.content, there = drop.content()
        let wrong = Set(implied.keys).union(there.keys).filter { implied[$0] != there[$0] }.sorted()
        #expect(
            wrong.isEmpty,
            """
            seed \(seed): \(wrong.map { "\($0): implied \(implied[$0] ?? "nothing"), there \(there[$0] ?? "nothing")" })
            last events: \(consumer.events.suffix(40))
            """)
    }

    @Test(arguments: seeds.prefix(4))
    func pollingComesToTheSame(_ seed: UInt64) throws {
        let drop = TemporaryFolder(), outside = TemporaryFolder()
        var mischief = Mischief(drop, outside, seed: seed)
        let consumer = try Consumer(drop, options: quickOptions { $0.mode = .poll })
        for _ in 0..<6 {
            for _ in 0..<40 { mischief.step() }
            consumer.quiesceOrNot(.milliseconds(60))
        }
        mischief.finish()
        consumer.converge()
    }
}

extension Consumer {
    /// Consumes what comes in this time.
    func quiesceOrNot(_ time: Duration) {
        let end = ContinuousClock.now + time
        while ContinuousClock.now < end { _ = step(timeout: .milliseconds(2)) }
    }
}
