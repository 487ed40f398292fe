// What a shell offers at TAB where only the daemon knows it: views, adapters, images. Asked of the daemon that the line
// names, and of the drop folder. Silent without one: who presses TAB wants no error.
//
// Names come from files that anyone may have dropped. A shell expands some of what it is offered, so each name is
// quoted for the shell that asks, and one that can't be typed on a line is left out.

import Glibc
import Wire

/// A kind of words to offer.
///
///     Offer.views.words(line: ["saectl", "--root", "/srv/saed", "show", "--view", "m"], prefix: "m")  // ["maple"]
public enum Offer: Sendable {
    case views, ranges, adapters, models, saes, controls, classes
    case images, labels, datasets
    /// What `classify` takes.
    case targets
    /// What `classes set --templates` takes.
    case templates

    /// A shell that asks; each reads what it is offered in its own way.
    public enum Shell: String, Sendable { case bash, zsh, fish }

    /// Words that begin with `prefix`, sorted; empty where the daemon does not answer.
    ///
    /// Names of files are offered a folder at a time, a folder with a slash; one that is the only one is entered.
    /// - Parameters:
    ///   - line: all words of the line, as typed.
    ///   - prefix: of the word, up to the cursor.
    public func words(line: [String], prefix: String) -> [String] {
        let typed = prefix.unquoted
        let found =
            switch self {
            case .templates: ["photo", "imagenet"] + FileNames.local(typed, suffixes: [])
            case .images where typed.isLocalPath: FileNames.local(typed, suffixes: FileNames.images)
            default: (try? asked(SocketPath(line: line), typed)) ?? []
            }
        return Offer.few(Set(found.filter { $0.hasPrefix(typed) && $0.isTypable }).sorted())
    }

    /// The same, written for a shell.
    public func words(line: [String], prefix: String, for shell: Shell?) -> [String] {
        words(line: line, prefix: prefix).map { shell?.quoted($0) ?? $0 }
    }

    /// Why 1,000: a shell takes a second to show more. The last one stays, so that what all have in common, which the
    /// shell types, is not made longer by leaving some out.
    private static let countMax = 1000

    package static func few(_ words: [String]) -> [String] {
        words.count <= countMax ? words : words.prefix(countMax - 1) + [words[words.count - 1]]
    }

    private func asked(_ socket: SocketPath, _ typed: String) throws -> [String] {
        let client = try WireClient(path: socket.path, name: "saectl \(SaedVersion.current), completing")
        switch self {
        case .views: return ViewNames(try client.list(.views(.init())).views.views.map(\.name)).all
        case .ranges: return ViewNames(try client.list(.views(.init())).views.views.map(\.name)).ranges
        case .adapters: return try client.list(.adapters(.init())).adapters.adapters.map(\.name).filter { $0 != "base" }
        case .models: return try client.list(.models(.init())).models.models.map(\.name)
        case .saes: return try client.list(.saes(.init())).saes.saes.filter { !$0.automatic }.map(\.name)
        case .controls: return try client.list(.saes(.init())).saes.saes.filter { !$0.controlOf.isEmpty && !$0.automatic }.map(\.name)
        case .classes: return try classes(client)
        case .images: return FileNames(drop: try client.drop()).images(typed)
        case .labels: return FileNames(drop: try client.drop()).labels
        case .datasets: return FileNames(drop: try client.drop()).datasets
        case .targets:
            let files = FileNames(drop: try client.drop())
            return ["all"] + files.datasets + files.images(typed)
        case .templates: return []
        }
    }

    private func classes(_ client: WireClient) throws -> [String] {
        try client.list(.models(.init())).models.models.flatMap { model in
            var request = Saed_ClassesRequest()
            request.model = model.name
            return try client.list(.classes(request)).classes.classes
        }
    }
}

extension WireClient {
    fileprivate func list(_ body: Saed_Request.OneOf_Body) throws -> Saed_Reply {
        var request = Saed_Request()
        request.body = body
        return try askMerging(request)
    }

    fileprivate func drop() throws -> String { try list(.status(.init())).status.drop }
}

extension SocketPath {
    /// The daemon that a line names, by `--socket` or `--root` before the word or after it; else as ever.
    package init(line: [String]) {
        func value(_ option: String) -> String? {
            for (place, word) in line.enumerated() {
                if word == option, place + 1 < line.count { return line[place + 1].unquoted.homeExpanded }
                if word.hasPrefix(option + "=") { return String(word.dropFirst(option.count + 1)).unquoted.homeExpanded }
            }
            return nil
        }
        // bash makes three words of --root=DIR.
        self.init(socket: value("--socket").flatMap { $0 == "=" ? nil : $0 }, root: value("--root").flatMap { $0 == "=" ? nil : $0 })
    }
}

/// Names of views as people write them: the shortest that means one view.
package struct ViewNames {
    private let views: [Saed_ViewName]

    package init(_ views: [Saed_ViewName]) { self.views = views }

    /// ADAPTER, where one view alone has it; the whole name of each.
    package var all: [String] { views.map(short) + views.map(\.text) }

    /// Two views of one model and SAE, the base to the left of what is not the base.
    package var ranges: [String] {
        views.flatMap { left in
            views.filter { $0.model == left.model && $0.sae == left.sae && $0.adapter != left.adapter }
                .map { (short(left), short($0), left.adapter == "base") }
                .flatMap { left, right, isBase in ["\(left)..\(right)"] + (isBase ? ["..\(right)"] : []) }
        }
    }

    private func short(_ view: Saed_ViewName) -> String {
        views.count { $0.adapter == view.adapter } == 1 ? view.adapter : view.text
    }
}

/// Names of files, to be completed a folder at a time.
package struct FileNames {
    static let images = ["jpg", "jpeg", "png", "webp"]

    let drop: String

    package init(drop: String) { self.drop = drop }

    /// An image as answers print it: the end of its path below images/ and, for all others, its path below the drop folder.
    package func images(_ typed: String) -> [String] {
        let places = ["\(drop)/images", drop]
        let found = places.flatMap { place in
            FileNames.entries(of: place, typed, suffixes: FileNames.images)
                .filter { place != drop || !["models/", "saes/", "classes/", "prompts/"].contains($0) }
        }
        // The only one, and a folder: what is in it.
        if let folder = found.first, found.count == 1, folder.hasSuffix("/"), folder != typed { return images(folder) }
        return found
    }

    package var datasets: [String] { FileNames.folders(of: "\(drop)/datasets") }

    package var labels: [String] { FileNames.folders(of: "\(drop)/images") + datasets.flatMap { FileNames.folders(of: "\(drop)/datasets/\($0)") } }

    /// Files of this machine.
    static func local(_ typed: String, suffixes: [String]) -> [String] {
        // What is typed stays as it is: the shell puts what is offered in its place.
        if typed.hasPrefix("~/") { return entries(of: String.home, String(typed.dropFirst(2)), suffixes: suffixes).map { "~/" + $0 } }
        return entries(of: typed.hasPrefix("/") ? "" : ".", typed, suffixes: suffixes)
    }

    private static func folders(of path: String) -> [String] {
        (folderEntries(of: path) ?? []).filter { !$0.hasPrefix(".") && isFolder(path + "/" + $0) }
    }

    /// What in `place` begins as typed, hidden files left out unless asked for; folders with a slash.
    private static func entries(of place: String, _ typed: String, suffixes: [String]) -> [String] {
        let cut = typed.lastIndex(of: "/").map { typed.index(after: $0) } ?? typed.startIndex
        let (folder, start) = (String(typed[..<cut]), typed[cut...])
        let path = "\(place)/\(folder)"
        return (folderEntries(of: path) ?? []).compactMap { name in
            guard name.hasPrefix(start), start.hasPrefix(".") || !name.hasPrefix(".") else { return nil }
            let isImage = suffixes.contains { name.lowercased().hasSuffix("." + $0) }
            // Asking the kernel what an entry is takes longer than its name.
            if isImage { return folder + name }
            if isFolder(path + "/" + name) { return folder + name + "/" }
            return suffixes.isEmpty ? folder + name : nil
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}

extension Offer.Shell {
    /// A word so that the shell takes it as it is. bash expands what it is offered, `$(...)` too; zsh takes what
    /// follows a colon for a description.
    package func quoted(_ word: String) -> String {
        switch self {
        case .bash: word.utf8.allSatisfy(\.isPlain) ? word : "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
        case .zsh: word.reduce(into: "") { $0 += $1 == ":" || $1 == "\\" ? "\\\($1)" : "\($1)" }
        case .fish: word
        }
    }
}

extension UInt8 {
    /// No shell gives it a meaning within a word.
    fileprivate var isPlain: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "+"): true
        default: self >= 0x80
        }
    }
}

extension String {
    fileprivate static var home: String { SocketPath.variable("HOME") ?? "" }

    fileprivate var homeExpanded: String { hasPrefix("~/") ? String.home + dropFirst() : self }

    /// A path that says itself that it is one of this machine.
    fileprivate var isLocalPath: Bool { hasPrefix("/") || hasPrefix("./") || hasPrefix("../") || hasPrefix("~/") }

    /// Without quotes and backslashes, as far as they go: a word that is being typed may have its last quote open.
    fileprivate var unquoted: String {
        var text = "", quote: Character?, isEscaped = false
        for character in self {
            if isEscaped {
                text.append(character)
                isEscaped = false
            } else if character == "\\", quote != "'" {
                isEscaped = true
            } else if character == quote {
                quote = nil
            } else if quote == nil, character == "'" || character == "\"" {
                quote = character
            } else {
                text.append(character)
            }
        }
        return text
    }

    /// No line break, tab or other character that steers a terminal.
    fileprivate var isTypable: Bool { !unicodeScalars.contains(where: \.isControl) }
}
