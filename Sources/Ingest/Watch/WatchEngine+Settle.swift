// From a record to an event: rest, a last look whether someone writes, a lane, the consumer.

import Foundation

extension WatchEngine {
    private static let judgedMax = 512

    /// The record of a file, new or as it is.
    ///
    /// While a scan goes on the catalog may know any path: what happened to it before is told only when the scan
    /// gets there, and by then the path may have been used again.
    func record(_ name: FileName, in node: FolderNode, isTaken: Bool) -> FileRecord {
        let isTaken = isTaken || wholeScan != nil || node.isPolled
        if let record = node.records[name] {
            record.isTaken = record.isTaken || isTaken
            return record
        }
        let record = FileRecord(folder: node, name: name, rest: options.settle, changed: now, isTaken: isTaken)
        node.records[name] = record
        records += 1
        unsettled += 1
        return record
    }

    /// A sign of change: the rest begins anew.
    func settleAgain(_ record: FileRecord, rest: Duration) {
        setState(of: record, .settling)
        record.changed = now
        record.rest = max(rest, WatchOptions.pairing)
        heap.insert(record)
    }

    func drop(_ record: FileRecord) {
        setState(of: record, .gone)
        if let folder = record.folder, folder.records[record.name] === record { folder.records[record.name] = nil }
        record.folder = nil
    }

    /// The consumer is done with it.
    func finish(_ record: FileRecord) {
        defer { drop(record) }
        guard let path = record.path else { return }
        told[FileName(path)] = nil
        guard let stamp = record.stamp, known.file(at: path) != stamp else { return }
        if isGone(path) {
            // Where events tell, its end is told by one; a poll could not know that it was ever there.
            if record.folder?.isPolled == true, !shared.takeAnnouncement(of: path) { emit(.removed(path: path, isFolder: false)) }
            return
        }
        // Bounded: beyond this many, a rescan delivers some of them again.
        if told.count >= 10_000 { told = [:] }
        told[FileName(path)] = stamp
    }

    private func setState(of record: FileRecord, _ state: FileRecord.State) {
        if case let .inFlight(id) = record.state { inFlight[id] = nil }
        let wasUnsettled = record.state == .settling || record.state == .ready
        let isUnsettled = state == .settling || state == .ready
        if record.state != .gone, state == .gone { records -= 1 }
        unsettled += (isUnsettled ? 1 : 0) - (wasUnsettled ? 1 : 0)
        record.state = state
        if case let .inFlight(id) = state { inFlight[id] = record }
    }

    // MARK: Rested?

    func settleDueRecords() {
        for _ in 0..<WatchEngine.judgedMax {
            guard let due = heap.earliest, due <= now else { return }
            guard let record = heap.popFirst(), record.state == .settling else { continue }
            if record.due > now {
                heap.insert(record)
            } else if let path = record.path, let node = record.folder {
                judge(record, path, in: node)
            } else if record.folder != nil {
                settleAgain(record, rest: record.rest)  // its folder is being renamed
            }
        }
    }

    private func judge(_ record: FileRecord, _ path: String, in node: FolderNode) {
        guard let facts = FileFacts.of(absolute(path)) else { return drop(record) }
        guard facts.kind == .file else {
            drop(record)
            return examineSpecial(path, facts.kind)
        }
        // Where events tell of each write, no event is rest enough; elsewhere two looks must agree.
        if record.stamp.map({ $0 != facts.stamp }) ?? node.isPolled {
            record.stamp = facts.stamp
            return settleAgain(record, rest: node.isPolled ? options.settlePolled : max(record.rest, options.settle))
        }
        if facts.stamp.size == 0, record.rest < options.settleEmpty {
            record.stamp = facts.stamp
            return settleAgain(record, rest: options.settleEmpty)
        }
        switch WriterProbe(path: absolute(path)) {
        case .gone, .notRegular: drop(record)
        case let .unreadable(reason):
            drop(record)
            refuse(path, .unreadable(isFolder: false, reason: reason))
        case .writer:
            record.stamp = facts.stamp
            settleAgain(record, rest: options.settle)
        case .noWriter where record.isWriting:
            // Closed a moment ago, its event not read yet; or it never had a writer and was linked into place.
            record.isWriting = false
            settleAgain(record, rest: options.settle)
        case .unknown where record.isWriting && (record.wasModified || facts.stamp.size == 0):
            settleAgain(record, rest: options.settle)  // until the event of its closing
        case .noWriter, .unknown:
            if record.needsComparison, known.file(at: path) == facts.stamp { return drop(record) }
            record.stamp = facts.stamp
            record.isWriting = false
            setState(of: record, .ready)
            enqueue(record)
        }
    }

    // MARK: To the consumer

    func enqueue(_ record: FileRecord) {
        if record.isBacklog { backlog.append(record) } else { live.append(record) }
    }

    func deliver() {
        // A waiting scan needs a consumer that has applied all events: let the queue run dry.
        guard !isRescanWanted, !isPollDue else { return }
        while shared.queue.counts.files < options.deliveriesMax, let record = live.popFirst() ?? backlog.popFirst() {
            guard record.state == .ready else { continue }
            guard let path = record.path, let node = record.folder else {
                if record.folder != nil { settleAgain(record, rest: record.rest) }
                continue
            }
            guard let facts = FileFacts.of(absolute(path)), facts.kind == .file else {
                settleAgain(record, rest: options.settleRenamed)
                continue
            }
            guard facts.stamp == record.stamp else {
                record.stamp = node.isPolled ? facts.stamp : nil
                settleAgain(record, rest: options.settle)
                continue
            }
            deliver(record, path, facts)
        }
    }

    private func deliver(_ record: FileRecord, _ path: String, _ facts: FileFacts) {
        lastID += 1
        record.isTaken = true
        record.needsComparison = false
        record.wasModified = false
        emit(.file(DroppedFile(
            id: lastID, path: path, stamp: facts.stamp, device: facts.device, isBacklog: record.isBacklog,
            attempt: record.attempt)))
        setState(of: record, .inFlight(lastID))
    }
}
