// Any sequence of adds, deletes, revivals, moves, seals, trims, purges and restarts answers as a naive model
// does, which keeps all latents as dense f64 tables and recomputes everything from scratch.

import Basics
import Foundation
import Store
import Testing

/// The model: images in order of first sight, paths in order of arrival, latents as given (f16-rounded).
private struct Naive {
    struct Image {
        var name: String
        var latents: SparseRows?
    }
    var images: [Image] = []
    var paths: [(path: String, image: Int, label: String?)] = []

    func isPresent(_ image: Int) -> Bool { paths.contains { $0.image == image } }
    func label(_ image: Int) -> String? { paths.first { $0.image == image && $0.label != nil }?.label }

    struct Statistics: Equatable {
        var active = 0, over = 0, max: Float = 0
        var sum = 0.0
    }

    /// By kind over present images with a snapshot; and per image the patch mean, in f64.
    func statistics(_ latent: Int, layout: TokenLayout) -> (kinds: [TokenKind: Statistics], means: [Int: Double], peaks: [Int: Float], any: Int) {
        var kinds: [TokenKind: Statistics] = [.class: .init(), .patch: .init(), .prompt: .init()]
        var means: [Int: Double] = [:], peaks: [Int: Float] = [:]
        var any = 0
        for (number, image) in images.enumerated() where isPresent(number) {
            guard let latents = image.latents else { continue }
            var sum = 0.0, peak: Float = 0
            var touched = false
            for token in 0..<layout.count {
                let value = latents.value(row: token, column: UInt32(latent))
                guard value > 0 else { continue }
                let kind = layout.kind(of: token)
                kinds[kind]!.active += 1
                kinds[kind]!.over += value > 0.2 ? 1 : 0
                kinds[kind]!.sum += Double(value)
                kinds[kind]!.max = max(kinds[kind]!.max, value)
                if kind == .patch {
                    sum += Double(value)
                    peak = max(peak, value)
                }
                touched = touched || kind != .prompt
            }
            if sum > 0 {
                means[number] = sum / Double(layout.patches)
                peaks[number] = peak
            }
            any += touched ? 1 : 0
        }
        return (kinds, means, peaks, any)
    }
}

@Suite struct PropertyTests {
    // Sums: each image's patch mean is kept as f32 (relative error 2^-24), all else is exact.
    private let tolerance = 1e-6

    @Test(arguments: [1, 2, 3, 4, 5, 6]) func anySequenceOfChangesAnswersAsTheNaiveModelDoes(seed: UInt64) throws {
        print("PropertyTests seed \(seed)")
        var random = Seeded(seed)
        let folder = try TemporaryFolder()
        var options = StoreOptions()
        options.sealImages = Int.random(in: 3...9, using: &random)
        let shape = Shape(layout: TokenLayout(rows: 2, columns: 3, prompts: seed % 2 == 0 ? 2 : 0), latents: 40)
        var fixture = try Fixture(folder.path, shape: shape, options: options)
        var model = Naive()
        for step in 0..<160 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<7: try add(fixture, &model, &random)
            case 7..<10: try appendMissing(fixture, &model, &random)
            case 10..<13: try remove(fixture, &model, &random)
            case 13: try moveFolder(fixture, &model, &random)
            case 14: try fixture.store.sealOpenSegments(of: fixture.view.id)
            case 15: fixture.store.trim()
            case 16:
                try fixture.store.close()
                fixture = try Fixture(folder.path, shape: shape, options: options)
                #expect(fixture.store.recovery.isClean)
            case 17 where step % 3 == 0: try purge(fixture, &model)
            default: try check(fixture, model, latents: [Int.random(in: 0..<40, using: &random)], "seed \(seed) step \(step)")
            }
            if step % 40 == 39 { try check(fixture, model, latents: Array(0..<40), "seed \(seed) step \(step)") }
        }
        #expect(try fixture.store.verify(fixture.view.id).isSound)
    }

    // MARK: Changes

    private func add(_ fixture: Fixture, _ model: inout Naive, _ random: inout Seeded) throws {
        let known = !model.images.isEmpty && Int.random(in: 0..<4, using: &random) == 0
        let number = known ? Int.random(in: 0..<model.images.count, using: &random) : model.images.count
        if !known { model.images.append(.init(name: "image\(model.images.count)-\(random.next())")) }
        let label: String? = ["cat", "dog", "eel", nil].randomElement(using: &random)!
        let path = "images/\(label ?? "none")/\(Int.random(in: 0..<60, using: &random)).png"
        let change = try fixture.addImage(model.images[number].name, path: path, label: label)
        let known_ = model.paths.firstIndex { $0.path == path }
        let wasPresent = model.isPresent(number)
        if let at = known_, model.paths[at].image == number {
            model.paths[at].label = label
            #expect(change.kind == .same)
        } else {
            if let at = known_ { model.paths.remove(at: at) }
            #expect(change.kind == (!known ? .new : wasPresent && model.isPresent(number) ? .another : wasPresent ? change.kind : .revived))
            model.paths.append((path, number, label))
        }
        #expect(change.image.label == model.label(number))
    }

    private func appendMissing(_ fixture: Fixture, _ model: inout Naive, _ random: inout Seeded) throws {
        let lacking = try fixture.store.imagesLackingSnapshot(in: fixture.view.id).map(\.hash)
        let expected = model.images.indices.filter { model.isPresent($0) && model.images[$0].latents == nil }.reversed()
        #expect(lacking == expected.map { ContentHash(of: model.images[$0].name) })
        let some = expected.prefix(Int.random(in: 1...6, using: &random))
        let batch = some.map { fixture.snapshot(model.images[$0].name, density: 0.15) }
        #expect(try fixture.store.append(batch, to: fixture.view.id) == batch.count)
        for (number, snapshot) in zip(some, batch) { model.images[number].latents = asStored(snapshot.latents) }
    }

    private func remove(_ fixture: Fixture, _ model: inout Naive, _ random: inout Seeded) throws {
        guard !model.paths.isEmpty else { return }
        let at = Int.random(in: 0..<model.paths.count, using: &random)
        #expect(try fixture.store.removePath(model.paths[at].path))
        model.paths.remove(at: at)
    }

    private func moveFolder(_ fixture: Fixture, _ model: inout Naive, _ random: inout Seeded) throws {
        let from = ["cat", "dog", "eel"].randomElement(using: &random)!, to = ["cat", "fox"].randomElement(using: &random)!
        guard from != to else { return }
        let moving = model.paths.indices.filter { model.paths[$0].path.hasPrefix("images/\(from)/") }
        let targets = Set(moving.map { "images/\(to)/" + model.paths[$0].path.dropFirst("images/\(from)/".count) })
        let moved = try fixture.store.renameFolder("images/\(from)", to: "images/\(to)") { _ in to }
        #expect(moved == moving.count)
        for at in moving {
            model.paths[at].path = "images/\(to)/" + model.paths[at].path.dropFirst("images/\(from)/".count)
            model.paths[at].label = to
        }
        let kept = Set(moving)
        model.paths = model.paths.enumerated().filter { kept.contains($0.offset) || !targets.contains($0.element.path) }.map(\.element)
    }

    private func purge(_ fixture: Fixture, _ model: inout Naive) throws {
        let gone = model.images.indices.filter { !model.isPresent($0) }
        let report = try fixture.store.purge()
        #expect(report.snapshots == gone.count { model.images[$0].latents != nil })
        // Purged content is new when it comes back: its name changes so that the model's order stays simple.
        for number in gone {
            model.images[number].name += "+"
            model.images[number].latents = nil
        }
        model.images = model.images.filter { !$0.name.hasSuffix("+") }
        let left = model.images
        let old = gone.sorted(by: >)
        model.paths = model.paths.map { path in (path.path, path.image - old.count { $0 < path.image }, path.label) }
        #expect(left.count == model.images.count)
    }

    // MARK: Answers

    private func check(_ fixture: Fixture, _ model: Naive, latents: [Int], _ place: String) throws {
        let aggregates = try fixture.store.aggregates(in: fixture.view.id)
        let layout = fixture.shape.layout
        let images = model.images.indices.count { model.isPresent($0) && model.images[$0].latents != nil }
        #expect(aggregates.images == images, "\(place)")
        #expect(try fixture.store.counts(of: fixture.view.id).images == images)
        #expect(fixture.store.imageCount == model.images.indices.count { model.isPresent($0) })
        for latent in latents {
            let expected = model.statistics(latent, layout: layout)
            let found = aggregates.latents[latent]
            for kind in TokenKind.allCases {
                let e = expected.kinds[kind]!, f = found[kind]
                #expect(f.active == e.active && f.overTau == e.over && f.max == e.max, "\(place) latent \(latent) \(kind)")
                #expect(abs(f.sum - e.sum) <= tolerance * max(1e-9, e.sum), "\(place) latent \(latent) \(kind): \(f.sum), \(e.sum)")
            }
            #expect(found.patchImages == expected.means.count && found.anyImages == expected.any, "\(place) latent \(latent)")
            try check(fixture, model, latent, expected.means, expected.peaks, images, place)
        }
    }

    private func check(
        _ fixture: Fixture, _ model: Naive, _ latent: Int, _ means: [Int: Double], _ peaks: [Int: Float], _ images: Int, _ place: String
    ) throws {
        let postings = try fixture.store.postings(of: latent, in: fixture.view.id)
        #expect(postings.images == images)
        var seen: Set<Int> = []
        let records = try fixture.store.images(postings.items.map(\.image))
        #expect(records.count == postings.items.count)
        for (item, record) in zip(postings.items, records) {
            let number = try #require(model.images.firstIndex { ContentHash(of: $0.name) == record.hash })
            #expect(seen.insert(number).inserted)
            #expect(record.label == model.label(number), "\(place)")
            #expect((item.label == 0 ? nil : postings.labelNames[Int(item.label) - 1]) == model.label(number))
            let mean = means[number] ?? 0
            #expect(abs(Double(item.posting.patchMean) - mean) <= tolerance * mean, "\(place) latent \(latent) image \(number)")
            #expect(item.posting.peak == peaks[number] ?? 0)
        }
        #expect(Set(means.keys).isSubset(of: seen), "\(place) latent \(latent)")
    }
}
