// A control fires as its counterpart does, on the sample it was made from; nothing else is the same.

import Basics
import Checkpoints
import Foundation
import SAE
import Testing

@Suite struct RandomSAETests {
    private static let rows = 3000, d = 31, n = 407, tau: Float = 0.2

    /// A trained-looking SAE: latents from dead to always active, and inputs with a common part.
    private func original(_ folder: ControlFolder) throws -> (sae: SparseAutoencoder, x: [Float]) {
        let (rows, d, n) = (RandomSAETests.rows, RandomSAETests.d, RandomSAETests.n)
        let values = SeededWeights(seed: 3)
        var bias = values.values("b_enc", count: n, scale: 2, offset: -2)
        bias[0] = -40
        bias[1] = 40
        bias[2] = -3.4
        try writeSafetensors(folder.path + "/sae_weights.safetensors", [
            SafetensorsTensor("W_enc", shape: [d, n], values: values.values("W_enc", count: d * n, scale: 0.3)),
            SafetensorsTensor("b_enc", shape: [n], values: bias),
            SafetensorsTensor("W_dec", shape: [n, d], values: values.values("W_dec", count: d * n, scale: 0.3)),
            SafetensorsTensor("b_dec", shape: [d], values: values.values("b_dec", count: d, scale: 5)),
        ])
        try #"{"architecture": "standard", "d_in": \#(d), "d_sae": \#(n), "metadata": {"model_name": "a \"b\"", "hook_name": "blocks.3.hook_resid_post"}}"#
            .write(toFile: folder.path + "/cfg.json", atomically: true, encoding: .utf8)
        var x = values.values("x", count: rows * d, scale: 1)
        let common = values.values("b_dec", count: d, scale: 5)
        for row in 0..<rows { for i in 0..<d { x[row * d + i] += common[i] } }
        return (try SparseAutoencoder.load(path: folder.path), x)
    }

    private func counts(_ z: SparseRows) -> (active: [Int], over: [Int], means: [Double]) {
        var active = [Int](repeating: 0, count: z.width), over = active, sums = [Double](repeating: 0, count: z.width)
        for (latent, value) in zip(z.indices, z.values) {
            active[Int(latent)] += 1
            over[Int(latent)] += value > RandomSAETests.tau ? 1 : 0
            sums[Int(latent)] += Double(value)
        }
        return (active, over, zip(sums, active).map { $1 > 0 ? $0 / Double($1) : 0 })
    }

    @Test func itFiresAsItsCounterpartDoes() throws {
        let (folder, target) = (try ControlFolder(), try ControlFolder())
        let (sae, x) = try original(folder)
        let rows = RandomSAETests.rows
        let report = try RandomSAE.write(
            to: target.path + "/control", like: sae, named: "trained", hook: HookPoint(block: 3), sample: x, rows: rows, seed: 9)
        let control = try SparseAutoencoder.load(path: target.path + "/control")
        #expect(control.config == SAEConfig(
            width: 31, latents: 407, hook: SAEHook(block: 3), modelName: "a \"b\"", controlOf: "trained"))
        #expect(sae.config.controlOf == nil)
        #expect(try SparseAutoencoder.inspect(path: target.path + "/control").config == control.config)

        let (z, zControl) = (sae.encode(x, rows: rows), control.encode(x, rows: rows))
        let (theirs, own) = (counts(z), counts(zControl))
        #expect(theirs.active[0] == 0 && theirs.active[1] == rows, "the case has a dead latent and one that is always active")
        #expect(own.active == theirs.active)
        let overTau = (own: own.over.reduce(0, +), theirs: theirs.over.reduce(0, +))
        #expect(abs(overTau.own - overTau.theirs) * 100 < overTau.theirs, "\(overTau)")
        #expect(zip(own.over, theirs.over).count { $0 == $1 } > RandomSAETests.n * 9 / 10)
        #expect(report.deadLatents == theirs.active.count { $0 == 0 } && report.rows == rows)
        #expect(abs(report.density - Double(z.count) / Double(rows * 407)) < 1e-12)
        #expect(abs(report.densityOverThreshold - Double(theirs.over.reduce(0, +)) / Double(rows * 407)) < 1e-12)
        // Values are of the same size.
        let ratios = zip(own.means, theirs.means).filter { $1 > 0 }.map { $0 / $1 }.sorted()
        #expect((0.8...1.25).contains(ratios[ratios.count / 2]), "\(ratios[ratios.count / 2])")
        #expect(ratios.first! > 0.249 && ratios.last! < 4.01, "\(ratios.first!) to \(ratios.last!)")
        #expect(Set(zip(z.indices, z.values).prefix(100).map(\.1)).isDisjoint(with: zControl.values.prefix(100)))
    }

    /// Every latent reads and writes one direction; directions are spread over the sphere.
    @Test func itsDirectionsAreRandomAndShared() throws {
        let (folder, target) = (try ControlFolder(), try ControlFolder())
        let (sae, x) = try original(folder)
        let (d, n) = (RandomSAETests.d, RandomSAETests.n)
        _ = try RandomSAE.write(to: target.path, like: sae, named: "trained", hook: HookPoint(block: 3), sample: x, rows: 200, seed: 9)
        let file = try SafetensorsFile(path: target.path + "/sae_weights.safetensors")
        let encoder = try file.tensor("W_enc", shape: [d, n]), decoder = try file.tensor("W_dec", shape: [n, d])
        var mean = [Double](repeating: 0, count: d), square = mean
        for latent in 0..<n {
            let reads = (0..<d).map { Double(encoder[$0 * n + latent]) }, writes = (0..<d).map { Double(decoder[latent * d + $0]) }
            let dot = zip(reads, writes).reduce(0) { $0 + $1.0 * $1.1 }
            // Encoder and decoder: s r and r / s of one unit r.
            #expect(abs(dot - 1) < 1e-5, "latent \(latent): \(dot)")
            let length = reads.reduce(0) { $0 + $1 * $1 }.squareRoot()
            for i in 0..<d {
                #expect(abs(reads[i] / length - writes[i] * length) < 1e-5)
                mean[i] += reads[i] / length / Double(n)
                square[i] += reads[i] * reads[i] / length / length / Double(n)
            }
        }
        // Of a component: mean 0, standard deviation 1 / sqrt d.
        #expect(mean.allSatisfy { abs($0) < 5 / Double(d * n).squareRoot() }, "\(mean)")
        #expect(square.allSatisfy { abs($0 - 1 / Double(d)) < 0.3 / Double(d) }, "\(square)")
    }

    @Test func aSeedMakesTheSameFile() throws {
        let (folder, target) = (try ControlFolder(), try ControlFolder())
        let (sae, x) = try original(folder)
        func hash(_ seed: UInt64) throws -> ContentHash {
            _ = try RandomSAE.write(to: target.path, like: sae, named: "trained", hook: HookPoint(block: 3), sample: x, rows: 200, seed: seed)
            return ContentHash(of: try Data(contentsOf: URL(fileURLWithPath: target.path + "/sae_weights.safetensors")))
        }
        #expect(try hash(1) == hash(1))
        #expect(try hash(1) != hash(2))
    }

    @Test func aSampleInPartsGivesTheSameFile() throws {
        let (folder, whole, parts) = (try ControlFolder(), try ControlFolder(), try ControlFolder())
        let (sae, x) = try original(folder)
        _ = try RandomSAE.write(to: whole.path, like: sae, named: "trained", hook: HookPoint(block: 3), sample: x, rows: 200, seed: 9)
        let maker = RandomSAEMaker(like: sae, seed: 9)
        for (first, rows) in [(0, 120), (120, 1), (121, 79)] { maker.add(Array(x[first * RandomSAETests.d..<(first + rows) * RandomSAETests.d]), rows: rows) }
        while maker.matchSome() {}
        _ = try maker.write(to: parts.path, named: "trained", hook: HookPoint(block: 3))
        for name in ["sae_weights.safetensors", "cfg.json"] {
            #expect(FileManager.default.contentsEqual(atPath: "\(whole.path)/\(name)", andPath: "\(parts.path)/\(name)"), "\(name)")
        }
    }

    /// Rows that are all the same leave no gap to put a threshold in: some density comes out, all numbers are finite.
    @Test func equalRowsAreNoTrouble() throws {
        let (folder, target) = (try ControlFolder(), try ControlFolder())
        let (sae, x) = try original(folder)
        let same = (0..<50).flatMap { _ in x.prefix(RandomSAETests.d) }
        _ = try RandomSAE.write(to: target.path, like: sae, named: "trained", hook: HookPoint(block: 3), sample: same, rows: 50, seed: 9)
        #expect(throws: Never.self) { try SparseAutoencoder.inspect(path: target.path) }
    }

    @Test func aFolderThatCannotBeWrittenIsAnError() throws {
        let folder = try ControlFolder(), (sae, x) = try original(folder)
        #expect(throws: SAEError.self) {
            try RandomSAE.write(
                to: folder.path + "/cfg.json/control", like: sae, named: "trained", hook: HookPoint(block: 3), sample: x, rows: 50, seed: 9)
        }
    }
}

/// A folder for one test.
private final class ControlFolder {
    let path = NSTemporaryDirectory() + "saetests-" + UUID().uuidString

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}
