// What became of the files of one `saectl add`: where they went, and, followed, how they ended.

import Wire

/// The files of one `add`, as they are placed and then followed to their end.
public struct AddResult {
    struct Added {
        let source: String
        let target: String
        let method: AddMethod
        var outcome: Saed_FileOutcome?
    }

    private let drop: DropIn
    private let skipped: Int
    private var added: [Added] = []
    public private(set) var failures: [AddFailure] = []

    /// Why 256 KiB: a quarter of what a request may have.
    private static let requestPathBytes = 256 << 10

    public init(drop: DropIn, skipped: Int) {
        self.drop = drop
        self.skipped = skipped
    }

    public mutating func fail(_ failure: AddFailure) { failures.append(failure) }

    public mutating func place(_ item: AddItem) {
        do throws(AddFailure) {
            let (target, method) = try drop.place(item)
            added.append(Added(source: item.source, target: target, method: method))
        } catch {
            failures.append(error)
        }
    }

    /// Waits until the daemon is through with every file, with a progress bar on stderr.
    public mutating func follow(_ client: WireClient) throws {
        var bar = ProgressBar(unit: "images")
        defer { bar.finish() }
        // One content may have been named twice.
        var waiting: [String: [Int]] = [:]
        for (place, item) in added.enumerated() { waiting[item.target, default: []].append(place) }
        let targets = waiting.keys.sorted()
        let total = UInt64(targets.count)
        var done: UInt64 = 0, failed: UInt64 = 0
        var start = 0
        while start < targets.count {
            var request = Saed_FollowRequest()
            request.folder = drop.folder
            var bytes = 0
            while start < targets.count, bytes < AddResult.requestPathBytes {
                bytes += targets[start].utf8.count + 8
                request.paths.append(targets[start])
                start += 1
            }
            var message = Saed_Request()
            message.follow = request
            try client.ask(message) { piece in
                switch piece {
                case let .progress(progress):
                    bar.show(done: done, total: total, failed: failed, what: progress.what, perSecond: progress.itemsPerSecond)
                case let .part(reply):
                    for file in reply.follow.files {
                        done += 1
                        if file.state != .done { failed += 1 }
                        waiting[file.path]?.forEach { added[$0].outcome = file }
                        bar.show(done: done, total: total, failed: failed, what: file.path)
                    }
                case .array, .chunk: break
                }
            }
        }
        for item in added {
            guard let outcome = item.outcome else {
                failures.append(AddFailure(path: item.source, reason: "the daemon did not say what became of it"))
                continue
            }
            switch outcome.state {
            case .done: break
            case .gone: failures.append(AddFailure(path: item.source, reason: "was taken out of the drop folder before it was read"))
            default: failures.append(AddFailure(path: item.source, reason: outcome.reason.isEmpty ? "failed" : outcome.reason))
            }
        }
    }

    public var json: JSON {
        [
            "added": JSON(
                added.map { item in
                    var members: [String: JSON] = [
                        "source": JSON(item.source), "path": JSON(drop.folder + "/" + item.target), "method": JSON(item.method.rawValue),
                    ]
                    if let outcome = item.outcome {
                        members["state"] = JSON(outcome.state.name)
                        members["image"] = .optional(outcome.image)
                    }
                    return .object(members)
                }),
            "failed": JSON(failures.map { ["path": JSON($0.path), "reason": JSON($0.reason)] }), "skipped": JSON(skipped),
        ]
    }

    public func text(waited: Bool) -> String {
        var methods: [String] = []
        for method in [AddMethod.cloned, .linked, .copied] {
            let number = added.count { $0.method == method }
            if number > 0 { methods.append("\(number) \(method.rawValue)") }
        }
        let present = added.count { $0.method == .present }
        if present > 0 { methods.append("\(present) there already") }
        var out = "\(count(added.count, "file")) in \(drop.folder.printable)" + (methods.isEmpty ? "" : " (\(methods.joined(separator: ", ")))")
        if waited {
            let done = added.count { $0.outcome?.state == .done }
            out += ", \(done) done"
        }
        out += "\n"
        if skipped > 0 { out += "\(count(skipped, "file")) skipped: no JPEG, PNG or WebP\n" }
        return out
    }
}
