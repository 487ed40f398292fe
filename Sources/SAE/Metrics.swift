// How well an SAE reconstructs, and how sparsely. Sums in f64.

import Basics

/// Mean squared error beside what there was to explain, gathered batch by batch; summaries of parts merge.
///
///     var quality = ReconstructionQuality(width: 768)
///     quality.add(x, reconstruction: xHat, latents: z)
///     print(quality.explainedVariance, quality.l0)
public struct ReconstructionQuality: Sendable {
    public let width: Int
    public private(set) var rows = 0
    private var active = 0
    private var squaredError = 0.0
    private var squares = 0.0
    /// Per component, about `origin`: sums about zero would cancel where a component's mean is large.
    private var sums: [Double]
    private var centredSquares: [Double]
    private var origin: [Double]?

    public init(width: Int) {
        self.width = width
        sums = [Double](repeating: 0, count: width)
        centredSquares = sums
    }

    /// - Parameters: `x` and `reconstruction` are `[latents.rows, width]`.
    public mutating func add(_ x: UnsafePointer<Float>, reconstruction: UnsafePointer<Float>, latents: SparseRows) {
        active += latents.count
        for row in 0..<latents.rows {
            let place = row * width
            if origin == nil { origin = (0..<width).map { Double(x[$0]) } }
            for i in 0..<width {
                let value = Double(x[place + i]), error = value - Double(reconstruction[place + i])
                squaredError += error * error
                squares += value * value
                let centred = value - origin![i]
                sums[i] += centred
                centredSquares[i] += centred * centred
            }
        }
        rows += latents.rows
    }

    /// Mean over rows and components of the squared error.
    public var meanSquaredError: Double { squaredError / Double(rows * width) }

    /// `1 - sum |x - x_hat|^2 / sum |x - mean|^2`, the mean that of each component over all rows: 0 is what
    /// answering the mean would score.
    public var explainedVariance: Double {
        let variance = zip(sums, centredSquares).reduce(0) { $0 + $1.1 - $1.0 * $1.0 / Double(rows) }
        return 1 - squaredError / variance
    }

    /// `1 - sum |x - x_hat|^2 / sum |x|^2`: as PatchSAE publishes it; flattered by a large mean.
    public var explainedVarianceAboutZero: Double { 1 - squaredError / squares }

    /// Active latents a row, on average.
    public var l0: Double { Double(active) / Double(rows) }
}
