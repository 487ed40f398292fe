// The catalog's records as people and the daemon see them. Times are seconds since 1970, UTC.

import Basics
import GRDB

/// An imported model.
public struct ModelRecord: Codable, Sendable, Equatable, Identifiable {
    public typealias ID = RecordID<ModelRecord>
    public var id: ID
    public var name: String
    /// Where its files are.
    public var folder: String
    public var contentHash: ContentHash
    /// The daemon's own JSON: shapes, layout, preprocessing.
    public var config: String
    /// False once removed; its views and snapshots stay until `Store.purge`.
    public var active: Bool
    public var added: Double
}

/// Learned prompts for a model; `base` is the empty adapter.
public struct AdapterRecord: Codable, Sendable, Equatable, Identifiable {
    public typealias ID = RecordID<AdapterRecord>
    public var id: ID
    public var model: ModelRecord.ID
    public var name: String
    public var contentHash: ContentHash
    public var config: String
    public var active: Bool
    public var added: Double
}

/// A sparse autoencoder bound to a hook point of a model.
public struct SAERecord: Codable, Sendable, Equatable, Identifiable {
    public typealias ID = RecordID<SAERecord>
    public var id: ID
    public var model: ModelRecord.ID
    public var name: String
    public var path: String
    public var contentHash: ContentHash
    /// `blocks.<L>.resid_post`.
    public var hook: String
    public var latents: Int
    public var width: Int
    public var config: String
    public var active: Bool
    public var added: Double
}

/// (model, adapter, SAE, hook, preprocessing, precision): a complete recipe, and the shapes it yields.
public struct ViewRecord: Codable, Sendable, Equatable, Identifiable {
    public typealias ID = RecordID<ViewRecord>
    public var id: ID
    /// `MODEL/ADAPTER/SAE`, unique among active views.
    public var name: String
    public var model: ModelRecord.ID
    public var adapter: AdapterRecord.ID
    public var sae: SAERecord.ID
    public var hook: String
    /// Hash of everything that decides a snapshot's bytes; unique.
    public var recipe: ContentHash
    public var rows: Int
    public var columns: Int
    public var prompts: Int
    public var latents: Int
    public var embeddingWidth: Int
    public var activationWidth: Int
    public var active: Bool
    public var added: Double

    public var layout: TokenLayout { TokenLayout(rows: rows, columns: columns, prompts: prompts) }
}

/// One content, however many paths lead to it.
public struct ImageRecord: Codable, Sendable, Equatable, Identifiable {
    public typealias ID = RecordID<ImageRecord>
    /// Also the image's order: first seen first; statistics break ties by it.
    public var id: ID
    public var hash: ContentHash
    public var width: Int
    public var height: Int
    /// `jpeg`, `png`, `webp`.
    public var format: String
    public var firstSeen: Double
    /// The label of the earliest path that is still there and has one.
    public var label: String?
    /// The earliest path that is still there, or nil when absent.
    public var path: String?
    /// No path leads to it any more: it is left out of every list and statistic; its snapshots are kept.
    public var absent: Bool
}

/// A file in the drop folder.
public struct PathRecord: Codable, Sendable, Equatable, Identifiable {
    public typealias ID = RecordID<PathRecord>
    public var id: ID
    /// Relative to the drop folder, `/` between parts.
    public var path: String
    public var image: ImageRecord.ID
    public var size: Int64
    public var mtimeNanoseconds: Int64
    public var inode: Int64
    public var label: String?
    public var added: Double
}

/// A file that could not be used.
public struct FailureRecord: Codable, Sendable, Equatable, Identifiable {
    public typealias ID = RecordID<FailureRecord>
    public var id: ID
    /// Where it was dropped.
    public var path: String
    /// The daemon's word for the sort of failure, as `truncated` or `too_large`.
    public var kind: String
    /// One sentence for people.
    public var reason: String
    public var time: Double
    /// Where it lies now, or nil where it could not be moved.
    public var quarantine: String?
}

/// Class names and prompt templates of a model's zero-shot head.
public struct ClassListRecord: Codable, Sendable, Equatable, Identifiable {
    public typealias ID = RecordID<ClassListRecord>
    public var id: ID
    public var model: ModelRecord.ID
    public var name: String
    public var classes: [String]
    public var templates: [String]
    /// Hash of classes and templates.
    public var hash: ContentHash
    public var active: Bool
    public var added: Double
}

/// Where a snapshot lies.
package struct SnapshotRecord: Codable, Sendable, Equatable {
    package var view: ViewRecord.ID
    package var image: ImageRecord.ID
    package var segment: SegmentRecord.ID
    package var slot: Int
    package var offset: Int
    /// Of its `latents` frame.
    package var headLength: Int
    /// Of both frames.
    package var length: Int
    package var dense: Bool
    package var wide: Bool
}

/// A segment: what of its file is committed.
package struct SegmentRecord: Codable, Sendable, Equatable, Identifiable {
    package typealias ID = RecordID<SegmentRecord>
    package var id: ID
    package var view: ViewRecord.ID
    /// Committed bytes; what the file has beyond them does not exist.
    package var length: Int
    /// Slots given out.
    package var slots: Int
    package var sealed: Bool
}

extension ContentHash: DatabaseValueConvertible {
    public var databaseValue: DatabaseValue { hex.databaseValue }

    public static func fromDatabaseValue(_ value: DatabaseValue) -> ContentHash? {
        String.fromDatabaseValue(value).flatMap(ContentHash.init(hex:))
    }
}

extension ModelRecord: FetchableRecord, TableRecord { public static let databaseTableName = "models" }
extension AdapterRecord: FetchableRecord, TableRecord { public static let databaseTableName = "adapters" }
extension SAERecord: FetchableRecord, TableRecord { public static let databaseTableName = "saes" }
extension ViewRecord: FetchableRecord, TableRecord { public static let databaseTableName = "views" }
extension ImageRecord: FetchableRecord, TableRecord { public static let databaseTableName = "images" }
extension PathRecord: FetchableRecord, TableRecord { public static let databaseTableName = "paths" }
extension FailureRecord: FetchableRecord, TableRecord { public static let databaseTableName = "failures" }
extension ClassListRecord: FetchableRecord, TableRecord { public static let databaseTableName = "classLists" }
extension SnapshotRecord: FetchableRecord, TableRecord { package static let databaseTableName = "snapshots" }
extension SegmentRecord: FetchableRecord, TableRecord { package static let databaseTableName = "segments" }
