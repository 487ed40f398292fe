// The long way round: aggregates from the snapshots themselves, for tests and a full check.

import Basics
import Foundation
import GRDB

/// What a full check found.
public struct VerifyReport: Sendable, Equatable {
    /// Snapshots read, present and absent.
    public var snapshots: Int
    public var damaged: [DamagedSnapshot] = []
    /// Latents whose kept aggregates differ from those of the snapshots, at most 100; not looked for where
    /// snapshots are damaged.
    public var wrongLatents: [Int] = []
    /// False where snapshots keep activations in place of latents and their SAE is not at hand, as that of an inactive
    /// view: then checksums alone are checked.
    public var comparesAggregates = true

    public init(snapshots: Int = 0) { self.snapshots = snapshots }

    public var isSound: Bool { damaged.isEmpty && wrongLatents.isEmpty }
}

extension Store {
    /// Reads every snapshot of a view, checks every checksum, and compares the kept aggregates with a
    /// recomputation (counts and maxima exactly, sums within 1e-6 of their size).
    public func verify(_ id: ViewRecord.ID) throws(StoreError) -> VerifyReport {
        var report = VerifyReport()
        let view = try self.view(id)
        // Of one moment: commits go on while this reads.
        let (known, records, table) = try contents(of: view)
        let recomputed = try recompute(records, table, view, into: &report)
        // The index still counts what a damaged frame no longer tells: there is nothing to compare with.
        guard report.damaged.isEmpty, report.comparesAggregates else { return report }
        let kept = if let known { known } else { try aggregates(in: id) }
        for latent in kept.latents.indices where !kept.latents[latent].agrees(with: recomputed.latents[latent]) {
            report.wrongLatents.append(latent)
            if report.wrongLatents.count == 100 { break }
        }
        if kept.images != recomputed.images, report.wrongLatents.isEmpty { report.wrongLatents = [0] }
        return report
    }

    /// Without aggregates where damage keeps them from being made.
    private func contents(of view: ViewStore) throws(StoreError) -> (Aggregates?, [SnapshotRecord], ImageTable) {
        writer.lock()
        defer { writer.unlock() }
        let records = try catalog.read { db in
            try SnapshotRecord.fetchAll(db, sql: "SELECT * FROM snapshots WHERE view = ? ORDER BY segment, slot", arguments: [view.record.id])
        }
        let table = images.withLock { $0 }
        do throws(StoreError) {
            return (try mergedAggregates(of: view), records, table)
        } catch {
            if case .damaged = error { return (nil, records, table) }
            guard error.asksForEncoder else { throw error }
            return (nil, records, table)
        }
    }

    private func recompute(
        _ records: [SnapshotRecord], _ table: ImageTable, _ view: ViewStore, into report: inout VerifyReport
    ) throws(StoreError) -> Aggregates {
        var aggregates = Aggregates(layout: view.shape.layout, latents: view.shape.latents)
        for record in records {
            if Cancellation.isRequested { throw .cancelled }
            do throws(StoreError) {
                guard let latents = try latents(of: record, view: view) else { continue }
                report.snapshots += 1
                if table.isPresent(record.image.rawValue) {
                    aggregates.add(view.summarizers.with { $0.summary(latents, wide: record.wide) })
                }
            } catch {
                switch error {
                case .damaged: report.damaged.append(DamagedSnapshot(view: view.record.id, image: record.image))
                // Its frames were read and checked before.
                case .needsEncoder: report.comparesAggregates = false
                default: throw error
                }
                report.snapshots += 1
            }
        }
        return aggregates
    }

    /// Nil where `purge` has freed it since the record was read. It may as well have moved it to another segment.
    private func latents(of record: SnapshotRecord, view: ViewStore) throws(StoreError) -> SparseRows? {
        do throws(StoreError) {
            return try read(record, view: view, activations: true).snapshot.latents
        } catch {
            if case .damaged = error { throw error }
            guard let current = try self.record(of: record.image, in: view.record.id) else { return nil }
            guard current.segment != record.segment else { throw error }
            return try read(current, view: view, activations: true).snapshot.latents
        }
    }

    /// Seals the open segments of a view, full or not. For tests, and before a store is copied.
    package func sealOpenSegments(of id: ViewRecord.ID) throws(StoreError) {
        writer.lock()
        defer { writer.unlock() }
        let view = try self.view(id)
        for segment in view.segments where !segment.sealed && !segment.images.isEmpty { try seal(segment.id, of: view) }
    }
}

extension LatentAggregate {
    func agrees(with other: LatentAggregate) -> Bool {
        patchImages == other.patchImages && anyImages == other.anyImages
            && TokenKind.allCases.allSatisfy { kind in
                let a = self[kind], b = other[kind]
                return a.active == b.active && a.overTau == b.overTau && a.max == b.max
                    && abs(a.sum - b.sum) <= 1e-6 * Swift.max(1e-30, abs(b.sum))
            }
    }
}
