// Where in a dropped folder the adapter is. Trainers write it some folders down, beside logs and settings:
//
//     prompts/NAME/MultiModalPromptLearner/model.pth.tar-5
//     prompts/NAME/adapter_config.json + adapter_model.safetensors        (PEFT: the folder is the adapter)
//     prompts/NAME/adapter.json + adapter.safetensors                     (our own)

import Foundation

package enum AdapterPlace {
    private static let depthMax = 4
    /// A folder with one of these is an adapter as a whole.
    private static let configurations: Set<String> = ["adapter_config.json", "adapter.json"]

    /// - Returns: the checkpoint's file, or the folder that is the adapter.
    /// - Throws: `IngestError` where there is none, or several.
    package static func find(in folder: String) throws(IngestError) -> String {
        var found: [String] = []
        collect(folder, depth: 0, &found)
        switch found.count {
        case 1: return found[0]
        case 0:
            throw IngestError(
                .notFound, "the folder holds no checkpoint",
                remedy: "put the trainer's model.pth.tar-N there, or adapter_config.json with adapter_model.safetensors")
        default:
            let names = found.map { String($0.dropFirst(folder.count + 1)) }.sorted()
            throw IngestError(
                .ambiguous, "the folder holds several checkpoints: " + names.prefix(4).joined(separator: ", ") + (names.count > 4 ? ", ..." : ""),
                remedy: "leave one, or give each a folder of its own, prompts/NAME/")
        }
    }

    /// Whether a file is one of two that make an adapter.
    static func isHalf(_ file: String) -> Bool {
        let name = (file as NSString).lastPathComponent
        return configurations.contains(name) || name.hasPrefix("adapter_model.") || name == "adapter.safetensors"
    }

    /// The folder of a file that is half of a pair: PEFT's, or our own.
    static func pair(of file: String) -> String? {
        let folder = (file as NSString).deletingLastPathComponent
        guard isHalf(file), configurations.contains(where: { FileManager.default.fileExists(atPath: folder + "/" + $0) }) else { return nil }
        return folder
    }

    private static func collect(_ folder: String, depth: Int, _ found: inout [String]) {
        guard depth <= depthMax, let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return }
        let visible = names.filter { !IgnoredNames.contains($0) }
        // A Hugging Face folder is fine-tuned weights, however many shards they have.
        if !configurations.isDisjoint(with: visible) || visible.contains("config.json") && visible.contains(where: { $0.hasSuffix(".safetensors") }) {
            found.append(folder)
            return
        }
        for name in visible.sorted() {
            let path = folder + "/" + name
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { continue }
            if isFolder.boolValue {
                collect(path, depth: depth + 1, &found)
            } else if isCheckpoint(path, name) {
                found.append(path)
            }
        }
    }

    private static func isCheckpoint(_ path: String, _ name: String) -> Bool {
        guard let facts = FileFacts.of(path), facts.kind == .file, let head = FileKind.readHead(path) else { return false }
        switch DropRole(path: "prompts/" + name, kind: FileKind(head: head, size: facts.stamp.size)) {
        case .adapter: return true
        default: return false
        }
    }
}
