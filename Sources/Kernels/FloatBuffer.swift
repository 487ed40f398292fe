// Aligned memory whose release really returns it: large buffers are mappings of their own, because what malloc
// keeps of a freed activation or weight would stay in the process (DESIGN decision 12).

import Glibc

/// `count` floats, 64-byte aligned, zero at first.
///
/// From 1 MiB on a mapping of its own: pages that were never written cost nothing, and deinit gives all back.
/// Safe to hand between threads; who writes when is the owner's affair.
public final class FloatBuffer: @unchecked Sendable {
    public let pointer: UnsafeMutablePointer<Float>
    public let count: Int
    private let mapping: (start: UnsafeMutableRawPointer, bytes: Int)?

    private static let mappedBytesMin = 1 << 20
    private static let hugePage = 2 << 20

    public init(count: Int) {
        precondition(count >= 0, "\(count) floats")
        self.count = count
        let bytes = max(64, count * MemoryLayout<Float>.stride)
        if bytes < FloatBuffer.mappedBytesMin {
            var raw: UnsafeMutableRawPointer?
            guard posix_memalign(&raw, 64, bytes) == 0, let raw else {
                preconditionFailure("out of memory: \(bytes) bytes")
            }
            memset(raw, 0, bytes)
            pointer = raw.bindMemory(to: Float.self, capacity: count)
            mapping = nil
        } else {
            // Room to begin on a huge page's boundary: a packed weight is walked whole, and 4 KiB pages would
            // cost the products address translations.
            let aligned = bytes >= FloatBuffer.hugePage
            let mapped = aligned ? bytes + FloatBuffer.hugePage : bytes
            guard let start = mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                start != MAP_FAILED
            else { preconditionFailure("out of memory: \(bytes) bytes") }
            var first = start
            if aligned {
                let offset = Int(bitPattern: start) % FloatBuffer.hugePage
                if offset != 0 { first = start + (FloatBuffer.hugePage - offset) }
                madvise(first, bytes, Int32(MADV_HUGEPAGE))
            }
            pointer = first.bindMemory(to: Float.self, capacity: count)
            mapping = (start, mapped)
        }
    }

    deinit {
        if let mapping { munmap(mapping.start, mapping.bytes) } else { free(pointer) }
    }

    public var buffer: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: pointer, count: count) }
    public var byteCount: Int { count * MemoryLayout<Float>.stride }
}
