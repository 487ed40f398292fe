// Numbers, sizes, shares and times as people read them. Without Foundation: its formatters cost more than a
// whole `saectl status`.

import Glibc

extension Double {
    /// With a fixed number of digits after the point.
    public func fixed(_ digits: Int) -> String {
        guard isFinite, abs(self) < 1e15 else { return "\(self)" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        // Above this a Double has no digits left that rounding could change.
        guard abs(self) * scale < 9e15 else { return "\(self)" }
        let scaled = (abs(self) * scale).rounded(.toNearestOrEven)
        let whole = Int(scaled) / Int(scale), part = Int(scaled) % Int(scale)
        let sign = self < 0 && scaled > 0 ? "-" : ""
        guard digits > 0 else { return sign + String(whole) }
        let text = String(part)
        return sign + String(whole) + "." + String(repeating: "0", count: digits - text.count) + text
    }

    /// About three significant digits.
    public var brief: String {
        guard isFinite else { return "-" }
        switch abs(self) {
        case 0: return "0"
        case ..<0.001:
            let exponent = Int(log10(abs(self)).rounded(.down))
            return (self / pow(10, Double(exponent))).fixed(1) + "e\(exponent)"
        case ..<1: return fixed(4)
        case ..<10: return fixed(3)
        case ..<100: return fixed(2)
        case ..<1000: return fixed(1)
        default: return fixed(0)
        }
    }

    /// A share as a percentage.
    public var percent: String {
        let value = self * 100
        return (value == 0 ? "0" : value < 0.01 ? "<0.01" : value < 10 ? value.fixed(2) : value.fixed(1)) + " %"
    }
}

/// "3.2 MiB".
public func sizeText(_ bytes: UInt64) -> String {
    var value = Double(bytes)
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024 { return value.fixed(unit == "B" || value >= 100 ? 0 : 1) + " " + unit }
        value /= 1024
    }
    return value.fixed(1) + " TiB"
}

/// "45 s", "3 min", "2 h 5 min", "4 d 3 h".
public func durationText(seconds: Int) -> String {
    switch seconds {
    case ..<60: "\(max(0, seconds)) s"
    case ..<3600: "\(seconds / 60) min"
    case ..<86_400: "\(seconds / 3600) h \(seconds % 3600 / 60) min"
    default: "\(seconds / 86_400) d \(seconds % 86_400 / 3600) h"
    }
}

/// Local time, "2025-03-01 14:05:09".
public func timeText(milliseconds: Int64) -> String {
    var seconds = time_t(milliseconds / 1000)
    var parts = tm()
    guard localtime_r(&seconds, &parts) != nil else { return "-" }
    func two(_ value: CInt) -> String { (value < 10 ? "0" : "") + String(value) }
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
        + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
}

/// "1 image", "3 images".
public func count(_ number: some BinaryInteger, _ one: String, _ many: String? = nil) -> String {
    "\(number) \(number == 1 ? one : many ?? one + "s")"
}
