// The compute team: everything that takes long is a loop over pieces, which the calling thread works through with
// the help of threads that are kept for it.

import CDNNL
import Synchronization

/// The threads that compute.
///
///     Team.configure(threads: 2)
///     Team.parallelFor(rows) { row in ... }
///
/// Without `configure` the number is OMP_NUM_THREADS, or else the processors this process may use. Several threads
/// may compute at the same time; they share the helpers. Never compute on an event loop or in the cooperative
/// pool, which must not block. Helpers sleep when there is nothing to do for some 30 microseconds.
public enum Team {
    private static let configured = Mutex<Int?>(nil)
    private static let initial = Int(saed_team_default())

    /// Sets the number of threads for all later work, the calling one included.
    public static func configure(threads: Int) {
        precondition(threads > 0, "\(threads) threads")
        configured.withLock { $0 = threads }
    }

    public static var threads: Int { configured.withLock { $0 } ?? initial }

    /// oneDNN's, as "2.6.3".
    public static var libraryVersion: String {
        var major: Int32 = 0, minor: Int32 = 0, patch: Int32 = 0
        saed_dnnl_version(&major, &minor, &patch)
        return "\(major).\(minor).\(patch)"
    }

    /// Calls `body(i)` once for each i in `0..<count`, on the team; returns when every call has.
    ///
    /// The indices are handed out one at a time, in order. Inside another `parallelFor` it runs on the calling
    /// thread alone. `body` runs concurrently with itself: what it writes must belong to its `i`.
    public static func parallelFor(_ count: Int, _ body: (Int) -> Void) {
        guard count > 0 else { return }
        withoutActuallyEscaping(body) { body in
            withUnsafePointer(to: body) { pointer in
                saed_team_for(Int64(count), Int32(clamping: threads), UnsafeMutableRawPointer(mutating: pointer)) { index, context in
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
