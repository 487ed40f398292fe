// A page's file: one HTML document that asks for nothing. Its policy (a CSP by the hashes of its own style and script)
// allows no request, no other script, no style attribute: a text that got out of its place could still do nothing.
//
// Order: what can be read without script, the data, the pictures, the script.

import Basics

/// Pictures in base64, one behind the other, and where each lies.
struct PictureShelf {
    private(set) var base64: [UInt8] = []
    private(set) var places: [(offset: Int, length: Int, kind: Int, picture: PagePicture)] = []

    /// Its place; -1 for none, and for what is no WebP, JPEG or PNG.
    mutating func add(_ picture: PagePicture?) -> Int {
        guard var picture, let kind = PictureShelf.kind(picture.bytes) else { return -1 }
        let offset = base64.count
        appendBase64(picture.bytes[...], to: &base64)
        picture.bytes = []
        places.append((offset, base64.count - offset, kind, picture))
        return places.count - 1
    }

    private static func kind(_ bytes: [UInt8]) -> Int? {
        if bytes.starts(with: "RIFF".utf8), bytes.dropFirst(8).starts(with: "WEBP".utf8) { return 0 }
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) { return 1 }
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) { return 2 }
        return nil
    }
}

/// The JSON that both pages have in common, around what is theirs.
struct PageContent {
    var json = JSONWriter()
    var shelf = PictureShelf()

    /// Writes the data of a page: `body` its own keys, then images, pictures and texts.
    mutating func write(rows: Int, columns: Int, images: [PageImage], _ body: (inout JSONWriter, inout PictureShelf) -> Void) {
        var shelf = shelf
        json.object { json in
            json.key("rows")
            json.int(rows)
            json.key("columns")
            json.int(columns)
            json.key("images")
            json.array(images) { json, image in
                json.array {
                    $0.text(image.path)
                    $0.text(image.label)
                    $0.int(shelf.add(image.picture))
                }
            }
            body(&json, &shelf)
            json.key("pictures")
            json.array(shelf.places) { json, place in
                let picture = place.picture, seen = place.picture.visible
                json.array {
                    for value in [place.offset, place.length, place.kind, picture.width, picture.height] { $0.int(value) }
                    for value in [seen.x, seen.y, seen.width, seen.height] { $0.number(value) }
                }
            }
            let strings = json.strings
            json.key("strings")
            json.array(strings) { $0.string($1) }
        }
        self.shelf = shelf
    }
}

extension JSONWriter {
    mutating func interval(_ interval: PageInterval?) {
        guard let interval else { return null() }
        array {
            $0.number(interval.low)
            $0.number(interval.high)
        }
    }

    mutating func name(_ name: PageName?) {
        guard let name else { return int(0) }
        array {
            $0.text(name.word)
            $0.bool(name.isSure)
            $0.number(name.score)
            $0.text(name.reason)
        }
    }

    mutating func labels(_ labels: [PageLabelShare]) {
        array(labels) { json, share in
            json.array {
                $0.text(share.label)
                $0.number(share.share)
            }
        }
    }

    /// - Parameter images: how many images the page has; what means another one is left out.
    mutating func sheet(_ sheet: [SheetImage], images: Int) {
        array(sheet.filter { 0..<images ~= $0.image }) { json, entry in
            json.array {
                $0.int(entry.image)
                $0.number(entry.mean)
                $0.number(entry.peak)
                $0.grid(entry.grid)
            }
        }
    }
}

/// A document from its parts.
struct PageDocument {
    var title: String
    /// Of the `body` element.
    var name: String
    /// Between the skip link and the data; texts in it are escaped already.
    var body: String
    var content: PageContent
    var scripts: [[UInt8]]

    func html() -> [UInt8] {
        let style = PackageResources.page_css
        var script = Array("(() => {\n\"use strict\";\n".utf8)
        for part in scripts { script += part }
        script += "})();\n".utf8
        let policy = "default-src 'none'; img-src data:; style-src '\(digest(style))'; script-src '\(digest(script))'; base-uri 'none'; form-action 'none'"
        var html: [UInt8] = []
        html.reserveCapacity(content.shelf.base64.count + content.json.bytes.count + style.count + script.count + body.utf8.count + 4096)
        html += """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="\(policy)">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="referrer" content="no-referrer">
            <title>\(escaped(title))</title>
            <style>
            """.utf8
        html += style
        html += "</style>\n</head>\n<body class=\"\(name)-page\">\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n".utf8
        html += body.utf8
        html += "\n<script type=\"application/json\" id=\"data\">".utf8
        html += content.json.bytes
        html += "</script>\n<script type=\"text/plain\" id=\"pictures\">".utf8
        html += content.shelf.base64
        html += "</script>\n<script>".utf8
        html += script
        html += "</script>\n</body>\n</html>\n".utf8
        return html
    }

    /// As a policy names an inline element: what lies between its tags.
    private func digest(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        appendBase64(Array(ContentHash(of: bytes).bytes)[...], to: &text)
        return "sha256-" + String(decoding: text, as: UTF8.self)
    }
}

/// A text for HTML, within an element or a quoted attribute.
func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\"": result += "&quot;"
        case "'": result += "&#39;"
        // A line or a tab is told; other control characters have no place in a text.
        case "\n", "\t": result += " "
        case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value): result += "\u{FFFD}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}

/// Someone else's words: of any direction, told apart from what is around them.
func said(_ text: String) -> String { "<bdi>\(escaped(text))</bdi>" }

func list(_ sentences: [String]) -> String {
    sentences.isEmpty ? "" : "<ul class=\"notes\">\n" + sentences.map { "<li>\(escaped($0))</li>\n" }.joined() + "</ul>"
}
