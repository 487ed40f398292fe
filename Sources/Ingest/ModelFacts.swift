// What the daemon knows of models and SAEs without loading them.

import Basics
import CLIP
import Foundation
import Imaging

/// What a catalog row keeps as JSON in its `config` column.
public protocol CatalogFacts: Codable {}

extension CatalogFacts {
    /// nil for what another version wrote.
    public init?(json: String) {
        guard let facts = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else { return nil }
        self = facts
    }

    var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        // Plain numbers and strings: encoding can't fail.
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}

/// Shapes, layout and preprocessing of a model.
public struct ModelFacts: CatalogFacts, Sendable, Hashable {
    public var imageSize: Int
    public var patchSize: Int
    public var width: Int
    public var layers: Int
    public var heads: Int
    public var projection: Int
    public var activation: String
    public var vocabulary: Int
    public var contextLength: Int
    public var layout: TokenLayout
    public var preprocess: PreprocessConfig
    /// The model that comes with saed.
    public var embedded: Bool
    /// Names, sizes and times of its files when they were last hashed: equal stamps need no second reading.
    public var stamp: String

    init(_ summary: CLIPModelSummary, embedded: Bool, stamp: String) {
        imageSize = summary.config.vision.imageSize
        patchSize = summary.config.vision.patch
        width = summary.config.vision.tower.width
        layers = summary.config.vision.tower.layers
        heads = summary.config.vision.tower.heads
        projection = summary.config.projection
        activation = summary.config.vision.tower.activation.rawValue
        vocabulary = summary.config.text.vocabulary
        contextLength = summary.config.text.contextLength
        layout = summary.layout
        preprocess = summary.preprocess
        self.embedded = embedded
        self.stamp = stamp
    }
}

/// What an SAE's catalog row keeps beside its columns.
public struct SAEFacts: CatalogFacts, Sendable {
    public var architecture: String
    public var embedded: Bool
    /// The SAE whose random-direction control this is; nil: it is none.
    public var controlOf: String?
    /// The content of that SAE, where this control was made by itself and not by a person; nil: it was not.
    public var automaticFor: String?
    var stamp: String

    init(architecture: String, embedded: Bool, controlOf: String?, automaticFor: String? = nil, stamp: String) {
        self.architecture = architecture
        self.embedded = embedded
        self.controlOf = controlOf
        self.automaticFor = automaticFor
        self.stamp = stamp
    }
}

/// Names, sizes and modification times of a file, or of a folder's files (not of folders in it).
func fileStamp(_ path: String) -> String? {
    var info = stat()
    guard stat(path, &info) == 0 else { return nil }
    guard info.st_mode & S_IFMT == S_IFDIR else {
        return "\(info.st_size):\(info.st_mtim.tv_sec).\(info.st_mtim.tv_nsec)"
    }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else { return nil }
    return names.sorted().compactMap { name in
        var info = stat()
        guard stat(path + "/" + name, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { return nil }
        return "\(name):\(info.st_size):\(info.st_mtim.tv_sec).\(info.st_mtim.tv_nsec)"
    }.joined(separator: "|")
}
