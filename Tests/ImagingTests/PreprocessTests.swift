// Reference: CLIPImageProcessor of transformers 4.57 over Pillow 13 (tools/reference/imaging.py). Bytes and floats equal.

import Foundation
import Imaging
import Testing

@Suite struct PreprocessTests {
    @Test(arguments: Golden.imageNames)
    func cropsEqualCLIPImageProcessors(_ name: String) throws {
        let golden = try #require(Golden.all.images[name])
        let image = try Golden.decode(name)
        let configs = try Golden.configs("configs")
        #expect(Set(configs.keys) == Set(golden.crops.keys))
        for (key, expected) in golden.crops {
            let preprocessor = Preprocessor(try #require(configs[key]))
            try expectEqual(preprocessor.crop(image), expected, "\(name), \(key)")
            try expectEqual(preprocessor.crop(image, portable: true), expected, "\(name), \(key), portable")
        }
    }

    @Test func tensorsEqualPixelValuesToTheBit() throws {
        let configs = try Golden.configs("tensor_configs")
        var compared = 0
        for (name, golden) in Golden.all.images {
            for (key, expected) in golden.tensors {
                let preprocessor = Preprocessor(try #require(configs[key]))
                let crop = preprocessor.crop(try Golden.decode(name))
                var tensor = [Float](repeating: .nan, count: expected.shape.reduce(1, *))
                tensor.withUnsafeMutableBufferPointer { preprocessor.normalize(crop, into: $0) }
                #expect(expected.shape == [3, crop.height, crop.width])
                let start = tensor[..<4].map { "\($0)" }.joined(separator: ", ")
                #expect(crc(tensor) == expected.crc, "\(name), \(key): first values \(start)")
                compared += 1
            }
        }
        #expect(compared == 12)
    }

    // Reference: Pillow's Image.resize; both orders of its passes, either alone, all filters.
    @Test func resizesOfManyShapesEqualPillows() throws {
        #expect(Golden.all.resizes.count == 240)
        for c in Golden.all.resizes {
            let resized = patternImage(width: c[0], height: c[1]).resized(
                width: c[2], height: c[3], filter: try #require(ResampleFilter(rawValue: c[4])),
                columns: 0..<c[2], rows: 0..<c[3])
            #expect(crc(resized.pixels) == UInt32(c[5]), "\(c[0]) x \(c[1]) to \(c[2]) x \(c[3]), filter \(c[4])")
        }
    }

    // The columns that a crop doesn't need are never computed; what is computed must not depend on that.
    @Test(arguments: [UInt64(1), 2, 3, 4])
    func anyWindowEqualsTheSamePartOfTheWhole(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for filter in ResampleFilter.allCases {
            for _ in 0..<40 {
                let image = randomImage(
                    width: Int.random(in: 1...70, using: &random), height: Int.random(in: 1...50, using: &random),
                    &random)
                let width = Int.random(in: 1...90, using: &random)
                let height = Int.random(in: 1...90, using: &random)
                let left = Int.random(in: 0..<width, using: &random)
                let top = Int.random(in: 0..<height, using: &random)
                let columns = left..<Int.random(in: (left + 1)...width, using: &random)
                let rows = top..<Int.random(in: (top + 1)...height, using: &random)

                let whole = image.resized(
                    width: width, height: height, filter: filter, columns: 0..<width, rows: 0..<height, portable: true)
                let window = image.resized(
                    width: width, height: height, filter: filter, columns: columns, rows: rows)
                let expected = rows.flatMap { y in
                    whole.pixels[((y * width + columns.lowerBound) * 3)..<((y * width + columns.upperBound) * 3)]
                }
                #expect(
                    window.pixels == expected,
                    """
                    seed \(seed): \(image.width) x \(image.height) to \(width) x \(height), \(filter), \
                    \(columns), \(rows): \
                    \(largestDifference(window.pixels, expected, width: columns.count))
                    """)
            }
        }
    }

    // 4,000,000 x 1 becomes 896,000,000 x 224: 602 GB if it were all computed.
    @Test func veryWideImagesNeedOnlyTheCrop() {
        let count = 4_000_000
        let pixels = [UInt8](unsafeUninitializedCapacity: count * 3) { buffer, initialized in
            for i in 0..<count * 3 { buffer[i] = UInt8(truncatingIfNeeded: i / 3 % 251) }
            initialized = count * 3
        }
        let image = RGBImage(width: count, height: 1, pixels: pixels)
        let crop = Preprocessor(.clip224).crop(image)
        #expect(crop.width == 224 && crop.height == 224)
        // The crop is the middle pixel or so; every row is the same.
        #expect(crop.pixels[..<672] == crop.pixels[(223 * 672)...])
    }

    @Test func visibleRectUndoesResizeAndCrop() {
        let rect = Preprocessor(.clip224).visibleRect(width: 640, height: 480)
        // 640 x 480 becomes 298 x 224 (298.67 cut off), of which columns 37 to 261 are seen.
        #expect(abs(rect.x - 37 * 640.0 / 298) < 1e-9)
        #expect(rect.y == 0)
        #expect(abs(rect.width - 224 * 640.0 / 298) < 1e-9)
        #expect(rect.height == 480)

        let padded = PreprocessConfig(resize: .shortestEdge(20), crop: .init(height: 40, width: 40))
        let outside = Preprocessor(padded).visibleRect(width: 10, height: 10)
        #expect(outside.x == -5 && outside.y == -5 && outside.width == 20 && outside.height == 20)
    }
}

@Suite struct PreprocessConfigTests {
    private func config(_ json: String) throws -> PreprocessConfig {
        try PreprocessConfig(json: Data(json.utf8))
    }

    @Test func theFileOfOpenAIsModelsIsClip224() throws {
        // openai/clip-vit-base-patch16's preprocessor_config.json
        let old = """
            {"crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true,
             "feature_extractor_type": "CLIPFeatureExtractor",
             "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
             "resample": 3, "size": 224}
            """
        #expect(try config(old) == .clip224)
        let new = """
            {"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "do_convert_rgb": true,
             "do_normalize": true, "do_rescale": true, "do_resize": true, "image_processor_type": "CLIPImageProcessor",
             "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
             "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 224}}
            """
        #expect(try config(new) == .clip224)
        #expect(try config("{}") == .clip224)
    }

    @Test func allSpellingsOfSizesAreRead() throws {
        #expect(try config(#"{"size": 336}"#).resize == .shortestEdge(336))
        #expect(try config(#"{"size": [30, 40]}"#).resize == .exact(.init(height: 30, width: 40)))
        #expect(try config(#"{"size": {"height": 30, "width": 40}}"#).resize == .exact(.init(height: 30, width: 40)))
        #expect(try config(#"{"do_resize": false, "size": 5}"#).resize == nil)
        #expect(try config(#"{"crop_size": 336}"#).crop == .init(height: 336, width: 336))
        #expect(try config(#"{"crop_size": [30, 40]}"#).crop == .init(height: 30, width: 40))
        #expect(try config(#"{"do_center_crop": false}"#).crop == nil)
        #expect(try config(#"{"image_mean": 0.5, "image_std": 0.25}"#).normalization
            == .init(mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]))
        #expect(try config(#"{"do_normalize": false}"#).normalization == nil)
        #expect(try config(#"{"do_rescale": false}"#).rescaleFactor == nil)
        #expect(try config(#"{"resample": 2}"#).filter == .bilinear)
        #expect(try config(#"{"do_center_crop": false, "size": {"height": 8, "width": 9}}"#).inputSize
            == .init(height: 8, width: 9))
        #expect(try config(#"{"do_center_crop": false}"#).inputSize == nil)
    }

    @Test(arguments: [
        (#"{"resample": 0}"#, "'resample' is 0; supported are 1 (Lanczos), 2 (bilinear) and 3 (bicubic)"),
        (#"{"size": 0}"#, "a side of 0 pixels is not between 1 and 16384"),
        (#"{"size": {"shortest_edge": 224, "longest_edge": 448}}"#,
            "'size' is neither a number nor {shortest_edge} nor {height, width}"),
        (#"{"size": "large"}"#, "'size' has the wrong type"),
        (#"{"crop_size": {"shortest_edge": 224}}"#, "'crop_size' needs a height and a width"),
        (#"{"image_mean": [0.5]}"#, "'image_mean' needs 3 values, it has 1"),
        (#"{"image_std": 0}"#, "'image_std' must be above 0, it is [0.0, 0.0, 0.0]"),
        (#"{"do_pad": true}"#, "'do_pad' is true; padding isn't supported, only resize and crop"),
        (#"{"do_resize": "yes"}"#, "'do_resize' has the wrong type"),
    ])
    func whatIsNotUnderstoodIsRefused(_ json: String, _ message: String) {
        let error = #expect(throws: PreprocessConfigError.self) { try config(json) }
        #expect(error?.description == "preprocessor_config.json: " + message)
    }

    @Test func notJSON() {
        let error = #expect(throws: PreprocessConfigError.self) { try config("{") }
        #expect(error?.description == "preprocessor_config.json is not valid JSON")
    }

    @Test func whatIsWrittenIsReadBack() throws {
        for config in try Golden.configs("configs").values {
            let json = try JSONEncoder().encode(config)
            #expect(try PreprocessConfig(json: json) == config)
        }
    }
}
