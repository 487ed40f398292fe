// The directory of a zip as torch.save writes it: every entry stored, never compressed; zip64 where large.
//
// Read from the end: end record, zip64 end record, central directory. Offsets are relative to the zip's own
// start, which need not be the file's (a header line before it is allowed): what the end record says and where
// it stands give the difference. Entries may not overlap. Checksums are not compared: torch may leave them out.

struct ZipDirectory {
    struct Entry {
        /// Of the data, from the file's start.
        let offset: Int
        let size: Int
    }

    let entries: [String: Entry]

    static let entriesMax = 200_000
    static let directoryBytesMax = 64 << 20

    private static let endSignature: UInt32 = 0x0605_4B50
    private static let end64Signature: UInt32 = 0x0606_4B50
    private static let locatorSignature: UInt32 = 0x0706_4B50
    private static let centralSignature: UInt32 = 0x0201_4B50
    private static let localSignature: UInt32 = 0x0403_4B50

    init(_ file: CheckpointFile) throws(CheckpointError) {
        let end = try ZipDirectory.end(of: file)
        guard end.count <= ZipDirectory.entriesMax, end.byteCount <= ZipDirectory.directoryBytesMax else {
            throw .malformed(
                file: file.path, offset: end.start,
                reason:
                    "the zip directory has \(end.count) entries in \(end.byteCount) bytes, more than a checkpoint needs"
            )
        }
        let directory = try file.bytes(at: end.start, count: end.byteCount)
        var entries: [String: Entry] = [:]
        var at = 0
        for _ in 0..<end.count {
            let (name, entry) = try ZipDirectory.entry(directory, &at, end: end, file: file)
            guard entries.updateValue(entry, forKey: name) == nil else {
                throw .malformed(
                    file: file.path, offset: end.start + at, reason: "the zip has two entries named '\(name)'")
            }
        }
        var last = 0
        for (name, entry) in entries.sorted(by: { ($0.value.offset, $0.value.size) < ($1.value.offset, $1.value.size) })
        {
            guard entry.offset >= last else {
                throw .malformed(
                    file: file.path, offset: entry.offset, reason: "zip entry '\(name)' overlaps the one before it")
            }
            last = entry.offset + entry.size
        }
        self.entries = entries
    }

    /// The central directory, from the file's start; `shift` is where the zip starts.
    private struct End {
        var start: Int
        var byteCount: Int
        var count: Int
        var shift: Int
    }

    private static func end(of file: CheckpointFile) throws(CheckpointError) -> End {
        // The end record is 22 bytes and a comment of up to 65,535.
        let tailCount = min(file.size, 22 + 65_535)
        let tailStart = file.size - tailCount
        let tail = try file.bytes(at: tailStart, count: tailCount)
        guard
            let at = stride(from: tailCount - 22, through: 0, by: -1).first(where: {
                tail.u32($0) == endSignature && $0 + 22 + tail.u16($0 + 20) == tailCount
            })
        else {
            throw .malformed(
                file: file.path, offset: nil, reason: notAZip(tailStart == 0 ? tail : try file.bytes(at: 0, count: 16)))
        }
        var end = End(start: 0, byteCount: Int(tail.u32(at + 12)), count: tail.u16(at + 10), shift: 0)
        var offset = Int(tail.u32(at + 16))
        var recordStart = tailStart + at
        if at >= 20 + 56, tail.u32(at - 20) == locatorSignature {
            let record = at - 20 - 56
            guard tail.u32(record) == end64Signature else {
                throw .malformed(file: file.path, offset: tailStart + record, reason: "the zip64 end record is missing")
            }
            guard let byteCount = Int(exactly: tail.u64(record + 40)), let count = Int(exactly: tail.u64(record + 32)),
                let start = Int(exactly: tail.u64(record + 48))
            else {
                throw .malformed(
                    file: file.path, offset: tailStart + record, reason: "the zip64 end record has impossible sizes")
            }
            (end.byteCount, end.count, offset) = (byteCount, count, start)
            recordStart = tailStart + record
        }
        end.start = recordStart - end.byteCount
        end.shift = end.start - offset
        guard end.byteCount <= recordStart, offset <= end.start, end.shift >= 0 else {
            throw .malformed(
                file: file.path, offset: recordStart,
                reason: "the zip directory lies outside the file; it was truncated or joined")
        }
        return end
    }

    private static func notAZip(_ head: [UInt8]) -> String {
        if head.starts(with: [0x50, 0x4B]) { return "the zip has no end record; it was truncated" }
        if head.count > 1, head[0] == 0x80, head[1] <= 5 {
            return "this is a pickle, not a zip: written by torch before 1.6; load and save it again with a newer torch"
        }
        return "this is neither a torch archive (zip) nor safetensors"
    }

    private static func entry(_ directory: [UInt8], _ at: inout Int, end: End, file: CheckpointFile)
        throws(CheckpointError) -> (String, Entry)
    {
        let start = at
        func wrong(_ reason: String) -> CheckpointError {
            .malformed(file: file.path, offset: end.start + start, reason: reason)
        }
        guard at + 46 <= directory.count, directory.u32(at) == centralSignature else {
            throw wrong("the zip directory is damaged")
        }
        let nameCount = directory.u16(at + 28)
        let extraCount = directory.u16(at + 30)
        let commentCount = directory.u16(at + 32)
        guard at + 46 + nameCount + extraCount + commentCount <= directory.count else {
            throw wrong("the zip directory is damaged")
        }
        guard let name = String(validating: directory[(at + 46)..<(at + 46 + nameCount)], as: UTF8.self) else {
            throw wrong("a zip entry's name is not UTF-8")
        }
        guard directory.u16(at + 8) & 1 == 0 else { throw wrong("zip entry '\(name)' is encrypted") }
        guard directory.u16(at + 10) == 0 else {
            throw wrong("zip entry '\(name)' is compressed; torch stores them plain")
        }
        var packed = UInt64(directory.u32(at + 20))
        var size = UInt64(directory.u32(at + 24))
        var header = UInt64(directory.u32(at + 42))
        try zip64(directory, (at + 46 + nameCount)..<(at + 46 + nameCount + extraCount), &size, &packed, &header, wrong)
        at += 46 + nameCount + extraCount + commentCount

        guard packed == size, let count = Int(exactly: size), let local = Int(exactly: header), local <= file.size,
            end.shift + local + 30 <= end.start
        else {
            throw wrong("zip entry '\(name)' lies outside the file")
        }
        let head = try file.bytes(at: end.shift + local, count: 30)
        guard head.u32(0) == localSignature, head.u16(26) == nameCount else {
            throw wrong("zip entry '\(name)' has no header of its own at its place")
        }
        let offset = end.shift + local + 30 + head.u16(26) + head.u16(28)
        guard offset <= end.start, count <= end.start - offset else {
            throw wrong("zip entry '\(name)' is \(count) bytes, more than the file has there")
        }
        return (name, Entry(offset: offset, size: count))
    }

    /// Extra field 1: 64-bit values for those that are all ones in the entry, in this order.
    private static func zip64(
        _ directory: [UInt8], _ range: Range<Int>, _ size: inout UInt64, _ packed: inout UInt64, _ header: inout UInt64,
        _ wrong: (String) -> CheckpointError
    ) throws(CheckpointError) {
        var at = range.lowerBound
        while at + 4 <= range.upperBound {
            let id = directory.u16(at)
            let count = directory.u16(at + 2)
            var field = at + 4
            let fieldEnd = field + count
            guard fieldEnd <= range.upperBound else { throw wrong("an extra field of the zip directory is damaged") }
            func next(_ value: inout UInt64) -> Bool {
                guard value == 0xFFFF_FFFF else { return true }
                guard field + 8 <= fieldEnd else { return false }
                value = directory.u64(field)
                field += 8
                return true
            }
            if id == 1, !(next(&size) && next(&packed) && next(&header)) {
                throw wrong("a zip64 field of the zip directory is damaged")
            }
            at = fieldEnd
        }
    }
}

extension [UInt8] {
    fileprivate func u16(_ at: Int) -> Int { Int(self[at]) | Int(self[at + 1]) << 8 }
    fileprivate func u32(_ at: Int) -> UInt32 { UInt32(u16(at)) | UInt32(u16(at + 2)) << 16 }
    fileprivate func u64(_ at: Int) -> UInt64 { UInt64(u32(at)) | UInt64(u32(at + 4)) << 32 }
}
