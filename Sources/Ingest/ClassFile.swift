// Class lists and template sets as people write them: one a line.

import CLIP
import Foundation

/// Reads `classes/NAME.txt` and templates.
public enum ClassFile {
    static let bytesMax = 16 << 20
    static let classesMax = 100_000

    public static func read(path: String) throws(IngestError) -> [String] {
        guard let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int else {
            throw IngestError(.notFound, "'\(path)' can't be read")
        }
        guard size <= bytesMax, let data = FileManager.default.contents(atPath: path) else {
            throw IngestError(.invalid, "'\(path)' has \(size) bytes", remedy: "a class list has one name a line, at most \(bytesMax) bytes")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw IngestError(.invalid, "'\(path)' is not UTF-8 text", remedy: "save it as UTF-8, one class name a line")
        }
        return try check(text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty })
    }

    /// Names are not empty, each comes once, and not too many.
    public static func check(_ classes: [String]) throws(IngestError) -> [String] {
        guard !classes.isEmpty else { throw IngestError(.invalid, "no class names", remedy: "give one name a line") }
        guard classes.count <= classesMax else {
            throw IngestError(.invalid, "\(classes.count) class names", remedy: "give at most \(classesMax)")
        }
        var seen: Set<String> = []
        for (i, name) in classes.enumerated() where !seen.insert(name).inserted {
            throw IngestError(.invalid, "class \(i + 1), '\(name)', comes twice", remedy: "give each name once")
        }
        return classes
    }

    /// Each template has one `{}`.
    public static func check(templates: [String]) throws(IngestError) -> [String] {
        guard !templates.isEmpty else { throw IngestError(.invalid, "no templates", remedy: "give one a line, such as 'a photo of a {}.'") }
        for (i, template) in templates.enumerated() where template.components(separatedBy: "{}").count != 2 {
            throw IngestError(.invalid, "template \(i + 1), '\(template)', has not exactly one {}", remedy: "write {} where the class name goes")
        }
        return templates
    }
}
