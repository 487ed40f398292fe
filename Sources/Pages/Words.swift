// Numbers in sentences.

extension Double {
    /// With so many digits after the point, and a true minus.
    func fixed(_ digits: Int) -> String {
        guard isFinite else { return "–" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (abs(self) * scale).rounded()
        guard scaled < 9e15 else { return "\(self)" }
        let (whole, part) = Int(scaled).quotientAndRemainder(dividingBy: Int(scale))
        let sign = self < 0 && scaled > 0 ? "\u{2212}" : ""
        let digitsAfter = String(part)
        return sign + whole.grouped + (digits == 0 ? "" : "." + String(repeating: "0", count: digits - digitsAfter.count) + digitsAfter)
    }

    /// A share as a percentage, "88.7 %".
    var percent: String { (self * 100).fixed(1) + "\u{202F}%" }
    /// A difference of shares in points, "+43.3".
    var points: String { (self > 0 ? "+" : "") + (self * 100).fixed(1) }
}

extension Int {
    /// In groups of three: "49 152".
    var grouped: String {
        let digits = String(magnitude)
        var text = ""
        for (i, digit) in digits.enumerated() {
            if i > 0 && (digits.count - i) % 3 == 0 { text += "\u{202F}" }
            text.append(digit)
        }
        return (self < 0 ? "\u{2212}" : "") + text
    }

    /// "1 image", "300 images".
    func of(_ one: String, _ many: String? = nil) -> String { "\(grouped) \(self == 1 ? one : many ?? one + "s")" }
}

extension PageInterval {
    /// " [84.6, 91.8]", shares in percent.
    var percentText: String { " [\((low * 100).fixed(1)), \((high * 100).fixed(1))]" }
    var pointsText: String { " [\(low.points), \(high.points)]" }
    func overlaps(_ other: PageInterval) -> Bool { low <= other.high && other.low <= high }
}
