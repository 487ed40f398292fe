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
    /// Latents whose pre-activations of the whole sample are held at once.
    private static let latentsAtOnce = 768
    /// How far a latent's mean of active values may be from its counterpart's.
    private static let meanFactorMax: Float = 4

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
        precondition(rows > 1 && threshold > 0, "\(rows) rows, threshold \(threshold)")
        let d = sae.config.width, n = sae.config.latents
        let counts = Counts(sae.encode(x, rows: rows), threshold: threshold)
        let directions = randomDirections(count: n, width: d, seed: seed)
        let units = matched(counts, directions, sae, x, rows: rows, threshold: threshold)
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try writeSafetensors(folder + "/" + SAEFiles.weightsName, [
                SafetensorsTensor("W_enc", shape: [d, n]) { out in
                    for latent in 0..<n {
                        for i in 0..<d { out[i * n + latent] = units[latent].scale * directions.pointer[latent * d + i] }
                    }
                },
                SafetensorsTensor("b_enc", shape: [n], values: units.map { -$0.scale * $0.offset }),
                SafetensorsTensor("W_dec", shape: [n, d]) { out in
                    for latent in 0..<n {
                        for i in 0..<d { out[latent * d + i] = directions.pointer[latent * d + i] / units[latent].scale }
                    }
                },
                SafetensorsTensor("b_dec", shape: [d], values: sae.decoderBias),
            ])
            let config = configuration(sae.config, name: name, hook: hook, rows: rows, threshold: threshold, seed: seed)
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

    private static func configuration(
        _ like: SAEConfig, name: String, hook: HookPoint, rows: Int, threshold: Float, seed: UInt64
    ) -> String {
        """
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

    /// `[count, width]`, uniform on the sphere: normal components (Box and Muller), normalised.
    private static func randomDirections(count: Int, width d: Int, seed: UInt64) -> FloatBuffer {
        let directions = FloatBuffer(count: count * d)
        let source = SeededWeights(seed: seed)
        Team.parallelFor(count) { latent in
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
        return directions
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

        init(_ z: SparseRows, threshold: Float) {
            active = [Int](repeating: 0, count: z.width)
            over = active
            sums = [Double](repeating: 0, count: z.width)
            for (latent, value) in zip(z.indices, z.values) {
                active[Int(latent)] += 1
                sums[Int(latent)] += Double(value)
                if value > threshold { over[Int(latent)] += 1 }
            }
        }
    }

    private static func matched(
        _ counts: Counts, _ directions: FloatBuffer, _ sae: SparseAutoencoder, _ x: UnsafePointer<Float>, rows: Int, threshold: Float
    ) -> [Unit] {
        let d = sae.config.width, n = sae.config.latents
        let centred = FloatBuffer(count: rows * d)
        for row in 0..<rows {
            for i in 0..<d {
                centred.pointer[row * d + i] = x[row * d + i] - (sae.config.subtractDecoderBias ? sae.decoderBias[i] : 0)
            }
        }
        var units = [Unit](repeating: Unit(), count: n)
        units.withUnsafeMutableBufferPointer { units in
            for first in stride(from: 0, to: n, by: latentsAtOnce) {
                let part = min(latentsAtOnce, n - first)
                withScratch(part * rows) { projections in
                    project(centred.pointer, rows: rows, directions.pointer + first * d, count: part, width: d, into: projections)
                    Team.parallelFor(part) { index in
                        let latent = first + index
                        units[latent] = unit(
                            UnsafeMutableBufferPointer(start: projections + index * rows, count: rows),
                            active: counts.active[latent], over: counts.over[latent], mean: counts.mean(latent), threshold: threshold)
                    }
                }
            }
        }
        return units
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
