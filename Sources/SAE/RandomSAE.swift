// A control: an SAE that learned nothing but fires as often as a trained one.
//
// Frozen random SAEs score like trained ones on the usual measures, so a finding counts only where it is not one of
// random directions too. Latent j gets a random unit direction r_j and
//
//   z_j = relu(s_j ((x - b_dec) r_j - t_j)),   W_enc[:, j] = s_j r_j,  b_enc[j] = -s_j t_j,  W_dec[j] = r_j / s_j
//
// t_j: as many of the sample's rows lie above it as its counterpart is active on. s_j: the unit in which as many lie
// above `threshold` too, since classes are described by counts over a threshold (tau), as far as the mean of active
// values stays near the counterpart's. A unit changes no reconstruction.

import Basics
import CDNNL
import Checkpoints
import Foundation
import Kernels

/// What a control was matched to.
public struct RandomSAEReport: Sendable {
    /// Rows of the sample.
    public let rows: Int
    /// Active latents a row, as share of all; the trained SAE's and the control's alike.
    public let density: Double
    /// The same for values above the threshold.
    public let densityOverThreshold: Double
    /// Latents that are active on no row of the sample, and so are not in the control either.
    public let deadLatents: Int
}

/// Writes random-direction SAEs of the same density as trained ones.
///
///     try RandomSAE.write(to: "saes/patchsae-random", like: sae, named: "patchsae", hook: hook, sample: x, rows: 10_000, seed: 1)
///
/// The same seed and sample give the same file.
public enum RandomSAE {
    /// - Parameters:
    ///   - folder: made where it is missing; gets SAELens' `sae_weights.safetensors`, then `cfg.json`.
    ///   - name: what `control_of` will say.
    ///   - hook: the one `x` was read at.
    ///   - x: `[rows, width]`, activations of some thousand tokens; the more, the closer rare latents are matched.
    ///   - threshold: the tau of class-level counts.
    /// - Throws: `SAEError.checkpoint` where the folder can't be written.
    public static func write(
        to folder: String, like sae: SparseAutoencoder, named name: String, hook: HookPoint, sample x: UnsafePointer<Float>, rows: Int,
        threshold: Float = 0.2, seed: UInt64
    ) throws(SAEError) -> RandomSAEReport {
        let maker = RandomSAEMaker(like: sae, threshold: threshold, seed: seed)
        maker.add(x, rows: rows)
        while maker.matchSome() {}
        return try maker.write(to: folder, named: name, hook: hook)
    }
}

/// The same in steps of a tenth of a second or so, for whoever must let other work come in between.
///
///     let maker = RandomSAEMaker(like: sae, seed: 1)
///     for image in sample { maker.add(image.activations, rows: 197) }
///     while maker.matchSome() {}
///     try maker.write(to: "saes/patchsae-random", named: "patchsae", hook: hook)
///
/// The same rows in the same order give the same file, however they were parted. Holds the SAE, the sample and the directions.
public final class RandomSAEMaker: @unchecked Sendable {  // its steps come one after the other, whatever the thread
    /// Latents whose pre-activations of the whole sample are held at once.
    private static let latentsAtOnce = 768
    /// How far a latent's mean of active values may be from its counterpart's.
    private static let meanFactorMax: Float = 4

    private let sae: SparseAutoencoder
    private let threshold: Float
    private let seed: UInt64
    private let source: SeededWeights
    private var counts: Counts
    /// `[rows, width]`, less the decoder's bias where the SAE subtracts it.
    private var centred: [Float] = []
    private var rows = 0
    /// `[latents, width]`, as far as `matched`.
    private let directions: FloatBuffer
    private var units: [Unit]
    private var matched = 0

    /// - Parameter threshold: the tau of class-level counts.
    public init(like sae: SparseAutoencoder, threshold: Float = 0.2, seed: UInt64) {
        precondition(threshold > 0, "threshold \(threshold)")
        (self.sae, self.threshold, self.seed) = (sae, threshold, seed)
        source = SeededWeights(seed: seed)
        counts = Counts(latents: sae.config.latents)
        directions = FloatBuffer(count: sae.config.latents * sae.config.width)
        units = [Unit](repeating: Unit(), count: sae.config.latents)
    }

    /// Takes more of the sample.
    /// - Parameter x: `[rows, width]`.
    public func add(_ x: UnsafePointer<Float>, rows more: Int) {
        precondition(matched == 0, "the sample is complete once matching has begun")
        counts.add(sae.encode(x, rows: more), threshold: threshold)
        let d = sae.config.width
        centred.reserveCapacity(centred.count + more * d)
        for row in 0..<more {
            for i in 0..<d { centred.append(x[row * d + i] - (sae.config.subtractDecoderBias ? sae.decoderBias[i] : 0)) }
        }
        rows += more
    }

    /// Matches the next latents to the sample.
    /// - Returns: whether there are more.
    public func matchSome() -> Bool {
        precondition(rows > 1, "\(rows) rows")
        let d = sae.config.width, n = sae.config.latents, first = matched
        guard first < n else { return false }
        let part = min(RandomSAEMaker.latentsAtOnce, n - first)
        draw(first..<first + part)
        centred.withUnsafeBufferPointer { x in
            units.withUnsafeMutableBufferPointer { units in
                withScratch(part * rows) { projections in
                    RandomSAEMaker.project(
                        x.baseAddress!, rows: rows, directions.pointer + first * d, count: part, width: d, into: projections)
                    Team.parallelFor(part) { index in
                        let latent = first + index
                        units[latent] = RandomSAEMaker.unit(
                            UnsafeMutableBufferPointer(start: projections + index * rows, count: rows),
                            active: counts.active[latent], over: counts.over[latent], mean: counts.mean(latent), threshold: threshold)
                    }
                }
            }
        }
        matched += part
        return matched < n
    }

    /// - Parameters:
    ///   - folder: made where it is missing; gets SAELens' `sae_weights.safetensors`, then `cfg.json`.
    ///   - name: what `control_of` will say.
    ///   - hook: the one the sample was read at.
    /// - Throws: `SAEError.checkpoint` where the folder can't be written.
    public func write(to folder: String, named name: String, hook: HookPoint) throws(SAEError) -> RandomSAEReport {
        precondition(matched == sae.config.latents, "\(matched) of \(sae.config.latents) latents are matched")
        let d = sae.config.width, n = sae.config.latents
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try writeSafetensors(folder + "/" + SAEFiles.weightsName, [
                SafetensorsTensor("W_enc", shape: [d, n]) { out in
                    for latent in 0..<n {
                        for i in 0..<d { out[i * n + latent] = self.units[latent].scale * self.directions.pointer[latent * d + i] }
                    }
                },
                SafetensorsTensor("b_enc", shape: [n], values: units.map { -$0.scale * $0.offset }),
                SafetensorsTensor("W_dec", shape: [n, d]) { out in
                    for latent in 0..<n {
                        for i in 0..<d { out[latent * d + i] = self.directions.pointer[latent * d + i] / self.units[latent].scale }
                    }
                },
                SafetensorsTensor("b_dec", shape: [d], values: sae.decoderBias),
            ])
            let config = configuration(name: name, hook: hook)
            try config.write(toFile: folder + "/" + SAEFiles.configName, atomically: true, encoding: .utf8)
        } catch let error as CheckpointError {
            throw .checkpoint(error)
        } catch {
            throw .checkpoint(.unreadable(file: folder, reason: error.localizedDescription))
        }
        let all = Double(rows) * Double(n)
        return RandomSAEReport(
            rows: rows, density: Double(counts.active.reduce(0, +)) / all,
            densityOverThreshold: Double(counts.over.reduce(0, +)) / all,
            deadLatents: counts.active.count { $0 == 0 })
    }

    private func configuration(name: String, hook: HookPoint) -> String {
        let like = sae.config
        return """
        {
          "architecture": "standard",
          "d_in": \(like.width),
          "d_sae": \(like.latents),
          "dtype": "float32",
          "device": "cpu",
          "apply_b_dec_to_input": \(like.subtractDecoderBias),
          "normalize_activations": "none",
          "reshape_activations": "none",
          "metadata": {
            "model_name": \(quoted(like.modelName ?? "")),
            "hook_name": "blocks.\(hook.block).hook_resid_post",
            "control_of": \(quoted(name)),
            "seed": \(seed),
            "sample_rows": \(rows),
            "threshold": \(threshold)
          }
        }

        """
    }

    // MARK: Directions

    /// Uniform on the sphere: normal components (Box and Muller), normalised.
    private func draw(_ latents: Range<Int>) {
        let d = sae.config.width, directions = directions, source = source
        Team.parallelFor(latents.count) { index in
            let latent = latents.lowerBound + index
            withScratch(2 * d) { uniform in
                // In [0, 1).
                source.fill("radius", scale: 0.5, offset: 0.5, first: latent * d, into: .init(start: uniform, count: d))
                source.fill("angle", scale: 0.5, offset: 0.5, first: latent * d, into: .init(start: uniform + d, count: d))
                let out = directions.pointer + latent * d
                var square = 0.0
                for i in 0..<d {
                    out[i] = (-2 * logf(1 - uniform[i])).squareRoot() * cosf(2 * .pi * uniform[d + i])
                    square += Double(out[i]) * Double(out[i])
                }
                guard square > 0 else {
                    out[0] = 1
                    return
                }
                let factor = Float(1 / square.squareRoot())
                for i in 0..<d { out[i] *= factor }
            }
        }
    }

    // MARK: Matching

    /// `pre = scale * (projection - offset)`.
    private struct Unit {
        var scale: Float = 1
        var offset: Float = 0
    }

    /// On how many rows a latent is active, and above the threshold; and the sum of its values.
    private struct Counts {
        var active, over: [Int]
        private var sums: [Double]

        func mean(_ latent: Int) -> Float { Float(sums[latent] / Double(max(1, active[latent]))) }

        init(latents: Int) {
            active = [Int](repeating: 0, count: latents)
            over = active
            sums = [Double](repeating: 0, count: latents)
        }

        mutating func add(_ z: SparseRows, threshold: Float) {
            for (latent, value) in zip(z.indices, z.values) {
                active[Int(latent)] += 1
                sums[Int(latent)] += Double(value)
                if value > threshold { over[Int(latent)] += 1 }
            }
        }
    }

    /// `out[j][r] = x[r] . directions[j]`.
    private static func project(
        _ x: UnsafePointer<Float>, rows: Int, _ directions: UnsafePointer<Float>, count: Int, width: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        let panels = Panels(inputs: width, outputs: count, layout: .outIn, weights: directions, set: .best)
        let kernel = panels.set.table.product!
        let zeros = panels.padded([Float](repeating: 0, count: count), with: 0)
        Team.parallelRows(rows, block: 256) { block in
            withScratch(block.count * count) { tile in
                for panel in 0..<panels.count {
                    let column = panel * panels.columns
                    kernel(
                        x + block.lowerBound * width, Int64(width), Int64(block.count), Int64(width), panels.pointer(panel),
                        Int64(min(panels.columns, count - column)), zeros.pointer + column, SAED_NONE, 0, tile + column, Int64(count))
                }
                for latent in 0..<count {
                    let column = out + latent * rows + block.lowerBound
                    for row in 0..<block.count { column[row] = tile[row * count + latent] }
                }
            }
        }
    }

    /// Offset and scale that leave `active` of the projections above zero and `over` above the threshold; of the scales
    /// that do, the one whose mean of active values is nearest to `mean`. A mean further off than `meanFactorMax` is not
    /// taken, at the cost of `over`: where neighbouring rows lie close, a few latents would outweigh all others.
    private static func unit(
        _ projections: UnsafeMutableBufferPointer<Float>, active: Int, over: Int, mean: Float, threshold: Float
    ) -> Unit {
        let rows = projections.count, kept = min(rows, active + 1)
        selectLargest(projections, count: kept)
        let largest = projections[..<kept].sorted(by: >)
        // Beyond the first and last row: far enough that no rounding moves one across.
        let margin = max((largest[0] - projections[rows - 1]) / 64, abs(largest[0]) * 1e-3, .leastNormalMagnitude)
        guard active > 0 else { return Unit(scale: 1, offset: largest[0] + margin) }
        // In the middle of the gap between the last row that is to be active and the first that is not.
        let next = active < rows ? largest[active] : largest[rows - 1] - 2 * margin
        let offset = next + (largest[active - 1] - next) / 2

        // The threshold lies `height` above the offset, between the rows that are over it and those that are not.
        let low = over < active ? largest[over] - offset : 0
        let high = over > 0 ? largest[over - 1] - offset : .infinity
        let inset = high.isFinite ? (high - low) / 8 : margin
        let wanted = threshold * (largest[..<active].reduce(0) { $0 + ($1 - offset) } / Float(active)) / mean
        let exact = min(max(wanted, low + inset), high - (high.isFinite ? inset : 0))
        let height = min(max(exact, wanted / meanFactorMax), wanted * meanFactorMax)
        // Rows with equal activations leave no gap: no unit tells them apart.
        return Unit(scale: height > 0 ? threshold / height : 1, offset: offset)
    }

    /// Moves the `count` largest values to the front (Hoare's selection).
    private static func selectLargest(_ values: UnsafeMutableBufferPointer<Float>, count: Int) {
        var low = 0, high = values.count - 1
        while low < high {
            let pivot = values[(low + high) / 2]
            var i = low, j = high
            while i <= j {
                while values[i] > pivot { i += 1 }
                while values[j] < pivot { j -= 1 }
                if i <= j {
                    values.swapAt(i, j)
                    i += 1
                    j -= 1
                }
            }
            if count - 1 <= j { high = j } else if count - 1 >= i { low = i } else { return }
        }
    }
}
