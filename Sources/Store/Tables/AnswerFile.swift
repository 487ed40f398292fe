// Answers of a zero-shot head to the images of a view, kept so that a second question reads no snapshot
// (protocol/STORE.md, "Answers"). Derived: damaged or gone, they are asked for again.

import Basics

/// What a zero-shot head said to one image.
public struct Answer: Sendable, Equatable {
    /// The class's place in the head's list.
    public var index: Int32
    /// Softmax probability of that class.
    public var probability: Float

    public init(index: Int32, probability: Float) {
        self.index = index
        self.probability = probability
    }
}

/// Answers by image id, as one checksummed file.
enum AnswerFile {
    static let magic = Array("SAEDANS\0".utf8)
    static let version = 1
    static let headerBytes = 64

    static func encode(_ answers: [Int64: Answer], head: ContentHash) -> [UInt8] {
        var body = ByteWriter(capacity: answers.count * 16)
        for (image, answer) in answers.sorted(by: { $0.key < $1.key }) {
            body.put(UInt64(image))
            body.put(UInt32(bitPattern: answer.index))
            body.put(answer.probability)
        }
        var header = ByteWriter(capacity: headerBytes + body.count)
        header.put(magic)
        header.put(UInt32(version))
        header.put(UInt32(answers.count))
        header.put(head.bytes)
        header.put(XXH64.hash(body.bytes))
        header.put(XXH64.hash(header.bytes))
        header.put(body.bytes)
        return header.bytes
    }

    /// nil where the file is another head's, damaged or of a later version.
    static func decode(_ bytes: [UInt8], head: ContentHash) -> [Int64: Answer]? {
        bytes.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            guard let start = try? reader.take(8, "magic"), Array(start) == magic,
                let version = try? reader.get(UInt32.self, "version"), version == AnswerFile.version,
                let count = try? reader.get(UInt32.self, "count"),
                let own = try? reader.take(32, "head"), ContentHash(bytes: Array(own)) == head,
                let checksum = try? reader.get(UInt64.self, "checksum"),
                let headerChecksum = try? reader.get(UInt64.self, "checksum"),
                headerChecksum == XXH64.hash(UnsafeRawBufferPointer(rebasing: raw[..<56])),
                reader.left == Int(count) * 16, XXH64.hash(UnsafeRawBufferPointer(rebasing: raw[headerBytes...])) == checksum
            else { return nil }
            var answers: [Int64: Answer] = [:]
            answers.reserveCapacity(Int(count))
            for i in 0..<Int(count) {
                let at = headerBytes + 16 * i
                answers[raw.loadUnaligned(fromByteOffset: at, as: Int64.self)] = Answer(
                    index: raw.loadUnaligned(fromByteOffset: at + 8, as: Int32.self),
                    probability: raw.loadUnaligned(fromByteOffset: at + 12, as: Float.self))
            }
            return answers
        }
    }
}
