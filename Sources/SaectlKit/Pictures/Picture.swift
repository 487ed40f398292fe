// A PNG on a terminal.

import Basics
import Glibc

/// A PNG file's bytes, and how to show them.
public struct Picture: Sendable {
    /// Room on a screen.
    package struct Screen: Sendable {
        var columns: Int
        /// Of the whole screen; a column is taken as 8 pixels wide where the terminal doesn't say.
        var widthPixels: Int

        package init(columns: Int, widthPixels: Int) {
            (self.columns, self.widthPixels) = (columns, widthPixels > 0 ? widthPixels : columns * 8)
        }

        init(_ terminal: Terminal) {
            var size = winsize()
            let known = ioctl(terminal.fd, UInt(TIOCGWINSZ), &size) == 0
            self.init(columns: terminal.columns ?? 80, widthPixels: known ? Int(size.ws_xpixel) : 0)
        }
    }

    private let png: [UInt8]
    private let width: Int

    /// nil for what is no PNG.
    public init?(png: [UInt8]) {
        guard let header = PNGHeader(png) else { return nil }
        (self.png, width) = (png, header.width)
    }

    /// Shows it where the cursor is, and leaves that at the beginning of the line below.
    /// - Returns: whether it was shown. A PNG of a kind that saed doesn't write can't be made into sixels.
    @discardableResult
    public func show(on terminal: Terminal = .out, by way: PictureProtocol) -> Bool {
        guard let text = text(by: way, on: Screen(terminal)) else { return false }
        let isInTmux = SocketPath.variable("TMUX").map { !$0.isEmpty } ?? false
        // tmux knows sixels itself.
        terminal.write((isInTmux && way != .sixel ? Picture.passedThrough(text) : text) + "\n")
        return true
    }

    /// A picture that is wider than the screen is made as wide as it.
    package func text(by way: PictureProtocol, on screen: Screen) -> String? {
        let isWide = width > screen.widthPixels
        switch way {
        case .kitty: return kitty(columns: isWide ? screen.columns : nil)
        case .iterm2: return iterm2(width: isWide ? "100%" : "auto")
        case .sixel: return PixelImage(png: png)?.scaledDown(toWidth: screen.widthPixels).sixels
        }
    }

    /// Kitty takes at most 4096 bytes of base64 at a time: 3072 bytes of the file.
    package static let kittyChunkBytes = 3072

    private func kitty(columns: Int?) -> String {
        var text = ""
        for start in stride(from: 0, to: png.count, by: Picture.kittyChunkBytes) {
            let end = min(png.count, start + Picture.kittyChunkBytes)
            // a=T: transmit and show; f=100: a PNG; q=2: no answer, which would be read as keys.
            let first = start == 0 ? "a=T,f=100,q=2," + (columns.map { "c=\($0)," } ?? "") : ""
            text += "\u{1B}_G\(first)m=\(end < png.count ? 1 : 0);\(base64(png[start..<end]))\u{1B}\\"
        }
        return text
    }

    private func iterm2(width: String) -> String {
        "\u{1B}]1337;File=inline=1;size=\(png.count);width=\(width);preserveAspectRatio=1:\(base64(png[...]))\u{07}"
    }

    /// Each sequence as tmux hands it on, where `allow-passthrough` is set.
    package static func passedThrough(_ text: String) -> String {
        var out: [UInt8] = []
        let bytes = Array(text.utf8), escape: UInt8 = 0x1B
        // Kitty's chunks go one by one: tmux has a limit on a sequence's length.
        var isOpen = false
        for (place, byte) in bytes.enumerated() {
            if !isOpen { out += Array("\u{1B}Ptmux;".utf8) }
            isOpen = true
            out += byte == escape ? [escape, escape] : [byte]
            guard place == bytes.count - 1 || byte == UInt8(ascii: "\\") && bytes[place - 1] == escape else { continue }
            out += [escape, UInt8(ascii: "\\")]
            isOpen = false
        }
        return String(decoding: out, as: UTF8.self)
    }
}

package func base64(_ bytes: ArraySlice<UInt8>) -> String {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    appendBase64(bytes, to: &text)
    return String(decoding: text, as: UTF8.self)
}
