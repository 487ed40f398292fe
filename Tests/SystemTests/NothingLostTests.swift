// kill -9 at twenty random moments of a run in which images are dropped, renamed, replaced and deleted, an adapter
// comes whose back-fill goes on across the kills, and questions are asked all the while. Then everything is there once,
// equal to what an undisturbed run makes.
//
// Acknowledged is what `saectl watch` printed as committed and what `saectl show` answered.

import Foundation
import Synchronization
import Testing

@Suite struct NothingLostTests {
    private static let kills = 20
    /// Slow enough that a kill finds work: some 40 ms an image.
    private static let model = TinyModel(width: 192, layers: 24, imageSize: 96)
    private static let views = ["tiny/base/plain", "tiny/lora/plain"]
    /// Contents that are there in the end.
    private static let contents = 52

    private static func picture(_ number: Int) -> Data { Picture.png(number, width: 96, height: 80) }

    /// A daemon with a model, and everything that will be dropped beside its drop folder.
    private func rig() throws -> Rig {
        let rig = try Rig(configuration: Rig.quick + "batch = 2\n")
        try rig.addTiny(NothingLostTests.model, sae: TinySAE(width: 192))
        for (name, numbers) in [("first", 0..<24), ("second", 25..<41), ("last", 45..<53)] {
            let folder = rig.source.appendingPathComponent(name)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            for i in numbers { try NothingLostTests.picture(i).write(to: folder.appendingPathComponent("\(i).png")) }
        }
        try TinyLoRA(width: 192).write("lora", in: rig.source)
        try FileManager.default.createDirectory(at: rig.drop.appendingPathComponent("prompts"), withIntermediateDirectories: true)
        return rig
    }

    /// What happens to the drop folder, whether the daemon runs or not. Each step leads from a whole folder to a whole one.
    private static let steps: [@Sendable (Rig) throws -> Void] = [
        { try move($0.source.appendingPathComponent("first"), $0.images.appendingPathComponent("first")) },
        { try $0.put(picture(24), "images/single.png") },
        { try $0.putOld(Data("no image".utf8), "images/broken.png") },
        { try move($0.source.appendingPathComponent("lora"), $0.drop.appendingPathComponent("prompts/lora")) },
        { try move($0.source.appendingPathComponent("second"), $0.images.appendingPathComponent("second")) },
        { try move($0.images.appendingPathComponent("first/3.png"), $0.images.appendingPathComponent("second/renamed.png")) },
        { try $0.put(picture(7), "images/copies/7.png") },
        { try FileManager.default.removeItem(at: $0.images.appendingPathComponent("first/5.png")) },
        { try move($0.images.appendingPathComponent("second"), $0.images.appendingPathComponent("third")) },
        { try $0.put(picture(109), "images/first/9.png") },
        { for i in 41..<45 { try $0.put(picture(i), "images/late/\(i).png") } },
        { try move($0.source.appendingPathComponent("last"), $0.images.appendingPathComponent("last")) },
    ]

    private static func move(_ from: URL, _ to: URL) throws { try FileManager.default.moveItem(at: from, to: to) }

    @Test func killedTwentyTimesNothingIsLostAndNothingIsTwice() throws {
        let calm = try rig()
        for step in NothingLostTests.steps { try step(calm) }
        try calm.wait()
        let expected = try Outcome(calm, NothingLostTests.views)
        calm.kill()

        let seed = ProcessInfo.processInfo.environment["SAED_KILL_SEED"].flatMap(UInt64.init) ?? .random(in: 0...99_999)
        print("kill seed \(seed); again with SAED_KILL_SEED=\(seed)")
        var generator = SplitMix(seed)
        let rig = try rig()
        rig.kill()
        let witness = Witness(rig, seed: seed)
        defer { witness.end() }
        var steps = NothingLostTests.steps[...], seen: [Int] = []
        for round in 0..<NothingLostTests.kills {
            try rig.launch()
            // All are done with some kills to go.
            let due = steps.count - NothingLostTests.steps.count * max(0, 15 - round) / 16
            for step in steps.prefix(max(0, due)) {
                usleep(.random(in: 0...150_000, using: &generator))
                try step(rig)
            }
            steps = steps.dropFirst(max(0, due))
            usleep(.random(in: 0...400_000, using: &generator))
            // A busy machine gets its time: kills that find nothing to lose prove nothing.
            if round >= NothingLostTests.kills - 5 {
                for _ in 0..<60 where witness.acknowledged <= 10 { usleep(50_000) }
            }
            rig.kill()
            seen.append(witness.acknowledged)
        }
        try rig.start()
        try rig.wait()
        witness.end()
        print("kill seed \(seed): acknowledged at the kills \(seen), questions answered \(witness.answered)")
        #expect(steps.isEmpty)
        #expect(witness.problems.isEmpty, "kill seed \(seed): \(witness.problems)")
        #expect(try #require(seen.last) > 10, "the kills found nothing to lose")

        // Every file that lies in the drop folder is known, and what could not be used lies in quarantine.
        let files = try FileManager.default.subpathsOfDirectory(atPath: rig.images.path).filter { $0.hasSuffix(".png") }.map { "images/" + $0 }
        #expect(try Set(files) == Set(rig.list().keys), "kill seed \(seed)")
        let failures = try rig.failures()
        #expect(failures.keys.sorted() == ["images/broken.png"], "kill seed \(seed): \(failures)")
        let quarantined = try #require(failures["images/broken.png"]?["quarantine"] as? String)
        #expect(FileManager.default.fileExists(atPath: quarantined))
        // What was deleted or replaced may have had its snapshots before.
        try rig.saectl("gc")
        #expect(try rig.storedSnapshots() == 2 * NothingLostTests.contents)
        let made = try Outcome(rig, NothingLostTests.views)
        #expect(made.rows.count == 2 * NothingLostTests.contents)
        for (key, rows) in expected.rows where made.rows[key] != rows { Issue.record("kill seed \(seed): \(key) differs from the undisturbed run") }
        #expect(made.aggregates == expected.aggregates, "kill seed \(seed)")
        let pairs = try #require(witness.pairs.isEmpty ? nil : witness.pairs)
        // What became absent was freed by gc.
        let gone = pairs.subtracting(made.rows.keys).map { $0.split(separator: " ")[0] }
        #expect(Set(gone).count <= 2, "kill seed \(seed): acknowledged and not there: \(gone)")
        #expect(try rig.json("verify")["sound"] as? Bool == true)
        #expect(rig.stop() == 0)
    }
}

/// What a store answers in the end, in terms that do not depend on the order in which images came.
struct Outcome {
    /// Latents and values of every token, by image and view.
    var rows: [String: [[UInt64]]] = [:]
    /// Statistics of all latents, by view.
    var aggregates: [String: String] = [:]

    init(_ rig: Rig, _ views: [String]) throws {
        var ids: [String: String] = [:]
        for image in try rig.list().values {
            for path in image["paths"] as? [String] ?? [] { ids[path.replacingOccurrences(of: rig.root.path, with: "")] = image["id"] as? String }
        }
        for view in views {
            let file = FileManager.default.temporaryDirectory.appendingPathComponent("saed-export-\(UUID().uuidString).npz")
            defer { try? FileManager.default.removeItem(at: file) }
            try rig.saectl("export", "--all", "--view", view, "-o", file.path)
            // Without those that came since the list, where saed is at work.
            for (path, values) in try Npz(file).byImage(rig.root) { if let id = ids[path] { rows["\(id) \(view)"] = values } }
            aggregates[view] = Outcome.text(try rig.json("latents", "--view", view, "--limit", "10000"))
        }
    }

    /// JSON with its keys in order, and numbers to ten digits: f64 sums depend on the order of images.
    static func text(_ value: Any) -> String {
        switch value {
        case let object as [String: Any]: "{" + object.sorted { $0.key < $1.key }.map { "\($0.key): \(text($0.value))" }.joined(separator: ", ") + "}"
        case let list as [Any]: "[" + list.map(text).joined(separator: ", ") + "]"
        case let number as NSNumber: String(format: "%.10g", number.doubleValue)
        default: "\(value)"
        }
    }
}

/// Listens to a daemon and asks it questions, on two threads, however often it dies.
final class Witness: Sendable {
    private struct State {
        /// Committed or shown, as "IMAGE VIEW".
        var pairs: Set<String> = []
        var committed: Set<String> = []
        var shown: [String: String] = [:]
        var problems: [String] = []
        var answered = 0
        var isEnding = false
    }

    private let state = Mutex(State())
    private let root: String
    private let ended = DispatchGroup()

    init(_ rig: Rig, seed: UInt64) {
        root = rig.root.path
        let bodies: [@Sendable () -> Void] = [{ self.listen() }, { self.ask(seed) }]
        for body in bodies {
            ended.enter()
            Thread.detachNewThread { [ended] in
                body()
                ended.leave()
            }
        }
    }

    func end() {
        state.withLock { $0.isEnding = true }
        ended.wait()
    }

    var pairs: Set<String> { state.withLock { $0.pairs } }
    var acknowledged: Int { state.withLock { $0.pairs.count } }
    var answered: Int { state.withLock { $0.answered } }
    var problems: [String] { state.withLock { $0.problems } }
    private var isEnding: Bool { state.withLock { $0.isEnding } }
    private func object(_ problem: String) { state.withLock { $0.problems.append(problem) } }

    private func listen() {
        while !isEnding {
            guard let watch = try? Background(Place.saectl, ["watch", "--json", "--root", root]) else { continue }
            var read = 0
            while watch.isRunning, !isEnding {
                read = hear(watch.events, from: read)
                usleep(10_000)
            }
            watch.end()
            _ = hear(watch.events, from: read)
            usleep(10_000)
        }
    }

    private func hear(_ events: [[String: Any]], from first: Int) -> Int {
        for event in events.dropFirst(first) where event["event"] as? String == "committed" {
            guard let image = event["image"] as? String, let view = event["view"] as? String else { continue }
            let isNew = state.withLock { state in
                state.pairs.insert("\(image) \(view)")
                return state.committed.insert("\(image) \(view)").inserted
            }
            if !isNew { object("\(image) was committed twice in \(view): it had been lost") }
        }
        return events.count
    }

    private func ask(_ seed: UInt64) {
        var generator = SplitMix(seed &+ 1)
        while !isEnding {
            let view = ["tiny/base/plain", "tiny/lora/plain"].randomElement(using: &generator)!  // of two
            let image = ["first/1.png", "first/20.png", "single.png", "copies/7.png", "last/50.png"].randomElement(using: &generator)!  // of five
            let questions = [["show", image, "--view", view], ["status"], ["latents", "--view", view], ["verify"], ["compare", "base..lora"], ["images"]]
            let question = questions.randomElement(using: &generator)!  // of six
            let known = acknowledged
            guard let finished = try? run(Place.saectl, question + ["--json", "--root", root]), finished.status < 2,
                let answer = (try? JSONSerialization.jsonObject(with: Data(finished.output.utf8))) as? [String: Any]
            else { continue }
            state.withLock { $0.answered += 1 }
            switch question[0] {
            case "show" where finished.status == 0: remember(answer, view: view)
            case "status":
                let stored = (answer["store"] as? [String: Any])?["snapshots"] as? Int ?? 0
                if stored < known { object("\(stored) snapshots where \(known) were acknowledged") }
            case "verify": if answer["sound"] as? Bool == false { object("not sound: \(finished.output)") }
            default: break
            }
        }
    }

    /// An image's latents never change once they were shown.
    private func remember(_ answer: [String: Any], view: String) {
        guard let image = (answer["image"] as? [String: Any])?["id"] as? String else { return object("show names no image") }
        // How frequent a latent is depends on the other images.
        let hits = (answer["latents"] as? [[String: Any]] ?? []).map { hit in hit.filter { $0.key != "frequency" } }
        let text = Outcome.text(hits), key = "\(image) \(view)"
        let before = state.withLock { state in
            state.pairs.insert(key)
            return state.shown.updateValue(text, forKey: key)
        }
        if let before, before != text { object("\(key) is shown otherwise than before") }
    }
}
