// How a terminal can be shown a picture, told from its environment, and, where only it knows, by asking it.

import Glibc

/// A way to send a picture in band, as text: it works over SSH as it does at home.
public enum PictureProtocol: String, CaseIterable, Sendable {
    /// https://sw.kovidgoyal.net/kitty/graphics-protocol/
    case kitty
    /// https://iterm2.com/documentation-images.html
    case iterm2
    /// DEC's, of the VT340: https://vt100.net/docs/vt3xx-gp/chapter14.html
    case sixel
}

/// What a user wants (`--picture`, SAED_PICTURE).
public enum PictureChoice: String, CaseIterable, Sendable {
    case auto, kitty, iterm2, sixel, never
}

/// What the environment says.
package enum PictureGuess: Equatable, Sendable {
    case known(PictureProtocol)
    /// It may know sixel: ask it.
    case ask
    case none

    /// The innermost program that draws decides: tmux and screen first, then the terminal that named itself, then
    /// variables that an outer terminal may have left behind.
    package init(_ environment: (String) -> String?) {
        func value(_ name: String) -> String { environment(name) ?? "" }
        let term = value("TERM")
        // Pictures get through tmux and screen only where someone has set them up for it, which can't be told from here.
        if !value("TMUX").isEmpty || !value("STY").isEmpty || term.hasPrefix("tmux") || term.hasPrefix("screen") {
            self = .none
            return
        }
        if ["", "dumb", "linux"].contains(term) {
            self = .none
            return
        }
        switch value("TERM_PROGRAM") {
        case "ghostty": self = .known(.kitty)
        case "iTerm.app", "WezTerm": self = .known(.iterm2)
        // It shows pictures where its user has switched that on, and says so when asked.
        case "vscode": self = .ask
        case "Apple_Terminal": self = .none
        case _ where ["xterm-kitty", "xterm-ghostty"].contains(term) || !value("KITTY_WINDOW_ID").isEmpty: self = .known(.kitty)
        case _ where value("LC_TERMINAL") == "iTerm2": self = .known(.iterm2)
        // 22.04 is the first with kitty's protocol.
        case _ where Int(value("KONSOLE_VERSION")).map { $0 >= 220_400 } ?? false: self = .known(.kitty)
        default: self = .ask
        }
    }
}

extension PictureProtocol {
    /// Why 200 ms: a terminal answers within a few, one behind a slow line within a hundred or two.
    private static let answerMilliseconds = 200

    /// What to use on standard output; nil: a path is all that can be shown.
    ///
    /// - Parameter choice: a protocol that was named is used unseen, on a terminal.
    public static func ofTerminal(_ choice: PictureChoice) -> PictureProtocol? {
        // What a program reads from a pipe has no pictures in it; and what has no keyboard can't be asked.
        guard choice != .never, isatty(STDOUT_FILENO) == 1 else { return nil }
        if let named = PictureProtocol(rawValue: choice.rawValue) { return named }
        guard isatty(STDIN_FILENO) == 1 else { return nil }
        switch PictureGuess(SocketPath.variable) {
        case let .known(known): return known
        case .ask: return asksForSixel() ? .sixel : nil
        case .none: return nil
        }
    }

    /// Asks for the primary device attributes; 4 among them is sixel.
    private static func asksForSixel() -> Bool {
        // A program in the background must neither read keys nor change how they come.
        guard tcgetpgrp(STDIN_FILENO) == getpgrp() else { return false }
        // What was typed ahead is the shell's; the answer could not be told from it.
        guard !waitForAny([(STDIN_FILENO, CInt(POLLIN))], milliseconds: 0)[0] else { return false }
        var original = termios()
        guard tcgetattr(STDIN_FILENO, &original) == 0 else { return false }
        var raw = original
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
        tcsetattr(STDIN_FILENO, TCSANOW, &raw)
        // With what came and was not read: an answer that is late must not be typed at the shell.
        defer { tcsetattr(STDIN_FILENO, TCSAFLUSH, &original) }
        Terminal.out.write("\u{1B}[c")
        var answer: [UInt8] = []
        let end = wallMilliseconds() + Int64(SocketPath.variable("SSH_TTY") == nil ? answerMilliseconds : 5 * answerMilliseconds)
        while answer.count < 256, attributes(in: answer) == nil {
            let left = end - wallMilliseconds()
            guard left > 0, waitForAny([(STDIN_FILENO, CInt(POLLIN))], milliseconds: Int(min(left, 1000)))[0] else { break }
            var bytes = [UInt8](repeating: 0, count: 64)
            let count = read(STDIN_FILENO, &bytes, bytes.count)
            guard count > 0 else { break }
            answer += bytes[..<count]
        }
        return attributes(in: answer)?.contains(4) ?? false
    }

    /// The numbers of `ESC [ ? 62 ; 4 c`; nil where that has not come (whole).
    package static func attributes(in answer: [UInt8]) -> [Int]? {
        let text = String(decoding: answer, as: UTF8.self)
        for part in text.split(separator: "\u{1B}[?").dropFirst(text.hasPrefix("\u{1B}[?") ? 0 : 1) {
            guard let end = part.firstIndex(where: { !$0.isNumber && $0 != ";" }), part[end] == "c" else { continue }
            return part[..<end].split(separator: ";").compactMap { Int($0) }
        }
        return nil
    }
}
