// One frame of `saectl top`: a function of what is known and of the screen's size. Whatever a path or a reason has in
// it, no line is wider than the screen and there are as many lines as it has.

import Wire

/// Lines of a frame, made for a terminal's encoding and colours.
public struct TopFrame {
    /// Below this a screen shows one thing after the other without empty lines.
    private static let roomyHeight = 20
    /// Without a screen.
    private static let imagesListed = 10
    /// Of views and classes.
    private static let nameCellsMax = 32
    private static let viewColumnsMin = 100

    private let state: TopState
    private let width: Int?
    private let height: Int?
    private let terminal: Terminal

    /// - Parameters:
    ///   - width: cells of a line; nil: any.
    ///   - height: lines; nil: as many as it takes, and no keys in the last.
    package init(_ state: TopState, width: Int?, height: Int?, for terminal: Terminal) {
        (self.state, self.width, self.height, self.terminal) = (state, width, height, terminal)
    }

    package var lines: [String] {
        let room = height ?? .max
        var lines = Array(head.prefix(max(3, room == .max ? room : room * 2 / 5)))
        let gap = room >= TopFrame.roomyHeight ? [StyledLine()] : []
        let rest = room == .max ? room : max(0, room - lines.count - 1)
        let failures = room < 12 ? [] : gap + self.failures(height == nil ? 5 : min(3, max(1, rest / 5)))
        let views = room < 14 ? [] : gap + self.views(height == nil ? .max : max(1, rest / 4))
        let used = (state.failures.isEmpty ? 0 : failures.count) + views.count + gap.count
        lines += views
        lines += gap + images(height == nil ? TopFrame.imagesListed : max(0, rest - used - 1))
        if !state.failures.isEmpty { lines += failures }
        if let height {
            lines = Array(lines.prefix(height - 1))
            lines += Array(repeating: StyledLine(), count: max(0, height - 1 - lines.count))
            lines.append(keys)
        }
        return lines.map { $0.text(width: width, for: terminal) }
    }

    // MARK: what the daemon is and does, the most important first

    private var head: [StyledLine] {
        guard let status = state.status else {
            return [StyledLine("saectl top", .bold).and("  waiting for the daemon" + ellipsis, .yellow), StyledLine(state.trouble?.printable ?? "")]
        }
        var lines = [title(status)]
        if let trouble = state.trouble { lines.append(StyledLine("waiting for the daemon\(ellipsis) ", .yellow).and(trouble.printable)) }
        lines += [queue(status), rate, images(status), memory(status), store(status), loaded(status)]
        lines += status.notices.map { StyledLine("note: ", .yellow).and($0.printable) }
        return lines
    }

    private var ellipsis: String { terminal.usesUnicode ? "…" : "..." }

    private func title(_ status: Saed_StatusReply) -> StyledLine {
        let isGone = state.trouble != nil
        let up = Int(status.uptimeMs / 1000) + Int(max(0, state.now - state.statusTime) / 1000)
        var line = StyledLine("saed \(status.version.printable)", .bold).and("  ")
            .and(isGone ? "gone" : status.state.printable, isGone || status.state != "ready" ? .yellow : .green)
        if state.isPaused { line = line.and("  paused", .yellow) }
        if !isGone { line = line.and("  up \(durationText(seconds: up)), pid \(status.pid)") }
        return line.and("  " + status.root.printable).ending(clock(state.now), width: width)
    }

    private func queue(_ status: Saed_StatusReply) -> StyledLine {
        guard status.queued > 0 else { return labelled("queue", "empty") }
        var words = "\(status.queued) left, \(status.running) running"
        if status.backfill > 0 { words += ", \(count(status.backfill, "back-fill"))" }
        let done = state.queuedMost - min(state.queuedMost, status.queued)
        var end = state.queuedMost > 0 ? (Double(done) / Double(state.queuedMost) * 100).fixed(0) + " %" : ""
        if let left = state.secondsLeft { end += ", \(durationText(seconds: left)) left" }
        let room = min(30, (width ?? 100) - 10 - words.cells - end.cells - 6)
        guard room >= 6, state.queuedMost > 0 else { return labelled("queue", words + (end.isEmpty ? "" : ", " + end)) }
        let bar = terminal.bar(Double(done) / Double(state.queuedMost), cells: room)
        return labelled("queue", words + "  [").and(bar, .green).and(String(repeating: " ", count: max(0, room - bar.cells)) + "] " + end)
    }

    private var rate: StyledLine {
        func text(_ seconds: Int) -> String { state.perSecond(over: seconds).map { $0.fixed(1) + "/s" } ?? "-" }
        let words = "\(text(10)) (10 s), \(text(60)) (60 s)"
        let cells = min(60, (width ?? 100) - 10 - words.cells - 2)
        let values = cells >= 8 ? state.rates.values(cells, now: state.now) : []
        guard let most = values.max() else { return labelled("rate", words) }
        return labelled("rate", words + "  ").and(terminal.curve(values.map { Double($0) / Double(max(1, most)) }), .cyan)
    }

    private func images(_ status: Saed_StatusReply) -> StyledLine {
        let line = labelled("images", "\(status.images)" + (status.paths == status.images ? "" : " (\(count(status.paths, "path")))") + ", ")
        return line.and(count(status.failures, "failure"), status.failures > 0 ? .red : nil)
    }

    private func memory(_ status: Saed_StatusReply) -> StyledLine {
        labelled("memory", "\(sizeText(status.residentBytes)), peak \(sizeText(status.residentPeakBytes)), \(count(status.threads, "thread"))")
    }

    private func store(_ status: Saed_StatusReply) -> StyledLine {
        let free = state.diskFreeBytes.map { ", \(sizeText($0)) free on its disk" } ?? ""
        let snapshots = "\(count(status.store.snapshots, "snapshot")) in \(count(status.store.segments, "segment"))"
        return labelled("store", "\(sizeText(status.store.bytes))\(free), \(snapshots)")
    }

    private func loaded(_ status: Saed_StatusReply) -> StyledLine {
        let parts = status.loaded.map { "\($0.kind) \($0.name) \(sizeText($0.bytes))".printable }
        return labelled("loaded", parts.isEmpty ? "no model" : parts.joined(separator: ", "))
    }

    private func labelled(_ label: String, _ text: String) -> StyledLine {
        StyledLine(label + String(repeating: " ", count: 10 - label.count), .faint).and(text)
    }

    // MARK: tables

    private func views(_ most: Int) -> [StyledLine] {
        let views = state.views
        guard !views.isEmpty else { return [] }
        // The view's name is whole; what has no room beside it is left out, the last column first.
        var table = Table([
            "VIEW".left, "DONE".right, "QUEUED".right, "SNAPSHOTS".right.optional, "SIZE".right.optional, "L0 PATCH".right.optional, "".left.optional,
        ])
        for view in views.prefix(most) {
            let all = view.snapshots + view.queued
            let share = all > 0 ? Double(view.snapshots) / Double(all) : 0
            table.add([
                view.name.text.printable.fitted(TopFrame.nameCellsMax, keepingEnd: false), all > 0 ? (share * 100).fixed(share < 1 ? 1 : 0) + " %" : "-",
                "\(view.queued)", "\(view.snapshots)", sizeText(view.bytes), view.l0.first { $0.kind == .patch }.map { $0.l0.fixed(1) } ?? "-",
                terminal.bar(share, cells: 12),
            ])
        }
        return styled(table) + (views.count > most ? [StyledLine("\(ellipsis) and \(views.count - most) more", .faint)] : [])
    }

    private func images(_ most: Int) -> [StyledLine] {
        guard most > 0 else { return [] }
        guard !state.images.isEmpty else { return [StyledLine("no image yet", .faint)] }
        // On a narrow screen the path needs the room more than the view does.
        let showsView = state.views.count > 1 && (width ?? .max) >= TopFrame.viewColumnsMin
        var table = Table(
            ["TIME".left, "IMAGE".path, "ANSWER".left, "MARGIN".right.optional, "LATENTS".right.optional] + (showsView ? ["VIEW".left.optional] : []))
        for happening in state.images.prefix(most) {
            let event = happening.event, answer = happening.answer
            table.add([
                clock(event.timeMs), event.path.isEmpty ? String(event.image.prefix(12)) : Happening.shown(event.path, below: state.status?.drop ?? ""),
                answer.map { "\($0.name.printable.fitted(TopFrame.nameCellsMax, keepingEnd: false)) \($0.probability.percent)" } ?? "-",
                answer?.margin.map { $0.fixed(2) } ?? "-", "\(event.count)",
            ] + (showsView ? [event.view.text] : []))
        }
        return styled(table)
    }

    private func failures(_ most: Int) -> [StyledLine] {
        guard !state.failures.isEmpty else { return [] }
        var table = Table(["FAILED".left, "FILE".path, "REASON".flexible.yielding])
        for failure in state.failures.prefix(most) {
            table.add([clock(failure.timeMs), Happening.shown(failure.path, below: state.status?.drop ?? ""), failure.reason])
        }
        return styled(table, rows: .red)
    }

    /// Lines of a table, those of its header bold.
    private func styled(_ table: Table, rows: Terminal.Style? = nil) -> [StyledLine] {
        table.lines(width: width).enumerated().map { StyledLine($1, $0 == 0 ? .bold : nil) }
    }

    /// The time of day, or the date of another day.
    private func clock(_ time: Int64) -> String {
        let text = timeText(milliseconds: time), today = timeText(milliseconds: state.now)
        return String(text.prefix(10) == today.prefix(10) ? text.suffix(8) : text.prefix(10))
    }

    private var keys: StyledLine {
        StyledLine("q quit   p \(state.isPaused ? "go on" : "pause")   s sort views: \(state.sort.rawValue)", .faint)
    }
}

/// A line of pieces in different styles, none with a control character in it.
struct StyledLine {
    private var pieces: [(text: String, style: Terminal.Style?)] = []

    init() {}
    init(_ text: String, _ style: Terminal.Style? = nil) { pieces = [(text, style)] }

    func and(_ text: String, _ style: Terminal.Style? = nil) -> StyledLine {
        var line = self
        line.pieces.append((text, style))
        return line
    }

    private var cells: Int { pieces.reduce(0) { $0 + $1.text.cells } }

    /// With a text at the right edge, where that leaves half of the line.
    func ending(_ text: String, width: Int?) -> StyledLine {
        guard let width, width > 2 * (text.cells + 2) else { return self }
        let left = width - text.cells - 2
        return cropped(left).and(String(repeating: " ", count: max(0, left - cropped(left).cells) + 2) + text)
    }

    private func cropped(_ width: Int) -> StyledLine {
        guard cells > width else { return self }
        var line = StyledLine(), room = width
        for piece in pieces where room > 0 {
            let isLast = piece.text.cells > room
            line.pieces.append((isLast ? piece.text.cut(room) : piece.text, piece.style))
            room -= isLast ? room : piece.text.cells
        }
        return line
    }

    /// In ASCII where the terminal's encoding is not UTF-8: what it can't show would also take another width.
    func text(width: Int?, for terminal: Terminal) -> String {
        var line = self
        if !terminal.usesUnicode { line.pieces = line.pieces.map { ($0.text.asASCII, $0.style) } }
        if let width { line = line.cropped(width) }
        return line.pieces.map { piece in
            let text = terminal.usesUnicode ? piece.text : piece.text.asASCII
            return piece.style.map { text.isEmpty ? "" : terminal.styled(text, $0) } ?? text
        }.joined()
    }
}

extension String {
    /// Cut to some cells, with an ellipsis where there is room for one.
    fileprivate func cut(_ width: Int) -> String {
        if width > 1 { return fitted(width, keepingEnd: false) }
        return first.map { String($0).cells <= width ? String($0) : "" } ?? ""
    }

    /// Other characters as question marks, the ellipsis as a tilde, as wide as they were.
    fileprivate var asASCII: String {
        guard utf8.count != unicodeScalars.count else { return self }
        return map { $0.isASCII ? String($0) : $0 == "…" ? "~" : String(repeating: "?", count: String($0).cells) }.joined()
    }
}
