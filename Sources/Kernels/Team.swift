// The compute team: libgomp's threads, shared with oneDNN, so that products and our own loops never compete.
//
// libgomp keeps one team for every thread that starts parallel work. Run compute on one thread (or on few, each
// with a small team); never on an event loop or in the cooperative pool, which must not block.

import CDNNL
import Synchronization

/// The threads that compute.
///
///     Team.configure(threads: 2)
///     Team.parallelFor(rows) { row in ... }
///
/// Without `configure` the number is OMP_NUM_THREADS, or else the processors this process may use. Between two
/// pieces of work the threads spin for some milliseconds, then sleep (libgomp's GOMP_SPINCOUNT and
/// OMP_WAIT_POLICY change that from outside).
public enum Team {
    private static let configured = Mutex<Int?>(nil)
    private static let initial = Int(saed_team_default())

    /// Sets the number of threads for all later work, whichever thread starts it.
    public static func configure(threads: Int) {
        precondition(threads > 0, "\(threads) threads")
        _ = initial  // OpenMP's own default, read before anything is set
        configured.withLock { $0 = threads }
    }

    public static var threads: Int { configured.withLock { $0 } ?? initial }

    /// oneDNN's, as "2.6.3".
    public static var libraryVersion: String {
        var major: Int32 = 0, minor: Int32 = 0, patch: Int32 = 0
        saed_dnnl_version(&major, &minor, &patch)
        return "\(major).\(minor).\(patch)"
    }

    /// OpenMP counts threads per calling thread: told again wherever a thread enters.
    static func enter() { saed_team_set(Int32(clamping: threads)) }

    /// Calls `body(i)` once for each i in `0..<count`, on all threads of the team; returns when every call has.
    ///
    /// The indices are handed out one at a time, in order. Inside another `parallelFor` it runs on the calling
    /// thread alone. `body` runs concurrently with itself: what it writes must belong to its `i`.
    public static func parallelFor(_ count: Int, _ body: (Int) -> Void) {
        guard count > 0 else { return }
        enter()
        withoutActuallyEscaping(body) { body in
            withUnsafePointer(to: body) { pointer in
                saed_team_for(Int64(count), UnsafeMutableRawPointer(mutating: pointer)) { index, context in
                    context!.assumingMemoryBound(to: ((Int) -> Void).self).pointee(Int(index))
                }
            }
        }
    }

    /// `parallelFor` over `rows` in blocks of about `block` rows: `body` gets each block's rows.
    public static func parallelRows(_ rows: Int, block: Int, _ body: (Range<Int>) -> Void) {
        parallelFor((rows + block - 1) / block) { index in
            body(index * block..<min(rows, (index + 1) * block))
        }
    }
}
