// Zero-shot answers of all images of a view, from stored embeddings, each image asked about once.

import Basics
import Foundation
import Glibc

extension Store {
    /// Files of answers that a view keeps: those of the heads last asked for.
    static let answerFilesMax = 8

    /// What a head answers to every present image with a snapshot in the view.
    ///
    /// Answers are kept by image and head (a snapshot never changes), in memory and in `tables/`, so that a second
    /// question, also after a restart, classifies only what came since. The first reads every snapshot's embedding,
    /// 0.05 to 0.3 ms an image. Damaged snapshots are left out, and listed in `damaged`.
    ///
    /// - Parameters:
    ///   - head: identifies the head: classes, templates, adapter, model.
    ///   - classify: raw embeddings (not normalised) to the best class and its probability, in the same order; at
    ///     most 256 at a time.
    /// - Throws: `StoreError`; `classifierFailed` where `classify` throws.
    public func answers(
        in id: ViewRecord.ID, head: ContentHash,
        classify: (_ embeddings: [[Float]]) throws -> [(index: Int32, probability: Float)]
    ) throws(StoreError) -> [ImageRecord.ID: Answer] {
        let view = try self.view(id)
        // Another question's answers may take minutes; whoever waits for them may give up.
        while !view.answering.lock(before: Date(timeIntervalSinceNow: 0.1)) {
            if Cancellation.isRequested { throw .cancelled }
        }
        defer { view.answering.unlock() }
        var known = view.answers.withLock { $0[head] } ?? keptAnswers(of: view, head)
        let table = images.withLock { $0 }
        let present = view.segments.flatMap(\.images).filter { $0 != Segment.hole && table.isPresent($0) }
        let missing = present.filter { known[$0] == nil }.sorted(), before = known.count
        for start in stride(from: 0, to: missing.count, by: 256) {
            let part = missing[start..<min(start + 256, missing.count)]
            do throws(StoreError) {
                try classifyPart(part, of: view, into: &known, classify)
            } catch {
                // Where text depends on the image they took minutes: the next question goes on from there.
                remember(known, of: view, head, grew: known.count > before)
                throw error
            }
        }
        remember(known, of: view, head, grew: known.count > before)
        var answers: [ImageRecord.ID: Answer] = [:]
        answers.reserveCapacity(present.count)
        for image in present { if let answer = known[image] { answers[.init(rawValue: image)] = answer } }
        return answers
    }

    /// For the next question: in memory, and on disk where there is more than before.
    private func remember(_ known: [Int64: Answer], of view: ViewStore, _ head: ContentHash, grew: Bool) {
        view.answers.withLock { answers in
            if answers[head] == nil, answers.count >= Store.answerFilesMax { answers = [:] }
            answers[head] = known
        }
        if grew { keep(known, of: view, head) }
    }

    private func classifyPart(
        _ part: ArraySlice<Int64>, of view: ViewStore, into known: inout [Int64: Answer],
        _ classify: (_ embeddings: [[Float]]) throws -> [(index: Int32, probability: Float)]
    ) throws(StoreError) {
        var images: [Int64] = [], embeddings: [[Float]] = []
        for image in part {
            do throws(StoreError) {
                guard let embedding = try embedding(of: .init(rawValue: image), view: view) else { continue }
                images.append(image)
                embeddings.append(embedding)
            } catch {
                guard case .damaged = error else { throw error }
            }
        }
        guard !images.isEmpty else { return }
        let found: [(index: Int32, probability: Float)]
        do { found = try classify(embeddings) } catch {
            throw .classifierFailed(view: view.record.name, reason: "\(error)")
        }
        guard found.count == images.count else {
            throw .classifierFailed(view: view.record.name, reason: "\(found.count) answers to \(images.count) embeddings")
        }
        for (image, answer) in zip(images, found) { known[image] = Answer(index: answer.index, probability: answer.probability) }
    }

    /// An image's raw embedding without its latents: no encoder is needed, and nothing is unpacked but the frame.
    func embedding(of image: ImageRecord.ID, view: ViewStore) throws(StoreError) -> [Float]? {
        guard let record = try record(of: image, in: view.record.id) else { return nil }
        do throws(StoreError) {
            return try readEmbedding(record, view: view)
        } catch {
            // `purge` may have moved it between the two steps, or taken it away.
            guard case .io = error else { throw error }
            return try self.record(of: image, in: view.record.id).map { (moved) throws(StoreError) in try readEmbedding(moved, view: view) }
        }
    }

    private func readEmbedding(_ record: SnapshotRecord, view: ViewStore) throws(StoreError) -> [Float] {
        let file = try reader(view.path(record.segment, "seg"))
        let coder = SnapshotCoder(shape: view.shape, level: options.compressionLevel, keepActivations: false)
        let bytes = try file.read(at: record.offset, count: record.headLength)
        do throws(MalformedBytes) {
            return try zstd.with { (codec) throws(MalformedBytes) in
                try bytes.withRaw { (raw) throws(MalformedBytes) in
                    try coder.decodeEmbedding(try Frame.decode(raw, expecting: .latents, codec: codec).payload)
                }
            }
        } catch {
            report(damaged: DamagedSnapshot(view: record.view, image: record.image))
            throw .damaged(file: file.path, offset: record.offset + error.offset, reason: error.reason)
        }
    }

    // MARK: Files

    private func answerPath(_ view: ViewStore, _ head: ContentHash) -> String {
        "\(folder)/tables/\(view.record.id).\(head.short).ans"
    }

    private func keptAnswers(of view: ViewStore, _ head: ContentHash) -> [Int64: Answer] {
        guard let file = try? File(path: answerPath(view, head), flags: O_RDONLY), let size = try? file.size(),
            let bytes = try? file.read(at: 0, count: size)
        else { return [:] }
        return AnswerFile.decode(bytes, head: head) ?? [:]
    }

    /// Failing costs only time later.
    private func keep(_ answers: [Int64: Answer], of view: ViewStore, _ head: ContentHash) {
        try? File.makeFolder(folder + "/tables")
        try? File.writeAtomically(answerPath(view, head), AnswerFile.encode(answers, head: head), faults: options.faults)
        let prefix = "\(view.record.id).", tables = folder + "/tables"
        let others = File.names(in: tables).filter { $0.hasPrefix(prefix) && $0.hasSuffix(".ans") }.map { "\(tables)/\($0)" }
        for path in others.sorted(by: { File.modified($0) > File.modified($1) }).dropFirst(Store.answerFilesMax) { unlink(path) }
    }
}
