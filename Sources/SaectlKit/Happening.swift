// One thing that the daemon did, as a line for people: an event of `watch`, and beside a committed image the
// classifier's answer. What `tail` prints and `top` lists.

import Wire

public struct Happening: Sendable, Equatable {
    /// The likeliest class of an image.
    public struct Answer: Sendable, Equatable {
        public var name: String
        public var probability: Double
        /// The class's logit less that of the next; nil where the model has one class only.
        public var margin: Double?

        public init(name: String, probability: Double, margin: Double?) {
            (self.name, self.probability, self.margin) = (name, probability, margin)
        }

        /// nil where there are no classes.
        init?(_ classes: [Saed_ClassProbability]) {
            guard let first = classes.first else { return nil }
            self.init(name: first.name, probability: first.probability, margin: classes.dropFirst().first.map { first.logit - $0.logit })
        }
    }

    /// What tells one snapshot from another, before and after a restart of the daemon.
    package struct Key: Hashable, Sendable {
        let image: String
        let view: String
    }

    public var event: Saed_Event
    /// nil where the model has no class list, or nobody asked.
    public var answer: Answer?
    /// Read from the catalog, which knows when an image was first seen, not when it was committed: that is
    /// `event.timeMs` then.
    public var isPast: Bool
    /// From the moment in which the image's path was noticed to its commit; nil where nobody listened then.
    public var tookMilliseconds: Int64?

    public init(_ event: Saed_Event, answer: Answer? = nil, isPast: Bool = false, tookMilliseconds: Int64? = nil) {
        (self.event, self.answer, self.isPast, self.tookMilliseconds) = (event, answer, isPast, tookMilliseconds)
    }

    package var key: Key? { event.kind == .committed ? Key(image: event.image, view: event.view.text) : nil }

    package init(_ failure: Saed_Failure) {
        self.init(
            .with {
                ($0.kind, $0.timeMs, $0.path) = (.failed, failure.timeMs, failure.path)
                $0.text = failure.quarantine.isEmpty ? failure.reason : "\(failure.reason) (now at \(failure.quarantine))"
            }, isPast: true)
    }
}

extension Happening {
    /// A path as people know it: below the drop folder.
    static func shown(_ path: String, below drop: String) -> String {
        let folder = drop.trimmingTrailingSlashes + "/"
        return (drop.isEmpty || !path.hasPrefix(folder) ? path : String(path.dropFirst(folder.count))).printable
    }

    /// What `tail` prints, without the end of the line.
    public func text(drop: String, for terminal: Terminal) -> String {
        var parts = [terminal.styled(timeText(milliseconds: event.timeMs), .faint)]
        let place = event.path.isEmpty ? String(event.image.prefix(12)) : Happening.shown(event.path, below: drop)
        if !place.isEmpty { parts.append(place) }
        switch event.kind {
        case .committed:
            parts.append(event.view.text.printable)
            if let answer { parts.append(answer.text(label: event.label, for: terminal)) }
            parts.append(count(event.count, "latent"))
            if let took = tookMilliseconds {
                parts.append(took < 60_000 ? (Double(took) / 1000).fixed(2) + " s" : durationText(seconds: Int(took / 1000)))
            }
        case .failed: parts.append(terminal.styled("failed", .red) + ": " + event.text.printable)
        case .pathMoved: parts.append(terminal.styled("moved", .cyan) + " from " + Happening.shown(event.text, below: drop))
        case .pathRemoved: parts.append(terminal.styled("removed", .cyan))
        case .backfill: parts.append("\(terminal.styled("backfill", .cyan)) of \(event.view.text.printable): \(event.text.printable)")
        case .missed: parts.append(terminal.styled("missed", .yellow) + " \(count(event.count, "event")): too fast for this client")
        default:
            parts.append(terminal.styled(event.kind.name, event.kind == .warning ? .yellow : .cyan))
            if !event.text.isEmpty { parts.append(event.text.printable) }
        }
        return parts.joined(separator: "  ")
    }

    /// A line of `tail --json`: the event as `watch` has it, and the answer.
    public var json: JSON {
        var members = event.members
        if event.kind == .committed {
            members["answer"] = answer?.json ?? .null
            members["took_ms"] = tookMilliseconds.map { JSON($0) } ?? .null
        }
        members["past"] = JSON.bool(isPast)
        return .object(members)
    }
}

extension Happening.Answer {
    /// `star 98.2 %, margin 3.21`, and the label where it is another.
    func text(label: String, for terminal: Terminal) -> String {
        let answer = "\(name.printable) \(probability.percent)"
        let wrong = !label.isEmpty && Happening.Answer.key(label) != Happening.Answer.key(name)
        let shown = label.isEmpty ? answer : terminal.styled(answer, wrong ? .yellow : .green)
        return shown + (margin.map { ", margin \($0.fixed(2))" } ?? "") + (wrong ? " (label \(label.printable))" : "")
    }

    /// What a label and a class's name are compared by: as the daemon does, '_' is ' ' and case does not matter.
    private static func key(_ name: String) -> String {
        name.lowercased().split { $0 == "_" || $0 == " " }.joined(separator: " ")
    }

    var json: JSON { ["name": JSON(name), "probability": JSON(probability), "margin": margin.map(JSON.number) ?? .null] }
}
