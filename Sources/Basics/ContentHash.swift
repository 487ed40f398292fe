// SHA-256: images, models and SAEs are named by what they contain.

import CCrypto
import Foundation

/// The SHA-256 of some bytes; its first hex digits are how people name an image.
public struct ContentHash: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    /// 32 bytes.
    public let bytes: [UInt8]

    /// - Returns: nil unless 32 bytes are given.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// Reads 64 hex digits.
    public init?(hex: String) {
        guard hex.utf8.count == 64 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        var high: UInt8?
        for digit in hex.utf8 {
            guard let value = Character(UnicodeScalar(digit)).hexDigitValue else { return nil }
            if let first = high {
                bytes.append(first << 4 | UInt8(value))
                high = nil
            } else {
                high = UInt8(value)
            }
        }
        self.bytes = bytes
    }

    public init(of data: UnsafeRawBufferPointer) {
        var hasher = ContentHasher()
        hasher.update(data)
        self = hasher.finish()
    }

    public init(of data: some ContiguousBytes) {
        self = data.withUnsafeBytes { ContentHash(of: $0) }
    }

    public init(of text: String) {
        self.init(of: Array(text.utf8))
    }

    public var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The first 12 hex digits: enough to tell 10^6 images apart, short enough to type.
    public var short: String { String(hex.prefix(12)) }

    public var description: String { hex }

    public static func < (a: ContentHash, b: ContentHash) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }

    public init(from decoder: Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let hash = ContentHash(hex: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not 64 hex digits")
        }
        self = hash
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}

/// A hash made of pieces: a large file, or a folder's files one after the other.
public struct ContentHasher: ~Copyable {
    private let context: OpaquePointer

    public init() {
        // Both fail only when memory is exhausted.
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            preconditionFailure("libcrypto offers no SHA-256")
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    public mutating func update(_ data: UnsafeRawBufferPointer) {
        _ = EVP_DigestUpdate(context, data.baseAddress, data.count)
    }

    public mutating func update(_ text: String) {
        var text = text
        text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
    }

    /// The hash of all that was given.
    public consuming func finish() -> ContentHash {
        var bytes = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 0
        _ = EVP_DigestFinal_ex(context, &bytes, &count)
        return ContentHash(bytes: bytes)!  // 32 bytes by construction
    }
}
