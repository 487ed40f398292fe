// Reference: Pillow 13 (tools/reference/imaging.py). Equal byte for byte: every exception would stand in FORMATS.md.

import Imaging
import Testing

@Suite struct DecodeTests {
    @Test(arguments: Golden.imageNames)
    func pixelsEqualPillows(_ name: String) throws {
        let golden = try #require(Golden.all.images[name])
        try expectEqual(Golden.decode(name, DecodeOptions(applyOrientation: false)), golden.rgb, name)
    }

    @Test(arguments: Golden.imageNames)
    func orientationEqualsExifTranspose(_ name: String) throws {
        let golden = try #require(Golden.all.images[name])
        try expectEqual(Golden.decode(name), golden.oriented, name)
    }

    // A golden file that sets no orientation would make the test above pass without turning anything.
    @Test func goldenFilesCoverAllOrientations() throws {
        var found: Set<Int> = []
        for name in Golden.imageNames {
            let details = try Golden.bytes(name).withUnsafeBytes { try decodeImageWithDetails($0) }
            found.insert(details.orientation)
            if details.orientation >= 5 {
                #expect(details.image.width == details.encodedHeight, "\(name)")
            }
        }
        #expect(found == Set(1...8))
    }

    @Test(arguments: Golden.imageNames)
    func headerSaysTheEncodedSize(_ name: String) throws {
        let golden = try #require(Golden.all.images[name])
        let header = try Golden.bytes(name).withUnsafeBytes { try readImageHeader($0) }
        #expect(header.width == golden.rgb.width && header.height == golden.rgb.height)
        #expect(name.hasSuffix(header.format.rawValue) || header.format == .jpeg && name.hasSuffix("jpg"))
    }

    // Names lie: the format is told by content.
    @Test func formatIsToldByMagicBytes() throws {
        #expect(sniff([0xFF, 0xD8, 0xFF, 0xE0]) == .jpeg)
        #expect(sniff([0x89] + Array("PNG\r\n".utf8) + [0x1A, 0x0A]) == .png)
        #expect(sniff(Array("RIFF\0\0\0\0WEBPVP8L".utf8)) == .webp)
        #expect(sniff(Array("RIFF\0\0\0\0WEBPALPH".utf8)) == nil)
        #expect(sniff(Array("RIFF\0\0\0\0WAVEfmt ".utf8)) == nil)
        #expect(sniff([0xFF, 0xD8]) == nil)
        #expect(sniff([]) == nil)
    }

    private func sniff(_ bytes: [UInt8]) -> ImageFormat? { bytes.withUnsafeBytes { ImageFormat.sniff($0) } }
}

@Suite struct RefusalTests {
    @Test(arguments: Golden.badNames)
    func badFilesGetTheirError(_ name: String) throws {
        let expected = try #require(Golden.all.bad[name]).error
        let error = #expect(throws: ImagingError.self) { try Golden.decode(name) }
        #expect(error?.caseName == expected, "\(name): \(error.map(String.init(describing:)) ?? "")")
    }

    // Whole messages: they are what a person reads in `saectl failures`.
    @Test(arguments: [
        ("bad_empty.jpg", "the file is empty (0 bytes); copy it again"),
        ("bad_text.jpg", "not an image that saed reads (JPEG, PNG or WebP, told by content, not by name)"),
        ("bad_gif_named.png", "this is a GIF image; saed reads JPEG, PNG and WebP: convert it"),
        ("bad_jpeg_scan_cut.jpg", "JPEG: the file is cut off: it ends in row 14 of 47; copy it again from its source"),
        ("bad_png_data_cut.png", "PNG: the file is cut off: it ends in row 15 of 30; copy it again from its source"),
        ("bad_png_bomb.png",
            "100000 x 100000 pixels are more than the limit of 178956970; scale it down or raise the limit"),
        ("bad_png_header_checksum.png",
            "PNG: the file is damaged: the checksum of its chunk 'IHDR' is wrong; copy it again from its source"),
    ])
    func messagesSayWhatToDo(_ name: String, _ message: String) throws {
        let error = #expect(throws: ImagingError.self) { try Golden.decode(name) }
        #expect(error?.description == message)
    }

    @Test func limitsHoldBeforeDecoding() throws {
        let bytes = try Golden.bytes("jpeg_large.jpg")  // 300 x 200
        #expect(throws: ImagingError.tooLarge(width: 300, height: 200, pixelsMax: 59_999)) {
            try decodeImage(bytes, limits: DecodeLimits(pixelsMax: 59_999))
        }
        #expect(throws: Never.self) { try decodeImage(bytes, limits: DecodeLimits(pixelsMax: 60_000)) }
        #expect(throws: ImagingError.tooManyBytes(bytes: bytes.count, bytesMax: bytes.count - 1)) {
            try decodeImage(bytes, limits: DecodeLimits(bytesMax: bytes.count - 1))
        }
    }
}

extension ImagingError {
    var caseName: String {
        switch self {
        case .empty: "empty"
        case .unrecognized: "unrecognized"
        case .unsupported: "unsupported"
        case .truncated: "truncated"
        case .corrupt: "corrupt"
        case .tooLarge: "tooLarge"
        case .tooManyBytes: "tooManyBytes"
        case .outOfMemory: "outOfMemory"
        }
    }
}
