// The words that latents were given, by view: on disk, so that tables and pages show them after a restart, and what naming
// needs, in memory. All of it can be made again.

import Basics
import Concepts
import Foundation
import Ingest
import Interventions
import Store
import Synchronization
import Wire

/// Names of latents. Safe to share.
final class NameBook: Sendable {
    /// Words of a list through a model's text tower.
    struct Words: Sendable {
        let embeddings: WordEmbeddings
        /// That the model's vocabulary doesn't have.
        let skipped: Int
        /// Of the model and the list.
        let hash: ContentHash
    }

    /// What a view's latents are named with.
    struct Prepared: Sendable {
        let words: Words
        let naming: Naming
        let carry: CarryMatrix
        /// The store's changes that it knows of.
        let changes: UInt64
    }

    /// A view's names, as they stand on disk.
    private struct Page: Codable {
        var words: String
        var names: [Int: LatentName] = [:]
    }

    private struct State {
        var pages: [String: Page] = [:]
        /// The same for the wire, made once.
        var messages: [String: [UInt32: Saed_LatentName]] = [:]
        var words: [ContentHash: Words] = [:]
        var carries: [ViewRecord.ID: (matrix: CarryMatrix, images: Int)] = [:]
        var prepared: [ViewRecord.ID: Prepared] = [:]
        var evidence: [ViewRecord.ID: (changes: UInt64, latents: [LatentEvidence])] = [:]
    }

    private let folder: String
    private let state = Mutex(State())
    /// Held while a page is written, so that an older one never lands last.
    private let writing = Mutex(())

    /// - Parameter folder: made when the first name is kept.
    init(folder: String) { self.folder = folder }

    /// What the view's latents are called; empty where they were never named.
    func known(_ plan: ViewPlan) -> [UInt32: Saed_LatentName] {
        state.withLock { state in
            if let made = state.messages[key(plan)] { return made }
            let made = Dictionary(page(plan, &state).names.map { (UInt32($0), Saed_LatentName($1)) }, uniquingKeysWith: { first, _ in first })
            state.messages[key(plan)] = made
            return made
        }
    }

    /// Keeps names; those from another list of words go. Writes a file: for threads that may block.
    func keep(_ names: [LatentName], words: ContentHash, _ plan: ViewPlan) {
        writing.withLock { _ in
            let page = state.withLock { state -> Page in
                var page = self.page(plan, &state)
                if page.words != words.hex { page = Page(words: words.hex) }
                for name in names { page.names[name.latent] = name }
                state.pages[key(plan)] = page
                state.messages[key(plan)] = nil
                return page
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            // Names that can't be kept can be made again.
            try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try? encoder.encode(page).write(to: URL(fileURLWithPath: file(plan)), options: .atomic)
        }
    }

    private func page(_ plan: ViewPlan, _ state: inout State) -> Page {
        if let known = state.pages[key(plan)] { return known }
        let read = FileManager.default.contents(atPath: file(plan)).flatMap { try? JSONDecoder().decode(Page.self, from: $0) }
        let page = read ?? Page(words: "")
        state.pages[key(plan)] = page
        return page
    }

    /// The catalog's view: a number that a new store may give again, so its recipe stands beside it.
    private func key(_ plan: ViewPlan) -> String { plan.record.recipe.short }
    private func file(_ plan: ViewPlan) -> String { "\(folder)/\(key(plan)).json" }

    // MARK: In memory

    func words(_ hash: ContentHash) -> Words? { state.withLock { $0.words[hash] } }

    func keep(_ words: Words) {
        state.withLock { state in
            // A model's own list and a user's or two: more is a program that asks with ever new lists.
            if state.words.count >= 8 { state.words = [:] }
            state.words[words.hash] = words
        }
    }

    /// And of how many images' mean stream it was made.
    func carry(_ view: ViewRecord.ID) -> (matrix: CarryMatrix, images: Int)? { state.withLock { $0.carries[view] } }
    func keep(_ carry: CarryMatrix, images: Int, _ view: ViewRecord.ID) { state.withLock { $0.carries[view] = (carry, images) } }

    /// As it was last made with these words; images may have come or gone since.
    func prepared(_ view: ViewRecord.ID, words: ContentHash) -> Prepared? {
        state.withLock { state in state.prepared[view].flatMap { $0.words.hash == words ? $0 : nil } }
    }

    func keep(_ prepared: Prepared, _ view: ViewRecord.ID) { state.withLock { $0.prepared[view] = prepared } }

    /// Of all latents; nil where images came or went since.
    func evidence(_ view: ViewRecord.ID, changes: UInt64) -> [LatentEvidence]? {
        state.withLock { state in state.evidence[view].flatMap { $0.changes == changes ? $0.latents : nil } }
    }

    func keep(_ evidence: [LatentEvidence], changes: UInt64, _ view: ViewRecord.ID) { state.withLock { $0.evidence[view] = (changes, evidence) } }
}

extension Saed_LatentName {
    init(_ name: LatentName) {
        self = .with {
            $0.latent = UInt32(name.latent)
            $0.word = name.word
            $0.sure = name.isSure
            $0.score = name.score
            $0.reason = name.reason
            $0.candidates = name.candidates.map { candidate in
                .with {
                    $0.word = candidate.word
                    $0.score = candidate.score
                }
            }
        }
    }
}
