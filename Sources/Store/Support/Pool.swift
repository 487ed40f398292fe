// Things that are dear to make and used by one thread at a time: zstd contexts, summarizers.

import Synchronization

/// Lends out objects, makes one when none is idle, and keeps a few.
final class Pool<Item>: Sendable {
    // An item is out of the list while someone uses it, so never used by two threads at once.
    private struct Idle: @unchecked Sendable { var items: [Item] = [] }
    private struct Lent: @unchecked Sendable { let item: Item? }

    private let idle = Mutex(Idle())
    private let make: @Sendable () -> Item
    private let kept: Int

    init(keep kept: Int = 4, _ make: @escaping @Sendable () -> Item) {
        self.kept = kept
        self.make = make
    }

    func with<T, E: Error>(_ body: (Item) throws(E) -> T) throws(E) -> T {
        let item = idle.withLock { Lent(item: $0.items.popLast()) }.item ?? make()
        defer {
            let back = Lent(item: item)
            idle.withLock { idle in
                if idle.items.count < kept, let item = back.item { idle.items.append(item) }
            }
        }
        return try body(item)
    }

    /// Lets go of what is idle.
    func drop() { idle.withLock { $0.items = [] } }
}

typealias ZstdPool = Pool<ZstdCodec>
