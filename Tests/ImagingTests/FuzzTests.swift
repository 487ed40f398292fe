// Files that were damaged at random: never a trap, never more memory than the limit allows. The seed is in every
// failure's message; a trap leaves the last mutation's number in the test's name.

import Imaging
import Testing

@Suite struct FuzzTests {
    // Golden files are at most 300 x 200 pixels: what a damaged header may claim beyond this is refused.
    private let limits = DecodeLimits(pixelsMax: 1 << 20, bytesMax: 1 << 20)

    @Test(arguments: Golden.imageNames)
    func damagedFilesNeverTrap(_ name: String) throws {
        let original = try Golden.bytes(name)
        var random = SeededGenerator(seed: UInt64(crc(original)))
        var outcomes: [String: Int] = [:]
        for _ in 0..<24 {
            let bytes = damaged(original, &random)
            do throws(ImagingError) {
                let image = try decodeImage(bytes, limits: limits)
                #expect(image.width * image.height <= limits.pixelsMax)
                #expect(image.pixels.count == image.width * image.height * 3)
                outcomes["decoded", default: 0] += 1
            } catch {
                #expect(!error.description.isEmpty)
                outcomes[error.caseName, default: 0] += 1
            }
        }
        #expect(outcomes.values.reduce(0, +) == 24)
    }

    // Every prefix of one file of each kind. Pillow forgives a missing end only where all pixels are there.
    @Test(arguments: [
        "jpeg_420_17x15.jpg", "jpeg_444_progressive.jpg", "png_filter_4.png", "png_2_8_interlaced.png",
        "png_palette_transparent.png", "webp_lossy_17x15.webp", "webp_lossless_17x15.webp", "webp_small_frame.webp",
    ])
    func everyPrefixIsAnErrorOrTheWholeImage(_ name: String) throws {
        let original = try Golden.bytes(name)
        let whole = try Golden.decode(name)
        for count in 0..<original.count {
            do throws(ImagingError) {
                let image = try decodeImage(Array(original[..<count]), limits: limits)
                #expect(image == whole, "\(name), first \(count) bytes of \(original.count)")
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
    }

    private func damaged(_ original: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = original
        // Magic bytes stay, or nothing but "unrecognized" would be tested.
        let from = 16
        guard bytes.count > from + 8 else { return bytes }
        switch Int.random(in: 0..<6, using: &random) {
        case 0:
            bytes.removeLast(Int.random(in: 1..<(bytes.count - from), using: &random))
        case 1:
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: from..<bytes.count, using: &random)
                bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            }
        case 2:
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                bytes[Int.random(in: from..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
        case 3:
            // A run of extremes where sizes and lengths live.
            let at = Int.random(in: from..<min(bytes.count - 4, from + 200), using: &random)
            for i in 0..<4 { bytes[at + i] = Bool.random(using: &random) ? 0xFF : 0x00 }
        case 4:
            let at = Int.random(in: from..<bytes.count, using: &random)
            bytes.removeSubrange(at..<min(at + Int.random(in: 1...30, using: &random), bytes.count))
        default:
            let at = Int.random(in: from..<bytes.count, using: &random)
            let count = Int.random(in: 1...60, using: &random)
            bytes.insert(contentsOf: bytes[max(at - count, 0)..<at], at: at)
        }
        return bytes
    }
}
