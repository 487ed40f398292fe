// zstd through reused contexts. Sizes are known on both sides, so one call each suffices.

import CZstd

/// Compresses and decompresses; a context is about a megabyte and is kept between calls. Not thread-safe.
final class ZstdCodec {
    private let compressor: OpaquePointer
    private let decompressor: OpaquePointer

    init() {
        guard let compressor = ZSTD_createCCtx(), let decompressor = ZSTD_createDCtx() else {
            preconditionFailure("zstd cannot allocate a context")
        }
        self.compressor = compressor
        self.decompressor = decompressor
    }

    deinit {
        ZSTD_freeCCtx(compressor)
        ZSTD_freeDCtx(decompressor)
    }

    func compress(_ data: UnsafeRawBufferPointer, level: Int32) -> [UInt8] {
        let bound = ZSTD_compressBound(data.count)
        return [UInt8](unsafeUninitializedCapacity: bound) { buffer, filled in
            let size = ZSTD_compressCCtx(compressor, buffer.baseAddress, bound, data.baseAddress, data.count, level)
            // Cannot fail: the destination has the bound's size.
            precondition(ZSTD_isError(size) == 0, "zstd: \(String(cString: ZSTD_getErrorName(size)))")
            filled = size
        }
    }

    func decompress(_ data: UnsafeRawBufferPointer, size: Int) throws(MalformedBytes) -> [UInt8] {
        var outcome = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
            outcome = ZSTD_decompressDCtx(decompressor, buffer.baseAddress, size, data.baseAddress, data.count)
            filled = ZSTD_isError(outcome) == 0 ? outcome : 0
        }
        guard ZSTD_isError(outcome) == 0 else {
            throw MalformedBytes(reason: "zstd: \(String(cString: ZSTD_getErrorName(outcome)))", offset: 0)
        }
        guard outcome == size else { throw MalformedBytes(reason: "\(outcome) bytes decompressed, \(size) expected", offset: 0) }
        return bytes
    }
}
