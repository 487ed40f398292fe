// Workspaces, lent from one pool and kept for the next caller until `releaseScratch()`.

import Synchronization

enum Scratch {
    private static let free = Mutex<[FloatBuffer]>([])
    /// More idle buffers than this are dropped at once: a team's worth of small ones and some large.
    private static let idleMax = 64

    /// Lends at least `count` floats, of any content, for the time of `body`.
    static func withFloats<R>(_ count: Int, _ body: (UnsafeMutablePointer<Float>) throws -> R) rethrows -> R {
        let buffer = take(count)
        defer { give(buffer) }
        return try body(buffer.pointer)
    }

    private static func take(_ count: Int) -> FloatBuffer {
        let found: FloatBuffer? = free.withLock { buffers in
            var best: Int?
            for (index, buffer) in buffers.enumerated() where buffer.count >= count {
                if best.map({ buffer.count < buffers[$0].count }) ?? true { best = index }
            }
            guard let best else { return nil }
            return buffers.remove(at: best)
        }
        // Rounded up, so that batches of slightly different size share one buffer.
        return found ?? FloatBuffer(count: max(1024, roundedUp(count)))
    }

    private static func give(_ buffer: FloatBuffer) {
        free.withLock { buffers in
            if buffers.count >= idleMax { buffers.removeFirst() }
            buffers.append(buffer)
        }
    }

    /// To three significant bits: at most a quarter more than asked.
    static func roundedUp(_ count: Int) -> Int {
        let step = max(1, (1 << (Int.bitWidth - count.leadingZeroBitCount)) / 8)
        return (count + step - 1) / step * step
    }

    static func releaseAll() { free.withLock { $0.removeAll() } }
}

/// Lends at least `count` floats of any content, 64-byte aligned, for the time of `body`: from the pool that
/// the kernels use themselves.
public func withScratch<R>(_ count: Int, _ body: (UnsafeMutablePointer<Float>) throws -> R) rethrows -> R {
    try Scratch.withFloats(count, body)
}

/// Gives idle workspaces back to the system. Call it when nothing is to be computed for a while; anything may
/// run at the same time.
public func releaseScratch() { Scratch.releaseAll() }
