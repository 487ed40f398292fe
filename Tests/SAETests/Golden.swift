// Golden/expected.json, written by tools/reference/sae.py: what SAEs answer in f64.

import Basics
import Foundation
import Testing

struct GoldenSAE: Decodable {
    struct Latents: Decodable {
        let indptr, indices: [Int]
        let data: [Double]
        /// Root mean square of all pre-activations.
        let scale: Double
    }
    struct File: Decodable {
        let latents: Latents
        let reconstruction: [Double]
        let explainedVariance, explainedVarianceAboutZero: Double

        private enum Key: String, CodingKey { case reconstruction, explained_variance, explained_variance_about_zero }
        init(from decoder: Decoder) throws {
            latents = try Latents(from: decoder)
            let fields = try decoder.container(keyedBy: Key.self)
            reconstruction = try fields.decode([Double].self, forKey: .reconstruction)
            explainedVariance = try fields.decode(Double.self, forKey: .explained_variance)
            explainedVarianceAboutZero = try fields.decode(Double.self, forKey: .explained_variance_about_zero)
        }
    }
    struct Seeded: Decodable, Sendable, CustomTestStringConvertible {
        let rows, width, latents: Int
        let bias: Float
        let indptr, indices: [Int]
        let data: [Double]
        let scale: Double

        var expected: Latents { Latents(indptr: indptr, indices: indices, data: data, scale: scale) }
        var prefix: String { "\(rows)x\(width)x\(latents)" }
        var testDescription: String { prefix }
    }

    let seed: UInt64
    let files: [String: File]
    let seeded: [Seeded]

    static let folder = Bundle.module.bundlePath + "/Golden"
    static let shared: GoldenSAE = {
        do {
            return try JSONDecoder().decode(GoldenSAE.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/expected.json")))
        } catch { preconditionFailure("Golden/expected.json: \(error)") }
    }()

    /// As `weights` and `inputs` of sae.py.
    func tensor(_ prefix: String, _ name: String, width d: Int, latents n: Int, bias: Float = 0) -> [Float] {
        let weights = SeededWeights(seed: seed), full = prefix + "." + name
        switch name {
        case "W_enc": return weights.values(full, count: d * n, scale: Float(3 / Double(d).squareRoot()))
        case "b_enc": return weights.values(full, count: n, scale: 0.1, offset: bias)
        case "b_dec": return weights.values(full, count: d, scale: 0.5)
        default: preconditionFailure("no tensor '\(name)'")
        }
    }

    func inputs(_ prefix: String, rows: Int, width: Int) -> [Float] {
        SeededWeights(seed: seed).values(prefix + ".x", count: rows * width, scale: 1, offset: 0.25)
    }
}

extension GoldenSAE.Latents {
    /// The contract: values within 1e-4 relative, active sets equal except where a pre-activation is below 1e-4 of
    /// the scale. A value far below the scale is held to 1e-6 of the scale: its sum of f32 products can't be better.
    func expect(_ z: SparseRows, _ place: SourceLocation = #_sourceLocation) {
        guard z.rows == indptr.count - 1 else {
            Issue.record("\(z.rows) rows, the reference has \(indptr.count - 1)", sourceLocation: place)
            return
        }
        for row in 0..<z.rows {
            let theirs = Dictionary(uniqueKeysWithValues: (indptr[row]..<indptr[row + 1]).map { (indices[$0], data[$0]) })
            let own = Dictionary(uniqueKeysWithValues: z.range(of: row).map { (Int(z.indices[$0]), Double(z.values[$0])) })
            let ascending = z.range(of: row).dropFirst().allSatisfy { z.indices[$0 - 1] < z.indices[$0] }
            #expect(ascending, "row \(row): indices must ascend", sourceLocation: place)
            for latent in Set(theirs.keys).union(own.keys) {
                switch (own[latent], theirs[latent]) {
                case let (mine?, reference?):
                    let tolerance = max(1e-4 * reference, 1e-6 * scale)
                    #expect(abs(mine - reference) <= tolerance, "row \(row), latent \(latent): \(mine), reference \(reference)", sourceLocation: place)
                    #expect(mine > 0, "row \(row), latent \(latent)", sourceLocation: place)
                case let (mine, reference):
                    #expect((mine ?? reference ?? 0) < 1e-4 * scale, "row \(row), latent \(latent) is active on one side only: \(mine ?? reference ?? 0)", sourceLocation: place)
                }
            }
        }
    }
}
