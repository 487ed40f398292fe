// The team, and memory that goes back.

import Foundation
import Kernels
import Synchronization
import Testing

@Suite struct TeamTests {
    @Test(arguments: [0, 1, 2, 7, 1000])
    func everyIndexIsVisitedOnce(_ count: Int) {
        let visits = Mutex([Int](repeating: 0, count: count))
        Team.parallelFor(count) { index in visits.withLock { $0[index] += 1 } }
        #expect(visits.withLock { $0.allSatisfy { $0 == 1 } })
    }

    @Test func nestedWorkRunsOnce() {
        let visits = Mutex([Int](repeating: 0, count: 12))
        Team.parallelFor(4) { outer in
            Team.parallelFor(3) { inner in visits.withLock { $0[outer * 3 + inner] += 1 } }
        }
        #expect(visits.withLock { $0 == [Int](repeating: 1, count: 12) })
    }

    /// Several threads start loops at the same time and share the helpers: no index is lost, nobody waits for ever.
    @Test func loopsOfSeveralThreadsDoNotMix() {
        let total = Mutex(0)
        DispatchQueue.concurrentPerform(iterations: 4) { caller in
            for round in 0..<300 {
                let count = 1 + (caller * 7 + round) % 9
                let sum = Mutex(0)
                Team.parallelFor(count) { index in sum.withLock { $0 += index + 1 } }
                total.withLock { $0 += sum.withLock { $0 } - count * (count + 1) / 2 }
            }
        }
        #expect(total.withLock { $0 } == 0)
    }

    @Test func rowsAreCoveredByBlocks() {
        let rows = Mutex([Int](repeating: 0, count: 101))
        Team.parallelRows(101, block: 8) { block in rows.withLock { for row in block { $0[row] += 1 } } }
        #expect(rows.withLock { $0.allSatisfy { $0 == 1 } })
    }

    @Test(arguments: [0, 1, 100, 1 << 18, (1 << 20) + 5])
    func buffersAreAlignedAndZero(_ count: Int) {
        let buffer = FloatBuffer(count: count)
        #expect(Int(bitPattern: buffer.pointer) % 64 == 0)
        #expect(buffer.buffer.allSatisfy { $0 == 0 })
        for i in 0..<count { buffer.pointer[i] = Float(i) }
        #expect(count == 0 || buffer.pointer[count - 1] == Float(count - 1))
    }

    @Test func largeBuffersGoBackToTheSystem() throws {
        var buffer: FloatBuffer? = FloatBuffer(count: 16 << 20)
        let address = UnsafeMutableRawPointer(try #require(buffer).pointer)
        buffer?.buffer.update(repeating: 1)
        buffer = nil
        // Other tests may map something small into the hole meanwhile, not all of it.
        let isGone = stride(from: 0, to: 64 << 20, by: 1 << 20).contains { offset in
            var resident: UInt8 = 0
            return mincore(address + offset, 4096, &resident) == -1 && errno == ENOMEM
        }
        #expect(isGone)
    }
}
