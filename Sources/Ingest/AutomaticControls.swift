// Controls that nobody has to ask for. Beside what an adaptation changed belongs what the same question finds where
// nothing is to be found: in an SAE of random directions, whose latents are active as often. One is made here for each SAE
// that has an adapted view, and the snapshots of a sample of images under each of its views.
//
// Nobody waits for it, so it is made when nothing else is to do, in steps that other work comes between, and it costs a
// bounded part of the disk: an SAE's weights, and `imagesMax` snapshots a view. All that is to be remembered is in the
// catalog: what a kill interrupts is found missing, and made.

import Basics
import CLIP
import Decoding
import Foundation
import Imaging
import Kernels
import SAE
import Store
import Synchronization

/// A thread that makes and removes the controls.
public final class AutomaticControls: @unchecked Sendable {  // what changes is under `condition`, or the thread's own
    private let store: Store
    private let registry: Registry
    private let ledger: Ledger
    private let engine: Engine
    private let originals: Originals
    private let isIdle: @Sendable () -> Bool
    private let onTrouble: @Sendable (String) -> Void

    private let condition = NSCondition()
    private var imagesMaxNow: Int
    private var isStarted = false
    private var isStopping = false
    /// There may be something to do: looked for when it is said next that nothing else is.
    private var isDue = true
    private var isCalled = false
    /// As of when everything was found done.
    private var done: Moment?
    /// Why an SAE has no control, by its row.
    private var troubles: [SAERecord.ID: (reason: String, since: ContinuousClock.Instant)] = [:]
    /// When the catalog or the disk failed.
    private var failed: ContinuousClock.Instant?
    /// Images that can't be read now.
    private var unreadable: [ImageRecord.ID: ContinuousClock.Instant] = [:]
    private var chosen: (images: UInt64, imagesMax: Int, sample: [ImageRecord.ID])?
    private let ended = DispatchSemaphore(value: 0)

    /// What decides whether there is something to do.
    private struct Moment: Equatable {
        let changes: UInt64
        let imagesMax: Int
    }

    /// Images that the densities are matched on.
    private static let matchedImages = 64
    /// Not that of `saectl sae random`, so that the two differ.
    private static let seed: UInt64 = 1
    /// What failed is tried again after this time.
    private static let rest = Duration.seconds(600), restText = "10 minutes"
    /// While other work goes on, a control that is half made is kept in memory so long.
    private static let patience = Duration.seconds(20)
    private static let glance = 0.1

    /// - Parameter isIdle: whether nothing else is to do.
    init(
        store: Store, registry: Registry, ledger: Ledger, engine: Engine, originals: Originals, imagesMax: Int,
        isIdle: @escaping @Sendable () -> Bool, onTrouble: @escaping @Sendable (String) -> Void
    ) {
        (self.store, self.registry, self.ledger, self.engine) = (store, registry, ledger, engine)
        (self.originals, self.isIdle, self.onTrouble) = (originals, isIdle, onTrouble)
        imagesMaxNow = imagesMax
    }

    // MARK: What others see

    /// Images that a control covers at most; 0: none is made, and those that are go. May change at any time.
    public var imagesMax: Int {
        get { condition.withLock { imagesMaxNow } }
        set {
            condition.withLock { imagesMaxNow = max(0, newValue) }
            wake()
        }
    }

    /// The images that controls are to cover, as of now, in an order in which the first ones are spread over the labels too.
    public var sample: [ImageRecord.ID] {
        let changes = store.imageChangeCount, most = imagesMax
        if let chosen = condition.withLock({ chosen }), chosen.images == changes, chosen.imagesMax == most { return chosen.sample }
        let sets = most > 0 ? (try? store.datasets()) ?? [:] : [:], labels = store.labelGroups.entries
        let images = labels.indices.lazy.filter { labels[$0] >= 0 }.map { image in
            ControlSample.Image(number: image, label: labels[image], dataset: sets[ImageRecord.ID(rawValue: Int64(image))])
        }
        let sample = ControlSample.choose(images, count: most).map { ImageRecord.ID(rawValue: Int64($0)) }
        condition.withLock { chosen = (changes, most, sample) }
        return sample
    }

    /// The same as of some moment lately, for who asks often.
    public var sampleLately: [ImageRecord.ID] { condition.withLock { chosen?.imagesMax == imagesMaxNow ? chosen?.sample : nil } ?? sample }

    /// Why an SAE has no control, where it should have one and can't.
    public func trouble(of sae: SAERecord) -> String? {
        if let trouble = condition.withLock({ troubles[sae.id]?.reason }) { return trouble }
        return registry.automaticViews.first { $0.sae.isControl(of: sae) }.flatMap { registry.suspension(of: $0.record.id) }
    }

    /// Snapshots of controls that are still to be made; what can't be made now is not counted. For who waits for them.
    public func left() throws -> Int {
        let count = sample.count
        guard count > 0 else { return 0 }
        var left = 0
        for plan in registry.saesInNeedOfControl {
            // Not the catalog's word for it: a row is there a moment before its views are, which lack everything.
            let isMade = registry.automaticViews.contains { $0.sae.isControl(of: plan.sae) }
            if !isMade, condition.withLock({ troubles[plan.sae.id] }) == nil {
                left += count * Set(registry.views.filter { $0.sae.id == plan.sae.id }.map(\.record.id)).count
            }
        }
        return try left + lacking().reduce(0) { $0 + $1.plans.count }
    }

    // MARK: Life

    func start() {
        let thread = Thread { [self] in
            Thread.current.name = "control"
            while waitForWork() { work() }
            ended.signal()
        }
        thread.stackSize = 4 << 20
        condition.withLock { isStarted = true }
        thread.start()
    }

    /// The end has begun: what fails from now on is no trouble.
    func giveUp() {
        condition.withLock {
            isStopping = true
            condition.broadcast()
        }
    }

    /// Ends after the step in hand. The engine must have ended before, which lets go of who waits for it.
    func stop() {
        giveUp()
        if condition.withLock({ isStarted }) { ended.wait() }
    }

    /// Models, SAEs, adapters or the setting changed.
    func wake() {
        condition.withLock {
            done = nil
            isDue = true
            condition.broadcast()
        }
    }

    /// Said now and then, and not twice within a moment: nothing else is to do. The time to look whether images came or went.
    func noteIdle() {
        let moment = moment
        condition.withLock {
            if done != moment || isRested { isDue = true }
            if isDue { isCalled = true }
            condition.broadcast()
        }
    }

    /// What failed, or could not be read, is to be tried again by now. Called with the lock.
    private var isRested: Bool {
        let then = ContinuousClock.now - AutomaticControls.rest
        return failed.map { $0 < then } ?? false || troubles.values.contains { $0.since < then } || unreadable.values.contains { $0 < then }
    }

    private var moment: Moment { Moment(changes: store.changeCount, imagesMax: imagesMax) }

    private func waitForWork() -> Bool {
        condition.lock()
        defer { condition.unlock() }
        while !isStopping, !(isDue && isCalled) { condition.wait() }
        (isDue, isCalled) = (false, false)
        return !isStopping
    }

    private var isOver: Bool { condition.withLock { isStopping } }

    private func pause() {
        condition.lock()
        defer { condition.unlock() }
        if !isStopping { condition.wait(until: Date(timeIntervalSinceNow: AutomaticControls.glance)) }
    }

    // MARK: Work

    /// All there is to do, as long as nothing else is. What remains is due again when it is idle next.
    private func work() {
        let moment = moment
        condition.withLock {
            let then = ContinuousClock.now - AutomaticControls.rest
            failed = nil
            troubles = troubles.filter { $0.value.since > then }
            unreadable = unreadable.filter { $0.value > then }
        }
        do {
            try removeUnwanted()
            guard moment.imagesMax > 0 else { return finish(moment) }
            for plan in registry.saesInNeedOfControl where try registry.automaticControl(of: plan.sae) == nil {
                guard condition.withLock({ troubles[plan.sae.id] }) == nil else { continue }
                guard try make(for: plan) else { return again() }
            }
            guard try encode() else { return again() }
            finish(moment)
        } catch {
            guard !isOver else { return }
            onTrouble("controls of random directions: \(error); tried again in \(AutomaticControls.restText)")
            condition.withLock { failed = .now }
            finish(moment)
        }
    }

    private func again() { condition.withLock { isDue = true } }

    private func finish(_ moment: Moment) { condition.withLock { done = moment } }

    /// Whether to go on: at once where nothing else is to do, else when that is so again, and soon.
    private func mayGoOn(within patience: Duration = .zero) -> Bool {
        let end = ContinuousClock.now + patience
        while !isOver {
            if isIdle() { return imagesMax > 0 }
            guard .now < end else { return false }
            pause()
        }
        return false
    }

    // MARK: Removing

    private var folder: String { store.folder + "/controls" }

    /// Controls that are not wanted any more go with their files and snapshots, and what a kill left half made.
    private func removeUnwanted() throws {
        let retired = try registry.retireControls(except: imagesMax > 0 ? registry.saesInNeedOfControl.map(\.sae) : [])
        // Nothing of theirs is on its way to the store any more.
        while ledger.runningQuietly > 0, !isOver { pause() }
        try registry.freeSnapshots(of: retired)
        let kept = Set(try store.catalog.saes().filter(\.isAutomatic).map(\.path))
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where !kept.contains("\(folder)/\(name)") {
            try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
        }
        if kept.isEmpty { rmdir(folder) }
    }

    // MARK: Making

    /// Makes an SAE's control, without snapshots.
    /// - Returns: false where other work came up: it is begun anew later.
    private func make(for plan: ViewPlan) throws -> Bool {
        var maker: RandomSAEMaker?
        var matched = 0
        for image in try store.images(sample) where matched < AutomaticControls.matchedImages {
            guard mayGoOn(within: AutomaticControls.patience) else { return false }
            guard let prepared = prepare(image, [plan]), let crop = prepared[plan.facts.preprocess] else { continue }
            let known = maker
            maker = try engine.performBlocking { library in
                let maker = try known ?? RandomSAEMaker(like: library.sae(plan), seed: AutomaticControls.seed)
                let x = try library.activations(of: crop, plan)
                maker.add(x.pointer, rows: plan.record.layout.count)
                return maker
            }
            matched += 1
        }
        guard let maker else {
            // Images that come are a change.
            if matched == 0, !sample.isEmpty { condition.withLock { troubles[plan.sae.id] = ("no image of the sample can be read", .now) } }
            return true
        }
        do {
            var isMatched = false
            while !isMatched {
                guard mayGoOn(within: AutomaticControls.patience) else { return false }
                isMatched = try engine.performBlocking { _ in !maker.matchSome() }
            }
            let place = "\(folder)/\(plan.sae.id)-\(plan.sae.contentHash.short)", partial = place + ".part"
            try? FileManager.default.removeItem(atPath: partial)
            try? FileManager.default.removeItem(atPath: place)
            defer { try? FileManager.default.removeItem(atPath: partial) }
            _ = try maker.write(to: partial, named: plan.sae.name, hook: plan.hook)
            // On the disk before the catalog names it.
            for file in try FileManager.default.contentsOfDirectory(atPath: partial) { try sync("\(partial)/\(file)") }
            try FileManager.default.moveItem(atPath: partial, toPath: place)
            try sync(folder)
            try registry.addControl(of: plan.sae, folder: place)
        } catch {
            guard !isOver else { return false }
            condition.withLock { troubles[plan.sae.id] = ("\(error)", .now) }
            onTrouble("SAE '\(plan.sae.name)' has no control of random directions: \(error); tried again in \(AutomaticControls.restText)")
        }
        return true
    }

    private func sync(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        defer { if descriptor >= 0 { close(descriptor) } }
        guard descriptor >= 0, fsync(descriptor) == 0 else {
            throw IngestError(.unavailable, "'\(path)' can't be brought to the disk: \(String(cString: strerror(errno)))")
        }
    }

    /// Crops of an image; nil where it can't be read now, which is noted.
    private func prepare(_ image: ImageRecord, _ plans: [ViewPlan]) -> [PreprocessConfig: RGBImage]? {
        do throws(DecodeFailure) {
            if let crops = try originals.crops(of: image, for: Set(plans.map(\.facts.preprocess))) { return crops }
        } catch {
            // Whoever needs the image itself says so.
        }
        condition.withLock { unreadable[image.id] = .now }
        return nil
    }

    // MARK: Snapshots

    /// What the sample's images lack, in the sample's order.
    private func lacking() throws -> [(image: ImageRecord.ID, plans: [ViewPlan])] {
        let plans = registry.workingAutomaticViews
        guard !plans.isEmpty else { return [] }
        let given = condition.withLock { unreadable }
        return try sample.compactMap { image in
            guard given[image] == nil else { return nil }
            let lacking = try plans.filter { try !store.hasSnapshot(of: image, in: $0.record.id) }
            return lacking.isEmpty ? nil : (image, lacking)
        }
    }

    /// Makes the snapshots that are missing.
    /// - Returns: false where other work came up, or something is still in someone's hand.
    private func encode() throws -> Bool {
        for (id, plans) in try lacking() {
            guard mayGoOn() else { return false }
            guard let image = try store.image(id), !image.absent else { continue }
            guard ledger.claim(id, views: plans.count, quiet: true) else {
                if ledger.skipped.contains(id) { condition.withLock { unreadable[id] = .now } }
                continue
            }
            guard let crops = prepare(image, plans) else {
                ledger.release(id)
                continue
            }
            let item = WorkItem(image: image, plans: plans, lane: .backlog)
            if !engine.queue.push(Prepared(item: item, crops: crops), lane: .backlog) {
                ledger.release(id)
                return false
            }
        }
        while ledger.runningQuietly > 0, !isOver { pause() }
        return try lacking().isEmpty
    }

    /// The store will never take an image's snapshot.
    func giveUp(_ item: WorkItem) {
        condition.withLock { unreadable[item.image.id] = .now }
        ledger.release(item.image.id)
    }
}
