// zlib's inflate over input that arrives in pieces, as IDAT chunks do.

import CZlib

/// A zlib stream being decompressed. Owns the z_stream at a fixed address, since zlib keeps a pointer back to it.
struct Inflater: ~Copyable {
    enum Outcome { case filled, needsInput, ended, damaged, outOfMemory }

    private let stream: UnsafeMutablePointer<z_stream>

    /// `nil` where zlib can't get its 40 kB.
    init?() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        if inflateInit_(stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) != Z_OK {
            stream.deallocate()
            return nil
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// The next compressed bytes; they must live until all of them are used.
    func setInput(_ bytes: UnsafeRawBufferPointer) {
        // zlib only reads through next_in, which its C type doesn't say.
        stream.pointee.next_in = UnsafeMutableRawPointer(mutating: bytes.baseAddress)?
            .assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = UInt32(bytes.count)
    }

    /// Writes up to `count` bytes at `output`, and says how many and why it stopped; `filled` may come before
    /// `count`, since zlib counts in 32 bits.
    func inflate(into output: UnsafeMutablePointer<UInt8>, count: Int) -> (written: Int, outcome: Outcome) {
        let count = min(count, 1 << 30)
        stream.pointee.next_out = output
        stream.pointee.avail_out = UInt32(count)
        let status = CZlib.inflate(stream, Z_NO_FLUSH)
        let written = count - Int(stream.pointee.avail_out)
        let outcome: Outcome
        switch status {
        case Z_STREAM_END: outcome = .ended
        case Z_OK, Z_BUF_ERROR: outcome = written == count ? .filled : .needsInput
        case Z_MEM_ERROR: outcome = .outOfMemory
        default: outcome = .damaged
        }
        return (written, outcome)
    }

    /// Decompresses a whole small stream; `nil` where it is damaged or longer than `bytesMax`.
    static func all(_ bytes: ArraySlice<UInt8>, bytesMax: Int) -> [UInt8]? {
        guard let inflater = Inflater() else { return nil }
        return bytes.withUnsafeBytes { input in
            inflater.setInput(input)
            var fits = false
            let output = [UInt8](unsafeUninitializedCapacity: bytesMax) { buffer, initialized in
                guard let base = buffer.baseAddress else { return }
                let (written, outcome) = inflater.inflate(into: base, count: bytesMax)
                initialized = written
                fits = outcome == .ended
            }
            return fits ? output : nil
        }
    }
}
