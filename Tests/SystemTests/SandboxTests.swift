// Images from anywhere: the daemon with a decoder that obeys what is written at a file's end. Each such file goes to
// quarantine with what its decoder did; the daemon and all other images go on.

import Foundation
import Testing

@Suite struct SandboxTests {
    /// What the planted decoder is told, and what must be said of it.
    static let orders = [
        "crash": "crashed", "loop": "took longer than", "eat": "crashed", "open": "tried something", "fork": "tried something",
        "network": "tried something", "lie": "answered nonsense",
    ]

    @Test func aDecoderThatIsTakenOverCostsOneImageEach() throws {
        let rig = try Rig.tiny(
            configuration: Rig.quick + "\n[images]\ntime_max = \"2s\"\nmemory_max = \(512 << 20)\n",
            environment: ["SAED_DECODER": Place.products.appendingPathComponent("PlantedDecoder").path])
        for (number, order) in SandboxTests.orders.keys.sorted().enumerated() {
            try rig.put(Picture.png(number) + Data("plant:\(order)".utf8), "images/planted/\(order).png")
            try rig.put(Picture.png(100 + number), "images/good/\(number).png")
        }
        try rig.wait()
        let failures = try rig.failures()
        for (order, says) in SandboxTests.orders {
            let failure = try #require(failures["images/planted/\(order).png"], "no failure of '\(order)': \(failures)")
            let reason = failure["reason"] as? String ?? ""
            #expect(reason.hasPrefix("the decoder \(says)"), "\(order): \(reason)")
            #expect(failure["quarantine"] as? String != nil)
        }
        #expect(failures.count == SandboxTests.orders.count)
        #expect(try rig.list().count == SandboxTests.orders.count)
        #expect(try rig.storedSnapshots() == SandboxTests.orders.count)
        #expect(rig.daemon?.isRunning == true)
    }

    @Test func aDecoderThatCannotRunIsToldAtTheStart() throws {
        let rig = try Rig(environment: ["SAED_DECODER": "/bin/false"], start: false)
        let finished = try run(
            Place.saed, ["run", "--root", rig.root.path], environment: ["SAED_DECODER": "/bin/false"], timeout: 20)
        #expect(finished.status == 1)
        #expect(finished.errors.contains("no decoder can be started: '/bin/false"), "\(finished.errors)")
    }

    @Test func theDaemonsChildrenEndWithIt() throws {
        let rig = try Rig.tiny()
        try rig.put(Picture.png(1), "images/a.png")
        try rig.wait()
        let daemon = try #require(rig.daemon).identifier
        let children = try String(contentsOfFile: "/proc/\(daemon)/task/\(daemon)/children", encoding: .utf8) + otherChildren(of: daemon)
        let decoders = children.split(separator: " ").compactMap { Int32($0) }
        #expect(!decoders.isEmpty)
        rig.kill()
        // One that nobody has waited for yet has ended too.
        func hasEnded(_ process: Int32) -> Bool {
            guard let state = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return true }
            return state.contains(") Z ")
        }
        try eventually("the decoders' end", timeout: 10) { decoders.allSatisfy(hasEnded) }
    }

    /// Of its other threads.
    private func otherChildren(of process: Int32) throws -> String {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task").filter { $0 != "\(process)" }.map {
            (try? String(contentsOfFile: "/proc/\(process)/task/\($0)/children", encoding: .utf8)) ?? ""
        }.joined(separator: " ")
    }
}
