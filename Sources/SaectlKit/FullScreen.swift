// A terminal as one screen: the alternate buffer, keys without Enter, and the terminal as it was whatever ends the
// program.

import Glibc

/// What the user or the system wants of a program that has the screen.
public enum ScreenInput: Equatable, Sendable {
    case key(UInt8)
    /// The size changed, or the program goes on after it was stopped: draw everything.
    case redraw
    /// To end by, after the screen was given back.
    case signal(CInt)
    /// The terminal is gone.
    case closed
}

/// Takes the screen until `restore`. One at a time.
public final class FullScreen {
    private static let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT]
    // The alternate buffer, then no cursor and no wrapping (a character whose width we misjudge must not move the lines below), and back.
    private static let enter = "\u{1B}[?1049h"
    private static let prepare = "\u{1B}[?25l\u{1B}[?7l\u{1B}[2J"
    private static let leave = "\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

    private let terminal: Terminal
    /// Keys are read where stdin is the terminal, too.
    private let readsKeys: Bool
    private var original = termios()
    private let wake = Wake()
    private var drawn: [String] = []
    private var isOn = false

    public init(_ terminal: Terminal = .out) {
        self.terminal = terminal
        readsKeys = isatty(STDIN_FILENO) == 1
        caught = wake
        for signal in FullScreen.signals { handle(signal) }
        takeScreen()
    }

    /// To wait for, beside others.
    public var descriptors: [(fd: CInt, events: CInt)] {
        [(wake.fd, CInt(POLLIN)), (readsKeys ? STDIN_FILENO : -1, CInt(POLLIN))]
    }

    /// Columns and lines.
    public var size: (width: Int, height: Int) {
        var size = winsize()
        guard ioctl(terminal.fd, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// What came, once one of the descriptors is readable. Stops the program where the user said so, and returns when it goes on.
    public func take() -> [ScreenInput] {
        var inputs: [ScreenInput] = []
        for signal in wake.clear().map(CInt.init) {
            switch signal {
            case SIGWINCH: inputs.append(.redraw)
            case SIGCONT:
                // After a SIGSTOP, which nobody can see coming, the shell has had the terminal.
                takeScreen()
                inputs.append(.redraw)
            case SIGTSTP:
                stop()
                inputs.append(.redraw)
            default: inputs.append(.signal(signal))
            }
        }
        guard readsKeys else { return inputs }
        var polled = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        while poll(&polled, 1, 0) > 0 {
            var bytes = [UInt8](repeating: 0, count: 64)
            let count = read(STDIN_FILENO, &bytes, bytes.count)
            if count > 0 {
                inputs += bytes[..<count].map(ScreenInput.key)
            } else if count == 0 || errno != EINTR {
                inputs.append(.closed)
                break
            }
        }
        return inputs
    }

    /// Draws the lines that differ from what is there, at once.
    public func draw(_ lines: [String], everything: Bool) {
        var text = everything ? "\u{1B}[2J" : ""
        for (row, line) in lines.enumerated() where everything || row >= drawn.count || drawn[row] != line {
            // Erased before, not after: at the right edge the cursor stays on the last character.
            text += "\u{1B}[\(row + 1);1H\u{1B}[K" + line
        }
        if drawn.count > lines.count { text += "\u{1B}[\(lines.count + 1);1H\u{1B}[J" }
        drawn = lines
        guard !text.isEmpty else { return }
        // Terminals that know mode 2026 show the frame as a whole.
        terminal.write("\u{1B}[?2026h" + text + "\u{1B}[?2026l")
    }

    /// Gives the screen back.
    public func restore() {
        guard isOn else { return }
        isOn = false
        terminal.write(FullScreen.leave)
        if readsKeys { tcsetattr(STDIN_FILENO, TCSADRAIN, &original) }
    }

    /// Gives the screen back and ends by a signal, as its sender expects.
    public func end(by signal: CInt) -> Never {
        restore()
        Glibc.signal(signal, SIG_DFL)
        raise(signal)
        exit(128 + signal)
    }

    private func takeScreen() {
        if readsKeys {
            if !isOn { tcgetattr(STDIN_FILENO, &original) }
            // Keys at once and unseen; Ctrl-C and Ctrl-Z stay signals.
            var raw = original
            raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
            tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)
        }
        // Entered once: a second time would forget where the cursor was.
        terminal.write((isOn ? "" : FullScreen.enter) + FullScreen.prepare)
        (isOn, drawn) = (true, [])
    }

    private func stop() {
        restore()
        signal(SIGTSTP, SIG_DFL)
        raise(SIGTSTP)
        // Here the program goes on.
        handle(SIGTSTP)
        takeScreen()
    }

    private func handle(_ signal: CInt) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { signal in
            let error = errno
            caught?.up(UInt8(signal))
            errno = error
        }
        sigaction(signal, &action, nil)
    }
}

// Set before the first handler is; what a handler does with it is one `write`.
nonisolated(unsafe) private var caught: Wake?
