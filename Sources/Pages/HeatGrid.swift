// A latent's values over the patches, small enough that a page can carry tens of thousands of them: 32 levels and runs of
// zeros, one character each. For looking at; the numbers that a page prints are carried beside it.
//
// Character i of base64's alphabet: below 32 one patch at level i + 1 of 32 of the grid's largest value, from 32 on i - 31
// patches at zero. Zeros at the end are left out.

enum HeatGrid {
    private static let levels = 32
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// - Parameter values: negative ones and NaN count as 0.
    static func encoded(_ values: [Float]) -> [UInt8] {
        let peak = values.reduce(0) { max($0, $1.isFinite ? $1 : 0) }
        guard peak > 0 else { return [] }
        var text: [UInt8] = []
        var zeros = 0
        for value in values {
            guard value > 0 else {
                zeros += 1
                continue
            }
            while zeros > 0 {
                let run = min(zeros, levels)
                text.append(alphabet[levels - 1 + run])
                zeros -= run
            }
            // What is active at all is told from zero.
            let level = min(levels, max(1, Int((min(value, peak) / peak * Float(levels)).rounded())))
            text.append(alphabet[level - 1])
        }
        return text
    }
}
