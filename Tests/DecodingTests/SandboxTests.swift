// Faults that must be survived: a decoder that a file has taken over crashes, hangs, eats memory, reads files, starts
// processes, uses the network, lies about what it made. Each costs the one image; the next is decoded.

import Decoding
import Foundation
import Imaging
import Testing

private let planted: String = {
    // swift test runs the bundle through a helper of the toolchain; the bundle's path is an argument.
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
    return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("PlantedDecoder").path
}()

private let photographs = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../models/photos").standardizedFileURL

private func photograph(_ number: Int) throws -> [UInt8] {
    let files = try FileManager.default.contentsOfDirectory(atPath: photographs.path).filter { $0.hasSuffix(".jpg") }.sorted()
    return [UInt8](try Data(contentsOf: photographs.appendingPathComponent(files[number % files.count])))
}

private func decoder(time: Duration = .seconds(20), memory: Int = 512 << 20, limits: DecodeLimits = DecodeLimits()) -> ImageDecoder {
    ImageDecoder(
        limits: limits, sandbox: .init(command: [planted, String(memory)], timeMax: time, memoryBytesMax: memory))
}

private let small = PreprocessConfig(resize: .shortestEdge(96), crop: .init(height: 96, width: 96))

@Suite(.serialized) struct SandboxTests {
    @Test func aChildGivesWhatThisProcessGives() throws {
        let here = ImageDecoder(limits: DecodeLimits(), sandbox: nil), there = decoder()
        for number in 0..<9 {
            let bytes = try photograph(number)
            let a = try here.prepare(bytes, for: [.clip224, small]), b = try there.prepare(bytes, for: [.clip224, small])
            #expect(a.crops.count == 2 && a.crops.mapValues(\.pixels) == b.crops.mapValues(\.pixels))
            #expect((a.width, a.height) == (b.width, b.height) && a.format == b.format)
            #expect(try here.picture(bytes, sideMax: 300).pixels == there.picture(bytes, sideMax: 300).pixels)
        }
    }

    @Test(arguments: [
        ("crash", "crashed (Segmentation fault)"), ("abort", "crashed (Aborted)"), ("eat", "crashed"),
        ("open", "tried something that a decoder may not"), ("fork", "tried something that a decoder may not"),
        ("network", "tried something that a decoder may not"), ("execute", "tried something that a decoder may not"),
        ("signal", "tried something that a decoder may not"), ("lie", "answered nonsense"), ("shrink", "answered nonsense"), ("babble", "answered nonsense"),
        ("leave", "stopped (exit status 0)"),
    ])
    func aDecoderThatIsTakenOverCostsOneImage(_ order: String, _ says: String) throws {
        let decoder = decoder()
        let good = try photograph(0)
        _ = try decoder.prepare(good, for: [small])
        #expect {
            try decoder.prepare(good + "plant:\(order)".utf8, for: [small])
        } throws: { error in
            let failure = try #require(error as? DecodeFailure)
            #expect(failure.isOfTheFile)
            #expect("\(failure)".hasPrefix("the decoder \(says)"), "\(failure)")
            return true
        }
        #expect(try decoder.prepare(good, for: [small]).crops[small]?.width == 96)
    }

    @Test func aDecoderThatLoopsIsEndedAtTheLimit() throws {
        let decoder = decoder(time: .seconds(1))
        let good = try photograph(1)
        #expect {
            try decoder.prepare(good + "plant:loop".utf8, for: [small])
        } throws: {
            "\($0)".hasPrefix("the decoder took longer than 1.0 seconds on this file")
        }
        #expect(try decoder.prepare(good, for: [small]).width > 0)
    }

    // More than a socket holds: whoever sends must not wait for room longer than for an answer.
    @Test func aDecoderThatReadsNothingIsEndedAtTheLimit() throws {
        let decoder = ImageDecoder(limits: DecodeLimits(), sandbox: .init(command: [planted, String(512 << 20), "deaf"], timeMax: .seconds(1)))
        let large = try photograph(1) + [UInt8](repeating: 0, count: 4 << 20)
        #expect {
            try decoder.prepare(large, for: [small])
        } throws: {
            "\($0)".hasPrefix("the decoder took longer than 1.0 seconds on this file")
        }
    }

    // Files and pixels of all sizes around what the two ends read at once (64 KiB) and what their socket holds.
    @Test func messagesOfAnySizeComeWhole() throws {
        let here = ImageDecoder(limits: DecodeLimits(), sandbox: nil), there = decoder()
        let bytes = try photograph(0)
        for bytesAdded in [0, 1 << 16, 1 << 18, 5 << 20] {
            let file = bytes + [UInt8](repeating: 0, count: bytesAdded)
            for sideMax in [1, 100, 147, 148, 149, 150, 151, 400, 5000] {
                #expect(try here.picture(file, sideMax: sideMax).pixels == there.picture(file, sideMax: sideMax).pixels)
            }
        }
    }

    // Stopped from outside, by an operator or for memory: the image that comes next is not at fault.
    @Test func anIdleChildThatWasKilledCostsNoImage() throws {
        let decoder = decoder()
        let bytes = try photograph(4)
        let before = Set(children())
        _ = try decoder.prepare(bytes, for: [small])
        let own = Set(children()).subtracting(before).filter { program(of: $0).contains("PlantedDecoder") }
        #expect(!own.isEmpty)
        // Other tests' children may be among them: those are asked again as well.
        for child in own { kill(child, SIGKILL) }
        #expect(try decoder.prepare(bytes, for: [small]).crops[small]?.width == 96)
    }

    private func children() -> [pid_t] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []).flatMap { thread in
            ((try? String(contentsOfFile: "/proc/self/task/\(thread)/children", encoding: .utf8)) ?? "").split(separator: " ").compactMap { pid_t($0) }
        }
    }

    private func program(of process: pid_t) -> String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/exe")) ?? ""
    }

    @Test func aBadImageIsNoFaultOfItsDecoder() throws {
        let decoder = decoder()
        for (bytes, says) in [
            (Array(try photograph(2).dropLast(2000)), "cut off"), ([], "the file is empty"), (Array("no image".utf8), "not an image"),
        ] {
            #expect {
                try decoder.prepare(bytes, for: [small])
            } throws: { error in
                guard case .image(let error) = error as? DecodeFailure else { return false }
                return "\(error)".contains(says)
            }
        }
    }

    @Test func limitsHoldInTheChildToo() throws {
        let bytes = try photograph(3)
        #expect {
            try decoder(limits: DecodeLimits(pixelsMax: 100)).prepare(bytes, for: [small])
        } throws: {
            "\($0)".contains("more than the limit of 100")
        }
    }

    @Test func aProgramThatIsNoDecoderIsToldAtTheStart() {
        for command in [["/does/not/exist"], ["/bin/true"], ["/bin/sleep", "1000"]] {
            let decoder = ImageDecoder(limits: DecodeLimits(), sandbox: .init(command: command, timeMax: .milliseconds(300)))
            #expect {
                try decoder.check()
            } throws: { error in
                guard case .unavailable(let what) = error as? DecodeFailure else { return false }
                return what.contains(command[0])
            }
        }
    }

    @Test func manyImagesAtOnceEachComeBackAsTheirOwn() async throws {
        let decoder = decoder()
        let here = ImageDecoder(limits: DecodeLimits(), sandbox: nil)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<24 {
                group.addTask {
                    let bytes = try photograph(number)
                    if number % 4 == 3 { _ = try? decoder.prepare(bytes + "plant:crash".utf8, for: [small]) }
                    return try decoder.prepare(bytes, for: [small]).crops[small]?.pixels == here.prepare(bytes, for: [small]).crops[small]?.pixels
                }
            }
            for try await same in group { #expect(same) }
        }
    }
}
