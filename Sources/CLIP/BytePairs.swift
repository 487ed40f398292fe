// Byte-pair merging, as Hugging Face's tokenizers does it (models/bpe/word.rs): always the pair of lowest rank,
// the leftmost among equals. A heap keeps a word of n bytes at n log n: class files come from people.

struct BytePairs: Sendable {
    struct Merge: Sendable {
        let rank: Int32
        let result: Int32
    }

    private let merges: [UInt64: Merge]

    init(_ merges: [UInt64: Merge]) { self.merges = merges }

    static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Merges one word's symbols.
    func merged(_ symbols: [Int32]) -> [Int32] {
        guard symbols.count > 1 else { return symbols }
        var ids = symbols
        var next = (1...symbols.count).map { $0 < symbols.count ? $0 : -1 }
        var previous = (0..<symbols.count).map { $0 - 1 }
        var isAlive = [Bool](repeating: true, count: symbols.count)
        var queue = Heap()
        func offer(_ left: Int) {
            guard left >= 0, next[left] >= 0, let merge = merges[BytePairs.key(ids[left], ids[next[left]])] else {
                return
            }
            queue.push(Heap.Entry(rank: merge.rank, position: Int32(left), result: merge.result))
        }
        for position in 0..<symbols.count - 1 { offer(position) }
        while let entry = queue.pop() {
            let left = Int(entry.position)
            // The pair may be gone, or another one by now.
            guard isAlive[left], next[left] >= 0,
                merges[BytePairs.key(ids[left], ids[next[left]])]?.result == entry.result
            else { continue }
            let right = next[left]
            ids[left] = entry.result
            isAlive[right] = false
            next[left] = next[right]
            if next[left] >= 0 { previous[next[left]] = left }
            offer(previous[left])
            offer(left)
        }
        return ids.indices.filter { isAlive[$0] }.map { ids[$0] }
    }
}

/// A binary heap of merges, lowest rank and then leftmost on top.
private struct Heap {
    struct Entry {
        let rank, position, result: Int32

        func precedes(_ other: Entry) -> Bool { (rank, position) < (other.rank, other.position) }
    }

    private var entries: [Entry] = []

    mutating func push(_ entry: Entry) {
        entries.append(entry)
        var child = entries.count - 1
        while child > 0, entries[child].precedes(entries[(child - 1) / 2]) {
            entries.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop() -> Entry? {
        guard let top = entries.first else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return top }
        entries[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < entries.count && entries[child].precedes(entries[least]) { least = child }
            if least == parent { return top }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
