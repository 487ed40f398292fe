// What the daemon did lately, from what it keeps: images by first seen, each with its snapshots, and failures. Events are
// told only while they happen; this is the same also after a start of the daemon.

import Wire

/// Asks a daemon about the past, by requests that every client may make.
public struct History {
    /// Which happenings are wanted.
    public struct Filter: Sendable {
        /// Only what was committed under this view.
        public var view: Saed_ViewName?
        public var failuresOnly: Bool

        public init(view: Saed_ViewName? = nil, failuresOnly: Bool = false) { (self.view, self.failuresOnly) = (view, failuresOnly) }

        /// An image has come when it was committed: that its path was noticed before, and that all work is done for now, is
        /// nothing to tell. What was missed is caught up with.
        public func wants(_ event: Saed_Event) -> Bool {
            switch event.kind {
            case .committed: !failuresOnly && (view.map { $0 == event.view } ?? true)
            case .failed: view == nil
            case .pathAdded, .busy, .idle, .rescanned, .missed, .stopping, .unspecified: false
            default: !failuresOnly && view == nil
            }
        }
    }

    /// So many images are looked through for each that is wanted, since those that still wait for a snapshot, or have none
    /// in a view, are passed over.
    private static let looksPerImage = 8
    /// Pages grow: most questions are about the last few, some about all that came in an hour.
    private static let pageMin = 16, pageMax = 512
    private static let failuresMax = 1000

    private let client: WireClient

    public init(_ client: WireClient) { self.client = client }

    /// The last `limit`, the latest last.
    ///
    /// - Parameters:
    ///   - views: those of the daemon, or of the filter.
    ///   - since: leaves out what is older, in milliseconds since 1970.
    ///   - isKnown: snapshots that are known; they are not asked for again and don't count.
    /// - Throws: `WireFailure`, `WireClientError`.
    package func last(
        _ limit: Int, views: [Saed_ViewName], filter: Filter = .init(), since: Int64 = .min,
        skipping isKnown: (Happening.Key) -> Bool = { _ in false }
    ) throws -> [Happening] {
        guard limit > 0 else { return [] }
        var found: [Happening] = []
        if filter.view == nil { found += try failures(min(limit, History.failuresMax)).filter { $0.timeMs >= since }.map(Happening.init) }
        if !filter.failuresOnly { found += try committed(limit, views: filter.view.map { [$0] } ?? views, since: since, skipping: isKnown) }
        // Stable: an image's snapshots stay in the order of the views.
        let order = found.indices.sorted { (found[$0].event.timeMs, $0) < (found[$1].event.timeMs, $1) }
        return order.suffix(limit).map { found[$0] }
    }

    /// A view's whole name, found as the daemon finds it.
    /// - Throws: `WireFailure` where there is none, or several.
    public func viewName(_ name: Saed_ViewName) throws -> Saed_ViewName {
        var request = Saed_LatentsRequest()
        (request.view, request.limit) = (name, 1)
        return try client.askMerging(.with { $0.latents = request }).latents.view
    }

    /// The latest first.
    package func failures(_ limit: Int) throws -> [Saed_Failure] {
        var failures: [Saed_Failure] = []
        var request = Saed_FailuresRequest()
        request.limit = UInt32(clamping: limit)
        try client.ask(.with { $0.failures = request }) { piece in
            if case let .part(reply) = piece { failures += reply.failures.failures }
        }
        return failures
    }

    private func committed(_ limit: Int, views: [Saed_ViewName], since: Int64, skipping isKnown: (Happening.Key) -> Bool) throws -> [Happening] {
        var found: [Happening] = []
        var end = try images(offset: 0, limit: 1).total
        var looks = limit * History.looksPerImage
        var page = History.pageMin
        while end > 0, looks > 0, found.count < limit {
            let size = min(end, page)
            page = min(2 * page, History.pageMax)
            for image in try images(offset: end - size, limit: size).images.reversed() where found.count < limit {
                guard image.firstSeenMs >= since else { return found.reversed() }
                for view in views.reversed() where !isKnown(.init(image: image.id, view: view.text)) {
                    if let happening = try self.committed(image.id, view: view) { found.append(happening) }
                }
            }
            (end, looks) = (end - size, looks - size)
        }
        return found.reversed()
    }

    private func images(offset: Int, limit: Int) throws -> (images: [Saed_ImageInfo], total: Int) {
        var images: [Saed_ImageInfo] = []
        var total = 0
        var request = Saed_ImagesRequest()
        (request.offset, request.limit) = (UInt32(clamping: offset), UInt32(clamping: limit))
        try client.ask(.with { $0.images = request }) { piece in
            guard case let .part(reply) = piece else { return }
            images += reply.images.images.map(\.image)
            total = max(total, Int(clamping: reply.images.total))
        }
        return (images, total)
    }

    /// An image's snapshot in a view as the event that told of it; nil where there is none (yet, or any more).
    package func committed(_ image: String, view: Saed_ViewName) throws -> Happening? {
        var request = Saed_ShowRequest()
        (request.image.text, request.view, request.top) = (image, view, 2)
        do {
            let show = try client.ask(.with { $0.show = request }).show
            let event = Saed_Event.with {
                ($0.kind, $0.timeMs, $0.image, $0.view) = (.committed, show.image.firstSeenMs, show.image.id, show.view)
                ($0.path, $0.label) = (show.image.paths.first ?? "", show.image.label)
                $0.count = UInt64(max(0, show.kinds.reduce(0) { $0 + Double($1.tokens) * $1.l0 }.rounded()))
            }
            return Happening(event, answer: .init(show.classes), isPast: true)
        } catch let failure as WireFailure where [.notFound, .failedPrecondition].contains(failure.code) {
            return nil
        }
    }
}
