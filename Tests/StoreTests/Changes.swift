// Changes to a store as values, and the naive model that they are applied to as well: images, their paths and their
// snapshots in plain lists. Numbers in a change choose among what is there, so that it means something wherever it
// stands: a sequence that leads to a contradiction can be played again without some of its changes.

import Basics
import Store

enum Change {
    /// Content, new or known, comes under a path with a label or without one.
    case add(content: Int, path: Int, label: Int)
    /// The newest of the images that lack a snapshot in a view get one.
    case encode(view: Int, images: Int)
    case remove(path: Int)
    case removeFolder(label: Int)
    case rename(path: Int, to: Int, label: Int)
    case renameFolder(label: Int, to: Int)
    case seal(view: Int)
    case trim
    case reopen
    /// As `saectl gc`.
    case purge
    /// As `saectl rm`: every `step`-th of the absent images, and a present one, which must stay.
    case purgeOnly(step: Int)
    case purgeView(view: Int)
    /// A view's SAE goes and comes back, its snapshots freed meanwhile or kept.
    case retire(view: Int, freeing: Bool)
    /// A byte of a view's segments flips; what is damaged is found and forgotten.
    case damage(view: Int, segment: Int, byte: Int)
    case ask(Question, view: Int, seed: UInt64)

    /// What `ask` compares with a recomputation.
    enum Question: CaseIterable { case lists, snapshots, aggregates, postings, totals, embeddings, answers }

    static func random(_ random: inout Seeded) -> Change {
        func number(_ bound: Int = 1000) -> Int { Int.random(in: 0..<bound, using: &random) }
        let view = number(2)
        switch number(100) {
        case 0..<26: return .add(content: number(50), path: number(60), label: number())
        case 26..<42: return .encode(view: view, images: 1 + number(6))
        case 42..<50: return .remove(path: number())
        case 50: return .removeFolder(label: number())
        case 51..<54: return .rename(path: number(), to: number(60), label: number())
        case 54: return .renameFolder(label: number(), to: number())
        case 55..<58: return .seal(view: view)
        case 58..<61: return .trim
        case 61..<64: return .reopen
        case 64, 65: return .purge
        case 66, 67: return .purgeOnly(step: 1 + number(3))
        case 68: return number(3) == 0 ? .purgeView(view: view) : .retire(view: view, freeing: Bool.random(using: &random))
        case 69: return .damage(view: view, segment: number(), byte: number(1 << 20))
        default: return .ask(Question.allCases.randomElement(using: &random)!, view: view, seed: random.next())
        }
    }
}

/// What a store should hold.
struct Naive {
    struct Image {
        var id: Int64
        var content: Int
        /// By view.
        var snapshots: [Int: Snapshot] = [:]
    }
    /// Present and absent ones, ascending by id.
    var images: [Image] = []
    /// Ids are never given twice.
    var lastID: Int64 = 0
    /// In the order in which they came to lead to their images.
    var paths: [(path: String, content: Int, label: String?)] = []

    static let labels = ["ant", "bee", "cat", nil]
    static func label(_ number: Int) -> String? { labels[number % labels.count] }
    static func folder(_ label: String?) -> String { "images/\(label ?? "none")" }
    static func path(_ number: Int, _ label: String?) -> String { "\(folder(label))/\(number).png" }

    /// Present ones, ascending by id.
    var present: [Image] { images.filter { isPresent($0.content) } }
    func snapshots(_ view: Int) -> [(id: Int64, content: Int, snapshot: Snapshot)] {
        present.compactMap { image in image.snapshots[view].map { (image.id, image.content, $0) } }
    }
    /// The newest first.
    func lacking(_ view: Int) -> [Image] { present.filter { $0.snapshots[view] == nil }.reversed() }
    func isPresent(_ content: Int) -> Bool { paths.contains { $0.content == content } }
    func place(_ content: Int) -> Int? { images.firstIndex { $0.content == content } }
    /// That of the earliest path that has one.
    func label(of content: Int) -> String? { paths.first { $0.content == content && $0.label != nil }?.label }

    mutating func add(_ content: Int, _ path: String, _ label: String?) -> PathChange.Kind {
        let known = place(content) != nil
        if !known {
            lastID += 1
            images.append(Image(id: lastID, content: content))
        }
        if let at = paths.firstIndex(where: { $0.path == path }) {
            if paths[at].content == content {
                paths[at].label = label
                return .same
            }
            paths.remove(at: at)
        }
        let kind: PathChange.Kind = !known ? .new : isPresent(content) ? .another : .revived
        paths.append((path, content, label))
        return kind
    }

    mutating func removePaths(_ goes: (String) -> Bool) -> Int {
        let before = paths.count
        paths.removeAll { goes($0.path) }
        return before - paths.count
    }

    /// Paths keep their place; what stood at a new path goes.
    mutating func rename(_ new: (String) -> (path: String, label: String?)?) -> Int {
        let moves = paths.map { new($0.path) }
        let targets = Set(moves.compactMap { $0?.path })
        paths = zip(paths, moves).compactMap { old, move in
            if let move { return (move.path, old.content, move.label) }
            return targets.contains(old.path) ? nil : old
        }
        return moves.count { $0 != nil }
    }

    /// - Returns: snapshots and images that went.
    mutating func purge(only: Set<Int64>? = nil, views: Set<Int> = []) -> (snapshots: Int, images: Int) {
        var snapshots = 0
        let before = images.count
        for at in images.indices {
            let goes = !isPresent(images[at].content) && only?.contains(images[at].id) ?? true
            let dropped = goes ? Set(images[at].snapshots.keys) : views
            snapshots += images[at].snapshots.keys.count { dropped.contains($0) }
            images[at].snapshots = images[at].snapshots.filter { !dropped.contains($0.key) }
        }
        removeUnshown(only)
        return (snapshots, before - images.count)
    }

    mutating func purge(view: Int) -> (snapshots: Int, images: Int) {
        let before = images.count, snapshots = images.count { $0.snapshots[view] != nil }
        for at in images.indices { images[at].snapshots[view] = nil }
        removeUnshown(nil)
        return (snapshots, before - images.count)
    }

    /// Absent images without a snapshot are forgotten.
    private mutating func removeUnshown(_ only: Set<Int64>?) {
        let present = Set(paths.map(\.content))
        images.removeAll { !present.contains($0.content) && $0.snapshots.isEmpty && only?.contains($0.id) ?? true }
    }

    /// What the index says of a latent in an image.
    struct Posting: Equatable {
        var patchMean, peak, classValue, promptSum, promptPeak: Float
        /// Meaningless where no patch is active.
        var peakPatch: Int?
        var activePatches, patchesOverTau, activePrompts, promptsOverTau: Int

        /// Nil where the latent is active on no token.
        init?(_ latent: Int, _ snapshot: Snapshot) {
            func values(_ kind: TokenKind) -> [Float] {
                snapshot.layout.tokens(of: kind).map { snapshot.latents.value(row: $0, column: UInt32(latent)) }
            }
            let patches = values(.patch), prompts = values(.prompt)
            classValue = values(.class)[0]
            guard ([classValue] + patches + prompts).contains(where: { $0 > 0 }) else { return nil }
            patchMean = Float(patches.reduce(0) { $0 + Double($1) } / Double(patches.count))
            (peak, promptSum, promptPeak) = (patches.max() ?? 0, prompts.reduce(0, +), prompts.max() ?? 0)
            peakPatch = peak > 0 ? patches.firstIndex(of: peak) : nil
            (activePatches, patchesOverTau) = (patches.count { $0 > 0 }, patches.count { $0 > 0.2 })
            (activePrompts, promptsOverTau) = (prompts.count { $0 > 0 }, prompts.count { $0 > 0.2 })
        }

        init(_ posting: LatentPosting) {
            (patchMean, peak, classValue) = (posting.patchMean, posting.peak, posting.classValue)
            (promptSum, promptPeak) = (posting.promptSum, posting.promptPeak)
            peakPatch = posting.activePatches > 0 ? Int(posting.peakPatch) : nil
            (activePatches, patchesOverTau) = (Int(posting.activePatches), Int(posting.patchesOverTau))
            (activePrompts, promptsOverTau) = (Int(posting.activePrompts), Int(posting.promptsOverTau))
        }
    }

    /// A latent over some snapshots. The patch sum is that of the kept means, as protocol/STORE.md has it.
    static func aggregate(_ latent: Int, _ snapshots: [Snapshot]) -> LatentAggregate {
        var all = LatentAggregate()
        for snapshot in snapshots {
            func kind(_ kind: TokenKind, _ aggregate: inout KindAggregate, mean: Bool = false) -> Bool {
                let tokens = snapshot.layout.tokens(of: kind)
                let values = tokens.map { snapshot.latents.value(row: $0, column: UInt32(latent)) }.filter { $0 > 0 }
                let sum = values.reduce(0) { $0 + Double($1) }
                aggregate.active += values.count
                aggregate.overTau += values.count { $0 > 0.2 }
                aggregate.sum += mean ? Double(Float(sum / Double(tokens.count))) * Double(tokens.count) : sum
                aggregate.max = max(aggregate.max, values.max() ?? 0)
                return !values.isEmpty
            }
            let own = kind(.class, &all.classToken), patch = kind(.patch, &all.patch, mean: true)
            _ = kind(.prompt, &all.prompt)
            all.patchImages += patch ? 1 : 0
            all.anyImages += own || patch ? 1 : 0
        }
        return all
    }
}
