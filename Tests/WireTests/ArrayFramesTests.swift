// Arrays outside protobuf: what fits together and what does not.

import Testing
import Wire

@Suite struct ArrayFramesTests {
    private func header(_ number: UInt32, _ dtype: Saed_DType, _ shape: [UInt64], growing: Bool = false) -> Saed_ArrayHeader {
        .with {
            $0.number = number
            $0.name = "a\(number)"
            $0.dtype = dtype
            $0.shape = shape
            $0.growing = growing
        }
    }

    @Test func arraysThatAreCompleteHaveTheirShapes() throws {
        var ledger = ArrayLedger()
        try ledger.announce(header(0, .f32, [2, 3]))
        try ledger.announce(header(9, .i32, [0, 5], growing: true))
        try ledger.announce(header(2, .f64, [4, 0]))
        try ledger.announce(header(3, .u8, []))
        #expect(try ledger.receive(number: 9, byteCount: 12).name == "a9")
        try ledger.receive(number: 0, byteCount: 24)
        try ledger.receive(number: 9, byteCount: 28)
        try ledger.receive(number: 3, byteCount: 1)
        #expect(try ledger.finish() == [0: [2, 3], 9: [2, 5], 2: [4, 0], 3: []])
    }

    @Test func whatDoesNotFitIsNamed() throws {
        func error(_ body: (inout ArrayLedger) throws(FrameError) -> Void) -> String {
            var ledger = ArrayLedger()
            do throws(FrameError) {
                try body(&ledger)
                return "none"
            } catch {
                return error.description
            }
        }
        let array = "the payload of a 'array' frame can't be read: "
        #expect(error { l throws(FrameError) in try l.receive(number: 1, byteCount: 0) } == "a chunk of array 1, which was not announced")
        #expect(
            error { l throws(FrameError) in
                try l.announce(header(1, .u8, [1]))
                try l.announce(header(1, .u8, [1]))
            } == "array 1 is announced twice")
        #expect(
            error { l throws(FrameError) in
                try l.announce(header(1, .f32, [2]))
                try l.receive(number: 1, byteCount: 7)
            } == array + "7 bytes are no whole number of elements of array 'a1'")
        #expect(
            error { l throws(FrameError) in
                try l.announce(header(1, .f32, [2]))
                try l.receive(number: 1, byteCount: 12)
            } == array + "array 'a1' has 8 bytes, more came")
        #expect(
            error { l throws(FrameError) in
                try l.announce(header(1, .f32, [2]))
                _ = try l.finish()
            } == array + "array 'a1' has 8 bytes, 0 came")
        #expect(
            error { l throws(FrameError) in
                try l.announce(header(1, .i64, [0, 2], growing: true))
                try l.receive(number: 1, byteCount: 24)
                _ = try l.finish()
            } == array + "array 'a1' ended inside a row")
        // 2^62 elements of 8 bytes overflow; beside a 0 they would not, and are refused all the same.
        #expect(error { l throws(FrameError) in try l.announce(header(1, .f64, [1 << 62])) }.hasSuffix("is too large"))
        #expect(error { l throws(FrameError) in try l.announce(header(1, .u8, [0, 1 << 63])) }.hasSuffix("is too large"))
        #expect(error { l throws(FrameError) in try l.announce(header(1, .unspecified, [1])) }.hasSuffix("has a type that isn't known (0)"))
        #expect(
            error { l throws(FrameError) in for number in 0...64 { try l.announce(header(UInt32(number), .u8, [1])) } }
                == "more than 64 arrays in one answer")
    }

    @Test func aChunkBeginsWithItsArraysNumber() throws {
        let payload = ArrayChunk.prefix(number: 0x0102_0304) + [9, 8]
        #expect(payload.prefix(8).elementsEqual([4, 3, 2, 1, 0, 0, 0, 0]))
        #expect(try ArrayChunk(payload: payload) == ArrayChunk(number: 0x0102_0304, bytes: [9, 8]))
        #expect(throws: FrameError.self) { try ArrayChunk(payload: Array(payload.prefix(7))) }
        #expect(throws: FrameError.self) { try ArrayChunk(payload: [0, 0, 0, 0, 1, 0, 0, 0]) }
    }
}
