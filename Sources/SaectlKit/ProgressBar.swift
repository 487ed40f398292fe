// A progress bar on stderr: one line that is redrawn on a terminal, a line now and then elsewhere.

import Glibc

/// Shows how far something is. Call `finish` before printing anything else.
public struct ProgressBar {
    private let terminal: Terminal
    private let unit: String
    private var drawn = false
    private var lastDraw: UInt64 = 0
    private var lastLine = ""

    /// - Parameter unit: what is counted, in the plural: "images".
    public init(unit: String, terminal: Terminal = .error) {
        self.terminal = terminal
        self.unit = unit
        lastDraw = terminal.isTerminal ? 0 : ProgressBar.now()
    }

    public mutating func show(done: UInt64, total: UInt64, failed: UInt64 = 0, what: String = "", perSecond: Double = 0) {
        // 20 times a second looks smooth; a log gets a line every 5 s.
        let now = ProgressBar.now()
        let whole = total > 0 && done == total
        guard now - lastDraw >= (terminal.isTerminal ? 50 : 5000) || (whole && terminal.isTerminal) else { return }
        lastDraw = now
        let line = ProgressBar.line(
            done: done, total: total, failed: failed, what: what, perSecond: perSecond, unit: unit,
            width: terminal.isTerminal ? (terminal.columns ?? 80) - 1 : nil)
        guard line != lastLine else { return }
        lastLine = line
        terminal.write(terminal.isTerminal ? "\r\u{1B}[K" + line : line + "\n")
        drawn = true
    }

    /// Takes the bar away, leaving the line free.
    public mutating func finish() {
        if drawn, terminal.isTerminal { terminal.write("\r\u{1B}[K") }
        drawn = false
    }

    /// - Parameter width: of the terminal; nil: no bar, only the words.
    package static func line(done: UInt64, total: UInt64, failed: UInt64, what: String, perSecond: Double, unit: String, width: Int?) -> String {
        var words = total > 0 ? "\(done)/\(total) \(unit)" : "\(done) \(unit)"
        if perSecond > 0 { words += ", \(perSecond.fixed(1))/s" }
        if perSecond > 0, total > done { words += ", \(durationText(seconds: Int(Double(total - done) / perSecond))) left" }
        if failed > 0 { words += ", \(failed) failed" }
        guard let width else { return what.isEmpty ? words : words + " (\(what.printable))" }
        var line = ""
        if total > 0, case let room = min(40, width - words.cells - 4), room >= 8 {
            let share = min(1, Double(done) / Double(total))
            let full = Int(share * Double(room))
            line = "[" + String(repeating: "#", count: full) + String(repeating: "-", count: room - full) + "] "
        }
        line += words
        if !what.isEmpty, width - line.cells > 12 { line += " " + what.printable.fitted(width - line.cells - 1, keepingEnd: true) }
        return line.fitted(width, keepingEnd: false)
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }
}
