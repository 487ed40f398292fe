// What arguments offer at TAB. Generated scripts (tools/manuals) ask by `saectl ---completion`.

import ArgumentParser
import Glibc
import SaectlKit

extension CompletionKind {
    /// What the daemon has, as far as it says so in time.
    static func offer(_ offer: Offer) -> CompletionKind {
        .custom { line, place, prefix in
            giveUp(afterMilliseconds: 100)
            // The parser takes the prefix from the last word, wherever the cursor is.
            let typed = place == line.count - 1 || !line.indices.contains(place) ? prefix : line[place]
            return offer.words(line: line, prefix: typed, for: CompletionShell.requesting.flatMap { Offer.Shell(rawValue: $0.rawValue) })
        }
    }

    /// Why 100 ms: what takes longer is felt as a hang. A daemon that computes still answers within a few.
    private static func giveUp(afterMilliseconds time: Int) {
        signal(SIGALRM) { _ in _exit(0) }
        var timer = itimerval(it_interval: timeval(), it_value: timeval(tv_sec: 0, tv_usec: time * 1000))
        setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer, nil)
    }
}
