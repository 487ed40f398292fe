// What stdout and stderr are, and writing to them.
//
// A reader that has seen enough (`saectl images | head`) closes the pipe: that is success, not an error. Names of
// files come from strangers: control characters never reach a terminal as they are.

import Glibc

/// One of the two output streams.
public struct Terminal: Sendable {
    public static let out = Terminal(fd: STDOUT_FILENO)
    public static let error = Terminal(fd: STDERR_FILENO)

    public let fd: CInt
    public let isTerminal: Bool
    public let usesColour: Bool
    /// Whether the locale's encoding is UTF-8: pictures are made of blocks then, else of ASCII.
    public let usesUnicode: Bool
    private let assumedColumns: Int?

    public init(fd: CInt) {
        self.fd = fd
        assumedColumns = nil
        usesUnicode = Terminal.localeIsUTF8(SocketPath.variable)
        isTerminal = isatty(fd) == 1
        let plain = SocketPath.variable("NO_COLOR").map { !$0.isEmpty } ?? false
        usesColour = isTerminal && !plain && SocketPath.variable("TERM") != "dumb"
    }

    /// One of a given width that nothing can be written to: for what a text would look like there.
    package init(columns: Int?, usesColour: Bool = false, usesUnicode: Bool = true) {
        (fd, isTerminal, assumedColumns) = (-1, columns != nil, columns)
        (self.usesColour, self.usesUnicode) = (usesColour, usesUnicode)
    }

    /// By the first of LC_ALL, LC_CTYPE, LANG that is set, as the C library decides.
    package static func localeIsUTF8(_ environment: (String) -> String?) -> Bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap(environment).first { !$0.isEmpty }
        guard let encoding = locale?.split(separator: ".").dropFirst().first else { return false }
        return ["utf-8", "utf8"].contains(encoding.prefix { $0 != "@" }.lowercased())
    }

    /// Columns, or nil where lines may have any length (a file, a pipe).
    public var columns: Int? {
        guard isTerminal else { return nil }
        if let assumedColumns { return assumedColumns }
        var size = winsize()
        if ioctl(fd, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
        return SocketPath.variable("COLUMNS").flatMap { Int($0) } ?? 80
    }

    /// Writes all of a text. Ends the program with success where the reader of stdout has gone, with an error where its
    /// disk is full.
    public func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var written = 0
            while written < bytes.count {
                let count = Glibc.write(fd, bytes.baseAddress! + written, bytes.count - written)
                if count > 0 {
                    written += count
                } else if errno == EPIPE {
                    exit(0)
                } else if errno == EAGAIN {
                    // Another program left it so that writing does not wait.
                    _ = waitForAny([(fd, CInt(POLLOUT))], milliseconds: -1)
                } else if errno != EINTR {
                    let reason = String(cString: strerror(errno))
                    if fd != STDERR_FILENO { Terminal.error.write("saectl: standard output can't be written: \(reason)\n") }
                    exit(ExitStatus.failed)
                }
            }
        }
    }

    public func line(_ text: String = "") { write(text + "\n") }

    /// A colour around a text, where colours are wanted.
    public func styled(_ text: String, _ style: Style) -> String {
        usesColour ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    public enum Style: Int, Sendable {
        case bold = 1
        case faint = 2
        case red = 31
        case green = 32
        case yellow = 33
        case cyan = 36
    }
}

/// What `saectl` exits with.
public enum ExitStatus {
    public static let success: CInt = 0
    /// The daemon's answer is an error, something asked for failed, or nothing was found.
    public static let failed: CInt = 1
    /// The command line is wrong, or no daemon answers.
    public static let usage: CInt = 2
}

extension Unicode.Scalar {
    /// Controls of a terminal, and those that turn the direction of what comes after them or break its line.
    var isControl: Bool {
        switch value {
        case 0..<0x20, 0x7F...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}

extension String {
    /// Control characters as `\xNN` or `\uNNNN`, so that a file's name can't move the cursor or turn a line around.
    public var printable: String {
        guard unicodeScalars.contains(where: \.isControl) else { return self }
        var out = ""
        for scalar in unicodeScalars {
            if scalar.isControl {
                let digits = String(scalar.value, radix: 16)
                out += scalar.value > 0xFF ? "\\u" : "\\x" + (digits.utf8.count == 1 ? "0" : "")
                out += digits
            } else {
                out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    /// Cells that it takes on a terminal: East Asian wide characters and emoji take two.
    package var cells: Int {
        if utf8.count == unicodeScalars.count { return utf8.count }
        return reduce(0) { sum, character in
            guard let first = character.unicodeScalars.first else { return sum }
            let wide = switch first.value {
            case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6,
                0x1F1E6...0x1F1FF, 0x1F300...0x1FAFF, 0x20000...0x3FFFD: true
            // Drawn as an emoji where the next scalar asks for that.
            default: character.unicodeScalars.contains("\u{FE0F}")
            }
            return sum + (wide ? 2 : 1)
        }
    }

    /// Shortened to some cells, with an ellipsis; a path keeps its end, which tells files apart.
    package func fitted(_ width: Int, keepingEnd: Bool) -> String {
        guard cells > width, width > 1 else { return self }
        var kept: [Character] = []
        var left = width - 1
        for character in keepingEnd ? Array(reversed()) : Array(self) {
            let size = String(character).cells
            guard size <= left else { break }
            kept.append(character)
            left -= size
        }
        return keepingEnd ? "…" + String(kept.reversed()) : String(kept) + "…"
    }
}
