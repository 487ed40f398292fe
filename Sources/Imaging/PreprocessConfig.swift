// Hugging Face's preprocessor_config.json, for processors that resize, crop, rescale and normalise the way
// CLIPImageProcessor (transformers 4.57) does. All spellings in which such files were ever saved are read; what would
// change pixels and isn't understood is refused, never ignored.

import Foundation

/// Why a preprocessor_config.json can't be used.
public struct PreprocessConfigError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
}

/// The interpolation of a resize; raw values are Pillow's `Image.Resampling`.
public enum ResampleFilter: Int, Sendable, Hashable, Codable, CaseIterable {
    case lanczos = 1
    case bilinear = 2
    case bicubic = 3
}

/// How an image becomes a model's input.
///
///     let config = try PreprocessConfig(json: Data(contentsOf: url))
///     PreprocessConfig.clip224.crop  // Size(height: 224, width: 224)
///
/// Part of a view's recipe: equal configurations prepare equal tensors, and `encode` writes one canonical form.
public struct PreprocessConfig: Sendable, Hashable, Codable {
    public struct Size: Sendable, Hashable {
        public var height, width: Int
        public init(height: Int, width: Int) {
            self.height = height
            self.width = width
        }
    }

    /// What an image is resized to.
    public enum Target: Sendable, Hashable {
        /// The shorter side, the longer in proportion, its fraction cut off.
        case shortestEdge(Int)
        /// Both sides, whatever the proportions.
        case exact(Size)
    }

    /// `nil`: not resized.
    public var resize: Target?
    public var filter: ResampleFilter
    /// `nil`: not cropped.
    public var crop: Size?
    /// `nil`: values stay 0 to 255.
    public var rescaleFactor: Double?
    /// `nil`: not normalised. Three values each, red first.
    public var normalization: Normalization?

    public struct Normalization: Sendable, Hashable {
        public var mean, std: [Double]
        /// - Precondition: three values each.
        public init(mean: [Double], std: [Double]) {
            precondition(mean.count == 3 && std.count == 3, "mean and std need a value per channel")
            self.mean = mean
            self.std = std
        }

        /// OpenAI's statistics, CLIPImageProcessor's default.
        public static let openAIClip = Normalization(
            mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711])
    }

    public init(
        resize: Target? = .shortestEdge(224), filter: ResampleFilter = .bicubic,
        crop: Size? = Size(height: 224, width: 224), rescaleFactor: Double? = 1.0 / 255,
        normalization: Normalization? = .openAIClip
    ) {
        self.resize = resize
        self.filter = filter
        self.crop = crop
        self.rescaleFactor = rescaleFactor
        self.normalization = normalization
    }

    /// CLIP B/32, B/16 and L/14.
    public static let clip224 = PreprocessConfig()

    /// The model's input size, where it is the same for every image: the crop, or an exact resize without one.
    public var inputSize: Size? {
        if let crop { return crop }
        if case let .exact(size)? = resize { return size }
        return nil
    }

    /// - Parameter json: a whole preprocessor_config.json. Missing keys have CLIPImageProcessor's defaults.
    /// - Throws: `PreprocessConfigError`, naming the key.
    public init(json: Data) throws(PreprocessConfigError) {
        do {
            self = try JSONDecoder().decode(PreprocessConfig.self, from: json)
        } catch let error as PreprocessConfigError {
            throw error
        } catch let DecodingError.typeMismatch(_, context), let DecodingError.valueNotFound(_, context),
            let DecodingError.keyNotFound(_, context)
        {
            let key = context.codingPath.map(\.stringValue).joined(separator: ".")
            throw PreprocessConfigError(description: "preprocessor_config.json: '\(key)' has the wrong type")
        } catch {
            throw PreprocessConfigError(description: "preprocessor_config.json is not valid JSON")
        }
    }
}

// MARK: - Hugging Face's spelling

extension PreprocessConfig {
    private enum Key: String, CodingKey {
        case doResize = "do_resize", size, resample
        case doCenterCrop = "do_center_crop", cropSize = "crop_size"
        case doRescale = "do_rescale", rescaleFactor = "rescale_factor"
        case doNormalize = "do_normalize", imageMean = "image_mean", imageStd = "image_std"
        case doPad = "do_pad"
    }

    /// A side that could make nothing, or the memory of everything, is a mistake in the file.
    private static let sideMax = 16_384

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        func flag(_ key: Key, default value: Bool) throws -> Bool {
            try values.decodeIfPresent(Bool.self, forKey: key) ?? value
        }
        if try flag(.doPad, default: false) {
            throw PreprocessConfigError(
                description: "preprocessor_config.json: 'do_pad' is true; padding isn't supported, "
                    + "only resize and crop")
        }

        resize = nil
        if try flag(.doResize, default: true) {
            resize = try values.decodeIfPresent(Sides.self, forKey: .size)?.target() ?? .shortestEdge(224)
        }
        let resample = try values.decodeIfPresent(Int.self, forKey: .resample) ?? ResampleFilter.bicubic.rawValue
        guard let filter = ResampleFilter(rawValue: resample) else {
            throw PreprocessConfigError(
                description: "preprocessor_config.json: 'resample' is \(resample); "
                    + "supported are 1 (Lanczos), 2 (bilinear) and 3 (bicubic)")
        }
        self.filter = filter

        crop = nil
        if try flag(.doCenterCrop, default: true) {
            crop = try values.decodeIfPresent(Sides.self, forKey: .cropSize)?.square(key: "crop_size")
                ?? Size(height: 224, width: 224)
        }

        rescaleFactor = nil
        if try flag(.doRescale, default: true) {
            rescaleFactor = try values.decodeIfPresent(Double.self, forKey: .rescaleFactor) ?? 1.0 / 255
        }

        normalization = nil
        if try flag(.doNormalize, default: true) {
            let standard = Normalization.openAIClip
            let mean = try values.decodeIfPresent(PerChannel.self, forKey: .imageMean)?.values(key: "image_mean")
            let std = try values.decodeIfPresent(PerChannel.self, forKey: .imageStd)?.values(key: "image_std")
            if std?.contains(where: { !($0 > 0) }) == true {
                throw PreprocessConfigError(
                    description: "preprocessor_config.json: 'image_std' must be above 0, it is \(std ?? [])")
            }
            normalization = Normalization(mean: mean ?? standard.mean, std: std ?? standard.std)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Key.self)
        try values.encode(resize != nil, forKey: .doResize)
        switch resize {
        case let .shortestEdge(side)?: try values.encode(["shortest_edge": side], forKey: .size)
        case let .exact(size)?: try values.encode(["height": size.height, "width": size.width], forKey: .size)
        case nil: break
        }
        try values.encode(filter.rawValue, forKey: .resample)
        try values.encode(crop != nil, forKey: .doCenterCrop)
        if let crop { try values.encode(["height": crop.height, "width": crop.width], forKey: .cropSize) }
        try values.encode(rescaleFactor != nil, forKey: .doRescale)
        try values.encodeIfPresent(rescaleFactor, forKey: .rescaleFactor)
        try values.encode(normalization != nil, forKey: .doNormalize)
        try values.encodeIfPresent(normalization?.mean, forKey: .imageMean)
        try values.encodeIfPresent(normalization?.std, forKey: .imageStd)
    }

    /// `224`, `[224, 224]` (height first), `{"height": 224, "width": 224}` or `{"shortest_edge": 224}`.
    private enum Sides: Decodable {
        case one(Int)
        case both(Size)
        case shortestEdge(Int)

        private enum Key: String, CodingKey {
            case height, width
            case shortestEdge = "shortest_edge", longestEdge = "longest_edge"
        }

        init(from decoder: any Decoder) throws {
            if let single = try? decoder.singleValueContainer(), let side = try? single.decode(Int.self) {
                self = .one(try Self.checked(side))
                return
            }
            if let single = try? decoder.singleValueContainer(), let sides = try? single.decode([Int].self) {
                guard sides.count == 2 else { throw Self.notUnderstood(decoder) }
                self = .both(Size(height: try Self.checked(sides[0]), width: try Self.checked(sides[1])))
                return
            }
            let values = try decoder.container(keyedBy: Key.self)
            if let side = try values.decodeIfPresent(Int.self, forKey: .shortestEdge) {
                guard !values.contains(.longestEdge) else { throw Self.notUnderstood(decoder) }
                self = .shortestEdge(try Self.checked(side))
            } else if let height = try values.decodeIfPresent(Int.self, forKey: .height),
                let width = try values.decodeIfPresent(Int.self, forKey: .width)
            {
                self = .both(Size(height: try Self.checked(height), width: try Self.checked(width)))
            } else {
                throw Self.notUnderstood(decoder)
            }
        }

        /// As `size`: a single number is the shortest edge (CLIPImageProcessor's `default_to_square=False`).
        func target() -> Target {
            switch self {
            case let .one(side), let .shortestEdge(side): .shortestEdge(side)
            case let .both(size): .exact(size)
            }
        }

        /// As `crop_size`: a single number is both sides.
        func square(key: String) throws -> Size {
            switch self {
            case let .one(side): return Size(height: side, width: side)
            case let .both(size): return size
            case .shortestEdge:
                throw PreprocessConfigError(
                    description: "preprocessor_config.json: '\(key)' needs a height and a width")
            }
        }

        private static func checked(_ side: Int) throws -> Int {
            guard (1...sideMax).contains(side) else {
                throw PreprocessConfigError(
                    description: "preprocessor_config.json: a side of \(side) pixels is not between 1 and \(sideMax)")
            }
            return side
        }

        private static func notUnderstood(_ decoder: any Decoder) -> PreprocessConfigError {
            let key = decoder.codingPath.last?.stringValue ?? "size"
            return PreprocessConfigError(
                description: "preprocessor_config.json: '\(key)' is neither a number nor {shortest_edge} "
                    + "nor {height, width}")
        }
    }

    /// `0.5` or `[0.48, 0.46, 0.41]`.
    private struct PerChannel: Decodable {
        let raw: [Double]

        init(from decoder: any Decoder) throws {
            let single = try decoder.singleValueContainer()
            if let value = try? single.decode(Double.self) {
                raw = [value, value, value]
            } else {
                raw = try single.decode([Double].self)
            }
        }

        func values(key: String) throws -> [Double] {
            guard raw.count == 3, raw.allSatisfy(\.isFinite) else {
                throw PreprocessConfigError(
                    description: "preprocessor_config.json: '\(key)' needs 3 values, it has \(raw.count)")
            }
            return raw
        }
    }
}
