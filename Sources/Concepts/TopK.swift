// The k largest of many, in order, without sorting the many.

/// Keeps the `k` items with the largest score; equal scores rank by lower tie-breaker.
struct TopK<Item> {
    private let k: Int
    /// Sorted, best first.
    private var kept: [(score: Double, tie: Int64, item: Item)] = []

    init(_ k: Int) {
        self.k = k
        kept.reserveCapacity(min(max(0, k), 1023) + 1)
    }

    var items: [Item] { kept.map(\.item) }
    /// The score that another must exceed to come in; nil while anything does.
    var threshold: Double? { kept.count == k ? kept.last?.score : nil }

    mutating func offer(_ item: Item, score: Double, tie: Int64) {
        if kept.count == k {
            // Nearly every item of a long list ends here.
            guard let last = kept.last, score > last.score || (score == last.score && tie < last.tie) else { return }
            kept.removeLast()
        }
        var low = 0, high = kept.count
        while low < high {
            let middle = (low + high) / 2
            let other = kept[middle]
            if other.score > score || (other.score == score && other.tie < tie) { low = middle + 1 } else { high = middle }
        }
        kept.insert((score, tie, item), at: low)
    }
}
