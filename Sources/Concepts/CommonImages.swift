// The images that two views have in common, so that both are counted over the same ones.

import Basics
import Glibc
import Store

/// Two views as of one moment, and the groups of the images that both have.
struct CommonImages: Sendable {
    let base: ViewMoment
    let adapted: ViewMoment
    /// Images in scope by label; only those with a snapshot in both views.
    let groups: ImageGroups
    let onlyBase: Int
    let onlyAdapted: Int
    private let store: Store
    /// Images in scope by label, in both views or not: labels are dealt among these.
    private let scope: ImageGroups
    /// By image id: in scope, and with a snapshot in both views.
    private let both: [Bool]
    /// The views' images differ.
    private let isMasked: Bool

    /// - Parameters:
    ///   - label: only its images are asked about.
    ///   - byLabel: totals of labels are needed, not only that of all.
    init(
        _ store: Store, _ base: ViewRecord, _ adapted: ViewRecord, label: String?, images: Set<ImageRecord.ID>?, byLabel: Bool
    ) throws(ConceptsError) {
        do throws(StoreError) {
            self.base = try store.moment(of: base.id)
            self.adapted = base.id == adapted.id ? self.base : try store.moment(of: adapted.id)
        } catch { throw .store(error) }
        self.store = store
        let everyone = store.labelGroups
        var groups = images.map { everyone.only($0) } ?? everyone
        scope = groups
        let b = self.base.snapshotMask(count: groups.entries.count), a = self.adapted.snapshotMask(count: groups.entries.count)
        let number = label.map { name in Int32(1 + (groups.names.firstIndex(of: name) ?? -2)) }
        var onlyBase = 0, onlyAdapted = 0, differing = 0
        var both = [Bool](repeating: false, count: groups.entries.count)
        for (id, entry) in groups.entries.enumerated() where entry >= 0 {
            both[id] = b[id] && a[id]
            if b[id] == a[id] { continue }
            differing += 1
            guard number == nil || entry == number else { continue }
            if b[id] { onlyBase += 1 } else { onlyAdapted += 1 }
        }
        (self.onlyBase, self.onlyAdapted) = (onlyBase, onlyAdapted)
        (self.both, isMasked) = (both, differing > 0)
        // Beyond some images no kept table is corrected: walk only what the question is about.
        let left = groups.entries.count { $0 >= 0 }
        let isWalked = differing + store.imageCount - left > store.options.correctedImagesMax
        if let label, isWalked {
            groups = groups.only(label: label)
        } else if isWalked && !byLabel {
            groups = groups.totalOnly
        }
        if isMasked { groups = groups.only(where: both) }
        self.groups = groups
    }

    /// The same images with labels dealt anew (see `ImageGroups.shuffled`); those that get none are left out.
    func shuffled(seed: UInt64) -> ImageGroups {
        let dealt = scope.shuffled(seed: seed)
        return isMasked ? dealt.only(where: both) : dealt
    }

    func isCommon(_ image: Int) -> Bool { both[image] }

    func totals(of groups: ImageGroups) throws(ConceptsError) -> (base: ClassTotals, adapted: ClassTotals) {
        do throws(StoreError) {
            guard base.record.id != adapted.record.id else {
                let same = try store.classTotals(base, groups)
                return (same, same)
            }
            return try together { () throws(StoreError) in
                try store.classTotals(base, groups)
            } _: { () throws(StoreError) in
                try store.classTotals(adapted, groups)
            }
        } catch { throw .store(error) }
    }
}

extension Concepts {
    /// Latents of two SAEs cannot be told apart by number.
    func checkPair(_ base: ViewRecord, _ adapted: ViewRecord) throws(ConceptsError) {
        guard base.sae == adapted.sae, base.latents == adapted.latents else {
            throw .differentSAEs(base: base.name, adapted: adapted.name)
        }
    }

    /// Present images of which each of some views has a snapshot.
    ///
    /// - Parameters:
    ///   - label: only those with this label, as it is spelt.
    ///   - images: only these.
    /// - Returns: ascending.
    public func commonImages(
        of views: [ViewRecord], label: String? = nil, images: Set<ImageRecord.ID>? = nil
    ) throws(ConceptsError) -> [ImageRecord.ID] {
        let groups = store.labelGroups
        let number = label.map { name in Int32(1 + (groups.names.firstIndex(of: name) ?? -2)) }
        let masks: [[Bool]]
        do throws(StoreError) {
            masks = try views.map { (view) throws(StoreError) in try store.moment(of: view.id).snapshotMask(count: groups.entries.count) }
        } catch { throw .store(error) }
        func isCommon(_ id: Int) -> Bool {
            groups.entries[id] >= 0 && (number == nil || groups.entries[id] == number) && masks.allSatisfy { $0[id] }
        }
        let asked = images.map { $0.map { Int($0.rawValue) }.filter(groups.entries.indices.contains).sorted() } ?? Array(groups.entries.indices)
        return asked.filter(isCommon).map { ImageRecord.ID(rawValue: Int64($0)) }
    }

    /// Runs a question, and once more where a class table turns out damaged (it is dropped, and made anew) or where a
    /// purge took a segment away in the middle.
    func withTables<T>(_ body: () throws(ConceptsError) -> T) throws(ConceptsError) -> T {
        for _ in 0..<8 {
            do throws(ConceptsError) {
                return try body()
            } catch {
                guard case let .store(inner) = error, canBeAskedAgain(inner) else { throw error }
            }
        }
        return try body()
    }

    private func canBeAskedAgain(_ error: StoreError) -> Bool {
        switch error {
        case let .damaged(file, _, _): store.dropTable(file)
        case let .io(_, file, code, _): code == ENOENT && file.hasPrefix(store.folder + "/segments/")
        default: false
        }
    }
}
