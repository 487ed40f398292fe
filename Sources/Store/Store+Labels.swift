// Labels of images.

extension Store {
    /// Labels that a present image has, sorted.
    public var labelNames: [String] {
        let table = images.withLock { $0 }
        return zip(table.labels, table.labelCounts).filter { $0.1 > 0 }.map(\.0).sorted()
    }
}
